"""The page of a lead: one state of the store throughout, its pages, and what became of what was decided on."""

import re
from collections.abc import Sequence

import asyncpg
import httpx
import msgspec
import pytest
from msgspec.structs import replace

from api.leads import view
from api.leads.choosing import PAGE
from casework.sight import Sight
from knowledge_base.cards import Words
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish, publish_first
from streams.store.casework import listing, queue
from tests.api.story import AREA, COUNTY, NAMES, TODAY, TOWN, county, judged, next_version, save_claims, version_of
from tests.streams.leads import apply_findings


@pytest.fixture
def stays(versions: list[FindingVersion]) -> list[FindingVersion]:
    """The findings of one lead, which are stored."""
    return [version for version in versions if version.finding.maker_id == "FW10000001"]


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _lead_id(connection: asyncpg.Connection) -> str:
    found: str = await connection.fetchval(
        "select lead_id from leads where area = $1 and institution = $2 and topic = 'stays'", AREA, COUNTY
    )
    return found


async def _decided(client: httpx.AsyncClient, connection: asyncpg.Connection) -> str:
    """The page of a lead that was confirmed as it is."""
    lead_id = await _lead_id(connection)
    body = {"version": 1, "decision": "confirmed", "reason": "与护理记录不符"}
    assert (await client.post(f"/api/leads/{lead_id}/decisions", json=body)).status_code == 201
    return f"/leads/{lead_id}"


def _continued(version: FindingVersion, heir: FindingVersion) -> FindingVersion:
    """The withdrawal of a finding that another one goes on with."""
    return msgspec.structs.replace(next_version(version, Change.WITHDRAWN), continued_by=heir.finding_id)


