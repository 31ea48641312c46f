"""Metrics: a thousand claims through a worker, and what was counted held against the raw store."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

import asyncpg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Fenced, Message
from streams.buses.postgres import PostgresBus
from streams.hosts import watching
from streams.hosts.metrics import REGISTRY, show_disk
from streams.hosts.service import open_service
from streams.hosts.stations import create_topics
from streams.hosts.worker import Worker
from streams.pipeline.reports import Report
from streams.store.sessions import Connection, connect, open_pool
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE
from tests.reference.generators import mixed
from tests.rules_lib.in_memory import broken_check

from .bad_messages import all_bad
from .disturbed import disturbed, message_of
from .replay import VAULT, until_done

Sample = tuple[str, frozenset[tuple[str, str]]]
CLAIMS_COUNTY = CountyPlan(scale=0.00022)
"""Some 1,000 claims."""


def samples() -> Counter[Sample]:
    """Everything that is served now, as a reader of the text would take it."""
    text = generate_latest(REGISTRY).decode()
    return Counter(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def of(found: Counter[Sample], name: str, **labels: str) -> float:
    return found[(f"fundwatch_{name}", frozenset(labels.items()))]


def by(found: Counter[Sample], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Values other than 0 of a metric by some of its labels."""
    together: Counter[tuple[str, ...]] = Counter()
    for (sample, pairs), value in found.items():
        if sample == f"fundwatch_{name}":
            together[tuple(dict(pairs)[label] for label in labels)] += value
    return {key: value for key, value in together.items() if value}


@dataclass(frozen=True)
class Trial:
    """What was sent, what the store holds of it, and what was counted meanwhile."""

    events: list[Event]
    messages: list[Message]
    store: asyncpg.Connection
    counted: Counter[Sample]
    served: Counter[Sample]


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def trial(postgres_url: str, rule_set: RuleSet) -> AsyncIterator[Trial]:
    events = [*simulate(CLAIMS_COUNTY), *chain.from_iterable(mixed(seed) for seed in range(60))]
    messages = disturbed(events, Random(4))
    bad = [Message(b"x", one.body(number), "bad sender") for number, one in enumerate(all_bad()[:40])]
    messages += bad
    before = samples()
    async with open_service(postgres_url, rule_set, VAULT) as service:
        await service.start()
        half = len(messages) // 2
        for part in (messages[:half], messages[half:]):  # what the first raised, the second revises and withdraws
            await service.bus.send(CLAIMS, part)
            await until_done(service)
        await watching.read_store(service.pool, service.bus)
        await watching.read_account(service.pool)
        served = samples()
    counted = Counter({key: served[key] - before[key] for key in served})
    store = await connect(postgres_url)
    yield Trial(events, messages, store, counted, served)
    await store.close()


async def test_counters_equal_the_raw_store(trial: Trial) -> None:
    assert sum(isinstance(event, Claim) for event in trial.events) >= 900
    await _assert_outcomes(trial)
    await _assert_findings(trial)
    await _assert_not_evaluated(trial)
    _assert_batches(trial)
    await _assert_gauges(trial)
    _assert_nobody_is_named(trial)


async def _assert_outcomes(trial: Trial) -> None:
    accepted = await trial.store.fetchval("select count(*) from events")
    letters = dict(await trial.store.fetch("select outcome, count(*) from dead_letters group by 1"))
    duplicates = len(trial.messages) - accepted - sum(letters.values())
    expected = {("accepted",): accepted, ("duplicate",): duplicates, **{(name,): n for name, n in letters.items()}}
    assert by(trial.counted, "messages_total", "outcome") == expected
    assert min(expected.values()) > 10


async def _assert_findings(trial: Trial) -> None:
    rows = await trial.store.fetch(
        "select f.rule_id, v.change, count(*) from finding_versions v join findings f using (area, finding_id)"
        " group by 1, 2"
    )
    expected = {(rule, change): count for rule, change, count in rows}
    assert by(trial.counted, "findings_total", "rule", "change") == expected
    assert {change for _, change in expected} == {"raised", "revised", "withdrawn"}


