"""Orders: which of them are billed already, and by which line; which count still, and as what. What-counts section 7.

All of it is a function of the set of requests and claims of one person, whatever the order of their arrival.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from knowledge_base.days import Day, is_likely
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.prescriptions import OrderDigest, PrescriptionDigest
from knowledge_base.findings import LineKey
from knowledge_base.numbers import number
from rules_lib.histories.history import Encounter
from rules_lib.histories.standing import rank, standing_of

COUNTED_FOR = 30
"""Days after its last day for which an order that nobody bills counts still."""

REACH = 30
"""Days by which a line that names an order may lie before the first day or after the last over which it runs."""

SIGN = "\0"
"""With it the names begin that orders have as lines and claims: what the store keeps cannot hold it."""

How = Literal["order", "prescription", "item and day"]
"""How a line is known to bill an order: it names it, it names its prescription, or it fits."""


class OrderKey(NamedTuple):
    """By which an order is known in its area and person."""

    institution: str
    encounter_id: str
    order_id: str
    item_code: str | None


class Place(NamedTuple):
    """The line that took an order's place."""

    line: LineKey
    how: How


class Replied(NamedTuple):
    """What an institution did about a warning of its own, at an instant in microseconds since 1970-01-01T00:00Z.

    ``orders`` are those in question in it, by rx_id and item code.
    """

    warning_id: str
    institution: str
    orders: frozenset[tuple[str, str | None]]
    changes: bool
    at: int
    event_id: str


class Held(NamedTuple):
    """An order as the request says it that holds; ``alone`` where that has no other item under its id."""

    key: OrderKey
    prescription: PrescriptionDigest
    order: OrderDigest
    alone: bool

    def runs_on(self, day: Day, around: int = 0) -> bool:
        """Whether a day is one of those over which it runs, or so many days around."""
        return self.order.line.day - around <= day <= self.order.last_day + around

    @property
    def takes_part(self) -> bool:
        """Whether it has units and a told day."""
        return is_likely(self.order.line.day) and number(self.order.line.quantity) > 0


class Orders(msgspec.Struct, frozen=True):
    """A person's orders: those that hold, whose places were taken, and what is left as claims that hold.

    ``by_line`` gives the order of a line of ``claims``, by event_id and line_id.
    """

    held: Mapping[OrderKey, Held]
    places: Mapping[OrderKey, Place]
    claims: Sequence[ClaimDigest]
    by_line: Mapping[tuple[str, str], OrderKey]


NO_ORDERS = Orders({}, {}, (), {})

OrderIds = Mapping[str, Sequence[str | None]]
"""What the lines of claims say they were ordered as, in their order, by event_id; of one that is absent nothing."""


def orders_of(
    prescriptions: Sequence[PrescriptionDigest],
    claims: Sequence[ClaimDigest],
    order_ids: OrderIds,
    replied: Iterable[Replied] = (),
) -> Orders:
    """A person's orders over all of the requests, claims and replies that may matter to them."""
    if not prescriptions:
        return NO_ORDERS
    held = held_of(prescriptions)
    standing = standing_of(claims)
    able = {key: of for key, of in held.items() if of.takes_part}
    places = places_of(bills_of([*able.values()], standing.held, order_ids))
    today = max(of.asked_on for of in prescriptions)
    settled: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
    for claim in standing.claims:
        if not claim.mid_stay:
            settled[claim.institution, claim.encounter_id].append(claim)
    taken_back = _taken_back(replied)
    left = [
        of
        for key, of in able.items()
        if key not in places and not _is_over(of, today, settled) and not _is_taken_back(of, taken_back)
    ]
    counting = [_as_claim(of, orders) for of, orders in _by_request(left)]
    by_line = {(of.prescription.event_id, _line_id(of.order)): of.key for of in left}
    return Orders(held, places, counting, by_line)


def held_of(prescriptions: Iterable[PrescriptionDigest]) -> dict[OrderKey, Held]:
    """Each order as the request of the greatest rank says it, within one request the last."""
    held: dict[OrderKey, Held] = {}
    for prescription in sorted(prescriptions, key=rank):
        items: dict[str, set[str | None]] = defaultdict(set)
        for order in prescription.orders:
            items[order.order_id].add(order.line.item_code)
        place = prescription.institution, prescription.encounter_id
        for order in prescription.orders:
            order_id = order.order_id
            key = OrderKey(*place, order_id, order.line.item_code)
            held[key] = Held(key, prescription, order, len(items[order_id]) == 1)
    return held


