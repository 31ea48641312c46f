"""What Kafka holds is read whatever it is packed with; what cannot be read is named, kept, and stops nothing else.

Batches are damaged where damage happens: in the broker's own files, beneath a broker that runs.
"""

import asyncio
import itertools
import json
import os
import re
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import CorruptRecordException, KafkaError, UnknownError
from aiokafka.record.util import calc_crc32c
from kafka.errors import KafkaError as AdminError

from api.frame.sentences import fault_words
from api.frame.texts import load_texts
from deploy.commands.examination.database import examine_standing
from deploy.commands.examination.signs import State
from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import BusAway, Message
from streams.buses import kafka, standing
from streams.buses.absence import PASSING, broker_errors
from streams.buses.headers import LONGEST_HEADERS, MOST_HEADERS
from streams.buses.kafka import KafkaAddress, KafkaBus, TopicSettings
from streams.buses.standing import OnDamage
from streams.buses.unpacking import LARGEST_UNPACKED
from streams.handlers.events import EventsHandler
from streams.hosts.worker import Worker
from streams.jobs.reconciling import reconcile
from streams.messages.codec import encode_event
from streams.store.operation.condition import find_condition, find_unsettled
from streams.store.sessions import Pool, borrowed, connect, open_pool
from streams.store.transport import log
from streams.store.transport.unreadable import Standing, find_standing
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE
from tests.reference.generators import mixed
from tests.streams.replay import VAULT

CODECS = ("gzip", "snappy", "lz4", "zstd")
CLAIMS_SENT = [encode_event(event) for seed in range(12) for event in mixed(seed)][:60]
DAMAGED = 20
"""The batch that is damaged, by number; every batch holds three messages."""
AT_ONCE = OnDamage(after=timedelta(0))
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def broker(kafka_jars: Path) -> Iterator[EmbeddedKafka]:
    """A broker of our own, whose files may be damaged."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-kafka-") as name, start_kafka(Path(name), kafka_jars) as server:
        yield server


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as pool:
        yield pool


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition of which nothing is heard is asked directly almost at once."""
    monkeypatch.setattr(standing, "_SILENT", 0.05)


async def _new_bus(pool: Pool, brokers: str, partitions: int = 1, on_damage: OnDamage | None = None) -> KafkaBus:
    address = KafkaAddress(brokers, prefix=f"out-{os.getpid()}-{next(_numbers)}-")
    bus = KafkaBus(pool, address, TopicSettings(), on_damage=on_damage)
    await bus.create_topic(CLAIMS, partitions)
    return bus


