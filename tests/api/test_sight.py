"""What somebody may see: leads of two areas and two institutions, looked at by people who may see some of them.

Every answer is held against a plain query over the tables.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from api.frame.texts import load_texts
from api.leads.view import Evidence, load_evidence
from casework.decisions import Decision, Ground, Verdict
from casework.sight import Onlooker, Sight
from knowledge_base.findings import Change, FindingVersion, finding_id
from knowledge_base.subjects import patient
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide, undo
from streams.handlers.rule_sets import publish
from streams.store.casework import listing, queue
from streams.store.casework.decisions import LeadUnknown, find_aftermath, find_heirs
from streams.store.casework.followed import find_followed
from streams.store.casework.listing import Chosen, Listing
from streams.store.casework.queue import SORTS, LeadFilter
from streams.store.casework.trials import find_sample, find_trials, find_tried
from streams.store.events.billed import load_billed
from streams.store.judgements.findings import save_versions
from streams.store.operation import overview
from streams.store.people import users
from tests.api.story import (
    AREA,
    COUNTY,
    NAMES,
    PHARMACY,
    ROUTINE,
    TODAY,
    TOWN,
    claim,
    line,
    next_version,
    reversal_of,
    save_claims,
)
from tests.streams.leads import apply_findings

OTHER = "429900"
"""Another area, with the same findings."""
TOMORROW = TODAY + timedelta(days=1)
DAY = TOMORROW.toordinal()
WHOLE = Sight(DAY)
OF_AREA = Sight(DAY, frozenset({AREA}))
OF_TOWN = Sight(DAY, None, frozenset({TOWN}))
OF_COUNTY = Sight(DAY, None, frozenset({COUNTY}))
OF_BOTH = Sight(DAY, frozenset({AREA}), frozenset({TOWN}))
ONLOOKERS = [
    WHOLE,
    OF_AREA,
    OF_TOWN,
    OF_COUNTY,
    OF_BOTH,
    Sight(DAY, frozenset({AREA, OTHER}), frozenset({TOWN, COUNTY})),
    Sight(DAY, frozenset()),
    Sight(DAY, None, frozenset()),
]
BEDS, ELSEWHERE = "FW10000001", "FW10000005"
EVERY = LeadFilter(limit=200)
REASON = "与护理记录不符"
EVERYTHING, SAID = Chosen(everything=True), Said(Verdict.CONFIRMED, Ground.OTHER, REASON)

_LEADS = "select * from leads where findings > 0 order by lead_id"
_FINDINGS = """
    select f.area, l.institution, f.lead_id, f.finding_id, f.rule_id, f.is_open
    from lead_findings f join leads l using (area, lead_id)
    where f.excuse_until is null or f.excuse_until < '2026-04-21' order by f.finding_id
"""
_DEPARTED = """
    select f.area, l.institution from lead_departures d join lead_findings f using (area, finding_id)
    join leads l on l.area = f.area and l.lead_id = f.lead_id where d.lead_id = $1 and f.lead_id <> $1
