"""At which sentences of section 7 of docs/what-counts.md about places, and about what counts for nothing, people with
orders stand, by name, for scenes to reach."""

from collections.abc import Iterable, Iterator
from datetime import date

from knowledge_base.events.claims import Claim, ClaimLine

from .answers import Ordered
from .dates import days_of, told_day
from .encounters import number_of
from .lines import is_own
from .orders import Held, is_of, looked_at, naming
from .persons import has_wrong_clock, rank
from .settlements import settlements

EDGE = (30, 31)
"""Days within and without what a line or a settlement reaches."""


def edges_of_places(claims: list[Claim], of: Ordered) -> Iterator[str]:
    """The names of the edges at which one person stands; ``claims`` are the person's."""
    settled = settlements(claims)
    lines = looked_at(settled)
    for claim, line in lines:
        yield from _of_a_line(claim, line, of)
    own = [line for claim in settled.held.values() for line in claim.lines if is_own(line)]
    yield from ["a line said again"] * (len(own) - len(lines))
    for held in of.held:
        ways = [how for claim, line in lines if (how := naming(held, claim, line))]
        if ways[:1] == ["prescription"] and "order" in ways:
            yield "named by its prescription first, and later by its number"
        yield from _of_settlements(held, settled.standing)
    yield from _of_what_counts_for_nothing(of)
    yield from _of_running_stays(of)


def _of_a_line(claim: Claim, line: ClaimLine, of: Ordered) -> Iterator[str]:
    day = told_day(line.at)
    if day is None:
        return
    yield from (edge for held in of.held for edge in _of_reach(claim, line, day, held))
    ways = [how for held in of.held if (how := naming(held, claim, line))]
    fitting = [held for held in of.held if is_of(held, claim, line)]
    if len(set(ways)) > 1:
        yield "names orders by their number and others by their prescription"
    if ways and any(not naming(held, claim, line) for held in fitting):
        yield "names an order and fits another"
    if not ways and line.order_id is not None and fitting:
        yield "names none and fits one"
    took = [held for held in fitting if of.taken.get(held.key, ())[:2] == (claim, line)]
    runs = [held for held in fitting if held.last_day != held.day]
    if not ways and runs and any(held not in runs for held in took):
        yield "took an order of its day alone before one that runs"
    if not ways and runs and any(held in runs for held in took) and len(runs) < len(fitting):
        yield "took an order that runs, where those of its day alone are taken"
    if not ways and len(took) > 1:
        yield "took several orders that run"


def _of_reach(claim: Claim, line: ClaimLine, day: date, held: Held) -> Iterator[str]:
    numbers = (held.order.order_id, held.order.prescription_id)
    if line.order_id not in numbers or held.request.institution != claim.institution:
        return
    how = "number" if line.order_id == held.order.order_id else "prescription"
    if (held.day - day).days in EDGE:
        yield f"by its {how}, {(held.day - day).days} days before it begins"
    if held.last_day is not None and (day - held.last_day).days in EDGE:
        yield f"by its {how}, {(day - held.last_day).days} days after it ends"
    if line.order_id == held.order.order_id and line.item_code != held.order.item_code:
        yield f"something else under a number with {'one item' if held.is_alone else 'several items'}"


def _of_settlements(held: Held, standing: Iterable[Claim]) -> Iterator[str]:
    for claim in standing:
        days = days_of(claim)
        is_later = rank(claim)[:2] > (True, held.request.happened_at)
        if days and number_of(claim) == held.number and not claim.mid_stay and held.key:
            if is_later and (held.day - days[-1]).days in EDGE:
                yield f"settled later, {(held.day - days[-1]).days} days before it begins"
            if is_later != (claim.happened_at > held.request.happened_at) and has_wrong_clock(claim):
                yield "settled earlier or later by a wrong clock"


def _of_what_counts_for_nothing(of: Ordered) -> Iterator[str]:
    for held in of.held:
        if not float(held.order.quantity) > 0:
            yield "an order without units"
    for request in {held.request.event_id: held.request for held in of.counting}.values():
        left = [held for held in of.counting if held.request is request]
        paid = [held for held in left if held.is_paid_by_the_patient]
        if paid:
            yield "the patient pays all that is left" if len(paid) == len(left) else "the patient pays some of it"


def _of_running_stays(of: Ordered) -> Iterator[str]:
    for stay in of.person.stays:
        orders = [held for held in of.counting if stay.encounter[0] == held.number[0]]
        here = [held for held in orders if stay.encounter[1].split("@")[0] == held.number[1]]
        if stay.encounter not in of.running:
            yield from ["orders that count for nothing, in a stay that nobody ended"] * bool(
                here and not stay.discharged
            )
            continue
        lines = [line for line in of.person.lines_in(stay.encounter) if line.is_dated]
        if max(line.day for line in lines) > max(line.day for line in lines if line.counts):
            yield "the last day of a running stay is one of what does not count"
        admissions = [told_day(held.request.admitted_at) for held in here]
        if any(day is not None and stay.admitted is not None and stay.admitted < day for day in admissions):
            yield "a running stay that began before what its request says"
