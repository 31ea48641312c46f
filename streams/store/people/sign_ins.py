"""Sessions of hospitals' systems that were ended before their time (9002). Time is the database's."""

from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

IN_FLIGHT = timedelta(minutes=1)
"""How long a transaction that ends one may take to be seen."""


class EndedSignIn(NamedTuple):
    """A session that was ended, by the hash of its number, and when it would have ended by itself."""

    sign_no_hash: bytes
    ends_at: datetime
    ended_at: datetime


async def save_ended(connection: asyncpg.Connection, sign_no_hash: bytes, ends_at: datetime) -> None:
    """Keeps that a session was ended, and lets go of those that would have ended by themselves since."""
    await connection.execute("delete from ended_sign_ins where ends_at < now()")
    await connection.execute(
        "insert into ended_sign_ins (sign_no_hash, ends_at) values ($1, $2) on conflict do nothing",
        sign_no_hash,
        ends_at,
    )


async def find_ended(connection: asyncpg.Connection, since: datetime | None) -> list[EndedSignIn]:
    """The sessions that were ended since an instant, or ever, and would last still."""
    rows = await connection.fetch(
        """
        select sign_no_hash, ends_at, ended_at from ended_sign_ins
        where ends_at > now() and ($1::timestamptz is null or ended_at > $1::timestamptz - $2::interval)
        order by ended_at
        """,
        since,
        IN_FLIGHT,
    )
    return [EndedSignIn(*row) for row in rows]
