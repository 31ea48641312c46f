"""Migrations: numbered SQL files, each applied once, in order, beside working workers of the release before.

A file is one transaction, unless its first line says otherwise: ``-- pieces`` has each of its statements again until it
changes nothing, ``-- outside a transaction`` each by itself. A lock on a table that is in use is waited for a moment
only, and asked for again, so that nobody has to wait behind a migration that waits.

Imports nothing of ours. Open first: 0001_start.sql.
"""

import asyncio
from pathlib import Path

import asyncpg

FOLDER = Path(__file__).parent

_LOCK = 0x46554E44  # "FUND": one migration run at a time in a database
_PATIENCE = "2s"
_PAUSE = 0.5


async def migrate(dsn: str) -> list[str]:
    """Brings a database to the newest migration and returns the names that were applied now.

    Safe beside working workers and beside another run: an advisory lock lets one run at a time.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await connection.execute(
            "create table if not exists migrations (name text primary key, applied_at timestamptz default now())"
        )
        done = {row["name"] for row in await connection.fetch("select name from migrations")}
        files = [path for path in sorted(FOLDER.glob("*.sql")) if path.stem not in done]
        for path in files:
            await _apply(connection, path.stem, path.read_text(encoding="utf-8"))
        return [path.stem for path in files]
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, name: str, text: str) -> None:
    how = text.partition("\n")[0]
    if how == "-- pieces":
        for statement in _statements(text):
            while not (await _try(connection, statement)).endswith(" 0"):
                await asyncio.sleep(0)
        await _note(connection, name)
    elif how == "-- outside a transaction":
        for statement in _statements(text):
            await connection.execute(statement)
        await _note(connection, name)
    else:
        await _apply_whole(connection, name, text)


async def _try(connection: asyncpg.Connection, statement: str) -> str:
    """A piece, begun again for as long as it waits for somebody who waits for it."""
    while True:
        try:
            return await connection.execute(statement)
        except asyncpg.DeadlockDetectedError:
            await asyncio.sleep(_PAUSE)


async def _apply_whole(connection: asyncpg.Connection, name: str, text: str) -> None:
    """One transaction, begun again for as long as somebody else holds a lock that it needs."""
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = '{_PATIENCE}'")
                await connection.execute(text)
                await _note(connection, name)
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(_PAUSE)


async def _note(connection: asyncpg.Connection, name: str) -> None:
    await connection.execute("insert into migrations (name) values ($1)", name)


def _statements(text: str) -> list[str]:
    """The statements of a file, each followed by an empty line."""
    parts = ("\n".join(line for line in part.splitlines() if not line.startswith("--")) for part in text.split("\n\n"))
    return [part for part in parts if part.strip()]


async def find_migrations(connection: asyncpg.Connection) -> list[str]:
    """The migrations that a database has, in order."""
    return [row["name"] for row in await connection.fetch("select name from migrations order by name")]
