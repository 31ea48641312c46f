"""Holding what a broker assigns, without a broker: batches in hand, and what Faust's agents deliver."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from streams.bus import Batch, OffsetOutOfRange, Record
from streams.buses.holding import AssignedConsumer
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.hosts import kafka
from streams.hosts.kafka import DeliveredConsumer
from streams.store.sessions import Pool, borrowed, open_pool
from streams.store.transport import offsets
from tests.patience import PATIENCE

GROUP, TOPIC = "readers", "trial"
SESSION = timedelta(seconds=2)
STORED = 5
"""Where the store says that the group reads on, in every partition."""


class EndlessConsumer(AssignedConsumer):
    """Each partition holds one record, wherever it is read from."""

    def _begin(self, partition: int, offset: int) -> None:
        self._ahead[partition] = [Record(offset, None, b"", "s")]

    async def _read_ahead(self, partitions: Sequence[int], seconds: float, most: int) -> None:
        """Nothing more."""

    hears = True

    async def _hears_broker(self) -> bool:
        return self.hears


class Carrier:
    """Stands for the Faust app: keeps what it is asked to deliver again."""

    def __init__(self) -> None:
        self.consumer = self
        self.asked: list[tuple[int, int]] = []

    async def seek(self, place: Any, offset: int) -> None:
        self.asked.append((place.partition, offset))


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as pool:
        async with borrowed(pool) as connection:
            await connection.executemany(
                'insert into group_offsets ("group", topic, partition, next) values ($1, $2, $3, $4)',
                [(GROUP, TOPIC, partition, STORED) for partition in range(2)],
            )
        yield pool


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
async def consumer(pool: Pool, carrier: Carrier) -> AsyncIterator[DeliveredConsumer]:
    bus = KafkaBus(pool, KafkaAddress("nowhere:1"), session=SESSION)
    app: Any = carrier
    consumer = DeliveredConsumer(bus, app, GROUP, TOPIC, None)
    consumer.keep()
    yield consumer
    await consumer.close()


def _events(*numbers: int, partition: int = 0) -> list[Any]:
    return [
        SimpleNamespace(message=SimpleNamespace(partition=partition, offset=number, key=b"k", value=b"v", headers=[]))
        for number in numbers
    ]


async def _next(consumer: AssignedConsumer, wait: float = PATIENCE) -> Batch | None:
    return await consumer.fetch(100, 1_000_000, wait)


async def _read(consumer: AssignedConsumer, pool: Pool) -> list[int]:
    """Handles the next batch and returns its offsets."""
    batch = await _next(consumer)
    assert batch is not None
    async with borrowed(pool) as connection:
        await offsets.step(connection, batch)
    consumer.moved(batch)
    return [record.offset for record in batch.records]


async def test_sharing_out_waits_for_the_batch_in_hand_though_another_partition_is_lost(pool: Pool) -> None:
    session = timedelta(hours=1)
    consumer = EndlessConsumer(pool, GROUP, TOPIC, "one", None, session)
    consumer.keep()
    consumer.assign({0, 1})
    batch = await _next(consumer)
    assert batch is not None
    other = consumer._held[1 - batch.lease.partition][0]
    consumer.lost(other)
    revoking = asyncio.create_task(consumer.revoke())
    await asyncio.sleep(0.2)
    assert not revoking.done()
    consumer.lost(batch.lease)
    await asyncio.wait_for(revoking, PATIENCE)
    await consumer.close()


async def test_a_member_that_the_broker_does_not_reach_takes_nothing_back(pool: Pool) -> None:
    """Its partition is its heir's; once the broker answers again and has taken nothing away, it takes it."""
    consumer = EndlessConsumer(pool, GROUP, TOPIC, "one", None, timedelta(seconds=0.4))
    consumer.keep()
    consumer.assign({0})
    batch = await _next(consumer)
    assert batch is not None
    async with borrowed(pool) as connection:
        await offsets.take(connection, GROUP, TOPIC, 0, "heir", None, SESSION, at_once=True)
    consumer.hears = False
    consumer.lost(batch.lease)
    assert await _next(consumer, wait=1.5) is None
    async with borrowed(pool) as connection:
        assert await connection.fetchval("select owner from group_offsets where partition = 0") == "heir"
    consumer.hears = True
    taken = await _next(consumer)
    assert taken is not None
    assert taken.lease.epoch == batch.lease.epoch + 2
    await consumer.close()


