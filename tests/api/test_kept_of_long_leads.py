"""What is kept of a long lead is what would be worked out anew, whatever happens to the lead between two looks."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.frame.desk import Shown
from api.frame.texts import load_texts
from api.frame.worked_out import MOST, WorkedOut
from api.leads import long
from api.leads.choosing import Asked
from api.leads.view import load_lead_view
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from streams.jobs.summing import sum_all_marked
from streams.store.casework import listing
from tests.api.lists import lead_of
from tests.api.story import AREA, COUNTY, TODAY, next_version
from tests.streams.leads import apply_findings


@pytest.fixture(autouse=True)
def _every_lead_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "LONG", 1)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The leads whose groups were worked out."""
    asked: list[str] = []
    find_groups = listing.find_groups

    async def counted(connection: asyncpg.Connection, area: str, lead_id: str, *more: Any) -> object:
        asked.append(lead_id)
        return await find_groups(connection, area, lead_id, *more)

    monkeypatch.setattr(listing, "find_groups", counted)
    return asked


async def _worked_out(connection: asyncpg.Connection, shown: Shown, lead_id: str, **asked: Any) -> tuple[object, ...]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        view = await load_lead_view(connection, shown, lead_id, Asked(**asked), load_texts("zh"))
    assert view is not None
    return view.listed.groups, view.decided.sums, [(share.card.id, share.findings) for share in view.makers]


async def _agree(app: FastAPI, connection: asyncpg.Connection, lead_id: str, day: int) -> None:
    """For somebody who looked before, and for whom nothing is kept."""
    shown = await app.state.desk.find_shown(connection, Sight(day))
    for asked in ({}, {"fold": "patient"}, {"show": "all"}, {"show": "decided"}, {"least": "900"}):
        kept = await _worked_out(connection, shown, lead_id, **asked)
        assert kept == await _worked_out(connection, replace(shown, worked_out=WorkedOut()), lead_id, **asked), asked


async def test_whatever_happens_to_a_lead_is_seen(
    app: FastAPI,
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    pool: asyncpg.Pool,
    versions: list[FindingVersion],
    rule_set: RuleSet,
) -> None:
    lead_id, day = await lead_of(client), TODAY.toordinal()
    elsewhere = await lead_of(client, topic="limits")
    first, second, third, *_ = [v for v in versions if v.topic == "stays" and v.finding.institution == COUNTY]
    address = f"/api/leads/{lead_id}/decisions"
    await _agree(app, connection, lead_id, day)

    seen = (await client.get(f"/api/leads/{lead_id}")).json()["lead"]["version"]
    body = {"version": seen, "decision": "confirmed", "ground": "records", "findings": [first.finding_id]}
    number = (await client.post(address, json=body)).json()["decision_id"]
    await _agree(app, connection, lead_id, day)
    assert (await client.post(f"{address}/{number}/undo", json={"reason": "看错了"})).status_code == 201
    await _agree(app, connection, lead_id, day)

    async with connection.transaction():
        await apply_findings(connection, [next_version(second, Change.WITHDRAWN)], rule_set)
    await _agree(app, connection, lead_id, day)

    # A decision on another lead that also concerns a finding of this one: it is marked, and summed later.
    cites = json.dumps([{"finding_id": third.finding_id, "version": 1}])
    await connection.execute(
        """
        insert into decisions (area, lead_id, lead_version, decision, reason, decided_by, cites, scope)
        values ($1, $2, 1, 'dismissed', 'why', 'inspector', $3::jsonb, 'findings')
        """,
        AREA,
        elsewhere,
        cites,
    )
    await _agree(app, connection, lead_id, day)
    assert await sum_all_marked(pool, RuleSets(rule_set)) > 0
    await _agree(app, connection, lead_id, day)

    await connection.execute(
        "update lead_findings set excuse_until = $1 where finding_id = $2", TODAY + timedelta(days=1), first.finding_id
    )
    await connection.execute("update leads set version = version + 1 where lead_id = $1", lead_id)
    for later in (0, 1, 2, 1):
        await _agree(app, connection, lead_id, day + later)


async def test_who_looks_again_or_after_others_waits_for_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], asked_for: list[str]
) -> None:
    lead_id = await lead_of(client)
    for _ in range(3):
        assert (await client.get(f"/leads/{lead_id}")).status_code == 200
    assert asked_for == [lead_id]
    await connection.execute("update leads set assignee = 'wang.li' where lead_id = $1", lead_id)
    assert (await client.get(f"/leads/{lead_id}")).status_code == 200
    assert len(asked_for) == 2, "a row that is another one is looked at again, whatever changed in it"
    await connection.execute("insert into leads_to_sum (area, lead_id) values ($1, $2)", AREA, lead_id)
    for _ in range(2):
        assert (await client.get(f"/leads/{lead_id}")).status_code == 200
    assert len(asked_for) == 4, "nothing is kept while it is to be summed"


async def test_what_nobody_asked_for_the_longest_goes_first() -> None:
    worked_out, done = WorkedOut(), list[int]()

    async def work(number: int) -> int:
        done.append(number)
        return number

    for number in (*range(MOST), 0, MOST, 0, 1, MOST):
        assert await worked_out.get(number, lambda number=number: work(number)) == number  # type: ignore[misc]
    assert done == [*range(MOST), MOST, 1]
