"""The embedded broker: one real Apache Kafka, broker and controller in one process, on free ports of the loopback.

Whoever holds the lock on ``owner.lock`` owns the broker, and it ends with its owner, however the owner ends: a keeper
(kafka_keeper.py) ends it, and holds the lock until it is gone. Others on the same folder are guests: they find
its address in the file ``address``, with what proves that broker ours. For demonstrations, tests and one machine; with
one broker, what is not yet on the disk is lost when the power fails. Errors: ``EmbeddedError``, one sentence each.
"""

import atexit
import base64
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.embedded import kafka_keeper
from deploy.embedded.folders import birth, is_server, make_folder
from deploy.embedded.kafka_programs import fetch_jars, java_command, program_environment, run_kafka_program
from deploy.embedded.postgres_programs import EmbeddedError

START_SECONDS = 120
HOST = "127.0.0.1"

# Groups begin at once; the inner topics are small; a message may hold a long stay of several MB.
BROKER_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A restarted broker is let in only when the session of the killed one has run out.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "message.max.bytes": str(16 * 2**20),
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.cleaner.dedupe.buffer.size": str(8 * 2**20),
}

_LISTENERS = re.compile(r"^listeners=PLAINTEXT://[^:]+:(\d+),CONTROLLER://[^:]+:(\d+)$", re.MULTILINE)

LOG_SETTINGS = """
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass(slots=True)
class EmbeddedKafka:
    """A running broker on ``folder``. The owner's ``stop`` ends it; a guest's does nothing.

    ``kill`` ends it as a power cut of the process would, ``restart`` starts it again on the same data and ports.
    """

    folder: Path
    port: int
    _jars: Path | None = field(repr=False)
    _controller_port: int = field(repr=False)
    _lock: int | None = field(repr=False)
    _keeper: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)
    _born: float = field(default=0.0, repr=False)
    pid: int | None = None

    @property
    def brokers(self) -> str:
        """The address for clients: host:port."""
        return f"{HOST}:{self.port}"

    @property
    def is_owner(self) -> bool:
        return self._lock is not None and self._owner == os.getpid()

    def restart(self) -> None:
        """Starts the broker where it does not run, and waits until it answers. Raises ``EmbeddedError``."""
        if not self.is_owner or self._keeper is not None:
            return
        assert self._jars is not None
        options = ["-Dlog4j2.configurationFile=log4j2.properties"]
        java = java_command(self.folder, self._jars, "kafka.Kafka", "server.properties", options=options)
        keeper = [sys.executable, kafka_keeper.__file__, "server.log", self._address.name, *java]
        assert self._lock is not None
        self._keeper = subprocess.Popen(
            keeper,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=program_environment(),
            cwd=self.folder,
            start_new_session=True,
            pass_fds=(self._lock,),
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        deadline = time.monotonic() + START_SECONDS
        while not (_listens(self.pid, self.port) and answers(self.port)):
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                self._end_keeper()
                complaint = _last_complaint(self.folder / "server.log")
                raise EmbeddedError(f"Kafka 未能启动 / Kafka did not start: {complaint}")
            time.sleep(0.05)
        self._born = birth(self.pid)
        self._address.write_text(f"{self.brokers} {self.pid} {self._born}\n", encoding="ascii")

    def kill(self) -> None:
        """Ends the broker at once with SIGKILL; what it had acknowledged is there after ``restart``."""
        if self.is_owner and self.pid is not None and self._keeper is not None:
            if is_server(self.pid, self._born, self.folder):
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self._end_keeper()

    def revive(self) -> bool:
        """Starts the broker again where it died by itself, and says whether it had. Raises ``EmbeddedError``."""
        if not self.is_owner or self._keeper is None or self._keeper.poll() is None:
            return False
        self._end_keeper()
        self.restart()
        return True

    def stop(self) -> None:
        """Ends the broker in order. Safe to call twice; a guest and a forked child do nothing."""
        if not self.is_owner:
            return
        self._end_keeper()
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None
        atexit.unregister(self.stop)

    def _end_keeper(self) -> None:
        if self._keeper is None:
            return
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            assert pipe is not None
            pipe.close()
        self._keeper.wait()
        self._address.unlink(missing_ok=True)
        self._keeper = self.pid = None

    @property
    def _address(self) -> Path:
        return self.folder / "address"

    def __enter__(self) -> "EmbeddedKafka":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_kafka(folder: Path, cache: Path | None = None) -> EmbeddedKafka:
    """The broker on a folder: started, or found running. Its jars rest in ``cache``, which is the folder unless named.

    The first start fetches them. Raises ``EmbeddedError``.
    """
    folder = make_folder(folder)
    jars = fetch_jars(cache or folder)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lock = _acquire(folder / "owner.lock")
        if lock is not None:
            return _start(folder, jars, lock)
        guest = _find_running(folder)
        if guest is not None:
            return guest
        time.sleep(0.05)
    raise EmbeddedError(
        f"另一进程占用 {folder}, 但 Kafka 未就绪 / another process holds {folder} but no broker answers"
    )


def answers(port: int, patience: float = 1.0) -> bool:
    """Whether a broker answers on a port of the loopback, asked which requests it knows (ApiVersions, version 0)."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((HOST, port), patience) as connection:
            connection.settimeout(patience)
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def _listens(pid: int, port: int) -> bool:
    """Whether a process listens on a port; somebody else may have taken it since it was seen to be free."""
    with suppress(psutil.NoSuchProcess):
        listening = psutil.Process(pid).net_connections("tcp")
        return any(there.status == psutil.CONN_LISTEN and there.laddr.port == port for there in listening)
    return False