"""


def _sees(sight: Onlooker, area: str, institution: str) -> bool:
    return (sight.areas is None or area in sight.areas) and (
        sight.institutions is None or institution in sight.institutions
    )


async def _seen(connection: asyncpg.Connection, sight: Sight, query: str, *words: object) -> list[asyncpg.Record]:
    """The rows of a plain query that are of an area and an institution in sight."""
    rows = await connection.fetch(query, *words)
    return [row for row in rows if _sees(sight, row["area"], row["institution"])]


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        for area in {version.area for version in versions}:
            await save_versions(connection, area, [version for version in versions if version.area == area])
        await apply_findings(connection, versions, rule_set)


def _elsewhere(version: FindingVersion) -> FindingVersion:
    name = finding_id(OTHER, version.maker.id, version.finding.occurrence)
    return replace(version, area=OTHER, finding_id=name)


@pytest.fixture
async def store(
    connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> list[FindingVersion]:
    """The finding versions of two areas, which are stored; some findings of each lead on stays still wait."""
    others = list(map(_elsewhere, versions))
    await _apply(connection, others, rule_set)
    stays = [version for version in (*versions, *others) if version.topic == "stays"]
    waiting = {(version.area, version.finding.institution): version for version in stays if version.maker.id == BEDS}
    await _apply(connection, [next_version(v, excuse_until=DAY + 5) for v in waiting.values()], rule_set)
    places = {tuple(row) for row in await connection.fetch("select area, institution from leads")}
    assert places == {(area, house) for area in (AREA, OTHER) for house in (COUNTY, TOWN, PHARMACY)}
    return [*versions, *others]


async def _lead_id(connection: asyncpg.Connection, area: str, institution: str) -> str:
    found: str = await connection.fetchval(
        "select lead_id from leads where area = $1 and institution = $2 and topic = 'stays'", area, institution
    )
    return found


@pytest.mark.parametrize("sort", SORTS)
async def test_the_queue_holds_what_is_in_sight_page_by_page(
    connection: asyncpg.Connection, store: list[FindingVersion], sort: str
) -> None:
    for sight in ONLOOKERS:
        expected = [row["lead_id"] for row in await _seen(connection, sight, _LEADS)]
        found = list[queue.Lead]()
        while page := await queue.find_leads(
            connection, LeadFilter(sort=sort, limit=2, after=found[-1].cursor if found else None), sight
        ):
            found += page
        assert sorted(lead.lead_id for lead in found) == expected, sight


async def test_counts_are_those_of_leads_in_sight(connection: asyncpg.Connection, store: list[FindingVersion]) -> None:
    await connection.execute("update leads set state = 'confirmed' where topic = 'limits'")
    for sight in ONLOOKERS:
        expected = Counter(row["state"] for row in await _seen(connection, sight, _LEADS))
        counts = await queue.find_counts(connection, EVERY, sight)
        assert counts == {"inspection": expected, "data_quality": {}}, sight


async def test_choices_are_those_of_leads_in_sight(connection: asyncpg.Connection, store: list[FindingVersion]) -> None:
    for table in ("leads", "lead_places"):
        earlier = f"update {table} set service_year = 2020 where institution = $1 and area = $2"
        await connection.execute(earlier, COUNTY, OTHER)
    for sight in ONLOOKERS:
        rows = await _seen(connection, sight, _LEADS)
        years = [row["service_year"] for row in rows]
        choices = await queue.find_choices(connection, sight)
        assert choices.areas == sorted({row["area"] for row in rows}), sight
        assert {code for code, _ in choices.institutions} == {row["institution"] for row in rows}, sight
        assert choices.years == (list(range(max(years), min(years) - 1, -1)) if rows else []), sight


async def test_a_lead_shows_itself_and_its_findings_where_it_is_in_sight(
    connection: asyncpg.Connection, store: list[FindingVersion]
) -> None:
    leads = await queue.find_leads(connection, EVERY, WHOLE)
    for sight in ONLOOKERS:
        expected = await _seen(connection, sight, _FINDINGS)
        for lead in leads:
            of_lead = [row for row in expected if row["lead_id"] == lead.lead_id]
            assert await queue.find_lead(connection, lead.lead_id, sight) == (lead if of_lead else None), sight
            of = (lead.area, lead.lead_id, Listing(show="all"))
            findings = await listing.find_listed(connection, *of, None, sight, 0, 100)
            groups = await listing.find_groups(connection, *of, sight, 0, 100)
            sums = await listing.find_state_sums(connection, *of[:2], sight)
            assert sum(group.findings for group in groups) == len(of_lead), sight
            assert sum(of_state.findings for of_state in sums.values()) == len(of_lead), sight
            assert sorted(listed.version.finding_id for listed in findings) == [row["finding_id"] for row in of_lead], (
                sight
            )
            makers = await queue.find_maker_counts(connection, lead, sight)
            assert dict(makers) == Counter(row["rule_id"] for row in of_lead), sight


async def test_a_finding_is_in_sight_where_its_lead_is(
    connection: asyncpg.Connection, store: list[FindingVersion]
) -> None:
    for sight in ONLOOKERS:
        expected = {row["finding_id"]: row["lead_id"] for row in await _seen(connection, sight, _FINDINGS)}
        found = {
            version.finding_id: told[1]
            for version in store
            if (told := await listing.find_finding(connection, version.finding_id, sight)) is not None
        }
        assert found == expected, sight


async def test_findings_beside_a_lead_are_those_of_leads_in_sight(
    connection: asyncpg.Connection, store: list[FindingVersion]
) -> None:
    (lead,) = await queue.find_leads(connection, replace(EVERY, area=AREA, institution=COUNTY, topic="stays"), WHOLE)
    for sight in ONLOOKERS:
        rows = await _seen(connection, sight, _FINDINGS)
        expected = [row["lead_id"] for row in rows if row["area"] == AREA and row["rule_id"] == ELSEWHERE]
        beside = await queue.find_beside(connection, lead, sight)
        assert (beside.findings, beside.leads) == (len(expected), len(expected)), sight
        assert [neighbour.lead_id for neighbour in beside.first] == expected, sight


@pytest.fixture
async def decided(connection: asyncpg.Connection, store: list[FindingVersion]) -> list[Decision]:
    """Decisions on the leads on stays of the county's hospital, one in each area."""
    found = []
    for area in (AREA, OTHER):
        lead_id = await _lead_id(connection, area, COUNTY)
        version = await connection.fetchval("select version from leads where lead_id = $1", lead_id)
        found.append(await decide(connection, lead_id, version, EVERYTHING, SAID, "inspector", WHOLE))
    return found


