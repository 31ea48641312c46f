"""The outbox: what a batch sends on commits with it, and the relay sends each row at least once, whatever comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Message
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.findings import LeadsHandler
from streams.handlers.rule_sets import RuleSets, publish_first
from streams.hosts.stations import create_topics
from streams.hosts.worker import Handler, Worker
from streams.jobs.relay import run_relay, send_outbox
from streams.messages.vault import Vault
from streams.messages.versions import decode_version
from streams.store.sessions import Connection, Pool, borrowed, connect, open_pool
from streams.store.transport import offsets, outbox
from streams.topics import CLAIMS, FINDINGS, JUDGES, LEADS
from tests.patience import PATIENCE
from tests.reference.generators import mixed

from .disturbed import message_of

VAULT = Vault(b"a secret of this test")


class Desk:
    """A database with its bus, and hands to work on them."""

    def __init__(self, dsn: str, pool: Pool, connection: Connection) -> None:
        self.dsn = dsn
        self.pool = pool
        self.bus = PostgresBus(pool)
        self.connection = connection

    async def leave_in_outbox(self, connection: Connection, *values: bytes) -> None:
        await outbox.save_outbox(connection, FINDINGS, [Message(b"k", value, "judge") for value in values])

    async def waiting(self) -> int:
        count: int = await self.connection.fetchval("select count(*) from outbox")
        return count

    async def sent(self) -> list[bytes | None]:
        """Everything on the topic, read by a group of its own."""
        consumer = await self.bus.consumer("looking", FINDINGS, "m", None)
        batch = await consumer.fetch(10_000, 100_000_000, wait=0.1)
        await consumer.close()
        return [] if batch is None else [record.value for record in batch.records]

    async def judge(self, handler: Handler, events: list[Event]) -> None:
        await self.bus.send(CLAIMS, [message_of(event) for event in events])
        await self.work_off(handler, JUDGES, CLAIMS)

    async def work_off(self, handler: Handler, group: str, topic: str) -> None:
        worker = Worker(lambda: connect(self.dsn), handler, max_records=20)
        consumer = await self.bus.consumer(group, topic, "worker", await worker.open())
        await asyncio.wait_for(worker.run(consumer, asyncio.Event(), until_idle=True), PATIENCE)
        await consumer.close()
        await worker.close()


@pytest.fixture
async def desk(postgres_url: str) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(postgres_url))
        connection = await connect(postgres_url)
        stack.push_async_callback(connection.close)
        desk = Desk(postgres_url, pool, connection)
        await create_topics(desk.bus)
        yield desk


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
def handler(rule_set: RuleSet) -> EventsHandler:
    return EventsHandler(RuleSets(rule_set), VAULT)


def _events() -> list[Event]:
    return [event for seed in range(40) for event in mixed(seed)]


async def test_a_batch_leaves_each_version_once_and_none_where_it_rolled_back(
    desk: Desk, handler: EventsHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, failures = offsets.step, iter([True, False] * 1000)

    async def fails_every_other_time(connection: Connection, batch: Batch) -> None:
        await step(connection, batch)
        if next(failures):
            raise ConnectionError

    monkeypatch.setattr(offsets, "step", fails_every_other_time)
    monkeypatch.setattr("streams.hosts.worker._LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(logging.getLogger("fundwatch.worker"), "disabled", True)
    await desk.judge(handler, _events()[:100])
    left = await desk.connection.fetch("select value from outbox")
    written = await desk.connection.fetch("select finding_id, version from finding_versions")
    versions = [(version.finding_id, version.version) for version in (decode_version(row["value"]) for row in left)]
    assert sorted(versions) == sorted(tuple(row) for row in written)
    assert len(versions) == len(set(versions)) > 10


async def test_rows_are_sent_in_order_and_taken_away(desk: Desk) -> None:
    values = [b"%d" % number for number in range(1100)]
    await desk.leave_in_outbox(desk.connection, *values)
    sent = []
    while count := await send_outbox(desk.pool, desk.bus):
        sent.append(count)
    assert sent == [500, 500, 100]
    assert await desk.waiting() == 0
    assert await desk.sent() == values


async def test_a_row_that_commits_late_is_sent_though_higher_ones_went_before(desk: Desk) -> None:
    late = desk.connection.transaction()
    await late.start()
    await desk.leave_in_outbox(desk.connection, b"late")
    async with borrowed(desk.pool) as other:
        await desk.leave_in_outbox(other, b"early")
    assert await send_outbox(desk.pool, desk.bus) == 1
    await late.commit()
    assert await send_outbox(desk.pool, desk.bus) == 1
    assert await desk.sent() == [b"early", b"late"]


async def test_two_relays_share_the_work_and_send_nothing_twice(desk: Desk) -> None:
    values = [b"%d" % number for number in range(3000)]
    await desk.leave_in_outbox(desk.connection, *values)

    async def relay() -> int:
        total = 0
        while count := await send_outbox(desk.pool, desk.bus):
            total += count
        return total

    assert sum(await asyncio.gather(relay(), relay(), relay())) == 3000
    assert Counter(await desk.sent()) == Counter(values)
    assert await desk.waiting() == 0


async def test_a_relay_that_dies_before_it_clears_the_outbox_sends_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.leave_in_outbox(desk.connection, b"a", b"b")

    async def dies(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "delete_outbox", dies)
        with pytest.raises(ConnectionError):
            await send_outbox(desk.pool, desk.bus)
    assert await desk.waiting() == 2
    await send_outbox(desk.pool, desk.bus)
    assert set(await desk.sent()) == {b"a", b"b"}
    assert await desk.waiting() == 0


async def test_the_relay_goes_on_after_trouble(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    take, troubles, stop = outbox.take_outbox, [ConnectionError, TimeoutError], asyncio.Event()

    async def troubled(connection: Connection, most: int) -> list[tuple[int, str, Message]]:
        if troubles:
            raise troubles.pop()
        return await take(connection, most)

    monkeypatch.setattr(outbox, "take_outbox", troubled)
    await desk.leave_in_outbox(desk.connection, b"a")
    relay = asyncio.create_task(run_relay(desk.pool, desk.bus, stop))
    async with asyncio.timeout(PATIENCE):
        while await desk.waiting():
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(relay, PATIENCE)
    assert troubles == []
    assert await desk.sent() == [b"a"]


async def test_leads_are_the_same_when_versions_come_twice_and_the_wrong_way_round(
    desk: Desk, handler: EventsHandler, rule_set: RuleSet
) -> None:
    """A bus other than PostgreSQL may send a row again, and two relays may overtake each other."""
    await publish_first(desk.connection, rule_set)
    await desk.judge(handler, _events())
    rows = await desk.connection.fetch("select key, value from outbox order by id")
    messages = [Message(row["key"], row["value"], "outbox") for row in rows]
    assert any(decode_version(row["value"]).version > 1 for row in rows)
    await desk.bus.send(FINDINGS, messages)
    await desk.work_off(LeadsHandler(RuleSets(rule_set), VAULT), LEADS, FINDINGS)
    once = await _leads(desk.connection)
    await desk.connection.execute("truncate lead_findings, lead_lines, lead_totals, leads")
    await desk.bus.send(FINDINGS, messages[::-1] + messages)
    await desk.work_off(LeadsHandler(RuleSets(rule_set), VAULT), LEADS, FINDINGS)
    assert await _leads(desk.connection) == once
    assert len(once) > 10


async def _leads(connection: Connection) -> list[tuple[object, ...]]:
    rows = await connection.fetch(
        "select area, lead_id, institution, topic, service_year, findings, people, in_question, in_fund, loss,"
        " newest_day, severity, state from leads where findings > 0 order by 1, 2"
    )
    return [tuple(row) for row in rows]
