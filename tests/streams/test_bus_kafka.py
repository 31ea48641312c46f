"""The bus on Apache Kafka keeps the contract, and what is its own: long batches, Kafka's offsets, topics, errors."""

import asyncio
import gc
import itertools
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from inspect import signature
from pathlib import Path
from random import Random

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import Sender
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import LONGEST_SOURCE, Bus, BusAway, Consumer, Fenced, Message, OtherBus
from streams.buses import kafka
from streams.buses.kafka import LARGEST_MESSAGE, SESSION, KafkaAddress, KafkaBus, KafkaConsumer, TopicSettings
from streams.handlers.events import EventsHandler
from streams.hosts.worker import Worker
from streams.jobs.reconciling import reconcile
from streams.store.sessions import Pool, borrowed, connect, open_pool, passes_by_itself
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE

from .bus_contract import GROUP, TOPIC, Broker, BusContract, join, leave, noted, numbered, prepare
from .replay import VAULT

SHORT_SESSION = timedelta(seconds=1.5)
_numbers = itertools.count(1)


class KillableBus(KafkaBus):
    """A bus whose consumers can be ended without a word."""

    def __init__(self, pool: Pool, address: KafkaAddress, session: timedelta, longest_batch: timedelta) -> None:
        super().__init__(pool, address, TopicSettings(), session, longest_batch)
        self.consumers: list[KafkaConsumer] = []

    async def consumer(self, group: str, topic: str, member: str, backend_pid: int | None) -> Consumer:
        consumer = await super().consumer(group, topic, member, backend_pid)
        assert isinstance(consumer, KafkaConsumer)
        self.consumers.append(consumer)
        return consumer

    async def kill(self) -> None:
        for consumer in self.consumers:
            consumer._kafka._closed = True
            consumer._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await consumer._keeping
            await consumer.hang_up()
        self.consumers.clear()


class KafkaBroker(Broker):
    """Buses over one cluster and one database, with topics and groups that no other test has."""

    def __init__(
        self,
        dsn: str,
        brokers: str,
        session: timedelta = SHORT_SESSION,
        longest_batch: timedelta = timedelta(seconds=1),
    ) -> None:
        self.dsn = dsn
        self.address = KafkaAddress(brokers, prefix=f"test-{os.getpid()}-{next(_numbers)}-")
        self._session = session
        self._longest_batch = longest_batch
        self._opened: list[tuple[KillableBus, Pool, AsyncExitStack]] = []

    async def open(self) -> KillableBus:
        stack = AsyncExitStack()
        pool = await stack.enter_async_context(open_pool(self.dsn))
        bus = KillableBus(pool, self.address, self._session, self._longest_batch)
        self._opened.append((bus, pool, stack))
        return bus

    async def kill(self, bus: Bus) -> None:
        for one, pool, _ in self._opened:
            if one is bus:
                await one.kill()
                pool.terminate()

    async def send_slowly(self, bus: Bus, topic: str, messages: list[Message], seconds: float) -> None:
        for message in messages:
            await asyncio.sleep(seconds / len(messages))
            await bus.send(topic, [message])

    async def drop_before(self, topic: str, partition: int, offset: int) -> None:
        bus = self._opened[0][0]
        place = TopicPartition(bus.own(topic), partition)
        await bus.ask(lambda admin: admin.delete_records({place: offset}))

    async def close(self) -> None:
        for bus, pool, stack in self._opened:
            await bus.kill()
            await bus.close()
            pool.terminate()
            await stack.aclose()


@pytest.fixture
async def broker(postgres_url: str, kafka_brokers: str) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(postgres_url, kafka_brokers)
    yield broker
    await broker.close()


class TestKafkaBus(BusContract):
    pass


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as pool:
        yield pool


async def test_with_the_session_of_every_day_a_dead_member_is_followed(postgres_url: str, kafka_brokers: str) -> None:
    """The broker misses it after a session, which leaves the heir four of its ten seconds."""
    assert timedelta(seconds=6) >= SESSION
    broker = KafkaBroker(postgres_url, kafka_brokers, SESSION)
    bus, doomed_bus = await prepare(broker, 1), await broker.open()
    await bus.send(TOPIC, numbered(1))
    doomed = await join(broker, doomed_bus, "doomed")
    doomed.session.terminate()
    await broker.kill(doomed_bus)
    heir = await join(broker, bus, "heir")
    await heir.read(1)
    await leave(heir)
    await broker.close()


