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
from rules_lib.histories.history import Encounter
from rules_lib.histories.standing import rank, standing_of

COUNTED_FOR = 30
"""Days after its last day for which an order that nobody bills counts still."""

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


class Held(NamedTuple):
    """An order as the request says it that holds."""

    prescription: PrescriptionDigest
    order: OrderDigest

    @property
    def key(self) -> OrderKey:
        of = self.prescription
        return OrderKey(of.institution, of.encounter_id, self.order.order_id, self.order.line.item_code)


class Orders(msgspec.Struct, frozen=True):
    """A person's orders: those that hold, whose places were taken, and what is left as claims that hold.

    ``by_line`` gives the order of a line of ``claims``.
    """

    held: Mapping[OrderKey, Held]
    places: Mapping[OrderKey, Place]
    claims: Sequence[ClaimDigest]
    by_line: Mapping[LineKey, OrderKey]


NO_ORDERS = Orders({}, {}, (), {})

OrderIds = Mapping[str, Sequence[str | None]]
"""What the lines of claims say they were ordered as, in their order, by event_id; of one that is absent nothing."""


def orders_of(
    prescriptions: Sequence[PrescriptionDigest], claims: Sequence[ClaimDigest], order_ids: OrderIds
) -> Orders:
    """A person's orders over all of the requests and claims that may matter to them."""
    if not prescriptions:
        return NO_ORDERS
    held = _held(prescriptions)
    standing = standing_of(claims)
    places = _places([*held.values()], _billed(standing.held, order_ids))
    today = max(of.asked_on for of in prescriptions)
    settled = _settled(standing.claims)
    left = [of for key, of in held.items() if key not in places and not _is_over(of, today, settled)]
    counting = [_as_claim(of, orders) for of, orders in _by_request(left)]
    by_line = {(of.prescription.institution, of.prescription.encounter_id, _line_id(of.order)): of.key for of in left}
    return Orders(held, places, counting, by_line)


def _held(prescriptions: Iterable[PrescriptionDigest]) -> dict[OrderKey, Held]:
    """Each order as the request of the greatest rank says it, within one request the last."""
    held: dict[OrderKey, Held] = {}
    for prescription in sorted(prescriptions, key=rank):
        for order in prescription.orders:
            one = Held(prescription, order)
            held[one.key] = one
    return held


class _Billed(NamedTuple):
    """A line that may take an order's place, and the order that it names."""

    claim: ClaimDigest
    line: LineDigest
    order_id: str | None

    @property
    def key(self) -> LineKey:
        return (self.claim.institution, self.claim.encounter_id, self.line.line_id)


def _billed(claims: Iterable[ClaimDigest], order_ids: OrderIds) -> list[_Billed]:
    """The lines of some claims in line order, without those that take back."""
    billed = []
    for claim in claims:
        named = order_ids.get(claim.event_id, ())
        for index, line in enumerate(claim.lines):
            if not line.takes_back:
                billed.append(_Billed(claim, line, named[index] if index < len(named) else None))
    return sorted(billed, key=lambda of: (of.line.at, of.claim.event_id, of.line.line_id))


def _places(held: Sequence[Held], billed: Sequence[_Billed]) -> dict[OrderKey, Place]:
    """Which line took which order's place: first those that name it, then those that fit."""
    by_order = _grouped(held, lambda of: (of.prescription.institution, of.order.order_id))
    by_number = _grouped(held, lambda of: (of.prescription.institution, of.order.prescription_id))
    places: dict[OrderKey, Place] = {}
    nameless: list[_Billed] = []
    for one in billed:
        named = (one.claim.institution, one.order_id)
        orders = by_order.get(named, ())
        how: How = "order"
        taken = _of_item(orders, one) or orders
        if not taken:
            how, taken = "prescription", _of_item(by_number.get(named, ()), one)
        if one.order_id is None or not taken:
            nameless.append(one)
            continue
        for of in taken:
            places.setdefault(of.key, Place(one.key, how))
    by_item = _grouped(sorted(held, key=_order_of), lambda of: (*of.key[:2], of.key.item_code))
    for one in nameless:
        item = (one.claim.institution, one.claim.encounter_id, one.line.item_code)
        fitting = (of for of in by_item.get(item, ()) if of.key not in places and _runs_on(of, one.line.day))
        first = next(fitting, None)
        if first is not None and one.line.item_code is not None:
            places[first.key] = Place(one.key, "item and day")
    return places


def _grouped(
    held: Iterable[Held], key: Callable[[Held], tuple[str | None, ...]]
) -> dict[tuple[str | None, ...], list[Held]]:
    groups: dict[tuple[str | None, ...], list[Held]] = defaultdict(list)
    for of in held:
        groups[key(of)].append(of)
    return groups


def _of_item(orders: Iterable[Held], billed: _Billed) -> list[Held]:
    return [of for of in orders if of.order.line.item_code == billed.line.item_code]


def _order_of(held: Held) -> tuple[int, str, str]:
    return (held.order.line.at, held.prescription.event_id, held.order.order_id)


def _runs_on(held: Held, day: Day) -> bool:
    return is_likely(day) and held.order.line.day <= day <= held.order.last_day


def _settled(claims: Iterable[ClaimDigest]) -> dict[Encounter, int]:
    """When each encounter was settled last, by claims that stand and are not mid-stay."""
    settled: dict[Encounter, int] = {}
    for claim in claims:
        if not claim.mid_stay:
            encounter = (claim.institution, claim.encounter_id)
            settled[encounter] = max(claim.happened_at, settled.get(encounter, claim.happened_at))
    return settled


def _is_over(held: Held, today: Day, settled: Mapping[Encounter, int]) -> bool:
    """Whether nobody will bill an order any more: its encounter was settled without it, or it is long past."""
    of = held.prescription
    at = settled.get((of.institution, of.encounter_id))
    return (at is not None and at > of.happened_at) or held.order.last_day + COUNTED_FOR < today


def _by_request(held: Iterable[Held]) -> Iterable[tuple[PrescriptionDigest, list[OrderDigest]]]:
    requests: dict[str, tuple[PrescriptionDigest, list[OrderDigest]]] = {}
    for prescription, order in held:
        requests.setdefault(prescription.event_id, (prescription, []))[1].append(order)
    return requests.values()


def _as_claim(of: PrescriptionDigest, orders: Iterable[OrderDigest]) -> ClaimDigest:
    """What is left of a request as a claim that the fund pays, unless it says that it does not."""
    return ClaimDigest(
        event_id=of.event_id,
        happened_at=of.happened_at,
        patient=of.patient,
        claim_id=SIGN + of.event_id,
        encounter_id=of.encounter_id,
        institution=of.institution,
        visit_type=of.visit_type,
        settled_day=of.asked_on,
        lines=tuple([replace(order.line, line_id=_line_id(order)) for order in orders]),
        sex=of.sex,
        born=of.born,
        admitted=of.admitted,
        discharged=of.discharged,
        diagnoses=of.diagnoses,
        operation_days=of.operation_days,
        fund_paid=Decimal(1) if of.reimbursed else Decimal(0),
        operation_codes=of.operation_codes,
    )


def _line_id(order: OrderDigest) -> str:
    """What an order is called as a line: no line of a claim can be called so, nor another order."""
    return f"{SIGN}{order.order_id}{SIGN}{order.line.item_code or ''}"


def is_order(claim: ClaimDigest) -> bool:
    """Whether a claim of a history is what is left of a request."""
    return claim.claim_id.startswith(SIGN)
