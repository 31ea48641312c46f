"""The service: one process's stations and jobs over one bus, from start to orderly stop."""

import asyncio
import logging
import os
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from rules_lib.rule_set import RuleSet
from streams.bus import Bus
from streams.buses.endings import finished
from streams.buses.postgres import PostgresBus
from streams.handlers.rule_sets import RuleSets, publish_first
from streams.hosts import metrics
from streams.hosts.stations import STATIONS, Station, create_topics
from streams.hosts.watching import watch_store
from streams.hosts.worker import Worker
from streams.jobs.judging_subjects import run_judging_subjects
from streams.jobs.keeping_orders import run_keeping_orders
from streams.jobs.measuring import run_measuring
from streams.jobs.noticing import run_noticing
from streams.jobs.relay import run_relay
from streams.jobs.retention import run_retention
from streams.jobs.summing import run_summing
from streams.messages.vault import Vault
from streams.store.sessions import LEAST_OPEN, Pool, borrowed, connect, open_pool
from streams.store.transport import offsets

logger = logging.getLogger("fundwatch.service")


class Service(AsyncExitStack):
    """What runs in one process: a worker a station, jobs, and the pool that they share."""

    def __init__(self, dsn: str, pool: Pool, bus: Bus, rule_set: RuleSet, vault: Vault):
        """``is_prepared`` is set once the store was found and has what the service needs."""
        super().__init__()
        self.is_prepared = asyncio.Event()
        self.dsn = dsn
        self.pool = pool
        self.bus = bus
        self.rule_set = rule_set
        self.rule_sets = RuleSets(rule_set, metrics.begin_rules)
        self.vault = vault
        self.stop = asyncio.Event()
        self.failed = False
        self.is_watched = False
        self.started_at = datetime.now(UTC)
        self.tasks: list[asyncio.Task[None]] = []

    async def prepare(self, partitions: Mapping[str, int] | None = None) -> None:
        """Makes topics, and puts the program's rule set in force where there is none. Raises ``OtherBus``."""
        async with borrowed(self.pool) as connection:
            await offsets.claim_bus(connection, await self.bus.name())
        await create_topics(self.bus, partitions)
        async with borrowed(self.pool) as connection:
            await publish_first(connection, self.rule_set)
        self.is_prepared.set()

    def add_once_prepared(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs something that needs the store beside the workers, from when the store is there."""
        self.add(self._once_prepared(work))

    async def _once_prepared(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with suppress(TimeoutError):
            await finished(self.is_prepared.wait(), self.stop, 0)
        if self.is_prepared.is_set():
            await work()

    async def start_station(self, station: Station) -> Worker:
        """Starts a worker on a station; it stops with the service, finishing or abandoning its batch."""
        worker = self.worker_of(station)
        backend_pid = await worker.open()
        self.push_async_callback(worker.close)
        consumer = await self.bus.consumer(station.group, station.topic, member_name(), backend_pid)
        self.push_async_callback(consumer.close)
        self.add(worker.run(consumer, self.stop))
        return worker

    def worker_of(self, station: Station) -> Worker:
        """A worker with the station's handler, and a database session of its own once it is opened."""
        return Worker(lambda: connect(self.dsn), station.make(self.rule_sets, self.vault), station.batch)

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the workers; where it fails, the whole service stops with an alarm."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._check)
        self.tasks.append(task)

    def watch(self) -> None:
        """Reads the store for metrics from now on; once, however many ask for it."""
        if not self.is_watched:
            self.is_watched = True
            self.add_once_prepared(lambda: watch_store(self.pool, self.bus, self.stop))

    def _check(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.critical("stopped: %s\n%s", type(error).__name__, where)
            self.failed = True
            self.stop.set()

    async def start(self) -> None:
        """Starts every station, and every job: wider subjects, orders, outbox, leads, figures, silence, and the log."""
        async with borrowed(self.pool) as connection:
            metrics.begin_rules(await self.rule_sets.in_force(connection))
        for station in STATIONS:
            metrics.begin_topic(station.topic)
            await self.start_station(station)
        self.add(run_judging_subjects(self.pool, self.rule_sets, self.stop, metrics.count_report))
        self.add(run_keeping_orders(self.pool, self.stop))
        self.add(run_relay(self.pool, self.bus, self.stop))
        self.add(run_summing(self.pool, self.rule_sets, self.stop))
        self.add(run_measuring(self.pool, self.stop))
        self.add(run_noticing(self.pool, self.bus, self.stop))
        self.add(run_retention(self.pool, self.stop))


def member_name() -> str:
    """A name that no other worker has: host, process, and chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"


@asynccontextmanager
async def open_service(
    dsn: str,
    rule_set: RuleSet,
    vault: Vault,
    make_bus: Callable[[Pool], Bus] = PostgresBus,
    partitions: Mapping[str, int] | None = None,
    host: type[Service] = Service,
    is_away: bool = False,
) -> AsyncIterator[Service]:
    """A service over a bus with its topics made and a rule set in force; started by ``start``.

    ``partitions`` says how many some topics get that are made now. Where the store ``is_away`` nothing is asked of it,
    and whoever opens the service prepares it later.

    Raises ``OtherBus`` where the database holds the offsets of another bus.
    """
    async with open_pool(dsn, least=0 if is_away else LEAST_OPEN) as pool, AsyncExitStack() as ending:
        bus = make_bus(pool)
        ending.push_async_callback(bus.close)
        async with host(dsn, pool, bus, rule_set, vault) as service:
            try:
                if not is_away:
                    await service.prepare(partitions)
                yield service
            finally:
                service.stop.set()
                await asyncio.gather(*service.tasks, return_exceptions=True)
