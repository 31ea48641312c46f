"""Purges of dead letters as stored: what an import left, what was taken away of it, and who asked for that.

Letters of events alone: one of our own messages is missing until it is replayed, and stays.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from streams.store.intake.dead_letters import COLUMNS, Count, DeadLetter, letter_of_row
from streams.store.sessions import Connection


class Purge(msgspec.Struct, frozen=True):
    """A purge: ``letters`` were written to a file of the SHA-256 ``export_hash``, ``purged`` of them are taken away.

    Both are ``None`` where the file never became whole; then nothing was taken away. ``replayed`` of the purged letters
    had been sent again before.
    """

    purge: int
    source: str
    asked_by: str
    asked_at: datetime
    file: str
    letters: int | None
    export_hash: str | None
    finished_at: datetime | None
    purged: int
    replayed: int


class Kept(msgspec.Struct, frozen=True):
    """A letter as it lies in the store, its bytes sealed."""

    seq: int
    letter: DeadLetter
    key: bytes | None
    body: bytes


_PURGES = """
    select p.purge, p.source, p.asked_by, p.asked_at, p.file, p.letters, p.export_hash, p.finished_at,
        coalesce(sum(g.letters), 0)::bigint as purged,
        coalesce(sum(g.letters) filter (where g.replay is not null), 0)::bigint as replayed
    from purges p left join purged_letters g using (purge)
"""


async def find_names(connection: Connection) -> list[str]:
    """Every name that something was imported or sent under."""
    rows = await connection.fetch(
        "select source from imports union select source from ledger union select source from dead_letters order by 1"
    )
    return [row["source"] for row in rows]


async def count_letters(connection: Connection, source: str, topics: Sequence[str]) -> Count:
    row = await connection.fetchrow(
        "select count(*) as letters, count(*) filter (where replayed_at is null) as left from dead_letters"
        " where source = $1 and topic = any($2::text[])",
        source,
        topics,
    )
    assert row is not None
    return Count(**row)


async def walk_letters(connection: Connection, source: str, topics: Sequence[str]) -> AsyncIterator[Kept]:
    """The letters of a source as they came, in the caller's transaction."""
    rows = connection.cursor(
        f"select seq, key, body, {COLUMNS} from dead_letters"
        " where source = $1 and topic = any($2::text[]) order by seq",
        source,
        topics,
        prefetch=500,
    )
    async for row in rows:
        seq, key, body, *values = row
        yield Kept(seq, letter_of_row(values), key, body)


async def begin_purge(connection: Connection, source: str, asked_by: str, file: str) -> int:
    """Notes who is going to look at a source's letters and take them away, and returns the purge's number."""
    number: int = await connection.fetchval(
        "insert into purges (source, asked_by, file) values ($1, $2, $3) returning purge", source, asked_by, file
    )
    return number


async def save_export(connection: Connection, number: int, letters: int, export_hash: str) -> None:
    """Notes that the file of a purge is whole, which others of its source that stopped on their way need not become."""
    await connection.execute(
        """
        with stopped as (
            update purges set finished_at = now() where purge < $1 and finished_at is null
            and source = (select source from purges where purge = $1))
        update purges set letters = $2, export_hash = $3 where purge = $1
        """,
        number,
        letters,
        export_hash,
    )


async def take_away(connection: Connection, number: int, numbers: Sequence[int]) -> int:
    """Deletes those of some letters that are still there, counts them, and returns how many; one statement, whole."""
    purged: int = await connection.fetchval(
        """
        with chosen as materialized (
            select seq from dead_letters
            where seq = any($2::bigint[]) and source = (select source from purges where purge = $1)
            order by seq for update),
        gone as (delete from dead_letters where seq in (select seq from chosen) returning replay),
        counted as (
            insert into purged_letters (purge, replay, letters) select $1, replay, count(*) from gone group by replay
            on conflict (purge, replay) do update set letters = purged_letters.letters + excluded.letters)
        select count(*) from gone
        """,
        number,
        numbers,
    )
    return purged


async def finish_purge(connection: Connection, number: int) -> Purge:
    await connection.execute("update purges set finished_at = now() where purge = $1", number)
    row = await connection.fetchrow(f"{_PURGES} where p.purge = $1 group by p.purge", number)
    assert row is not None
    return Purge(**row)


async def find_unfinished(connection: Connection, source: str, export_hash: str) -> int | None:
    """The purge of a source that wrote this file and stopped on its way."""
    number: int | None = await connection.fetchval(
        "select max(purge) from purges where source = $1 and export_hash = $2 and finished_at is null",
        source,
        export_hash,
    )
    return number


async def find_purges(connection: Connection, most: int) -> list[Purge]:
    """Purges that took something away, the latest first."""
    rows = await connection.fetch(
        f"{_PURGES} group by p.purge having sum(g.letters) > 0 order by p.purge desc limit $1", most
    )
    return [Purge(**row) for row in rows]
