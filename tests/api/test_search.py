"""The search: each kind by what it is found by, no more than is in sight, each from an index."""

import re
from collections.abc import Mapping
from datetime import date
from html import unescape
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from api.frame.known import Beginnings, known_of
from api.search import page
from casework.accounts import Account
from casework.sight import Sight
from casework.spelling import folded
from knowledge_base.findings import FindingVersion
from knowledge_base.subjects import Subject
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names
from streams.handlers.rule_sets import publish
from streams.jobs.spelling import spell_institutions
from streams.store.casework import search
from streams.store.judgements.findings import save_versions
from streams.store.people import audit, users
from tests.api.story import AREA, COUNTY, HBA1C, ITEM_NAMES, NAMES, PHARMACY, ROUTINE, TODAY, TOWN, claim, line
from tests.api.story import save_claims as save
from tests.api.test_audit import EPOCH
from tests.streams.leads import apply_findings

NOW = Sight(TODAY.toordinal())
BEDS = "FW10000001"


@pytest.fixture
async def spelled(connection: asyncpg.Connection, versions: list[FindingVersion]) -> None:
    """The county, with its institutions spelled."""
    assert await spell_institutions(connection) == len(NAMES)


async def _search(client: httpx.AsyncClient, typed: str) -> httpx.Response:
    return await client.get("/search", params={"q": typed})


def _hits(answer: httpx.Response) -> dict[str, set[str]]:
    """Where hits lead, by kind."""
    assert answer.status_code == 200
    found = {}
    for part in answer.text.split('<section class="hits" aria-labelledby="')[1:]:
        section = part.partition("</section>")[0]
        found[part.partition("-title")[0]] = set(map(unescape, re.findall(r'<a href="([^"]+)" data-item', section)))
    return found