def _concerned(held: Iterable[Held], claims: Sequence[ClaimDigest], order_ids: OrderIds) -> list[ClaimDigest]:
    """The claims that may bill one of some orders: those of their encounters, and of such as name one of them.

    Of an encounter all claims are taken, since of lines of one name the first is the line.
    """
    names: dict[str, set[str]] = defaultdict(set)
    encounters: set[Encounter] = set()
    for of in held:
        encounters.add((of.key.institution, of.key.encounter_id))
        names[of.key.institution].add(of.key.order_id)
        if of.order.prescription_id is not None:
            names[of.key.institution].add(of.order.prescription_id)
    for claim in claims:
        named = names.get(claim.institution)
        if named is not None and not named.isdisjoint(order_ids.get(claim.event_id, ())):
            encounters.add((claim.institution, claim.encounter_id))
    return [claim for claim in claims if (claim.institution, claim.encounter_id) in encounters]


class Billed(NamedTuple):
    """A line that may take an order's place, and the order that it names."""

    claim: ClaimDigest
    line: LineDigest
    order_id: str | None

    @property
    def key(self) -> LineKey:
        return (self.claim.institution, self.claim.encounter_id, self.line.line_id)


class Bill(NamedTuple):
    """A line, and the orders that it bills in one way."""

    billed: Billed
    how: How
    orders: Sequence[Held]


def bills_of(held: Sequence[Held], claims: Sequence[ClaimDigest], order_ids: OrderIds) -> list[Bill]:
    """Which lines of claims that hold bill which orders, in line order: first those that name any, then those that fit.

    A line that names both an order and a prescription is there twice. ``held`` are orders that take part.
    """
    billed = _billed(_concerned(held, claims, order_ids), order_ids)
    if not billed:
        return []
    by_order = _grouped(held, lambda of: (of.prescription.institution, of.order.order_id))
    by_number = _grouped(held, lambda of: (of.prescription.institution, of.order.prescription_id))
    bills: list[Bill] = []
    nameless: list[Billed] = []
    for one in billed:
        name = (one.claim.institution, one.order_id)
        as_order = [of for of in _reached(by_order.get(name, ()), one) if of.alone or _is_of_item(of, one)]
        as_number = [of for of in _reached(by_number.get(name, ()), one) if _is_of_item(of, one)]
        if one.order_id is None or not (as_order or as_number):
            nameless.append(one)
            continue
        if as_order:
            bills.append(Bill(one, "order", as_order))
        if as_number:
            bills.append(Bill(one, "prescription", as_number))
    taken = {of.key for bill in bills for of in bill.orders}
    return [*bills, *_fitting(held, nameless, taken)]


def places_of(bills: Iterable[Bill]) -> dict[OrderKey, Place]:
    """The line that took each order's place: the first that names it, else that names its prescription, else fits."""
    ways: Mapping[How, dict[OrderKey, Place]] = {"item and day": {}, "prescription": {}, "order": {}}
    for bill in bills:
        for of in bill.orders:
            ways[bill.how].setdefault(of.key, Place(bill.billed.key, bill.how))
    return {key: place for way in ways.values() for key, place in way.items()}


def _billed(claims: Iterable[ClaimDigest], order_ids: OrderIds) -> list[Billed]:
    """The lines of some claims in line order, without those that take back; of one name the first is the line."""
    billed = []
    for claim in claims:
        named = order_ids.get(claim.event_id, ())
        for index, line in enumerate(claim.lines):
            if not line.takes_back:
                billed.append(Billed(claim, line, named[index] if index < len(named) else None))
    billed.sort(key=lambda of: (of.line.at, of.claim.event_id, of.line.line_id))
    first: dict[LineKey, Billed] = {}
    for one in billed:
        first.setdefault(one.key, one)
    return [*first.values()]


def _fitting(held: Iterable[Held], nameless: Iterable[Billed], taken: set[OrderKey]) -> list[Bill]:
    """Lines that name no order bill those that fit: one of the day alone, else all that run over it."""
    fitting = _grouped(sorted(held, key=order_of), lambda of: (*of.key[:2], of.key.item_code))
    bills: list[Bill] = []
    for one in nameless:
        if one.line.item_code is None or not is_likely(one.line.day):
            continue
        orders = fitting.get((one.claim.institution, one.claim.encounter_id, one.line.item_code), ())
        on_day = [of for of in orders if of.runs_on(one.line.day)]
        of_day = next((of for of in on_day if of.order.line.day == of.order.last_day and of.key not in taken), None)
        running = [of for of in on_day if of.order.line.day < of.order.last_day]
        own = running if of_day is None else [of_day]
        if own:
            taken |= {of.key for of in own}
            bills.append(Bill(one, "item and day", own))
    return bills


