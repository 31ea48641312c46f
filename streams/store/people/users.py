"""Who may sign in, who is signed in, and who was. Time is the database's."""

from datetime import datetime, timedelta

import asyncpg

SESSION_LASTS = timedelta(hours=12)
ENDED_REMEMBERED = timedelta(days=7)
"""Whoever comes back within it finds the form that the end of the session interrupted."""


async def save_first_user(connection: asyncpg.Connection, login: str, password_hash: str) -> bool:
    """Creates a log-in where there is none yet and says whether it did; of two starters one does."""
    async with connection.transaction():
        await connection.execute("lock table users in share row exclusive mode")
        if await connection.fetchval("select exists (select from users)"):
            return False
        await connection.execute("insert into users (login, password_hash) values ($1, $2)", login, password_hash)
        return True


async def has_users(connection: asyncpg.Connection) -> bool:
    found: bool = await connection.fetchval("select exists (select from users)")
    return found


async def find_password_hash(connection: asyncpg.Connection, login: str) -> str | None:
    found: str | None = await connection.fetchval("select password_hash from users where login = $1", login)
    return found


async def save_password(connection: asyncpg.Connection, login: str, password_hash: str) -> bool:
    """Replaces a password, ends the sessions that the old one opened; false where there is no such log-in."""
    async with connection.transaction():
        status = await connection.execute("update users set password_hash = $2 where login = $1", login, password_hash)
        await connection.execute(
            "update sessions set expires_at = now() where login = $1 and expires_at > now()", login
        )
    return bool(status == "UPDATE 1")


async def save_session(connection: asyncpg.Connection, token_hash: bytes, login: str) -> datetime:
    """Opens a session and returns when it ends; sessions that ended long ago are swept."""
    await connection.execute("delete from sessions where expires_at < now() - $1::interval", ENDED_REMEMBERED)
    ends: datetime = await connection.fetchval(
        """
        insert into sessions (token_hash, login, expires_at) values ($1, $2, now() + $3::interval) returning expires_at
        """,
        token_hash,
        login,
        SESSION_LASTS,
    )
    return ends


async def find_session(connection: asyncpg.Connection, token_hash: bytes) -> tuple[str, bool] | None:
    """The log-in of a session, and whether that is open or ended lately."""
    row = await connection.fetchrow(
        "select login, expires_at > now() as is_open from sessions where token_hash = $1", token_hash
    )
    return None if row is None else (row["login"], row["is_open"])


async def end_session(connection: asyncpg.Connection, token_hash: bytes) -> None:
    await connection.execute(
        "update sessions set expires_at = now() where token_hash = $1 and expires_at > now()", token_hash
    )
