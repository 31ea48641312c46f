"""The codec: received bytes to events and back, and when two events mean the same."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event, Money
from streams.messages.faults import (
    MOST,
    MOST_PARTS,
    Undecodable,
    fields_of,
    told_faults,
    type_faults,
    without_value,
)
from streams.messages.identifiers import in_trimmed_area, trimmed, unseen_faults, with_trimmed
from streams.messages.instants import with_cut_instants
from streams.messages.kinds import ASKED, ASKED_IN, CLAIM, KINDS, REPLY, Kind, Sending, is_sender
from streams.messages.names import fields_stand_once, stand_once, twice_faults
from streams.messages.numbers import are_plain, read_any_spelling, with_decimals
from streams.messages.plain import is_plain, numbers_of
from streams.messages.unknown import find_unknown, parts_of, with_misspelt

_decode_claim = msgspec.json.Decoder(Claim).decode
_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode
_encode_json = msgspec.json.Encoder().encode
_ZERO = Decimal(0)


class _OfKind(msgspec.Struct):
    kind: str


_decode_kind = msgspec.json.Decoder(_OfKind).decode


class Decoded(NamedTuple):
    """An event, and its id as it came where that is padded: under it a door of before may have kept the event."""

    event: Event
    padded_id: str | None = None


def decode_event(body: bytes) -> Event:
    """One event from its JSON. Raises ``Undecodable`` with every fault of the message."""
    return decode_message(body).event


def decode_message(body: bytes) -> Decoded:
    """One event from its JSON, its identifiers trimmed. Raises ``Undecodable`` with every fault of the message.

    Nearly every message is a claim without a fault and is decoded at once; the others go the long way round.
    """
    if len(body) > MOST_PARTS and body.count(b"{") + body.count(b"[") > MOST_PARTS:
        raise Undecodable([f"message: more than {MOST_PARTS:,} objects and lists"])
    try:
        claim = _decode_claim(with_cut_instants(body))
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return decode_slowly(body)
    if is_plain(claim, body) and (fields_stand_once(body, Claim) or stand_once(body, _decode_data(body))):
        return Decoded(claim)
    return decode_slowly(body)


def decode_slowly(body: bytes) -> Decoded:
    """One event of any kind from its JSON. Raises ``Undecodable`` with every fault of the message."""
    data = _decode_data(body)
    kind = _kind_of(data)
    of_names = [] if stand_once(body, data) else twice_faults(body, _names_in(kind))
    if kind is None:
        raise Undecodable(told_faults(chain(of_names, [f"kind: expected one of {', '.join(KINDS)}"])), _money(data))
    try:
        came: Event = read_any_spelling(with_cut_instants(body), kind.event)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        faults = told_faults(chain(of_names, type_faults(data, kind.event))) or [without_value(error)]
        raise Undecodable(with_misspelt(faults, data, kind.event), _money(data)) from None
    event = in_trimmed_area(with_trimmed(came))
    faults = told_faults(chain(of_names, type_faults(data, kind.event), unseen_faults(event), kind.faults(event)))
    if faults:
        raise Undecodable(faults, _money(data))
    return Decoded(event, came.event_id if came.event_id != event.event_id else None)


def decode_stored(body: bytes) -> Event:
    """One event from bytes that were accepted once, whatever today's door would say of them; identifiers trimmed.

    One that is faulty by that keeps them as they came, but for its own id: its lines "1" and "1 " are two.
    Raises ``Undecodable`` where no door can have taken it.
    """
    came: Any = decode_as_it_came(body)
    event: Event = with_trimmed(came)
    if event != came and any(KINDS[event.kind].faults(event)):
        event = replace(came, event_id=event.event_id)
    return event


def decode_as_it_came(body: bytes) -> Event:
    """The same with identifiers as they came, which doors of before kept so."""
    body = with_cut_instants(body)
    with suppress(msgspec.DecodeError, ValueError, OverflowError):
        claim = _decode_claim(body)
        if are_plain(numbers_of(claim)):
            return claim
    try:
        kind = KINDS[_decode_kind(body).kind]  # alone: what no schema knows may hold what nobody can read
        event: Event = read_any_spelling(body, kind.event)
    except (msgspec.DecodeError, KeyError, ValueError, ArithmeticError):
        raise Undecodable(["stored bytes that cannot be read"]) from None
    return event


def readable_money(body: bytes) -> Decimal | None:
    """What the lines of a message sum to, whatever else it holds; ``None`` where that cannot be read."""
    try:
        return _money(_decode_data(body))
    except Undecodable:
        return None


def readable_sending(body: bytes) -> Sending | None:
    """Who sent a message that is no event, and of which kind it was to be; ``None`` where that cannot be read."""
    try:
        data = _decode_data(body)
    except Undecodable:
        return None
    sender, kind = data.get("institution"), data.get("kind")
    if kind == "prescription":
        kind = ASKED_IN.get(phase) if isinstance(phase := data.get("phase"), str) else None
    elif kind == "reply":
        kind = REPLY
    if kind not in (CLAIM, *ASKED) or not isinstance(sender, str) or not is_sender(sender):
        return None
    return Sending(sender.strip(), kind, None)


def unknown_fields(body: bytes) -> list[str]:
    """The fields of a good message that our schema does not know; none where one of them cannot be read at all."""
    try:
        data = _decode_data(body)
    except Undecodable:
        return []
    return list(find_unknown(data, KINDS[data["kind"]].event))


def _names_in(kind: Kind | None) -> frozenset[str]:
    """The names of the fields of an event and of all of its parts, of any event where it is of no kind."""
    events: list[Any] = [of.event for of in KINDS.values() if kind in (of, None)]
    return frozenset().union(*map(_all_fields, events))


@cache
def _all_fields(kind: Any) -> frozenset[str]:
    inside = [_all_fields(part) for part in parts_of(kind).values()]
    return frozenset(fields_of(kind)).union(*inside)


def _decode_data(body: bytes) -> dict[str, Any]:
    try:
        data = _decode_json(body)
    except UnicodeDecodeError:
        raise Undecodable(["not JSON: not UTF-8"]) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Undecodable([f"not JSON: {error}"]) from None
    except ArithmeticError:
        raise Undecodable(["message: a number whose exponent nobody can reckon with"]) from None
    if not isinstance(data, dict):
        raise Undecodable(["not a JSON object"])
    return data


def _kind_of(data: dict[str, Any]) -> Kind | None:
    return KINDS.get(data["kind"]) if isinstance(data.get("kind"), str) else None


def _money(data: dict[str, Any]) -> Decimal | None:
    """What the lines of a faulty message sum to, where every amount is written as the schema has it."""
    try:
        amounts = [line["amount"] for line in data["lines"]]
    except (KeyError, TypeError):
        return None
    if any(fault for amount in amounts for fault in type_faults(amount, Money)):
        return None
    total = sum((Decimal(str(amount)) for amount in amounts), _ZERO)
    return total if abs(total) < MOST * 1000 else None


def encode_event(event: Event) -> bytes:
    """An event as JSON: decimals in strings, instants in UTC."""
    return _encode_json(event)


def same_content(one: Event, other: Event) -> bool:
    """Whether two events mean the same: 1.50 is 1.5, 08:00+08:00 is 00:00Z; when they were received is no content."""
    return _content(one) == _content(other)


def _content(event: Event) -> object:
    return replace(with_decimals(event), received_at=None)


Address = tuple[str, bytes | None]
"""A topic and a key."""


def address_reader(otherwise: str) -> Callable[[bytes], Address]:
    """What tells where messages belong before they are decoded: topic and key, without a key where they tell none.

    Messages that tell no kind go ``otherwise``, where their faults are found and said.
    """
    names = sorted({name for kind in KINDS.values() for name in kind.key})
    fields = [(name, Any, None) for name in ("kind", *names)]
    decode = msgspec.json.Decoder(msgspec.defstruct("AddressFields", fields)).decode
    places = {name: (kind.topic, _key_reader(kind.key)) for name, kind in KINDS.items()}
    without_kind = otherwise, _key_reader(KINDS["claim"].key)

    def address_of(body: bytes) -> Address:
        try:
            read: Any = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return otherwise, None
        topic, key_of = places.get(read.kind, without_kind) if isinstance(read.kind, str) else without_kind
        try:
            return topic, "/".join(map(trimmed, key_of(read))).encode()
        except (TypeError, AttributeError):  # a name is missing, or no text
            return topic, None

    return address_of


def _key_reader(names: tuple[str, ...]) -> Callable[[Any], Sequence[str]]:
    """What takes the fields of a key from what was read of a message."""
    if len(names) == 1:
        (name,) = names
        return lambda read: (getattr(read, name),)
    return attrgetter(*names)
