"""The host on Apache Kafka: the same handlers inside one Faust app.

An agent takes the slow topic of findings, and a service inside the app reads claims in batches of our own. Faust only
carries: what it delivers is written by the same worker as everywhere, in the order of the store's offset. Records below
the offset are passed over; after a gap the topic is read again from the offset; what Faust itself acknowledges decides
nothing (docs/decisions/0012-kafka.md). Where its client fails or is silent the topic is looked at directly, and what
cannot be read is passed over as it is in the topics of events.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP, EventT, StreamT
from faust.types.auth import CredentialsT
from mode import Service as ModeService
from mode.threads import WorkerThread

from streams.bus import Consumer, OffsetOutOfRange, Record
from streams.buses.absence import broker_errors
from streams.buses.holding import ended
from streams.buses.kafka import METADATA_SECONDS, KafkaAddress, KafkaBus
from streams.buses.standing import StandingConsumer, record_of
from streams.hosts.service import Service, member_name
from streams.hosts.stations import Station
from streams.hosts.worker import Worker
from streams.topics import LEADS

logger = logging.getLogger("fundwatch.host")

_AT_ONCE = 500
_WITHIN = 0.05
"""Records and seconds in which an agent gathers what it delivers."""
_AGAIN_EVERY = 1.0
_PATIENCE = 15.0
"""Seconds between two attempts to read again from the offset, and until that is given up with an alarm."""


class KafkaService(Service):
    """The service whose workers live in a Faust app."""

    bus: KafkaBus

    async def start(self) -> None:
        """Starts every worker. Raises ``BusAway`` where the brokers go away meanwhile: nothing waits for them yet."""
        self._app = _make_app(self.bus, self.enter_context(tempfile.TemporaryDirectory(prefix="fundwatch-faust-")))
        await super().start()
        self._app.finalize()
        self.push_async_callback(lambda: ended(self._app.stop()))
        with broker_errors(self.bus.address.brokers):
            await self._app.start()
        self.add(self._watch_app())

    async def start_station(self, station: Station) -> Worker:
        worker = self.worker_of(station)
        backend_pid = await worker.open()
        self.push_async_callback(worker.close)
        if station.slow:
            open_consumer = self._deliver(station.group, station.topic, backend_pid)
        else:

            async def open_consumer() -> Consumer:
                return await self.bus.consumer(station.group, station.topic, member_name(), backend_pid)

        self._app.add_dependency(_Reading(self, worker, open_consumer))
        return worker

    def _deliver(self, group: str, topic: str, backend_pid: int) -> Callable[[], Awaitable[Consumer]]:
        """An agent for a topic, and what opens the consumer that it delivers to."""
        app = self._app
        consumer = DeliveredConsumer(self.bus, app, group, topic, backend_pid)
        raw = app.topic(
            self.bus.own(topic), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

        async def carry(stream: StreamT[Any]) -> None:
            async for events in cast(faust.Stream[Any], stream).take_events(_AT_ONCE, within=_WITHIN):
                await consumer.deliver(events)

        async def open_consumer() -> Consumer:
            consumer.keep()
            return consumer

        app.agent(raw, name=f"{group} of {topic}")(carry)
        app.on_partitions_revoked.connect(consumer.on_revoked)
        app.on_partitions_assigned.connect(consumer.on_assigned)
        return open_consumer

    async def _watch_app(self) -> None:
        """Fails when the app does, which stops the service with an alarm."""
        while not self.stop.is_set():
            if self._app.should_stop:
                raise AppEnded(repr(self._app.crash_reason))
            await asyncio.sleep(0.5)


class _Thread(WorkerThread):
    """The thread of Faust's consumer, for which nobody waits at the end."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.daemon = True

    def run(self) -> None:
        try:
            super().run()
        except asyncio.CancelledError:
            # A client of a broker that is away ends with this; without a word the app would wait for it for a minute.
            self.service.set_shutdown()


AIOKafkaConsumerThread.Worker = _Thread


async def _fetch_records(self: Any, *words: Any, **more: Any) -> Any:
    """What Faust reads; what its client says of bytes that it cannot read does not end the app.

    Whoever reads the partition hears nothing then, and looks.
    """
    try:
        return await _fetch_or_fail(self, *words, **more)
    except self.consumer.consumer_stopped_errors:
        raise
    except Exception as error:  # noqa: BLE001 - of many types
        logger.debug("Faust's client cannot read: %s", type(error).__name__)
        await asyncio.sleep(_AGAIN_EVERY)
        return {}


_fetch_or_fail = AIOKafkaConsumerThread._fetch_records
AIOKafkaConsumerThread._fetch_records = _fetch_records  # type: ignore[method-assign]


class AppEnded(Exception):
    """The Faust app ended by itself."""


class _Reading(ModeService):
    """A worker on a consumer, from the start of the app to the end of the service."""

    def __init__(self, host: Service, worker: Worker, open_consumer: Callable[[], Awaitable[Consumer]]) -> None:
        super().__init__()
        self._host = host
        self._worker = worker
        self._open_consumer = open_consumer

    async def on_start(self) -> None:
        consumer = await self._open_consumer()
        self._host.push_async_callback(consumer.close)
        self._host.add(self._worker.run(consumer, self._host.stop))


