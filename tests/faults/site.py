"""A site: gateway and worker as processes of the command line, on a database and a bus that may be struck."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from streams.jobs.reconciling import find_under_way
from streams.journal.folder import look_into
from streams.messages.vault import Vault
from streams.store.sessions import borrowed, connect, open_pool
from tests.patience import PATIENCE

from .grounds import Ground
from .hospitals import Broken, Hospital, Line, Sent

ROOT = Path(__file__).resolve().parents[2]
VAULT_KEY = "a key of the faults, which is no secret at all"
PSEUDONYM_KEY = "another key of the faults, which is no secret"
VAULT = Vault(VAULT_KEY.encode())
_LOOK_EVERY = 0.05


@dataclass
class Seen:
    """What was answered to those who ask after the gateway's health, while it is alive."""

    live: Counter[int] = field(default_factory=Counter)
    ready: Counter[int] = field(default_factory=Counter)


@dataclass
class Site:
    """Processes on a database, a bus and a folder; ``journals`` is where the gateway keeps its journal."""

    ground: Ground
    dsn: str
    folder: Path
    journals: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: _free_port())
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    gateway: "subprocess.Popen[bytes] | None" = None
    worker: "subprocess.Popen[bytes] | None" = None
    kills: int = 0
    seen: Seen = field(default_factory=Seen)

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
        told = {
            "HOME": str(self.folder / "home"),
            "DATABASE_URL": self.dsn,
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_KEYS": "none",
            "GATEWAY_RATE": "100000",
            "JOURNAL_FOLDER": str(self.journals),
            "VAULT_KEY": VAULT_KEY,
            "PSEUDONYM_KEY": PSEUDONYM_KEY,
            **self.settings,
        }
        address = getattr(self.ground, "address", None)
        if address is not None:
            told |= {"BUS": "kafka", "BROKERS": address.brokers, "KAFKA_PREFIX": address.prefix}
        return {**ours, **{f"FUNDWATCH_{name}": value for name, value in told.items()}}

    @property
    def journal(self) -> Path:
        return self.journals / f"gateway-{self.port}"

    def start(self, command: str) -> "subprocess.Popen[bytes]":
        """Starts a command; what it says goes to a file."""
        log = self.folder / f"{command}-{len(self.processes)}.log"
        words = [sys.executable, "-m", "deploy.commands", command]
        with log.open("wb") as errors:
            process = subprocess.Popen(words, cwd=ROOT, env=self.environment, stdout=errors, stderr=errors)
        self.processes.append(process)
        return process

    async def start_gateway(self) -> None:
        """Starts the gateway and waits until it answers."""
        self.gateway = self.start("gateway")
        await self.until(lambda: self._answers(), "the gateway does not answer")

    async def kill_gateway(self) -> None:
        """SIGKILL in the middle of its work, and a start on the same folder."""
        assert self.gateway is not None
        self.gateway.kill()
        await asyncio.to_thread(self.gateway.wait)
        self.kills += 1
        await self.start_gateway()

    @property
    def memory(self) -> int:
        """Bytes of memory that the gateway has."""
        assert self.gateway is not None
        return int(psutil.Process(self.gateway.pid).memory_info().rss)

    async def health(self, check: str) -> int:
        """The status that a check of health gives. Raises ``Broken``."""
        line = Line(self.port)
        status, _ = await line.call("GET", f"/health/{check}")
        await line.close()
        return status

    async def _answers(self) -> bool:
        assert self.gateway is not None
        assert self.gateway.poll() is None, self.logs()
        with suppress(Broken):
            return await self.health("live") == 200
        return False

    async def until(self, met: object, says: str) -> None:
        """Waits until a condition holds; it may be one that is awaited."""
        deadline = time.monotonic() + PATIENCE
        assert callable(met)
        while True:
            found = met()
            if await found if asyncio.iscoroutine(found) else found:
                return
            assert time.monotonic() < deadline, f"{says}\n{self.logs()}"
            self._keep_worker()
            await asyncio.sleep(_LOOK_EVERY)

    @asynccontextmanager
    async def under_load(self, connections: int, pause: float) -> AsyncIterator[list[Hospital]]:
        """Hospitals that send, and somebody who asks after the gateway's health, until the block ends."""
        hospitals = [Hospital(self.port, f"H4202810{number:04}") for number in range(connections)]
        stop = asyncio.Event()
        working = [asyncio.create_task(hospital.work(stop, pause)) for hospital in hospitals]
        asking = asyncio.create_task(self._ask_after_health(stop))
        try:
            yield hospitals
        finally:
            stop.set()
            done = await asyncio.gather(*working, asking, return_exceptions=True)
        for ended in done:
            if isinstance(ended, BaseException):
                raise ended

    async def _ask_after_health(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(Broken):
                self.seen.live[await self.health("live")] += 1
                self.seen.ready[await self.health("ready")] += 1
            await asyncio.sleep(_LOOK_EVERY)

    async def until_settled(self, hospitals: list[Hospital], more: int) -> None:
        """Waits until each of some hospitals has got so many more messages settled."""
        goals = [sum(of.is_settled for of in hospital.book) + more for hospital in hospitals]
        await self.until(
            lambda: all(
                sum(of.is_settled for of in hospital.book) >= goal
                for hospital, goal in zip(hospitals, goals, strict=True)
            ),
            "messages are not settled",
        )

    async def start_worker(self) -> None:
        """Starts a worker and waits until something of what was answered is in the store.

        One that ends is started again, as whoever runs it would: it cannot begin while the database is away.
        """
        self.worker = self.start("worker")
        connection = await connect(self.dsn)

        async def is_there() -> bool:
            return bool(await connection.fetchval("select exists (select from prescriptions)"))

        try:
            await self.until(is_there, "nothing comes into the store")
        finally:
            await connection.close()

    def _keep_worker(self) -> None:
        if self.worker is not None and self.worker.poll() is not None:
            self.worker = self.start("worker")

    async def until_taken_in(self) -> None:
        """Waits until all that the journal held is in the store, and judged."""
        await self.until(lambda: look_into(self.journal).records == 0, "the journal is not sent")
        async with open_pool(self.dsn, 4) as pool:
            bus = self.ground.open_bus(pool)
            try:
                deadline = time.monotonic() + PATIENCE
                while True:
                    async with borrowed(pool) as connection:
                        waits = await find_under_way(connection, bus)
                    if waits.is_done:
                        return
                    assert time.monotonic() < deadline, f"{waits}\n{self.logs()}"
                    self._keep_worker()
                    await asyncio.sleep(_LOOK_EVERY)
            finally:
                await bus.close()

    async def stop(self) -> None:
        """SIGTERM for all that live: each ends in order."""
        alive = [process for process in self.processes if process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        for process in alive:
            code = await asyncio.to_thread(process.wait, PATIENCE)
            assert code in (0, 130), f"{code}\n{self.logs()}"

    def end(self) -> None:
        """Ends what is left of it, by process id."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def assert_all_accounted_for(dsn: str, book: list[Sent], kills: int) -> None:
    """What was answered with 0 is in the store once, as it was answered; what was refused is a dead letter, once.

    A refusal that was broken off or put off before may stand there once more each time, since nobody knew of it, and
    for each kill: the journal sends again what it had not marked as sent, and readers know refusals by no name.
    """
    connection = await connect(dsn)
    try:
        asked = await connection.fetch("select event_id, code, not_asked, judged_late from prescriptions")
        warned = await connection.fetch("select warning_id from warnings")
        replied = await connection.fetch("select event_id from replies")
        letters = await connection.fetch("select outcome, reasons, body from dead_letters")
    finally:
        await connection.close()
    taken = {kind: [of for of in book if of.is_taken and of.infno in kinds] for kind, kinds in KINDS.items()}
    assert Counter(row["event_id"] for row in asked) == Counter(f"{_sender(of)}:{of.msgid}:1" for of in taken["asked"])
    codes = {row["event_id"]: row["code"] for row in asked}
    wrong = [
        (of.msgid, of.broken)
        for of in taken["asked"]
        if codes[f"{_sender(of)}:{of.msgid}:1"] != of.last["output"]["receipt"]["code"]
    ]
    assert wrong == [], "what is stored is not what was answered"
    names = Counter(row["warning_id"] for row in warned)
    told = [name for of in taken["asked"] for name in of.warnings]
    assert {name: names[name] for name in told} == dict.fromkeys(told, 1)
    assert len(told) == len(set(told))
    assert Counter(row["event_id"] for row in replied) == Counter(
        f"{_sender(of)}:{of.msgid}:1" for of in taken["replied"]
    )
    bodies = Counter(VAULT.open(row["body"]) for row in letters if row["outcome"] == "dead")
    refused = [of for of in book if of.is_settled and not of.is_taken]
    assert bodies.keys() == {of.body for of in refused}
    most = {of.msgid: len(of.answers) + of.broken + kills for of in refused}
    assert [of.msgid for of in refused if not 1 <= bodies[of.body] <= most[of.msgid]] == []
    assert [(row["outcome"], row["reasons"]) for row in letters if row["outcome"] != "dead"] == []


KINDS = {"asked": ("3101", "3102"), "replied": ("3103",)}


def _sender(sent: Sent) -> str:
    return str(json.loads(sent.body)["fixmedins_code"])