async def test_what_happened_to_findings_after_a_decision_is_told_where_they_are_in_sight(
    connection: asyncpg.Connection, store: list[FindingVersion], decided: list[Decision], rule_set: RuleSet
) -> None:
    """One was revised, one withdrawn with an heir in the town, one moved to the town."""
    for area in (AREA, OTHER):
        revised, withdrawn, moved, *_ = (v for v in store if (v.area, v.maker.id) == (area, BEDS))
        (heir,) = (v for v in store if (v.area, v.maker.id) == (area, ELSEWHERE))
        gone = replace(next_version(withdrawn, Change.WITHDRAWN), continued_by=heir.finding_id)
        await _apply(connection, [next_version(revised), gone, next_version(moved, institution=TOWN)], rule_set)
    for sight in ONLOOKERS:
        for decision in decided:
            area, lead_id = decision.area, decision.lead_id
            stayed = _sees(sight, area, COUNTY)
            left = await _seen(connection, sight, _DEPARTED, lead_id)
            assert len(left) == _sees(sight, area, TOWN)
            changes = await queue.find_changes(connection, area, lead_id, decision.lead_version, sight)
            assert (changes.raised, changes.revised, changes.withdrawn) == (0, stayed, stayed), sight
            assert changes.moved == len(left), sight
            assert len((await find_aftermath(connection, area, lead_id, sight)).moved) == len(left), sight
            cited = [citation.finding_id for citation in decision.cites]
            assert len(await find_heirs(connection, area, cited, sight)) == len(left), sight


async def test_trials_tell_what_is_in_sight(connection: asyncpg.Connection, store: list[FindingVersion]) -> None:
    rules = [BEDS, ELSEWHERE]
    for sight in ONLOOKERS:
        rows = await _seen(connection, sight, _FINDINGS)
        expected = Counter(row["rule_id"] for row in rows if row["rule_id"] in rules)
        found = await find_trials(connection, rules, sight)
        assert {rule: trial.findings for rule, trial in found.items()} == expected, sight
        for rule in rules:
            names = [row["finding_id"] for row in rows if row["rule_id"] == rule]
            sample = await find_sample(connection, rule, sight, 100)
            assert [version.finding_id for version in sample] == names, sight
            of_rule = [version.finding_id for version in store if version.maker.id == rule]
            tried = [name for name in of_rule if await find_tried(connection, name, [rule], sight) is not None]
            assert sorted(tried) == names, sight


