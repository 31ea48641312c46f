"""Holding partitions that a broker assigns: what the two readers of Kafka have in common, without a word of Kafka.

A broker says what is assigned; a member takes it in the store (epoch + 1, the old holder's database session ended) and
reads from where the store says. A subclass brings the records.
"""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec

from streams.bus import Batch, Consumer, Lease, Record
from streams.store.sessions import Pool, borrowed, passing_errors
from streams.store.transport import offsets

logger = logging.getLogger("fundwatch.bus")

LAST_SECONDS = 1.0
"""Seconds for each thing that is said at the end: giving back, leaving. A broker that is away hears none of it."""
_LOOK_EVERY = 0.5


class AssignedConsumer(Consumer):
    """One member of a group whose partitions a broker assigns. ``session`` is how long it may be silent.

    ``_held`` says, by partition, the lease and where the group reads on; ``_ahead`` the records from there that have
    come; ``_placed`` which partitions are being read.
    """

    def __init__(self, pool: Pool, group: str, topic: str, member: str, backend_pid: int | None, session: timedelta):
        self._pool = pool
        self._group = group
        self._topic = topic
        self._member = member
        self.backend_pid = backend_pid
        self._session = session
        self._assigned: set[int] = set()
        self._assignment = 0
        self._changed = asyncio.Event()
        self._held: dict[int, tuple[Lease, int]] = {}
        self._placed: set[int] = set()
        self._lost: dict[int, float] = {}
        self._ahead: dict[int, list[Record]] = {}
        self._turn = 0
        self._in_hand: Batch | None = None
        self._put_down = asyncio.Event()
        self._put_down.set()

    # --- what a subclass brings

    @abstractmethod
    def _begin(self, partition: int, offset: int) -> None:
        """Begins to read a partition at an offset."""

    @abstractmethod
    async def _read_ahead(self, partitions: Sequence[int], seconds: float, most: int) -> None:
        """Puts records of some partitions to those ahead, waiting so many seconds for the first."""

    @abstractmethod
    async def _hears_broker(self) -> bool:
        """Whether the broker answers this member now."""

    async def _tell_broker(self) -> None:
        """Tells the broker how far the group is, for its tools; nothing here reads it."""

    # --- what the broker says

    async def revoke(self) -> None:
        """Partitions are about to be shared out anew: waits a little for the batch in hand, then gives all back.

        That of a batch which takes longer is kept: if it is assigned to this member again nothing has happened, and
        otherwise the next holder fences it.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._put_down.wait(), self._session.total_seconds() / 2)
        self._begin_assignment(set())
        kept = None if self._in_hand is None else self._in_hand.lease.partition
        given_back = [self._held.pop(partition)[0] for partition in sorted(self._held) if partition != kept]
        with passing_errors(logger, "giving back"):
            await asyncio.wait_for(self._give_back(given_back), LAST_SECONDS)

    def assign(self, partitions: set[int]) -> None:
        """From now on these are this member's."""
        self._begin_assignment(partitions)
        for partition in self._held.keys() - partitions:
            del self._held[partition]
        self._changed.set()

    def _begin_assignment(self, partitions: set[int]) -> None:
        self._assigned = partitions
        self._assignment += 1
        self._placed.clear()
        self._ahead.clear()
        self._lost.clear()

    async def _give_back(self, leases: Sequence[Lease]) -> None:
        if leases:
            async with borrowed(self._pool) as connection:
                for lease in leases:
                    await offsets.give_back(connection, lease, self._member)
                    logger.info("partition given back", extra=msgspec.structs.asdict(lease))

    # --- reading

    async def fetch(self, max_records: int, max_bytes: int, wait: float) -> Batch | None:
        self._lay_down()
        deadline = time.monotonic() + wait
        while True:
            if self._keeping.done():
                self._keeping.result()
            self._changed.clear()
            await self.take_assigned()
            batch = await self._read_in_turn(max_records, max_bytes)
            left = deadline - time.monotonic()
            if batch is not None:
                self._in_hand = batch
                self._put_down.clear()
            if batch is not None or left <= 0:
                return batch
            await self._wait(min(left, _LOOK_EVERY), max_records)

    async def take_assigned(self) -> None:
        """Takes in the store what is assigned, and begins to read each partition where the store says.

        What another member has fenced is taken again only after a session's time, and only where the broker answers:
        by then it has said whose it is. A member that the broker cannot reach would take it from its heir for ever.
        """
        now = time.monotonic()
        for partition in sorted(self._assigned - self._placed):
            if now - self._lost.get(partition, float("-inf")) < self._session.total_seconds():
                continue
            assignment = self._assignment
            if partition in self._lost and not await self._hears_broker():
                self._lost[partition] = time.monotonic()
                continue
            if assignment != self._assignment or (partition not in self._held and not await self._take(partition)):
                continue
            if assignment == self._assignment:
                self._ahead[partition] = []
                self._begin(partition, self._held[partition][1])
                self._placed.add(partition)

    async def _take(self, partition: int) -> bool:
        """Takes a partition; false where its row is locked, or the partition was assigned to another meanwhile."""
        async with borrowed(self._pool) as connection:
            taken = await offsets.take(
                connection,
                self._group,
                self._topic,
                partition,
                self._member,
                self.backend_pid,
                self._session,
                at_once=True,
            )
        if taken is None:
            return False
        if partition not in self._assigned:
            await self._give_back([taken[0]])
            return False
        self._held[partition] = taken
        logger.info("partition taken", extra=msgspec.structs.asdict(taken[0]))
        return True

    async def _read_in_turn(self, max_records: int, max_bytes: int) -> Batch | None:
        """The next batch, beginning with the partition after the one that was read last."""
        readable = self._readable()
        first = self._turn % max(1, len(readable))
        for partition in readable[first:] + readable[:first]:
            self._turn += 1
            ahead = self._ahead.get(partition, [])
            wanted = max_records - len(ahead)
            if wanted > 0 and sum(len(record.value or b"") for record in ahead) < max_bytes:
                await self._read_ahead([partition], 0, wanted)
            if partition in self._held and self._ahead.get(partition):
                lease, start = self._held[partition]
                return Batch(lease, start, _bounded(self._ahead[partition], max_records, max_bytes))
        return None

    async def _wait(self, seconds: float, max_records: int) -> None:
        """Until something comes, partitions are assigned, or the time is over."""
        readable = self._readable()
        if readable:
            await self._read_ahead(readable, seconds, max_records)
        else:
            await self._idle(seconds)

    async def _idle(self, seconds: float) -> None:
        """While nothing is held: until partitions are assigned, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _readable(self) -> list[int]:
        return sorted(self._placed & self._held.keys())

    # --- what became of a batch

    def _lay_down(self) -> None:
        self._in_hand = None
        self._put_down.set()

    def moved(self, batch: Batch) -> None:
        partition = batch.lease.partition
        held = self._held.get(partition)
        if held is not None and held[0].epoch == batch.lease.epoch:
            self._held[partition] = (batch.lease, batch.next)
            ahead = self._ahead.get(partition, [])
            read = next((n for n, record in enumerate(ahead) if record.offset >= batch.next), len(ahead))
            del ahead[:read]
        if self._in_hand is not None and batch.next >= self._in_hand.next:
            self._lay_down()

    def lost(self, lease: Lease) -> None:
        held = self._held.get(lease.partition)
        if held is not None and held[0].epoch == lease.epoch:
            del self._held[lease.partition]
            self._lost[lease.partition] = time.monotonic()
            self._placed.discard(lease.partition)
        if self._in_hand is not None and self._in_hand.lease == lease:
            self._lay_down()

    # --- beside the batches

    def keep(self) -> None:
        """From now on the store is told, beside the batches, that this member holds what it holds."""
        self._keeping = asyncio.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._session.total_seconds() / 3)
            with passing_errors(logger, "leases"):
                async with borrowed(self._pool) as connection:
                    for lease, _ in list(self._held.values()):
                        if not await offsets.renew(connection, lease, self._member, self.backend_pid, self._session):
                            self.lost(lease)
            await self._tell_broker()

    async def close(self) -> None:
        self._keeping.cancel()
        await self._tell_broker()
        self._held.clear()
        with passing_errors(logger, "leaving"):
            async with borrowed(self._pool) as connection:
                await offsets.leave(connection, self._group, self._topic, self._member)


async def ended(work: Coroutine[Any, Any, object], seconds: float = LAST_SECONDS) -> None:
    """Lets work go on for so many seconds, however it ends: where its broker is away a client may say "cancelled"."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
    elif not task.cancelled():
        task.exception()


def _bounded(records: Sequence[Record], max_records: int, max_bytes: int) -> list[Record]:
    """The first records within the bounds, at least one."""
    size = 0
    for count, record in enumerate(records[:max_records]):
        size += len(record.value or b"")
        if size > max_bytes and count:
            return list(records[:count])
    return list(records[:max_records])
