"""The audit log as stored. An entry is added in the transaction in which it is done: neither is there without the
other."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import asyncpg

from casework.audit import BEFORE_ALL, Act, Entry, entry_hash, verified

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


def _entry(row: asyncpg.Record) -> Entry:
    about: Mapping[str, str] = json.loads(row["about"])
    at = row["at"].astimezone(UTC)
    return Entry(row["seq"], at, row["by"], row["act"], about, row["before"], row["hash"])
