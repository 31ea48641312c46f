"""Pages of claims, patients and institutions: what they say, held against plain queries and loops over the claims."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from casework.accounts import Account
from casework.audit import Act, patient_name
from casework.sight import Sight
from knowledge_base.events.claims import Claim
from knowledge_base.findings import Change, FindingVersion, billed_lines
from rules_lib.rule_set import RuleSet
from streams.store.casework import institutions
from streams.store.judgements.findings import save_versions
from streams.store.people import audit, users
from tests.api.story import (
    AREA,
    COUNTY,
    NAMES,
    PHARMACY,
    ROUTINE,
    TODAY,
    TOWN,
    claim,
    county,
    line,
    next_version,
    reversal_of,
    save_claims,
)
from tests.api.test_audit import EPOCH
from tests.streams.leads import apply_findings

OF_TWO_HOUSES = "demo-p-0050"
"""In the town's hospital, and seen at the county's on one day of the stay: the finding names that visit's line."""


def _address(event_id: str) -> str:
    return f"/claims/{AREA}/{quote(event_id, safe='')}"


def _words(answer: httpx.Response) -> str:
    """What a page says in its main part, without tags."""
    assert answer.status_code == 200
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def _linked(answer: httpx.Response, way: str) -> set[str]:
    """What the links of a page lead to, of one kind."""
    return set(re.findall(way, answer.text))


def _findings_linked(answer: httpx.Response) -> set[str]:
    return _linked(answer, r"\?finding=([0-9a-f]+)")


def _billed(entries: Iterable[Claim]) -> str:
    return f"{sum((Decimal(of.amount) for entry in entries for of in entry.lines), Decimal(0)):,.2f}"


def _keys(entry: Claim) -> set[tuple[str, str, str]]:
    return {(entry.institution, entry.encounter_id, of.line_id) for of in entry.lines}


def _month(entry: Claim) -> str:
    """The month of the last day of a claim, over its lines and its stay."""
    days = [of.at.date() for of in entry.lines]
    return max([*days, *([entry.discharged_at.date()] if entry.discharged_at else [])]).strftime("%Y-%m")


def _counting(versions: Iterable[FindingVersion]) -> list[FindingVersion]:
    """The findings that count today: those on an emergency visit of yesterday may still be excused."""
    return [v for v in versions if v.finding.excuse_until is None or v.finding.excuse_until < TODAY.toordinal()]


