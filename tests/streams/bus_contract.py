"""What every bus must keep, whichever it is: a second one is plugged in by a subclass with a fixture ``broker``.

    class TestSomeBus(BusContract):
        @pytest.fixture
        async def broker(self, ...) -> AsyncIterator[Broker]: ...

Offsets rest in PostgreSQL with every bus, so a broker brings a migrated database too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import pytest

from streams.bus import LAST_LINE, Batch, Bus, Consumer, Message, OffsetOutOfRange, partition_of
from streams.hosts.worker import Worker
from streams.pipeline.reports import Report
from streams.store.sessions import Connection, connect
from streams.store.transport import offsets
from tests.patience import PATIENCE

TOPIC = "trial"
GROUP = "readers"
ALL = 10_000_000


class Broker(Protocol):
    """A bus under test, with what a test does to it and no program may."""

    dsn: str

    async def open(self) -> Bus:
        """A bus with connections of its own, as another process would have it."""

    async def kill(self, bus: Bus) -> None:
        """Ends a bus with its consumers as SIGKILL would: nothing is given back."""

    async def send_slowly(self, bus: Bus, topic: str, messages: list[Message], seconds: float) -> None:
        """Sends while the time between taking offsets and being visible is stretched."""

    async def drop_before(self, topic: str, partition: int, offset: int) -> None:
        """Takes the records below an offset from the topic, read or not."""


@dataclass
class Notes:
    """A handler whose effects can be counted: one row a record, written with the offset."""

    before_step: Callable[[], Awaitable[None]] | None = None
    after_step: Callable[[], Awaitable[None]] | None = None

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        async with connection.transaction():
            rows = [(batch.lease.partition, record.offset) for record in batch.records]
            await connection.executemany('insert into notes (partition, "offset") values ($1, $2)', rows)
            if self.before_step is not None:
                await self.before_step()
            await offsets.step(connection, batch)
            if self.after_step is not None:
                await self.after_step()
        return Report()

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        raise AssertionError(reason)


@dataclass
class Member:
    """One member of a group with the database session that it writes with."""

    consumer: Consumer
    session: Connection
    partitions: set[int] = field(default_factory=set)

    async def next(self, wait: float = 1.0, max_records: int = 100, max_bytes: int = ALL) -> Batch | None:
        return await self.consumer.fetch(max_records, max_bytes, wait)

    async def handle(self, batch: Batch) -> None:
        await Notes().handle(self.session, batch)
        self.consumer.moved(batch)
        self.partitions.add(batch.lease.partition)

    async def read(self, records: int, max_records: int = 100) -> list[Batch]:
        """Handles batches until there were so many records."""
        deadline, batches = time.monotonic() + PATIENCE, list[Batch]()
        while sum(len(batch.records) for batch in batches) < records:
            assert time.monotonic() < deadline, f"{records} records expected, {len(batches)} batches came"
            batch = await self.next(0.2, max_records)
            if batch is not None:
                await self.handle(batch)
                batches.append(batch)
        return batches


async def join(broker: Broker, bus: Bus, member: str, group: str = GROUP) -> Member:
    session = await connect(broker.dsn)
    return Member(await bus.consumer(group, TOPIC, member, session.get_server_pid()), session)


async def leave(*members: Member) -> None:
    for member in members:
        await member.consumer.close()
        await member.session.close()


async def prepare(broker: Broker, partitions: int) -> Bus:
    """A bus with the topic, and the table of notes in the database."""
    connection = await connect(broker.dsn)
    await connection.execute('create table notes (partition int, "offset" bigint)')
    await connection.close()
    bus = await broker.open()
    await bus.create_topic(TOPIC, partitions)
    return bus


async def noted(broker: Broker) -> list[tuple[int, int]]:
    """(partition, offset) of every effect, doubles too."""
    connection = await connect(broker.dsn)
    rows = await connection.fetch('select partition, "offset" from notes order by 1, 2')
    await connection.close()
    return [tuple(row) for row in rows]


def numbered(count: int, key: bytes | None = b"k", source: str = "s") -> list[Message]:
    return [Message(key, str(number).encode(), source) for number in range(count)]


class BusContract:
    """The suite. Each test has a broker of its own."""

    async def test_what_is_read_is_what_was_sent(self, broker: Broker) -> None:
        bus = await prepare(broker, 1)
        sent = [Message(b"k", b"\x00\xff", "a file"), Message(None, None, "s"), Message(b"", b"", "s")]
        await bus.send(TOPIC, sent)
        member = await join(broker, bus, "one")
        (batch,) = await member.read(3)
        assert [Message(record.key, record.value, record.source) for record in batch.records] == sent
        assert [record.offset for record in batch.records] == [0, 1, 2]
        await leave(member)

    async def test_a_line_travels_with_its_message(self, broker: Broker) -> None:
        """Beside messages without one."""
        bus = await prepare(broker, 1)
        lines = [None, 1, 2**31, LAST_LINE]
        await bus.send(TOPIC, [Message(b"k", b"v", "file", line) for line in lines])
        one = await join(broker, bus, "one")
        records = [record for batch in await one.read(len(lines)) for record in batch.records]
        assert [(record.source, record.line) for record in records] == [("file", line) for line in lines]
        await leave(one)
        await bus.close()

    async def test_a_key_keeps_to_one_partition_and_to_its_order(self, broker: Broker) -> None:
        bus = await prepare(broker, 4)
        keys = [f"key {number}".encode() for number in range(20)]
        for number in range(10):
            await bus.send(TOPIC, [Message(key, str(number).encode(), "s") for key in keys])
        member = await join(broker, bus, "one")
        seen: dict[tuple[bytes | None, int], list[bytes | None]] = {}
        for batch in await member.read(200, max_records=7):
            for record in batch.records:
                seen.setdefault((record.key, batch.lease.partition), []).append(record.value)
        assert seen == {(key, partition_of(key, 4)): [str(n).encode() for n in range(10)] for key in keys}
        assert member.partitions == {0, 1, 2, 3}
        await leave(member)

    async def test_slow_producers_make_no_reader_skip_an_offset(self, broker: Broker) -> None:
        bus, chance = await prepare(broker, 2), Random(3)
        keys = [b"a", b"b", b"c", b"d"]
        assert {partition_of(key, 2) for key in keys} == {0, 1}

        async def produce(producer: int) -> None:
            for number in range(15):
                messages = [Message(key, f"{producer} {number}".encode(), "s") for key in chance.sample(keys, 2)]
                await broker.send_slowly(bus, TOPIC, messages, chance.uniform(0, 0.03))

        producers = [asyncio.create_task(produce(producer)) for producer in range(5)]
        member = await join(broker, bus, "one")
        batches = await member.read(5 * 15 * 2)
        await asyncio.gather(*producers)
        read = [(batch.lease.partition, record) for batch in batches for record in batch.records]
        for partition in (0, 1):
            offsets_seen = [record.offset for where, record in read if where == partition]
            assert offsets_seen == list(range(len(offsets_seen)))
        for producer in range(5):
            own = [(where, record.value) for where, record in read if (record.value or b"")[:1] == b"%d" % producer]
            for partition in (0, 1):
                numbers = [int((value or b"").split()[1]) for where, value in own if where == partition]
                assert numbers == sorted(numbers)
        await leave(member)

    async def test_a_new_consumer_reads_on_where_the_offset_was_moved_to(self, broker: Broker) -> None:
        bus = await prepare(broker, 1)
        await bus.send(TOPIC, numbered(30))
        first = await join(broker, bus, "first")
        await first.read(10, max_records=10)
        unhandled = await first.next(max_records=5)
        assert unhandled is not None
        assert unhandled.expected == 10
        await leave(first)
        second = await join(broker, bus, "second")
        batches = await second.read(20)
        assert batches[0].expected == 10
        assert await noted(broker) == [(0, number) for number in range(30)]
        await leave(second)

    async def test_a_batch_that_was_rolled_back_comes_again(self, broker: Broker) -> None:
        bus = await prepare(broker, 1)
        await bus.send(TOPIC, numbered(5))
        member = await join(broker, bus, "one")
        batch = await member.next()
        assert batch is not None

        async def fail() -> None:
            raise ZeroDivisionError

        for notes in (Notes(before_step=fail), Notes(after_step=fail)):
            with pytest.raises(ZeroDivisionError):
                await notes.handle(member.session, batch)
            assert await member.next() == batch
        assert await noted(broker) == []
        assert await member.read(5) == [batch]
        await leave(member)

    async def test_a_batch_handled_twice_has_its_effect_once(self, broker: Broker) -> None:
        bus = await prepare(broker, 1)
        await bus.send(TOPIC, numbered(5))
        member = await join(broker, bus, "one")
        (batch,) = await member.read(5)
        with pytest.raises(Exception, match=f"{TOPIC}/0") as raised:
            await member.handle(batch)
        assert raised.typename == "Fenced"
        assert await noted(broker) == [(0, number) for number in range(5)]
        await leave(member)

    async def test_groups_read_apart_from_each_other(self, broker: Broker) -> None:
        bus = await prepare(broker, 2)
        await bus.send(TOPIC, numbered(10))
        for group in ("one", "another"):
            member = await join(broker, bus, "m", group)
            assert sum(len(batch.records) for batch in await member.read(10)) == 10
            await leave(member)

    async def test_members_share_the_partitions_and_get_them_back_at_once(self, broker: Broker) -> None:
        bus, other_bus = await prepare(broker, 4), await broker.open()
        one = await join(broker, bus, "one")
        another = await join(broker, other_bus, "another")
        await _until(lambda: _owners(bus), {"one": 2, "another": 2}, one, another)
        await leave(another)
        assert "another" not in await _owners(bus)
        await _until(lambda: _owners(bus), {"one": 4}, one)
        await leave(one)
        third = await join(broker, bus, "third")
        assert await _owners(bus) == {"third": 4}
        await leave(third)

    async def test_the_partitions_of_a_member_that_died_are_taken_over(self, broker: Broker) -> None:
        bus, doomed_bus = await prepare(broker, 2), await broker.open()
        await bus.send(TOPIC, [Message(key, b"", "s") for key in (b"a", b"b", b"c", b"d") for _ in range(5)])
        doomed = await join(broker, doomed_bus, "doomed")
        await doomed.read(20)
        doomed.session.terminate()
        await broker.kill(doomed_bus)
        await bus.send(TOPIC, [Message(key, b"", "s") for key in (b"a", b"b", b"c", b"d")])
        heir = await join(broker, bus, "heir")
        await heir.read(4)
        assert heir.partitions == {0, 1}
        effects = await noted(broker)
        assert len(effects) == len(set(effects)) == 24
        await leave(heir)

    @pytest.mark.parametrize("stopped", ["before_step", "after_step"])
    async def test_a_zombie_writes_nothing_after_it_was_fenced(self, broker: Broker, stopped: str) -> None:
        """A worker stands still with its transaction open; it wakes when another has its partition."""
        bus, zombie_bus = await prepare(broker, 1), await broker.open()
        await bus.send(TOPIC, numbered(20))
        stands_still, wakes = asyncio.Event(), asyncio.Event()

        async def stand_still() -> None:
            stands_still.set()
            await wakes.wait()

        worker = Worker(lambda: connect(broker.dsn), Notes(**{stopped: stand_still}), max_records=10)
        consumer = await zombie_bus.consumer(GROUP, TOPIC, "zombie", await worker.open())
        stop = asyncio.Event()
        zombie = asyncio.create_task(worker.run(consumer, stop))
        await stands_still.wait()
        heir = await join(broker, bus, "heir")
        await heir.read(20)
        wakes.set()
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.wait_for(zombie, PATIENCE)
        assert worker.records == 0
        assert await noted(broker) == [(0, number) for number in range(20)]
        await worker.close()
        await leave(heir)

    @pytest.mark.parametrize("sent", [10, 20])
    async def test_a_reader_behind_what_is_held_stops_and_skips_nothing(self, broker: Broker, sent: int) -> None:
        """Whether records came after those that were dropped, or none. It comes back, so it has read nothing ahead."""
        bus = await prepare(broker, 1)
        await bus.send(TOPIC, numbered(10))
        late = await join(broker, bus, "late")
        await late.read(5, max_records=5)
        await leave(late)
        await bus.send(TOPIC, numbered(sent - 10))
        await broker.drop_before(TOPIC, 0, 10)
        late = await join(broker, bus, "late")
        with pytest.raises(OffsetOutOfRange, match=f"{TOPIC}/0"):
            await late.next()
        await leave(late)

    async def test_batches_are_bounded_in_records_and_bytes(self, broker: Broker) -> None:
        bus, chance = await prepare(broker, 1), Random(4)
        sizes = [100, 100, 100, 5000, 100, 100, 100]
        # Random bytes: a bus may measure what it has compressed.
        await bus.send(TOPIC, [Message(b"k", chance.randbytes(size), "s") for size in sizes])
        member = await join(broker, bus, "one")
        read = []
        while (batch := await member.next(0.1, max_records=2, max_bytes=1000)) is not None:
            await member.handle(batch)
            read.append([len(record.value or b"") for record in batch.records])
        assert read == [[100, 100], [100], [5000], [100, 100], [100]]
        await leave(member)

    async def test_waiting_ends_when_something_comes_or_the_time_is_over(self, broker: Broker) -> None:
        bus = await prepare(broker, 1)
        member = await join(broker, bus, "one")
        began = time.monotonic()
        assert await member.next(wait=0.3) is None
        assert time.monotonic() - began >= 0.3
        waiting = asyncio.create_task(member.next(wait=30))
        await asyncio.sleep(0.1)
        await bus.send(TOPIC, numbered(1))
        assert await asyncio.wait_for(waiting, PATIENCE) is not None
        await leave(member)

    async def test_making_a_topic_again_keeps_its_partitions(self, broker: Broker) -> None:
        bus = await prepare(broker, 3)
        await asyncio.gather(*(bus.create_topic(TOPIC, count) for count in (1, 7)))
        await bus.send(TOPIC, numbered(1, key=b"k"))
        member = await join(broker, await broker.open(), "one")
        await member.read(1)
        assert member.partitions == {partition_of(b"k", 3)}
        assert len(await bus.lags(GROUP)) == 3
        await leave(member)

    async def test_lags_say_how_far_a_group_is_behind_and_who_reads(self, broker: Broker) -> None:
        bus = await prepare(broker, 2)
        await bus.send(TOPIC, numbered(10, key=None))
        member = await join(broker, bus, "one")
        await member.read(4, max_records=4)
        behind = {lag.partition: (lag.next, lag.end, lag.behind, lag.owner) for lag in await bus.lags(GROUP)}
        assert behind == {0: (4, 10, 6, "one"), 1: (0, 0, 0, "one")}
        await leave(member)
        assert [lag.owner for lag in await bus.lags(GROUP)] == [None, None]
        assert await bus.lags("nobody") == []
        assert len(await bus.lags()) == 2


async def _owners(bus: Bus) -> dict[str, int]:
    owners = [lag.owner for lag in await bus.lags(GROUP)]
    return {owner: owners.count(owner) for owner in owners if owner is not None}


async def _until(look: Callable[[], Awaitable[object]], expected: object, *members: Member) -> None:
    """Lets members go round until something is as expected."""
    deadline = time.monotonic() + PATIENCE
    while (seen := await look()) != expected:
        assert time.monotonic() < deadline, f"{seen}, not {expected}"
        await asyncio.gather(*(member.next(wait=0.1) for member in members))
