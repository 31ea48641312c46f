"""Digests of an earlier generation than this program makes: which there are, and what takes their place."""

from collections.abc import Collection, Sequence

import asyncpg
import msgspec

from knowledge_base.digests.head import GENERATION
from streams.store.events.stored import decompressed


class OldDigest(msgspec.Struct, frozen=True):
    """A stored event whose digest is of an earlier generation. ``body`` is ``None`` where its bytes are not kept."""

    name: str
    seq: int
    event_id: str
    generation: int
    digest: bytes
    body: bytes | None


class NewDigest(msgspec.Struct, frozen=True):
    """What takes the place of one."""

    name: str
    seq: int
    digest: bytes
    details: bytes
    chained: bool


Own = tuple[str, str, str]
"""An event's own subject: area, kind of subject, name."""

# In words, not as a parameter: only so the planner sees that the index of old digests holds them all.
_OLD = f"generation < {GENERATION}"


async def count_old(connection: asyncpg.Connection) -> int:
    """How many events have a digest of an earlier generation."""
    count: int = await connection.fetchval(f"select count(*) from events where {_OLD}")
    return count


async def find_next_old(connection: asyncpg.Connection, after: Own, most: int) -> list[Own]:
    """Subjects with such digests, in their order, from behind one on."""
    rows = await connection.fetch(
        f"""
        select distinct area, patient, subject_kind from events
        where {_OLD} and (area, patient, subject_kind) > ($1, $2, $3) order by 1, 2, 3 limit $4
        """,
        after[0],
        after[2],
        after[1],
        most,
    )
    return [(row["area"], row["subject_kind"], row["patient"]) for row in rows]


async def load_old(connection: asyncpg.Connection, area: str, kind: str, names: Collection[str]) -> list[OldDigest]:
    """The digests of an earlier generation of some subjects of one kind, each with the received message.

    They are held until the caller's transaction ends; those that others hold are passed over.
    """
    rows = await connection.fetch(
        f"""
        select e.patient, e.seq, e.event_id, e.generation, e.digest, r.body
        from unnest($3::text[]) as wanted (name)
        cross join lateral (
            select * from events where area = $1 and patient = wanted.name and subject_kind = $2 and {_OLD}
            for update skip locked
        ) as e
        left join lateral (select body from received where area = $1 and seq = e.seq offset 0) as r on true
        order by e.seq
        """,
        area,
        kind,
        list(names),
    )
    return [
        OldDigest(name, seq, event_id, generation, digest, None if body is None else decompressed(body))
        for name, seq, event_id, generation, digest, body in rows
    ]


async def save_new(connection: asyncpg.Connection, area: str, digests: Sequence[NewDigest]) -> None:
    """Puts digests in place of those of an earlier generation."""
    await connection.execute(
        f"""
        update events e set digest = new.digest, details = new.details, generation = {GENERATION}, chained = new.chained
        from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bool[])
            as new (name, seq, digest, details, chained)
        where e.area = $1 and e.patient = new.name and e.seq = new.seq
        """,
        area,
        [of.name for of in digests],
        [of.seq for of in digests],
        [of.digest for of in digests],
        [of.details for of in digests],
        [of.chained for of in digests],
    )