def _straight(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_lead_and_a_finding_are_found_by_their_names_and_by_how_these_begin(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    leads = [row["lead_id"] for row in await connection.fetch("select lead_id from leads where findings > 0")]
    shown = await connection.fetch(
        "select finding_id, lead_id from lead_findings where excuse_until is null or excuse_until < $1", TODAY
    )
    every = leads + [row["finding_id"] for row in shown]
    for lead in leads:
        assert _straight(await _search(client, f" {lead} ")) == f"/leads/{lead}"
        begun = _hits(await _search(client, lead[:8]))
        assert begun["lead"] == {f"/leads/{of}" for of in leads if of.startswith(lead[:8])}
    for row in shown[:5]:
        address = f"/leads/{row['lead_id']}?finding={row['finding_id']}#evidence"
        assert _straight(await _search(client, row["finding_id"])) == address
        assert _hits(await _search(client, row["finding_id"][:6]))["finding"] == {
            f"/leads/{of['lead_id']}?finding={of['finding_id']}#evidence"
            for of in shown
            if of["finding_id"].startswith(row["finding_id"][:6])
        }
    assert not any(name.startswith("00000") for name in every)
    for short in (leads[0][:5], "0" * 6, "0" * 33):
        assert not {"lead", "finding"} & _hits(await _search(client, short)).keys()


async def test_a_finding_that_may_still_be_excused_is_not_found(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    waiting = await connection.fetchval("select finding_id from lead_findings where excuse_until >= $1", TODAY)
    assert _hits(await _search(client, waiting)) == {}


async def test_claims_are_found_by_settlement_encounter_and_event(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    day = date(2026, 3, 1)
    twins = [
        claim("demo-p-0090", "V90", [line(1, ROUTINE, day)], day, event_id=f"sim:V90-{n}", claim_id=f"C-V90-{n}")
        for n in range(2)
    ]
    await save(connection, twins)
    for typed in ("C-V51", "V51", "sim:V51"):
        assert _straight(await _search(client, typed)) == f"/claims/{AREA}/sim%3AV51"
    both = {f"/claims/{AREA}/sim%3AV90-{n}" for n in range(2)}
    assert _hits(await _search(client, "V90")) == {"claim": both}
    assert _straight(await _search(client, "C-V90-1")) == f"/claims/{AREA}/sim%3AV90-1"
    assert _hits(await _search(client, "C-V5")) == {}, "numbers are found whole"


async def test_a_patient_is_found_by_the_whole_pseudonym(client: httpx.AsyncClient, spelled: None) -> None:
    assert _straight(await _search(client, "demo-p-0050")) == f"/patients/{AREA}/demo-p-0050"
    assert _hits(await _search(client, "demo-p-005")) == {}


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("中医", {COUNTY}),
        ("虚构", {COUNTY, TOWN}),
        ("xg", {COUNTY, TOWN}),
        ("ZhongYiYuan", {COUNTY}),
        ("zwsy", {TOWN}),
        ("H420281", {COUNTY, TOWN}),
        ("ｈ４２０２８１", {COUNTY, TOWN}),
        ("wsyx", set()),
        ("\U0010ffff", set()),
        ("%", set()),
    ],
)
async def test_institutions_are_found_by_code_name_and_pinyin(
    client: httpx.AsyncClient, spelled: None, typed: str, codes: set[str]
) -> None:
    found = _hits(await _search(client, typed)) if len(typed) > 1 else {}
    assert found.get("institution", set()) == {f"/institutions/{code}" for code in codes}


async def test_an_institution_is_shown_at_once_by_its_code_or_whole_name(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    for typed in (COUNTY, NAMES[COUNTY], f"{NAMES[COUNTY][:3]} {NAMES[COUNTY][3:]}"):
        assert _straight(await _search(client, typed)) == f"/institutions/{COUNTY}"
    await connection.execute(
        "update leads set findings = 1, counts_from = '0001-01-01' where institution = $1", PHARMACY
    )
    assert _straight(await _search(client, PHARMACY)) == f"/institutions/{PHARMACY}", "no register knows it"


async def test_a_name_that_changes_is_spelled_anew(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    await connection.execute("update institutions set name = '长沙镇卫生院' where institution = $1", TOWN)
    assert await spell_institutions(connection) == 1
    assert await spell_institutions(connection) == 0
    assert _hits(await _search(client, "changsha")) == {"institution": {f"/institutions/{TOWN}"}}
    assert _hits(await _search(client, "xuguo")) == {}
    left = await connection.fetch("select word from institution_words where institution = $1", TOWN)
    assert not [row["word"] for row in left if row["word"].startswith(("虚", "xu"))]


async def test_items_lead_to_the_leads_of_the_rules_that_speak_of_them(
    client: httpx.AsyncClient, spelled: None, rule_set: RuleSet
) -> None:
    of_item = {
        code: {rule.id for rule in rule_set.of("patient").by_code.get(code, ()) if rule.is_live}
        for code in (HBA1C, "001109000010000")
    }
    for code, rules in of_item.items():
        answer = await _search(client, code)
        if len(rules) == 1:
            (rule,) = rules
            assert _straight(answer) == f"/?lane=all&state=all&maker={rule}"
        else:
            assert {f"maker={rule}" in answer.text for rule in rules} == {True}
    names = {name for name in item_names(rule_set.facts).values() if "床位" in name}
    assert names
    said = (await _search(client, "床位")).text
    assert any(name in said for name in names)
    assert ITEM_NAMES[HBA1C] in item_names(rule_set.facts).values()


async def test_a_rule_is_found_by_its_id_and_by_a_part_of_its_title(
    client: httpx.AsyncClient, spelled: None, rule_set: RuleSet
) -> None:
    leads = f"/?lane=all&state=all&maker={BEDS}"
    assert _straight(await _search(client, BEDS)) == leads
    assert _straight(await _search(client, rule_set.by_id[BEDS].title.zh)) == leads
    assert (await client.get(leads)).status_code == 200
    assert known_of(rule_set).cards.keys() == {card.id for card in rule_set.cards.values() if card.is_live}
    part = rule_set.by_id[BEDS].title.zh[2:6]
    expected = {rule.id for rule in rule_set.rules if rule.is_live and part in rule.title.zh}
    assert _hits(await _search(client, part))["rule"] == {f"/?lane=all&state=all&maker={rule}" for rule in expected}


async def test_a_rule_that_is_tried_out_is_not_found(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None, rule_set: RuleSet
) -> None:
    changes = {"status": "shadow", "file_hash": "tried out"}
    rules = [rule.model_copy(update=changes) if rule.id == BEDS else rule for rule in rule_set.rules]
    await publish(connection, RuleSet(tuple(rules), rule_set.facts, rule_set.topics), "somebody")
    assert _hits(await _search(client, BEDS)) == {}
    assert BEDS not in (await _search(client, "床位费")).text
    row = await connection.fetchrow("select finding_id from lead_findings where rule_id = $1", BEDS)
    assert row is not None
    assert _hits(await _search(client, row["finding_id"])) == {}


async def test_findings_of_a_practitioner_are_found_by_the_code(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None, versions: Any, rule_set: RuleSet
) -> None:
    of_county = [version for version in versions if version.finding.institution == COUNTY][:2]
    for number, version in enumerate(of_county):
        about = replace(version, finding_id=f"{number}" * 32, subject=Subject("practitioner", "D-77"))
        async with connection.transaction():
            await save_versions(connection, AREA, [about])
            await apply_findings(connection, [about], rule_set)
        found = await _search(client, "D-77")
        if number == 0:
            assert f"finding={'0' * 32}" in _straight(found)
        else:
            assert {address.partition("finding=")[2][:32] for address in _hits(found)["practitioner"]} == {
                "0" * 32,
                "1" * 32,
            }
    await _look_as(connection, institutions=frozenset({TOWN}))
    assert _hits(await _search(client, "D-77")) == {}


async def _look_as(connection: asyncpg.Connection, **places: frozenset[str]) -> None:
    account = await users.find_account(connection, "inspector")
    assert account is not None
    seeing = Account("inspector", "", account.roles, places.get("areas"), places.get("institutions"))
    await users.change_account(connection, seeing)


PLACES: list[Mapping[str, frozenset[str]]] = [
    {},
    {"areas": frozenset({AREA})},
    {"areas": frozenset({"429900"})},
    {"institutions": frozenset({TOWN})},
    {"institutions": frozenset({COUNTY})},
    {"areas": frozenset({AREA}), "institutions": frozenset({COUNTY})},
]


@pytest.mark.parametrize("places", PLACES, ids=str)
async def test_only_what_is_in_sight_is_found(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None, places: Mapping[str, frozenset[str]]
) -> None:
    await _look_as(connection, **places)
    areas, houses = places.get("areas"), places.get("institutions")
    in_area = areas is None or AREA in areas

    def sees(institution: str) -> bool:
        return in_area and (houses is None or institution in houses)

    async def is_found(typed: str) -> bool:
        answer = await _search(client, typed)
        assert answer.status_code == 303 or _hits(answer) == {}
        if answer.status_code == 303:
            assert (await client.get(answer.headers["location"])).status_code == 200, "nothing leads to no page"
        return answer.status_code == 303

    rows = await connection.fetch(
        "select lead_id, institution from leads where findings > 0 and counts_from <= $1", TODAY
    )
    for row in rows:
        assert await is_found(row["lead_id"]) == sees(row["institution"])
        finding = await connection.fetchval(
            "select min(finding_id) from lead_findings where lead_id = $1", row["lead_id"]
        )
        assert await is_found(finding) == sees(row["institution"])
    for row in await connection.fetch("select * from events where kind = 'claim' and patient > 'demo-p-0030'"):
        for typed in (row["event_id"], row["claim_id"], row["encounter_id"]):
            assert await is_found(typed) == sees(row["institution"]), typed
    for row in await connection.fetch("select patient, array_agg(institution) as houses from events group by patient"):
        assert await is_found(row["patient"]) == any(map(sees, row["houses"]))
    for code in (COUNTY, TOWN):
        assert await is_found(code) == (houses is None or code in houses)


async def test_searching_is_no_looking_at_evidence(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    await _search(client, "demo-p-0050")
    assert await audit.find_done(connection, "inspector", EPOCH, 2**31, 9) == []


@pytest.mark.parametrize(("lang", "words"), [("zh", "没有找到"), ("en", "Nothing was found for")])
async def test_an_empty_search_says_what_was_searched(
    client: httpx.AsyncClient, spelled: None, lang: str, words: str
) -> None:
    answer = await client.get("/search", params={"q": "<b>none", "lang": lang})
    assert f"{words}" in answer.text
    assert "<b>none" not in answer.text
    blank = await client.get("/search", params={"q": "  ", "lang": lang})
    short = await client.get("/search", params={"q": "x", "lang": lang})
    for page_ in (answer, blank, short):
        assert page_.text.count("<li>") >= 8
        assert page_.status_code == 200
    assert words not in blank.text


async def test_long_texts_and_a_nul_are_refused_as_elsewhere(client: httpx.AsyncClient, spelled: None) -> None:
    assert (await _search(client, "x" * (page.LONGEST + 1))).status_code == 422
    assert (await _search(client, "a\0b")).status_code == 404
    assert (await client.get("/search", params={"query": "x"})).status_code == 422


async def test_more_than_are_shown_is_said(
    client: httpx.AsyncClient, connection: asyncpg.Connection, spelled: None
) -> None:
    rows = [(f"H{number:05}", f"模拟卫生室{number}") for number in range(30)]
    await connection.executemany("insert into institutions (institution, name) values ($1, $2)", rows)
    await spell_institutions(connection)
    answer = await _search(client, "mnwss")
    assert len(_hits(answer)["institution"]) == 20
    assert "只列出前 20 个" in answer.text


def test_what_a_set_knows_is_found_by_a_loop_over_all_of_it(rule_set: RuleSet) -> None:
    known = known_of(rule_set)
    assert known_of(rule_set) is known
    names = set(item_names(rule_set.facts).values())
    for typed in ("透析", "测定", "注射", "00310", "检"):
        expected = {name for name in names if any(typed in folded(word) for word in (name, *known.codes[name]))}
        assert set(known.items.find(typed, 10_000)) == expected
        assert len(known.items.find(typed, 3)) == min(3, len(expected))


def test_beginnings_hold_every_part_of_every_word() -> None:
    names = Beginnings({"one": ["Abc Def"], "two": ["bcd"], "three": []})
    assert set(names.find("bc", 9)) == {"one", "two"}
    assert names.find("cde", 9) == ["one"]
    assert names.find("abd", 9) == []
    assert names.is_exact("one", "abcdef")
    assert not names.is_exact("one", "abc")


_QUERIES: dict[str, tuple[str, ...]] = {
    "find_lead_ids": ("leads_by_id",),
    "find_findings": ("lead_findings_by_id",),
    "find_claims": ("events_by_settlement", "events_by_visit"),
    "find_patients": ("events_pkey",),
    "find_institutions": ("institution_words_", "institutions_pkey", "leads_by_institution"),
    "find_practitioner_findings": ("findings_by_days",),
    "find_areas": ("events_pkey",),
}


class _Explaining:
    """A connection that tells how a query would be answered instead of answering it."""

    def __init__(self, connection: asyncpg.Connection):
        self.connection = connection
        self.plan = ""

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await self.connection.fetch(f"explain {query}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return []


async def test_every_kind_is_answered_from_an_index(connection: asyncpg.Connection, spelled: None) -> None:
    """Of many rows, as the planner knows them."""
    await connection.execute(
        """
        insert into leads (area, lead_id, institution, topic, service_year, version, findings, people, in_question,
            in_fund, severity)
        select '420281', md5(n::text), 'H' || n % 999, 'limits', 2026, 1, 1, 1, 1, 1, 2
        from generate_series(1, 20000) n;
        insert into lead_findings
            (area, finding_id, lead_id, rule_id, version, is_open, person, last_day, severity, body)
        select '420281', md5('f' || n), md5(n::text), 'FW10000001', 1, true, 'p' || n, '2026-01-01', 2,
            '{"finding": {"institution": "H", "guilty": [], "involved": []}}'
        from generate_series(1, 20000) n;
        insert into findings
            (area, finding_id, person, rule_id, institution, version, is_open, first_day, last_day, body)
        select '420281', md5('f' || n), 'p' || n, 'FW10000001', 'H', 1, true, '2026-01-01', '2026-01-01', ''
        from generate_series(1, 20000) n;
        insert into events (area, patient, seq, event_id, kind, claim_id, encounter_id, institution, first_day,
            last_day, money, source, digest)
        select '420281', 'p' || n % 5000, 1000 + n, 'e' || n, 'claim', 'c' || n, 'v' || n, 'H' || n % 999, '2026-01-01',
            '2026-01-01', 0, 'sim', ''
        from generate_series(1, 20000) n;
        insert into institutions (institution, name) select 'H' || n, '模拟卫生室' || n from generate_series(1, 3000) n
        """
    )
    await spell_institutions(connection)
    await connection.execute("analyze")
    for sight in (NOW, Sight(NOW.today, frozenset({AREA}), frozenset({COUNTY}))):
        calls: dict[str, tuple[object, ...]] = {
            "find_lead_ids": ("abcdef", sight, 21),
            "find_findings": ("abcdef", sight, 21),
            "find_claims": ("c77", sight, 21),
            "find_patients": ([AREA], "p77", sight),
            "find_institutions": ("mnws", "mnws", sight, 21),
            "find_practitioner_findings": ([AREA], "D-77", sight, 21),
            "find_areas": (sight,),
        }
        assert calls.keys() == _QUERIES.keys()
        for name, arguments in calls.items():
            explaining = _Explaining(connection)
            await getattr(search, name)(explaining, *arguments)
            for index in _QUERIES[name]:
                assert re.search(rf"Index .*{index}", explaining.plan), (name, explaining.plan)
            large = re.findall(r"Seq Scan on (?:leads|lead_findings|findings|events|institution\w*)\b", explaining.plan)
            assert large == [], (name, explaining.plan)
