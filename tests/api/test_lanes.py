"""Lanes: leads of data quality alone stand apart from those to inspect, in the queue and in the interface."""

import re
from collections.abc import Sequence

import asyncpg
import httpx
import msgspec
import pytest
from msgspec.structs import replace

from casework.decisions import Ground, Verdict
from casework.leads import ZERO
from casework.sight import Sight
from knowledge_base.events.claims import Diagnosis
from knowledge_base.findings import Change, FindingVersion, Lane
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide
from streams.store.casework import leads
from streams.store.casework.listing import Chosen
from streams.store.casework.queue import Lead, LeadFilter, find_choices, find_counts, find_leads
from streams.store.judgements.published import save_makers
from tests.api.explaining import Explaining
from tests.api.story import AREA, COUNTY, HBA1C, TODAY, claim, judged, line, next_version, version_of
from tests.streams.leads import apply_findings

ODD_DETAILS = "GZ10000201002000"
SIGHT = Sight(TODAY.toordinal())
MANY = 20_000
PAGE = LeadFilter().limit
"""Leads of a page, each of which is read once more when it is shown."""

FEW = 5


@pytest.fixture
def odd(rule_set: RuleSet) -> FindingVersion:
    """A finding of data quality: a diagnosis code of digits alone."""
    entry = claim("demo-p-0080", "V80", [line(1, HBA1C, TODAY, price="60")], TODAY, diagnoses=(Diagnosis("4019"),))
    (finding,) = judged([entry], rule_set)["demo-p-0080"].findings
    assert finding.maker_id == ODD_DETAILS
    return version_of(finding)


@pytest.fixture
def stays(versions: list[FindingVersion]) -> list[FindingVersion]:
    """The findings of the lead on stays at one institution, which are stored."""
    return [v for v in versions if (v.topic, v.finding.institution) == ("stays", COUNTY)]


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _lead(connection: asyncpg.Connection, topic: str) -> Lead:
    """The lead on a topic at one institution, whatever its lane and state."""
    (lead,) = await find_leads(connection, LeadFilter(institution=COUNTY, topic=topic), SIGHT)
    return lead


async def _topics(client: httpx.AsyncClient, **words: str) -> set[str]:
    told = (await client.get("/api/leads", params={"institution": COUNTY, **words})).json()["leads"]
    return {lead["topic"] for lead in told}


async def test_leads_of_data_quality_alone_are_in_a_lane_of_their_own(
    client: httpx.AsyncClient, connection: asyncpg.Connection, odd: FindingVersion, versions: object, rule_set: RuleSet
) -> None:
    await _apply(connection, [odd], rule_set)
    assert await _topics(client) == await _topics(client, lane="inspection") == {"stays", "limits"}
    assert await _topics(client, lane="data_quality") == {"details"}
    assert await _topics(client, lane="all") == {"stays", "limits", "details"}
    assert await _topics(client, lane="data_quality", state="confirmed") == set()
    assert (await client.get("/api/leads", params={"lane": "elsewhere"})).status_code == 422


async def test_queue_shows_one_lane_and_counts_both(
    client: httpx.AsyncClient, connection: asyncpg.Connection, odd: FindingVersion, versions: object, rule_set: RuleSet
) -> None:
    page = (await client.get("/", params={"institution": COUNTY})).text
    assert "结算明细</span>" not in page
    await _apply(connection, [odd], rule_set)
    page = " ".join((await client.get("/", params={"institution": COUNTY})).text.split())
    assert '待查线索 <span class="count">2</span>' in page
    assert '数据质量 <span class="count">1</span>' in page
    assert "待处理线索 2 条" in page
    apart = (await client.get("/", params={"institution": COUNTY, "lane": "data_quality"})).text
    assert "待处理线索 1 条" in apart
    assert 'name="lane" value="data_quality"' in apart, "the form of the filters stays in the lane"
    lead = await _lead(connection, "details")
    assert re.search(f'<a href="/leads/{lead.lead_id}[^"]*" data-item', apart), "keys find it as they find every lead"
    assert f'href="/?lane=data_quality#lead-{lead.lead_id}"' in (await client.get(f"/leads/{lead.lead_id}")).text, (
        "the way back"
    )


async def test_an_empty_lane_says_what_the_other_holds(
    client: httpx.AsyncClient, connection: asyncpg.Connection, odd: FindingVersion, versions: object, rule_set: RuleSet
) -> None:
    assert "数据质量一栏有" not in (await client.get("/?topic=duplicates")).text
    await _apply(connection, [odd], rule_set)
    page = (await client.get("/?topic=details")).text
    assert '<a href="/?topic=details&amp;lane=data_quality">数据质量一栏有 1 条</a>' in page.replace(
        "/?lane=data_quality&amp;topic=details", "/?topic=details&amp;lane=data_quality"
    )