async def test_interface_tells_one_state_of_a_lead(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    stays: list[FindingVersion],
    rule_set: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_lead = queue.find_lead

    async def find_and_withdraw(reading: asyncpg.Connection, lead_id: str, sight: Sight) -> queue.Lead | None:
        lead = await find_lead(reading, lead_id, sight)
        await _apply(connection, [next_version(version, Change.WITHDRAWN) for version in stays], rule_set)
        return lead

    lead_id = await _lead_id(connection)
    monkeypatch.setattr(queue, "find_lead", find_and_withdraw)
    told = (await client.get(f"/api/leads/{lead_id}")).json()
    assert (told["lead"]["findings"], len(told["findings"])) == (34, PAGE)
    monkeypatch.undo()
    assert (await client.get(f"/api/leads/{lead_id}")).json()["findings"] == []


async def test_withdrawal_between_findings_and_their_rules_leaves_the_page_whole(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    stays: list[FindingVersion],
    rule_set: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_listed = listing.find_listed

    async def find_and_withdraw(*arguments: object) -> list[listing.Listed]:
        found = await find_listed(*arguments)  # type: ignore[arg-type]
        await _apply(connection, [next_version(version, Change.WITHDRAWN) for version in stays], rule_set)
        return found

    lead_id = await _lead_id(connection)
    monkeypatch.setattr(listing, "find_listed", find_and_withdraw)
    page = await client.get(f"/leads/{lead_id}")
    assert page.status_code == 200
    assert "34 条疑点" in page.text


async def test_page_counts_by_the_size_of_its_pages(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    stays: list[FindingVersion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view, "PAGE", 7)
    page = await client.get(f"/leads/{await _lead_id(connection)}", params={"page": 2, "lang": "en"})
    assert page.text.count("data-finding") == 7
    assert "Tick finding 8" in page.text
    assert "Page 2 of 5, 34 in all, 7 a page" in page.text


async def test_cited_findings_that_moved_to_other_leads_are_counted(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = await _decided(client, connection)
    assert "其他线索" not in (await client.get(page)).text
    last_year = stays[1].finding.last_day - 365
    moved = [next_version(stays[0], institution=TOWN), next_version(stays[1], last_day=last_year)]
    await _apply(connection, moved, rule_set)
    assert "决定后有 2 条疑点已转到其他线索" in (await client.get(page)).text


async def test_finding_that_continues_a_cited_one_is_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = await _decided(client, connection)
    heir = msgspec.structs.replace(stays[0], finding_id="f" * 32)
    await _apply(connection, [_continued(stays[0], heir)], rule_set)
    assert "由另一条疑点延续" not in (await client.get(page)).text
    await _apply(connection, [heir], rule_set)
    link = f'<a href="{page}?finding={heir.finding_id}#evidence">由另一条疑点延续</a>'
    assert (await client.get(page)).text.count(link) == 1
    withdrawn = (await client.get(page, params={"finding": stays[0].finding_id})).text
    assert "这条疑点已撤回。" in withdrawn
    assert withdrawn.count(link) == 2


async def test_finding_of_a_rule_in_trial_is_not_named_as_the_one_that_continues(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = await _decided(client, connection)
    heir = msgspec.structs.replace(stays[0], finding_id="f" * 32)
    await _apply(connection, [_continued(stays[0], heir), heir], rule_set)
    await connection.execute("update lead_findings set rule_id = 'in trial' where finding_id = $1", heir.finding_id)
    assert "由另一条疑点延续" not in (await client.get(page)).text


async def test_what_continues_a_finding_is_followed_to_its_end(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = await _decided(client, connection)
    first, second, last = (msgspec.structs.replace(stays[0], finding_id=letter * 32) for letter in "def")
    chain = [_continued(stays[0], first), _continued(first, second), _continued(second, last), last]
    await _apply(connection, chain, rule_set)
    text = (await client.get(page)).text
    assert f'finding={last.finding_id}#evidence">由另一条疑点延续' in text
    assert f'finding={first.finding_id}#evidence">由另一条疑点延续' not in text
    await _apply(connection, [_continued(last, second)], rule_set)
    assert "由另一条疑点延续" not in (await client.get(page)).text


@pytest.fixture
def seen_elsewhere(versions: list[FindingVersion]) -> FindingVersion:
    """The finding on a stay in the town that names a line of the county's hospital."""
    (version,) = [version for version in versions if version.finding.maker_id == "FW10000005"]
    assert version.finding.institution == TOWN
    assert {part[0] for part in version.finding.involved} == {COUNTY}
    return version


BESIDE = "另有 1 条其他机构的疑点涉及本机构明细"


async def test_a_lead_says_how_many_findings_of_other_institutions_name_its_lines(
    client: httpx.AsyncClient, connection: asyncpg.Connection, seen_elsewhere: FindingVersion
) -> None:
    lead_id = await _lead_id(connection)
    (other,) = await connection.fetch("select lead_id from leads where institution = $1 and topic = 'stays'", TOWN)
    text = (await client.get(f"/leads/{lead_id}")).text
    assert BESIDE in text
    link = f'<a href="/leads/{other["lead_id"]}?finding={seen_elsewhere.finding_id}#evidence">'
    assert f"{link}虚构镇卫生院 2026 年 · 住院与床位：1 条</a>" in text
    told = (await client.get(f"/api/leads/{lead_id}")).json()["beside"]
    assert (told["findings"], told["leads"]) == (1, 1)
    (first,) = told["first"]
    assert (first["lead_id"], first["institution"], first["findings"]) == (other["lead_id"], TOWN, 1)
    assert "其他机构的疑点" not in (await client.get(f"/leads/{other['lead_id']}")).text
    assert (await client.get(f"/api/leads/{other['lead_id']}")).json()["beside"]["first"] == []


async def test_findings_beside_are_those_that_may_be_shown_today(
    client: httpx.AsyncClient, connection: asyncpg.Connection, seen_elsewhere: FindingVersion, rule_set: RuleSet
) -> None:
    lead_id = await _lead_id(connection)
    lead = await queue.find_lead(connection, lead_id, Sight(TODAY.toordinal()))
    assert lead is not None
    page = f"/leads/{lead_id}"
    waiting = next_version(seen_elsewhere, excuse_until=TODAY.toordinal())
    await _apply(connection, [waiting], rule_set)
    assert BESIDE not in (await client.get(page)).text
    assert (await queue.find_beside(connection, lead, Sight(TODAY.toordinal() + 1))).findings == 1
    strangers = Sight(TODAY.toordinal() + 1, frozenset({"another area"}))
    assert (await queue.find_beside(connection, lead, strangers)).findings == 0
    shown = next_version(waiting, excuse_until=None)
    await _apply(connection, [shown], rule_set)
    assert BESIDE in (await client.get(page)).text
    await connection.execute("update makers set live = false where id = $1", shown.maker.id)
    assert BESIDE not in (await client.get(page)).text
    await _apply(connection, [next_version(shown, Change.WITHDRAWN)], rule_set)
    assert BESIDE not in (await client.get(page)).text


async def test_of_many_leads_with_findings_beside_five_are_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection, seen_elsewhere: FindingVersion, rule_set: RuleSet
) -> None:
    others = [
        msgspec.structs.replace(
            seen_elsewhere,
            finding_id=f"{number}" * 32,
            finding=msgspec.structs.replace(seen_elsewhere.finding, institution=f"H{number // 2}"),
        )
        for number in range(9)
    ]
    await _apply(connection, others, rule_set)
    text = (await client.get(f"/leads/{await _lead_id(connection)}")).text
    assert "另有 10 条其他机构的疑点涉及本机构明细" in text
    assert "未列出的线索：1 条" in text
    named = re.findall(r">(\w+) 2026 年 · 住院与床位：(\d) 条</a>", text)
    assert sorted(named[:4]) == [("H0", "2"), ("H1", "2"), ("H2", "2"), ("H3", "2")]
    assert named[4] in {("H4", "1"), (NAMES[TOWN], "1")}
    assert len(named) == queue.MOST_NEIGHBOURS


async def test_findings_beside_are_found_by_their_index(
    connection: asyncpg.Connection, seen_elsewhere: FindingVersion
) -> None:
    await connection.execute("set enable_seqscan = off")
    plan = await connection.fetch(
        "explain select from lead_findings f where f.is_open and institutions_beside(f.body) @> array[$1::text]", COUNTY
    )
    assert "lead_findings_beside" in "\n".join(row[0] for row in plan)


async def test_refused_decision_tells_how_many_findings_moved_away(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead_id = await _lead_id(connection)
    form = {"version": "1", "said": "dismissed.other", "reason": "写好的理由", "everything": "true"}
    form["csrf"] = client.headers["X-CSRF-Token"]
    moved = [next_version(version, institution=TOWN) for version in stays[:2]]
    await _apply(connection, moved, rule_set)
    refused = await client.post(f"/leads/{lead_id}/decisions", data=form, follow_redirects=True)
    assert refused.status_code == 200
    assert "疑点新增 0 条，修改 0 条，撤回 0 条，转到其他线索 2 条" in refused.text
    await _apply(connection, [next_version(moved[0], institution=COUNTY)], rule_set)
    again = await client.post(f"/leads/{lead_id}/decisions", data=form, follow_redirects=True)
    assert "修改 1 条，撤回 0 条，转到其他线索 1 条" in again.text


async def test_rule_of_the_selected_finding_is_open(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = f"/leads/{await _lead_id(connection)}"
    (other_rule, *_) = [rule.id for rule in rule_set.rules if rule.topic == "stays" and rule.id != "FW10000001"]
    changed = msgspec.structs.replace(
        next_version(stays[5]),
        maker=msgspec.structs.replace(stays[5].maker, id=other_rule),
        finding=msgspec.structs.replace(stays[5].finding, maker_id=other_rule),
    )
    await _apply(connection, [changed], rule_set)
    for version in (stays[0], changed):
        text = (await client.get(page, params={"finding": version.finding_id})).text
        (opened,) = re.findall(r"<details open>\s*<summary>.*?</summary>", text, re.DOTALL)
        assert version.finding.maker_id in opened


async def test_rules_put_in_force_are_shown_and_outstanding_until_judged_again(
    client: httpx.AsyncClient, connection: asyncpg.Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = f"/leads/{await _lead_id(connection)}"
    assert "全部疑点都符合现行规则集" in (await client.get(page)).text
    changes = {"title": Words(zh="换过的题目", en="another title"), "file_hash": "another"}
    rules = tuple(rule.model_copy(update=changes) if rule.id == "FW10000001" else rule for rule in rule_set.rules)
    await publish(connection, RuleSet(rules, rule_set.facts, rule_set.topics), "somebody")
    changed = (await client.get(page)).text
    assert "换过的题目" in changed
    assert "1 条规则的疑点还没有全部按现行规则复核" in changed
    await connection.execute("delete from outstanding")
    assert "全部疑点都符合现行规则集" in (await client.get(page)).text


async def test_signs_that_nobody_sees_are_spelled_out_in_identifiers(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    """In the queue, on the lead with claims, timeline and findings, and in its JSON sentence."""
    (claim,) = [entry for entry in county() if entry.encounter_id == "S2"]
    lines = [replace(entry, line_id=f"\u200b{entry.line_id}", item_name="床\u200b位") for entry in claim.lines]
    odd = replace(claim, institution="H\u200b9", encounter_id="V\u202e1", patient="p\u200b1", lines=tuple(lines))
    async with connection.transaction():
        await publish_first(connection, rule_set)
        await save_claims(connection, [odd])
        found = [version_of(finding) for of in judged([odd], rule_set).values() for finding in of.findings]
        await apply_findings(connection, found, rule_set)
    assert {version.finding.maker_id for version in found} == {"FW10000001", "GZ10000201002000"}
    queue_page = (await client.get("/")).text
    assert r"H\u200b9" in queue_page
    for version in found:
        lead = await connection.fetchval("select lead_id from leads where topic = $1", version.topic)
        page = (await client.get(f"/leads/{lead}")).text
        assert r"H\u200b9" in page
        assert r"p\u200b1" in page
        assert "\u200b" not in page
        assert "\u202e" not in page
        if version.finding.maker_id == "GZ10000201002000":
            assert r"人员编号、就诊号 V\u202e1、机构编码 H\u200b9" in page
        else:
            assert r"床\u200b位" in page
        sentence = (await client.get(f"/api/findings/{version.finding_id}")).json()["sentence"]
        assert "\u200b" not in sentence


@pytest.mark.usefixtures("versions")
async def test_the_page_says_how_much_of_the_published_knowledge_a_rule_knows(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    lead_id: str = await connection.fetchval(
        "select lead_id from leads where area = $1 and topic = 'limits' limit 1", AREA
    )
    page = (await client.get(f"/leads/{lead_id}")).text
    assert "知识点的覆盖" in page
    assert re.search("公布 (67|14) 条，已有 (67|14) 条，其中最早的自 (2025-12-31|2016-03-09) 起有效", page)
