"""Database sessions: connections, pools, and which errors pass by themselves. The rest of the code knows no driver."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import asyncpg

Connection = asyncpg.Connection
Pool = asyncpg.Pool

TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
)
"""Errors of the database or the way to it, never of the data: what failed is tried again."""


async def connect(dsn: str) -> Connection:
    """One session of its own."""
    return await asyncpg.connect(dsn)


def open_pool(dsn: str, most: int = 12) -> AbstractAsyncContextManager[Pool]:
    """A pool of sessions, closed at the end of the ``async with``."""
    return asyncpg.create_pool(dsn, min_size=2, max_size=most)


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of a pool, typed as the connection for which the driver's proxy stands."""
    async with pool.acquire() as connection:
        yield cast(Connection, connection)
