"""Standing before what cannot be read: what both readers of Kafka do at a batch that a client fails at.

A partition of which nothing is heard is asked directly. Where it cannot be read on, the group stands there, which the
store notes, and passes over it when its time has come (docs/decisions/0029-what-kafka-cannot-deliver.md).
"""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.bus import BusAway, Record
from streams.buses.absence import broker_errors
from streams.buses.damage import Looked, Unreadable, look
from streams.buses.headers import header_fault, source_and_line
from streams.buses.holding import AssignedConsumer
from streams.store.sessions import Pool, borrowed
from streams.store.transport.unreadable import delete_unreadable, save_unreadable

logger = logging.getLogger("fundwatch.bus")

_LOOK_SECONDS = 3.0
"""Seconds for looking directly: what takes longer is tried again, and holds up neither others nor the end."""
_SILENT = 15.0
"""Seconds after which a partition of which nothing was heard is asked directly: there may be something after all, which
the broker cannot deliver, and the client says nothing of that."""


class OnDamage(msgspec.Struct, frozen=True):
    """What becomes of a batch that cannot be read: after so long it is passed over, or the partition stands for good.

    The time is for putting it right, for instance by another replica that holds it whole. What is passed over lies
    among the dead letters.
    """

    passes: bool = True
    after: timedelta = timedelta(minutes=5)


class StandingConsumer(AssignedConsumer):
    """One member of a group whose partitions may hold what cannot be read. ``name`` is the topic's in the cluster."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        topic: str,
        member: str,
        backend_pid: int | None,
        session: timedelta,
        brokers: str,
        name: str,
        on_damage: OnDamage,
    ):
        super().__init__(pool, group, topic, member, backend_pid, session)
        self._brokers = brokers
        self._name = name
        self._on_damage = on_damage
        self._heard: dict[int, float] = {}
        self._standing: dict[int, int] = {}
        self._settled: set[int] = set()

    # --- what a subclass brings

    @abstractmethod
    async def _client(self) -> AIOKafkaConsumer:
        """The client that looks."""

    @abstractmethod
    def _pause(self, partition: int) -> None:
        """Ends the reading of a partition that stands."""

    @abstractmethod
    async def _read_from(self, partition: int, offset: int) -> None:
        """Reads a partition on from an offset."""

    def _is_left_behind(self, holds_records: bool) -> bool:
        """Whether records that a look found in a silent partition do not come by themselves."""
        return False

    # --- looking

    def _begin(self, partition: int, offset: int) -> None:
        self._standing.pop(partition, None)
        self._settled.discard(partition)
        self._heard[partition] = time.monotonic()

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition)

    def _expected(self, partition: int) -> int:
        """The offset of the next record that is to be put ahead."""
        ahead = self._ahead[partition]
        return ahead[-1].offset + 1 if ahead else self._held[partition][1]

    async def _look(self, partition: int, offset: int) -> Looked:
        with broker_errors(self._brokers):
            try:
                return await asyncio.wait_for(self._ask(partition, offset), _LOOK_SECONDS)
            except TimeoutError:
                raise BusAway(f"{self._brokers}: TimeoutError") from None

    async def _ask(self, partition: int, offset: int) -> Looked:
        return await look(await self._client(), self._place(partition), offset)

    async def _look_at_silent(self, partitions: Sequence[int]) -> None:
        """Asks directly for one partition that has been silent for long, or stands; without an answer, once more."""
        now = time.monotonic()
        pause = min(_SILENT, self._on_damage.after.total_seconds())
        for partition in partitions:
            if now - self._heard.get(partition, now) > (pause if partition in self._standing else _SILENT):
                self._heard[partition] = now
                with suppress(BusAway):
                    await self._look_at(partition)
                return

    async def _look_at(self, partition: int) -> bool:
        """Looks whether there is something that cannot be read where a partition is to be read on, and stands there."""
        if partition not in self._held or partition not in self._ahead:
            return False
        assignment, expected = self._assignment, self._expected(partition)
        looked = await self._look(partition, expected)
        if assignment != self._assignment or partition not in self._held or expected != self._expected(partition):
            return False
        if looked.unreadable is None:
            await self._go_on(partition, expected, bool(looked.records))
            return False
        self._ahead[partition] += map(record_of, looked.records)
        await self._stand(partition, looked.unreadable)
        return True

    async def _stand(self, partition: int, found: Unreadable) -> None:
        """Stands before a batch that cannot be read, and passes over it when its time has come."""
        place = (self._group, self._topic, partition)
        async with borrowed(self._pool) as connection:
            waited = await save_unreadable(connection, *place, found.first, found.next, found.reason)
        if partition not in self._held or partition not in self._ahead:
            return
        if self._standing.get(partition) != found.first:
            logger.error("%s/%d cannot be read at %d: %s", self._topic, partition, found.first, found.reason)
            self._standing[partition] = found.first
            self._pause(partition)
        on_damage = self._on_damage
        is_due = found.is_as_sent or waited >= on_damage.after.total_seconds()
        if on_damage.passes and found.next is not None and is_due and await self._is_still(partition, found):
            logger.error("%s/%d passed over from %d to %d", self._topic, partition, found.first, found.next - 1)
            self._ahead[partition] += _records_of(found, found.next)
            await self._read_from(partition, found.next)

    async def _is_still(self, partition: int, found: Unreadable) -> bool:
        """Whether a second look says the same: while brokers change places one may say this, and the next one that."""
        assignment = self._assignment
        again = await self._look(partition, found.first)
        same = again.unreadable is not None and again.unreadable.next == found.next
        return same and assignment == self._assignment and partition in self._held

    async def _go_on(self, partition: int, offset: int, holds_records: bool) -> None:
        """Reads on where a partition stood, also before this member held it, and can be read again."""
        if partition not in self._settled:
            self._settled.add(partition)
            async with borrowed(self._pool) as connection:
                await delete_unreadable(connection, self._group, self._topic, partition, offset)
        if (partition in self._standing or self._is_left_behind(holds_records)) and partition in self._held:
            await self._read_from(partition, offset)


def record_of(read: Any) -> Record:
    """A record as a client read it. One with too many headers is no message, and holds the value of that one."""
    source, line = source_and_line(read.headers)
    return Record(read.offset, read.key, read.value, source, unreadable=header_fault(read.headers), line=line)


def _records_of(found: Unreadable, following: int) -> list[Record]:
    """A record for every offset of a batch that cannot be read; the first one holds what was had of its bytes."""
    reason = f"batch {found.first}-{following - 1} of the bus cannot be read: {found.reason}"
    rest = f"{reason}; its bytes lie with {found.first}"
    return [
        Record(found.first, None, found.held, "", unreadable=reason),
        *(Record(offset, None, None, "", unreadable=rest) for offset in range(found.first + 1, following)),
    ]