async def test_kafkas_own_offsets_follow_those_of_the_store(broker: KafkaBroker) -> None:
    bus = await prepare(broker, 1)
    assert isinstance(bus, KafkaBus)
    await bus.send(TOPIC, numbered(10))
    member = await join(broker, bus, "one")
    await member.read(7, max_records=7)
    deadline = time.monotonic() + PATIENCE
    while await _kafkas_offset(bus) != 7:
        assert time.monotonic() < deadline, "it does not follow while the member reads"
        await asyncio.sleep(0.1)
    await member.read(3)
    await leave(member)
    assert await _kafkas_offset(bus) == 10


async def _kafkas_offset(bus: KafkaBus) -> int | None:
    group = bus.own(GROUP)
    found = await bus.ask(lambda admin: admin.list_group_offsets(group)[group])
    offsets = [entry.offset for place, entry in found.items() if place.topic == bus.own(TOPIC)]
    return offsets[0] if offsets else None


async def test_a_long_batch_keeps_its_partition_when_another_member_joins(
    postgres_url: str, kafka_brokers: str
) -> None:
    broker = KafkaBroker(postgres_url, kafka_brokers, longest_batch=timedelta(seconds=60))
    bus, rival_bus = await prepare(broker, 1), await broker.open()
    await bus.send(TOPIC, numbered(1))
    # Kafka's round robin begins with the name that comes first.
    slow = await join(broker, bus, "a")
    batch = await slow.next()
    assert batch is not None
    rival = await join(broker, rival_bus, "b")
    assert await rival.next(wait=3 * SHORT_SESSION.total_seconds()) is None
    await slow.handle(batch)
    assert await slow.next(wait=0.2) is None
    assert [(lag.next, lag.owner) for lag in await bus.lags(GROUP)] == [(1, "a")]
    await leave(slow, rival)
    await broker.close()


async def test_messages_of_several_megabytes_pass_and_do_not_pile_up(broker: KafkaBroker) -> None:
    bus, chance = await prepare(broker, 2), Random(5)
    large = [Message(key, chance.randbytes(4_000_000), "s") for key in (b"a", b"b", b"a", b"b", b"a")]
    await bus.send(TOPIC, large)
    member = await join(broker, bus, "one")
    read = [record for batch in await member.read(5) for record in batch.records]
    assert {(record.key, record.value) for record in read} == {(message.key, message.value) for message in large}
    await leave(member)


async def test_a_message_that_no_broker_takes_is_no_broker_that_is_away(broker: KafkaBroker) -> None:
    bus = await prepare(broker, 1)
    with pytest.raises(KafkaError) as raised:
        await bus.send(TOPIC, [Message(b"k", bytes(LARGEST_MESSAGE + 1), "s")])
    assert not passes_by_itself(raised.value)
    await bus.send(TOPIC, numbered(1))


