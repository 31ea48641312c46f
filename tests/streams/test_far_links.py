"""Events that are linked across years are judged together, though of a long history only what lies near is read.

Stores are compared with the engine over whole histories, and the mark of what is linked with a query of its own.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.jobs.redigesting import find_apart
from streams.store.events.histories import MARGIN, find_events
from streams.store.sessions import Connection, connect
from tests.reference import cases

from .disturbed import Kept, assert_equals_engine, load_kept, message_of, take_in
from .replay import VAULT

PEOPLE = 60
ITEMS = (cases.NURSING, cases.HBA1C, cases.BED, cases.OZAGREL, cases.PLAIN, cases.WARD_WATCH, cases.CONSULTATION)

_LINKED = """
    select e.event_id from events e
    where e.reverses is not null or e.corrects is not null or exists (
        select from events o
        where o.area = e.area and o.patient = e.patient and o.seq <> e.seq
            and (
                (o.institution, o.encounter_id) = (e.institution, e.encounter_id)
                or o.claim_id = e.claim_id or o.reverses = e.claim_id or o.corrects = e.claim_id
            )
    )
"""
"""Written without a look at the program's: an event with a partner, or one that takes something back."""


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


def long_history(number: int) -> list[Event]:
    """Three years of one person: encounters with gaps, ids used twice, reversals and corrections of long ago."""
    random = Random(number)
    first = datetime(2026, 1, 1, 4, tzinfo=UTC)
    days = sorted(random.randrange(1000) for _ in range(random.randint(15, 30)))
    claims: list[Claim] = []
    for index, day in enumerate(days):
        at = first + timedelta(days=day)
        name = f"{number}-{index}"
        lines = [_line(f"{name}-{n}", random, at) for n in range(random.randint(1, 3))]
        words = {"patient": f"p{number}", "institution": random.choice("AAB"), "settled_at": at, "lines": tuple(lines)}
        if claims and random.random() < 0.25:
            words["encounter_id"] = random.choice(claims).encounter_id
        if claims and random.random() < 0.2:
            words[random.choice(["reverses", "corrects"])] = random.choice(claims).claim_id
        if claims and random.random() < 0.1:
            words["claim_id"] = random.choice(claims).claim_id
        if random.random() < 0.3:
            words |= {"visit_type": "21", "admitted_at": at, "discharged_at": at + timedelta(days=random.randrange(40))}
        told = replace(cases.visit(name), happened_at=at, **words)
        if told.claim_id not in (told.reverses, told.corrects):
            claims.append(told)
    return list(claims)


def _line(name: str, random: Random, at: datetime) -> ClaimLine:
    line = cases.visit("x", cases.line(name, random.choice(ITEMS), "03-01", str(random.randint(1, 4)))).lines[0]
    return replace(line, at=at - timedelta(days=random.randrange(2)))


def shuffled(seed: int) -> list[Event]:
    events = [event for number in range(PEOPLE) for event in long_history(number)]
    Random(seed).shuffle(events)
    return events


async def take(connection: Connection, rule_set: RuleSet, events: Sequence[Event], judging: bool = True) -> Kept:
    handler = EventsHandler(RuleSets(rule_set), VAULT, judging)
    await take_in(connection, handler, [message_of(event) for event in events], 1, 60, Random(1))
    return await load_kept(connection)


async def marked(connection: Connection) -> set[str]:
    return {row["event_id"] for row in await connection.fetch("select event_id from events where linked")}


async def linked(connection: Connection) -> set[str]:
    return {row["event_id"] for row in await connection.fetch(_LINKED)}


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_linked_across_years_is_judged_together(
    connection: Connection, rule_set: RuleSet, seed: int
) -> None:
    kept = await take(connection, rule_set, shuffled(seed))
    assert_equals_engine(kept, rule_set)
    assert sum(map(len, kept.findings.values())) > PEOPLE
    assert await marked(connection) == await linked(connection)


async def test_of_a_long_history_little_is_read(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, shuffled(0))
    area, everything = (
        await connection.fetchval("select min(area) from events"),
        await connection.fetchval("select count(*) from events where patient = 'p1'"),
    )
    day = datetime(2026, 3, 1, tzinfo=UTC).toordinal()
    found = await find_events(connection, area, {"p1": (day, day + 60)})
    apart = await connection.fetchval("select count(*) from events where patient = 'p1' and not linked")
    heads = [event.head for event in found["p1"] if not event.linked]
    assert all(head.last_day >= day - MARGIN and head.first_day <= day + 60 + MARGIN for head in heads)
    assert len(found["p1"]) < everything
    assert apart > 3


