"""What a batch reads of a store is its own people's, in a new store too, of which the planner knows nothing yet."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import EmbeddedPostgres
from knowledge_base.digests.head import Links
from knowledge_base.subjects import patient
from rules_lib.scope import ALL_DAYS
from streams.store.events.histories import find_events, read_person
from streams.store.events.stored import load_received
from streams.store.judgements.findings import find_findings, find_not_evaluated
from streams.store.judgements.published import find_next_patients, know_events
from streams.store.sessions import Connection, connect

from .replay import replay

PEOPLE = 4
Read = Callable[[Connection, str, list[str]], Awaitable[object]]


@pytest.fixture(scope="module")
def county(new_database: Callable[[], str], postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database with a judged county, which PostgreSQL never gets to analyse.

    Of tables as small as these it would know that reading them whole is as good.
    """
    url = new_database()
    asyncio.run(_run(postgres_server.dsn, "alter system set autovacuum = off", "select pg_reload_conf()"))
    asyncio.run(replay(url, simulate(CountyPlan(scale=1 / 1000))))
    yield url
    asyncio.run(_run(postgres_server.dsn, "alter system reset autovacuum", "select pg_reload_conf()"))


async def _run(dsn: str, *statements: str) -> None:
    connection = await connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def judged(county: str) -> AsyncIterator[Connection]:
    connection = await connect(county)
    yield connection
    await connection.close()


async def _events(connection: Connection, area: str, names: list[str]) -> object:
    return await find_events(connection, area, dict.fromkeys(names, (1, 1)))


async def _person(connection: Connection, area: str, names: list[str]) -> object:
    return [await read_person(connection, area, name, (1, 1), Links()) for name in names]


async def _received(connection: Connection, area: str, names: list[str]) -> object:
    return [await load_received(connection, area, name, 1_000_000) for name in names]


async def _findings(connection: Connection, area: str, names: list[str]) -> object:
    return await find_findings(connection, area, dict.fromkeys(map(patient, names), ALL_DAYS.hull), [])


async def _not_evaluated(connection: Connection, area: str, names: list[str]) -> object:
    return await find_not_evaluated(connection, area, dict.fromkeys(map(patient, names), ALL_DAYS.hull))


@pytest.mark.parametrize(
    ("table", "column", "read"),
    [
        ("events", "patient", _events),
        ("events", "patient", _person),
        ("events", "patient", _received),
        ("findings", "subject", _findings),
        ("not_evaluated", "subject", _not_evaluated),
    ],
    ids=["events", "person", "received", "findings", "not evaluated"],
)
async def test_rows_of_others_are_not_read(judged: Connection, table: str, column: str, read: Read) -> None:
    area = await judged.fetchval("select min(area) from events")
    rows = await judged.fetch(f"select distinct {column} from {table} order by 1 limit {PEOPLE}")
    names = [row[0] for row in rows]
    theirs = await judged.fetchval(f"select count(*) from {table} where {column} = any($1::text[])", names)
    assert await judged.fetchval(f"select count(*) from {table}") > 5 * theirs > 0
    async with judged.transaction():
        before = await _rows_read(judged, table)
        await read(judged, area, names)
        assert theirs <= await _rows_read(judged, table) - before <= 2 * theirs, "some by their days and as linked"


async def test_the_next_people_are_found_without_reading_the_rest(judged: Connection) -> None:
    """The last test of this store: the planner knows it from here on."""
    area = await judged.fetchval("select min(area) from events")
    everybody = await judged.fetchval("select count(*) from events")
    async with judged.transaction():
        await know_events(judged)
        before = await _rows_read(judged, "events")
        people = await find_next_patients(judged, area, "", PEOPLE)
        assert len(people) == PEOPLE
        assert await _rows_read(judged, "events") - before <= 2 * (PEOPLE + 1) < everybody / 10


async def _rows_read(connection: Connection, table: str) -> int:
    """How many rows of a table PostgreSQL took in its hands for this session."""
    query = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables"
    rows: int = await connection.fetchval(f"{query} where relname = $1", table)
    return rows