async def test_a_broker_that_is_away_passes_by_itself(
    pool: Pool, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_PATIENCE", 1.0)
    bus = KafkaBus(pool, KafkaAddress(f"127.0.0.1:{free_port}"))
    for work in (bus.send(TOPIC, numbered(1)), bus.lags(), bus.consumer(GROUP, TOPIC, "one", None)):
        with pytest.raises(BusAway) as raised:
            await work
        assert passes_by_itself(raised.value)
    await bus.close()


async def test_topics_are_made_as_the_settings_say(pool: Pool, kafka_brokers: str) -> None:
    address = KafkaAddress(kafka_brokers, prefix=f"test-{os.getpid()}-{next(_numbers)}-")
    bus = KafkaBus(pool, address, TopicSettings(kept=timedelta(days=3), compacted=frozenset({"words"})))
    await bus.create_topic("words", 2)
    await bus.create_topic("claims", 3)
    await bus.send("claims", numbered(5))
    claims, words = await bus.topics()
    assert (claims.topic, sorted(claims.ends), claims.replication) == ("claims", [0, 0, 5], 1)
    assert (claims.kept, claims.configs["cleanup.policy"]) == (timedelta(days=3), "delete")
    assert (words.topic, words.ends, words.configs["cleanup.policy"]) == ("words", [0, 0], "compact")
    await bus.close()


async def test_a_topic_that_does_not_exist_is_named(broker: KafkaBroker) -> None:
    bus = await broker.open()
    with pytest.raises(LookupError, match="nowhere"):
        await bus.send("nowhere", numbered(1))


async def test_a_store_keeps_to_the_bus_on_which_it_began(pool: Pool, broker: KafkaBroker) -> None:
    bus = await broker.open()
    async with borrowed(pool) as connection:
        await offsets.claim_bus(connection, await bus.name())
        await offsets.claim_bus(connection, await bus.name())
        with pytest.raises(OtherBus, match=r"kafka .*postgres"):
            await offsets.claim_bus(connection, "postgres")


@pytest.mark.parametrize("same", [True, False], ids=["the holder's session", "another session with its number"])
async def test_of_two_sessions_with_one_number_only_the_holders_is_ended(
    pool: Pool, postgres_url: str, same: bool
) -> None:
    """A database that was restarted may give a process id a second time."""
    session = await connect(postgres_url)
    async with borrowed(pool) as connection:
        pid = session.get_server_pid()
        await offsets.take(connection, GROUP, TOPIC, 0, "old", pid, SESSION)
        if not same:
            await connection.execute("update group_offsets set backend_start = backend_start - interval '1 day'")
        assert await offsets.take(connection, GROUP, TOPIC, 0, "new", None, SESSION) is None
        assert await offsets.take(connection, GROUP, TOPIC, 0, "new", None, SESSION, at_once=True) is not None
        alive = await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)
    assert bool(alive) is not same
    session.terminate()


def test_an_address_shows_no_password() -> None:
    address = KafkaAddress("broker:9092", user="u", password="hidden-word")
    assert "hidden-word" not in f"{address} {address!r}"


