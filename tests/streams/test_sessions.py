"""Sessions that ask while somebody waits: they write nothing, plan once, and leave nothing to who is lent them next."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from streams.store.sessions import Pool, borrowed, open_asking_pool, open_pool


@pytest.fixture
async def asking(postgres_url: str) -> AsyncIterator[Pool]:
    """One session, so that who asks after another has the same."""
    async with open_asking_pool(postgres_url, 2) as pool:
        lent = await pool.acquire()
        yield pool
        await pool.release(lent)


async def test_they_can_write_nothing(asking: Pool) -> None:
    async with borrowed(asking) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("create table written (number int)")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("update events set linked = true")


async def test_one_plan_serves_for_all_calls(asking: Pool) -> None:
    for number in range(10):
        async with borrowed(asking) as connection:
            await connection.fetch("select seq from events where area = $1 and patient = $2", "420281", f"P{number}")
    async with borrowed(asking) as connection:
        (plans,) = await connection.fetch(
            "select generic_plans, custom_plans from pg_prepared_statements where statement like 'select seq from ev%'"
        )
    assert tuple(plans) == (10, 0)


async def test_nothing_is_sent_between_two_loans(asking: Pool, postgres_url: str) -> None:
    async with borrowed(asking) as connection:
        pid = connection.get_server_pid()
        await connection.fetch("select 'the last that was asked'")
    async with open_pool(postgres_url) as pool, borrowed(pool) as another:
        last = await another.fetchval("select query from pg_stat_activity where pid = $1", pid)
    assert last == "select 'the last that was asked'"


async def test_a_transaction_that_was_left_open_is_ended(asking: Pool) -> None:
    async with borrowed(asking) as connection:
        pid = connection.get_server_pid()
        await connection.transaction().start()
        await connection.fetch("select pg_advisory_xact_lock(1)")
    async with borrowed(asking) as connection:
        assert connection.get_server_pid() == pid
        assert not connection.is_in_transaction()
        assert await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0


async def test_what_was_given_up_in_the_middle_disturbs_nobody(asking: Pool, postgres_url: str) -> None:
    async def stands_still() -> None:
        async with borrowed(asking) as connection, connection.transaction():
            await connection.fetch("select pg_sleep(600)")

    task = asyncio.create_task(stands_still())
    async with open_pool(postgres_url) as pool, borrowed(pool) as another:
        while not await another.fetchval("select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'"):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with borrowed(asking) as connection:
        assert await connection.fetchval("select 1") == 1
        assert not connection.is_in_transaction()