@asynccontextmanager
async def _working(bus: KafkaBus, dsn: str) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker that reads claims; it is looked at that nothing ended it."""
    worker = Worker(lambda: connect(dsn), EventsHandler(load_rule_set(load_facts()), VAULT, judging=False))
    consumer = await bus.consumer(JUDGES, CLAIMS, "one", await worker.open())
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(consumer, stop))
    try:
        yield working
        assert not working.done(), "what came stopped the worker"
    finally:
        stop.set()
        await asyncio.gather(working, return_exceptions=True)
        await consumer.close()
        await worker.close()
        await bus.close()


async def _until_read(bus: KafkaBus, working: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(PATIENCE):
        while any(lag.behind for lag in await bus.lags(JUDGES)) or not await bus.lags(JUDGES):
            assert not working.done(), "what came stopped the worker"
            await asyncio.sleep(0.05)


async def _outcomes(pool: Pool) -> dict[str, int]:
    async with borrowed(pool) as connection:
        row = await connection.fetchrow(
            "select coalesce(sum(accepted), 0)::int as accepted, coalesce(sum(duplicate), 0)::int as duplicate,"
            " coalesce(sum(dead), 0)::int as dead from ledger"
        )
    return {outcome: count for outcome, count in row.items() if count}


# --- packings


@pytest.mark.parametrize("by", ["the sender", "the broker"])
@pytest.mark.parametrize("codec", CODECS)
async def test_what_is_packed_is_read(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, codec: str, by: str
) -> None:
    """Packed by a sender in Python, and by the broker with the libraries that senders in Java use."""
    bus = await _new_bus(pool, broker.brokers)
    options = {"compression_type": codec}
    if by == "the broker":
        options = {}
        name = bus.own(CLAIMS)
        await bus.ask(lambda admin: _set_codec(admin, name, codec))
    producer = AIOKafkaProducer(**bus.address.options(), **options)
    await producer.start()
    for body in CLAIMS_SENT[:20]:
        await producer.send_and_wait(bus.own(CLAIMS), body, partition=0)
    await producer.stop()
    packed = segment_of(broker, bus).read_bytes()
    assert {packed[at + 22] & 7 for at, _ in batches_of(packed)} == {CODECS.index(codec) + 1}
    async with _working(bus, postgres_url) as working:
        await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": 20}


def _set_codec(admin: object, topic: str, codec: str) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

    assert isinstance(admin, KafkaAdminClient)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"compression.type": codec})])


# --- what unpacks to very much

SENDER = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

async def send(brokers, topic, codec, size, times):
    producer = AIOKafkaProducer(bootstrap_servers=brokers, compression_type=codec, max_request_size=2 * int(size))
    await producer.start()
    for _ in range(int(times)):
        await producer.send_and_wait(topic, bytes(int(size)), partition=0)
    await producer.stop()

asyncio.run(send(*sys.argv[1:]))
"""


async def _send_zeros(bus: KafkaBus, codec: str, size: int, times: int) -> None:
    """Sends messages of zeros, from a process of its own: the memory of this one is measured."""
    words = [bus.address.brokers, bus.own(CLAIMS), codec, str(size), str(times)]
    sender = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, *words)
    assert await sender.wait() == 0