def _start(folder: Path, jars: Path, lock: int) -> EmbeddedKafka:
    port, controller_port = _ports(folder)
    kafka = EmbeddedKafka(folder, port, jars, controller_port, lock)
    atexit.register(kafka.stop)
    try:
        _save_settings(kafka, controller_port)
        if not (folder / "data" / "meta.properties").exists():
            words = ("format", "-t", _new_cluster_id(), "-c", "server.properties")
            run_kafka_program(folder, jars, "kafka.tools.StorageTool", *words)
        kafka.restart()
    except BaseException:
        kafka.stop()
        raise
    return kafka


def _find_running(folder: Path) -> EmbeddedKafka | None:
    """The broker of another owner as its guest, ``None`` while it does not answer."""
    with suppress(FileNotFoundError, ValueError):
        brokers, pid, born = (folder / "address").read_text(encoding="ascii").split()
        port = int(brokers.rpartition(":")[2])
        if is_server(int(pid), float(born), folder) and answers(port):
            return EmbeddedKafka(folder, port, None, 0, None)
    return None


def _save_settings(kafka: EmbeddedKafka, controller_port: int) -> None:
    settings = BROKER_SETTINGS | {
        "listeners": f"PLAINTEXT://{HOST}:{kafka.port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{kafka.port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": "data",  # from inside the folder, whose own name may hold signs that mean something in this file
    }
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    (kafka.folder / "server.properties").write_text("".join(lines), encoding="utf-8")
    (kafka.folder / "log4j2.properties").write_text(LOG_SETTINGS, encoding="utf-8")


def _new_cluster_id() -> str:
    """16 bytes in base64, 15 of them random: a store knows by it that its offsets are of this very log.

    The first one keeps it from beginning with a hyphen, which would read as an option.
    """
    return base64.urlsafe_b64encode(b"F" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def _ports(folder: Path) -> tuple[int, int]:
    """Those of the last run, unless somebody has taken them: a worker that outlived its broker finds the next one."""
    settings = folder / "server.properties"
    found = _LISTENERS.search(settings.read_text(encoding="utf-8")) if settings.exists() else None
    if found is None:
        return _free_ports()
    ports = (int(found[1]), int(found[2]))
    return ports if all(map(_is_free, ports)) else _free_ports()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_ports() -> tuple[int, int]:
    """Two ports of the loopback that nobody listens on at this moment."""
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]


def _acquire(path: Path) -> int | None:
    """The descriptor of a lock file that is locked now, ``None`` where another holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None


def _last_complaint(server_log: Path) -> str:
    lines = server_log.read_text(errors="replace").splitlines()
    bad = [line for line in lines if " ERROR " in line or " FATAL " in line or "Exception" in line]
    return (bad or lines or [str(server_log)])[-1].strip()
