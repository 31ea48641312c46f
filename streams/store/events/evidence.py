"""What a finding rests on, as stored: the person's events, and claims as they were received.

Whoever shows them takes findings in sight, and of their person's claims those that ``api.leads.evidence.seen_with``
leaves: which encounter a claim belongs to, and whether it stands, all of them together say.
"""

from collections.abc import Collection

import asyncpg

from casework.sight import Sight
from knowledge_base.days import FIRST_DAY, LAST_DAY
from knowledge_base.digests.head import Digest
from knowledge_base.events.claims import Claim
from streams.messages.codec import decode_stored
from streams.messages.packing import decode_digest
from streams.store.events.histories import find_events
from streams.store.events.persons import find_persons
from streams.store.events.stored import decompressed
from streams.store.sights import place_arguments


async def find_person_events(connection: asyncpg.Connection, area: str, person: str) -> dict[int, Digest]:
    """Every event of a person, over all pseudonyms of that person, by arrival number."""
    return (await find_events_of_persons(connection, area, [person]))[person]


async def find_events_of_persons(
    connection: asyncpg.Connection, area: str, persons: Collection[str]
) -> dict[str, dict[int, Digest]]:
    """The same of several persons, each named by any of their pseudonyms, read at once."""
    members = await find_persons(connection, area, persons)
    patients = [patient for together in members.values() for patient in together]
    found = await find_events(connection, area, dict.fromkeys(patients, (FIRST_DAY, LAST_DAY)))
    whose = {patient: together for together in members.values() for patient in together}
    return {
        person: {
            event.head.seq: decode_digest(event.head.kind, event.digest)
            for patient in whose[person]
            for event in found[patient]
            if event.digest is not None
        }
        for person in persons
    }


async def load_claims(connection: asyncpg.Connection, area: str, seqs: Collection[int]) -> list[Claim]:
    """Claims as they were received, by arrival numbers, in their order; those that rest elsewhere are left out."""
    return list((await load_numbered_claims(connection, area, seqs)).values())


async def load_numbered_claims(connection: asyncpg.Connection, area: str, seqs: Collection[int]) -> dict[int, Claim]:
    """The same, each with its arrival number."""
    rows = await connection.fetch(
        "select seq, body from received where area = $1 and seq = any($2::bigint[]) order by seq", area, list(seqs)
    )
    return {row["seq"]: decode_received(row["body"]) for row in rows}


async def find_claim(connection: asyncpg.Connection, area: str, event_id: str, sight: Sight) -> Claim | None:
    """A claim of an area in sight as it was received, ``None`` where no event of that id is one."""
    body = await connection.fetchval(
        """
        select r.body from event_ids i
        cross join lateral (select body from received where area = i.area and seq = i.seq offset 0) as r
        where i.area = $1 and i.event_id = $2 and ($3::text[] is null or i.area = any($3))
        """,
        area,
        event_id,
        place_arguments(sight)[0],
    )
    event = None if body is None else decode_stored(decompressed(body))
    return event if isinstance(event, Claim) else None


def decode_received(body: bytes) -> Claim:
    """A claim from the bytes of ``received``. Raises ``TypeError`` where they are of another kind of event."""
    event = decode_stored(decompressed(body))
    if not isinstance(event, Claim):
        raise TypeError(f"an event of kind {event.kind}, not a claim")
    return event