@contextmanager
def _memory_grows_by_less_than(most: int) -> Iterator[None]:
    """Holds the highest resident memory of this process against what it was, in bytes, as Linux counts it."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
    before = _resident("VmRSS")
    yield
    assert _resident("VmHWM") - before < most


def _resident(name: str) -> int:
    words = next(line.split() for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(words[1])


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.usefixtures("soon")
async def test_a_batch_that_unpacks_to_very_much_is_passed_over(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, codec: str
) -> None:
    bus = await _new_bus(pool, broker.brokers, on_damage=AT_ONCE)
    await bus.send(CLAIMS, [Message(None, body, "s") for body in CLAIMS_SENT[:3]])
    await _send_zeros(bus, codec, 300_000_000, 1)
    await bus.send(CLAIMS, [Message(None, body, "s") for body in CLAIMS_SENT[3:6]])
    packed = segment_of(broker, bus).read_bytes()
    start, length = batches_of(packed)[1]
    with _memory_grows_by_less_than(6 * LARGEST_UNPACKED):
        async with _working(bus, postgres_url) as working:
            await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": 6, "dead": 1}
    async with borrowed(pool) as connection:
        ((reasons, body),) = await connection.fetch("select reasons, body from dead_letters")
    assert "batch 3-3 of the bus cannot be read: size, unpacked" in reasons
    assert VAULT.open(body) == packed[start : start + length]


async def test_many_batches_that_unpack_to_much_are_read_few_at_a_time(pool: Pool, broker: EmbeddedKafka) -> None:
    """Each is within the bound; together they are far more than a worker has."""
    bus = await _new_bus(pool, broker.brokers)
    await _send_zeros(bus, "zstd", LARGEST_UNPACKED - 1000, 16)
    consumer = await bus.consumer(JUDGES, CLAIMS, "one", None)
    read = []
    try:
        async with asyncio.timeout(PATIENCE):
            with _memory_grows_by_less_than(10 * LARGEST_UNPACKED):
                while len(read) < 16:
                    batch = await consumer.fetch(1000, 8_000_000, 1.0)
                    if batch is not None:
                        read += [record.offset for record in batch.records]
                        consumer.moved(batch)
    finally:
        await consumer.close()
        await bus.close()
    assert read == list(range(16))


# --- headers


HEADED_SENDER = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

async def send(brokers, topic, codec, count):
    producer = AIOKafkaProducer(bootstrap_servers=brokers, compression_type=codec or None, max_request_size=2**25)
    await producer.start()
    await producer.send_and_wait(topic, b"{}", partition=0, headers=[("n", b"v")] * int(count))
    await producer.stop()

asyncio.run(send(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("codec", "count", "most"),
    [("", 1_000_000, 2 * LARGEST_UNPACKED), *((codec, 7_000_000, 6 * LARGEST_UNPACKED) for codec in CODECS)],
)
@pytest.mark.usefixtures("soon")
async def test_a_message_of_nothing_but_headers_takes_no_memory_and_is_passed_over(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, codec: str, count: int, most: int
) -> None:
    """As many as the broker takes: unpacked it reads all of them itself."""
    bus = await _new_bus(pool, broker.brokers, on_damage=AT_ONCE)
    await bus.send(CLAIMS, [Message(None, body, "s") for body in CLAIMS_SENT[:3]])
    words = [bus.address.brokers, bus.own(CLAIMS), codec, str(count)]
    sender = await asyncio.create_subprocess_exec(sys.executable, "-c", HEADED_SENDER, *words)
    assert await sender.wait() == 0
    await bus.send(CLAIMS, [Message(None, body, "s") for body in CLAIMS_SENT[3:6]])
    held = segment_of(broker, bus).read_bytes()
    start, length = batches_of(held)[1]
    with _memory_grows_by_less_than(most):
        async with _working(bus, postgres_url) as working:
            await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": 6, "dead": 1}
    async with borrowed(pool) as connection:
        ((reasons, body),) = await connection.fetch("select reasons, body from dead_letters")
    assert "batch 3-3 of the bus cannot be read: headers" in reasons
    assert VAULT.open(body) == held[start : start + length]


async def test_a_message_with_more_headers_than_are_read_is_a_dead_letter_by_itself(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka
) -> None:
    """In one batch with others, which are accepted; so is one whose headers are at the limit."""
    bus = await _new_bus(pool, broker.brokers)
    producer = AIOKafkaProducer(**bus.address.options(), max_batch_size=2**20)
    await producer.start()
    batch = producer.create_batch()
    many, long = [("n", b"v")] * MOST_HEADERS, [("n", bytes(LONGEST_HEADERS - 1))]
    for body, headers in zip(CLAIMS_SENT, (many, [*many, ("n", None)], long, [*long, ("n", None)], []), strict=False):
        batch.append(key=None, value=body, timestamp=None, headers=headers)
    await producer.send_batch(batch, bus.own(CLAIMS), partition=0)
    await producer.stop()
    async with _working(bus, postgres_url) as working:
        await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": 3, "dead": 2}
    async with borrowed(pool) as connection:
        letters = await connection.fetch('select "offset", reasons, body from dead_letters order by "offset"')
    assert [letter["offset"] for letter in letters] == [1, 3]
    assert [json.loads(letter["reasons"]) for letter in letters] == [
        [f"headers: more than {MOST_HEADERS}"],
        [f"headers: more than {LONGEST_HEADERS} bytes"],
    ]
    assert [VAULT.open(letter["body"]) for letter in letters] == [CLAIMS_SENT[1], CLAIMS_SENT[3]]
    zh = load_texts("zh")
    assert {fault_words(reason, zh) for letter in letters for reason in json.loads(letter["reasons"])} == {
        "消息头过多或过长"
    }


# --- damage


def _flip(at: int) -> Callable[[bytearray, int, int], None]:
    def damage(data: bytearray, start: int, length: int) -> None:
        data[start + (at if at >= 0 else length + at)] ^= 0xFF

    return damage


def _put(at: int, layout: str, value: int) -> Callable[[bytearray, int, int], None]:
    def damage(data: bytearray, start: int, _length: int) -> None:
        struct.pack_into(layout, data, start + at, value)

    return damage


def _pack_unheard_of(data: bytearray, start: int, length: int) -> None:
    """As a sender would that knows more packings than we: the checksum is right."""
    _put(22, ">b", 7)(data, start, length)
    _sum_up(data, start, length)


def _sum_up(data: bytearray, start: int, length: int) -> None:
    struct.pack_into(">I", data, start + 17, calc_crc32c(bytes(data[start + 21 : start + length])))


def _blank(data: bytearray, start: int, length: int) -> None:
    data[start : start + length] = bytes(length)


DAMAGES: dict[str, Callable[[bytearray, int, int], None]] = {
    "a lost bit in a record": _flip(-1),
    "a lost bit in the checksum": _flip(17),
    "an unknown packing": _put(22, ">b", 7),
    "an unknown packing by a right checksum": _pack_unheard_of,
    "more records than there are": _put(23, ">i", 1_000_000),
    "the format of old": _put(16, ">b", 1),
    "a format of which nobody knows": _put(16, ">b", -3),
    "a negative length": _put(8, ">i", -5),
    "a length that is too small": _put(8, ">i", 10),
    "a length that is too large": _put(8, ">i", 10_000_000),
    "nothing but zeros": _blank,
}


WHERE_FORM_HOLDS = [name for name in DAMAGES if not re.search("format|length|zeros", name)]
"""Damages that leave length and format: the broker delivers such a batch, so its bytes are kept, and it goes alone."""


def segment_of(broker: EmbeddedKafka, bus: KafkaBus, topic: str = CLAIMS) -> Path:
    """The file of a topic's first partition."""
    return broker.folder / "data" / f"{bus.own(topic)}-0" / f"{0:020}.log"