def test_settings_of_security_reach_both_clients() -> None:
    address = KafkaAddress(
        "a:1, b:2", security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", user="u", password="p"
    )
    options = address.options()
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    taken = {"security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "bootstrap_servers"}
    assert options.keys() == taken
    assert taken <= KafkaAdminClient.DEFAULT_CONFIG.keys()
    assert taken <= signature(AIOKafkaConsumer.__init__).parameters.keys()


async def test_what_the_client_lost_on_the_way_is_read_again(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await prepare(broker, 1)
    await bus.send(TOPIC, numbered(300))
    member = await join(broker, bus, "one")
    assert isinstance(member.consumer, KafkaConsumer)
    client = member.consumer._kafka
    works, losses = client.getmany, iter([False, True, False, False, True])

    async def loses(*places: TopicPartition, **bounds: int) -> object:
        fetched = await works(*places, **bounds)
        return {} if fetched and next(losses, False) else fetched

    monkeypatch.setattr(client, "getmany", loses)
    await member.read(300, max_records=50)
    assert await noted(broker) == [(0, number) for number in range(300)]
    assert sum("a gap on" in message for message in caplog.messages) == 2
    await leave(member)


async def test_what_a_sender_takes_back_is_not_read_and_the_mark_of_a_transaction_stops_nobody(
    broker: KafkaBroker,
) -> None:
    """The mark takes an offset and is no record: what is sent in a transaction is read, and what comes after it."""
    bus = await prepare(broker, 1)
    assert isinstance(bus, KafkaBus)
    producer = AIOKafkaProducer(**bus.address.options(), transactional_id=bus.own("sender"))
    await producer.start()
    for is_taken_back in (False, True, False):
        with suppress(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait(bus.own(TOPIC), b"value", key=b"key", partition=0)
                if is_taken_back:
                    raise ZeroDivisionError
    await producer.stop()
    await bus.send(TOPIC, numbered(1))
    member = await join(broker, bus, "one")
    await member.read(3)
    assert await noted(broker) == [(0, 0), (0, 4), (0, 6)]
    await leave(member)


async def test_a_source_or_line_that_the_store_cannot_keep_is_mended_and_stops_nothing(
    pool: Pool, postgres_url: str, kafka_brokers: str
) -> None:
    bus = KafkaBus(pool, KafkaAddress(kafka_brokers, prefix=f"test-{os.getpid()}-{next(_numbers)}-"))
    await bus.create_topic(CLAIMS, 1)
    sources = [b"hos\0pital", Random(6).randbytes(20_000), "\u533b".encode() * 20_000, b"\xff", None]
    producer = AIOKafkaProducer(**bus.address.options())
    await producer.start()
    for source, line in zip(sources, [b"7", b"-1", b"9" * 19, b"1_0", None], strict=True):
        headers = [("source", source), ("line", line), ("line", b"8")]
        await producer.send_and_wait(bus.own(CLAIMS), b"{", key=b"k", headers=headers)
    await producer.stop()
    worker = Worker(lambda: connect(postgres_url), EventsHandler(load_rule_set(load_facts()), VAULT))
    consumer = await bus.consumer(JUDGES, CLAIMS, "one", await worker.open())
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(consumer, stop))
    async with borrowed(pool) as connection, asyncio.timeout(PATIENCE):
        while await connection.fetchval("select count(*) from dead_letters") < len(sources):
            assert not working.done()
            await asyncio.sleep(0.1)
        stop.set()
        await working
        rows = await connection.fetch('select source, line from dead_letters order by "offset"')
        kept = [row["source"] for row in rows]
        assert [row["line"] for row in rows] == [7, None, None, None, None]
        assert (kept[0], kept[3], kept[4]) == ("hos\ufffdpital", "\ufffd", "")
        assert kept[2] == "\u533b" * (LONGEST_SOURCE // 3)
        assert LONGEST_SOURCE - 4 < len(kept[1].encode()) <= LONGEST_SOURCE
        assert (await reconcile(connection)).lost == 0
    await consumer.close()
    await worker.close()
    await bus.close()


async def test_while_the_broker_is_away_neither_threads_nor_sockets_pile_up(
    pool: Pool, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_PATIENCE", 0.5)
    bus = KafkaBus(pool, KafkaAddress(f"127.0.0.1:{free_port}"))
    before = threading.active_count(), _open_files()
    for _ in range(12):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bus.ends(), 0.05)
    deadline = time.monotonic() + PATIENCE
    while threading.active_count() > before[0] or _open_files() > before[1]:
        assert time.monotonic() < deadline, f"{before} before, now {threading.active_count(), _open_files()}"
        await asyncio.sleep(0.1)
        # kafka-python leaves the sockets of refused connections to the collector.
        gc.collect()
    await bus.close()


async def test_a_client_whose_leave_the_broker_is_slow_to_hear_keeps_no_connection(
    pool: Pool, kafka_brokers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_never_heard(*_: object) -> None:
        await asyncio.Event().wait()

    bus = KafkaBus(pool, KafkaAddress(kafka_brokers, prefix=f"test-{os.getpid()}-{next(_numbers)}-"))
    await bus.create_topic(TOPIC, 1)
    await bus.send(TOPIC, numbered(1))
    consumer = await bus.consumer(GROUP, TOPIC, "one", None)
    assert isinstance(consumer, KafkaConsumer)
    assert bus._producer is not None
    connections = [*bus._producer.client._conns.values(), *consumer._kafka._client._conns.values()]
    assert len([one for one in connections if one.connected()]) > 1
    monkeypatch.setattr(GroupCoordinator, "_maybe_leave_group", is_never_heard)
    monkeypatch.setattr(Sender, "close", is_never_heard)
    others = asyncio.all_tasks()
    await consumer.close()
    await bus.close()
    assert [one for one in connections if one.connected()] == []
    assert asyncio.all_tasks() <= others


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_member_that_its_group_gave_up_comes_back(broker: KafkaBroker) -> None:
    """Its store was away for longer than a batch may take, so it asked for nothing and left its group."""
    bus = await prepare(broker, 2)
    await bus.send(TOPIC, [Message(key, b"", "s") for key in (b"a", b"b", b"c", b"d") for _ in range(5)])
    member = await join(broker, bus, "one")
    batch = await member.next(max_records=3)
    assert batch is not None
    await asyncio.sleep(2 * SHORT_SESSION.total_seconds() + 2)
    with suppress(Fenced):
        await member.handle(batch)
    while len(await noted(broker)) < 20:
        await member.read(1)
    effects = await noted(broker)
    assert len(effects) == len(set(effects)) == 20
    await leave(member)
