"""Leads that are put off: out of the open queue until a day is over, then in it again."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.snooze import LONGEST, DayRefused, snooze
from streams.store.casework import queue
from streams.store.casework.queue import LeadFilter
from tests.api.story import COUNTY, TODAY, next_version
from tests.streams.leads import apply_findings

DAY = TODAY.toordinal()
UNTIL = DAY + 10


@pytest.fixture
async def lead_id(client: httpx.AsyncClient, versions: list[FindingVersion]) -> str:
    found = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays"})
    name: str = found.json()["leads"][0]["lead_id"]
    return name


async def _states(connection: asyncpg.Connection, lead_id: str, day: int) -> tuple[str, bool, bool, int]:
    """The lead's state on a day, whether it is in the open queue and among those put off, and how many those are."""
    sight = Sight(day)
    lead = await queue.find_lead(connection, lead_id, sight)
    assert lead is not None
    listed = [
        lead_id in {found.lead_id for found in await queue.find_leads(connection, LeadFilter(states=(state,)), sight)}
        for state in ("open", "snoozed")
    ]
    counts = await queue.find_counts(connection, LeadFilter(), sight)
    return lead.state, listed[0], listed[1], counts["inspection"].get("snoozed", 0)


async def test_a_lead_is_put_off_until_a_day_is_over(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    version = await connection.fetchval("select version from leads where lead_id = $1", lead_id)
    words = {"csrf": client.headers["X-CSRF-Token"], "until": (TODAY + timedelta(days=10)).isoformat()}
    assert (await client.post(f"/leads/{lead_id}/snooze", data=words)).status_code == 303
    assert "已推迟 到 2026-04-30" in (await client.get(f"/leads/{lead_id}")).text
    assert await _states(connection, lead_id, DAY) == ("snoozed", False, True, 1)
    assert await _states(connection, lead_id, UNTIL) == ("snoozed", False, True, 1)
    assert await _states(connection, lead_id, UNTIL + 1) == ("open", True, False, 0)
    assert await connection.fetchval("select version from leads where lead_id = $1", lead_id) == version
    woken = await client.post(f"/leads/{lead_id}/snooze", data={"csrf": words["csrf"]})
    assert woken.status_code == 303
    assert await _states(connection, lead_id, DAY) == ("open", True, False, 0)
    acts = [row["act"] for row in await connection.fetch("select act from audit_log order by seq")]
    assert [act for act in acts if act in ("snoozed", "woke")] == ["snoozed", "woke"]


async def test_findings_that_come_meanwhile_wake_nobody(
    connection: asyncpg.Connection, lead_id: str, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    await snooze(connection, lead_id, UNTIL, "inspector", Sight(DAY))
    async with connection.transaction():
        await apply_findings(connection, [next_version(versions[0])], rule_set)
    assert (await _states(connection, lead_id, DAY))[0] == "snoozed"


@pytest.mark.parametrize("day", [DAY - 1, DAY + LONGEST + 1])
async def test_days_that_are_over_or_far_are_refused(connection: asyncpg.Connection, lead_id: str, day: int) -> None:
    with pytest.raises(DayRefused):
        await snooze(connection, lead_id, day, "inspector", Sight(DAY))
    assert await connection.fetchval("select count(*) from leads where snoozed_until is not null") == 0