async def test_what_lies_below_the_stores_offset_is_passed_over(consumer: DeliveredConsumer, pool: Pool) -> None:
    consumer.assign({0})
    delivering = asyncio.create_task(consumer.deliver(_events(3, 4, 5, 6)))
    assert await _read(consumer, pool) == [5, 6]
    await asyncio.wait_for(delivering, PATIENCE)
    await asyncio.wait_for(consumer.deliver(_events(5, 6)), PATIENCE)
    assert await _next(consumer, wait=0.1) is None


async def test_a_delivery_ends_when_it_is_written(consumer: DeliveredConsumer, pool: Pool) -> None:
    consumer.assign({0})
    delivering = asyncio.create_task(consumer.deliver(_events(5)))
    assert await _next(consumer) is not None
    await asyncio.sleep(0.2)
    assert not delivering.done()
    assert await _read(consumer, pool) == [5]
    await asyncio.wait_for(delivering, PATIENCE)


async def test_after_a_gap_the_stores_offset_is_delivered_again(
    consumer: DeliveredConsumer, carrier: Carrier, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer.assign({0})
    assert await _next(consumer, wait=0) is None
    await consumer.deliver(_events(8, 9))
    assert await _next(consumer, wait=0) is None
    assert carrier.asked == [(0, STORED)]
    delivering = asyncio.create_task(consumer.deliver(_events(5, 6, 7, 8, 9)))
    assert await _read(consumer, pool) == [5, 6, 7, 8, 9]
    await asyncio.wait_for(delivering, PATIENCE)
    monkeypatch.setattr(kafka, "_PATIENCE", 0.0)
    assert await _next(consumer, wait=0) is None, "the gap was filled"


async def test_a_gap_within_what_is_delivered_is_delivered_again_too(
    consumer: DeliveredConsumer, carrier: Carrier, pool: Pool
) -> None:
    """Faust drops what it has in hand where partitions are shared out anew, and one gathering may hold both sides."""
    consumer.assign({0})
    assert await _next(consumer, wait=0) is None
    delivering = asyncio.create_task(consumer.deliver(_events(5, 6, 9, 10)))
    assert await _read(consumer, pool) == [5, 6]
    await asyncio.wait_for(delivering, PATIENCE)
    assert carrier.asked == [(0, 7)]
    delivering = asyncio.create_task(consumer.deliver(_events(7, 8, 9, 10)))
    assert await _read(consumer, pool) == [7, 8, 9, 10]
    await asyncio.wait_for(delivering, PATIENCE)


async def test_a_gap_that_stays_stops_the_reading(consumer: DeliveredConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer.assign({0})
    assert await _next(consumer, wait=0) is None
    await consumer.deliver(_events(8))
    assert await _next(consumer, wait=0) is None
    monkeypatch.setattr(kafka, "_PATIENCE", 0.0)
    with pytest.raises(OffsetOutOfRange, match=f"{TOPIC}/0"):
        await _next(consumer, wait=0)


@pytest.mark.parametrize("then", [{1}, {0, 1}], ids=["another's now", "assigned again"])
async def test_a_gap_is_forgotten_with_the_assignment(
    consumer: DeliveredConsumer, carrier: Carrier, monkeypatch: pytest.MonkeyPatch, then: set[int]
) -> None:
    consumer.assign({0, 1})
    assert await _next(consumer, wait=0) is None
    await consumer.deliver(_events(8))
    await consumer.revoke()
    consumer.assign(then)
    monkeypatch.setattr(kafka, "_PATIENCE", 0.0)
    assert await _next(consumer, wait=0.1) is None
    await asyncio.wait_for(consumer.deliver(_events(8)), PATIENCE)
    assert carrier.asked == [(0, STORED)] * (2 if 0 in then else 1)


async def test_what_was_delivered_before_a_revocation_is_not_read_after_it(
    consumer: DeliveredConsumer, pool: Pool
) -> None:
    consumer.assign({0})
    assert await _next(consumer, wait=0) is None
    delivering = asyncio.create_task(consumer.deliver(_events(5, 6)))
    await asyncio.sleep(0.1)
    assert not delivering.done()
    await consumer.on_revoked(None)
    await asyncio.wait_for(delivering, PATIENCE)
    consumer.assign({0})
    assert await _next(consumer, wait=0.1) is None
    again = asyncio.create_task(consumer.deliver(_events(5, 6, 7)))
    assert await _read(consumer, pool) == [5, 6, 7]
    await asyncio.wait_for(again, PATIENCE)
