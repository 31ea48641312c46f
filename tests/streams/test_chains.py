"""Rules on courses see every event of their items, however far off, and of the rest of a history what lies near.

Stores are compared with the engine over whole histories, and the mark of what is chained with the lines as they were
sent.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.facts import Facts
from knowledge_base.subjects import PATIENT
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.events import EventsHandler
from streams.handlers.reading import asked_about, find_with
from streams.handlers.rule_sets import RuleSets, publish, publish_first
from streams.jobs.redigesting import redigest
from streams.jobs.rejudging import rejudge
from streams.store.sessions import Connection, connect
from tests.reference import cases

from .disturbed import assert_equals_engine, load_kept, message_of, take_in
from .replay import VAULT

COURSES = "GZ10000101010000"
PEOPLE = 20
FIRST = datetime(2026, 2, 1, 4, tzinfo=UTC)
GAP = 8
"""Days from one infusion to the next that still are one course."""


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


def visit(person: str, name: str, day: int, *items: str) -> Claim:
    """An out-patient visit of a person, with a line of each item."""
    at = FIRST + timedelta(days=day)
    lines = (cases.visit(name, cases.line(f"{name}-{n}", item, "03-01")).lines[0] for n, item in enumerate(items))
    moved = tuple(replace(line, at=at) for line in lines)
    told = cases.visit(name, patient=person)
    return replace(told, lines=moved, settled_at=at, happened_at=at)


def long_courses(number: int) -> list[Claim]:
    """Two years of one person: infusions a few days apart, now and then a longer pause, and visits for other things."""
    random = Random(number)
    claims, day = [visit(f"p{number}", f"{number}-plain-{n}", random.randrange(600), cases.PLAIN) for n in range(20)], 0
    for infusion in range(random.randint(30, 50)):
        day += random.randint(3, GAP) if random.random() < 0.96 else random.randint(GAP + 1, 90)
        items = random.sample([cases.OZAGREL, cases.OZAGREL_OF_ANOTHER_MAKER, cases.HBA1C], 2)
        claims.append(visit(f"p{number}", f"{number}-{infusion}", day, *items))
    target = random.choice(claims)
    claims.append(replace(visit(f"p{number}", f"{number}-back", 700), reverses=target.claim_id))
    return claims


def shuffled(seed: int) -> list[Claim]:
    claims = [claim for number in range(PEOPLE) for claim in long_courses(number)]
    Random(seed).shuffle(claims)
    return claims


def without_courses(rule_set: RuleSet) -> RuleSet:
    """The same rules, of which none has anything to say of infusions."""
    return RuleSet(rule_set.rules, Facts(tuple(of for of in rule_set.facts.points if of.catalogue != "courses")))


async def take(connection: Connection, rule_set: RuleSet, claims: Sequence[Claim]) -> None:
    handler = EventsHandler(RuleSets(rule_set), VAULT)
    await take_in(connection, handler, [message_of(claim) for claim in claims], 1, 60, Random(1))


async def longest_course(connection: Connection) -> int:
    days: int = await connection.fetchval(
        "select coalesce(max(last_day - first_day), 0) from findings where rule_id = $1 and is_open", COURSES
    )
    return days


async def marked(connection: Connection) -> dict[str, bool]:
    return {row["event_id"]: row["chained"] for row in await connection.fetch("select event_id, chained from events")}


def chained(claims: Sequence[Claim], rule_set: RuleSet) -> dict[str, bool]:
    """Of each claim as it was sent whether a point of the catalogue of courses names an item of it."""
    items = {code for of in rule_set.facts.points if of.catalogue == "courses" for code in of.codes}
    return {claim.event_id: any(line.item_code in items for line in claim.lines) for claim in claims}


@pytest.mark.parametrize("seed", range(3))
async def test_courses_longer_than_what_is_read_near_are_judged_as_by_whole_histories(
    connection: Connection, rule_set: RuleSet, seed: int
) -> None:
    claims = shuffled(seed)
    await take(connection, rule_set, claims)
    assert_equals_engine(await load_kept(connection), rule_set)
    assert await longest_course(connection) > 200
    assert await marked(connection) == chained(claims, rule_set)


async def test_of_the_other_events_only_those_near_are_read(connection: Connection, rule_set: RuleSet) -> None:
    others = [visit("p", f"plain-{day}", day, cases.PLAIN) for day in range(0, 1000, 4)]
    infusions = [visit("p", f"course-{day}", day, cases.OZAGREL) for day in range(1, 400, GAP)]
    await take(connection, rule_set, [*others, *infusions])
    asked = visit("p", "asked", 400, cases.OZAGREL)
    window, digests, _ = await find_with(connection, asked_about(asked), rule_set.of(PATIENT))
    read = {digests[seq].event_id for seq in window.seqs} - {asked.event_id}
    assert {claim.event_id for claim in infusions} <= read
    assert len(read) < len(infusions) + 30
    assert len(window.matter.heads) < len(infusions) + 100


async def test_items_that_a_switch_brings_are_read_whole_before_people_are_judged_again(
    connection: Connection, rule_set: RuleSet
) -> None:
    """Of the events of before nobody knows that they hold an item of a course."""
    claims = shuffled(7)
    late = [visit(f"p{number}", f"{number}-late", 200 + number, cases.OZAGREL) for number in range(PEOPLE)]
    await publish_first(connection, without_courses(rule_set))
    await take(connection, rule_set, claims)
    assert await longest_course(connection) == 0
    assert not any((await marked(connection)).values())
    await publish(connection, rule_set, "somebody")
    await take(connection, rule_set, [*claims, *late])
    assert await longest_course(connection) > 200
    assert sum([people async for people, _ in rejudge(connection, RuleSets(rule_set), 7)]) == PEOPLE
    assert_equals_engine(await load_kept(connection), rule_set)
    assert await marked(connection) == chained([*claims, *late], rule_set)


async def test_what_nobody_looked_at_is_read_whole(connection: Connection, rule_set: RuleSet) -> None:
    """As events of before, and those of workers of the release before."""
    claims = shuffled(8)
    half = len(claims) // 2
    await take(connection, rule_set, claims[:half])
    await connection.execute("update events set chained = true")
    await take(connection, rule_set, claims)
    assert_equals_engine(await load_kept(connection), rule_set)
    assert await longest_course(connection) > 200
    marks = await marked(connection)
    assert all(marks[claim.event_id] for claim in claims[:half])
    assert not all(marks.values())


async def test_digests_made_anew_say_what_is_chained(connection: Connection, rule_set: RuleSet) -> None:
    claims = shuffled(9)
    await take(connection, rule_set, claims)
    await connection.execute("update events set chained = true, generation = 1")
    assert sum([piece.anew async for piece in redigest(connection, RuleSets(rule_set), 7)]) == len(claims)
    assert await marked(connection) == chained(claims, rule_set)
