"""Orders that are not billed yet: section 7 of docs/what-counts.md, up to which of them count still.

Written from that page alone, in plain loops. Days are civil days in China, money is in yuan.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Order, Prescription
from knowledge_base.events.replies import Reply
from knowledge_base.findings import LineKey

from .dates import ONE_DAY, civil_day, days_of, told, told_day
from .encounters import number_of
from .lines import is_own
from .persons import rank
from .settlements import Settlements

LONGEST_RUN = 366
NEAR = timedelta(days=30)
MILLION = 10**6

OrderKey = tuple[str, str, str, str | None]
"""“An order is known by (institution, encounter, `rx_id`, item code).”"""

How = Literal["order", "prescription", "item and day"]
NAMING: tuple[How, ...] = ("order", "prescription")

Place = tuple[Claim, ClaimLine, How]
"""The line that took an order's place, with its claim, and by which sentence it did."""


@dataclass(frozen=True, eq=False)
class Held:
    """An order that holds, with the request that said it last."""

    request: Prescription
    order: Order

    @property
    def key(self) -> OrderKey:
        return *self.number, self.order.order_id, self.order.item_code

    @property
    def number(self) -> tuple[str, str]:
        """Institution and encounter number."""
        return self.request.institution, self.request.encounter_id

    @property
    def turn(self) -> tuple[datetime, str, str]:
        """“the order (at, event_id, rx_id)”"""
        return self.order.at, self.request.event_id, self.order.order_id

    @cached_property
    def day(self) -> date:
        """“Its day is that of `drord_begn_date`.”"""
        return civil_day(self.order.at)

    @cached_property
    def days(self) -> int:
        """“An order with a told and likely `drord_stop_date` on a later day runs from day to day, over n days, at most
        366 (else it runs over its first alone)”"""
        last = told_day(self.order.stops_at)
        days = 1 if last is None else (last - self.day).days + 1
        return days if 1 < days <= LONGEST_RUN else 1

    @property
    def last_day(self) -> date | None:
        """Its last day, ``None`` where there is none: “a standing one without a stop date from its first day on”."""
        if self.order.standing and self.order.stops_at is None:
            return None
        return self.day + (self.days - 1) * ONE_DAY

    def runs_on(self, day: date) -> bool:
        return self.is_near(day, timedelta(0))

    def is_near(self, day: date, away: timedelta = NEAR) -> bool:
        """“begin no more than 30 days after its day and end no more than 30 days before it”"""
        return self.day - day <= away and (self.last_day is None or day - self.last_day <= away)

    @property
    def is_alone(self) -> bool:
        """“the request that holds has no other item under that `rx_id`”"""
        of_number = [order for order in self.request.orders if order.order_id == self.order.order_id]
        return {order.item_code for order in of_number} == {self.order.item_code}

    @cached_property
    def in_scope(self) -> Decimal:
        """“`sumamt` - `ownpay_amt` (at least 0) in its scope”; nothing of what the patient pays."""
        if not self.order.in_catalogue or not self.request.reimbursed:
            return Decimal(0)
        return max(Decimal(0), Decimal(self.order.amount) - Decimal(self.order.own_pay or 0))

    @property
    def is_paid_by_the_patient(self) -> bool:
        """Whether nothing of it is in the fund's scope, be it for the reasons that the page names or since it costs
        nothing, or less than its `ownpay_amt` (kinder)."""
        return self.in_scope == 0

    @property
    def takes_part(self) -> bool:
        return Decimal(self.order.quantity) > 0 and told(self.day)

    def of_a_day(self, whole: Decimal) -> Decimal:
        """“quantity / n and amounts / n, cut after the sixth place”; as it is where it runs over one day."""
        return whole if self.days == 1 else Decimal(int(Fraction(whole) / self.days * MILLION)).scaleb(-6)


def holding(requests: Iterable[Prescription]) -> list[Held]:
    """“Of several requests that name it the one of the greatest (happened_at, event_id) holds; within one request the
    last in its list.”"""
    found: dict[OrderKey, Held] = {}
    for request in sorted(requests, key=lambda request: (request.happened_at, request.event_id)):
        for order in request.orders:
            held = Held(request, order)
            found[held.key] = held
    return sorted(found.values(), key=lambda held: held.turn)


