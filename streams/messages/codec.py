"""The codec: received bytes to events and back, and when two events mean the same."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from knowledge_base.events.claims import Claim
from knowledge_base.events.kinds import Event
from streams.messages.faults import (
    FIRST_YEAR,
    LAST_YEAR,
    LONGEST_SUPPLY,
    MOST,
    PAID_DECIMALS,
    PLACES,
    claim_faults,
    decode_slowly,
)

_decode_claim = msgspec.json.Decoder(Claim).decode
_encode_json = msgspec.json.Encoder().encode
_ESCAPED_NUL = rb"\u0000"
_ZERO = Decimal(0)
_EARLY = datetime(FIRST_YEAR, 1, 2, tzinfo=UTC)
_LATE = datetime(LAST_YEAR, 12, 30, tzinfo=UTC)
"""Between these every time zone is in the years that may be."""


def decode_event(body: bytes) -> Event:
    """One event from its JSON. Raises ``Undecodable`` with every fault of the message.

    Nearly every message is a claim without a fault and is decoded at once; the others go the long way round.
    """
    try:
        claim = _decode_claim(body)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return decode_slowly(body)
    if _ESCAPED_NUL in body or not _is_plain(claim) or next(claim_faults(claim), None) is not None:
        return decode_slowly(body)
    return claim


def _is_plain(claim: Claim) -> bool:
    """Whether lines and payments are surely without fault: looked at together, because nearly all are."""
    lines = claim.lines
    numbers = [line.quantity for line in lines]
    numbers += [line.amount for line in lines]
    numbers += [line.unit_price for line in lines if line.unit_price is not None]
    numbers += [line.in_fund_scope for line in lines if line.in_fund_scope is not None]
    numbers += [line.own_pay for line in lines if line.own_pay is not None]
    numbers += [getattr(claim.paid, name) for name in PAID_DECIMALS] if claim.paid else []
    moments = [line.at for line in lines]
    try:
        exponent = sum(numbers, _ZERO).as_tuple().exponent
        bounded = not numbers or (max(numbers) < MOST and min(numbers) > -MOST)
    except ArithmeticError:
        return False
    return (
        bounded
        and isinstance(exponent, int)
        and exponent >= -PLACES
        and (not moments or (min(moments) > _EARLY and max(moments) < _LATE))
        and len({line.line_id for line in lines}) == len(lines)
        and not [line for line in lines if line.days and not 0 < line.days <= LONGEST_SUPPLY]
        and not [line for line in lines if line.refund_of == line.line_id]
    )


def encode_event(event: Event) -> bytes:
    """An event as JSON: decimals in strings, instants in UTC."""
    return _encode_json(event)


def money_of(event: Event) -> Decimal:
    """What an event's lines sum to, in yuan; 0 for events without lines."""
    return sum([line.amount for line in event.lines], _ZERO) if isinstance(event, Claim) else _ZERO


def same_content(one: Event, other: Event) -> bool:
    """Whether two events mean the same: 1.50 is 1.5, 08:00+08:00 is 00:00Z; when they were received is no content."""
    return replace(one, received_at=None) == replace(other, received_at=None)
