"""A process of workers that a test can kill: ``python -m tests.streams.worker_process DSN [options]``, until SIGTERM.

``--strike POINT:PASSAGE:SIGNAL`` makes the process send itself a signal at the n-th passage of a named point
(tests/streams/strikes.py), ``relay:2:KILL`` for instance. On SIGUSR1 it says on standard error what memory it keeps.
"""

import argparse
import asyncio
import ctypes
import gc
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import msgspec
import psutil

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import Bus
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.hosts.kafka import KafkaService
from streams.hosts.service import Service, open_service
from streams.hosts.stations import STATIONS, Station
from streams.hosts.worker import Worker
from streams.messages.vault import Vault
from streams.store.sessions import Pool, borrowed

from . import strikes

QUICK_LEASE = 1.0
"""Seconds. Short, because each kill costs one before the next process may go on."""

SECRET = b"a secret of this test"

STARTED = "started: SIGTERM ends it in order"
"""The line on standard error from which on that is so."""

KEPT = "memory kept:"
"""Begins the line that says it; objects (blocks of Python's allocator) and bytes follow."""


def with_batches(host: type[Service], most: int) -> type[Service]:
    """The same service with batches of at most so many records."""

    def worker_of(service: Service, station: Station) -> Worker:
        return host.worker_of(service, msgspec.structs.replace(station, batch=most))

    return type("SmallBatches", (host,), {"worker_of": worker_of})


def make_bus(options: argparse.Namespace) -> Callable[[Pool], Bus]:
    """The bus that the options name: on a database, or on Kafka where they name brokers."""
    session = timedelta(seconds=options.session)
    if options.brokers is None:
        return lambda pool: PostgresBus(pool, session)
    return lambda pool: KafkaBus(pool, KafkaAddress(options.brokers, options.prefix), session=session)


async def open_all(pool: Pool) -> None:
    """Opens as many sessions as the pool may have: what one keeps is not to come in between two looks at the memory."""
    async with AsyncExitStack() as lent:
        for _ in range(pool.get_max_size()):
            await lent.enter_async_context(borrowed(pool))


async def tell_memory(pool: Pool) -> None:
    """Says how many objects and how many bytes are kept, without garbage and without what only the allocator holds.

    When these are collected and given back by themselves is a matter of time, so of the machine's load. So is which of
    the pool's sessions has met which statement by now, and each keeps all that it met: they forget them.
    """
    async with borrowed(pool) as connection:
        await connection.reload_schema_state()
    gc.collect()
    with suppress(AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)
    print(f"{KEPT} {sys.getallocatedblocks()} {psutil.Process().memory_info().rss}", file=sys.stderr, flush=True)


async def run(options: argparse.Namespace) -> int:
    rule_set, vault = load_rule_set(load_facts()), Vault(SECRET)
    if options.topics:
        # What consumers of other topics keep goes up and down by itself, which a test of memory would take for a leak.
        STATIONS[:] = [station for station in STATIONS if station.topic in options.topics]
    host = with_batches(Service if options.brokers is None else KafkaService, options.batch)
    async with open_service(options.dsn, rule_set, vault, make_bus(options), host=host) as service:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: service.add(tell_memory(service.pool)))
        await open_all(service.pool)
        print(STARTED, file=sys.stderr, flush=True)
        await service.start()
        await service.stop.wait()
    return 1 if service.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--session", type=float, default=QUICK_LEASE, help="seconds that a worker may be silent")
    parser.add_argument("--batch", type=int, default=500, help="records")
    parser.add_argument("--topics", nargs="+", help="that it reads, else all")
    parser.add_argument("--strike")
    parser.add_argument("--brokers", help="of Kafka, host:port")
    parser.add_argument("--prefix", default="", help="of topics and groups in Kafka")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    given = _options()
    if given.strike:
        strikes.arm(given.strike)
    sys.exit(asyncio.run(run(given)))
