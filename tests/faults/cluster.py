"""A cluster on this machine: a database, a bus and worker processes, which are started, struck and looked at."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil

from streams.bus import Bus
from streams.hosts.stations import create_topics
from streams.store.sessions import connect, open_pool, passes_by_itself
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE
from tests.streams.worker_process import STARTED

from .county import County
from .grounds import Ground
from .servers import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
_LOOK_EVERY = 0.01

Positions = dict[int, int]
"""Where the judges read on, by partition of the claims."""


@dataclass
class WorkerProcess:
    """A process of workers; what it says goes to a file."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    @property
    def has_started(self) -> bool:
        return STARTED in self.log.read_text()

    def owns(self, owner: str | None) -> bool:
        """Whether a partition's owner is a member of this process."""
        return owner is not None and f"-{self.process.pid}-" in owner

    @property
    def is_stopped(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        return False

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@dataclass
class Cluster:
    """One scenario's database, bus and workers, which handle batches of ``batch`` records."""

    ground: Ground
    server: PostgresServer
    database: str
    county: County
    batch: int
    folder: Path
    workers: list[WorkerProcess] = field(default_factory=list)
    sent: int = 0
    refused: int = 0
    _started: int = 0
    _session: asyncpg.Connection | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def dsn(self) -> str:
        return self.server.dsn_of(self.database)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        async with open_pool(self.dsn, 4) as pool:
            bus = self.ground.open_bus(pool)
            await create_topics(bus)
            try:
                yield bus
            finally:
                await bus.close()

    # --- workers

    async def start(self, strike: str | None = None) -> WorkerProcess:
        """Starts a process of workers, which may be told to strike itself."""
        words = [self.dsn, "--batch", str(self.batch), *self.ground.words()]
        words += ["--strike", strike] if strike else []
        self._started += 1
        log = self.folder / f"worker-{self._started}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.streams.worker_process", *words, cwd=ROOT, stderr=errors
            )
        worker = WorkerProcess(process, log)
        self.workers.append(worker)
        return worker

    async def kill(self, worker: WorkerProcess) -> None:
        worker.signal(signal.SIGKILL)
        await worker.process.wait()

    async def until_struck(self, worker: WorkerProcess) -> None:
        """Waits until a process has struck itself: killed, or stopped."""
        deadline = time.monotonic() + PATIENCE
        while worker.is_alive and not worker.is_stopped:
            assert time.monotonic() < deadline, "the point was never passed"
            assert self.sent < len(self.county.messages), "all claims were sent before the point was passed"
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.process.wait(), _LOOK_EVERY)
        assert worker.process.returncode in (None, -signal.SIGKILL), worker.log.read_text()[-2000:]

    async def stop(self) -> None:
        """SIGTERM for all: each that was not killed ends in order within 5 seconds.

        All may be done before the last that was started has begun; it is waited for.
        """
        alive = [worker for worker in self.workers if worker.is_alive]
        for worker in alive:
            await self._until_started(worker)
            worker.signal(signal.SIGTERM)
        for worker in alive:
            code = await asyncio.wait_for(worker.process.wait(), 5)
            assert code == 0, f"{code}: {worker.log.read_text()[-2000:]}"

    async def _until_started(self, worker: WorkerProcess) -> None:
        deadline = time.monotonic() + PATIENCE
        while not worker.has_started:
            assert worker.is_alive, worker.log.read_text()[-2000:]
            assert time.monotonic() < deadline, "it does not start"
            await asyncio.sleep(_LOOK_EVERY)

    def end(self) -> None:
        """Ends what is left of it, by process id."""
        for worker in self.workers:
            if worker.is_alive:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGKILL)

    # --- messages

    async def _send(self, bus: Bus, count: int) -> None:
        """Sends the next messages of the county, again and again where the bus refuses for want of room."""
        messages = self.county.messages[self.sent : self.sent + count]
        if not messages:
            return
        while True:
            try:
                await bus.send(CLAIMS, messages)
                break
            except asyncpg.DiskFullError:
                self.refused += 1
                await asyncio.sleep(0.2)
        self.sent += len(messages)

    async def send_all(self) -> None:
        """Sends all that was not sent yet, and leaves the bus."""
        async with self.bus() as bus:
            await self._send_rest(bus)

    async def _send_rest(self, bus: Bus) -> None:
        while self.sent < len(self.county.messages):
            await self._send(bus, 1000)

    @asynccontextmanager
    async def fed(self, rate: int) -> AsyncIterator[None]:
        """Sends so many messages a second, and what is left at the end at once."""
        over = asyncio.Event()
        async with self.bus() as bus:
            feeding = asyncio.create_task(self._feed(bus, rate, over))
            try:
                yield
                assert not feeding.done(), "all claims were sent before the faults were over"
            finally:
                over.set()
                await feeding
            await self._send_rest(bus)

    async def _feed(self, bus: Bus, rate: int, over: asyncio.Event) -> None:
        """At the rate for the first half, and then at a tenth of it: a slow machine is to find work to the end."""
        while self.sent < len(self.county.messages) and not over.is_set():
            slowly = self.sent > len(self.county.messages) // 2
            await self._send(bus, rate // (40 if slowly else 4))
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.25)

    def move_log_to(self, disk: Path) -> None:
        """Moves the bus's log to a disk of its own."""
        self.server.make_tablespace(disk)
        for relation in ("table log_0", "index log_0_pkey"):
            self.server.run_sql(f"alter {relation} set tablespace small", self.database)

    async def until_refused(self) -> None:
        """Waits until a sender was refused for want of room."""
        deadline = time.monotonic() + PATIENCE
        while not self.refused:
            assert time.monotonic() < deadline, "nobody noticed the full disk"
            await asyncio.sleep(_LOOK_EVERY)

    # --- looking

    async def fetch(self, sql: str) -> list[asyncpg.Record]:
        """Rows of the database, also of one that is away and comes back."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                async with self._looking:
                    if self._session is None or self._session.is_closed():
                        self._session = await connect(self.dsn)
                    rows: list[asyncpg.Record] = await self._session.fetch(sql)
                return rows
            except Exception as error:
                if not passes_by_itself(error) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_LOOK_EVERY)

    async def positions(self) -> Positions:
        rows = await self.fetch(
            f"select partition, next from group_offsets where \"group\" = '{JUDGES}' and topic = '{CLAIMS}'"
        )
        return {row["partition"]: row["next"] for row in rows}

    async def held_by(self, worker: WorkerProcess) -> list[int]:
        """The partitions of the claims that a process holds, or held when it died."""
        rows = await self.fetch(
            f"select partition, owner from group_offsets where \"group\" = '{JUDGES}' and topic = '{CLAIMS}'"
        )
        return [row["partition"] for row in rows if worker.owns(row["owner"])]

    async def until_read(self, share: float) -> None:
        """Waits until the judges have read so much of the county."""
        deadline = time.monotonic() + PATIENCE
        while sum((await self.positions()).values()) < share * len(self.county.messages):
            assert time.monotonic() < deadline, "no further"
            await asyncio.sleep(_LOOK_EVERY)

    async def until_holding(self, worker: WorkerProcess) -> None:
        """Waits until a process holds a partition of the claims."""
        deadline = time.monotonic() + PATIENCE
        while not await self.held_by(worker):
            assert time.monotonic() < deadline, "no partition came to it"
            await asyncio.sleep(_LOOK_EVERY)

    async def until_work_goes_on(self, partitions: Sequence[int], before: Positions, since: float) -> float | None:
        """Seconds from ``since`` until every partition was read further than ``before``.

        ``None`` where none of them was affected: nothing was held, or all of it read.
        """
        ends, deadline = self.county.ends, time.monotonic() + PATIENCE
        left = {n: before.get(n, 0) for n in partitions if before.get(n, 0) < ends[n]}
        if not left:
            return None
        while left:
            assert time.monotonic() < deadline, f"partitions {sorted(left)} stand still\n{await self._state()}"
            positions = await self.positions()
            left = {n: position for n, position in left.items() if positions[n] <= position}
            await asyncio.sleep(_LOOK_EVERY)
        return time.monotonic() - since

    async def newest_waiting(self) -> int:
        """The number of the newest row in the outbox, 0 where it is empty."""
        (row,) = await self.fetch("select coalesce(max(id), 0) as newest from outbox")
        return int(row["newest"])

    async def until_sent_on(self, newest: int) -> None:
        """Waits until every row of the outbox up to one was sent on."""
        deadline = time.monotonic() + PATIENCE
        while await self.fetch(f"select from outbox where id <= {newest} limit 1"):
            assert time.monotonic() < deadline, "the outbox is not sent on"
            await asyncio.sleep(_LOOK_EVERY)

    async def until_done(self) -> None:
        """Waits until all claims are read, the outbox is empty and the leads know every version."""
        deadline = time.monotonic() + PATIENCE
        while not await self._is_done():
            assert time.monotonic() < deadline, await self._state()
            await asyncio.sleep(0.05)

    async def _is_done(self) -> bool:
        if await self.positions() != dict(self.county.ends):
            return False
        (row,) = await self.fetch(
            "select not exists (select from outbox) and not exists (select from findings f left join lead_findings l"
            " using (area, finding_id) where l.version is distinct from f.version) as done"
        )
        return bool(row["done"])

    async def _state(self) -> str:
        (row,) = await self.fetch("select count(*) as waiting from outbox")
        logs = "\n".join(f"{worker.log}:\n{worker.log.read_text()[-1500:]}" for worker in self.workers)
        return f"{await self.positions()} of {self.county.ends}, {row['waiting']} in the outbox\n{logs}"

    async def close(self) -> None:
        self.end()
        for worker in self.workers:
            await worker.process.wait()
        if self._session is not None:
            await self._session.close()
