"""Database sessions: connections, pools, and which errors pass by themselves. The rest of the code knows no driver."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import cast

import asyncpg

Connection = asyncpg.Connection
Pool = asyncpg.Pool

_TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
)

_IDLE_IN_BATCH = timedelta(seconds=60)
"""A worker that says nothing for so long in the middle of a batch stands still, and the database ends its session."""


_UNTIL_GIVEN_BACK = 10.0
"""Seconds for which a pool that is closed waits for sessions that are lent."""


def passes_by_itself(error: BaseException) -> bool:
    """Whether an error is of the database or the way to it, never of the data: what failed is to be tried again.

    The driver says "closed" of a session or pool that is gone, and "released" of a session that was lost while it was
    lent, with the same type as of a wrong argument.
    """
    gone = isinstance(error, asyncpg.InterfaceError) and any(word in str(error) for word in ("clos", "released"))
    return gone or isinstance(error, _TRANSIENT)


def is_of_the_store(error: BaseException) -> bool:
    """Whether an error says that the store is not what this program expects: no data and no waiting mends that."""
    return isinstance(error, asyncpg.SyntaxOrAccessError)


@contextmanager
def passing_errors(logger: logging.Logger, work: str) -> Iterator[None]:
    """Lets errors that pass by themselves pass, with a warning that names their kind; others are raised."""
    try:
        yield
    except Exception as error:
        if not passes_by_itself(error):
            raise
        logger.warning("%s tried again: %s", work, type(error).__name__)


async def connect(dsn: str) -> Connection:
    """One session of its own, which does not keep its locks when its process stands still.

    It asks the same few statements again and again, patient by patient: a plan made for all is as good as one for each
    call, and planning took longer than reading.
    """
    milliseconds = round(_IDLE_IN_BATCH.total_seconds() * 1000)
    settings = {
        "idle_in_transaction_session_timeout": str(milliseconds),
        "plan_cache_mode": "force_generic_plan",
    }
    return await asyncpg.connect(dsn, server_settings=settings)


@asynccontextmanager
async def open_pool(dsn: str, most: int = 12) -> AsyncIterator[Pool]:
    """A pool of sessions, closed at the end of the ``async with``; what is not given back by then is broken off."""
    pool = await asyncpg.create_pool(dsn, min_size=2, max_size=most)
    try:
        yield pool
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), _UNTIL_GIVEN_BACK)


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of a pool, typed as the connection for which the driver's proxy stands."""
    async with pool.acquire() as connection:
        yield cast(Connection, connection)
