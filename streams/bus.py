"""The bus: partitioned topics, read in order, with offsets that rest in the store beside the results.

Two buses fit behind this page: a partitioned log in PostgreSQL (streams/buses/postgres.py) and Apache Kafka
(streams/buses/kafka.py). A handler gets a ``Batch`` of one partition and moves the group's offset in its own
transaction (``streams.store.transport.offsets.step``); the bus never commits for it. Delivery is at least once; order
holds within a partition; which worker reads a partition is settled by a lease with an epoch.
"""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

LAST_LINE = 2**63 - 1
"""The greatest number of a line that the store can keep."""

LONGEST_SOURCE = 1_024
"""Bytes (UTF-8) of a source's name, on every bus, in the ledger, and where somebody asks for one.

A file's name of 255 bytes fits with each of them spelled out by four signs; PostgreSQL's index of the ledger takes no
more than about 2,700.
"""


class Message(msgspec.Struct, frozen=True, gc=False):
    """What is sent: a key that decides the partition, bytes, and where they came from (a file, a hospital).

    ``line`` is which line of that file they are, from 1; ``None`` where they came from no file.
    """

    key: bytes | None
    value: bytes | None
    source: str
    line: int | None = None


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is read: a message with its place in the partition.

    ``packed`` is the value compressed (zstd), where the bus keeps it so. ``unreadable`` says why the bus could not read
    what it held here, or would not; then ``value`` is what it held, as far as that could be had, and no message.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    source: str
    packed: bytes | None = None
    unreadable: str | None = None
    line: int | None = None


class Lease(msgspec.Struct, frozen=True):
    """A worker's hold on a partition: whoever takes it over raises the epoch, and older holders write nothing more."""

    group: str
    topic: str
    partition: int
    epoch: int


class Batch(msgspec.Struct, frozen=True):
    """Records of one partition in order, read from ``expected`` on; ``next`` is where reading goes on."""

    lease: Lease
    expected: int
    records: Sequence[Record]

    @property
    def next(self) -> int:
        return self.records[-1].offset + 1

    def halves(self) -> "tuple[Batch, Batch]":
        """Two batches that follow each other, for finding the one record that cannot be stored."""
        middle = len(self.records) // 2
        first = Batch(self.lease, self.expected, self.records[:middle])
        return first, Batch(self.lease, first.next, self.records[middle:])


class Fenced(Exception):
    """Another worker took over the partition; nothing of this batch was written."""


class BusAway(ConnectionError):
    """The bus cannot be reached at this moment, which passes by itself; the text names the kind of error."""


class OtherBus(Exception):
    """The store's offsets belong to another bus than the one that was opened; the text names both."""


class OffsetOutOfRange(Exception):
    """The group's offset lies where the bus holds nothing any more: reading stops with an alarm, nothing is skipped."""


class Lag(msgspec.Struct, frozen=True):
    """How far a group is behind on a partition, in records.

    ``waiting_since`` is when the oldest record that it has not read was sent; ``None`` where the bus does not tell.
    """

    group: str
    topic: str
    partition: int
    next: int
    end: int
    owner: str | None
    waiting_since: datetime | None = None

    @property
    def behind(self) -> int:
        return self.end - self.next


class TopicState(msgspec.Struct, frozen=True):
    """A topic as the bus has it: where each partition ends, copies, how long records stay (``None``: no limit).

    ``configs`` is what is set for it beside that, in the words of the bus.
    """

    topic: str
    ends: list[int]
    replication: int = 1
    kept: timedelta | None = None
    configs: dict[str, str] = msgspec.field(default_factory=dict)


class Consumer(Protocol):
    """One worker's reading of one topic for one group.

    ``backend_pid`` is the database session that the worker writes with: whoever takes a partition over ends it.
    """

    backend_pid: int | None

    async def fetch(self, max_records: int, max_bytes: int, wait: float) -> Batch | None:
        """The next batch of a partition that this worker holds, or ``None`` after ``wait`` seconds without one.

        A single record larger than ``max_bytes`` comes alone. Raises ``OffsetOutOfRange``.
        """

    def moved(self, batch: Batch) -> None:
        """Says that the handler's transaction moved the group's offset past a batch."""

    def lost(self, lease: Lease) -> None:
        """Says that a partition turned out to be fenced; it is not read until it is taken again."""

    async def close(self) -> None:
        """Gives all partitions back at once."""


class Bus(Protocol):
    """Topics of one broker or database."""

    async def name(self) -> str:
        """Which bus this is: offsets of one mean nothing on another."""

    async def close(self) -> None:
        """Ends the connections of its own; consumers are closed before."""

    async def create_topic(self, topic: str, partitions: int) -> None:
        """Makes a topic unless it exists; the number of partitions of an existing one stays."""

    async def send(self, topic: str, messages: Sequence[Message], within: Any = None) -> None:
        """Sends messages; when it returns they are durable, each partition's in the order given.

        ``within`` is a database session with an open transaction that says what is being sent: a bus in the same
        database sends in that transaction, another one sends at once.
        """

    async def consumer(self, group: str, topic: str, member: str, backend_pid: int | None) -> Consumer:
        """Joins a group. ``backend_pid`` is the database session that the member writes with."""

    async def lags(self, group: str | None = None) -> list[Lag]:
        """How far groups are behind, by partition."""

    async def topics(self) -> list[TopicState]:
        """Every topic, by name."""

    async def ends(self) -> dict[tuple[str, int], int]:
        """Where each partition ends, by topic and partition: the offset that the next record gets."""


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key: CRC-32 modulo the number of partitions; 0 without a key."""
    return zlib.crc32(key) % partitions if key else 0
