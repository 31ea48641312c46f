"""Arrivals: records on their way in, and the account of what becomes of each. No I/O.

A record is known again by the hash of its bytes. Where an id comes again in other bytes, what it means is compared.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import zstandard

from knowledge_base.digests import span_of
from knowledge_base.events import Claim, Event
from streams.bus import Record
from streams.codec import decode_event, money_of, same_content
from streams.digesting import digest_of, encode_digest
from streams.faults import Undecodable, count_unknown_fields
from streams.store.history import Arrival
from streams.store.intake import DeadLetter, Tally
from streams.vault import Vault

_LOOKED_AT = 16
"""One message in so many is decoded a second time, for the fields that no schema knows."""

_compress = zstandard.ZstdCompressor(level=1).compress


class Incoming(msgspec.Struct, frozen=True):
    """A decoded message, with 16 bytes that are equal for equal bytes and what its lines sum to in yuan."""

    record: Record
    event: Event
    hash: bytes
    money: Decimal


class Account:
    """What becomes of a batch's messages: every one is counted once, and what is refused is kept."""

    def __init__(self, vault: Vault):
        self.tallies: dict[str, Tally] = {}
        self.letters: list[DeadLetter] = []
        self._vault = vault

    def accepted(self, item: Incoming) -> Arrival:
        self._tally(item.record).count("accepted", item.money)
        return _arrival(item)

    def duplicate(self, item: Incoming) -> None:
        self._tally(item.record).count("duplicate", item.money)

    def known(self, item: Incoming, stored: bytes) -> None:
        """A message whose id came before in other bytes: a duplicate or a conflict."""
        if same_content(decode_event(stored), item.event):
            self.duplicate(item)
            return
        self._tally(item.record).count("conflict", item.money)
        reasons = ["event_id: known with other content"]
        self.letters.append(letter_of(self._vault, item.record, "conflict", reasons, item.money))

    def dead(self, record: Record, reasons: list[str], money: Decimal | None) -> None:
        self._tally(record).count("dead", money)
        self.letters.append(letter_of(self._vault, record, "dead", reasons, money))

    def unknown_fields(self, record: Record) -> None:
        """Counts the fields of a good message that no schema knows."""
        self._tally(record).unknown_fields += count_unknown_fields(record.value or b"")

    def _tally(self, record: Record) -> Tally:
        return self.tallies.setdefault(record.source, Tally())


def decode_records(records: Sequence[Record], account: Account) -> list[Incoming]:
    """The events of some records; what is none is accounted for as dead.

    One message in sixteen, chosen by its bytes, is looked at for fields that no schema knows.
    """
    incoming = []
    for record in records:
        body = record.value or b""
        try:
            event = decode_event(body)
        except Undecodable as error:
            account.dead(record, error.faults, error.money)
            continue
        hash = hashlib.blake2b(body, digest_size=16).digest()
        if hash[0] % _LOOKED_AT == 0:
            account.unknown_fields(record)
        incoming.append(Incoming(record, event, hash, money_of(event)))
    return incoming


def letter_of(vault: Vault, record: Record, outcome: str, reasons: list[str], money: Decimal | None) -> DeadLetter:
    """A message that did not become an event, with its bytes sealed."""
    sealed = vault.seal(record.value or b"")
    return DeadLetter(record.offset, outcome, record.source, reasons, record.key, sealed, money)


def _arrival(item: Incoming) -> Arrival:
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
