"""Leads as stored: the same for every order of arrival, moved and withdrawn findings, shadow rules, excuses."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.store.casework.listing import Listed, Listing, find_finding, find_listed
from streams.store.casework.queue import Lead, LeadFilter, find_changes, find_leads
from tests.api.story import AREA, COUNTY, TODAY, TOWN, county, judged, next_version, version_of
from tests.streams.leads import apply_findings

DAY = TODAY.toordinal()
EVERY = LeadFilter(states=(), limit=200)


@pytest.fixture
def raised(rule_set: RuleSet) -> list[FindingVersion]:
    """One version of each finding of the county."""
    return [version_of(finding) for judgement in judged(county(), rule_set).values() for finding in judgement.findings]


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _leads(connection: asyncpg.Connection, day: int = DAY) -> dict[tuple[str, str], Lead]:
    return {(lead.institution, lead.topic): lead for lead in await find_leads(connection, EVERY, Sight(day))}


def _history(versions: Sequence[FindingVersion], chance: random.Random) -> list[FindingVersion]:
    """Every finding with a history: revised, moved to another institution and back, withdrawn."""
    history = list(versions)
    for version in versions:
        for _ in range(chance.randrange(3)):
            change = chance.choice([Change.REVISED, Change.WITHDRAWN])
            version = next_version(version, change, institution=chance.choice([COUNTY, TOWN]))
            history.append(version)
    return history


async def _listed(connection: asyncpg.Connection, lead: Lead, day: int) -> list[Listed]:
    return await find_listed(connection, lead.area, lead.lead_id, Listing(), None, Sight(day), 0, 30)


_ROWS = """
    select l.*, t.*, f.findings_in, l.version as v from leads l
    join lead_totals t using (area, lead_id)
    join (select area, lead_id, array_agg(finding_id || ':' || version order by finding_id) as findings_in
          from lead_findings group by 1, 2) f using (area, lead_id)
    order by l.area, l.lead_id, t.from_day
