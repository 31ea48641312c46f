"""The bus on Apache Kafka: production's. Offsets rest in the store all the same; those that Kafka keeps follow them.

Kafka's group coordinator decides who reads which partition. A member that is given one takes it in the store at once:
epoch + 1, the old holder's database session ended. The same keys go to the same partitions as on the PostgreSQL bus
(``partition_of``), and a message's source and line travel as headers.
"""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from traceback import clear_frames
from typing import Any, TypeVar

import aiokafka.errors
import kafka.errors
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from kafka import TopicPartition as AdminPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec

from streams.bus import (
    Bus,
    BusAway,
    Consumer,
    Lag,
    Lease,
    Message,
    OffsetOutOfRange,
    Record,
    TopicState,
    partition_of,
)
from streams.buses.absence import UNKNOWN, broker_errors
from streams.buses.headers import headers_of
from streams.buses.holding import LAST_SECONDS, ended
from streams.buses.standing import OnDamage, StandingConsumer, record_of
from streams.buses.threads import in_thread
from streams.buses.unpacking import Enough, little_at_once
from streams.store.sessions import Pool, borrowed
from streams.store.transport import offsets

logger = logging.getLogger("fundwatch.bus")
# It repeats five times a second that there is no broker; whoever asked is told by an error.
logging.getLogger("kafka").setLevel(logging.CRITICAL)

SESSION = timedelta(seconds=6)
LONGEST_BATCH = timedelta(seconds=60)
METADATA_SECONDS = 5
"""A broker that has just come back may not know a topic yet, and then nobody is assigned it until topics are asked for
again; by default that is after five minutes."""
LARGEST_MESSAGE = 16 * 2**20  # bytes
KEPT = timedelta(days=14)

_BATCH_BYTES = 512 * 2**10
_FETCHED_BYTES = 2 * 2**20  # of one partition ahead of the worker
_MOST_RECORDS = 1024
"""Records that a client is asked for at once; fewer after they unpacked to too much."""
_PATIENCE = 10.0  # seconds for an answer of the broker
_PUZZLED = 3
"""Times in a row that a client's error is taken for one that passes although everything can be read."""

Answer = TypeVar("Answer")