async def test_decisions_that_something_followed_are_listed_where_their_lead_is_in_sight(
    connection: asyncpg.Connection,
    store: list[FindingVersion],
    decided: list[Decision],
    rule_set: RuleSet,
) -> None:
    """And of their findings those that are: one moved to the town, where it shares a line with another."""
    for area in (AREA, OTHER):
        moved, *_ = (v for v in store if (v.area, v.maker.id) == (area, BEDS))
        occurrence = (*moved.finding.occurrence, "twin")
        twin = replace(next_version(moved, institution=TOWN, occurrence=occurrence), version=1)
        twin = replace(twin, finding_id=finding_id(area, BEDS, occurrence))
        await _apply(connection, [next_version(moved, institution=TOWN), twin], rule_set)
    known = rule_set.cards.keys() - {BEDS}
    for sight in ONLOOKERS:
        found, following = await find_followed(connection, known, sight, "", 50)
        assert following is None
        expected = [decision for decision in decided if _sees(sight, decision.area, COUNTY)]
        assert sorted(entry.decision.lead_id for entry in found) == sorted(d.lead_id for d in expected), sight
        for entry in found:
            area, cited = entry.decision.area, {citation.finding_id for citation in entry.decision.cites}
            rows = await _seen(connection, sight, _FINDINGS)
            assert [gone.finding_id for gone in entry.gone] == [
                row["finding_id"] for row in rows if row["finding_id"] in cited and row["rule_id"] == BEDS
            ], sight
            shared = [gone for gone in entry.gone if gone.how == "share"]
            assert len(shared) == _sees(sight, area, TOWN), sight


async def test_who_sees_no_more_than_a_finding_is_not_told_what_took_its_place_elsewhere(
    connection: asyncpg.Connection, store: list[FindingVersion], decided: list[Decision], rule_set: RuleSet
) -> None:
    first, *_ = (v for v in store if (v.area, v.maker.id) == (AREA, BEDS))
    occurrence = (*first.finding.occurrence, "twin")
    twin = replace(next_version(first, institution=TOWN, occurrence=occurrence), version=1)
    await _apply(connection, [replace(twin, finding_id=finding_id(AREA, BEDS, occurrence))], rule_set)
    known = rule_set.cards.keys() - {BEDS}
    for sight, how in ((WHOLE, "share"), (OF_AREA, "share"), (OF_COUNTY, "nothing")):
        found, _ = await find_followed(connection, known, sight, "", 50)
        (entry,) = (entry for entry in found if entry.decision.area == AREA)
        (gone,) = (gone for gone in entry.gone if gone.finding_id == first.finding_id)
        assert gone.how == how, sight


async def test_leads_out_of_sight_are_unknown_to_who_decides(
    connection: asyncpg.Connection, store: list[FindingVersion]
) -> None:
    for sight in ONLOOKERS:
        for lead in await connection.fetch(_LEADS):
            words = (lead["lead_id"], lead["version"], EVERYTHING, SAID, "inspector", sight)
            transaction = connection.transaction()
            await transaction.start()
            if _sees(sight, lead["area"], lead["institution"]):
                assert (await decide(connection, *words)).lead_id == lead["lead_id"]
            else:
                with pytest.raises(LeadUnknown):
                    await decide(connection, *words)
                assert await connection.fetchrow("select * from decisions") is None
                assert await connection.fetchrow("select * from outbox") is None
            await transaction.rollback()


async def test_decisions_out_of_sight_are_undone_by_nobody(
    connection: asyncpg.Connection, decided: list[Decision]
) -> None:
    for sight in ONLOOKERS:
        for decision in decided:
            words = (decision.lead_id, decision.decision_id, REASON, "inspector", sight)
            transaction = connection.transaction()
            await transaction.start()
            if _sees(sight, decision.area, COUNTY):
                assert (await undo(connection, *words)).undoes == decision.decision_id
            else:
                with pytest.raises(LeadUnknown):
                    await undo(connection, *words)
                assert await connection.fetchval("select count(*) from decisions") == len(decided)
            await transaction.rollback()


async def test_who_may_not_see_a_lead_is_not_told_that_it_changed(
    connection: asyncpg.Connection, decided: list[Decision]
) -> None:
    for decision in decided:
        with pytest.raises(LeadUnknown):
            await decide(connection, decision.lead_id, 0, EVERYTHING, SAID, "inspector", OF_TOWN)


