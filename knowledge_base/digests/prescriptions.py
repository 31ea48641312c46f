"""The digest of a prescription: what of its orders and their encounter rules may look at."""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal

import msgspec

from knowledge_base.days import LAST_DAY, Day, day_of, is_likely, microseconds
from knowledge_base.digests.claims import LineDigest, span_of_claim
from knowledge_base.digests.head import Digest, Links
from knowledge_base.events.prescriptions import Order, Prescription
from knowledge_base.numbers import number

LONGEST_RUN = 366
"""Days over which an order may run; one that is told to run longer runs over its first day alone."""

_SIXTH_PLACE = Decimal("0.000001")


class OrderDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One order; ``line`` is what it counts as on its first day, under the order's id. What-counts section 7.

    ``last_day`` is the last day over which it runs, for one that goes on until it is stopped the last day of all.
    """

    line: LineDigest
    last_day: Day
    current: bool = True
    prescription_id: str | None = None

    @property
    def order_id(self) -> str:
        return self.line.line_id


class PrescriptionDigest(Digest, array_like=True, frozen=True, gc=False):
    """One request's word on one encounter; ``happened_at`` is when it was asked, ``asked_on`` the day of that.

    ``discharged`` is the discharge where it is believed: told during, and over.
    """

    patient: str
    encounter_id: str
    institution: str
    visit_type: str
    phase: Literal["before", "during"]
    asked_on: Day
    orders: tuple[OrderDigest, ...]
    reimbursed: bool = True
    sex: str | None = None
    born: Day | None = None
    admitted: Day | None = None
    discharged: Day | None = None
    diagnoses: tuple[tuple[str, str | None], ...] | None = None
    operation_days: tuple[Day | None, ...] | None = None
    operation_codes: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[Day, Day]:
        """First and last day over its orders, the days that they cover, and the stay as far as it is told."""
        return span_of_claim([order.line for order in self.orders], self.admitted, self.discharged, self.asked_on)

    @property
    def links(self) -> Links:
        return Links(encounter=(self.institution, self.encounter_id))

    @property
    def item_codes(self) -> Iterable[str | None]:
        return [order.line.item_code for order in self.orders]


def prescription_digest(prescription: Prescription) -> PrescriptionDigest:
    operations = prescription.operations
    return PrescriptionDigest(
        event_id=prescription.event_id,
        happened_at=microseconds(prescription.happened_at),
        patient=prescription.patient,
        encounter_id=prescription.encounter_id,
        institution=prescription.institution,
        visit_type=prescription.visit_type,
        phase=prescription.phase,
        asked_on=day_of(prescription.happened_at),
        orders=tuple([_order_digest(order) for order in prescription.orders]),
        reimbursed=prescription.reimbursed,
        sex=prescription.sex,
        born=prescription.birth_date.toordinal() if prescription.birth_date else None,
        admitted=_day(prescription.admitted_at),
        discharged=_believed_discharge(prescription),
        diagnoses=None if prescription.diagnoses is None else tuple((d.code, d.name) for d in prescription.diagnoses),
        operation_days=None if operations is None else tuple(_day(of.at) for of in operations),
        operation_codes=() if operations is None else tuple(of.code for of in operations),
    )


def _order_digest(order: Order) -> OrderDigest:
    day = day_of(order.at)
    last_day = _last_day(order, day)
    days = last_day - day + 1 if order.stops_at is not None else 1
    line = LineDigest(
        line_id=order.order_id,
        item_code=order.item_code,
        quantity=_of_a_day(order.quantity, days),
        amount=_of_a_day(order.amount, days),
        in_fund_scope=_of_a_day(str(_in_scope(order)), days),
        at=microseconds(order.at),
        day=day,
        days=days if days > 1 and order.item_kind == "drug" else None,
        item_kind=order.item_kind,
    )
    return OrderDigest(line, last_day, order.current, order.prescription_id)


def _last_day(order: Order, first: Day) -> Day:
    if order.stops_at is None:
        return LAST_DAY if order.standing else first
    last = day_of(order.stops_at)
    return last if is_likely(last) and first <= last < first + LONGEST_RUN else first


def _of_a_day(value: str, days: int) -> str:
    """What of a number an order that runs over several days has on one of them."""
    return value if days == 1 else f"{(number(value) / days).quantize(_SIXTH_PLACE, ROUND_DOWN):f}"


def _in_scope(order: Order) -> Decimal:
    """What of an order's amount the fund may pay, in yuan."""
    if not order.in_catalogue:
        return Decimal(0)
    return max(Decimal(0), number(order.amount) - number(order.own_pay or "0"))


def _believed_discharge(prescription: Prescription) -> Day | None:
    told, admitted = prescription.discharged_at, prescription.admitted_at
    if prescription.phase == "before" or told is None or told > prescription.happened_at:
        return None
    return None if admitted is not None and day_of(told) < day_of(admitted) else day_of(told)


def _day(instant: datetime | None) -> Day | None:
    return None if instant is None else day_of(instant)