def batches_of(data: bytes) -> list[tuple[int, int]]:
    """Where batches begin and how long they are."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        found.append((at, 12 + length))
        at += 12 + length
    return found


async def _send_batches(bus: KafkaBus) -> None:
    """Three messages a batch, in the order in which they are sent again further below."""
    for first in range(0, len(CLAIMS_SENT), 3):
        await bus.send(CLAIMS, [Message(None, body, "s") for body in CLAIMS_SENT[first : first + 3]])


def damage(segment: Path, name: str, number: int) -> bytes:
    """Damages a batch in the broker's file, and returns what the file held."""
    whole = segment.read_bytes()
    data = bytearray(whole)
    DAMAGES[name](data, *batches_of(whole)[number])
    with segment.open("r+b") as file:
        file.write(data)
    return whole


@pytest.mark.parametrize("number", [0, 10], ids=["the first batch", "a batch in the middle"])
@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.usefixtures("soon")
async def test_a_batch_that_cannot_be_read_is_kept_and_passed_over(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, name: str, number: int
) -> None:
    bus = await _new_bus(pool, broker.brokers, on_damage=AT_ONCE)
    await _send_batches(bus)
    whole = damage(segment_of(broker, bus), name, number)
    async with _working(bus, postgres_url) as working:
        await _until_read(bus, working)
    first = 3 * number
    async with borrowed(pool) as connection:
        letters = await connection.fetch('select "offset", reasons, body from dead_letters order by "offset"')
        assert await find_standing(connection) == []
        assert (await find_unsettled(connection, [(JUDGES, CLAIMS)])).unaccounted == 0
        assert (await reconcile(connection)).lost == 0
    unread = [letter["offset"] for letter in letters]
    if not ("format" in name and not unread):
        # Nothing before the batch, all of it, and behind it no more than the broker cannot find its way to.
        # The format stands outside the checksum: the client may read such a batch all the same.
        assert unread[:3] == [first, first + 1, first + 2]
        assert unread == list(range(first, first + len(unread)))
    dead = {"dead": len(unread)} if unread else {}
    assert await _outcomes(pool) == {"accepted": len(CLAIMS_SENT) - len(unread)} | dead
    assert all("cannot be read" in letter["reasons"] for letter in letters)
    start, length = batches_of(whole)[number]
    assert len(unread) <= 9, "more was passed over than two batches behind it, and every one has its entry in the index"
    if not unread:
        return
    held = VAULT.open(letters[0]["body"])
    lies = segment_of(broker, bus).read_bytes()[start : start + length]
    if name in WHERE_FORM_HOLDS:
        assert (len(unread), held) == (3, lies)
    else:
        assert held.startswith(lies) or (held == b"" and "broker" in letters[0]["reasons"])
    assert (": codec" in letters[0]["reasons"]) is (name == "an unknown packing by a right checksum")


