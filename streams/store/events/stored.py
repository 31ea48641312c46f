"""Accepted events as stored: their arrival, and what windows over a patient are read from."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg
import zstandard

from knowledge_base.days import as_date
from knowledge_base.digests.head import GENERATION, Details, Digest
from knowledge_base.subjects import PATIENT
from streams.messages.packing import decode_details, decode_digest
from streams.pipeline.arrivals import Arrival

_decompress = zstandard.ZstdDecompressor().decompress


def decompressed(body: bytes) -> bytes:
    """A received message from the bytes that are kept of it."""
    return _decompress(body)


async def save_event_ids(
    connection: asyncpg.Connection, area: str, hashes: Mapping[str, bytes]
) -> tuple[dict[str, int], dict[str, bytes]]:
    """Enters event ids, sorted. Returns the arrival numbers of the new ones, and the hashes of the known."""
    ids = sorted(hashes)
    rows = await connection.fetch(
        """
        insert into event_ids (area, event_id, content_hash)
        select $1, event_id, content_hash from unnest($2::text[], $3::bytea[]) as new (event_id, content_hash)
        on conflict do nothing returning event_id, seq
        """,
        area,
        ids,
        [hashes[name] for name in ids],
    )
    new = {row["event_id"]: row["seq"] for row in rows}
    if len(new) == len(ids):
        return new, {}
    known = await connection.fetch(
        "select event_id, content_hash from event_ids where area = $1 and event_id = any($2::text[])",
        area,
        [name for name in ids if name not in new],
    )
    return new, {row["event_id"]: row["content_hash"] for row in known}


async def find_event_ids(connection: asyncpg.Connection, area: str, event_ids: Collection[str]) -> set[str]:
    """Those of some event ids that are known."""
    rows = await connection.fetch(
        "select event_id from event_ids where area = $1 and event_id = any($2::text[])", area, list(event_ids)
    )
    return {row["event_id"] for row in rows}


_EVENT_COLUMNS = (
    "area", "subject_kind", "patient", "seq", "event_id", "kind", "claim_id", "encounter_id", "institution",
    "first_day", "last_day",
    "reverses", "corrects", "money", "source", "digest", "generation", "details",
    "linked", "chained",
)  # fmt: skip


async def save_events(
    connection: asyncpg.Connection, area: str, arrivals: Mapping[int, Arrival], whole_items: frozenset[str] | None
) -> None:
    """Writes accepted events and their received bytes, by arrival number.

    ``whole_items`` are the items of rules that read every event of them. ``None`` where the events are not judged; then
    they count as linked and chained.
    """
    events = [
        (
            area,
            arrival.subject.kind,
            arrival.subject.name,
            seq,
            arrival.event_id,
            arrival.kind,
            arrival.links.claim_id or None,
            arrival.links.encounter[1] or None,
            arrival.links.encounter[0] or None,
            as_date(arrival.first_day),
            as_date(arrival.last_day),
            arrival.links.reverses,
            arrival.links.corrects,
            arrival.money,
            arrival.source,
            arrival.digest_bytes,
            GENERATION,
            arrival.details_bytes,
            whole_items is None or arrival.subject.kind != PATIENT,
            whole_items is None or arrival.digest.holds_any(whole_items),
        )
        for seq, arrival in arrivals.items()
    ]
    await connection.copy_records_to_table("events", records=events, columns=_EVENT_COLUMNS)
    await save_received(connection, area, arrivals)


async def save_received(connection: asyncpg.Connection, area: str, arrivals: Mapping[int, Arrival]) -> None:
    """Writes the received bytes of events, by arrival number."""
    bodies = [(area, seq, arrival.body) for seq, arrival in arrivals.items()]
    await connection.copy_records_to_table("received", records=bodies, columns=("area", "seq", "body"))


Key = tuple[str, date, int]
"""By which an event is found at once: pseudonym, last day, arrival number."""


def columns_of(keys: Collection[Key]) -> Sequence[list[Any]]:
    """Keys as arrays of pseudonyms, days and numbers."""
    return [list(column) for column in zip(*keys, strict=True)] or [[], [], []]


async def load_digests(connection: asyncpg.Connection, area: str, wanted: Collection[Key]) -> dict[int, Digest]:
    """Digests of events by arrival number."""
    rows = await _load(connection, area, wanted, "digest")
    return {seq: decode_digest(kind, body) for seq, kind, body in rows}


async def load_details(connection: asyncpg.Connection, area: str, wanted: Collection[Key]) -> dict[int, Details]:
    """Details of events by arrival number, of those that have any."""
    rows = await _load(connection, area, wanted, "details")
    return {seq: decode_details(kind, body) for seq, kind, body in rows}


async def _load(
    connection: asyncpg.Connection, area: str, wanted: Collection[Key], column: str
) -> list[asyncpg.Record]:
    """Arrival number, kind and a column of events, of those that have it."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        select e.seq, e.kind, e.{column}
        from unnest($2::text[], $3::date[], $4::bigint[]) as wanted (patient, last_day, seq)
        cross join lateral (
            select * from events e
            where e.area = $1 and e.patient = wanted.patient and e.last_day = wanted.last_day and e.seq = wanted.seq
            offset 0
        ) as e
        where e.{column} is not null
        """,
        area,
        *columns_of(wanted),
    )
    return rows


async def load_bodies(connection: asyncpg.Connection, area: str, event_ids: Collection[str]) -> dict[str, bytes]:
    """The received messages of some events by id."""
    rows = await connection.fetch(
        """
        select i.event_id, r.body from event_ids i
        cross join lateral (select body from received where area = i.area and seq = i.seq offset 0) as r
        where i.area = $1 and i.event_id = any($2::text[])
        """,
        area,
        list(event_ids),
    )
    return {row["event_id"]: decompressed(row["body"]) for row in rows}


async def load_received(connection: asyncpg.Connection, area: str, patient: str, as_of: int) -> list[bytes]:
    """The received messages of everybody who is one person with a patient now, or was, up to an arrival number."""
    rows = await connection.fetch(
        """
        with recursive everybody (patient) as (
            select $2::text
            union
            select near.patient from everybody e cross join lateral (
                select m.patient from persons p join persons m using (area, person)
                where p.area = $1 and p.patient = e.patient
                union all select other from unmerges where area = $1 and one = e.patient and merged
                union all select one from unmerges where area = $1 and other = e.patient and merged
            ) as near)
        select r.body from everybody
        cross join lateral (
            select * from events e where e.area = $1 and e.patient = everybody.patient and e.seq <= $3 offset 0
        ) as e
        cross join lateral (select body from received where area = $1 and seq = e.seq offset 0) as r
        where e.subject_kind = 'patient' order by e.seq
        """,
        area,
        patient,
        as_of,
    )
    return [decompressed(row["body"]) for row in rows]


async def find_last_seq(connection: asyncpg.Connection, area: str) -> int:
    """The greatest arrival number of an area's events, 0 where there is none."""
    seq: int = await connection.fetchval("select coalesce(max(seq), 0) from events where area = $1", area)
    return seq


async def read_digests(connection: asyncpg.Connection, area: str, mark: int) -> list[Digest]:
    """The digests of all of an area's events up to an arrival number, in that order."""
    rows = await connection.fetch(
        "select kind, digest from events where area = $1 and seq <= $2 order by seq", area, mark
    )
    return [decode_digest(row["kind"], row["digest"]) for row in rows]