@pytest.fixture
async def patient_of_both(connection: asyncpg.Connection, store: list[FindingVersion]) -> FindingVersion:
    """A finding of the town that names a line of one visit to the county's hospital.

    That visit has another claim, one that fell, and its reversal; and there is another visit, of which the finding
    names nothing.
    """
    (finding,) = (v for v in store if (v.area, v.maker.id) == (AREA, ELSEWHERE))
    (part,) = finding.finding.involved
    assert part[:2] == (COUNTY, "V51")
    day = date(2026, 3, 13)
    same = claim("demo-p-0050", "V51", [line(9, ROUTINE, day)], day, event_id="sim:same", claim_id="same")
    fallen = claim("demo-p-0050", "V51", [line(8, ROUTINE, day)], day, event_id="sim:fallen", claim_id="fallen")
    later = day + timedelta(days=2)
    apart = claim("demo-p-0050", "V52", [line(1, ROUTINE, later)], later)
    await save_claims(connection, [same, fallen, reversal_of(fallen), apart])
    return finding


async def _evidence(app: FastAPI, connection: asyncpg.Connection, version: FindingVersion, sight: Sight) -> Evidence:
    shown = await app.state.desk.find_shown(connection, sight)
    return (await load_evidence(connection, shown, version, load_texts("zh")))[0]


_CLAIMS = """
    select area, institution, claim_id, encounter_id from events
    where patient = 'demo-p-0050' and claim_id not like 'fallen%' order by claim_id
"""