class DeliveredConsumer(StandingConsumer):
    """Reads what an agent delivers, from the store's offset on and without a gap."""

    def __init__(self, bus: KafkaBus, app: faust.App, group: str, topic: str, backend_pid: int) -> None:
        super().__init__(
            bus.pool,
            group,
            topic,
            member_name(),
            backend_pid,
            bus.session,
            bus.address.brokers,
            bus.own(topic),
            bus.on_damage,
        )
        self._bus = bus
        self._app = app
        self._looking: Any = None
        self._stirred = asyncio.Event()
        self._missing: dict[int, float] = {}
        self._asked: dict[int, float] = {}

    # --- what Faust says

    async def on_revoked(self, _app: Any, /, *_revoked: Any, **_more: Any) -> None:
        self._stir()
        await self.revoke()
        self._stir()

    async def on_assigned(self, _app: Any, /, *given: Any, **_more: Any) -> None:
        assigned: set[TP] = given[0]
        self.assign({place.partition for place in assigned if place.topic == self._name})
        self._stir()

    async def deliver(self, events: Sequence[EventT[bytes]]) -> None:
        """Hands over events and returns when they are written, or are this member's no more."""
        records: dict[int, list[Record]] = {}
        for event in events:
            records.setdefault(event.message.partition, []).append(record_of(event.message))
        for partition, together in records.items():
            await self._hand_over(partition, together)

    async def _hand_over(self, partition: int, records: Sequence[Record]) -> None:
        assignment = self._assignment
        while assignment == self._assignment and partition in self._assigned - self._placed:
            await self._until_stirred()
        if assignment != self._assignment or partition not in self._placed:
            return
        self._heard[partition] = time.monotonic()
        offset = self._expected(partition)
        new = [record for record in records if record.offset >= offset]
        if new and new[0].offset > offset:
            await self._read_again(partition, offset)
            return
        self._missing.pop(partition, None)
        unbroken = _unbroken(new)
        self._ahead[partition] += unbroken
        self._stir()
        while assignment == self._assignment and self._ahead.get(partition):
            await self._until_stirred()
        if len(unbroken) < len(new) and assignment == self._assignment and partition in self._held:
            self._asked.pop(partition, None)
            await self._read_again(partition, self._held[partition][1])

    async def _read_again(self, partition: int, offset: int) -> None:
        """Has Faust deliver again from the store's offset: its own was beyond it."""
        now = time.monotonic()
        self._missing.setdefault(partition, now)
        if now - self._asked.get(partition, float("-inf")) > _AGAIN_EVERY:
            self._asked[partition] = now
            logger.error("a gap on %s/%d: read again from the store's offset", self._topic, partition)
            await self._app.consumer.seek(TP(self._name, partition), offset)

    # --- what the worker asks

    async def _hears_broker(self) -> bool:
        return await self._bus.answers()

    async def _client(self) -> Any:
        if self._looking is None:
            self._looking = await self._bus.open_client(self._topic)
        return self._looking

    def _pause(self, partition: int) -> None:
        """Faust goes on asking, once a second: a client that asks for nothing leaves its group."""

    async def _read_from(self, partition: int, offset: int) -> None:
        self._begin(partition, offset)
        await self._app.consumer.seek(TP(self._name, partition), offset)

    def _is_left_behind(self, holds_records: bool) -> bool:
        """Faust may be before a batch that the group has passed over, and bring nothing of what lies behind it."""
        return holds_records

    def _begin(self, partition: int, offset: int) -> None:
        super()._begin(partition, offset)
        self._missing.pop(partition, None)
        self._asked.pop(partition, None)
        self._stir()

    async def _read_ahead(self, partitions: Sequence[int], seconds: float, most: int) -> None:
        await self._look_at_silent(partitions)
        now = time.monotonic()
        for partition in partitions:
            if now - self._missing.get(partition, now) > _PATIENCE:
                raise OffsetOutOfRange(f"{self._topic}/{partition}: the brokers do not deliver the store's offset")
        if seconds and not any(self._ahead.get(partition) for partition in partitions):
            await self._until_stirred(seconds)

    def _stir(self) -> None:
        """Wakes whoever waits here: something came, was written, or is another's now."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def _until_stirred(self, seconds: float = 1.0) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), seconds)

    def moved(self, batch: Any) -> None:
        super().moved(batch)
        self._heard[batch.lease.partition] = time.monotonic()
        self._stir()

    def lost(self, lease: Any) -> None:
        super().lost(lease)
        self._stir()

    async def close(self) -> None:
        await super().close()
        if self._looking is not None:
            await ended(self._looking.stop())


def _unbroken(records: Sequence[Record]) -> Sequence[Record]:
    """The first records, up to one that does not follow the one before it.

    Where partitions are shared out anew Faust drops what it has in hand and goes on behind it, so what an agent gathers
    may hold a gap (faust/transport/consumer.py, ``getmany``).
    """
    for number in range(1, len(records)):
        if records[number].offset != records[number - 1].offset + 1:
            return records[:number]
    return records


def _make_app(bus: KafkaBus, folder: str) -> faust.App:
    address = bus.address
    session = bus.session.total_seconds()
    return faust.App(
        bus.own(LEADS),
        broker=[f"kafka://{broker.strip()}" for broker in address.brokers.split(",")],
        broker_credentials=_credentials(address),
        broker_session_timeout=session,
        broker_rebalance_timeout=session,
        broker_heartbeat_interval=session / 3,
        broker_max_poll_interval=bus.longest_batch.total_seconds(),
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        # Without standby tables Faust shares partitions out as our own consumers do, so both fit into one group.
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        web_enabled=False,
        autodiscover=False,
        store="memory://",
        datadir=folder,
    )


def _credentials(address: KafkaAddress) -> CredentialsT | None:
    context = address.options().get("ssl_context")
    if address.sasl_mechanism is not None:
        return faust.SASLCredentials(
            mechanism=address.sasl_mechanism, username=address.user, password=address.password, ssl_context=context
        )
    return faust.SSLCredentials(context) if context is not None else None