async def test_a_claim_tells_its_lines_its_money_and_the_findings_that_name_them(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    for entry in county():
        answer = await client.get(_address(entry.event_id))
        words = _words(answer)
        assert f"{len(entry.lines)} 条明细，合计 {_billed([entry])} 元" in words
        assert "这张结算单有效" in words
        guilty, named = set[tuple[str, ...]](), set[str]()
        for version in _counting(versions):
            finding = version.finding
            disputed = _keys(entry) & set(billed_lines(of.part for of in finding.guilty))
            guilty |= disputed
            if disputed or _keys(entry) & set(billed_lines(finding.involved)):
                named.add(version.finding_id)
        assert answer.text.count('<tr class="guilty">') == len(guilty), entry.event_id
        assert _findings_linked(answer) == named, entry.event_id


async def test_a_line_that_two_findings_dispute_shows_the_greater_amount(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    version = next(v for v in versions if v.maker.id == "FW10000001")
    (part,) = version.finding.guilty
    for name, amount in (("less", "7.00"), ("more", "29.31")):
        share = replace(part, amounts=replace(part.amounts, in_question=Decimal(amount)))
        twin = replace(version.finding, occurrence=(*version.finding.occurrence, name), guilty=(share,))
        await _save(connection, replace(version, finding_id=name, finding=twin), rule_set)
    shown = await client.get(_address(f"sim:{part.part[1]}"))
    assert re.findall(r'<td class="n" data-label="[^"]*">([\d.]+)</td>\s*</tr>', shown.text) == ["30.00"]
    least = replace(version, version=2, change=Change.WITHDRAWN)
    await _save(connection, least, rule_set)
    shown = await client.get(_address(f"sim:{part.part[1]}"))
    assert re.findall(r'<td class="n" data-label="[^"]*">([\d.]+)</td>\s*</tr>', shown.text) == ["29.31"]
    assert "已撤回" in _words(shown)


async def _save(connection: asyncpg.Connection, version: FindingVersion, rule_set: RuleSet) -> None:
    async with connection.transaction():
        await save_versions(connection, AREA, [version])
        await apply_findings(connection, [version], rule_set)


async def test_what_became_of_a_claim_is_told_with_the_claim_that_did_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    day = date(2026, 3, 1)
    first = claim("demo-p-0080", "V80", [line(1, ROUTINE, day)], day)
    second = replace(first, event_id="sim:second", claim_id="C-2", corrects=first.claim_id)
    third = replace(second, event_id="sim:third", claim_id="C-3", happened_at=second.happened_at + timedelta(hours=1))
    other = claim("demo-p-0080", "V81", [line(1, ROUTINE, day)], day)
    again = replace(other, event_id="sim:again", happened_at=other.happened_at + timedelta(hours=1))
    gone = claim("demo-p-0080", "V82", [line(1, ROUTINE, day)], day)
    stray = claim("demo-p-0080", "V83", [line(1, ROUTINE, day)], day, corrects="C-nowhere")
    along = replace(gone, event_id="sim:along", claim_id="C-along", corrects=gone.claim_id)
    back = reversal_of(gone)
    await save_claims(connection, [first, second, third, other, again, gone, along, back, stray])
    for entry, words, by in (
        (first, "已被更正，以更正后的为准", third),
        (second, "以最后的为准，这张不是", third),
        (third, "这张结算单有效", None),
        (other, "以那一份为准", again),
        (again, "这张结算单有效", None),
        (gone, "已被冲销，不再参与判断", back),
        (along, "随之失效", back),
        (back, "这是一张冲销单", None),
        (stray, "这张结算单有效", None),
    ):
        answer = await client.get(_address(entry.event_id))
        section = answer.text.partition('id="fate-title"')[2].partition("</section>")[0]
        assert words in section, entry.event_id
        first_line = section.partition("</p>")[0]
        assert _address(by.event_id) in first_line if by else "href" not in first_line, entry.event_id
    links = await client.get(_address(first.event_id))
    assert {_address(second.event_id), _address(third.event_id)} <= _linked(links, r'href="(/claims/[^"]+)"')
    assert "还没有收到" in _words(await client.get(_address(stray.event_id)))


async def test_what_was_not_evaluated_of_a_claim_is_what_anchors_say_that_hold_its_names(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    """At the claim's encounter, at another, on an item of it, on another's, at another house, of the patient, later."""
    await connection.execute("delete from not_evaluated")
    code = _of("V51")[0].lines[0].item_code
    elsewhere = _of("S50")[0].lines[0].item_code
    assert code is not None
    assert elsewhere is not None
    anchors = {
        (COUNTY, "V51"): True,
        (TOWN, "S50"): False,
        (COUNTY, code, "2026-03-13"): True,
        (COUNTY, elsewhere, "2026-03-13"): False,
        (TOWN, code, "2026-03-13"): False,
        (code, "2026-03-13"): True,
        (COUNTY, "V51", TOWN, "S50"): True,
        (): True,
    }
    reasons = {anchor: f"reason {number}" for number, anchor in enumerate(anchors)}
    await connection.executemany(
        """
        insert into not_evaluated (area, person, anchor_id, rules, reason, occurrence, first_day, last_day, seq)
        values ($1, $2, $3, $4, $5, $6, '2026-03-13', '2026-03-13', 1)
        """,
        [
            (AREA, OF_TWO_HOUSES, bytes([number]), ["FW10000001"], reasons[anchor], [OF_TWO_HOUSES, *anchor])
            for number, anchor in enumerate(anchors)
        ],
    )
    await connection.execute("insert into makers values ('FW10009999', 'rule', 'stays', 1, false, 'tried out')")
    await connection.execute(
        """
        insert into not_evaluated (area, person, anchor_id, rules, reason, occurrence, first_day, last_day, seq) values
            ($1, $2, 'later', '{FW10000001}', 'reason later', array[$2], '2026-03-14', '2026-03-20', 1),
            ($1, $2, 'other', '{FW10009999}', 'reason unknown', array[$2], '2026-03-13', '2026-03-13', 1)
        """,
        AREA,
        OF_TWO_HOUSES,
    )
    for house in (None, TOWN):
        await _look_as(connection, institutions=None if house is None else frozenset({house}))
        told = set(re.findall(r"reason \w+", _words(await client.get(_address("sim:V51")))))
        assert told == {
            reasons[anchor]
            for anchor, is_told in anchors.items()
            if is_told and (house is None or house in anchor or COUNTY not in anchor)
        }


def _of(encounter: str) -> list[Claim]:
    return [entry for entry in county() if entry.encounter_id == encounter]


@pytest.mark.parametrize("event_id", ["a/b", "a b", "x?y=1#z", "100%", "丁/1", "../x"])
async def test_a_claim_is_found_whatever_its_sender_calls_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], event_id: str
) -> None:
    day = date(2026, 3, 1)
    entry = claim("p/1 ?", "V90", [line(1, ROUTINE, day)], day, event_id=event_id)
    await save_claims(connection, [entry])
    patient = await client.get(f"/patients/{AREA}/{quote('p/1 ?', safe='')}")
    (address,) = _linked(patient, r'href="(/claims/[^"]+)"')
    assert "这张结算单有效" in _words(await client.get(address))


@pytest.mark.parametrize(
    "path",
    [
        f"/claims/{AREA}/sim:none", f"/claims/{AREA}/", "/claims/429900/sim:S0", "/patients/429900/demo-p-0001",
        f"/patients/{AREA}/nobody", f"/patients/{AREA}/", "/institutions/H0", "/institutions/",
    ],
)  # fmt: skip
async def test_what_is_not_there_is_no_page_and_is_not_noted(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], path: str
) -> None:
    assert (await client.get(path)).status_code == 404
    assert await audit.find_done(connection, "inspector", EPOCH, 2**31, 9) == []