async def test_of_other_institutions_evidence_shows_the_claims_that_a_finding_names(
    app: FastAPI, connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    """What the page shows is settled by the encounters of the finding's lines: V52 is of another."""
    rows = await connection.fetch(_CLAIMS)
    assert [row["claim_id"] for row in rows] == ["C-S50", "C-V51", "C-V52", "same"]
    for sight, fallen in ((WHOLE, 2), (OF_AREA, 2), (OF_TOWN, 0), (OF_BOTH, 0)):
        evidence = await _evidence(app, connection, patient_of_both, sight)
        seen = [row["claim_id"] for row in await _seen(connection, sight, _CLAIMS) if row["encounter_id"] != "V52"]
        named = sorted({*seen, "C-V51"})
        assert sorted(marked.claim.claim_id for marked in evidence.claims) == named, sight
        assert (evidence.missing_lines, evidence.fallen_claims) == (0, fallen), sight


async def test_of_other_institutions_the_timeline_shows_the_visits_that_a_finding_names(
    app: FastAPI, connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    for sight, visits in ((WHOLE, 2), (OF_AREA, 2), (OF_TOWN, 1), (OF_BOTH, 1)):
        timeline = (await _evidence(app, connection, patient_of_both, sight)).timeline
        assert timeline is not None
        kinds = Counter(mark.kind for mark in timeline.marks)
        assert (kinds["stay"], kinds["visit"], kinds["guilty"]) == (1, visits, 1), sight
        assert "2026-03-15" in "".join(mark.words for mark in timeline.marks) or visits == 1, sight
        assert {row.name for row in timeline.rows} == set(NAMES.values()), sight


async def test_who_a_patient_is_claims_in_sight_say(
    app: FastAPI, connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    lines = [line(1, ROUTINE, TODAY)]
    untold = claim("demo-p-0090", "V90", lines, TODAY, institution=TOWN, sex=None, birth_date=None)
    await save_claims(connection, [untold, claim("demo-p-0090", "V91", lines, TODAY, sex="2")])
    finding = replace(patient_of_both, subject=patient("demo-p-0090"))
    for sight, sex in ((WHOLE, "2"), (OF_AREA, "2"), (OF_TOWN, None), (OF_BOTH, None)):
        evidence = await _evidence(app, connection, finding, sight)
        assert (evidence.sex, evidence.age is None) == (sex, sex is None), sight


async def test_a_number_used_again_is_the_same_encounter_for_who_sees_a_part(
    app: FastAPI, connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    """The visit that a finding names has the number of one two years before, which it does not name."""
    day = date(2024, 3, 13)
    before = claim("demo-p-0050", "V51", [line(1, ROUTINE, day)], day, event_id="sim:before", claim_id="before")
    await save_claims(connection, [before])
    part = (COUNTY, "V51@2026-03-13", "L1")
    renamed = replace(patient_of_both, finding=replace(patient_of_both.finding, involved=(part,)))
    for sight, count in ((WHOLE, 3), (OF_TOWN, 2)):
        evidence = await _evidence(app, connection, renamed, sight)
        assert (len(evidence.claims), evidence.missing_lines) == (count, 0), sight
        assert "before" not in {marked.claim.claim_id for marked in evidence.claims}


async def test_what_rules_cannot_decide_on_is_told_but_for_institutions_out_of_sight(
    connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    """At the town, between both, at the county's hospital alone, and of the patient as such."""
    person, rule = patient_of_both.subject.name, patient_of_both.maker.id
    await connection.execute("delete from not_evaluated")
    places = [(TOWN, "S50"), (COUNTY, "V51", TOWN, "S50"), (COUNTY, "V52"), ("check",)]
    await connection.executemany(
        """
        insert into not_evaluated (area, person, anchor_id, rules, reason, occurrence, first_day, last_day, seq)
        values ($1, $2, $3, $4, 'unknown', $5, '2026-03-10', '2026-03-10', 1)
        """,
        [(AREA, person, bytes([number]), [rule], [person, *place]) for number, place in enumerate(places)],
    )
    (lead,) = await queue.find_leads(connection, replace(EVERY, area=AREA, institution=TOWN, topic="stays"), WHOLE)
    for sight, anchors in ((WHOLE, 4), (OF_AREA, 4), (OF_TOWN, 3), (OF_BOTH, 3)):
        gaps = await queue.find_gaps(connection, lead, [rule], sight)
        assert [gap.anchors for gap in gaps] == [anchors], sight
    await connection.execute("update events set patient = 'earlier' where patient = $1", person)
    await connection.execute(
        "insert into persons (area, patient, person, seq) values ($1, $2, $2, 1), ($1, 'earlier', $2, 1)", AREA, person
    )
    (gap,) = await queue.find_gaps(connection, lead, [rule], OF_TOWN)
    assert gap.anchors == 3, "of every pseudonym"


async def test_commands_list_findings_in_sight(connection: asyncpg.Connection, store: list[FindingVersion]) -> None:
    query = "select area, institution, finding_id from findings order by finding_id"
    for sight in ONLOOKERS:
        expected = await _seen(connection, sight, query)
        rows = await overview.find_findings(connection, None, None, "", 1000, True, sight)
        assert [row.finding_id for row in rows] == [row["finding_id"] for row in expected], sight
        for house in (COUNTY, TOWN):
            has_some = await overview.has_findings(connection, house, sight)
            assert has_some == any(row["institution"] == house for row in expected), sight
        for area in (AREA, OTHER):
            name = next(version.finding_id for version in store if version.area == area)
            is_there = any(row["finding_id"] == name for row in expected)
            assert await overview.find_area(connection, name, sight) == (area if is_there else None), sight


async def test_what_was_billed_is_of_claims_in_sight(
    connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    columns = "patient, event_id, kind, claim_id, encounter_id, institution, first_day, last_day, money, source, digest"
    await connection.execute(
        f"insert into events (area, seq, {columns}) select $1, seq + 1000, {columns} from events", OTHER
    )
    for sight in ONLOOKERS:
        claims = await _seen(connection, sight, "select area, institution from events where kind = 'claim'")
        billed = await load_billed(connection, sight)
        assert (billed.claims, billed.total > 0) == (len(claims), bool(claims)), sight


@pytest.fixture
async def limited(client: httpx.AsyncClient, connection: asyncpg.Connection) -> httpx.AsyncClient:
    """A client that is signed in and may see one institution of one area."""
    account = await users.find_account(connection, "inspector")
    assert account is not None
    seeing = replace(account, areas=OF_BOTH.areas, institutions=OF_BOTH.institutions)
    await users.change_account(connection, seeing)
    return client


async def test_pages_and_interface_show_what_the_session_may_see(
    limited: httpx.AsyncClient, connection: asyncpg.Connection, patient_of_both: FindingVersion
) -> None:
    page = (await limited.get("/")).text
    own = await _lead_id(connection, AREA, TOWN)
    assert f"/leads/{own}" in page
    assert (NAMES[COUNTY] in page, OTHER in page) == (False, False)
    told = (await limited.get("/api/leads", params={"state": "all", "lane": "all"})).json()["leads"]
    assert {(lead["area"], lead["institution"]) for lead in told} == {(AREA, TOWN)}
    lead = (await limited.get(f"/leads/{own}", params={"finding": patient_of_both.finding_id})).text
    assert lead.count('<div class="claim">') == 2
    assert "2026-03-15" not in lead
    detail = (await limited.get(f"/api/leads/{own}")).json()
    assert [finding["finding_id"] for finding in detail["findings"]] == [patient_of_both.finding_id]
    assert (await limited.get(f"/api/findings/{patient_of_both.finding_id}")).status_code == 200
    assert (await limited.get("/status")).status_code == 200


@pytest.mark.parametrize(("area", "institution"), [(AREA, COUNTY), (OTHER, TOWN), (OTHER, COUNTY)])
async def test_a_lead_out_of_sight_is_answered_as_one_that_is_not_there(
    limited: httpx.AsyncClient,
    connection: asyncpg.Connection,
    store: list[FindingVersion],
    decided: list[Decision],
    area: str,
    institution: str,
) -> None:
    hidden = await _lead_id(connection, area, institution)
    name = next(v.finding_id for v in store if (v.area, v.finding.institution) == (area, institution))
    version = await connection.fetchval("select version from leads where lead_id = $1", hidden)
    decision = next((d.decision_id for d in decided if d.lead_id == hidden), 1)
    form = {"version": str(version), "reason": REASON, "csrf": limited.headers["X-CSRF-Token"]}
    body = {"version": version, "decision": "dismissed", "reason": REASON}
    answers = []
    for lead_id, finding in ((hidden, name), ("0" * 32, "1" * 32)):
        got = [
            await limited.get(f"/leads/{lead_id}"),
            await limited.get(f"/leads/{lead_id}", params={"finding": finding}),
            await limited.get(f"/api/leads/{lead_id}"),
            await limited.get(f"/api/findings/{finding}"),
            await limited.post(f"/leads/{lead_id}/decisions", data={**form, "said": "dismissed.other"}),
            await limited.post(f"/leads/{lead_id}/undo", data={**form, "decision_id": str(decision)}),
            await limited.post(f"/api/leads/{lead_id}/decisions", json=body),
            await limited.post(f"/api/leads/{lead_id}/decisions/{decision}/undo", json={"reason": REASON}),
        ]
        assert {answer.status_code for answer in got} == {404}
        answers.append([answer.text.replace(lead_id, "lead").replace(finding, "finding") for answer in got])
    assert answers[0] == answers[1]
    assert await connection.fetchval("select count(*) from decisions") == len(decided)


async def test_trials_are_those_that_the_session_may_see(
    limited: httpx.AsyncClient, connection: asyncpg.Connection, patient_of_both: FindingVersion, rule_set: RuleSet
) -> None:
    changes = {"status": "shadow", "file_hash": "tried out"}
    rules = [rule.model_copy(update=changes) if rule.id in (BEDS, ELSEWHERE) else rule for rule in rule_set.rules]
    await publish(connection, RuleSet(tuple(rules), rule_set.facts, rule_set.topics), "somebody")
    page = (await limited.get("/trials")).text
    rows = await connection.fetch(
        "select area, finding_id from lead_findings where rule_id in ($1, $2)", BEDS, ELSEWHERE
    )
    own = patient_of_both.finding_id
    assert [row["finding_id"] for row in rows if row["finding_id"] in page] == [own]
    answers = {row["finding_id"]: await limited.get(f"/trials/{row['finding_id']}") for row in rows}
    assert [name for name, answer in answers.items() if answer.status_code != 404] == [own]
    assert answers[own].text.count('<div class="claim">') == 2
