"""The bus in PostgreSQL keeps the contract, and what is its own: its retention, and sending in one's transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from streams.bus import Bus, Lease, Message, Record
from streams.buses.postgres import LEASE, PostgresBus, PostgresConsumer
from streams.store import sessions
from streams.store.sessions import Connection, Pool, connect, open_pool
from streams.store.transport import log, offsets
from tests.patience import PATIENCE

from .bus_contract import GROUP, TOPIC, Broker, BusContract, join, leave, numbered, prepare

SHORT_LEASE = timedelta(seconds=1.5)
NO_AGE = timedelta(0)


class PostgresBroker(Broker):
    """Buses over one database, each with a pool of its own."""

    def __init__(self, dsn: str, lease: timedelta) -> None:
        self.dsn = dsn
        self._lease = lease
        self._opened: list[tuple[Bus, Pool, AsyncExitStack]] = []

    async def open(self) -> Bus:
        stack = AsyncExitStack()
        pool = await stack.enter_async_context(open_pool(self.dsn))
        bus = PostgresBus(pool, self._lease, longest_batch=timedelta(0))
        self._opened.append((bus, pool, stack))
        return bus

    async def kill(self, bus: Bus) -> None:
        for one, pool, _ in self._opened:
            if one is bus:
                pool.terminate()

    async def send_slowly(self, bus: Bus, topic: str, messages: list[Message], seconds: float) -> None:
        connection = await connect(self.dsn)
        async with connection.transaction():
            await bus.send(topic, messages, within=connection)
            await asyncio.sleep(seconds)
        await connection.close()

    async def drop_before(self, topic: str, partition: int, offset: int) -> None:
        connection = await connect(self.dsn)
        await connection.execute(
            'delete from log where topic = $1 and partition = $2 and "offset" < $3', topic, partition, offset
        )
        await connection.close()

    async def close(self) -> None:
        for _, pool, stack in self._opened:
            pool.terminate()
            await stack.aclose()


@pytest.fixture
async def broker(postgres_url: str) -> AsyncIterator[PostgresBroker]:
    broker = PostgresBroker(postgres_url, SHORT_LEASE)
    yield broker
    await broker.close()


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


class TestPostgresBus(BusContract):
    pass


async def test_with_the_lease_of_every_day_a_dead_member_is_followed(postgres_url: str) -> None:
    """Another looks for leases that are over each third of a lease, which leaves it two of its ten seconds."""
    assert timedelta(seconds=6) >= LEASE
    broker = PostgresBroker(postgres_url, LEASE)
    bus, doomed_bus = await prepare(broker, 1), await broker.open()
    await bus.send(TOPIC, numbered(1))
    doomed = await join(broker, doomed_bus, "doomed")
    doomed.session.terminate()
    await broker.kill(doomed_bus)
    heir = await join(broker, bus, "heir")
    await heir.read(1)
    await leave(heir)
    await broker.close()


async def test_messages_sent_in_a_transaction_that_fails_were_never_sent(
    broker: PostgresBroker, connection: Connection
) -> None:
    bus = await prepare(broker, 1)
    transaction = connection.transaction()
    await transaction.start()
    await bus.send(TOPIC, numbered(3), within=connection)
    await transaction.rollback()
    await bus.send(TOPIC, numbered(1, source="later"))
    member = await join(broker, bus, "one")
    (batch,) = await member.read(1)
    assert [(record.offset, record.source) for record in batch.records] == [(0, "later")]
    await leave(member)


async def test_a_topic_that_does_not_exist_is_named(broker: PostgresBroker) -> None:
    bus = await broker.open()
    with pytest.raises(LookupError, match="nowhere"):
        await bus.send("nowhere", numbered(1))


async def test_only_segments_that_are_old_and_read_by_every_group_are_dropped(
    broker: PostgresBroker, connection: Connection
) -> None:
    bus = await prepare(broker, 1)
    quick, slow = await join(broker, bus, "m", "quick"), await join(broker, bus, "m", "slow")
    for _ in range(3):
        await bus.send(TOPIC, numbered(4))
        await log.open_segment(connection)
    await quick.read(12)
    assert await log.drop_segments(connection, NO_AGE) == []
    await slow.read(5, max_records=1)
    assert await log.drop_segments(connection, timedelta(hours=1)) == []
    assert await log.drop_segments(connection, NO_AGE) == [0]
    await slow.read(7, max_records=1)
    assert await log.drop_segments(connection, NO_AGE) == [1, 2]
    assert await log.drop_segments(connection, NO_AGE) == []
    await bus.send(TOPIC, numbered(1))
    assert len(await slow.read(1)) == 1
    assert {lag.behind for lag in await bus.lags("slow")} == {0}
    await leave(quick, slow)


async def test_what_a_slow_producer_puts_into_an_old_segment_is_not_dropped_unread(
    broker: PostgresBroker, connection: Connection, postgres_url: str
) -> None:
    bus = await prepare(broker, 1)
    await bus.send(TOPIC, numbered(1))
    member = await join(broker, bus, "one")
    await member.read(1)
    slow, blocker = await connect(postgres_url), await connect(postgres_url)
    slows, blockers = slow.transaction(), blocker.transaction()
    await slows.start()
    await blockers.start()
    await bus.send(TOPIC, numbered(1), within=blocker)
    sending = asyncio.create_task(bus.send(TOPIC, numbered(1), within=slow))
    await asyncio.sleep(0.2)
    opening = asyncio.create_task(log.open_segment(connection))
    await asyncio.sleep(0.2)
    await blockers.rollback()
    await asyncio.gather(sending, opening)
    dropping = asyncio.create_task(log.drop_segments(connection, NO_AGE))
    await asyncio.sleep(0.2)
    await slows.commit()
    assert await dropping == []
    assert [batch.expected for batch in await member.read(1)] == [1]
    await blocker.close()
    await slow.close()
    await leave(member)


async def test_a_stuck_group_keeps_its_records(broker: PostgresBroker, connection: Connection) -> None:
    """A group that joined and read nothing holds everything back; it shows as lag."""
    bus = await prepare(broker, 1)
    stuck = await join(broker, bus, "one")
    await bus.send(TOPIC, numbered(5))
    await log.open_segment(connection)
    assert await log.drop_segments(connection, NO_AGE) == []
    assert [lag.behind for lag in await bus.lags(GROUP)] == [5]
    await leave(stuck)


async def test_a_batch_longer_than_the_lease_keeps_its_partition(postgres_url: str) -> None:
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool, lease=timedelta(seconds=0.6))
        await bus.create_topic(TOPIC, 1)
        await bus.send(TOPIC, numbered(1))
        slow, rival = await bus.consumer(GROUP, TOPIC, "a", None), await bus.consumer(GROUP, TOPIC, "b", None)
        batch = await slow.fetch(1, 1_000_000, wait=5)
        assert batch is not None
        assert await rival.fetch(1, 1_000_000, wait=1.5) is None
        async with pool.acquire() as connection:
            await offsets.step(connection, batch)
        await slow.close()
        await rival.close()


async def test_a_member_whose_sessions_were_ended_hears_again_and_leaves_in_order(
    broker: PostgresBroker, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.buses.postgres._POLL_EVERY", 60.0)
    bus = await prepare(broker, 1)
    member = await join(broker, bus, "one")

    async def end_sessions() -> None:
        await connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
            " where datname = current_database() and pid <> all(array[pg_backend_pid(), $1::int])",
            member.session.get_server_pid(),
        )
        await asyncio.sleep(SHORT_LEASE.total_seconds() / 2)

    await end_sessions()
    assert await member.next(wait=0.1) is None
    waiting = asyncio.create_task(member.next(wait=50))
    await asyncio.sleep(0.2)
    await bus.send(TOPIC, numbered(1))
    batch = await asyncio.wait_for(waiting, PATIENCE)
    assert batch is not None
    await member.handle(batch)
    await end_sessions()
    await leave(member)
    assert [lag.owner for lag in await bus.lags(GROUP)] == [None]


async def test_a_partition_that_is_lost_between_two_reads_is_passed_over(
    broker: PostgresBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewal beside the batches may find it fenced at any moment."""
    bus = await prepare(broker, 3)
    member = await join(broker, bus, "one")
    consumer, works = member.consumer, log.read
    assert isinstance(consumer, PostgresConsumer)

    async def loses(connection: Connection, topic: str, partition: int, *bounds: int) -> list[Record]:
        for other in consumer._held.keys() - {partition}:
            consumer.lost(consumer._held[other][0])
        return await works(connection, topic, partition, *bounds)

    monkeypatch.setattr(log, "read", loses)
    assert await member.next(wait=0) is None
    monkeypatch.undo()
    await leave(member)


