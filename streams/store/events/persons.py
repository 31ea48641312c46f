"""Who is one person, and the locks under which subjects' histories are read and written."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import asyncpg

from knowledge_base.digests.persons import StatusDigest
from knowledge_base.subjects import PATIENT, Subject
from streams.messages.packing import decode_digest

_STATUS = "patient_status"


def _lock_key(*words: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(words).encode(), digest_size=8).digest(), "big", signed=True)


async def lock_area(connection: asyncpg.Connection, area: str, exclusive: bool) -> None:
    """Holds who is one person in an area still until the transaction ends; a merge holds it alone."""
    shared = "" if exclusive else "_shared"
    await connection.execute(f"select pg_advisory_xact_lock{shared}($1)", _lock_key("area", area))


async def lock_subjects(connection: asyncpg.Connection, area: str, subjects: Collection[Subject]) -> None:
    """Locks subjects in sorted order, in a statement of its own, so that what is read next is what was committed.

    A patient is locked by the word that workers of every release know.
    """
    words = [("person" if subject.kind == PATIENT else subject.kind, subject.name) for subject in subjects]
    keys = sorted(_lock_key(kind, area, name) for kind, name in words)
    await connection.execute("select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key", keys)


async def find_persons(connection: asyncpg.Connection, area: str, patients: Collection[str]) -> dict[str, list[str]]:
    """Each person to whom one of the pseudonyms belongs, with all pseudonyms of that person."""
    rows = await connection.fetch(
        """
        select m.person, m.patient from persons m
        where m.area = $1 and m.person in (select person from persons where area = $1 and patient = any($2::text[]))
        """,
        area,
        list(patients),
    )
    members: dict[str, list[str]] = {}
    for row in rows:
        members.setdefault(row["person"], []).append(row["patient"])
    known = {patient for together in members.values() for patient in together}
    for patient in patients:
        if patient not in known:
            members[patient] = [patient]
    return members


async def save_persons(
    connection: asyncpg.Connection, area: str, members: Mapping[str, Sequence[str]], seq: int
) -> None:
    """Writes who is one person from now on, as of an arrival number."""
    rows = [(area, patient, person, seq) for person, together in members.items() for patient in together]
    await connection.executemany(
        """
        insert into persons (area, patient, person, seq) values ($1, $2, $3, $4)
        on conflict (area, patient) do update set person = excluded.person, seq = excluded.seq
        """,
        rows,
    )


async def load_statuses(connection: asyncpg.Connection, area: str, patients: Collection[str]) -> list[StatusDigest]:
    """Every change of status of some pseudonyms, in any order."""
    rows = await connection.fetch(
        """
        select e.digest from unnest($2::text[]) as name (patient)
        cross join lateral (
            select * from events e
            where e.area = $1 and e.patient = name.patient and e.subject_kind = 'patient' and e.kind = $3 offset 0
        ) as e
        """,
        area,
        list(patients),
        _STATUS,
    )
    digests = [decode_digest(_STATUS, row["digest"]) for row in rows]
    return [digest for digest in digests if isinstance(digest, StatusDigest)]


async def save_unmerges(
    connection: asyncpg.Connection, area: str, pairs: Mapping[str, tuple[str, str]], merged: Collection[str]
) -> None:
    """Writes which pairs unmerges part, by event_id; those in ``merged`` are of a pair that some merge joined."""
    await connection.executemany(
        """
        insert into unmerges (area, event_id, one, other, merged) values ($1, $2, $3, $4, $5)
        on conflict (area, event_id) do update set merged = unmerges.merged or excluded.merged
        """,
        [(area, event_id, *pair, event_id in merged) for event_id, pair in sorted(pairs.items())],
    )
