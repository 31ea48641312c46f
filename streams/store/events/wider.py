"""Subjects wider than a patient: what batches touched, and the events of such a subject as it took them in.

A batch only writes that it touched a subject. A job takes such rows (never "above a mark": a row may be committed after
a later one), locks the subject, and enters the events into its history with a number drawn under that lock, so that a
version of a finding can name exactly the events that it was judged from.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import asyncpg
import msgspec

from knowledge_base.digests.head import Details, Digest
from knowledge_base.subjects import Subject
from streams.messages.kinds import Place
from streams.messages.packing import decode_details, decode_digest
from streams.pipeline.arrivals import Arrival
from streams.pipeline.touching import Head
from streams.store.events.histories import head_of
from streams.store.events.stored import decompressed


class Taken(msgspec.Struct, frozen=True):
    """Rows of one area that a job has taken: touched subjects by the rows' numbers, and why, where no event did it."""

    numbers: list[int]
    places: set[Place]
    causes: dict[Place, str]


async def save_touched(connection: asyncpg.Connection, area: str, arrivals: Mapping[int, Arrival]) -> None:
    """Writes which wider subjects accepted events touch, in the batch's transaction."""
    rows = [
        (of_area, *subject, area, arrival.subject.name, seq)
        for seq, arrival in arrivals.items()
        for of_area, subject in arrival.wider
    ]
    if rows:
        columns = ("area", "subject_kind", "subject", "event_area", "event_subject", "event_seq")
        await connection.copy_records_to_table("touched_subjects", records=rows, columns=columns)


async def touch_all(connection: asyncpg.Connection, kinds: Iterable[str], cause: str) -> None:
    """Says of every subject of some kinds, none of them patients, that it is to be judged again as a whole."""
    await connection.execute(
        """
        insert into touched_subjects (area, subject_kind, subject, cause)
        select distinct area, subject_kind, subject, $2 from subject_events where subject_kind = any($1::text[])
        """,
        list(kinds),
        cause,
    )


async def touch(connection: asyncpg.Connection, places: Iterable[Place], cause: str) -> None:
    """Says of some subjects that they are to be judged again as a whole."""
    rows = [(area, *subject, cause) for area, subject in sorted(places)]
    columns = ("area", "subject_kind", "subject", "cause")
    await connection.copy_records_to_table("touched_subjects", records=rows, columns=columns)


async def is_any_touched(connection: asyncpg.Connection) -> bool:
    """Whether a row waits to be judged, however many there are."""
    return bool(await connection.fetchval("select exists (select from touched_subjects)"))


async def count_touched(connection: asyncpg.Connection) -> int:
    """How many rows wait to be judged."""
    count: int = await connection.fetchval("select count(*) from touched_subjects")
    return count


async def take_touched(connection: asyncpg.Connection, most: int) -> Taken:
    """The next rows, held until the caller's transaction ends; those that others hold are passed over."""
    rows = await connection.fetch(
        """
        select number, area, subject_kind, subject, cause from touched_subjects
        order by number limit $1 for update skip locked
        """,
        most,
    )
    places = {(row["area"], Subject(row["subject_kind"], row["subject"])) for row in rows}
    causes = {
        (row["area"], Subject(row["subject_kind"], row["subject"])): row["cause"]
        for row in rows
        if row["cause"] is not None
    }
    return Taken([row["number"] for row in rows], places, causes)


async def enter_events(connection: asyncpg.Connection, numbers: Sequence[int]) -> dict[Place, set[int]]:
    """Enters the events of taken rows into their subjects' histories, which are locked, and deletes the rows.

    Returns the numbers that the events got there.
    """
    rows = await connection.fetch(
        """
        with gone as (delete from touched_subjects where number = any($1::bigint[]) returning *),
        entered as (select * from gone where event_seq is not null order by number)
        insert into subject_events (area, subject_kind, subject, event_area, event_subject, event_seq)
        select area, subject_kind, subject, event_area, event_subject, event_seq from entered
        returning area, subject_kind, subject, seq
        """,
        numbers,
    )
    new: dict[Place, set[int]] = {}
    for area, kind, name, seq in rows:
        new.setdefault((area, Subject(kind, name)), set()).add(seq)
    return new


async def find_subject_heads(connection: asyncpg.Connection, area: str, subject: Subject) -> list[Head]:
    """Every event of a wider subject, in the order in which it took them in."""
    rows = await connection.fetch(
        """
        select s.seq, e.event_id, e.kind, e.claim_id, e.institution, e.encounter_id, e.first_day, e.last_day,
            coalesce(e.reverses, e.corrects) as target, e.generation
        from subject_events s
        join events e on e.area = s.event_area and e.patient = s.event_subject and e.seq = s.event_seq
        where s.area = $1 and s.subject_kind = $2 and s.subject = $3 order by s.seq
        """,
        area,
        *subject,
    )
    return [head_of(tuple(row)) for row in rows]


async def load_subject_digests(
    connection: asyncpg.Connection, area: str, subject: Subject, seqs: Collection[int]
) -> dict[int, Digest]:
    """Digests of some of a wider subject's events, by their numbers there."""
    rows = await _load(connection, area, subject, seqs, "digest")
    return {seq: decode_digest(kind, body) for seq, kind, body in rows}


async def load_subject_details(
    connection: asyncpg.Connection, area: str, subject: Subject, seqs: Collection[int]
) -> dict[int, Details]:
    """Details of some of a wider subject's events, by their numbers there, of those that have any."""
    rows = await _load(connection, area, subject, seqs, "details")
    return {seq: decode_details(kind, body) for seq, kind, body in rows}


async def _load(
    connection: asyncpg.Connection, area: str, subject: Subject, seqs: Collection[int], column: str
) -> list[asyncpg.Record]:
    """The number there, the kind and a column of some of a subject's events, of those that have it."""
    if not seqs:
        return []
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        select s.seq, e.kind, e.{column} from subject_events s
        join events e on e.area = s.event_area and e.patient = s.event_subject and e.seq = s.event_seq
        where s.area = $1 and s.subject_kind = $2 and s.subject = $3 and s.seq = any($4::bigint[])
            and e.{column} is not null
        """,
        area,
        *subject,
        list(seqs),
    )
    return rows


async def load_subject_received(connection: asyncpg.Connection, area: str, subject: Subject, as_of: int) -> list[bytes]:
    """The received messages of a wider subject up to one of its numbers."""
    rows = await connection.fetch(
        """
        select r.body from subject_events s join received r on r.area = s.event_area and r.seq = s.event_seq
        where s.area = $1 and s.subject_kind = $2 and s.subject = $3 and s.seq <= $4 order by s.seq
        """,
        area,
        *subject,
        as_of,
    )
    return [decompressed(row["body"]) for row in rows]