async def _assert_not_evaluated(trial: Trial) -> None:
    """The store holds what is not evaluated now; some of what was counted could be decided since."""
    rows = await trial.store.fetch("select unnest(rules), count(*) from not_evaluated group by 1")
    counted = by(trial.counted, "not_evaluated_total", "rule")
    assert rows
    assert [rule for rule, count in rows if counted.get((rule,), 0) < count] == []
    assert by(trial.counted, "failed_checks_total", "rule") == {}


def _assert_batches(trial: Trial) -> None:
    size = sum(len(message.value or b"") for message in trial.messages)
    assert of(trial.counted, "received_bytes_total", topic=CLAIMS) == size
    assert of(trial.counted, "batch_messages_sum", topic=CLAIMS) == len(trial.messages)
    batches = of(trial.counted, "batch_messages_count", topic=CLAIMS)
    assert 0 < of(trial.counted, "batch_seconds_sum", topic=CLAIMS) < 60 * batches
    assert of(trial.counted, "batch_seconds_count", topic=CLAIMS) == batches


async def _assert_gauges(trial: Trial) -> None:
    served = trial.served
    rows = await trial.store.fetch('select "group", topic, partition::text, next, epoch from group_offsets')
    place = ("group", "topic", "partition")
    assert by(served, "next_offset", *place) == {tuple(row)[:3]: row["next"] for row in rows if row["next"]}
    assert by(served, "leases_taken_total", *place) == {tuple(row)[:3]: row["epoch"] for row in rows}
    assert set(by(served, "partition_owned", *place).values()) == {1}
    assert len(by(served, "partition_owned", *place)) == len(rows)
    assert by(served, "lag_records", *place) == {}
    assert of(served, "store_up") == 1
    assert of(served, "outbox_messages") == of(served, "outbox_oldest_seconds") == 0
    assert of(served, "unaccounted_messages") == 0
    letters = dict(await trial.store.fetch("select outcome, count(*) from dead_letters group by 1"))
    assert by(served, "dead_letters", "outcome") == {(outcome,): count for outcome, count in letters.items()}
    in_force = await trial.store.fetchval("select rule_set from rule_set_switches order by number desc limit 1")
    assert by(served, "rule_set_info", "hash") == {(in_force[:12],): 1}


def _assert_nobody_is_named(trial: Trial) -> None:
    """No label value is, and none holds, a person, a provider, a sender or a source."""
    values = {value for _, pairs in trial.served for _, value in pairs}
    named = {event.patient for event in trial.events} | {event.sender for event in trial.events}
    named |= {event.institution for event in trial.events if isinstance(event, Claim)}
    named |= {message.source for message in trial.messages}
    assert [value for value in values if any(name in value for name in named)] == []
    assert len(trial.served) < 1000


async def test_what_waits_and_what_does_not_add_up_is_served(postgres_url: str) -> None:
    store = await connect(postgres_url)
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, [Message(b"k", b"{}", "s")] * 3)
        partition = await store.fetchval("select partition from log_heads where next > 0")
        await store.execute(
            'insert into group_offsets ("group", topic, partition, next) values ($1, $2, $3, 1)',
            JUDGES, CLAIMS, partition,
        )  # fmt: skip
        await store.execute(
            "insert into outbox (topic, value, recorded_at) values ('findings', 'v', now() - interval '90 s'),"
            " ('findings', 'v', now())"
        )
        await store.execute("insert into outstanding (area, rules) values ('a', '{FW10000001}')")
        await store.execute(
            'insert into dead_letters (topic, partition, "offset", outcome, source, reasons, body, replayed_at) values'
            " ('claims', 0, 7, 'dead', 's', '[]', 'b', null), ('claims', 0, 8, 'dead', 's', '[]', 'b', now())"
        )
        await watching.read_store(pool, bus)
        await watching.read_account(pool)
    await store.close()
    served = samples()
    place = {"group": JUDGES, "topic": CLAIMS, "partition": str(partition)}
    assert of(served, "lag_records", **place) == 2
    assert ("fundwatch_partition_owned", frozenset(place.items())) in served
    assert of(served, "partition_owned", **place) == 0
    assert of(served, "outbox_messages") == 2
    assert 90 <= of(served, "outbox_oldest_seconds") < 150
    assert of(served, "outstanding_areas") == 1
    assert by(served, "dead_letters", "outcome") == {("dead",): 1}
    assert of(served, "unaccounted_messages") == 1


