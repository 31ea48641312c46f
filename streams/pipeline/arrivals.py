"""Arrivals: decoded messages on their way into the store."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import zstandard

from knowledge_base.days import Day
from knowledge_base.digests.head import Details, Digest, Links
from knowledge_base.events.head import Event
from knowledge_base.subjects import PATIENT, Subject
from streams.bus import Record
from streams.messages.kinds import KINDS, Place, details_of, digest_of
from streams.messages.packing import encode_details, encode_digest

_compress = zstandard.ZstdCompressor(level=1).compress


class Incoming(msgspec.Struct, frozen=True):
    """A decoded message: whom it is about (its own subject first), and 16 bytes that are equal for equal bytes.

    ``padded_id`` is its id as it came, where that was trimmed; ``joins`` is another pseudonym of its patient; ``money``
    is what its lines sum to, in yuan.
    """

    record: Record
    event: Event
    padded_id: str | None
    hash: bytes
    subjects: Sequence[Place]
    joins: str | None
    money: Decimal

    @property
    def patients(self) -> list[str]:
        """The pseudonyms that it speaks of, where it is about a patient."""
        own = self.subjects[0][1]
        return [name for name in (own.name, self.joins) if name] if own.kind == PATIENT else []


class Arrival(msgspec.Struct, frozen=True):
    """An event on its way into the store.

    ``wider`` are its subjects that are no patient, with their areas; ``body`` is the received message, compressed.
    """

    event_id: str
    kind: str
    subject: Subject
    wider: Sequence[Place]
    digest: Digest
    digest_bytes: bytes
    details: Details
    details_bytes: bytes
    first_day: Day
    last_day: Day
    links: Links
    money: Decimal
    source: str
    body: bytes


def incoming_of(record: Record, event: Event, padded_id: str | None, hash: bytes) -> Incoming:
    kind = KINDS[event.kind]
    return Incoming(record, event, padded_id, hash, kind.subjects(event), kind.joins(event), kind.money(event))


def arrival_of(item: Incoming) -> Arrival:
    digest, details = digest_of(item.event), details_of(item.event)
    first_day, last_day = digest.span
    return Arrival(
        event_id=item.event.event_id,
        kind=item.event.kind,
        subject=item.subjects[0][1],
        wider=[place for place in item.subjects if place[1].kind != PATIENT],
        digest=digest,
        digest_bytes=encode_digest(digest),
        details=details,
        details_bytes=encode_details(details),
        first_day=first_day,
        last_day=last_day,
        links=digest.links,
        money=item.money,
        source=item.record.source,
        body=item.record.packed or _compress(item.record.value or b""),
    )
