"""A station: a database, a bus and worker processes as ``fundwatch worker`` runs them, for benchmarks of the whole."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.runtime import end_child
from deploy.settings import PREFIX
from streams.bus import Bus, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.hosts.stations import create_topics
from streams.store.sessions import Pool, borrowed, connect, open_pool
from streams.topics import CLAIMS, JUDGES, TOPICS

_LOOK_EVERY = 0.005


class Station:
    """One database and, on Kafka, topics of its own on a broker that others use too."""

    def __init__(self, dsn: str, folder: Path, kafka: EmbeddedKafka | None):
        self.dsn = dsn
        self._folder = folder
        self._kafka = kafka
        self._prefix = f"bench-{uuid4().hex[:8]}-"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Bus, Pool]]:
        """The bus with its topics made, and a pool on the database."""
        async with open_pool(self.dsn) as pool:
            bus: Bus = PostgresBus(pool)
            if self._kafka is not None:
                bus = KafkaBus(pool, KafkaAddress(self._kafka.brokers, prefix=self._prefix))
            await create_topics(bus)
            yield bus, pool
            await bus.close()

    @contextmanager
    def workers(self, count: int, nice: int = 0) -> Iterator[list[psutil.Process]]:
        """So many worker processes, ended at the end; ``nice`` is how far they give way to others."""
        environment = {
            **os.environ,
            f"{PREFIX}DATABASE_URL": self.dsn,
            f"{PREFIX}HOME": str(self._folder),
            f"{PREFIX}BUS": "postgres" if self._kafka is None else "kafka",
            f"{PREFIX}BROKERS": self._kafka.brokers if self._kafka else "",
            f"{PREFIX}KAFKA_PREFIX": self._prefix,
        }
        command = [sys.executable, "-m", "deploy.commands", "worker", "--nice", str(nice)]
        children = [subprocess.Popen(command, env=environment) for _ in range(count)]
        try:
            yield [psutil.Process(child.pid) for child in children]
        finally:
            for child in children:
                end_child(child)


@asynccontextmanager
async def new_station(
    server: EmbeddedPostgres, folder: Path, kafka: EmbeddedKafka | None, template: str = "fundwatch"
) -> AsyncIterator[Station]:
    """A station on a copy of a database, which is dropped afterwards."""
    name = f"bench_{uuid4().hex[:8]}"
    admin = await connect(server.dsn_of("postgres"))
    try:
        await admin.execute(f"create database {name} template {template}")
        await admin.execute("checkpoint")
        yield Station(server.dsn_of(name), folder, kafka)
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


async def send(bus: Bus, messages: Sequence[Message]) -> None:
    """Sends messages to the topic of claims."""
    for start in range(0, len(messages), 1000):
        await bus.send(CLAIMS, messages[start : start + 1000])


async def until_shared_out(pool: Pool, workers: int) -> None:
    """Waits until so many workers hold all partitions."""
    while (await _progress(pool))[0] != workers:
        await asyncio.sleep(_LOOK_EVERY)


async def speed(bus: Bus, pool: Pool, messages: Sequence[Message]) -> float:
    """Messages a second from the beginning of their sending until all are judged."""
    began = time.perf_counter()
    await send(bus, messages)
    while (await _progress(pool))[1] < len(messages):
        await asyncio.sleep(_LOOK_EVERY)
    return len(messages) / (time.perf_counter() - began)


async def offsets(pool: Pool) -> dict[int, int]:
    """How far the judges are, by partition."""
    async with borrowed(pool) as connection:
        rows = await connection.fetch(
            'select partition, next from group_offsets where "group" = $1 and topic = $2', JUDGES, CLAIMS
        )
    return {row["partition"]: row["next"] for row in rows}


async def _progress(pool: Pool) -> tuple[int, int]:
    """Workers that hold partitions once all partitions are held (before that 0), and messages judged."""
    async with borrowed(pool) as connection:
        row = await connection.fetchrow(
            """
            select count(owner) as held, count(distinct owner) as owners, coalesce(sum(next), 0)::bigint as done
            from group_offsets where "group" = $1 and topic = $2
            """,
            JUDGES,
            CLAIMS,
        )
    assert row is not None
    return (row["owners"] if row["held"] == TOPICS[CLAIMS].partitions else 0), row["done"]
