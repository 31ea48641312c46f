"""Visits: when somebody was here last before this one, however they left. Instants are set, never waited for."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from streams.store.people.visits import VISIT_ENDS, begin_visit, note_use

LONG_AGO, LATER = datetime(2026, 4, 10, 8, 40, tzinfo=UTC), datetime(2026, 4, 12, 1, tzinfo=UTC)
LOGIN = "inspector"


async def _visit(connection: asyncpg.Connection) -> tuple[datetime, datetime | None]:
    row = await connection.fetchrow("select used_at, before_at from visits where login = $1", LOGIN)
    assert row is not None
    return row["used_at"], row["before_at"]


async def _set(connection: asyncpg.Connection, used_at: datetime, before_at: datetime | None) -> None:
    await connection.execute(
        "update visits set used_at = $2, before_at = $3 where login = $1", LOGIN, used_at, before_at
    )


async def test_whoever_was_never_here_has_no_visit_before(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    assert (await _visit(connection))[1] is None
    assert await note_use(connection, LOGIN) is None


async def test_a_visit_goes_on_until_nothing_was_asked_for_some_hours(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    now: datetime = await connection.fetchval("select now()")
    for idle, before in ((VISIT_ENDS - timedelta(hours=1), LONG_AGO), (VISIT_ENDS + timedelta(hours=1), None)):
        await _set(connection, now - idle, LONG_AGO)
        assert (await client.get("/")).status_code == 200
        used_at, before_at = await _visit(connection)
        assert before_at == (before or now - idle)
        assert used_at >= now


async def test_what_was_just_noted_is_not_written_again(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("update visits set used_at = now() - interval '30 seconds'")
    noted = await _visit(connection)
    await client.get("/")
    assert await _visit(connection) == noted


async def test_signing_in_again_begins_another_visit(
    app: FastAPI, client: httpx.AsyncClient, connection: asyncpg.Connection, password: str
) -> None:
    words = {"login": LOGIN, "password": password}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as elsewhere:
        await _set(connection, LATER, LONG_AGO)
        await elsewhere.post("/sign-in", data=words)
        assert await _visit(connection) == (LATER, LONG_AGO), "they are at the desk elsewhere"
        csrf = client.headers["X-CSRF-Token"]
        await client.post("/sign-out", data={"csrf": csrf})
        await _set(connection, LATER, LONG_AGO)
        await client.post("/sign-in", data=words)
        assert await _visit(connection) == (LATER, LONG_AGO), "one place is left where they are"
        await connection.execute("update sessions set expires_at = now()")
        await client.post("/sign-in", data=words)
    used_at, before_at = await _visit(connection)
    assert (before_at, used_at > LATER) == (LATER, True)


async def test_requests_at_once_begin_one_visit(
    client: httpx.AsyncClient, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    await _set(connection, LATER, LONG_AGO)

    async def note() -> datetime | None:
        async with pool.acquire() as own:
            return await note_use(own, LOGIN)

    assert await asyncio.gather(*(note() for _ in range(8))) == [LATER] * 8


async def test_a_visit_of_somebody_who_never_was_here_begins_with_its_first_request(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("delete from visits")
    await begin_visit(connection, LOGIN)
    assert await connection.fetchval("select count(*) from visits") == 0
    await client.get("/")
    assert (await _visit(connection))[1] is None


@pytest.mark.parametrize("path", ["/", "/api/leads"])
async def test_asking_for_what_is_new_without_a_visit_before_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, params={"new": "true"})
    assert answer.status_code == 422
    assert "new: 在这之前没有访问过" in answer.text.replace("query.new", "new")
