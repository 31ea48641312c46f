"""Comments on leads: who reads them, who takes one back, and what is kept of it."""

import asyncpg
import httpx
import pytest

from casework.accounts import Account
from casework.rights import Right, Role, rights_of
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.acts.comment import NotYours, take_back, write
from streams.store.casework.decisions import LeadUnknown
from streams.store.people import audit, users
from tests.api.story import COUNTY, TODAY

SIGHT = Sight(TODAY.toordinal())


@pytest.fixture
async def lead_id(client: httpx.AsyncClient, versions: list[FindingVersion]) -> str:
    found = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays"})
    name: str = found.json()["leads"][0]["lead_id"]
    return name


async def _post(client: httpx.AsyncClient, path: str, **words: str) -> str:
    """The page to which a form leads."""
    csrf = client.headers["X-CSRF-Token"]
    answer = await client.post(path, data={"csrf": csrf, **words})
    assert answer.status_code == 303
    return (await client.get(answer.headers["location"])).text


async def test_a_comment_is_read_by_colleagues_and_taken_back_by_whoever_wrote_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    page = f"/leads/{lead_id}"
    assert "还没有人写" in (await client.get(page)).text
    assert "周五去现场看床位" in await _post(client, f"{page}/comments", words="  周五去现场看床位 ")
    number = await connection.fetchval("select comment_id from comments")
    with pytest.raises(NotYours):
        await take_back(connection, lead_id, number, "somebody.else", SIGHT)
    taken = await _post(client, f"{page}/comments/{number}/back")
    assert "周五去现场看床位" not in taken
    assert "撤回" in taken
    assert "没有撤回" in await _post(client, f"{page}/comments/{number}/back")
    assert await connection.fetchval("select words from comments") == "周五去现场看床位", "the store keeps it"
    acts = await connection.fetch("select act, about::text from audit_log where act like '%comment%' order by seq")
    assert [row["act"] for row in acts] == ["commented", "took_comment_back"]
    assert not any("床位" in row["about"] for row in acts)
    await audit.verify(connection)


async def test_a_comment_that_says_nothing_is_not_kept(client: httpx.AsyncClient, lead_id: str) -> None:
    assert "请用文字写明理由" in await _post(client, f"/leads/{lead_id}/comments", words=" \u200b")


async def test_hospitals_do_not_read_what_the_fund_writes(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    await write(connection, lead_id, "先不告诉医院", "inspector", SIGHT)
    for role in Role:
        await users.change_account(connection, Account("inspector", "", frozenset({role}), None, frozenset({COUNTY})))
        answer = await client.get(f"/leads/{lead_id}")
        may = rights_of([role])
        assert answer.status_code == (200 if Right.SEE in may else 403), role
        assert ("先不告诉医院" in answer.text) == (Right.SEE_COMMENTS in may), role
    assert Right.SEE_COMMENTS not in rights_of([Role.HOSPITAL_OFFICE])


async def test_a_lead_out_of_sight_takes_no_comment(connection: asyncpg.Connection, lead_id: str) -> None:
    with pytest.raises(LeadUnknown):
        await write(connection, lead_id, "词", "inspector", Sight(TODAY.toordinal(), frozenset({"420381"})))
    assert await connection.fetchval("select count(*) from comments") == 0
