"""The ledger of orders: what was asked about, what was said, and what was billed of it. What-counts section 8.

All of it is a function of the set of what is known of one person, whatever the order of arrival.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from knowledge_base.days import Day, is_likely
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.prescriptions import PrescriptionDigest
from knowledge_base.findings import LineKey
from knowledge_base.numbers import number
from rules_lib.histories.orders import (
    Bill,
    Held,
    How,
    OrderIds,
    OrderKey,
    Place,
    bills_of,
    held_of,
    order_of,
    places_of,
)
from rules_lib.histories.standing import rank, standing_of

Judged = Literal["in time", "late", "not judged"]
"""Whether the rules were asked before a request was answered, after it, or not."""

Answered = Literal["in time", "late", "not judged", "told only"]
"""The same of an order, over the requests that asked about it; ``told only`` where none did."""

_BEST_FIRST: Sequence[Judged] = ("in time", "late", "not judged")


class Said(NamedTuple):
    """A warning, by rx_id and item code of the orders that were in question; ``repeats`` names who said it first."""

    warning_id: str
    orders: Container[tuple[str, str | None]]
    repeats: str | None = None


class Request(NamedTuple):
    """A request about one encounter and what became of it; encounters of one message have one ``code``."""

    number: int
    digest: PrescriptionDigest
    code: str
    judged: Judged
    said: Sequence[Said] = ()


class OrderEntry(msgspec.Struct, frozen=True):
    """An order of the ledger; quantity and amount in yuan are those of its first day.

    ``holds`` is the arrival number of the request that holds, ``asked_by`` those of the requests that asked about it,
    ``warnings`` what a doctor was told of it and ``untold`` what was found too late to be told.
    """

    key: OrderKey
    patient: str
    day: Day
    quantity: str
    amount: str
    holds: int
    asked_by: tuple[int, ...]
    answered: Answered
    warnings: tuple[str, ...]
    untold: tuple[str, ...]
    place: Place | None


class LineEntry(msgspec.Struct, frozen=True):
    """A billed line of the ledger, and as which order it was asked about or told."""

    key: LineKey
    patient: str
    day: Day
    order: OrderKey
    how: How


class DayEntry(msgspec.Struct, frozen=True):
    """Lines of an institution and day that the fund is to pay of, and how many of them were asked about."""

    patient: str
    institution: str
    day: Day
    lines: int
    asked: int


class OrderLedger(msgspec.Struct, frozen=True):
    """What the ledger says of one person."""

    orders: Sequence[OrderEntry]
    lines: Sequence[LineEntry]
    days: Sequence[DayEntry]


def ledger_of(
    requests: Sequence[Request], claims: Sequence[ClaimDigest], order_ids: OrderIds, asking: Mapping[str, Day]
) -> OrderLedger:
    """The ledger of one person. ``asking`` are the first days on which institutions asked about anybody."""
    requests = sorted(requests, key=lambda request: rank(request.digest))
    held = held_of([request.digest for request in requests])
    standing = standing_of(claims)
    bills = bills_of([of for of in held.values() if of.takes_part], standing.held, order_ids)
    orders = _orders(requests, held, places_of(bills))
    asked = {entry.key for entry in orders if entry.asked_by}
    lines = _lines(bills, asked)
    days = _days(standing.claims, {entry.key for entry in lines if entry.order in asked}, asking)
    return OrderLedger(orders, lines, days)


def _orders(
    requests: Sequence[Request], held: Mapping[OrderKey, Held], places: Mapping[OrderKey, Place]
) -> list[OrderEntry]:
    asking: dict[OrderKey, list[Request]] = defaultdict(list)
    numbers: dict[str, int] = {}
    together: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        numbers[request.digest.event_id] = request.number
        together[request.code].append(request)
        named = {_key(request.digest, order.order_id, order.line): order.current for order in request.digest.orders}
        for key, is_current in named.items():
            if is_current:
                asking[key].append(request)
    return [
        _entry(of, numbers[of.prescription.event_id], asking[key], together, places.get(key))
        for key, of in held.items()
    ]


def _entry(
    of: Held, holds: int, asking: Sequence[Request], together: Mapping[str, Sequence[Request]], place: Place | None
) -> OrderEntry:
    name = of.key.order_id, of.key.item_code
    said = [
        (beside.judged == "in time", one.repeats or one.warning_id)
        for request in asking
        for beside in together[request.code]
        for one in beside.said
        if name in one.orders
    ]
    judged = {request.judged for request in asking}
    return OrderEntry(
        key=of.key,
        patient=of.prescription.patient,
        day=of.order.line.day,
        quantity=of.order.line.quantity,
        amount=of.order.line.amount,
        holds=holds,
        asked_by=tuple(sorted(request.number for request in asking)),
        answered=next((state for state in _BEST_FIRST if state in judged), "told only"),
        warnings=_named(warning_id for is_told, warning_id in said if is_told),
        untold=_named(warning_id for is_told, warning_id in said if not is_told),
        place=place,
    )


def _named(warning_ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(warning_ids)))


def _key(digest: PrescriptionDigest, order_id: str, line: LineDigest) -> OrderKey:
    return OrderKey(digest.institution, digest.encounter_id, order_id, line.item_code)


def _lines(bills: Iterable[Bill], asked: Container[OrderKey]) -> list[LineEntry]:
    """Each line that bills orders with one of them: by the first way, of several the first that was asked about."""
    billing: dict[LineKey, Bill] = {}
    for bill in bills:
        billing.setdefault(bill.billed.key, bill)
    return [_line(bill, asked) for bill in billing.values()]


def _line(bill: Bill, asked: Container[OrderKey]) -> LineEntry:
    first = min(bill.orders, key=lambda of: (of.key not in asked, order_of(of)))
    billed = bill.billed
    return LineEntry(billed.key, billed.claim.patient, billed.line.day, first.key, bill.how)


def _days(claims: Iterable[ClaimDigest], asked: Container[LineKey], asking: Mapping[str, Day]) -> list[DayEntry]:
    """The lines that the fund is to pay by patient, institution and day; of one name that of the greatest rank."""
    own: dict[LineKey, tuple[ClaimDigest, LineDigest]] = {
        (claim.institution, claim.encounter_id, line.line_id): (claim, line)
        for claim in sorted(claims, key=rank)
        if claim.institution in asking
        for line in claim.lines
    }
    counted: dict[tuple[str, str, Day], list[bool]] = defaultdict(list)
    for key, (claim, line) in own.items():
        since = asking[claim.institution]
        if line.day >= since and is_likely(line.day) and not line.takes_back and _is_in_scope(line):
            counted[claim.patient, claim.institution, line.day].append(key in asked)
    return [DayEntry(*key, len(lines), sum(lines)) for key, lines in counted.items()]


def _is_in_scope(line: LineDigest) -> bool:
    return number(line.in_fund_scope or "0") > 0
