"""How the system is doing, as stored: what was received and what became of it, what waits, whether it is ready."""

from datetime import date, datetime

import asyncpg
import msgspec

from streams.store.migrations import FOLDER


class Received(msgspec.Struct, frozen=True):
    """Everything received so far. ``last_day`` is the last day on which something came."""

    accepted: int
    duplicate: int
    conflict: int
    dead: int
    sources: int
    last_day: date | None

    @property
    def received(self) -> int:
        return self.accepted + self.duplicate + self.conflict + self.dead


class Letters(msgspec.Struct, frozen=True):
    """Messages that did not become events, by outcome, and how many of them were replayed since."""

    outcome: str
    letters: int
    replayed: int


class Activity(msgspec.Struct, frozen=True):
    """When something last happened, how many messages wait to be sent on, and since when the oldest does."""

    leads_at: datetime | None
    imports_at: datetime | None
    decisions_at: datetime | None
    unsent: int
    unsent_since: datetime | None


async def find_received(connection: asyncpg.Connection) -> Received:
    row = await connection.fetchrow(
        """
        select coalesce(sum(accepted), 0)::bigint as accepted, coalesce(sum(duplicate), 0)::bigint as duplicate,
            coalesce(sum(conflict), 0)::bigint as conflict, coalesce(sum(dead), 0)::bigint as dead,
            count(*) as sources, max(day) as last_day
        from (
            select sum(accepted) as accepted, sum(duplicate) as duplicate, sum(conflict) as conflict,
                sum(dead) as dead, max(day) as day
            from ledger group by source
        ) as by_source
        """
    )
    assert row is not None
    return Received(**row)


async def find_letters(connection: asyncpg.Connection) -> list[Letters]:
    rows = await connection.fetch(
        "select outcome, count(*) as letters, count(replayed_at) as replayed from dead_letters group by 1 order by 1"
    )
    return [Letters(**row) for row in rows]


async def find_activity(connection: asyncpg.Connection) -> Activity:
    row = await connection.fetchrow(
        """
        select (select max(updated_at) from leads) as leads_at, (select max(updated_at) from imports) as imports_at,
            (select max(recorded_at) from decisions) as decisions_at, (select count(*) from outbox) as unsent,
            (select min(recorded_at) from outbox) as unsent_since
        """
    )
    assert row is not None
    return Activity(**row)


async def find_unready_reason(pool: asyncpg.Pool) -> str | None:
    """Why the store cannot be used: not reached, or not at the newest migration. ``None`` where it can."""
    try:
        rows = await pool.fetch("select name from migrations", timeout=2)
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        return f"database: {type(error).__name__}"
    missing = {path.stem for path in FOLDER.glob("*.sql")} - {row["name"] for row in rows}
    return f"migrations missing: {', '.join(sorted(missing))}" if missing else None
