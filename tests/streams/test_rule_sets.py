"""A rule set is switched while the stream runs: between batches, at once for every worker, and judged again after."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random

import asyncpg
import msgspec
import pytest

from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts
from knowledge_base.findings import Change, FindingVersion, Severity
from rules_lib.publication import changed_rules, pack, unpack
from rules_lib.rule import Rule
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import Published, RuleSet
from streams.bus import Batch, Lease, Record
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.findings import LeadsHandler
from streams.handlers.judging import finding_message
from streams.handlers.rule_sets import RuleSets, RuleSetUnusable, Switch, publish, publish_first
from streams.hosts.service import open_service
from streams.hosts.worker import Worker
from streams.jobs.explaining import Reproduced, explain
from streams.jobs.rejudging import rejudge
from streams.store import sessions
from streams.store.judgements import published
from streams.store.judgements.published import PROGRAM
from streams.store.sessions import Connection, connect, open_pool
from streams.store.transport import offsets
from streams.topics import CLAIMS, FINDINGS, JUDGES
from tests.patience import PATIENCE
from tests.reference.generators import mixed, persons

from .disturbed import assert_equals_engine, assert_versions, load_kept, message_of, take_in, unlike_reference
from .replay import VAULT, until_done
from .test_equals_reference import PEOPLE

BY = "somebody"
SEX = "GZ10000302004000"


@pytest.fixture(scope="module")
def whole() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


def without(rule_set: RuleSet, rule_id: str) -> RuleSet:
    return RuleSet(tuple(rule for rule in rule_set.rules if rule.id != rule_id), rule_set.facts)


def with_half_the_points(rule_set: RuleSet) -> RuleSet:
    return RuleSet(rule_set.rules, Facts(rule_set.facts.points[::2]))


def with_rule(rule_set: RuleSet, rule_id: str, **changes: object) -> RuleSet:
    def changed(rule: Rule) -> Rule:
        return rule.model_copy(update={**changes, "file_hash": f"another {changes}"}) if rule.id == rule_id else rule

    return RuleSet(tuple(map(changed, rule_set.rules)), rule_set.facts)


def events_of(seeds: int) -> list[Event]:
    """One person aimed at each rule, and one who meets several, for each seed."""
    return [
        event
        for seed in range(seeds)
        for person in (mixed(seed), *map(partial(persons, seed), PEOPLE))
        for event in person
    ]


async def judge_all(connection: Connection, handler: EventsHandler, events: Sequence[Event]) -> None:
    """Judges those of some events that this store has not seen."""
    await take_in(connection, handler, [message_of(event) for event in events], 1, 50, Random(5))


async def judge_outstanding(connection: Connection, own: RuleSet, most: int = 7) -> int:
    return sum([people async for people, _ in rejudge(connection, RuleSets(own), most)])


# --- what a switch can change


def test_what_is_published_comes_back_as_it_was(whole: RuleSet) -> None:
    again = unpack(whole.hash, pack(whole))
    assert (again.hash, again.sources) == (whole.hash, whole.sources)
    assert changed_rules(whole, again) == []


def test_what_changed_is_named_by_rule(whole: RuleSet) -> None:
    assert changed_rules(None, whole) == sorted(whole.by_id)
    assert changed_rules(whole, without(whole, SEX)) == changed_rules(without(whole, SEX), whole) == [SEX]
    assert changed_rules(whole, with_rule(whole, SEX)) == [SEX]
    other_check = replace(whole, published=Published("other", {**whole.sources, SEX: "another"}))
    assert changed_rules(whole, other_check) == [SEX]
    catalogue = whole.by_id[SEX].catalogues[0]
    fewer = RuleSet(whole.rules, Facts(tuple(p for p in whole.facts.points if p.catalogue != catalogue)))
    assert changed_rules(whole, fewer) == sorted(rule.id for rule in whole.rules if catalogue in rule.catalogues)


# --- in the store


@pytest.mark.parametrize("change", [lambda s: without(s, SEX), with_half_the_points], ids=["rule gone", "facts gone"])
@pytest.mark.parametrize("back", [False, True], ids=["fewer", "more"])
async def test_after_judging_again_findings_are_those_of_the_new_set(
    connection: Connection, whole: RuleSet, change: object, back: bool
) -> None:
    """Judged under one set, switched in the middle, judged on under the other; then nothing is outstanding."""
    other = change(whole)  # type: ignore[operator]
    before, after = (other, whole) if back else (whole, other)
    events = events_of(30)
    half = len(events) // 2
    await publish_first(connection, before)
    handler = EventsHandler(RuleSets(whole), VAULT)
    await judge_all(connection, handler, events[:half])
    switch = await publish(connection, after, BY)
    assert (switch.before, switch.after, switch.rules) == (before.hash, after.hash, changed_rules(before, after))
    assert switch.areas
    await judge_all(connection, handler, events)
    kept = await load_kept(connection)
    untouched = {name: row for name, row in kept.rows.items() if row["rule_id"] not in switch.rules}
    assert {o.area: o.rules for o in await published.find_outstanding(connection)} == dict.fromkeys(
        switch.areas, switch.rules
    )
    people = await published.count_outstanding(connection)
    assert await judge_outstanding(connection, whole) == people > 100
    assert await published.find_outstanding(connection) == []
    kept = await load_kept(connection)
    assert_equals_engine(kept, after)
    assert_versions(kept)
    if after is whole:
        assert unlike_reference(kept, after) == {}
    assert {kept.rows[name]["version"] for name in untouched} == {row["version"] for row in untouched.values()}
    sets = {version.maker.set for versions in kept.versions.values() for version in versions}
    assert sets == {before.hash, after.hash}


async def test_a_rule_that_was_taken_out_leaves_withdrawn_findings_that_can_be_explained(
    connection: Connection, whole: RuleSet
) -> None:
    await publish_first(connection, whole)
    handler = EventsHandler(RuleSets(whole), VAULT)
    await judge_all(connection, handler, events_of(15))
    open_before = await connection.fetch("select area, finding_id from findings where rule_id = $1 and is_open", SEX)
    assert len(open_before) > 5
    await publish(connection, without(whole, SEX), BY)
    await judge_outstanding(connection, whole)
    assert not await connection.fetchval("select exists (select from findings where rule_id = $1 and is_open)", SEX)
    for area, name in open_before:
        for version in (None, 1):
            explanation = await explain(connection, area, name, version)
            assert explanation is not None
            assert explanation.verdict is Reproduced.SAME
        assert explanation.stored.change is Change.RAISED


async def test_publishing_the_same_set_again_changes_nothing(connection: Connection, whole: RuleSet) -> None:
    await publish_first(connection, whole)
    assert await publish(connection, whole, BY) == Switch(whole.hash, whole.hash, [], [], PROGRAM)
    await publish_first(connection, without(whole, SEX))
    assert await published.find_in_force(connection) == whole.hash


async def test_a_second_switch_begins_again_with_the_rules_of_both(connection: Connection, whole: RuleSet) -> None:
    await publish_first(connection, whole)
    await judge_all(connection, EventsHandler(RuleSets(whole), VAULT), events_of(10))
    await publish(connection, without(whole, SEX), BY)
    pieces = rejudge(connection, RuleSets(whole), 5)
    assert (await anext(pieces))[0] == 5
    await pieces.aclose()
    left = await published.count_outstanding(connection)
    other = whole.rules[0].id
    switch = await publish(connection, without(without(whole, SEX), other), BY)
    assert switch.rules == [other]
    assert {tuple(o.rules) for o in await published.find_outstanding(connection)} == {tuple(sorted([SEX, other]))}
    assert await published.count_outstanding(connection) == left + 5


async def test_several_processes_judge_again_beside_each_other(
    connection: Connection, postgres_url: str, whole: RuleSet
) -> None:
    await publish_first(connection, without(whole, SEX))
    await judge_all(connection, EventsHandler(RuleSets(whole), VAULT), events_of(20))
    await publish(connection, whole, BY)
    another = await connect(postgres_url)
    while await published.find_outstanding(connection):
        await asyncio.gather(judge_outstanding(connection, whole), judge_outstanding(another, whole))
    await another.close()
    assert_equals_engine(await load_kept(connection), whole)


# --- while the stream runs


async def test_a_switch_waits_for_the_batch_under_way_and_holds_for_the_next(
    connection: Connection, postgres_url: str, whole: RuleSet
) -> None:
    await publish_first(connection, whole)
    working = await connect(postgres_url)
    batch = working.transaction()
    await batch.start()
    sets = RuleSets(whole)
    assert (await sets.hold(working)).hash == whole.hash
    fewer = without(whole, SEX)
    switching = asyncio.create_task(publish(connection, fewer, BY))
    await asyncio.sleep(0.3)
    assert not switching.done()
    assert (await sets.hold(working)).hash == whole.hash
    await batch.commit()
    await asyncio.wait_for(switching, PATIENCE)
    async with working.transaction():
        assert (await sets.hold(working)).hash == fewer.hash
    await working.close()


async def test_sets_are_switched_under_two_running_workers(postgres_url: str, whole: RuleSet) -> None:
    """Each version records the set that was in force when its batch was judged; the end equals the reference."""
    events = list(simulate(CountyPlan(scale=0.0006)))
    fewer = without(whole, SEX)
    async with open_service(postgres_url, whole, VAULT) as service, open_pool(postgres_url) as pool:
        await service.start()
        second = Worker(lambda: connect(postgres_url), EventsHandler(RuleSets(whole), VAULT), 50)
        consumer = await PostgresBus(pool).consumer(JUDGES, CLAIMS, "second", await second.open())
        stop = asyncio.Event()
        running = asyncio.create_task(second.run(consumer, stop))
        connection = await connect(postgres_url)
        switched: list[tuple[int, str]] = []
        for start in range(0, len(events), 250):
            await service.bus.send(CLAIMS, [message_of(event) for event in events[start : start + 250]])
            await asyncio.sleep(0.15)
            switched.append(await _switch(connection, fewer if start // 250 % 2 == 0 else whole))
        switched.append(await _switch(connection, whole))
        await until_done(service)
        await judge_outstanding(connection, whole, 200)
        await until_done(service)
        stop.set()
        await running
        await consumer.close()
        await second.close()
        kept = await load_kept(connection)
        judged = await connection.fetch("select seq, rule_set from finding_versions")
        in_leads = await connection.fetch("select area, finding_id, version from lead_findings")
        await connection.close()
    assert second.records > 0
    in_force = [whole.hash, *(after for _, after in switched)]
    assert [
        row["seq"] for row in judged if row["rule_set"] != in_force[sum(row["seq"] > seq for seq, _ in switched)]
    ] == []
    assert {version.maker.set for versions in kept.versions.values() for version in versions} == {
        whole.hash,
        fewer.hash,
    }
    assert unlike_reference(kept, whole) == {}
    assert {(area, name): version for area, name, version in in_leads} == {
        name: row["version"] for name, row in kept.rows.items()
    }


async def _switch(connection: Connection, rule_set: RuleSet) -> tuple[int, str]:
    """Switches, and says how many numbers were given out when no batch was under way: what it judged comes after it."""
    async with connection.transaction():
        switch = await publish(connection, rule_set, BY)
        return await connection.fetchval("select last_value from arrivals"), switch.after


def of_another_version(rule_set: RuleSet) -> RuleSet:
    sources = {**rule_set.sources, SEX: "of another version"}
    return replace(rule_set, published=Published("another", sources))


def with_a_new_check(rule_set: RuleSet) -> RuleSet:
    newer = with_rule(rule_set, SEX, check="yet_to_come.check")
    sources = {**rule_set.sources, SEX: "of a later version"}
    return replace(newer, published=Published("later", sources))


@pytest.mark.parametrize("newer", [of_another_version, with_a_new_check])
async def test_a_set_with_checks_that_the_program_lacks_stops_the_worker(
    connection: Connection, postgres_url: str, whole: RuleSet, newer: Callable[[RuleSet], RuleSet]
) -> None:
    """With an alarm, and without a dead letter: the messages wait for a worker of that version."""
    await publish_first(connection, whole)
    await publish(connection, newer(whole), BY)
    await _stops_with(RuleSetUnusable, postgres_url, whole)
    await _nothing_was_written(connection)


async def test_a_set_with_fields_that_the_program_does_not_know_stops_the_worker(
    connection: Connection, postgres_url: str, whole: RuleSet
) -> None:
    await publish_first(connection, whole)
    body = json.loads(pack(whole))
    body["rules"][0]["yet_to_come"] = 1
    await connection.execute("insert into rule_sets values ('newer', $1)", json.dumps(body).encode())
    await connection.execute("insert into rule_set_switches (rule_set) values ('newer')")
    await _stops_with(RuleSetUnusable, postgres_url, whole)
    await _nothing_was_written(connection)
    shown = await RuleSets(whole).in_force(connection)
    assert [rule.id for rule in shown.suspended] == [body["rules"][0]["id"]]
    assert [rule.id for rule in shown.rules] == [rule["id"] for rule in body["rules"][1:]]


async def test_a_store_that_lacks_a_table_stops_the_worker(
    connection: Connection, postgres_url: str, whole: RuleSet
) -> None:
    await connection.execute("alter table findings rename to findings_of_another_version")
    await _stops_with(asyncpg.UndefinedTableError, postgres_url, whole)
    await _nothing_was_written(connection)


async def _stops_with(error: type[Exception], dsn: str, own: RuleSet) -> None:
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool)
        await bus.create_topic(CLAIMS, 1)
        await bus.send(CLAIMS, [message_of(event) for event in events_of(1)])
        worker = Worker(lambda: connect(dsn), EventsHandler(RuleSets(own), VAULT))
        consumer = await bus.consumer(JUDGES, CLAIMS, "worker", await worker.open())
        with pytest.raises(error):
            await asyncio.wait_for(worker.run(consumer, asyncio.Event()), PATIENCE)
        await consumer.close()
        await worker.close()


async def _nothing_was_written(connection: Connection) -> None:
    assert await connection.fetchval("select count(*) from dead_letters") == 0
    assert await connection.fetchval("select count(*) from events") == 0


async def test_a_worker_that_stands_still_does_not_hold_up_a_switch(
    connection: Connection, postgres_url: str, whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor those who wait behind the switch: the database ends a session that says nothing in the middle of a batch."""
    monkeypatch.setattr(sessions, "_IDLE_IN_BATCH", timedelta(seconds=1.5))
    await publish_first(connection, whole)
    frozen = await connect(postgres_url)
    await frozen.transaction().start()
    await RuleSets(whole).hold(frozen)
    switching = asyncio.create_task(publish(connection, without(whole, SEX), BY))
    await asyncio.sleep(0.3)
    assert not switching.done()
    assert (await asyncio.wait_for(switching, PATIENCE)).rules == [SEX]
    frozen.terminate()


