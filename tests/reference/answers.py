"""What is answered to a request: section 7 of docs/what-counts.md, over the rules of the reference judge.

Orders that count still are made claims, one for each request, and judged among the person's claims.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.events.replies import Reply
from knowledge_base.findings import LineKey, Occurrence

from . import rules, two_houses
from .by_the_clock import pairs_by_the_clock
from .courses import courses
from .dates import ONE_DAY, civil_day, told_day
from .encounters import Encounter, number_of
from .judged import Judged
from .knowledge import Knowledge
from .orders import Held, How, OrderKey, Place, counting_still, holding, not_forgotten, not_taken_back, places
from .persons import person_names
from .settlements import settlements
from .standing import Person, people
from .stays import DISCHARGE_MISSING, Stay

Rule = Callable[[Person, Knowledge], Iterator[Judged]]

_AS_EVER: tuple[Rule, ...] = (
    rules.pairs_of_a_day,
    rules.pairs_of_a_visit,
    pairs_by_the_clock,
    rules.sex_of_services,
    rules.sex_of_drugs,
    rules.place,
    rules.periods,
)
_IN_TWO_HOUSES: tuple[Rule, ...] = (two_houses.elsewhere, two_houses.two_stays)
_ONLY_DURING = {two_houses.ELSEWHERE, two_houses.TWO_STAYS}
NEVER = date.max
"""A day of discharge that no line lies on and none lies after."""


@dataclass(frozen=True)
class Warned:
    """A finding that is answered, with those of the request's own current orders that are guilty."""

    rule_id: str
    occurrence: Occurrence
    guilty: frozenset[OrderKey]
    value: Decimal
    limit: Decimal


@dataclass(frozen=True)
class Ordered:
    """The orders of one person: those that hold, the lines that took places, those that count still, all hits on the
    claims and them; ``of_line`` gives the order behind a line."""

    person: Person
    held: tuple[Held, ...]
    taken: Mapping[OrderKey, Place]
    counting: tuple[Held, ...]
    hits: tuple[Judged, ...]
    of_line: Mapping[tuple[str, str], Held]
    running: frozenset[Encounter]

    @property
    def places(self) -> dict[OrderKey, tuple[LineKey, How]]:
        """The line that took each place, by the number of its encounter as its claim has it, and how."""
        return {key: ((*number_of(claim), line.line_id), how) for key, (claim, line, how) in self.taken.items()}

    def answer(self, asked: Sequence[Prescription]) -> set[Warned]:
        """“Findings of rules of the request's phase that have one of its own orders with `curr_drord_flag` 1 among
        their guilty lines.” What is asked at once, of several encounters, is of one phase."""
        (phase,) = {request.phase for request in asked}
        of_phase = [hit for hit in self.hits if phase == "during" or hit.rule_id not in _ONLY_DURING]
        own = {request.event_id for request in asked}
        found = {_warned(hit, self._accused(hit, own)) for hit in of_phase}
        return {warned for warned in found if warned.guilty}

    def _accused(self, hit: Judged, own: Container[str]) -> Iterator[OrderKey]:
        for line, share in hit.guilty:
            order = self.of_line.get((line.claim.event_id, line.source.line_id))
            if share and order and order.order.current and order.request.event_id in own:
                yield order.key


def _warned(hit: Judged, accused: Iterable[OrderKey]) -> Warned:
    return Warned(hit.rule_id, hit.occurrence, frozenset(accused), hit.value, hit.limit)


@dataclass(frozen=True)
class _Left:
    """The orders of one person, before they are judged."""

    held: list[Held]
    taken: dict[OrderKey, Place]
    counting: list[Held]
    claims: list[Claim]


def ordered(events: Iterable[Event], knowledge: Knowledge) -> dict[str, Ordered]:
    """The orders of every person of one area's events who has requests, by the person's name."""
    everything = list({event.event_id: event for event in events}.values())
    replies = [event for event in everything if isinstance(event, Reply)]
    accepted = [event for event in everything if not isinstance(event, Reply)]
    names = person_names(accepted)
    asking = dict.fromkeys(names[event.patient] for event in accepted if isinstance(event, Prescription))
    left = {name: _left([event for event in accepted if names[event.patient] == name], replies) for name in asking}
    as_claims = [claim for of_person in left.values() for claim in of_person.claims]
    everybody = {person.name: person for person in people([*accepted, *as_claims])}
    return {name: _ordered(everybody[name], left[name], knowledge) for name in asking}


def _left(events: list[Event], replies: Sequence[Reply]) -> _Left:
    requests = [event for event in events if isinstance(event, Prescription)]
    settled = settlements([event for event in events if isinstance(event, Claim)])
    held = holding(requests)
    taken = places(held, settled)
    counting = not_forgotten(counting_still(held, taken, settled), requests)
    counting = not_taken_back(counting, requests, replies)
    claims = [_as_claim(request, [order for order in counting if order.request is request]) for request in requests]
    return _Left(held, taken, counting, [claim for claim in claims if claim.lines])