async def test_a_lead_changes_lanes_with_what_it_holds(
    connection: asyncpg.Connection, odd: FindingVersion, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    beside = msgspec.structs.replace(odd, topic="stays")
    await _apply(connection, [beside], rule_set)
    assert (await _lead(connection, "stays")).lane == Lane.INSPECTION
    await _apply(connection, [next_version(version, Change.WITHDRAWN) for version in stays], rule_set)
    lead = await _lead(connection, "stays")
    assert (lead.findings, lead.lane) == (1, Lane.DATA_QUALITY)
    again = [next_version(next_version(version, Change.WITHDRAWN)) for version in stays[:1]]
    await _apply(connection, again, rule_set)
    assert (await _lead(connection, "stays")).lane == Lane.INSPECTION


async def test_a_decided_lead_that_nothing_is_left_of_stays_in_its_lane(
    connection: asyncpg.Connection, odd: FindingVersion, rule_set: RuleSet
) -> None:
    await _apply(connection, [odd], rule_set)
    said, everything = Said(Verdict.CONFIRMED, Ground.RECORDS), Chosen(everything=True)
    await decide(connection, (await _lead(connection, "details")).lead_id, 1, everything, said, "inspector", SIGHT)
    await _apply(connection, [next_version(odd, Change.WITHDRAWN)], rule_set)
    lead = await _lead(connection, "details")
    assert (lead.findings, lead.lane) == (0, Lane.DATA_QUALITY)


async def test_leads_follow_when_their_makers_change_lanes(
    connection: asyncpg.Connection, odd: FindingVersion, rule_set: RuleSet
) -> None:
    rules = [rule.model_copy(update={"lane": Lane.INSPECTION}) for rule in rule_set.rules]
    await _apply(connection, [odd], RuleSet(tuple(rules), rule_set.facts))
    assert (await _lead(connection, "details")).lane == Lane.INSPECTION
    async with connection.transaction():
        await save_makers(connection, rule_set)
        await leads.sum_again(connection, AREA, [ODD_DETAILS])
    assert (await _lead(connection, "details")).lane == Lane.DATA_QUALITY


async def _save_many(connection: asyncpg.Connection) -> None:
    """Twenty thousand leads, all but every fiftieth of data quality."""
    await connection.execute(
        """
        insert into leads (area, lead_id, institution, topic, service_year, version, findings, people, in_question,
            in_fund, severity, newest_day, expected, lane)
        select 'many', 'many-' || n, 'H' || n % 500, 'details', 2026, 1, 1, 1, 0, n, 4, $2::date, n,
            case when n % 50 = 0 then 'inspection' else 'data_quality' end from generate_series(1, $1::int) n
        """,
        MANY,
        TODAY,
    )
    await connection.execute(
        """
        insert into lead_totals (area, lead_id, from_day, findings, people, in_question, in_fund, lines,
            lines_without_loss, newest_day, severity, expected, lane)
        select area, lead_id, '0001-01-01', 1, 1, 0, in_fund, 0, 0, newest_day, 4, expected, lane
        from leads where area = 'many'
        """
    )
    await connection.execute("vacuum analyze leads, lead_totals, lead_places")


@pytest.mark.parametrize("lane", [Lane.INSPECTION, Lane.DATA_QUALITY])
async def test_a_page_of_a_lane_reads_no_lead_of_the_other(connection: asyncpg.Connection, lane: Lane) -> None:
    await _save_many(connection)
    explaining, found = Explaining(connection), list[Lead]()
    for _ in range(3):
        chosen = LeadFilter(lane=lane.value, states=("open",), after=found[-1].cursor if found else None)
        found += await find_leads(explaining.as_connection, chosen, SIGHT)
        assert explaining.rows("leads") <= len(found) + PAGE + FEW
    assert [lead.lane for lead in found] == [lane] * 150
    assert [lead.expected for lead in found] == sorted((lead.expected or ZERO for lead in found), reverse=True)


async def test_a_page_for_who_sees_every_other_institution_reads_every_other_lead_in_vain(
    connection: asyncpg.Connection,
) -> None:
    """It is read in the order of the index and ends where the page does, as for who sees all."""
    await _save_many(connection)
    seen = Sight(SIGHT.today, frozenset({"many"}), frozenset(f"H{number}" for number in range(1, 500, 2)))
    explaining, found = Explaining(connection), list[Lead]()
    for _ in range(3):
        chosen = LeadFilter(lane=Lane.DATA_QUALITY.value, states=("open",), after=found[-1].cursor if found else None)
        found += await find_leads(explaining.as_connection, chosen, seen)
        assert explaining.rows("leads") <= 2 * len(found) + PAGE + FEW
    assert {lead.institution for lead in found} <= (seen.institutions or set())
    assert [lead.expected for lead in found] == list(range(MANY - 1, MANY - 301, -2))


async def test_leads_are_counted_from_an_index_and_what_they_speak_of_is_read_from_their_places(
    connection: asyncpg.Connection,
) -> None:
    """Every page of the queue says both: neither needs the leads themselves, whose rows are as long here as at work."""
    await _save_many(connection)
    await connection.execute("update leads set assignee = repeat('x', 400)")
    await connection.execute("vacuum full leads")
    await connection.execute("vacuum analyze leads")
    explaining = Explaining(connection)
    for sight in (SIGHT, Sight(SIGHT.today, frozenset({"many"}), frozenset(f"H{number}" for number in range(250)))):
        counts = await find_counts(explaining.as_connection, LeadFilter(states=("open",)), sight)
        part = 1 if sight is SIGHT else 2
        assert counts == {
            Lane.INSPECTION: {"open": MANY // 50 // part},
            Lane.DATA_QUALITY: {"open": (MANY - MANY // 50) // part},
        }
        if sight is SIGHT:
            assert "Seq Scan" not in explaining.ways("leads")
            assert "Index Only Scan" in explaining.ways("leads")
        choices = await find_choices(explaining.as_connection, sight)
        assert (choices.areas, len(choices.institutions), choices.years) == (["many"], 500 // part, [2026])
        assert explaining.ways("leads") == set()
        assert explaining.rows("lead_places") <= 500


async def test_leads_of_two_areas_say_which_and_can_be_chosen_by_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = (await client.get("/")).text
    assert "统筹区" not in page
    await _apply(connection, [replace(version, area="429900") for version in versions], rule_set)
    page = (await client.get("/")).text
    assert f"统筹区 {AREA}" in page
    assert "统筹区 429900" in page
    chosen = (await client.get("/", params={"area": "429900"})).text
    assert "<option selected>429900</option>" in chosen
    assert f"统筹区 {AREA}" not in chosen
    assert "统筹区 429900" in chosen
