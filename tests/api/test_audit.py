"""The audit log as stored and shown: what is noted, that many add at once, and that the store refuses to alter it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from casework.audit import Act, Broken
from knowledge_base.findings import FindingVersion
from streams.store.people import audit
from tests.patience import PATIENCE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def _acts(connection: asyncpg.Connection, by: str = "inspector") -> list[tuple[str, dict[str, str]]]:
    found = await audit.find_done(connection, by, EPOCH, 2**31, 1000)
    return [(entry.act, dict(entry.about)) for entry in reversed(found)]


async def test_what_is_done_at_the_desk_is_noted(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    lead = (await client.get("/api/leads")).json()["leads"][0]
    page = f"/leads/{lead['lead_id']}"
    shown = (await client.get(page)).text
    csrf = client.headers["X-CSRF-Token"]
    words = {"csrf": csrf, "version": str(lead["version"]), "said": "confirmed.other", "reason": "与护理记录不符"}
    words["everything"] = "true"
    assert (await client.post(f"{page}/decisions", data=words)).status_code == 303
    await client.get("/", params={"area": "420281"})
    entries = await _acts(connection)
    assert [act for act, _ in entries] == [Act.SAW_EVIDENCE, Act.DECIDED]
    assert entries[0][1]["finding"] in shown
    told = {"lead": lead["lead_id"], "verdict": "confirmed", "decision": "", "findings": str(lead["findings"])}
    assert entries[1][1] | {"decision": ""} == told
    today = (await client.get("/account/today")).text
    assert "查看证据" in today
    assert f'href="{page}"' in today
    assert f'href="{page}?finding={entries[0][1]["finding"]}#evidence"' in today
    assert "确认" in today
    assert await audit.verify(connection) == (4, await audit.find_hash(connection, 4)), (
        "after the rules and the account"
    )


async def test_a_desk_with_one_connection_shows_and_notes(
    client: httpx.AsyncClient, app: FastAPI, postgres_url: str, versions: list[FindingVersion]
) -> None:
    """A request that held one connection and waited for another would wait for ever among enough of its like."""
    lead = (await client.get("/api/leads")).json()["leads"][0]["lead_id"]
    finding = (await client.get(f"/api/leads/{lead}")).json()["findings"][0]["finding_id"]
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=1) as pool:
        app.state.desk = replace(app.state.desk, pool=pool)
        of_lead = [f"/leads/{lead}", *(f"/leads/{lead}/{part}" for part in ("list", "list.xlsx", "answers"))]
        for path in (*of_lead, f"/api/leads/{lead}", f"/api/findings/{finding}", "/account", "/people", "/"):
            async with asyncio.timeout(PATIENCE):
                assert (await client.get(path)).status_code == 200, path


async def test_what_is_refused_is_not_noted(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    lead = (await client.get("/api/leads")).json()["leads"][0]
    body = {"version": lead["version"] + 7, "decision": "confirmed", "reason": "与护理记录不符"}
    assert (await client.post(f"/api/leads/{lead['lead_id']}/decisions", json=body)).status_code == 409
    assert await _acts(connection) == []


async def test_many_who_add_at_once_make_one_chain(postgres_url: str, pool: asyncpg.Pool) -> None:
    async def add(number: int) -> None:
        async with pool.acquire() as connection:
            for _ in range(25):
                async with connection.transaction():
                    await audit.note(connection, f"by {number}", Act.SAW_EVIDENCE, finding=str(number))

    await asyncio.gather(*map(add, range(8)))
    async with pool.acquire() as connection:
        assert (await audit.verify(connection))[0] == 200


async def test_what_is_taken_back_leaves_no_gap(connection: asyncpg.Connection) -> None:
    for is_kept in (True, False, True):
        transaction = connection.transaction()
        await transaction.start()
        await audit.note(connection, "x", Act.DECIDED, lead="x")
        await (transaction.commit() if is_kept else transaction.rollback())
    assert (await audit.verify(connection))[0] == 2


@pytest.mark.parametrize(
    "statement",
    ["update audit_log set by = 'another' where seq = 2", "delete from audit_log where seq = 2", "truncate audit_log"],
)
async def test_the_store_refuses_to_alter_it_and_whoever_forces_it_is_found_out(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(audit, "STEP", 2)
    for number in range(5):
        async with connection.transaction():
            await audit.note(connection, "x", Act.DECIDED, lead=str(number))
    head = await audit.verify(connection)
    with pytest.raises(asyncpg.RaiseError, match="only added to"):
        await connection.execute(statement)
    assert await audit.verify(connection) == head
    await connection.execute("alter table audit_log disable trigger all")
    await connection.execute(statement)
    if statement.startswith("truncate"):
        assert await audit.find_hash(connection, head[0]) is None, "which the noted head tells"
    else:
        with pytest.raises(Broken) as found:
            await audit.verify(connection)
        assert found.value.seq == 2
