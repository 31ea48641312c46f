"""Tokens of machines: what they open, and that they open nothing else."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.access.bearers import new_token, token_hash
from casework.rights import Right
from casework.tokens import SCOPES, Token
from knowledge_base.findings import FindingVersion
from streams.store.people import tokens
from tests.api.test_access import RIGHTS, _call

LATER = datetime(2099, 1, 1, tzinfo=UTC)


async def _given(connection: asyncpg.Connection, name: str = "machine", *rights: Right, **words: object) -> str:
    secret = new_token()
    token = Token(name, frozenset(rights or (Right.SEE,)), **({"ends_at": LATER, "created_by": "x"} | words))
    assert await tokens.save_token(connection, token, token_hash(secret))
    return secret


def _bearing(visitor: httpx.AsyncClient, secret: str) -> httpx.AsyncClient:
    visitor.headers["Authorization"] = f"Bearer {secret}"
    return visitor


async def test_a_token_reads_the_interface_and_its_use_is_noted(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    client = _bearing(visitor, await _given(connection))
    leads = (await client.get("/api/leads")).json()["leads"]
    assert leads
    assert (await client.get(f"/api/leads/{leads[0]['lead_id']}")).status_code == 200
    (token,) = await tokens.find_tokens(connection)
    assert token.used_at is not None
    assert datetime.now(UTC) - token.used_at < timedelta(hours=1)


@pytest.mark.parametrize("right", SCOPES)
async def test_a_token_opens_what_it_was_given_for_alone(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection, right: Right
) -> None:
    client = _bearing(visitor, await _given(connection, "machine", right))
    answers = {name: (await _call(client, name)).status_code for name in RIGHTS}
    for (method, path), status in answers.items():
        if not path.startswith("/api/"):
            assert status == 303, f"a page is for people: {method} {path}"
        else:
            assert (status == 403) is (RIGHTS[method, path] not in {right, Right.ENTER}), (method, path, status)


async def test_what_the_description_says_of_each_route_is_what_it_takes(
    client: httpx.AsyncClient, app: FastAPI, connection: asyncpg.Connection
) -> None:
    """Each route is called with each of the ways alone, and with each left out."""
    described = (await client.get("/openapi.json")).json()
    schemes = described["components"]["securitySchemes"]
    assert schemes["session"]["name"] in client.cookies
    sent = {
        "session": {"Cookie": f"{schemes['session']['name']}={client.cookies[schemes['session']['name']]}"},
        "csrf": {schemes["csrf"]["name"]: client.headers["X-CSRF-Token"]},
        "token": {"Authorization": f"{schemes['token']['scheme']} {await _given(connection, 'machine', *SCOPES)}"},
    }
    assert sent.keys() == schemes.keys()
    ways = [{"session"}, {"csrf"}, {"token"}, {"session", "csrf"}, {"token", "csrf"}, set[str]()]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as stranger:
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                taken = [set(of) for of in operation["security"]] if "security" in operation else [set[str]()]
                for way in ways:
                    headers = {name: value for part in sorted(way) for name, value in sent[part].items()}
                    status = (await _call(stranger, (method.upper(), path), headers=headers)).status_code
                    is_taken = any(of <= way for of in taken)
                    assert (status not in (401, 403)) is is_taken, (method, path, way, status)


async def test_one_that_ended_was_revoked_or_never_given_opens_nothing(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    ended = await _given(connection, "ended", ends_at=datetime(2020, 1, 1, tzinfo=UTC))
    revoked = await _given(connection, "revoked")
    assert (await _bearing(visitor, revoked).get("/api/leads")).status_code == 200
    assert await tokens.revoke_token(connection, "revoked")
    for secret in (ended, revoked, new_token(), revoked[:-1]):
        assert (await _bearing(visitor, secret).get("/api/leads")).status_code == 401


async def test_the_store_has_the_hash_alone(connection: asyncpg.Connection) -> None:
    secret = await _given(connection)
    row = await connection.fetchrow("select * from tokens")
    assert row is not None
    assert secret not in str(dict(row))
    assert row["token_hash"] == token_hash(secret)
    assert not await tokens.save_token(
        connection, Token("machine", frozenset({Right.SEE}), LATER, "x"), token_hash("another")
    ), "a name is not given again"
