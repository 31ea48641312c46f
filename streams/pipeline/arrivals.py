"""Arrivals: decoded messages on their way into the store. No I/O."""

from decimal import Decimal

import msgspec
import zstandard

from knowledge_base.days import Day
from knowledge_base.digests.kinds import Digest, digest_of, span_of
from knowledge_base.events.claims import Claim
from knowledge_base.events.kinds import Event
from streams.bus import Record
from streams.messages.packing import encode_digest


class Arrival(msgspec.Struct, frozen=True):
    """An event on its way into the store. ``body`` is the received message, compressed."""

    event_id: str
    kind: str
    patient: str
    digest: Digest
    digest_bytes: bytes
    first_day: Day
    last_day: Day
    claim_id: str | None
    encounter_id: str | None
    institution: str | None
    reverses: str | None
    corrects: str | None
    money: object
    source: str
    body: bytes


class Incoming(msgspec.Struct, frozen=True):
    """A decoded message, with 16 bytes that are equal for equal bytes and what its lines sum to in yuan."""

    record: Record
    event: Event
    hash: bytes
    money: Decimal


_compress = zstandard.ZstdCompressor(level=1).compress


def arrival_of(item: Incoming) -> Arrival:
    event = item.event
    digest = digest_of(event)
    first_day, last_day = span_of(digest)
    claim = event if isinstance(event, Claim) else None
    return Arrival(
        event_id=event.event_id,
        kind=event.kind,
        patient=event.patient,
        digest=digest,
        digest_bytes=encode_digest(digest),
        first_day=first_day,
        last_day=last_day,
        claim_id=claim.claim_id if claim else None,
        encounter_id=claim.encounter_id if claim else None,
        institution=claim.institution if claim else None,
        reverses=claim.reverses if claim else None,
        corrects=claim.corrects if claim else None,
        money=item.money,
        source=item.record.source,
        body=item.record.packed or _compress(item.record.value or b""),
    )