async def test_a_patients_year_is_the_sum_of_what_stands_and_every_finding(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    """Of every patient; one has a reversed claim, and claims of two other years."""
    day = date(2026, 3, 20)
    gone = claim(OF_TWO_HOUSES, "V52", [line(1, ROUTINE, day)], day)
    before = claim(OF_TWO_HOUSES, "V53", [line(1, ROUTINE, date(2024, 12, 31))], date(2025, 1, 2))
    added = [gone, reversal_of(gone), before]
    await save_claims(connection, added)
    of: dict[str, list[Claim]] = defaultdict(list)
    for entry in [*county(), *added]:
        of[entry.patient].append(entry)
    for patient, entries in of.items():
        answer = await client.get(f"/patients/{AREA}/{patient}")
        words = _words(answer)
        standing = [entry for entry in entries if entry not in added]
        assert f"合计 {_billed(standing)} 元" in words, patient
        assert f"在 {len({e.institution for e in standing})} 家机构就诊 {len(standing)} 次" in words, patient
        findings = {v.finding_id for v in _counting(versions) if v.subject.name == patient}
        assert _findings_linked(answer) == findings, patient
        assert f"疑点 {len(findings)} 条" in words, patient
        shown = {entry for entry in entries if entry is not before}
        linked = _linked(answer, r'href="(/claims/[^"]+)"')
        assert linked == {_address(entry.event_id) for entry in shown}, patient
        for month, count in Counter(map(_month, shown)).items():
            billed = _billed(entry for entry in standing if _month(entry) == month)
            assert f"{month}：{count} 张，有效的合计 {billed} 元" in words, patient
    page = f"/patients/{AREA}/{OF_TWO_HOUSES}"
    earlier = await client.get(page, params={"year": "2024"})
    assert _linked(earlier, r'href="(/claims/[^"]+)"') == {_address(before.event_id)}
    assert "这一年没有计入的疑点" in _words(earlier)
    refused = await client.get(page, params={"year": "2025"})
    assert refused.status_code == 422
    assert "year: 只能是 2024, 2026 之一" in refused.text


async def test_a_person_of_several_pseudonyms_has_one_page(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    day = date(2026, 3, 20)
    await save_claims(connection, [claim("demo-p-9999", "V99", [line(1, ROUTINE, day)], day)])
    await connection.execute(
        "insert into persons (area, patient, person, seq) values ($1, $2, $2, 1), ($1, 'demo-p-9999', $2, 1)",
        AREA,
        OF_TWO_HOUSES,
    )
    pages = [_words(await client.get(f"/patients/{AREA}/{name}")) for name in (OF_TWO_HOUSES, "demo-p-9999")]
    assert pages[0] == pages[1]
    assert "就诊 3 次" in pages[0]


async def test_an_institutions_page_is_what_its_leads_and_those_of_its_level_come_to(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    await connection.execute("update institutions set level = '2'")
    await connection.execute("insert into institutions values ($1, '虚构大药房', '0', 'pharmacy')", PHARMACY)
    await connection.execute("update leads set topic = 'limits' where institution = $1 and topic = 'stays'", TOWN)
    for code in (COUNTY, TOWN):
        answer = await client.get(f"/institutions/{code}")
        words = _words(answer)
        rows = await connection.fetch(
            "select * from leads where institution = $1 and findings > 0 and counts_from <= $2", code, TODAY
        )
        assert _linked(answer, r'href="/leads/([0-9a-f]+)"') == {row["lead_id"] for row in rows}
        assert f"{NAMES[code]}：{len(rows)} 条线索" in words
        assert "级别：二级" in words
        months = await connection.fetch(
            """
            select to_char(f.last_day, 'YYYY-MM') as month, count(*) as findings, count(distinct f.subject) as people
            from lead_findings f join leads l using (area, lead_id)
            where l.institution = $1 and (f.excuse_until is null or f.excuse_until < $2) group by 1
            """,
            code,
            TODAY,
        )
        for row in months:
            assert f"{row['month']} {row['findings']} {row['people']} " in words
        for row in await connection.fetch(
            """
            select topic, sum(in_question) filter (where institution = $1) as own,
                count(*) filter (where institution = $1) as leads, sum(in_question) filter (where institution <> $1)
                    / nullif(count(*) filter (where institution <> $1), 0) as others
            from leads where institution in ($1, $2) and findings > 0 and counts_from <= $3 group by topic
            having count(*) filter (where institution = $1) > 0
            """,
            code,
            TOWN if code == COUNTY else COUNTY,
            TODAY,
        ):
            assert f" {row['own'] / row['leads']:,.2f} " in words, row["topic"]
            assert row["others"] is None or f" {row['others']:,.2f} " in words, row["topic"]
    assert "级别：未定级" in _words(await client.get(f"/institutions/{PHARMACY}"))
    await connection.execute("delete from institutions where institution = $1", TOWN)
    assert "没有可比的机构" in _words(await client.get(f"/institutions/{TOWN}"))


async def test_in_one_month_a_line_counts_once_with_the_greatest_amount(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    before = _words(await client.get(f"/institutions/{COUNTY}"))
    version = next(v for v in versions if v.maker.id == "FW10000001")
    twin = replace(version.finding, occurrence=(*version.finding.occurrence, "twin"))
    await _save(connection, replace(version, finding_id="twin", finding=twin), rule_set)
    month = date.fromordinal(twin.last_day).strftime("%Y-%m")
    money = re.search(rf"{month} (\d+) (\d+) ([\d,.]+) ", before)
    after = re.search(rf"{month} (\d+) (\d+) ([\d,.]+) ", _words(await client.get(f"/institutions/{COUNTY}")))
    assert money is not None
    assert after is not None
    assert (int(after[1]), after[2], after[3]) == (int(money[1]) + 1, money[2], money[3])


async def test_months_are_worked_out_again_only_where_a_lead_changed_or_somebody_sees_others(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked_out, find_months = [], institutions.find_months

    async def noted(connection: asyncpg.Connection, code: str, sight: Sight) -> Any:
        worked_out.append(code)
        return await find_months(connection, code, sight)

    monkeypatch.setattr(institutions, "find_months", noted)
    for code in (COUNTY, COUNTY, TOWN, COUNTY):
        await client.get(f"/institutions/{code}")
    assert worked_out == [COUNTY, TOWN]
    version = next(v for v in versions if v.maker.id == "FW10000001")
    await _save(connection, next_version(version, Change.WITHDRAWN), rule_set)
    for code in (COUNTY, TOWN):
        await client.get(f"/institutions/{code}")
    assert worked_out == [COUNTY, TOWN, COUNTY]
    await _look_as(connection, areas=frozenset({AREA}))
    await client.get(f"/institutions/{COUNTY}")
    assert worked_out == [COUNTY, TOWN, COUNTY, COUNTY]


async def _look_as(connection: asyncpg.Connection, **places: frozenset[str] | None) -> None:
    """Whoever is signed in sees some areas or institutions alone."""
    account = await users.find_account(connection, "inspector")
    assert account is not None
    seeing = Account("inspector", "", account.roles, places.get("areas"), places.get("institutions"))
    await users.change_account(connection, seeing)


@pytest.fixture
async def more_of_two_houses(connection: asyncpg.Connection, versions: list[FindingVersion]) -> list[Claim]:
    """Claims at the county's hospital of which no finding in force speaks: two that fell with their reversals, of which
    one held the line that a finding names, and one apart."""
    day = date(2026, 3, 13)
    (named,) = _of("V51")
    before = replace(named, event_id="sim:fallen-before", claim_id="fallen-before", happened_at=named.happened_at)
    fallen = claim(OF_TWO_HOUSES, "V51", [line(8, ROUTINE, day)], day, event_id="sim:fallen", claim_id="fallen")
    apart = claim(OF_TWO_HOUSES, "V52", [line(1, ROUTINE, day)], day)
    added = [fallen, reversal_of(fallen), before, reversal_of(before), apart]
    await save_claims(connection, added)
    return added


PLACES = [
    {},
    {"areas": frozenset({AREA})},
    {"areas": frozenset({"429900"})},
    {"institutions": frozenset({TOWN})},
    {"institutions": frozenset({COUNTY})},
    {"institutions": frozenset({PHARMACY})},
    {"areas": frozenset({AREA}), "institutions": frozenset({TOWN})},
]


@pytest.mark.parametrize("places", PLACES, ids=str)
async def test_pages_show_the_claims_in_sight_and_of_others_those_that_a_finding_in_sight_names(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    more_of_two_houses: list[Claim],
    places: dict[str, frozenset[str]],
) -> None:
    await _look_as(connection, **places)
    areas, houses = places.get("areas"), places.get("institutions")
    entries = [entry for entry in [*county(), *more_of_two_houses] if entry.patient == OF_TWO_HOUSES]
    seen = set()
    for entry in entries:
        own = houses is None or entry.institution in houses
        named = houses is not None and TOWN in houses and entry.event_id == "sim:V51"
        if (areas is None or AREA in areas) and (own or named):
            seen.add(entry.event_id)
    answers = {entry.event_id: await client.get(_address(entry.event_id)) for entry in entries}
    assert {name for name, answer in answers.items() if answer.status_code == 200} == seen
    patient = await client.get(f"/patients/{AREA}/{OF_TWO_HOUSES}")
    assert patient.status_code == (200 if seen else 404)
    linked = _linked(patient, r'href="/claims/[^"/]+/([^"]+)"')
    assert linked == {quote(name, safe="") for name in seen}
    for answer in (*answers.values(), patient):
        if answer.status_code == 200 and houses is not None and COUNTY not in houses:
            assert "fallen" not in answer.text
            assert "V52" not in answer.text


@pytest.mark.parametrize("places", PLACES, ids=str)
async def test_an_institution_out_of_sight_has_no_page_and_no_place_beside_another(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    places: dict[str, frozenset[str]],
) -> None:
    await connection.execute("update institutions set level = '2'")
    await connection.execute("update leads set topic = 'limits' where institution = $1", TOWN)
    await _look_as(connection, **places)
    areas, houses = places.get("areas"), places.get("institutions")
    for code in (COUNTY, TOWN):
        answer = await client.get(f"/institutions/{code}")
        assert answer.status_code == (200 if houses is None or code in houses else 404)
        if answer.status_code == 404:
            continue
        if areas is not None and AREA not in areas:
            assert "这家机构没有线索" in answer.text
            assert _linked(answer, r'href="/leads/([0-9a-f]+)"') == set()
            continue
        others = re.findall(r'data-label="有此类线索的同级机构">(\d+)<', answer.text)
        assert "1" in others if houses is None else set(others) == {"0"}


async def test_looking_is_noted_without_the_patient(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    await client.get(_address("sim:V51"))
    await client.get(f"/patients/{AREA}/{OF_TWO_HOUSES}")
    await client.get(f"/institutions/{COUNTY}")
    entries = [(of.act, dict(of.about)) for of in await audit.find_done(connection, "inspector", EPOCH, 2**31, 9)]
    assert entries == [
        (Act.SAW_EVIDENCE, {"institution": COUNTY}),
        (Act.SAW_EVIDENCE, {"patient": patient_name(AREA, OF_TWO_HOUSES), "year": "2026"}),
        (Act.SAW_EVIDENCE, {"area": AREA, "claim": "sim:V51"}),
    ]
    assert OF_TWO_HOUSES not in str(entries)
    today = await client.get("/account/today")
    assert _address("sim:V51") in today.text
    assert f"/institutions/{COUNTY}" in today.text
    assert "一位参保人的 2026 年" in today.text


async def test_evidence_leads_to_the_whole_claim_and_the_whole_year(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    finding = next(v for v in versions if v.subject.name == OF_TWO_HOUSES)
    lead = (await client.get(f"/api/findings/{finding.finding_id}")).json()["lead_id"]
    page = await client.get(f"/leads/{lead}", params={"finding": finding.finding_id})
    assert _linked(page, r'href="(/claims/[^"]+)"') == {_address("sim:V51"), _address("sim:S50")}
    (patient,) = _linked(page, r'href="(/patients/[^"]+)"')
    for address in (*_linked(page, r'href="(/claims/[^"]+)"'), patient):
        assert finding.finding_id in _findings_linked(await client.get(address))
