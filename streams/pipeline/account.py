"""The account: what becomes of each message of a batch. Every one is counted once, and what is refused is kept.

A record is known again by the hash of its bytes. Where an id comes again in other bytes, what it means is compared."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from streams.bus import Record
from streams.messages.codec import decode_message, decode_stored, readable_sending, same_content, unknown_fields
from streams.messages.faults import Undecodable
from streams.messages.kinds import KINDS, Sending
from streams.messages.parts import part_fault
from streams.messages.unknown import MOST_NAMES
from streams.messages.vault import Vault
from streams.pipeline.arrivals import Incoming, incoming_of


class Refused(msgspec.Struct, frozen=True):
    """A message that did not become an event; ``body`` is sealed, ``line`` which line of its file it was, if any."""

    offset: int
    outcome: str
    source: str
    reasons: list[str]
    key: bytes | None
    body: bytes
    money: Decimal | None
    line: int | None


class Tally(msgspec.Struct):
    """Outcomes of one source in one batch, in messages and yuan."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead: int = 0
    accepted_money: Decimal = Decimal(0)
    duplicate_money: Decimal = Decimal(0)
    conflict_money: Decimal = Decimal(0)
    dead_money: Decimal = Decimal(0)
    dead_money_unknown: int = 0
    unknown_fields: int = 0

    def count(self, outcome: str, money: Decimal | None) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)
        if money is None:
            self.dead_money_unknown += 1
        else:
            setattr(self, f"{outcome}_money", getattr(self, f"{outcome}_money") + money)


_LOOKED_AT = 64
"""One message in so many is decoded a second time, for the fields that no schema knows."""
_SOURCES_LOOKED_AT = 16
"""Sources of a batch whose first message is, too: where each message came from another one, all would be."""

Unknown = tuple[str, str]
"""A kind of events and the name of a field that it does not know."""


class Account:
    """What becomes of a batch's messages: every one is counted once, and what is refused is kept."""

    def __init__(self, vault: Vault):
        self.tallies: dict[str, Tally] = {}
        self.letters: list[Refused] = []
        self.unknown: dict[str, Counter[Unknown]] = {}
        self.sent: list[tuple[Sending, datetime]] = []
        self.refused: list[Sending] = []
        self._vault = vault

    def accepted(self, item: Incoming) -> None:
        self._tally(item.record).count("accepted", item.money)
        sending = KINDS[item.event.kind].sending(item.event)
        if sending is not None:
            self.sent.append((sending, item.event.happened_at))

    def duplicate(self, item: Incoming) -> None:
        self._tally(item.record).count("duplicate", item.money)

    def known(self, item: Incoming, stored: bytes) -> None:
        """A message whose id came before in other bytes: a duplicate or a conflict."""
        if same_content(decode_stored(stored), item.event):
            self.duplicate(item)
            return
        self._tally(item.record).count("conflict", item.money)
        reasons = ["event_id: known with other content"]
        self.letters.append(letter_of(self._vault, item.record, "conflict", reasons, item.money))
        self._refuse(KINDS[item.event.kind].sending(item.event))

    def dead(self, record: Record, reasons: list[str], money: Decimal | None, sending: Sending | None = None) -> None:
        """A message that is no event; ``sending`` is whose, where that is not read from its bytes."""
        self._tally(record).count("dead", money)
        self.letters.append(letter_of(self._vault, record, "dead", reasons, money))
        self._refuse(sending or readable_sending(record.value or b""))

    def _refuse(self, sending: Sending | None) -> None:
        if sending is not None:
            self.refused.append(sending)

    def unknown_fields(self, record: Record, kind: str) -> None:
        """Counts the fields of a good message that no schema knows, and names the first of each source."""
        fields = unknown_fields(record.value or b"")
        self._tally(record).unknown_fields += len(fields)
        if fields:
            named = self.unknown.setdefault(record.source, Counter())
            for field, seen in sorted(Counter(fields).items()):
                if field and ((kind, field) in named or len(named) < MOST_NAMES):
                    named[kind, field] += seen

    def _tally(self, record: Record) -> Tally:
        return self.tallies.setdefault(record.source, Tally())


def decode_records(records: Sequence[Record], account: Account, topic: str) -> list[Incoming]:
    """The events of some records of a topic; what is none, or belongs on another one, is accounted for as dead.

    The first message of each source, of a few, and one in sixty-four, chosen by its bytes, are looked at for fields
    that no schema knows.
    """
    incoming = []
    for record in records:
        if record.unreadable is not None:
            account.dead(record, [record.unreadable], None)
            continue
        body = record.value or b""
        try:
            event, padded_id = decode_message(body)
        except Undecodable as error:
            too_long = part_fault(record.key)
            account.dead(record, [too_long] if too_long else error.faults, error.money)
            continue
        if KINDS[event.kind].topic != topic:
            account.dead(record, [f"kind: expected on topic {KINDS[event.kind].topic}"], KINDS[event.kind].money(event))
            continue
        hash = hashlib.blake2b(body, digest_size=16).digest()
        is_first = record.source not in account.tallies and len(account.tallies) < _SOURCES_LOOKED_AT
        if is_first or hash[0] % _LOOKED_AT == 0:
            account.unknown_fields(record, event.kind)
        incoming.append(incoming_of(record, event, padded_id, hash))
    return incoming


def letter_of(vault: Vault, record: Record, outcome: str, reasons: list[str], money: Decimal | None) -> Refused:
    """A message that did not become an event, with its bytes sealed."""
    sealed = vault.seal(record.value or b"")
    return Refused(record.offset, outcome, record.source, reasons, record.key, sealed, money, record.line)