async def test_events_of_before_are_looked_at_once(connection: Connection, rule_set: RuleSet) -> None:
    """What nobody judged is read with every window; afterwards only what is linked is."""
    events = shuffled(5)
    half = len(events) // 2
    await take(connection, rule_set, events[:half], judging=False)
    assert await marked(connection) == {event.event_id for event in events[:half]}
    pieces = [found async for found in find_apart(connection, 7)]
    assert len(pieces) > PEOPLE / 10
    assert await marked(connection) == await linked(connection)
    assert sum(pieces) == half - len(await linked(connection))
    assert sum([found async for found in find_apart(connection)]) == 0


async def test_a_worker_of_before_makes_known_what_it_links_to(connection: Connection, rule_set: RuleSet) -> None:
    """By the columns that it writes."""
    day = [cases.visit(f"{n}", cases.line(f"l{n}", cases.NURSING, "03-01"), patient="p") for n in range(4)]
    await take(connection, rule_set, day)
    assert await marked(connection) == set()
    columns = "area, subject_kind, patient, seq, event_id, kind, claim_id, encounter_id, corrects, institution"
    for number, (name, claim, encounter, target) in enumerate(
        [("a", "0", "other", None), ("b", "cb", "visit-1", None), ("c", "cc", "another", "2")]
    ):
        await connection.execute(
            f"insert into events ({columns}, first_day, last_day, money, source, digest)"
            " values ($6, 'patient', 'p', $1, $2, 'claim', $3, $4, $5, 'A', '2029-01-01', '2029-01-01', 0, '', '')",
            1_000_000 + number,
            name,
            claim,
            encounter,
            target,
            day[0].area,
        )
    assert await marked(connection) == {"a", "b", "c", "event-0", "event-1", "event-2"} == await linked(connection)


async def test_a_batch_reads_of_a_long_history_as_much_as_of_a_short_one(
    connection: Connection, rule_set: RuleSet
) -> None:
    """What lies far off, and what was found on it, is not looked at: two visits a day, on 12 days and on 200."""
    await connection.execute("set enable_seqscan = off")  # to which tables as small as these would tempt it
    first, handler = datetime(2026, 2, 1, 4, tzinfo=UTC), EventsHandler(RuleSets(rule_set), VAULT)
    read = {}
    sent: list[Event] = []
    for person, days in (("short", 12), ("long", 200)):
        for day in range(days):
            sent += [_nursed(person, f"{person}-{day}-{n}", first + timedelta(days=day)) for n in range(2)]
        await take_in(connection, handler, [message_of(event) for event in sent], 1, 60, Random(1))
        newest = [_nursed(person, f"{person}-newest-{n}", first + timedelta(days=500)) for n in range(2)]
        before = await _rows_read(connection)
        sent += newest
        await take_in(connection, handler, [message_of(event) for event in sent], 1, 60, Random(1))
        read[person] = {table: rows - before[table] for table, rows in (await _rows_read(connection)).items()}
    kept = await load_kept(connection)
    assert_equals_engine(kept, rule_set)
    assert sum(map(len, kept.findings.values())) > 200
    assert read["long"] == read["short"]


def _nursed(person: str, name: str, at: datetime) -> Claim:
    """A visit with a day of nursing, of which one a day is allowed, and a line without a code."""
    lines = cases.visit(
        "x", *(cases.line(f"{name}-{n}", item, "03-01") for n, item in enumerate((cases.NURSING, None)))
    )
    moved = tuple(replace(line, at=at) for line in lines.lines)
    return replace(cases.visit(name, patient=person), lines=moved, settled_at=at, happened_at=at)


async def _rows_read(connection: Connection) -> dict[str, int]:
    """How many rows of what is kept of patients PostgreSQL has taken in its hands, by table."""
    await connection.execute("select pg_stat_force_next_flush()")
    rows = await connection.fetch(
        """
        select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables
        where relname in ('events', 'findings', 'not_evaluated')
        """
    )
    return {row["relname"]: row["read"] for row in rows}