async def test_a_store_that_is_away_is_said_and_stops_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.01)
    stop = asyncio.Event()
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await watching.read_store(pool, bus)
        await watching.read_account(pool)
        assert of(samples(), "store_up") == 1
    watch = asyncio.create_task(watching.watch_store(pool, bus, stop))  # the pool is closed
    await _until(lambda: len(caplog.records) >= 3)
    served = samples()
    assert of(served, "store_up") == 0
    assert not [name for name, _ in served if "lag" in name or "outbox" in name or "unaccounted" in name]
    stop.set()
    await asyncio.wait_for(watch, PATIENCE)


async def test_an_account_that_takes_long_hides_nothing_else_and_holds_nobody_up(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.05)
    monkeypatch.setattr(watching, "_LONGEST", 1.0)
    monkeypatch.setattr(watching.STORE, "account", None)
    stop, blocker = asyncio.Event(), await connect(postgres_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table ledger")
    async with open_pool(postgres_url) as pool:
        watch = asyncio.create_task(watching.watch_store(pool, PostgresBus(pool), stop))
        await asyncio.sleep(1.5)
        read_at = watching.STORE.read_at
        await _until(lambda: watching.STORE.read_at > read_at)
        assert of(samples(), "store_up") == 1
        assert watching.STORE.account is None
        stop.set()
        await asyncio.wait_for(watch, PATIENCE)
        await transaction.rollback()
    await blocker.close()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


class Troubled:
    """A handler that meets each of some errors once, and then has nothing more to do."""

    def __init__(self, *errors: Exception):
        self._errors = list(errors)

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        if self._errors:
            raise self._errors.pop(0)
        return Report()

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        raise AssertionError("nothing is to be buried")


async def test_retries_and_fences_are_counted_by_topic(postgres_url: str) -> None:
    before = samples()
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, [Message(b"k", b"{}", "s")])
        worker = Worker(lambda: connect(postgres_url), Troubled(OSError(), TimeoutError(), Fenced()))
        consumer = await bus.consumer(JUDGES, CLAIMS, "worker", await worker.open())
        await worker.run(consumer, asyncio.Event(), until_idle=True)
        await consumer.close()
        await worker.close()
    counted = Counter({key: value - before[key] for key, value in samples().items()})
    assert by(counted, "retries_total", "topic") == {(CLAIMS,): 2}
    assert by(counted, "fenced_total", "topic") == {(CLAIMS,): 1}
    assert by(counted, "batch_seconds_count", "topic") == {}


async def test_a_check_that_raises_is_counted_by_its_rule(
    postgres_url: str, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = rule_set.by_id["FW10000001"]
    broken = broken_check(rule, lambda: KeyError("what a check of ours would never say"))
    monkeypatch.setattr("rules_lib.engine.find_check", broken)
    before = samples()
    async with open_service(postgres_url, rule_set, VAULT) as service:
        await service.start()
        await service.bus.send(CLAIMS, [message_of(event) for seed in range(10) for event in mixed(seed)])
        await until_done(service)
    counted = Counter({key: value - before[key] for key, value in samples().items()})
    failed = by(counted, "failed_checks_total", "rule")
    assert failed == {(rule.id,): by(counted, "not_evaluated_total", "rule")[(rule.id,)]}


def test_the_disk_of_a_folder_is_measured_when_it_is_asked_for(tmp_path: Path) -> None:
    show_disk(tmp_path)
    served = samples()
    assert 0 < of(served, "disk_free_bytes") < of(served, "disk_size_bytes")


def test_a_folder_that_is_gone_takes_no_other_figure_along(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    show_disk(folder)
    folder.rmdir()
    served = samples()
    assert math.isnan(of(served, "disk_free_bytes"))
    assert math.isnan(of(served, "disk_size_bytes"))
    folder.mkdir()
    assert of(samples(), "disk_free_bytes") > 0