class KafkaAddress(msgspec.Struct, frozen=True):
    """Where the brokers are (host:port, comma between them) and how to get in. The names are Kafka's own.

    ``prefix`` begins the names of topics and groups, where several installations share a cluster.
    """

    brokers: str
    prefix: str = ""
    security_protocol: str = "PLAINTEXT"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sasl_mechanism: str | None = None
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"KafkaAddress({self.brokers}, {self.security_protocol})"

    def options(self) -> dict[str, Any]:
        """What aiokafka and kafka-python both take."""
        options: dict[str, Any] = {
            "bootstrap_servers": [broker.strip() for broker in self.brokers.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = self._ssl_context()
        if self.sasl_mechanism is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class TopicSettings(msgspec.Struct, frozen=True):
    """How topics are made. ``kept`` is how long records stay, ``None`` for good.

    A topic in ``compacted`` keeps the last record of each key. None of ours is: findings are keyed by the person, so
    the last record of a key would be one finding of that person, and the others would be gone.
    """

    replication: int = 1
    kept: timedelta | None = KEPT
    compacted: frozenset[str] = frozenset()

    def configs(self, topic: str) -> dict[str, str]:
        milliseconds = -1 if self.kept is None else round(self.kept.total_seconds() * 1000)
        return {
            "retention.ms": str(milliseconds),
            "cleanup.policy": "compact" if topic in self.compacted else "delete",
            "max.message.bytes": str(LARGEST_MESSAGE),
            # With three replicas an acknowledged record rests on two at least.
            "min.insync.replicas": str(max(1, self.replication - 1)),
        }


class _Admin(KafkaAdminClient):  # type: ignore[misc]
    """A client that ends its thread and sockets where it finds no broker at the start; kafka-python's leaves them."""

    def __init__(self, **options: Any) -> None:
        self._closed = False
        try:
            super().__init__(**options)
        except BaseException:
            self.close()
            raise


class KafkaBus(Bus):
    """Topics of one cluster. Every method may be used by several tasks at once; ``close`` it at the end.

    ``session`` is how long a member may be silent before its partitions are given to others; a member whose batch
    takes longer than ``longest_batch`` loses them too.
    """

    def __init__(
        self,
        pool: Pool,
        address: KafkaAddress,
        topics: TopicSettings | None = None,
        session: timedelta = SESSION,
        longest_batch: timedelta = LONGEST_BATCH,
        on_damage: OnDamage | None = None,
    ):
        self.pool = pool
        self.address = address
        self.session = session
        self.longest_batch = longest_batch
        self.on_damage = on_damage or OnDamage()
        self._topics = topics or TopicSettings()
        self._partitions: dict[str, int] = {}
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._admin: KafkaAdminClient | None = None
        self._asking = threading.Lock()

    # --- administration: kafka-python, in a thread

    async def ask(self, question: Callable[[KafkaAdminClient], Answer]) -> Answer:
        """An administrator's request. Raises ``BusAway``."""
        with broker_errors(self.address.brokers, UNKNOWN):
            return await in_thread(lambda: self._ask(question))

    def _ask(self, question: Callable[[KafkaAdminClient], Answer]) -> Answer:
        # Whoever asked may have given up; while the brokers are away threads would queue here without end.
        if not self._asking.acquire(timeout=_PATIENCE):
            raise BusAway("no answer to an earlier request")
        try:
            if self._admin is None:
                milliseconds = round(_PATIENCE * 1000)
                self._admin = _Admin(
                    **self.address.options(),
                    bootstrap_timeout_ms=milliseconds,
                    request_timeout_ms=milliseconds,
                    reconnect_backoff_max_ms=1000,
                )
            try:
                return question(self._admin)
            except kafka.errors.KafkaError:
                # The client would go on looking for its brokers, and speak of it, until it is asked again.
                self._admin.close()
                self._admin = None
                raise
        finally:
            self._asking.release()

    async def name(self) -> str:
        cluster = await self.ask(lambda admin: admin.describe_cluster())
        return f"kafka {cluster['cluster_id']} {self.address.prefix}".strip()

    async def version(self) -> tuple[int, ...]:
        """The version of one of the brokers, as (4, 1)."""

        def ask(admin: KafkaAdminClient) -> tuple[int, ...]:
            broker = admin.describe_cluster()["brokers"][0]
            return tuple(admin.get_broker_version_data(broker["broker_id"]).broker_version)

        return await self.ask(ask)

    def own(self, name: str) -> str:
        """The name that a topic or group of ours has in the cluster."""
        return self.address.prefix + name

    async def create_topic(self, topic: str, partitions: int) -> None:
        wanted = {
            self.own(topic): {
                "num_partitions": partitions,
                "replication_factor": self._topics.replication,
                "configs": self._topics.configs(topic),
            }
        }

        def create(admin: KafkaAdminClient) -> None:
            # Whoever only reads and writes needs no right to make topics that are there.
            if all(not entry["error_code"] for entry in admin.describe_topics(list(wanted))):
                return
            with suppress(kafka.errors.TopicAlreadyExistsError):
                admin.create_topics(wanted)
            admin.wait_for_topics([self.own(topic)])

        await self.ask(create)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises ``LookupError`` where there is no such topic."""
        if topic not in self._partitions:
            described = await self.ask(lambda admin: admin.describe_topics([self.own(topic)]))
            count = sum(len(entry["partitions"]) for entry in described if not entry["error_code"])
            if count == 0:
                raise LookupError(f"no topic {topic}")
            self._partitions[topic] = count
        return self._partitions[topic]

    async def ends(self) -> dict[tuple[str, int], int]:
        prefix = self.address.prefix
        return await self.ask(lambda admin: _ends(admin, _describe(admin, prefix), prefix))

    async def lags(self, group: str | None = None) -> list[Lag]:
        ends = await self.ends()
        async with borrowed(self.pool) as connection:
            return await offsets.find_lags(connection, group, ends)

    async def topics(self) -> list[TopicState]:
        return await self.ask(lambda admin: _topic_states(admin, self.address.prefix))

    async def answers(self) -> bool:
        """Whether the brokers answer now."""
        try:
            await self.name()
        except BusAway:
            return False
        return True

    # --- sending

    async def send(self, topic: str, messages: Sequence[Message], within: Any = None) -> None:
        partitions = await self.partitions(topic)
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            by_partition.setdefault(partition_of(message.key, partitions), []).append(message)
        with broker_errors(self.address.brokers, UNKNOWN):
            producer = await self._open_producer()
            try:
                sent = [
                    await producer.send_batch(batch, self.own(topic), partition=partition)
                    for partition, together in sorted(by_partition.items())
                    for batch in _batches(producer, together)
                ]
                for acknowledged in await asyncio.gather(*sent, return_exceptions=True):
                    if isinstance(acknowledged, BaseException):
                        raise acknowledged
            except BaseException:
                # What was sent and not acknowledged leaves a gap in this producer's numbers: it sends nothing more.
                await self._drop_producer(producer)
                raise

    async def _open_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self.address.options(),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_batch_size=_BATCH_BYTES,
                    max_request_size=LARGEST_MESSAGE,
                    request_timeout_ms=round(_PATIENCE * 1000),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        await ended(producer.stop())
        await ended(_hang_up(producer.client, (producer._sender, "_sender_task")))

    # --- reading

    async def consumer(self, group: str, topic: str, member: str, backend_pid: int | None) -> Consumer:
        await self.partitions(topic)
        consumer = KafkaConsumer(self, group, topic, member, backend_pid)
        await consumer.open()
        return consumer

    async def open_client(self, topic: str) -> AIOKafkaConsumer:
        """A client that is in no group and reads nothing by itself, to look at a topic with; stop it at the end."""
        client = AIOKafkaConsumer(
            **self.address.options(),
            request_timeout_ms=round(_PATIENCE * 1000),
            metadata_max_age_ms=METADATA_SECONDS * 1000,
        )
        try:
            await client.start()
            await client._client.set_topics([self.own(topic)])
        except BaseException:
            await ended(client.stop())
            raise
        return client

    async def close(self) -> None:
        if self._producer is not None:
            await self._drop_producer(self._producer)
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await in_thread(admin.close)


class KafkaConsumer(StandingConsumer, ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a group, with a client of aiokafka's.

    The client fetches ahead up to two MB of a partition and no more until they are read, which is all the backpressure
    there is to keep. Where they unpack to very much (``streams.buses.unpacking``) it is asked for fewer at once.
    """

    def __init__(self, bus: KafkaBus, group: str, topic: str, member: str, backend_pid: int | None):
        super().__init__(
            bus.pool,
            group,
            topic,
            member,
            backend_pid,
            bus.session,
            bus.address.brokers,
            bus.own(topic),
            bus.on_damage,
        )
        self._bus = bus
        self._told: dict[int, int] = {}
        self._gaps: dict[int, int] = {}
        self._puzzled = 0
        self._most = _MOST_RECORDS

    async def open(self) -> None:
        milliseconds = round(self._bus.session.total_seconds() * 1000)
        self._kafka = AIOKafkaConsumer(
            **self._bus.address.options(),
            client_id=f"fundwatch-{self._member}",
            group_id=self._bus.own(self._group),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=milliseconds,
            heartbeat_interval_ms=milliseconds // 3,
            max_poll_interval_ms=round(self._bus.longest_batch.total_seconds() * 1000),
            max_partition_fetch_bytes=_FETCHED_BYTES,
            request_timeout_ms=round(_PATIENCE * 1000),
            metadata_max_age_ms=METADATA_SECONDS * 1000,
        )
        self._kafka.subscribe([self._name], listener=self)
        try:
            with broker_errors(self._bus.address.brokers):
                await asyncio.wait_for(self._kafka.start(), 6 * _PATIENCE)
            await self.take_assigned()
        except BaseException:
            await self._leave()
            raise
        self.keep()

    async def on_partitions_revoked(self, _revoked: object) -> None:
        await self.revoke()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._kafka.pause(*assigned)
        self.assign({place.partition for place in assigned})

    def _begin(self, partition: int, offset: int) -> None:
        super()._begin(partition, offset)
        self._gaps.pop(partition, None)
        place = self._place(partition)
        self._kafka.seek(place, offset)
        self._kafka.resume(place)

    async def _client(self) -> AIOKafkaConsumer:
        return self._kafka

    def _pause(self, partition: int) -> None:
        self._kafka.pause(self._place(partition))

    async def _read_from(self, partition: int, offset: int) -> None:
        self._begin(partition, offset)

    async def _read_ahead(self, partitions: Sequence[int], seconds: float, most: int) -> None:
        """Takes over what the client has fetched. While partitions are shared out anew it waits, so time is bounded."""
        await self._look_at_silent(partitions)
        assignment = self._assignment
        reading = [partition for partition in partitions if partition not in self._standing]
        places = [self._place(partition) for partition in partitions]
        try:
            fetched: dict[TopicPartition, list[Any]] = {}
            with self._reading_errors(), suppress(TimeoutError), little_at_once():
                read = self._kafka.getmany(*places, timeout_ms=round(seconds * 1000), max_records=min(most, self._most))
                fetched = await asyncio.wait_for(read, seconds + 0.2)
            if fetched:
                self._most = min(2 * self._most, _MOST_RECORDS)
            for place, records in fetched.items():
                if assignment == self._assignment:
                    await self._put_ahead(place.partition, [record_of(record) for record in records])
        except (BusAway, OffsetOutOfRange):
            raise
        except Enough as error:
            clear_frames(error.__traceback__)  # they hold what was unpacked, in a ring that only the collector ends
            self._most = max(1, self._most // 2)
            self._read_again()
        except Exception as error:  # noqa: BLE001 - what a client says of bytes that it cannot read is of many types
            await self._look_for_fault(reading, error)

    async def _idle(self, seconds: float) -> None:
        """Asks the client all the same: one that nobody asks leaves its group and does not join again."""
        with self._reading_errors(), suppress(TimeoutError):
            await asyncio.wait_for(self._kafka.getmany(timeout_ms=round(seconds * 1000)), seconds + 0.2)

    async def _put_ahead(self, partition: int, records: list[Record]) -> None:
        """Puts one answer's records to those ahead, unless one is missing between: then the partition is read again.

        What is missing a second time, and is not found by looking directly, the brokers do not deliver: the mark of a
        sender's transaction takes an offset too. Only the first record is looked at, since the client takes an answer
        from one stretch that it fetched: it may lose a whole answer (when partitions are shared out anew), and between
        two records of one answer lie marks and taken-back records alone.
        """
        if partition not in self._held or partition not in self._ahead:
            return
        assignment = self._assignment
        self._heard[partition] = time.monotonic()
        ahead, start = self._ahead[partition], self._held[partition][1]
        expected = self._expected(partition)
        is_read = records[0].offset == expected
        if not is_read and self._gaps.get(partition) == expected:
            is_read = await self._is_empty(partition, expected, records)
            if assignment != self._assignment or partition not in self._held:
                return
        if is_read:
            self._puzzled = 0
            ahead += records
            return
        logger.warning("a gap on %s/%d: read again from the store's offset", self._topic, partition)
        ahead.clear()
        self._begin(partition, start)
        self._gaps[partition] = expected

    async def _is_empty(self, partition: int, offset: int, behind: Sequence[Record]) -> bool:
        """Whether brokers deliver nothing from an offset up to the records behind it."""
        looked = await self._look(partition, offset)
        first = looked.records[0].offset if looked.records else None
        return looked.unreadable is None and (first is None or first >= behind[0].offset)

    def lost(self, lease: Lease) -> None:
        super().lost(lease)
        with suppress(aiokafka.errors.IllegalStateError):
            self._kafka.pause(self._place(lease.partition))

    async def _look_for_fault(self, partitions: Sequence[int], error: Exception) -> None:
        """Looks which partition a client's error is about. Where all can be read they are read again, a few times."""
        assignment, found = self._assignment, False
        for partition in partitions:
            found |= await self._look_at(partition)
            if assignment != self._assignment:
                return
        self._puzzled = 0 if found else self._puzzled + 1
        if self._puzzled == _PUZZLED:
            raise error
        if not found:
            logger.warning("%s is read again after an error of the client: %s", self._topic, type(error).__name__)
            self._read_again()

    def _read_again(self) -> None:
        """Reads every partition that does not stand from behind what is ahead: the client lost what it had."""
        for partition in self._placed & self._held.keys() - self._standing.keys():
            self._begin(partition, self._expected(partition))

    @contextmanager
    def _reading_errors(self) -> Iterator[None]:
        with broker_errors(self._bus.address.brokers):
            try:
                yield
            except aiokafka.errors.OffsetOutOfRangeError as error:
                ((place, offset),) = error.args[0].items()
                raise OffsetOutOfRange(f"{self._topic}/{place.partition}: the brokers do not hold {offset}") from None
            except aiokafka.errors.NoOffsetForPartitionError:
                # The client looked for Kafka's own offset before this member had said where to begin.
                return

    async def _hears_broker(self) -> bool:
        return await self._bus.answers()

    async def _tell_broker(self) -> None:
        moved = {
            partition: offset
            for partition, (_, offset) in self._held.items()
            if partition in self._assigned and self._told.get(partition) != offset
        }
        if moved:
            with suppress(aiokafka.errors.KafkaError, TimeoutError):
                places = {self._place(partition): offset for partition, offset in moved.items()}
                await asyncio.wait_for(self._kafka.commit(places), LAST_SECONDS)
                self._told |= moved

    async def close(self) -> None:
        await super().close()
        await self._leave()

    async def _leave(self) -> None:
        await ended(self._kafka.stop())
        await ended(self.hang_up())

    async def hang_up(self) -> None:
        """Ends the client without a word to the broker."""
        coordinator = self._kafka._coordinator
        await _hang_up(
            self._kafka._client,
            (coordinator, "_coordination_task"),
            (coordinator, "_heartbeat_task"),
            (coordinator, "_commit_refresh_task"),
            (self._kafka._fetcher, "_fetch_task"),
        )


async def _hang_up(client: Any, *places: tuple[Any, str]) -> None:
    """Ends tasks and connections of a client: one that is interrupted while it takes its leave keeps all of them."""
    tasks = [task for owner, name in places if (task := getattr(owner, name, None)) is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()


def _batches(producer: AIOKafkaProducer, messages: Sequence[Message]) -> Iterator[Any]:
    """Messages of one partition in as many batches of Kafka's as they need."""
    batch = producer.create_batch()
    for message in messages:
        words = {"key": message.key, "value": message.value, "headers": headers_of(message)}
        if batch.append(timestamp=None, **words) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(timestamp=None, **words)
    batch.close()
    yield batch


def _describe(admin: KafkaAdminClient, prefix: str) -> list[dict[str, Any]]:
    return [
        entry
        for entry in admin.describe_topics()
        if entry["name"].startswith(prefix) and not entry["is_internal"] and not entry["error_code"]
    ]


def _ends(admin: KafkaAdminClient, described: Sequence[Mapping[str, Any]], prefix: str) -> dict[tuple[str, int], int]:
    places = [
        AdminPartition(entry["name"], partition["partition_index"])
        for entry in described
        for partition in entry["partitions"]
    ]
    found = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)) if places else {}
    return {(place.topic.removeprefix(prefix), place.partition): end.offset for place, end in found.items()}


def _topic_states(admin: KafkaAdminClient, prefix: str) -> list[TopicState]:
    described = sorted(_describe(admin, prefix), key=lambda entry: str(entry["name"]))
    ends = _ends(admin, described, prefix)
    resources = [ConfigResource(ConfigResourceType.TOPIC, entry["name"]) for entry in described]
    configs = admin.describe_configs(resources)["topic"] if resources else {}
    states = []
    for entry in described:
        topic, partitions = entry["name"].removeprefix(prefix), entry["partitions"]
        told = {name: config["value"] for name, config in sorted(configs[entry["name"]].items())}
        milliseconds = int(told.pop("retention.ms", -1))
        states.append(
            TopicState(
                topic=topic,
                ends=[ends[topic, number] for number in range(len(partitions))],
                replication=max(len(partition["replica_nodes"]) for partition in partitions),
                kept=None if milliseconds < 0 else timedelta(milliseconds=milliseconds),
                configs=told,
            )
        )
    return states
