"""How the system is doing, as stored: what was received and what became of it, what waits, whether it is ready."""

from datetime import date, datetime
from decimal import Decimal

import asyncpg
import msgspec

from streams.store.migrations import FOLDER


class LedgerRow(msgspec.Struct, frozen=True):
    """What became of what one source sent on one day (China), in messages and yuan."""

    source: str
    day: date
    accepted: int
    duplicate: int
    conflict: int
    dead: int
    accepted_money: Decimal
    unknown_fields: int

    @property
    def received(self) -> int:
        return self.accepted + self.duplicate + self.conflict + self.dead


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


class Waiting(msgspec.Struct, frozen=True):
    """How many records of a topic a group of workers has still to read."""

    group: str
    topic: str
    records: int


class Activity(msgspec.Struct, frozen=True):
    """When something last happened, and how many messages wait to be sent on."""

    leads_at: datetime | None
    imports_at: datetime | None
    decisions_at: datetime | None
    unsent: int


async def find_received(connection: asyncpg.Connection) -> Received:
    row = await connection.fetchrow(
        """
        select coalesce(sum(accepted), 0)::bigint as accepted, coalesce(sum(duplicate), 0)::bigint as duplicate,
            coalesce(sum(conflict), 0)::bigint as conflict, coalesce(sum(dead), 0)::bigint as dead,
            count(distinct source) as sources, max(day) as last_day
        from ledger
        """
    )
    assert row is not None
    return Received(**row)


async def find_ledger(connection: asyncpg.Connection, limit: int) -> list[LedgerRow]:
    """Outcomes by source and day, the latest day first."""
    rows = await connection.fetch(
        """
        select source, day, sum(accepted)::bigint as accepted, sum(duplicate)::bigint as duplicate,
            sum(conflict)::bigint as conflict, sum(dead)::bigint as dead, sum(accepted_money) as accepted_money,
            sum(unknown_fields)::bigint as unknown_fields
        from ledger group by source, day order by day desc, source limit $1
        """,
        limit,
    )
    return [LedgerRow(**row) for row in rows]


async def find_letters(connection: asyncpg.Connection) -> list[Letters]:
    rows = await connection.fetch(
        "select outcome, count(*) as letters, count(replayed_at) as replayed from dead_letters group by 1 order by 1"
    )
    return [Letters(**row) for row in rows]


async def find_waiting(connection: asyncpg.Connection) -> list[Waiting]:
    rows = await connection.fetch(
        """
        select o."group", o.topic, sum(greatest(h.next - o.next, 0))::bigint as records
        from group_offsets o join log_heads h using (topic, partition) group by 1, 2 order by 1, 2
        """
    )
    return [Waiting(**row) for row in rows]


async def find_activity(connection: asyncpg.Connection) -> Activity:
    row = await connection.fetchrow(
        """
        select (select max(updated_at) from leads) as leads_at, (select max(updated_at) from imports) as imports_at,
            (select max(recorded_at) from decisions) as decisions_at, (select count(*) from outbox) as unsent
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
