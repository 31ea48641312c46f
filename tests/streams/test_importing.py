"""Importing: a source that was interrupted goes on where it stopped, and one process at a time sends it."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from streams.buses.postgres import PostgresBus
from streams.hosts.stations import create_topics
from streams.importers.sending import STEP, send_messages
from streams.store.intake.imports import AlreadyImporting
from streams.store.sessions import Pool, borrowed, open_pool
from streams.topics import CLAIMS

BODIES = [f'{{"area":"a","patient":"p{number}"}}'.encode() for number in range(4 * STEP)]


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as pool:
        await create_topics(PostgresBus(pool))
        yield pool


async def sent(pool: Pool) -> list[bytes]:
    async with borrowed(pool) as connection:
        rows = await connection.fetch("select key from log where topic = $1", CLAIMS)
    return sorted(row["key"] for row in rows)


async def test_a_second_run_goes_on_where_the_first_stopped(pool: Pool) -> None:
    steps = count()
    async for _ in send_messages(pool, PostgresBus(pool), "file", "id", BODIES):
        if next(steps) == 1:
            break
    assert len(await sent(pool)) == 2 * STEP
    async for _ in send_messages(pool, PostgresBus(pool), "file", "id", BODIES):
        pass
    assert await sent(pool) == sorted(f"a/p{number}".encode() for number in range(len(BODIES)))


async def test_of_two_that_send_one_source_the_slower_stops_and_nothing_is_doubled(pool: Pool) -> None:
    slow = send_messages(pool, PostgresBus(pool), "file", "id", BODIES)
    assert await anext(slow) == STEP
    async for _ in send_messages(pool, PostgresBus(pool), "file", "id", BODIES):
        pass
    with pytest.raises(AlreadyImporting):
        await anext(slow)
    assert len(await sent(pool)) == len(set(await sent(pool))) == len(BODIES)
