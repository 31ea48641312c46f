"""Visits to the desk: when somebody was there last, so that they can be told what came since. Time is the database's.

A visit ends where nobody is signed in under its account any more, or where nothing was asked for ``VISIT_ENDS``.
"""

from datetime import datetime, timedelta

import asyncpg

VISIT_ENDS = timedelta(hours=4)

USE_NOTED = timedelta(minutes=1)
"""How exactly the last use is known: it is written no more often."""


async def note_use(connection: asyncpg.Connection, login: str) -> datetime | None:
    """Notes that somebody is at the desk, and returns when they were there last before this visit (UTC)."""
    before: datetime | None = await connection.fetchval(
        """
        insert into visits (login, used_at) values ($1, now())
        on conflict (login) do update set used_at = greatest(visits.used_at, now()),
            before_at = case when visits.used_at < now() - $2::interval then visits.used_at else visits.before_at end
        returning before_at
        """,
        login,
        VISIT_ENDS,
    )
    return before


async def begin_visit(connection: asyncpg.Connection, login: str) -> None:
    """Begins another visit of somebody who was there before."""
    await connection.execute("update visits set before_at = used_at, used_at = now() where login = $1", login)
