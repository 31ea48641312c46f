"""The audit log as stored. An entry is added in the transaction in which it is done: neither is there without the
other."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from casework.audit import BEFORE_ALL, Act, Entry, entry_hash, verified
from casework.sight import Sight
from streams.store.sights import home_in_sight, in_sight, place_arguments

_LOCK = 0x41554449  # "AUDI": whoever adds waits for the one before, so that the chain has one end
STEP = 5_000
"""Entries that are read at once."""


async def note(connection: asyncpg.Connection, by: str, act: Act, **about: str) -> None:
    """Adds an entry, in a transaction of the caller's (read committed)."""
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    last = await connection.fetchrow("select seq, hash from audit_log order by seq desc limit 1")
    seq, before = (1, BEFORE_ALL) if last is None else (last["seq"] + 1, last["hash"])
    at = (await connection.fetchval("select clock_timestamp()")).astimezone(UTC)
    await connection.execute(
        "insert into audit_log (seq, at, by, act, about, before, hash) values ($1, $2, $3, $4, $5::jsonb, $6, $7)",
        seq,
        at,
        by,
        act,
        json.dumps(about),
        before,
        entry_hash(seq, at, by, act, about, before),
    )


async def verify(connection: asyncpg.Connection) -> tuple[int, bytes]:
    """How many entries there are and the hash of the last, each having been looked at. Raises ``Broken``."""
    seq, before = 0, BEFORE_ALL
    async for step in _steps(connection):
        seq, before = verified(step, seq, before)
    return seq, before


async def find_hash(connection: asyncpg.Connection, seq: int) -> bytes | None:
    found: bytes | None = await connection.fetchval("select hash from audit_log where seq = $1", seq)
    return found


async def _steps(connection: asyncpg.Connection) -> AsyncIterator[list[Entry]]:
    after = 0
    while True:
        rows = await connection.fetch("select * from audit_log where seq > $1 order by seq limit $2", after, STEP)
        if not rows:
            return
        yield [_entry(row) for row in rows]
        after = rows[-1]["seq"]


async def find_done(connection: asyncpg.Connection, by: str, since: datetime, before: int, most: int) -> list[Entry]:
    """What somebody did since an instant, before an entry, the newest first."""
    rows = await connection.fetch(
        "select * from audit_log where by = $1 and at >= $2 and seq < $3 order by seq desc limit $4",
        by,
        since,
        before,
        most,
    )
    return [_entry(row) for row in rows]


class EntryFilter(msgspec.Struct, frozen=True):
    """Which entries: by whom, of which act, on which days in China, about which lead; ``None`` means all."""

    by: str | None = None
    act: str | None = None
    first: date | None = None
    last: date | None = None
    lead: str | None = None


_CHOSEN = {
    "by": "a.by = {}",
    "act": "a.act = {}",
    "first": "a.at >= {}::date::timestamp at time zone 'Asia/Shanghai'",
    "last": "a.at < ({}::date + 1)::timestamp at time zone 'Asia/Shanghai'",
    "lead": "a.about ->> 'lead' = {}",
}

# What is about a lead, a finding or a warning is shown to those who see that; everything else is of the whole store.
_IN_SIGHT = f"""
    (($1::text[] is null and $2::text[] is null) or case
        when a.about ? 'lead' then exists (
            select from leads l where l.lead_id = a.about ->> 'lead' and {in_sight("l", 1)})
        when a.about ? 'finding' then exists (
            select from lead_findings f where f.finding_id = a.about ->> 'finding' and {home_in_sight(1)})
        when a.about ? 'warning' then exists (
            select from warnings w
            where w.area = a.about ->> 'area' and w.warning_id = a.about ->> 'warning' and {in_sight("w", 1)})
        else true end)
"""


async def find_entries(
    connection: asyncpg.Connection, chosen: EntryFilter, sight: Sight, before: int, most: int
) -> list[Entry]:
    """What was done, as a filter chooses it, before an entry, the newest first."""
    arguments = [*place_arguments(sight), before, most]
    conditions = [_IN_SIGHT, "a.seq < $3"]
    for field, condition in _CHOSEN.items():
        value = getattr(chosen, field)
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(f"${len(arguments)}"))
    rows = await connection.fetch(
        f"select a.* from audit_log a where {' and '.join(conditions)} order by a.seq desc limit $4", *arguments
    )
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    about: Mapping[str, str] = json.loads(row["about"])
    at = row["at"].astimezone(UTC)
    return Entry(row["seq"], at, row["by"], row["act"], about, row["before"], row["hash"])
