"""Identifiers that doors of before kept as they came, padded, and what became of each: joined, renamed, or left."""

from collections.abc import Collection, Sequence

import asyncpg
import msgspec

from streams.messages.identifiers import trimmed
from streams.store.events.generations import OldDigest, old_digests

_EDGE = r"^[^\u0021-\u007e]|[^\u0021-\u007e]$"
"""What may be padded: its first or last sign is none of the visible ones of ASCII."""
_NAMES = ("claim_id", "encounter_id", "institution", "reverses", "corrects")


def _is_left(what: str, name: str) -> str:
    """Whether a name is padded, and nothing became of it yet. ``offset 0``: one look at a row, not all rows at once."""
    told = f"select from trimmed_names t where t.area = e.area and t.what = '{what}' and t.was = e.{name} offset 0"
    return f"(e.{name} ~ '{_EDGE}' and not exists ({told}))"


_IS_PADDED = " or ".join([_is_left("event", "event_id"), *[f"e.{name} ~ '{_EDGE}'" for name in _NAMES]])
_IS_UNJOINED = _is_left("patient", "patient")


class Trimmed(msgspec.Struct, frozen=True):
    """A row of the report: ``what`` is patient, event, claim, institution or encounter; ``outcome`` is joined, renamed,
    or known twice, where an event id was known in both forms and both events stay."""

    area: str
    what: str
    was: str
    now: str
    outcome: str


async def find_next_padded(connection: asyncpg.Connection, after: tuple[str, str], most: int) -> list[tuple[str, str]]:
    """Areas and pseudonyms that are padded and not joined, or whose events hold padded names, from behind one on.

    More than those: whatever begins or ends in another sign than a visible one of ASCII is looked at by the caller.
    """
    rows = await connection.fetch(
        f"""
        select area, patient from (
            (select distinct e.area, e.patient from events e
                where e.subject_kind = 'patient' and (e.area, e.patient) > ($1, $2) and ({_IS_UNJOINED} or {_IS_PADDED})
                order by 1, 2 limit $3)
            union
            (select e.area, e.patient from persons e where (e.area, e.patient) > ($1, $2) and {_IS_UNJOINED}
                order by 1, 2 limit $3)
        ) as padded order by 1, 2 limit $3
        """,
        *after,
        most,
    )
    return [(row["area"], row["patient"]) for row in rows]


async def load_padded(connection: asyncpg.Connection, area: str, names: Collection[str]) -> list[OldDigest]:
    """The events of some pseudonyms that hold padded names, of every generation, each with the received message."""
    rows = await connection.fetch(
        f"""
        select e.patient, e.seq, e.event_id, e.generation, e.digest, e.details, r.body
        from unnest($2::text[]) as wanted (name)
        cross join lateral (
            select * from events e where e.area = $1 and e.patient = wanted.name and e.subject_kind = 'patient'
                and ({_IS_PADDED}) offset 0
        ) as e
        left join lateral (select body from received where area = $1 and seq = e.seq offset 0) as r on true
        order by e.seq
        """,
        area,
        list(names),
    )
    return old_digests(rows)


async def rename_event_ids(connection: asyncpg.Connection, area: str, event_ids: Collection[str]) -> set[str]:
    """Has padded event ids known by their trimmed ones. Returns those of which it could be done: no other is known so.

    Of several that differ by padding alone the first to arrive is renamed.
    """
    padded = sorted({name for name in event_ids if trimmed(name) != name})
    rows = await connection.fetch(
        """
        with padded as (
            select i.event_id, wanted.now, i.content_hash, i.seq
            from unnest($2::text[], $3::text[]) as wanted (was, now)
            join event_ids i on i.area = $1 and i.event_id = wanted.was
        ), renamed as (
            insert into event_ids (area, event_id, content_hash, seq)
            select distinct on (now) $1, now, content_hash, seq from padded order by now, seq
            on conflict do nothing returning seq
        )
        delete from event_ids i using padded join renamed using (seq)
        where i.area = $1 and i.event_id = padded.event_id returning i.event_id
        """,
        area,
        padded,
        [trimmed(name) for name in padded],
    )
    return {row["event_id"] for row in rows}


async def link_all(connection: asyncpg.Connection, area: str, names: Collection[str]) -> None:
    """Says of every event of some pseudonyms that it may have to do with others, until that is found out anew."""
    await connection.execute(
        "update events set linked = true where area = $1 and patient = any($2::text[]) and not linked",
        area,
        list(names),
    )


async def save_report(connection: asyncpg.Connection, rows: Sequence[Trimmed]) -> None:
    """Keeps what became of padded names; what was said of one before stays."""
    await connection.executemany(
        "insert into trimmed_names (area, what, was, now, outcome) values ($1, $2, $3, $4, $5) on conflict do nothing",
        [msgspec.structs.astuple(row) for row in rows],
    )


async def count_report(connection: asyncpg.Connection) -> dict[str, dict[str, int]]:
    """How many names of each kind came to each outcome."""
    rows = await connection.fetch("select what, outcome, count(*) from trimmed_names group by 1, 2 order by 1, 2")
    counts: dict[str, dict[str, int]] = {}
    for what, outcome, count in rows:
        counts.setdefault(what, {})[outcome] = count
    return counts


async def load_report(connection: asyncpg.Connection) -> list[Trimmed]:
    """What became of every padded name, by area, kind and name."""
    rows = await connection.fetch("select area, what, was, now, outcome from trimmed_names order by area, what, was")
    return [Trimmed(*row) for row in rows]
