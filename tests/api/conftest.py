"""What the tests of the console share: rules loaded once, a county in a database of its own, signed-in clients."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from api.access import passwords
from api.access.sessions import ensure_first_user
from api.app import create_app
from deploy.assets import AssetError
from knowledge_base.catalogues.files import load_facts
from knowledge_base.findings import FindingVersion
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.buses.postgres import PostgresBus
from tests.api.axe import load_axe
from tests.api.browser import Console, opened_browser, served_console
from tests.api.story import TODAY, VAULT, save_county
from tests.patience import PATIENCE


@pytest.fixture(scope="session")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="module", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords are hashed as cheaply as argon2 can; what a hash costs at the desk, the tests of commands pay."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", lambda: cheap)
        yield


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium; what is expected of its pages is waited for as long as it takes."""
    expect.set_options(timeout=1000 * PATIENCE)
    with opened_browser(chromium) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    try:
        return load_axe()
    except AssetError as error:
        pytest.skip(f"no axe-core: {error}")


@pytest.fixture(scope="module")
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    """A served console over a county of the module's own."""
    with served_console(new_database(), rule_set) as served:
        yield served


class County(NamedTuple):
    """A database that holds the county, to be copied, and the finding versions in it."""

    url: str
    versions: list[FindingVersion]


@pytest.fixture(scope="session")
def county(new_database: Callable[[], str], rule_set: RuleSet) -> County:
    url = new_database()
    return County(url, asyncio.run(save_county(url, rule_set)))


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest,
    new_database: Callable[[], str],
    copied_database: Callable[[str], str],
    drop_database: Callable[[str], None],
) -> Iterator[str]:
    """The address of a database of the test's own, with the county for a test that asks for its ``versions``."""
    if "versions" in request.fixturenames:
        url = copied_database(request.getfixturevalue("county").url)
    else:
        url = new_database()
    yield url
    drop_database(url)


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's store."""
    opened = await asyncpg.connect(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
def versions(county: County) -> list[FindingVersion]:
    """The finding versions of the county, which is then stored (``postgres_url``)."""
    return list(county.versions)


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
