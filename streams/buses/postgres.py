"""The bus in PostgreSQL: a partitioned log beside the results, for a county of any size up to Daye's and beyond.

Producers append in a transaction of their own; workers share a topic's partitions among themselves by lease. One
NOTIFY a batch wakes readers; polling is the fallback.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import msgspec

from streams.bus import Batch, Bus, Consumer, Lag, Lease, Message, TopicState
from streams.store.sessions import Connection, Pool, borrowed, passing_errors
from streams.store.transport import log, offsets

logger = logging.getLogger("fundwatch.bus")

LEASE = timedelta(seconds=6)
LONGEST_BATCH = timedelta(seconds=60)
_POLL_EVERY = 0.5


class PostgresBus(Bus):
    """Topics in one database. Every method may be used by several tasks at once.

    ``lease`` is how long a partition stays with a worker that says nothing more; it is renewed three times as often,
    also beside a batch, as long as the batch takes no more than ``longest_batch``.
    """

    def __init__(self, pool: Pool, lease: timedelta = LEASE, longest_batch: timedelta = LONGEST_BATCH):
        self._pool = pool
        self._lease = lease
        self._longest_batch = longest_batch
        self._partitions: dict[str, int] = {}

    async def name(self) -> str:
        return "postgres"

    async def close(self) -> None:
        """Nothing: the pool is its opener's."""

    async def create_topic(self, topic: str, partitions: int) -> None:
        async with borrowed(self._pool) as connection:
            await log.create_topic(connection, topic, partitions)

    async def send(self, topic: str, messages: Sequence[Message], within: Any = None) -> None:
        partitions = await self.partitions(topic)
        if within is not None:
            await log.append(within, topic, partitions, messages)
            return
        async with borrowed(self._pool) as connection, connection.transaction():
            await log.append(connection, topic, partitions, messages)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises ``LookupError`` where there is no such topic."""
        if topic not in self._partitions:
            async with borrowed(self._pool) as connection:
                count = await log.find_partitions(connection, topic)
            if count == 0:
                raise LookupError(f"no topic {topic}")
            self._partitions[topic] = count
        return self._partitions[topic]

    async def consumer(self, group: str, topic: str, member: str, backend_pid: int | None) -> Consumer:
        consumer = PostgresConsumer(
            self._pool,
            group,
            topic,
            await self.partitions(topic),
            member,
            backend_pid,
            self._lease,
            self._longest_batch,
        )
        await consumer.open()
        return consumer

    async def topics(self) -> list[TopicState]:
        async with borrowed(self._pool) as connection:
            return await log.find_topics(connection)

    async def ends(self) -> dict[tuple[str, int], int]:
        states = await self.topics()
        return {(state.topic, partition): end for state in states for partition, end in enumerate(state.ends)}

    async def lags(self, group: str | None = None) -> list[Lag]:
        async with borrowed(self._pool) as connection:
            return await log.find_lags(connection, group)


class PostgresConsumer(Consumer):
    """One member of a group: holds its share of the partitions and reads them in turn."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        topic: str,
        partitions: int,
        member: str,
        backend_pid: int | None,
        lease: timedelta,
        longest_batch: timedelta,
    ):
        self._pool = pool
        self._group = group
        self._topic = topic
        self._partitions = partitions
        self._member = member
        self.backend_pid = backend_pid
        self._lease = lease
        self._longest_batch = longest_batch
        self._fetched = time.monotonic()
        self._held: dict[int, tuple[Lease, int]] = {}
        self._turn = 0
        self._renewed = float("-inf")
        self._sent = asyncio.Event()
        self._listening = False
        self._lent = AsyncExitStack()

    async def open(self) -> None:
        self._keeping = asyncio.create_task(self._keep_alive())
        try:
            await self._share_out()
        except BaseException:
            await self.close()
            raise

    async def _listen(self) -> None:
        """Listens for what is sent, on a session of its own; again where that was lost."""
        if self._listening:
            return
        await self._lent.aclose()
        self._listener = await self._lent.enter_async_context(borrowed(self._pool))
        await self._listener.add_listener(log.CHANNEL, self._wake)
        self._listener.add_termination_listener(self._unhear)
        self._listening = True

    def _unhear(self, _connection: object) -> None:
        self._listening = False

    def _wake(self, _connection: object, _pid: int, _channel: str, topic: object) -> None:
        if topic == self._topic:
            self._sent.set()

    async def fetch(self, max_records: int, max_bytes: int, wait: float) -> Batch | None:
        deadline = time.monotonic() + wait
        while True:
            if self._keeping.done():
                self._keeping.result()
            self._sent.clear()
            await self._share_out()
            batch = await self._read_in_turn(max_records, max_bytes)
            self._fetched = time.monotonic()
            left = deadline - time.monotonic()
            if batch is not None or left <= 0:
                return batch
            try:
                await asyncio.wait_for(self._sent.wait(), min(left, _POLL_EVERY))
            except TimeoutError:
                continue

    async def _read_in_turn(self, max_records: int, max_bytes: int) -> Batch | None:
        """The next batch, beginning with the partition after the one that was read last."""
        held = sorted(self._held)
        async with borrowed(self._pool) as connection:
            for partition in held[self._turn % max(1, len(held)) :] + held[: self._turn % max(1, len(held))]:
                place = self._held.get(partition)
                if place is None:
                    # The renewal beside the batches found it fenced between two reads.
                    continue
                lease, start = place
                records = await log.read(connection, self._topic, partition, start, max_records, max_bytes)
                self._turn += 1
                if records:
                    return Batch(lease, start, records)
        return None

    async def _share_out(self) -> None:
        """Brings what is held to this member's share: every n-th partition of n members."""
        if time.monotonic() - self._renewed < self._lease.total_seconds() / 3:
            return
        self._renewed = time.monotonic()
        await self._listen()
        async with borrowed(self._pool) as connection:
            members = await self._renew(connection)
            mine = {n for n in range(self._partitions) if members[n % len(members)] == self._member}
            for partition in self._held.keys() - mine:
                held = self._held.pop(partition, None)
                if held is not None:
                    await offsets.give_back(connection, held[0], self._member)
                    logger.info("partition given back", extra=msgspec.structs.asdict(held[0]))
            for partition in sorted(mine - self._held.keys()):
                taken = await offsets.take(
                    connection, self._group, self._topic, partition, self._member, self.backend_pid, self._lease
                )
                if taken is not None:
                    self._held[partition] = taken
                    logger.info("partition taken", extra=msgspec.structs.asdict(taken[0]))

    async def _renew(self, connection: Connection) -> list[str]:
        """Renews membership and leases, and returns all members; what was taken over meanwhile is let go."""
        members = await offsets.join(connection, self._group, self._topic, self._member, self._lease)
        for lease, _ in list(self._held.values()):
            if not await offsets.renew(connection, lease, self._member, self.backend_pid, self._lease):
                self.lost(lease)
        return members

    async def _keep_alive(self) -> None:
        """Renews beside the batches, so that a long one keeps its lease, but not one that hangs."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            if time.monotonic() - self._fetched > self._longest_batch.total_seconds():
                continue
            with passing_errors(logger, "leases"):
                async with borrowed(self._pool) as connection:
                    await self._renew(connection)

    def moved(self, batch: Batch) -> None:
        partition = batch.lease.partition
        held = self._held.get(partition)
        if held is not None and held[0].epoch == batch.lease.epoch:
            self._held[partition] = (batch.lease, batch.next)

    def lost(self, lease: Lease) -> None:
        held = self._held.get(lease.partition)
        if held is not None and held[0].epoch == lease.epoch:
            del self._held[lease.partition]

    async def close(self) -> None:
        self._keeping.cancel()
        self._held.clear()
        with passing_errors(logger, "leaving"):
            if self._listening:
                self._listener.remove_termination_listener(self._unhear)
                await self._listener.remove_listener(log.CHANNEL, self._wake)
            await self._lent.aclose()
            async with borrowed(self._pool) as connection:
                await offsets.leave(connection, self._group, self._topic, self._member)