def places(held: Iterable[Held], settled: Settlements) -> dict[OrderKey, Place]:
    """Which line took the place of which order: “the first, in line order, of those by 1, else by 2, else by 3”; an
    order “whose quantity is not above 0, or whose day is not told, takes part in nothing”."""
    orders = [order for order in held if order.takes_part]
    lines = looked_at(settled)
    taken: dict[OrderKey, Place] = {}
    for how in NAMING:
        for claim, line in lines:
            for order in orders:
                if naming(order, claim, line) == how:
                    taken.setdefault(order.key, (claim, line, how))
    for claim, line in lines:
        if not any(naming(order, claim, line) for order in orders):
            for order in _fitting([order for order in orders if is_of(order, claim, line)], taken):
                taken.setdefault(order.key, (claim, line, "item and day"))
    return taken


def looked_at(settled: Settlements) -> list[tuple[Claim, ClaimLine]]:
    """“the lines of claims that hold (section 2.1), standing or not. Not those that take back; of lines of one name
    only the first in line order”, which is the order of what is returned."""
    lines = [(claim, line) for claim in settled.held.values() for line in claim.lines if is_own(line)]
    first: dict[LineKey, tuple[Claim, ClaimLine]] = {}
    for claim, line in sorted(lines, key=lambda pair: (pair[1].at, pair[0].event_id, pair[1].line_id)):
        first.setdefault((*number_of(claim), line.line_id), (claim, line))
    return list(first.values())


def naming(order: Held, claim: Claim, line: ClaimLine) -> How | None:
    """Sentences 1 and 2: how a line names an order of its institution that is near, ``None`` where it does not."""
    day = told_day(line.at)
    if line.order_id is None or day is None or order.request.institution != claim.institution or not order.is_near(day):
        return None
    is_same = order.order.item_code == line.item_code
    if order.order.order_id == line.order_id and (is_same or order.is_alone):
        return "order"
    return "prescription" if order.order.prescription_id == line.order_id and is_same else None


def is_of(order: Held, claim: Claim, line: ClaimLine) -> bool:
    """Sentence 3: “of the same institution, encounter number and item code”, and of the line's day among others."""
    day = told_day(line.at)
    is_same = order.number == number_of(claim) and order.order.item_code == line.item_code
    return is_same and line.item_code is not None and day is not None and order.runs_on(day)


def _fitting(orders: list[Held], taken: Container[OrderKey]) -> list[Held]:
    """Of the orders of a line's item and day: “one … that has the line's day alone and whose place nobody took, of
    several the first …. Where there is none, … all orders … that run over several days, or stand”."""
    free = [order for order in orders if order.last_day == order.day and order.key not in taken]
    return free[:1] or [order for order in orders if order.last_day != order.day]


def counting_still(held: Iterable[Held], taken: Container[OrderKey], settled: Settlements) -> list[Held]:
    """“One whose place nobody took counts, unless it is over.”"""
    return [order for order in held if order.takes_part and order.key not in taken and not _is_settled(order, settled)]


def not_forgotten(held: Iterable[Held], requests: Iterable[Prescription]) -> list[Held]:
    """Without those whose “last day lies more than 30 days before the greatest day on which a request of the set was
    asked”"""
    asked = max((civil_day(request.happened_at) for request in requests), default=date.min)
    return [order for order in held if order.last_day is None or asked - order.last_day <= NEAR]


def _is_settled(order: Held, settled: Settlements) -> bool:
    """“a standing claim of its encounter number and institution that is not mid-stay, and whose last day is no earlier
    than 30 days before the order's first, happened (by its rank) after the order was asked about”"""
    ending = [claim for claim in settled.standing if number_of(claim) == order.number and not claim.mid_stay]
    later = [claim for claim in ending if rank(claim)[:2] > (True, order.request.happened_at)]
    return any(order.day - days[-1] <= NEAR for claim in later if (days := days_of(claim)))


def not_taken_back(held: Iterable[Held], requests: Iterable[Prescription], replies: Sequence[Reply]) -> list[Held]:
    """Without those that a doctor took back: “the reply that counts … to a warning of its institution, in which its
    `rx_id` and item code are in question, says that the order is changed, at the instant of the request that holds or
    later”."""
    left = list(held)
    for request in requests:
        for warning in request.advice.warnings if request.advice is not None else ():
            own = [of for of in replies if (of.warning_id, of.institution) == (warning.warning_id, request.institution)]
            if not own:
                continue
            counts = max(own, key=lambda reply: (reply.happened_at, reply.event_id))
            named = {(order.order_id, order.item_code) for order in warning.orders if order.guilty}
            if counts.way == "change":
                left = [order for order in left if not _is_meant(order, request, named, counts)]
    return left


def _is_meant(order: Held, request: Prescription, named: set[tuple[str, str | None]], reply: Reply) -> bool:
    is_named = (order.order.order_id, order.order.item_code) in named
    is_of_it = is_named and order.request.institution == request.institution
    return is_of_it and order.request.happened_at <= reply.happened_at
