"""The page of a lead: one state of the store throughout, its pages, and what became of what was decided on."""

from collections.abc import Sequence

import asyncpg
import httpx
import msgspec
import pytest

from api import lead_view
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rules import RuleSet
from streams.store import cases
from streams.store.leads import apply_findings
from tests.api.story import AREA, COUNTY, TOWN, next_version


@pytest.fixture
def stays(versions: list[FindingVersion]) -> list[FindingVersion]:
    """The findings of one lead, which are stored."""
    return [version for version in versions if version.finding.rule_id == "FW10000001"]


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
    find_lead = cases.find_lead

    async def find_and_withdraw(reading: asyncpg.Connection, lead_id: str, today: int) -> cases.Lead | None:
        lead = await find_lead(reading, lead_id, today)
        await _apply(connection, [next_version(version, Change.WITHDRAWN) for version in stays], rule_set)
        return lead

    lead_id = await _lead_id(connection)
    monkeypatch.setattr(cases, "find_lead", find_and_withdraw)
    told = (await client.get(f"/api/leads/{lead_id}")).json()
    assert (told["lead"]["findings"], len(told["findings"])) == (34, lead_view.PAGE)
    monkeypatch.undo()
    assert (await client.get(f"/api/leads/{lead_id}")).json()["findings"] == []


async def test_withdrawal_between_findings_and_their_rules_leaves_the_page_whole(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    stays: list[FindingVersion],
    rule_set: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_lead_findings = cases.find_lead_findings

    async def find_and_withdraw(*arguments: object) -> list[FindingVersion]:
        found = await find_lead_findings(*arguments)  # type: ignore[arg-type]
        await _apply(connection, [next_version(version, Change.WITHDRAWN) for version in stays], rule_set)
        return found

    lead_id = await _lead_id(connection)
    monkeypatch.setattr(cases, "find_lead_findings", find_and_withdraw)
    page = await client.get(f"/leads/{lead_id}")
    assert page.status_code == 200
    assert "34 条疑点" in page.text


async def test_page_counts_by_the_size_of_its_pages(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    stays: list[FindingVersion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lead_view, "PAGE", 7)
    page = await client.get(f"/leads/{await _lead_id(connection)}", params={"page": 2, "lang": "en"})
    assert 'start="8"' in page.text
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
