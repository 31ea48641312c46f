"""A batch of findings that Kafka cannot deliver: Faust goes on, the batch is kept and passed over, the rest is read."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import Message
from streams.buses import standing
from streams.buses.kafka import KafkaAddress, KafkaBus, TopicSettings
from streams.buses.standing import OnDamage
from streams.handlers.judging import finding_message
from streams.hosts.kafka import KafkaService
from streams.hosts.service import Service, open_service
from streams.hosts.stations import STATIONS
from streams.messages.codec import encode_event
from streams.store.sessions import Pool, borrowed
from streams.store.transport.resending import find_current_versions
from streams.store.transport.unreadable import find_standing
from streams.topics import CLAIMS, FINDINGS, JUDGES, LEADS
from tests.outside.test_kafka import (
    AT_ONCE,
    DAMAGES,
    WHERE_FORM_HOLDS,
    batches_of,
    broker,
    damage,
    pool,
    segment_of,
)
from tests.patience import PATIENCE
from tests.reference.generators import mixed
from tests.streams.replay import VAULT

__all__ = ["broker", "pool"]
RULES = load_rule_set(load_facts())
DAMAGED = 4
"""The batch that is damaged, by number; every batch holds three findings."""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition of which nothing is heard is asked directly after a second."""
    monkeypatch.setattr(standing, "_SILENT", 1.0)


def _make_bus(brokers: str, prefix: str, on_damage: OnDamage) -> Callable[[Pool], KafkaBus]:
    return lambda pool: KafkaBus(pool, KafkaAddress(brokers, prefix), TopicSettings(), on_damage=on_damage)


async def _until(holds: Callable[[], object], service: Service) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # type: ignore[misc]
            assert not service.failed, "what came stopped the service"
            await asyncio.sleep(0.05)


async def _is_read(service: Service, group: str) -> bool:
    lags = await service.bus.lags(group)
    return bool(lags) and not any(lag.behind for lag in lags)


async def _send_findings(dsn: str, make_bus: Callable[[Pool], KafkaBus]) -> int:
    """Judges some claims and sends what is found, three findings a batch; how many."""
    events = [event for seed in range(20) for event in mixed(seed)]
    async with open_service(dsn, RULES, VAULT, make_bus) as service:
        await service.start_station(next(station for station in STATIONS if station.topic == CLAIMS))
        await service.bus.send(CLAIMS, [Message(None, encode_event(event), "s") for event in events])
        await _until(lambda: _is_read(service, JUDGES), service)
        async with borrowed(service.pool) as connection:
            await connection.execute("delete from outbox")
            found = [finding_message(one) async for page in find_current_versions(connection) for one in page][:36]
        for first in range(0, len(found), 3):
            await service.bus.send(FINDINGS, found[first : first + 3])
    assert len(found) == 36
    return len(found)


@asynccontextmanager
async def _kept_leads(dsn: str, make_bus: Callable[[Pool], KafkaBus]) -> AsyncIterator[Service]:
    """The service on Faust; it is looked at that nothing ended it."""
    async with open_service(dsn, RULES, VAULT, make_bus, host=KafkaService) as service:
        await service.start()
        yield service
        assert not service.failed, "what came stopped the service"


async def _of_leads(pool: Pool) -> int:
    async with borrowed(pool) as connection:
        count: int = await connection.fetchval("select count(*) from lead_findings")
    return count


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.usefixtures("soon")
async def test_a_batch_of_findings_that_cannot_be_read_is_kept_and_passed_over(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka, name: str
) -> None:
    make_bus = _make_bus(broker.brokers, f"found-{os.getpid()}-{list(DAMAGES).index(name)}-", AT_ONCE)
    bus = make_bus(pool)
    sent = await _send_findings(postgres_url, make_bus)
    whole = damage(segment_of(broker, bus, topic=FINDINGS), name, DAMAGED)
    async with _kept_leads(postgres_url, make_bus) as service:
        await _until(lambda: _is_read(service, LEADS), service)
    async with borrowed(pool) as connection:
        letters = await connection.fetch('select "offset", reasons, body from dead_letters order by "offset"')
        assert await find_standing(connection) == []
    unread = [letter["offset"] for letter in letters]
    assert await _of_leads(pool) == sent - len(unread)
    first = 3 * DAMAGED
    if not ("format" in name and not unread):
        assert unread[:3] == [first, first + 1, first + 2]
        assert unread == list(range(first, first + len(unread)))
    if name in WHERE_FORM_HOLDS:
        start, length = batches_of(whole)[DAMAGED]
        lies = segment_of(broker, bus, topic=FINDINGS).read_bytes()[start : start + length]
        assert (len(unread), VAULT.open(letters[0]["body"])) == (3, lies)


@pytest.mark.usefixtures("soon")
async def test_faust_that_begins_before_a_batch_that_was_passed_over_brings_what_comes(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka
) -> None:
    """What Kafka keeps of the group's place may be lost, or lie before the batch; the store's counts."""
    make_bus = _make_bus(broker.brokers, f"found-{os.getpid()}-again-", AT_ONCE)
    bus = make_bus(pool)
    sent = await _send_findings(postgres_url, make_bus)
    damage(segment_of(broker, bus, topic=FINDINGS), "a lost bit in a record", DAMAGED)
    async with _kept_leads(postgres_url, make_bus) as service:
        await _until(lambda: _is_read(service, LEADS), service)
    await bus.ask(lambda admin: admin.delete_groups([bus.own(LEADS)]))
    async with borrowed(pool) as connection:
        found = [finding_message(one) async for page in find_current_versions(connection) for one in page]
    new = found[sent : sent + 3]
    assert new
    await bus.send(FINDINGS, new)
    async with _kept_leads(postgres_url, make_bus) as service:
        await _until(lambda: _is_read(service, LEADS), service)
    await bus.close()
    assert await _of_leads(pool) == sent - 3 + len(new)


@pytest.mark.usefixtures("soon")
async def test_findings_may_stand_until_the_batch_can_be_read_again(
    pool: Pool, postgres_url: str, broker: EmbeddedKafka
) -> None:
    on_damage = OnDamage(passes=False, after=timedelta(0))
    make_bus = _make_bus(broker.brokers, f"found-{os.getpid()}-stands-", on_damage)
    bus = make_bus(pool)
    sent = await _send_findings(postgres_url, make_bus)
    segment = segment_of(broker, bus, topic=FINDINGS)
    whole = damage(segment, "a lost bit in a record", DAMAGED)

    async def stands() -> bool:
        async with borrowed(pool) as connection:
            return [(one.group, one.first) for one in await find_standing(connection)] == [(LEADS, 3 * DAMAGED)]

    async with _kept_leads(postgres_url, make_bus) as service:
        await _until(stands, service)
        with segment.open("r+b") as file:
            file.write(whole)
        await _until(lambda: _is_read(service, LEADS), service)
    async with borrowed(pool) as connection:
        assert await connection.fetchval("select count(*) from unreadable_batches") == 0
        assert await connection.fetchval("select count(*) from dead_letters") == 0
    assert await _of_leads(pool) == sent