Group = tuple[str | None, ...]


def _grouped(held: Iterable[Held], key: Callable[[Held], Group]) -> dict[Group, list[Held]]:
    groups: dict[Group, list[Held]] = defaultdict(list)
    for of in held:
        groups[key(of)].append(of)
    return groups


def _reached(orders: Iterable[Held], billed: Billed) -> list[Held]:
    """Those near a line; a line without a told day is near none."""
    day = billed.line.day
    return [of for of in orders if is_likely(day) and of.runs_on(day, REACH)]


def _is_of_item(held: Held, billed: Billed) -> bool:
    return held.order.line.item_code == billed.line.item_code


def order_of(held: Held) -> tuple[int, str, str]:
    return (held.order.line.at, held.prescription.event_id, held.order.order_id)


def _is_over(held: Held, today: Day, settled: Mapping[Encounter, Sequence[ClaimDigest]]) -> bool:
    """Whether nobody will bill an order any more: its encounter was settled without it, or it is long past."""
    of, first = held.prescription, held.order.line.day
    return held.order.last_day + COUNTED_FOR < today or any(
        claim.happened_at > of.happened_at and claim.span[1] >= first - REACH
        for claim in settled.get((of.institution, of.encounter_id), ())
    )


TakenBack = Mapping[tuple[str, str, str | None], int]
"""When orders were taken back last, by institution, rx_id and item code."""


def _taken_back(replied: Iterable[Replied]) -> TakenBack:
    """By the last reply to each warning, where that says that orders are changed."""
    last: dict[str, Replied] = {}
    for of in sorted(replied, key=lambda of: (of.at, of.event_id)):
        last[of.warning_id] = of
    found: dict[tuple[str, str, str | None], int] = {}
    for of in last.values():
        for order in of.orders if of.changes else ():
            key = (of.institution, *order)
            found[key] = max(of.at, found.get(key, of.at))
    return found


def _is_taken_back(held: Held, taken_back: TakenBack) -> bool:
    """Whether a doctor said, after the request that holds, that an order is changed."""
    at = taken_back.get((held.key.institution, held.key.order_id, held.key.item_code))
    return at is not None and at >= held.prescription.happened_at


def _by_request(held: Iterable[Held]) -> Iterable[tuple[PrescriptionDigest, list[OrderDigest]]]:
    requests: dict[str, tuple[PrescriptionDigest, list[OrderDigest]]] = {}
    for of in held:
        requests.setdefault(of.prescription.event_id, (of.prescription, []))[1].append(of.order)
    return requests.values()


def _as_claim(of: PrescriptionDigest, orders: Iterable[OrderDigest]) -> ClaimDigest:
    """What is left of a request as a claim, mid-stay until a discharge is told, that the fund pays where it may."""
    lines = [replace(of.line, line_id=_line_id(of)) for of in orders]
    is_paid = of.reimbursed and any(number(line.in_fund_scope or "0") > 0 for line in lines)
    return ClaimDigest(
        event_id=of.event_id,
        happened_at=of.happened_at,
        patient=of.patient,
        claim_id=SIGN + of.event_id,
        encounter_id=of.encounter_id,
        institution=of.institution,
        visit_type=of.visit_type,
        settled_day=of.asked_on,
        lines=tuple(lines),
        sex=of.sex,
        born=of.born,
        admitted=of.admitted,
        discharged=of.discharged,
        mid_stay=of.discharged is None,
        diagnoses=of.diagnoses,
        operation_days=of.operation_days,
        fund_paid=Decimal(1) if is_paid else Decimal(0),
        operation_codes=of.operation_codes,
    )


def _line_id(order: OrderDigest) -> str:
    """What an order is called as a line: no line of a claim can be called so, nor another order."""
    return f"{SIGN}{order.order_id}{SIGN}{order.line.item_code or ''}"


def is_order(claim: ClaimDigest) -> bool:
    """Whether a claim of a history is what is left of a request."""
    return claim.claim_id.startswith(SIGN)
