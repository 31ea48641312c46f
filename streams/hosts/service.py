"""The service: one process's workers and relay over one bus, from start to orderly stop."""

import asyncio
import logging
import os
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from rules_lib.rule_set import RuleSet
from streams.bus import Bus
from streams.buses.postgres import PostgresBus
from streams.handlers.claims import ClaimsHandler
from streams.handlers.findings import LeadsHandler
from streams.handlers.rule_sets import publish_first
from streams.hosts import metrics
from streams.hosts.watching import watch_store
from streams.hosts.worker import Handler, Worker
from streams.jobs.relay import run_relay
from streams.jobs.retention import run_retention
from streams.messages.vault import Vault
from streams.store.sessions import Pool, borrowed, connect, open_pool
from streams.store.transport import offsets
from streams.topics import CLAIMS, FINDINGS, JUDGES, LEADS, PARTITIONS, create_topics

logger = logging.getLogger("fundwatch.service")


class Service(AsyncExitStack):
    """What runs in one process: workers, relay and the pool that they share."""

    def __init__(self, dsn: str, pool: Pool, bus: Bus, rule_set: RuleSet, vault: Vault):
        super().__init__()
        self.dsn = dsn
        self.pool = pool
        self.bus = bus
        self.rule_set = rule_set
        self.vault = vault
        self.stop = asyncio.Event()
        self.failed = False
        self.is_watched = False
        self.started_at = datetime.now(UTC)
        self.tasks: list[asyncio.Task[None]] = []

    async def start_worker(self, group: str, topic: str, handler: Handler, max_records: int = 500) -> Worker:
        """Starts a worker on a topic; it stops with the service, finishing or abandoning its batch."""
        worker = Worker(lambda: connect(self.dsn), handler, max_records)
        backend_pid = await worker.open()
        self.push_async_callback(worker.close)
        consumer = await self.bus.consumer(group, topic, member_name(), backend_pid)
        self.push_async_callback(consumer.close)
        self.add(worker.run(consumer, self.stop))
        return worker

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the workers; where it fails, the whole service stops with an alarm."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._check)
        self.tasks.append(task)

    def watch(self) -> None:
        """Reads the store for metrics from now on; once, however many ask for it."""
        if not self.is_watched:
            self.is_watched = True
            self.add(watch_store(self.pool, self.bus, self.stop))

    def _check(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.critical("stopped: %s\n%s", type(error).__name__, where)
            self.failed = True
            self.stop.set()

    async def start(self) -> None:
        """Starts the judges, the leads' writer, the relay and the keeping of the log."""
        metrics.begin_rules(self.rule_set)
        await self.start_worker(JUDGES, CLAIMS, ClaimsHandler(self.rule_set, self.vault))
        await self.start_worker(LEADS, FINDINGS, LeadsHandler(self.rule_set, self.vault))
        self.add(run_relay(self.pool, self.bus, self.stop))
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
    claims_partitions: int = PARTITIONS[CLAIMS],
    host: type[Service] = Service,
) -> AsyncIterator[Service]:
    """A service over a bus with its topics made and its rule set published; started by ``start``.

    Raises ``OtherBus`` where the database holds the offsets of another bus.
    """
    async with open_pool(dsn) as pool, AsyncExitStack() as ending:
        bus = make_bus(pool)
        ending.push_async_callback(bus.close)
        async with borrowed(pool) as connection:
            await offsets.claim_bus(connection, await bus.name())
        await create_topics(bus, claims_partitions)
        async with borrowed(pool) as connection:
            await publish_first(connection, rule_set)
        async with host(dsn, pool, bus, rule_set, vault) as service:
            try:
                yield service
            finally:
                service.stop.set()
                await asyncio.gather(*service.tasks, return_exceptions=True)