# --- leads after a switch


async def test_a_topic_and_a_severity_belong_to_the_set(whole: RuleSet) -> None:
    assert changed_rules(whole, _moved(whole)) == [SEX]
    assert _moved(whole).hash != whole.hash


def _moved(rule_set: RuleSet) -> RuleSet:
    rules = [rule.model_copy(update={"topic": "stays"}) if rule.id == SEX else rule for rule in rule_set.rules]
    return RuleSet(tuple(rules), rule_set.facts)


async def test_what_was_under_way_at_a_switch_is_summed_as_the_set_in_force_says(
    connection: Connection, whole: RuleSet
) -> None:
    """Found under one set, relayed under another, in which the rule is less severe, or not live any more."""
    await publish_first(connection, whole)
    await judge_all(connection, EventsHandler(RuleSets(whole), VAULT), events_of(8))
    bodies = await connection.fetch("select body from finding_versions order by seq")
    assert whole.by_id[SEX].severity is not Severity(4)
    milder = with_rule(whole, SEX, severity=Severity(4))
    await publish(connection, milder, BY)
    await judge_outstanding(connection, whole)
    await _lead(connection, whole, [row["body"] for row in bodies])
    severities = "select distinct severity from lead_findings where rule_id = $1"
    assert [row["severity"] for row in await connection.fetch(severities, SEX)] == [4]
    await publish(connection, with_rule(whole, SEX, status="shadow"), BY)
    await judge_outstanding(connection, whole)
    counted = await connection.fetchval("select sum(findings) from leads")
    live = await connection.fetchval("select count(*) from lead_findings where is_open and rule_id <> $1", SEX)
    assert counted == live


async def _lead(connection: Connection, own: RuleSet, bodies: Sequence[bytes]) -> None:
    """Hands finding versions to the leads' writer, as the relay would."""
    versions = [msgspec.msgpack.decode(body, type=FindingVersion) for body in bodies]
    lease, start = await _taken(connection, FINDINGS)
    records = [Record(start + n, b"k", finding_message(version).value, "s") for n, version in enumerate(versions)]
    await LeadsHandler(RuleSets(own), VAULT).handle(connection, Batch(lease, start, records))


async def _taken(connection: Connection, topic: str) -> tuple[Lease, int]:
    taken = await offsets.take(connection, "leads", topic, 0, "tests", None, timedelta(minutes=5))
    assert taken is not None
    return taken


async def test_a_rule_is_found_as_it_was_before_it_was_taken_out(connection: Connection, whole: RuleSet) -> None:
    fewer, later = without(whole, SEX), with_rule(whole, SEX, name="as it came back")
    for rule_set in (whole, fewer, later):
        await publish(connection, rule_set, BY)
    rule = await RuleSets(whole).find_card(connection, fewer.hash, SEX)
    assert rule == whole.by_id[SEX]