async def test_a_partition_that_is_lost_while_others_are_given_back_is_not_given_back(
    broker: PostgresBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await prepare(broker, 4)
    member, works = await join(broker, bus, "a"), offsets.give_back
    consumer, given_back = member.consumer, []
    assert isinstance(consumer, PostgresConsumer)

    async def loses(connection: Connection, lease: Lease, name: str) -> None:
        given_back.append(lease.partition)
        for other in list(consumer._held):
            consumer.lost(consumer._held[other][0])
        await works(connection, lease, name)

    monkeypatch.setattr(offsets, "give_back", loses)
    rival = await join(broker, bus, "b")
    consumer._renewed = float("-inf")
    assert await member.next(wait=0) is None
    assert len(given_back) == 1
    monkeypatch.undo()
    await leave(member, rival)


async def test_a_member_is_one_of_its_group_however_long_it_stood_still(connection: Connection) -> None:
    """Between saying that it is alive and asking who is, a worker may handle a batch that takes longer than a lease."""
    assert await offsets.join(connection, GROUP, TOPIC, "slow", timedelta(0)) == ["slow"]
    assert await offsets.join(connection, GROUP, TOPIC, "other", timedelta(0)) == ["other"]


async def test_a_consumer_that_cannot_begin_leaves_nothing_behind(
    postgres_url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(offsets, "take", broken)
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await bus.create_topic(TOPIC, 1)
        with pytest.raises(ZeroDivisionError):
            await bus.consumer(GROUP, TOPIC, "member", None)
        assert pool.get_idle_size() == pool.get_size()
    assert await connection.fetchval("select count(*) from group_members") == 0


async def test_a_pool_is_closed_though_a_session_is_not_given_back(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_UNTIL_GIVEN_BACK", 0.1)
    async with asyncio.timeout(PATIENCE):
        async with open_pool(postgres_url) as pool:
            await pool.acquire()
    assert pool.get_size() == 0
