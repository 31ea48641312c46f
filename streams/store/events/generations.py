"""Digests of an earlier generation than this program makes: which there are, and what takes their place."""

from collections.abc import Collection, Iterable, Sequence

import asyncpg
import msgspec

from knowledge_base.digests.head import GENERATION, Links
from streams.store.events.stored import decompressed


class OldDigest(msgspec.Struct, frozen=True):
    """A stored event whose digest may be made anew. ``body`` is ``None`` where its bytes are not kept,
    ``details`` where its generation has none."""

    name: str
    seq: int
    event_id: str
    generation: int
    digest: bytes
    details: bytes | None
    body: bytes | None


class NewDigest(msgspec.Struct, frozen=True):
    """What takes the place of one, and the names by which others find its event."""

    name: str
    seq: int
    event_id: str
    links: Links
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
        select e.patient, e.seq, e.event_id, e.generation, e.digest, e.details, r.body
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
    return old_digests(rows)


def old_digests(rows: Iterable[asyncpg.Record]) -> list[OldDigest]:
    """Rows of pseudonym, number, id, generation, digest, details and the message as it is kept."""
    return [
        OldDigest(name, seq, event_id, generation, digest, details, None if body is None else decompressed(body))
        for name, seq, event_id, generation, digest, details, body in rows
    ]


async def save_new(connection: asyncpg.Connection, area: str, digests: Sequence[NewDigest]) -> None:
    """Puts digests in place of those of an earlier generation."""
    await connection.execute(
        f"""
        update events e set digest = new.digest, details = new.details, generation = {GENERATION},
            chained = new.chained, event_id = new.event_id, claim_id = new.claim_id, institution = new.institution,
            encounter_id = new.encounter_id, reverses = new.reverses, corrects = new.corrects
        from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::bytea[], $11::bytea[], $12::bool[])
            as new (name, seq, event_id, claim_id, institution, encounter_id, reverses, corrects,
                digest, details, chained)
        where e.area = $1 and e.patient = new.name and e.seq = new.seq
        """,
        area,
        [of.name for of in digests],
        [of.seq for of in digests],
        [of.event_id for of in digests],
        [of.links.claim_id or None for of in digests],
        [of.links.encounter[0] or None for of in digests],
        [of.links.encounter[1] or None for of in digests],
        [of.links.reverses for of in digests],
        [of.links.corrects for of in digests],
        [of.digest for of in digests],
        [of.details for of in digests],
        [of.chained for of in digests],
    )
