"""The worker survives: SIGKILL at random, a poisonous record among good ones, a database that comes and goes."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, BusAway, Fenced, Lag, Lease, Message, Record
from streams.buses.postgres import PostgresBus
from streams.handlers import judging
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.service import open_service
from streams.hosts.stations import create_topics
from streams.hosts.worker import Handler, Worker
from streams.jobs.reconciling import reconcile
from streams.messages.vault import Vault
from streams.pipeline import account, arrivals
from streams.pipeline.reports import Report
from streams.pipeline.windows import Window
from streams.store.sessions import Connection, connect, open_pool
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE

from .disturbed import load_kept, message_of, unlike_reference

ROOT = Path(__file__).resolve().parents[2]
KILLS = 5
COUNTY = CountyPlan(scale=0.0022)
"""Some 10,000 claims and 200 findings; tests/faults kills workers of 20,000."""

Trouble = Callable[[Connection], Awaitable[None]]


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
def claims_handler(rule_set: RuleSet) -> EventsHandler:
    return EventsHandler(RuleSets(rule_set), Vault(b"a secret of this test"))


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


async def send(dsn: str, messages: list[Message]) -> None:
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        for start in range(0, len(messages), 1000):
            await bus.send(CLAIMS, messages[start : start + 1000])


async def work_off(dsn: str, handler: Handler, max_records: int = 500) -> Worker:
    """Lets one worker handle all claims that were sent."""
    async with open_pool(dsn) as pool:
        worker = Worker(lambda: connect(dsn), handler, max_records)
        consumer = await PostgresBus(pool).consumer(JUDGES, CLAIMS, "worker", await worker.open())
        await asyncio.wait_for(worker.run(consumer, asyncio.Event(), until_idle=True), PATIENCE)
        await consumer.close()
        await worker.close()
    return worker


async def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(
    postgres_url: str, connection: Connection, rule_set: RuleSet
) -> None:
    """Claims of the simulated county, every fiftieth sent twice. Prints seconds and kills (``pytest -s``)."""
    events = list(simulate(COUNTY))
    messages = [message_of(event) for event in events]
    await send(postgres_url, messages + messages[::50])
    began, chance = time.monotonic(), Random(11)
    left = [await _unread(connection)]
    for number in range(KILLS):
        process = await _start_process(postgres_url)
        await _wait_for(connection, below=left[0] * (1 - (number + chance.random()) / (KILLS + 1)))
        await asyncio.sleep(chance.uniform(0, 0.1))
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        left.append(await _unread(connection))
    assert left[-1] > 0, f"{left}: the last kill must fall into the work"
    process = await _start_process(postgres_url)
    await _wait_for(connection, below=1)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    print(f"\n{len(events)} events, {KILLS} kills, {time.monotonic() - began:.1f} s; unread at each kill: {left}")

    account = await reconcile(connection)
    assert (account.lost, account.money_differs) == (0, Decimal(0))
    assert account.received == len(messages) + len(messages[::50])
    kept = await load_kept(connection)
    assert kept.outcomes == {"accepted": len(events), "duplicate": len(messages[::50]), "conflict": 0, "dead": 0}
    assert {event.event_id for event in kept.events[events[0].area]} == {event.event_id for event in events}
    assert sum(row.accepted_money for row in account.sources) == _money(events)
    assert unlike_reference(kept, rule_set) == {}
    assert len(kept.findings[events[0].area]) > 150
    assert not kept.outbox
    in_leads = await connection.fetch("select area, finding_id, version from lead_findings")
    assert {(area, name): version for area, name, version in in_leads} == {
        name: row["version"] for name, row in kept.rows.items()
    }


async def _start_process(dsn: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.streams.worker_process", dsn, cwd=ROOT)


async def _unread(connection: Connection) -> int:
    """Records that some group has still to read, and those that the relay has still to send."""
    unread: int = await connection.fetchval(
        """
        select ((select coalesce(sum(h.next), 0) from log_heads h) + (select count(*) from outbox)
            - (select coalesce(sum(g.next), 0) from group_offsets g))::bigint
        """
    )
    return unread


async def _wait_for(connection: Connection, below: float) -> None:
    deadline = time.monotonic() + PATIENCE
    while await _unread(connection) >= below:
        assert time.monotonic() < deadline, "the worker gets no further"
        await asyncio.sleep(0.02)


def _money(events: list[Event]) -> Decimal:
    return sum(
        (Decimal(line.amount) for event in events if isinstance(event, Claim) for line in event.lines), Decimal(0)
    )


def _neighbours(count: int) -> list[Event]:
    """The first claims of as many people."""
    first: dict[str, Event] = {}
    for event in simulate(CountyPlan(scale=0.001)):
        if isinstance(event, Claim):
            first.setdefault(event.patient, event)
    return list(first.values())[:count]


@pytest.mark.parametrize(
    ("module", "broken"), [(judging, "judge_again"), (arrivals, "digest_of"), (account, "decode_message")]
)
async def test_a_poisonous_record_is_buried_alone_among_499_neighbours(
    postgres_url: str,
    connection: Connection,
    claims_handler: EventsHandler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: ModuleType,
    broken: str,
) -> None:
    """Wherever handling breaks: in the codec, or in the judge."""
    events = [replace(event, patient=f"p{number}") for number, event in enumerate(_neighbours(500))]
    poison = events[321]
    _break(monkeypatch, module, broken, poison)
    await send(postgres_url, [Message(b"one", message_of(event).value, "s") for event in events])
    with caplog.at_level(logging.DEBUG):
        worker = await work_off(postgres_url, claims_handler)
    letters = await connection.fetch('select outcome, reasons, body, "offset", money from dead_letters')
    assert [(letter["offset"], letter["outcome"], letter["money"]) for letter in letters] == [
        (321, "dead", _money([poison]))
    ]
    assert json.loads(letters[0]["reasons"]) == ["cannot be handled: ZeroDivisionError"]
    assert Vault(b"a secret of this test").open(letters[0]["body"]) == message_of(poison).value
    kept = await load_kept(connection)
    assert kept.outcomes == {"accepted": 499, "duplicate": 0, "conflict": 0, "dead": 1}
    ids = {event.event_id for area in kept.events.values() for event in area}
    assert ids == {event.event_id for event in events} - {poison.event_id}
    assert (await reconcile(connection)).lost == 0
    assert worker.records == 500
    assert worker.batches < 20, "halving takes the logarithm of the batch"
    assert poison.patient not in caplog.text


def _break(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, poison: Event) -> None:
    works = getattr(module, name)

    def breaks(subject: object, *others: object) -> object:
        named = isinstance(subject, Window) and subject.matter.subject.name == poison.patient
        if named or subject == poison or subject == message_of(poison).value:
            raise ZeroDivisionError(poison.patient)
        return works(subject, *others)

    monkeypatch.setattr(module, name, breaks)


@dataclass
class Troubled:
    """A handler that meets troubles first, one each time it is asked."""

    handler: Handler
    troubles: list[Trouble]
    met: list[str] = field(default_factory=list)

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        if self.troubles:
            trouble = self.troubles.pop(0)
            try:
                await trouble(connection)
                await self.handler.handle(connection, batch)
            except Exception as error:
                self.met.append(type(error).__name__)
                raise
        return await self.handler.handle(connection, batch)

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        raise AssertionError(f"nothing may be buried: {reason}")


async def test_troubles_of_the_database_are_waited_out_and_bury_nothing(
    postgres_url: str, connection: Connection, claims_handler: EventsHandler, caplog: pytest.LogCaptureFixture
) -> None:
    events = _neighbours(100)

    async def ended(session: Connection) -> None:
        await connection.fetchval("select pg_terminate_backend($1, 1000)", session.get_server_pid())

    async def shut_down(session: Connection) -> None:
        sleeping = asyncio.create_task(session.execute("select pg_sleep(30)"))
        await asyncio.sleep(0.1)
        await ended(session)
        await sleeping

    async def cancelled(session: Connection) -> None:
        await session.execute("set statement_timeout = '10ms'; select pg_sleep(1)")

    async def locked(session: Connection) -> None:
        async with connection.transaction(), session.transaction():
            await connection.execute("lock table events")
            await session.execute("lock table events nowait")

    async def deadlocked(session: Connection) -> None:
        await connection.execute("set deadlock_timeout = '1min'")
        await session.execute("set deadlock_timeout = '10ms'")
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(2)")
            async with session.transaction():
                await session.execute("select pg_advisory_xact_lock(1)")
                waiting = asyncio.create_task(connection.execute("select pg_advisory_xact_lock(1)"))
                await asyncio.sleep(0.1)
                try:
                    await session.execute("select pg_advisory_xact_lock(2)")
                finally:
                    await session.execute("rollback")
                    await waiting

    handler = Troubled(claims_handler, [ended, shut_down, cancelled, locked, deadlocked])
    await send(postgres_url, [message_of(event) for event in events])
    with caplog.at_level(logging.WARNING):
        await work_off(postgres_url, handler)
    first, *others = handler.met
    assert first in ("InterfaceError", "InternalClientError"), "the driver may not have noticed the end yet"
    assert others == [
        "ConnectionDoesNotExistError",
        "QueryCanceledError",
        "LockNotAvailableError",
        "DeadlockDetectedError",
    ]
    assert sum("batch tried again" in message for message in caplog.messages) == 5
    kept = await load_kept(connection)
    assert kept.outcomes == {"accepted": 100, "duplicate": 0, "conflict": 0, "dead": 0}
    assert await connection.fetchval("select count(*) from dead_letters") == 0


async def test_told_to_stop_in_the_middle_of_trouble_it_gives_up_the_batch(
    postgres_url: str, connection: Connection, claims_handler: EventsHandler
) -> None:
    """With nothing written."""
    stop = asyncio.Event()

    async def down(session: Connection) -> None:
        stop.set()
        raise ConnectionRefusedError

    await send(postgres_url, [message_of(event) for event in _neighbours(10)])
    async with open_pool(postgres_url) as pool:
        worker = Worker(lambda: connect(postgres_url), Troubled(claims_handler, [down] * 100))
        consumer = await PostgresBus(pool).consumer(JUDGES, CLAIMS, "worker", await worker.open())
        await asyncio.wait_for(worker.run(consumer, stop), PATIENCE)
        await consumer.close()
        await worker.close()
    assert await connection.fetchval("select count(*) from events") == 0
    assert {lag.next for lag in await _lags(postgres_url)} == {0}


async def test_a_worker_that_finds_no_bus_leaves_no_session(
    postgres_url: str, connection: Connection, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away(*_: object) -> None:
        raise BusAway

    monkeypatch.setattr(PostgresBus, "consumer", is_away)
    async with open_service(postgres_url, rule_set, Vault(b"a secret of this test")) as service:
        with pytest.raises(BusAway):
            await service.start()
    others = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(PATIENCE):
        while await connection.fetchval(others):
            await asyncio.sleep(0.02)


async def _lags(dsn: str) -> list[Lag]:
    async with open_pool(dsn) as pool:
        return await PostgresBus(pool).lags(JUDGES)


async def test_a_batch_that_waits_for_a_lock_is_abandoned_when_the_worker_stops(
    postgres_url: str, connection: Connection, claims_handler: EventsHandler
) -> None:
    await send(postgres_url, [message_of(event) for event in list(simulate(CountyPlan(scale=1 / 5000)))[:20]])
    locks = connection.transaction()
    await locks.start()
    await connection.execute("lock table event_ids in access exclusive mode")
    async with open_pool(postgres_url) as pool:
        worker = Worker(lambda: connect(postgres_url), claims_handler)
        consumer = await PostgresBus(pool).consumer(JUDGES, CLAIMS, "worker", await worker.open())
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(consumer, stop))
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.wait_for(running, PATIENCE)
        await consumer.close()
        await worker.close()
    await locks.rollback()
    assert worker.records == 0
    await work_off(postgres_url, claims_handler)
    assert await connection.fetchval("select count(*) from events") == 20


async def test_a_partition_that_is_fenced_while_a_record_is_buried_is_let_go(postgres_url: str) -> None:
    """Halving takes long enough for another member to take it."""
    lease = Lease("group", CLAIMS, 0, 1)

    class Fencing:
        async def handle(self, connection: Connection, batch: Batch) -> Report:
            raise ValueError

        async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
            raise Fenced

    class OneBatch:
        backend_pid: int | None = None

        def __init__(self) -> None:
            self.lost_leases: list[Lease] = []
            self.batches = [Batch(lease, 0, [Record(0, None, b"{", "s"), Record(1, None, b"{", "s")])]

        async def fetch(self, max_records: int, max_bytes: int, wait: float) -> Batch | None:
            return self.batches.pop() if self.batches else None

        def moved(self, batch: Batch) -> None:
            raise AssertionError("nothing was written")

        def lost(self, lease: Lease) -> None:
            self.lost_leases.append(lease)

        async def close(self) -> None:
            pass

    worker, consumer = Worker(lambda: connect(postgres_url), Fencing()), OneBatch()
    await worker.open()
    await asyncio.wait_for(worker.run(consumer, asyncio.Event(), until_idle=True), PATIENCE)
    assert consumer.lost_leases == [lease]
    await worker.close()
