"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own."""

from pathlib import Path

import asyncpg

FOLDER = Path(__file__).parent

_LOCK = 0x46554E44  # "FUND": one migration run at a time in a database


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
            async with connection.transaction():
                await connection.execute(path.read_text(encoding="utf-8"))
                await connection.execute("insert into migrations (name) values ($1)", path.stem)
        return [path.stem for path in files]
    finally:
        await connection.close()


async def find_migrations(connection: asyncpg.Connection) -> list[str]:
    """The migrations that a database has, in order."""
    return [row["name"] for row in await connection.fetch("select name from migrations order by name")]