@pytest.mark.usefixtures("soon")
async def test_before_its_time_has_come_nothing_is_passed_over_also_by_another_member(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka
) -> None:
    """The time is counted by the store from the first look on, whoever looks."""
    bus = await _new_bus(pool, broker.brokers, on_damage=OnDamage(after=timedelta(hours=1)))
    await _send_batches(bus)
    damage(segment_of(broker, bus), "a lost bit in a record", 4)
    async with _working(bus, postgres_url) as working:
        await _until_stands(pool, working)
        await _until_looked_at_again(pool, bus, working)
    assert await _outcomes(pool) == {"accepted": 12}
    async with borrowed(pool) as connection:
        await connection.execute("update unreadable_batches set seen_at = seen_at - interval '1 hour'")
    heir = KafkaBus(pool, bus.address, TopicSettings(), on_damage=bus.on_damage)
    async with _working(heir, postgres_url) as working:
        await _until_read(heir, working)
    assert await _outcomes(pool) == {"accepted": len(CLAIMS_SENT) - 3, "dead": 3}


async def _until_stands(pool: Pool, working: "asyncio.Task[None]") -> list[Standing]:
    async with asyncio.timeout(PATIENCE), borrowed(pool) as connection:
        while not (standing := await find_standing(connection)):
            assert not working.done(), "what came stopped the worker"
            await asyncio.sleep(0.05)
    return standing


