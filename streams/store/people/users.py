"""Who may sign in, who is signed in, and how often somebody tried. Time is the database's."""

from datetime import datetime, timedelta

import asyncpg

SESSION_LASTS = timedelta(hours=12)
ATTEMPTS_REMEMBERED = timedelta(minutes=15)


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
    """Replaces a password, ends the sessions that the old one opened, and forgets attempts; false without log-in."""
    async with connection.transaction():
        status = await connection.execute("update users set password_hash = $2 where login = $1", login, password_hash)
        await connection.execute("delete from sessions where login = $1", login)
        await connection.execute("delete from sign_in_attempts where login = $1", login)
    return bool(status == "UPDATE 1")


async def save_attempt(connection: asyncpg.Connection, login: str, most: int) -> bool:
    """Notes an attempt before its password is looked at; false, and not noted, where there were ``most`` lately."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext('sign-in'), hashtext($1))", login)
        await connection.execute(
            "delete from sign_in_attempts where tried_at < now() - $1::interval", ATTEMPTS_REMEMBERED
        )
        noted = await connection.fetchval(
            """
            insert into sign_in_attempts (login)
            select $1 where (select count(*) from sign_in_attempts where login = $1) < $2 returning attempt
            """,
            login,
            most,
        )
        return noted is not None


async def delete_attempts(connection: asyncpg.Connection, login: str) -> None:
    """Forgets the attempts of somebody who signed in."""
    await connection.execute("delete from sign_in_attempts where login = $1", login)


async def save_session(connection: asyncpg.Connection, token_hash: bytes, login: str) -> datetime:
    """Opens a session and returns when it ends; sessions that ended are swept."""
    await connection.execute("delete from sessions where expires_at < now()")
    ends: datetime = await connection.fetchval(
        """
        insert into sessions (token_hash, login, expires_at) values ($1, $2, now() + $3::interval) returning expires_at
        """,
        token_hash,
        login,
        SESSION_LASTS,
    )
    return ends


async def find_session(connection: asyncpg.Connection, token_hash: bytes) -> str | None:
    """The log-in of an open session."""
    login: str | None = await connection.fetchval(
        "select login from sessions where token_hash = $1 and expires_at > now()", token_hash
    )
    return login


async def delete_session(connection: asyncpg.Connection, token_hash: bytes) -> None:
    await connection.execute("delete from sessions where token_hash = $1", token_hash)