def _ordered(person: Person, left: _Left, knowledge: Knowledge) -> Ordered:
    of_line = {(order.request.event_id, _line_id(order)): order for order in left.counting}
    running = frozenset(_running(person, of_line))
    hits = tuple(judged for judged in _judged(person, running, knowledge) if judged.is_hit)
    return Ordered(person, tuple(left.held), left.taken, tuple(left.counting), hits, of_line, running)


def _running(person: Person, of_line: Container[tuple[str, str]]) -> Iterator[Encounter]:
    """“An encounter with orders that count, which is an open stay or an unclear one for want of a discharge”; where no
    admission is told its dates are unlikely."""
    open_ = {stay.encounter for stay in person.stays if _wants_a_discharge(stay)}
    for line in person.lines:
        if line.counts and line.encounter in open_ and (line.claim.event_id, line.source.line_id) in of_line:
            yield line.encounter


def _wants_a_discharge(stay: Stay) -> bool:
    return stay.admitted is not None and (stay.state == "open" or stay.reason == DISCHARGE_MISSING)


def _as_claim(request: Prescription, orders: list[Held]) -> Claim:
    """“As a line of its encounter, paid by the fund … What the request says of the encounter is said of these lines.”

    “What is left of a request is a mid-stay settlement unless a discharge is told.” What the patient pays “stands
    beside the others as a self-paid line stands in a claim”; where all “are so, the fund pays nothing of it”.
    """
    in_fund = not all(order.is_paid_by_the_patient for order in orders)
    is_discharged = _is_discharged(request)
    return Claim(
        event_id=request.event_id,
        area=request.area,
        kind="claim",
        happened_at=request.happened_at,
        sender=request.sender,
        claim_id=f"\0{request.event_id}",
        encounter_id=request.encounter_id,
        patient=request.patient,
        institution=request.institution,
        visit_type=request.visit_type,
        settled_at=request.happened_at,
        lines=tuple(map(_as_line, orders)),
        sex=request.sex,
        birth_date=request.birth_date,
        admitted_at=request.admitted_at,
        discharged_at=request.discharged_at if is_discharged else None,
        mid_stay=not is_discharged,
        diagnoses=request.diagnoses,
        operations=request.operations,
        paid=Paid(pooled_fund="1" if in_fund else "0"),
    )


def _is_discharged(request: Prescription) -> bool:
    """“`dscg_date` counts as a discharge only in a 3102, and only where it lies neither before the admission nor after
    the instant of asking”; the day of the one against the day of the other, as in section 1."""
    if request.phase == "before" or request.discharged_at is None or request.discharged_at > request.happened_at:
        return False
    admitted = told_day(request.admitted_at)
    return admitted is None or admitted <= civil_day(request.discharged_at)


def _as_line(order: Held) -> ClaimLine:
    """“it counts on its first day with the units and money of one … A drug covers all n days.”"""
    return ClaimLine(
        line_id=_line_id(order),
        quantity=f"{order.of_a_day(Decimal(order.order.quantity)):f}",
        amount=f"{order.of_a_day(Decimal(order.order.amount)):f}",
        at=order.order.at,
        item_code=order.order.item_code,
        item_kind=order.order.item_kind,
        in_fund_scope=f"{order.of_a_day(order.in_scope):f}",
        days=order.days if order.order.item_kind == "drug" else None,
    )


def _line_id(order: Held) -> str:
    """A name that no billed line has, in the order of (rx_id, item code): two orders may share their rx_id."""
    return f"{order.order.order_id}\0{order.order.item_code or ''}"


def _judged(person: Person, running: frozenset[Encounter], knowledge: Knowledge) -> Iterator[Judged]:
    """“The daily cap is judged by the day; a course of a stay as far as it goes; bed days have the limit last day -
    admission + 1.”"""
    until_the_last = _closed(person, running, lambda encounter: _last_day(person, encounter) + ONE_DAY)
    without_end = _closed(person, running, lambda _: NEVER)
    yield from rules.bed_days(until_the_last, knowledge)
    yield from rules.daily_caps(without_end, knowledge)
    yield from courses(without_end, knowledge)
    for rule in (*_AS_EVER, *_IN_TWO_HOUSES):
        yield from rule(person, knowledge)


def _closed(person: Person, running: frozenset[Encounter], discharged: Callable[[Encounter], date]) -> Person:
    """The person with every running stay closed on a day."""
    stays = [
        replace(stay, state="closed", discharged=discharged(stay.encounter), reason=None)
        if stay.encounter in running
        else stay
        for stay in person.stays
    ]
    return replace(person, stays=tuple(stays))


def _last_day(person: Person, encounter: Encounter) -> date:
    """“the greatest told first day of its lines and orders, whether they count or not”, also of those that take back
    (kinder)."""
    every = (*person.lines, *person.all_lines.negative, *person.all_lines.refunds)
    return max(line.day for line in every if line.encounter == encounter and line.is_dated)