async def _until_looked_at_again(pool: Pool, bus: KafkaBus, working: "asyncio.Task[None]") -> None:
    """Waits until a standing batch was looked at once more: a look writes its reason anew."""
    async with asyncio.timeout(PATIENCE), borrowed(pool) as connection:
        await connection.execute("update unreadable_batches set reason = 'seen'")
        while await connection.fetchval("select reason from unreadable_batches") == "seen":
            assert not working.done(), "what came stopped the worker"
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("soon")
async def test_what_a_sender_wrote_so_is_not_waited_for(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header whose name is no UTF-8 passes the broker and no client: no replica will ever hold it otherwise."""
    bus = await _new_bus(pool, broker.brokers, on_damage=OnDamage(after=timedelta(hours=1)))
    await _send_batches(bus)
    segment = segment_of(broker, bus)
    data = bytearray(segment.read_bytes())
    start, length = batches_of(bytes(data))[7]
    at = data.index(b"source", start)
    data[at : at + 6] = b"\xff" * 6
    _sum_up(data, start, length)
    with segment.open("r+b") as file:
        file.write(data)
    async with _working(bus, postgres_url) as working:
        await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": len(CLAIMS_SENT) - 3, "dead": 3}


@pytest.mark.usefixtures("soon")
async def test_a_client_that_stumbles_over_what_can_be_read_is_asked_again(
    pool: Pool, postgres_url: str, kafka_brokers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit that flipped on the way, or a broker's quota: neither stops a worker."""
    bus = await _new_bus(pool, kafka_brokers)
    await _send_batches(bus)
    stumbles = iter([CorruptRecordException("CRC"), ZeroDivisionError()])
    works = AIOKafkaConsumer.getmany

    async def getmany(self: AIOKafkaConsumer, *places: Any, **bounds: Any) -> Any:
        fetched = await works(self, *places, **bounds)
        if fetched and (stumble := next(stumbles, None)):
            raise stumble
        return fetched

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    async with _working(bus, postgres_url) as working:
        await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": len(CLAIMS_SENT)}
    assert next(stumbles, None) is None


@pytest.mark.usefixtures("soon")
async def test_a_partition_may_stand_until_it_can_be_read_again(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka
) -> None:
    """It stands, it is said, the other partition goes on; then the batch is whole again, and nothing was lost."""
    bus = await _new_bus(pool, broker.brokers, 2, OnDamage(passes=False, after=timedelta(0)))
    keys = {kafka.partition_of(key, 2): key for key in (b"a", b"b", b"c", b"d")}
    for body in CLAIMS_SENT[:40]:
        await bus.send(CLAIMS, [Message(keys[0], body, "s")])
    await bus.send(CLAIMS, [Message(keys[1], CLAIMS_SENT[40], "s")])
    segment = segment_of(broker, bus)
    whole = damage(segment, "a lost bit in a record", 25)
    async with _working(bus, postgres_url) as working:
        standing = await _until_stands(pool, working)
        ((place, first, reason),) = [((one.topic, one.partition), one.first, one.reason) for one in standing]
        assert (place, first, reason) == ((CLAIMS, 0), 25, "CRC")
        assert [sign.state for sign in examine_standing(standing)] == [State.FAULT]
        async with borrowed(pool) as connection:
            condition = await find_condition(connection)
        assert (condition.unreadable, condition.standing) == (1, 1)
        await bus.send(CLAIMS, [Message(keys[1], CLAIMS_SENT[41], "s")])
        async with asyncio.timeout(PATIENCE):
            while await _outcomes(pool) != {"accepted": 27}:
                assert not working.done()
                await asyncio.sleep(0.05)
        with segment.open("r+b") as file:
            file.write(whole)
        await _until_read(bus, working)
    assert await _outcomes(pool) == {"accepted": 42}
    async with borrowed(pool) as connection:
        assert await connection.fetchval("select count(*) from unreadable_batches") == 0


# --- errors of the client, and the log in PostgreSQL


def test_an_error_of_the_client_is_no_absence_unless_it_says_so() -> None:
    for error in (KafkaError("broken"), UnknownError("broken")):
        with pytest.raises(type(error)), broker_errors("b:1"):
            raise error
    known = _kinds(KafkaError) | _kinds(AdminError)
    absences = {kind for kind in known if kind.__name__ in PASSING}
    assert {kind.__name__ for kind in absences} == PASSING, "names that neither client has"
    for kind in absences:
        with pytest.raises(BusAway, match="b:1"), broker_errors("b:1"):
            raise kind


def _kinds(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


async def test_bytes_of_the_log_that_cannot_be_unpacked_are_a_dead_letter(pool: Pool) -> None:
    async with borrowed(pool) as connection:
        await log.create_topic(connection, CLAIMS, 1)
        await log.append(connection, CLAIMS, 1, [Message(None, body, "s") for body in CLAIMS_SENT[:3]])
        await connection.execute("""update log set value = '\\xdeadbeef' where "offset" = 1""")
        one, two, three = await log.read(connection, CLAIMS, 0, 0, 10, 10**6)
    assert (one.value, three.value) == (CLAIMS_SENT[0], CLAIMS_SENT[2])
    assert (two.value, one.unreadable, three.unreadable) == (b"\xde\xad\xbe\xef", None, None)
    assert two.unreadable is not None
