"""At which edges of sections 1 to 4 of docs/what-counts.md a history stands, by name: what generators have to reach."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.facts import Point

from .dates import admission_and_discharge, civil_day, days_of, told_day
from .encounters import number_of
from .lines import Line, is_own
from .persons import has_wrong_clock, person_names, rank
from .settlements import link_of, name_of, on_cycle, settlements
from .standing import Person, people

EDGE_DAYS = (date(1900, 1, 1), date(1900, 1, 2), date(2090, 12, 31), date(2091, 1, 1))
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


def edges_of(events: Iterable[Event], points: Iterable[Point]) -> Iterator[str]:
    """The names of the edges, each as often as it is met."""
    events = list(events)
    claims = [event for event in events if isinstance(event, Claim)]
    yield from _of_merges([event for event in events if isinstance(event, PatientStatus) and event.same_as], events)
    for claim in claims:
        yield from _of_dates(claim)
    yield from _of_periods(claims, points)
    for person in people(events):
        own = [claim for claim in claims if claim.event_id in person.encounters.of]
        yield from _of_links(own)
        yield from _of_numbers(own)
        yield from _of_stays(person)
        yield from _of_lines(person)


def _of_merges(told: list[PatientStatus], events: list[Event]) -> Iterator[str]:
    by_rank = sorted(told, key=rank)
    moments = [status.happened_at for status in told]
    if len(set(moments)) < len(moments):
        yield "two of a moment"
    if any(status.happened_at.year == 2099 for status in told):
        yield "a merge or unmerge of 2099"
    for pair in dict.fromkeys(frozenset((status.patient, str(status.same_as))) for status in by_rank):
        changes = [status.change for status in by_rank if {status.patient, status.same_as} == pair]
        if changes[-2:] == ["merge", "unmerge"]:
            yield "parted"
        if changes[-2:] == ["unmerge", "merge"]:
            yield "merged after all"
        if set(changes) == {"unmerge"}:
            yield "an unmerge without a merge"
    without = [event for event in events if not (isinstance(event, PatientStatus) and event.change == "unmerge")]
    if person_names(without) != person_names(events):
        yield "an unmerge that changes who is one"
    if len(set(person_names(events))) - len(set(person_names(events).values())) > 1:
        yield "three or more are one"


def _of_dates(claim: Claim) -> Iterator[str]:
    for instant in (claim.admitted_at, claim.discharged_at, claim.settled_at, *(line.at for line in claim.lines)):
        if instant is not None and civil_day(instant) in EDGE_DAYS:
            yield f"a date of {civil_day(instant)}"
    early = claim.settled_at - claim.happened_at
    for name, edge in (("a day", DAY), ("a day and a microsecond", DAY + MICROSECOND)):
        if early == edge:
            yield f"happened {name} before its settlement"
    if civil_day(claim.happened_at) in EDGE_DAYS:
        yield f"happened on {civil_day(claim.happened_at)}"
    first, last = told_day(claim.admitted_at), told_day(claim.discharged_at)
    if first is not None and last is not None and (last - first).days in (-1, 0, 1100, 1101):
        yield f"discharged {(last - first).days} days after admission"


def _of_periods(claims: list[Claim], points: Iterable[Point]) -> Iterator[str]:
    for point in points:
        if point.catalogue == "periods":
            days = [civil_day(line.at) for claim in claims for line in claim.lines if line.item_code in point.codes]
            begun = date.fromordinal(point.valid_from)
            if begun - DAY in days and begun in days:
                yield "units the day before a point begins and on that day"
            if begun in days and begun + (point.row.days - 1) * DAY in days:
                yield "the last day of the first window"


def _of_links(claims: list[Claim]) -> Iterator[str]:
    settled = settlements(claims)
    held = settled.held
    links = {name: link_of(claim) for name, claim in held.items() if link_of(claim) in held}
    known = {name: target for name, target in links.items() if target is not None}
    corrected = {target for name, target in known.items() if held[name].corrects}
    for name, target in known.items():
        if held[name].corrects and on_cycle(name, known):
            yield "a circle"
        if held[name].corrects and target in known and held[target].corrects:
            yield "a chain"
        if held[name].reverses and target in corrected:
            yield "a reversal of what was corrected"
        if held[name].corrects and held[target].reverses:
            yield "a correction of a reversal"
    aims = [target for name, target in known.items() if held[name].corrects]
    if len(set(aims)) < len(aims):
        yield "rivals"
    for _ in settled.fell_although_paid:
        yield "fell although paid"
    yield from _of_claim_ids(claims)


def _of_claim_ids(claims: list[Claim]) -> Iterator[str]:
    if len({claim.claim_id for claim in claims}) < len({name_of(claim) for claim in claims}):
        yield "one claim_id at two institutions"
    if len({name_of(claim) for claim in claims}) < len(claims):
        yield "one settlement twice"
        if any(map(has_wrong_clock, claims)):
            yield "one settlement twice, with a wrong clock"


def _of_numbers(claims: list[Claim]) -> Iterator[str]:
    for number in dict.fromkeys(map(number_of, claims)):
        laid = sorted(days_of(claim) for claim in claims if number_of(claim) == number and link_of(claim) is None)
        last = date.max
        for days in filter(None, laid):
            if (days[0] - last).days in (399, 400, 401):
                yield f"a number {(days[0] - last).days} days later"
            last = days[-1] if last == date.max else max(last, days[-1])


def _of_stays(person: Person) -> Iterator[str]:
    for encounter in person.encounters.used_again:
        yield "an encounter of a number used again"
        claims = person.claims_in(encounter)
        for claim in claims:
            if claim.corrects:
                yield "a correction in an encounter of a number used again"
            if claim.lines and not any(is_own(line) for line in claim.lines):
                yield "what only takes back in an encounter of a number used again"
    for stay in person.stays:
        yield f"a stay: {stay.reason or stay.state}"
        told = [admission_and_discharge(claim) for claim in person.claims_in(stay.encounter) if not claim.mid_stay]
        whole = sorted((first, last) for first, last in told if first and last)
        for (_, last), (first, _) in pairwise(whole):
            if (first - last).days in (29, 30):
                yield f"admitted again after {(first - last).days} days"


def _of_lines(person: Person) -> Iterator[str]:
    every = person.all_lines
    for line in every.negative:
        yield from _of_a_negative_line(line, person)
    for line in every.own:
        if line.quantity == 0 < Decimal(line.source.quantity):
            yield "nothing is left of a line"
    for refund in every.refunds:
        yield "a refund in an encounter"
        if refund in every.refunded_elsewhere:
            yield "a refund under another encounter"


def _of_a_negative_line(line: Line, person: Person) -> Iterator[str]:
    beside = [other for other in person.lines_in(line.encounter) if other.code == line.code and other.is_dated]
    days = {other.day for other in beside}
    if line in person.all_lines.returned_without_line:
        yield "too many units" if beside else "no line at all"
    else:
        yield "all its units are found"
    if len(days) > 1:
        yield "lines on several days"
    if days and line.day not in days:
        yield (
            "only earlier days" if max(days) < line.day else "only later days" if min(days) > line.day else "both sides"
        )
    if len({other.amount for other in beside}) > 1:
        yield "lines of several amounts"
    if line.in_fund_scope is None:
        yield "a negative line without its scope"
