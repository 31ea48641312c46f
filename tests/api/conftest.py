"""What the tests of the console share: rules loaded once, a county in a database of its own, signed-in clients."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.access.sessions import ensure_first_user
from api.app import create_app
from knowledge_base.catalogues.files import load_facts
from knowledge_base.findings import FindingVersion
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.buses.postgres import PostgresBus
from tests.api.story import TODAY, VAULT, save_county


@pytest.fixture(scope="session")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to an empty store."""
    opened = await asyncpg.connect(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def versions(postgres_url: str, rule_set: RuleSet) -> list[FindingVersion]:
    """The finding versions of the county, which is then stored."""
    return await save_county(postgres_url, rule_set)


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=4) as opened:
        yield opened


@pytest.fixture
def app(pool: asyncpg.Pool, rule_set: RuleSet) -> FastAPI:
    return create_app(pool, rule_set, PostgresBus(pool), VAULT, TODAY.toordinal)


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that has not signed in."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
        yield client


@pytest.fixture
async def password(connection: asyncpg.Connection) -> str:
    """The password of the first log-in."""
    created = await ensure_first_user(connection)
    assert created is not None
    return created[1]


@pytest.fixture
async def client(visitor: httpx.AsyncClient, password: str) -> httpx.AsyncClient:
    """A client that has signed in; what it sends carries the session's token."""
    answer = await visitor.post("/sign-in", data={"login": "inspector", "password": password})
    assert answer.status_code == 303
    visitor.headers["X-CSRF-Token"] = (await visitor.get("/api/session")).json()["csrf"]
    return visitor