"""


async def _rows_after(dsn: str, batches: Sequence[Sequence[FindingVersion]], rule_set: RuleSet) -> list[object]:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("truncate leads, lead_findings, lead_lines, lead_totals")
        for batch in batches:
            await _apply(connection, batch, rule_set)
        passing = {"version", "v", "seq", "updated_at", "came_at"}
        return [{k: v for k, v in row.items() if k not in passing} for row in await connection.fetch(_ROWS)]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def shuffled_store(new_database: Callable[[], str]) -> str:
    return new_database()


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_any_order_and_any_batches_give_the_same_leads(seed: int, shuffled_store: str, rule_set: RuleSet) -> None:
    chance = random.Random(seed)
    story = [version_of(f) for j in judged(county(), rule_set).values() for f in j.findings]
    history = _history(story, chance)
    shuffled = chance.sample(history + chance.sample(history, 5), len(history) + 5)
    size = chance.randrange(1, len(shuffled) + 1)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    expected = asyncio.run(_rows_after(shuffled_store, [history], rule_set))
    assert len(expected) >= 3
    assert asyncio.run(_rows_after(shuffled_store, batches, rule_set)) == expected


async def test_lead_comes_to_its_findings(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, raised, rule_set)
    lead = (await _leads(connection))[COUNTY, "stays"]
    assert (lead.findings, lead.people, lead.in_question) == (34, 34, Decimal(1020))
    assert (lead.loss, lead.lines_without_loss) == (Decimal(29 * 24), 5)
    assert (lead.service_year, lead.severity, lead.version) == (2026, 1, 1)


async def test_redelivery_changes_nothing(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, raised, rule_set)
    before = await _leads(connection)
    await _apply(connection, raised, rule_set)
    assert await _leads(connection) == before


async def test_older_version_is_ignored(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    first = raised[0]
    await _apply(connection, [next_version(first, Change.WITHDRAWN)], rule_set)
    await _apply(connection, [first], rule_set)
    assert await _leads(connection) == {}


async def test_finding_moves_with_its_institution(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    moving = next(v for v in raised if v.finding.maker_id == "FW10000001")
    await _apply(connection, raised, rule_set)
    await _apply(connection, [next_version(moving, institution=TOWN)], rule_set)
    leads = await _leads(connection)
    assert leads[COUNTY, "stays"].findings == 33
    assert leads[COUNTY, "stays"].version == 2
    assert leads[TOWN, "stays"].findings == 2
    assert leads[COUNTY, "limits"].version == 1


async def test_withdrawn_finding_leaves_the_sum(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    stays = [v for v in raised if v.finding.maker_id == "FW10000001"]
    await _apply(connection, stays, rule_set)
    await _apply(connection, [next_version(stays[0], Change.WITHDRAWN)], rule_set)
    lead = (await _leads(connection))[COUNTY, "stays"]
    assert (lead.findings, lead.in_question) == (33, Decimal(990))
    changes = await find_changes(connection, AREA, lead.lead_id, 1, Sight(DAY))
    assert (changes.raised, changes.revised, changes.withdrawn) == (0, 0, 1)


async def test_shadow_rule_is_stored_and_never_shown(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    rules = tuple(
        rule.model_copy(update={"status": "shadow"}) if rule.id == "FW10000001" else rule for rule in rule_set.rules
    )
    shadowed = RuleSet(rules, rule_set.facts)
    await _apply(connection, raised, shadowed)
    leads = await _leads(connection)
    assert (COUNTY, "stays") not in leads
    assert (TOWN, "stays") in leads
    hidden = next(v for v in raised if v.finding.maker_id == "FW10000001")
    assert await connection.fetchval("select count(*) from lead_findings where rule_id = 'FW10000001'") == 34
    assert await find_finding(connection, hidden.finding_id, Sight(DAY)) is None


async def test_unknown_rule_is_ignored(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, raised, RuleSet((), rule_set.facts))
    assert await connection.fetchval("select count(*) from lead_findings") == 0


async def test_excusable_finding_shows_only_the_day_after(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    waiting = next(v for v in raised if v.finding.excuse_until is not None)
    assert waiting.finding.excuse_until == DAY
    await _apply(connection, raised, rule_set)
    assert (TOWN, "places") not in await _leads(connection, DAY)
    assert await find_finding(connection, waiting.finding_id, Sight(DAY)) is None
    lead = (await _leads(connection, DAY + 1))[TOWN, "places"]
    assert (lead.findings, lead.in_question) == (1, Decimal(80))
    assert len(await _listed(connection, lead, DAY + 1)) == 1
    assert await _listed(connection, lead, DAY) == []


async def test_queue_pages_by_key_through_every_order(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    stays = [v for v in raised if v.finding.maker_id == "FW10000001"]
    spread = [next_version(v, institution=f"H{number % 11:04}") for number, v in enumerate(stays)]
    await _apply(connection, spread, rule_set)
    for sort in ("severity", "in_fund", "in_question", "loss", "people", "newest"):
        whole = await find_leads(connection, LeadFilter(sort=sort), Sight(DAY))
        paged: list[Lead] = []
        while page := await find_leads(
            connection, LeadFilter(sort=sort, limit=4, after=paged[-1].cursor if paged else None), Sight(DAY)
        ):
            paged += page
        assert paged == whole
        assert len(paged) == 11
    by_money = await find_leads(connection, LeadFilter(sort="in_question"), Sight(DAY))
    assert [lead.in_question for lead in by_money] == sorted((lead.in_question for lead in by_money), reverse=True)


async def test_filters_narrow_the_queue(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, raised, rule_set)

    async def found(**words: object) -> set[tuple[str, str]]:
        chosen = msgspec.convert(words, LeadFilter)
        return {(lead.institution, lead.topic) for lead in await find_leads(connection, chosen, Sight(DAY))}

    assert await found(institution=TOWN) == {(TOWN, "stays")}
    assert await found(topic="limits") == {(COUNTY, "limits")}
    assert len(await found(severity=2)) == 2
    assert await found(year=2025) == set()
    assert await found(area="other") == set()
    assert await found(states=("confirmed",)) == set()


def test_a_later_stay_would_excuse_the_emergency_visit(rule_set: RuleSet) -> None:
    """The story's waiting finding waits for something that can come."""
    eve = TODAY - timedelta(days=1)
    admitted = [
        replace(c, encounter_id="S70", event_id="sim:S70", claim_id="C-S70", visit_type="21", admitted_at=c.happened_at)
        for c in county()
        if c.patient == "demo-p-0070"
    ]
    both = [c for c in county() if c.patient == "demo-p-0070"] + [replace(c, lines=()) for c in admitted]
    assert eve.toordinal() < DAY
    assert judged(both, rule_set)["demo-p-0070"].findings == []
