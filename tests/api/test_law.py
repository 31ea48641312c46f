"""The law of findings: what holds on their day, said once, over every finding of a simulated county and on the page."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.county import CountyPlan, simulate
from knowledge_base.cards import Basis
from knowledge_base.events.claims import Claim
from knowledge_base.findings import FindingVersion
from rules_lib.law import law_of
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish_first
from tests.api.story import judged, version_of
from tests.streams.leads import apply_findings

PLAN = CountyPlan(scale=1 / 400)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
COVER = re.compile(r'<dd class="cover">.*?</dd>', re.DOTALL)
"""How much of a catalogue is held, and since when at the earliest: that is about no finding."""
LAW = re.compile(r"<h3>依据与知识点</h3>\s*<ul>(.*?)</ul>", re.DOTALL)


@pytest.fixture(scope="module")
def stored_county(new_database: Callable[[], str], rule_set: RuleSet) -> str:
    """The address of a store with the leads of a simulated county."""
    claims = [event for event in simulate(PLAN) if isinstance(event, Claim)]
    found = [finding for judgement in judged(claims, rule_set).values() for finding in judgement.findings]
    url = new_database()
    asyncio.run(_save(url, [version_of(finding, rule_set=rule_set.hash) for finding in found], rule_set))
    return url


async def _save(url: str, versions: list[FindingVersion], rule_set: RuleSet) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await publish_first(connection, rule_set)
            await apply_findings(connection, versions, rule_set)
    finally:
        await connection.close()


@pytest.fixture
def postgres_url(
    stored_county: str, copied_database: Callable[[str], str], drop_database: Callable[[str], None]
) -> Iterator[str]:
    url = copied_database(stored_county)
    yield url
    drop_database(url)


async def _leads(client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    after = ""
    while after is not None:
        told = (await client.get("/api/leads", params={"state": "all", "after": after})).json()
        for lead in told["leads"]:
            yield lead
        after = told["next"]


async def _findings(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every finding of every lead, page by page."""
    found = []
    async for lead in _leads(client):
        page = pages = 1
        while page <= pages:
            told = (await client.get(f"/api/leads/{lead['lead_id']}", params={"page": page})).json()
            found += told["findings"]
            page, pages = page + 1, told["pages"]
    return found


def _contradictions(finding: dict[str, Any]) -> list[str]:
    """What of a finding's law does not agree with its day or with itself, read from its JSON alone."""
    law, since = finding["law"], {}
    faults = [] if law else ["no law"]
    for entry in law:
        held_on = finding["last_day"] if entry["points"] else finding["day"]
        if entry["since"] > held_on:
            faults.append(f"{entry['text']} holds from {entry['since']}, after the finding")
        if since.setdefault(entry["text"], entry["since"]) != entry["since"]:
            faults.append(f"{entry['text']} holds from two days")
        if not entry["points"] and "知识点" in entry["text"]:
            faults.append(f"{entry['text']} is dated beside its points")
        if any(point.rpartition("/")[2] != entry["since"] for point in entry["points"]):
            faults.append(f"a point of {entry['text']} holds from another day")
        if set(DAY.findall(entry["text"] + (entry["note"] or ""))) - {entry["since"]}:
            faults.append(f"{entry['text']} names another day")
    return faults


async def test_no_two_dates_of_a_countys_findings_contradict_one_another(client: httpx.AsyncClient) -> None:
    findings = await _findings(client)
    assert len(findings) > 200
    assert {finding["rule_id"] for finding in findings if any(entry["points"] for entry in finding["law"])} >= {
        "FW10000001", "FW10000002", "FW10000003", "GZ10000102014000"
    }  # fmt: skip
    since = {entry["since"] for finding in findings for entry in finding["law"] if entry["points"]}
    assert {"2025-12-31", "2026-01-28"} <= since, "points of two days are among them"
    assert [fault for finding in findings for fault in _contradictions(finding)] == []


async def test_page_says_each_day_of_the_law_once_and_as_the_interface_does(client: httpx.AsyncClient) -> None:
    seen = 0
    async for lead in _leads(client):
        told = (await client.get(f"/api/leads/{lead['lead_id']}")).json()["findings"][0]
        page = (await client.get(f"/leads/{lead['lead_id']}", params={"finding": told["finding_id"]})).text
        (law,) = LAW.findall(page)
        assert DAY.findall(law) == [
            day for entry in told["law"] for day in (*DAY.findall(entry["text"]), entry["since"])
        ]
        answer = page.partition('<div class="answers">')[2].partition('<div class="split">')[0]
        answer = COVER.sub("", answer)
        assert [entry["since"] for entry in told["law"] if entry["since"] in answer] == []
        seen += 1
    assert seen > 5


def test_a_basis_that_begins_after_the_day_of_a_finding_is_not_its_law(
    versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    finding = next(version.finding for version in versions if version.finding.maker_id == "FW10000001")
    day = date.fromordinal(finding.last_day)
    later = date.fromordinal(finding.last_day + 1)
    told = (Basis(text="当日施行", since=day), Basis(text="次日施行", since=later), Basis(text="见知识点"))
    card = rule_set.cards["FW10000001"].model_copy(update={"basis": told})
    assert [(law.text, law.since) for law in law_of(finding, card, {})] == [("当日施行", day)]
