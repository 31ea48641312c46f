"""What others saw go wrong, written anew: each case with the siblings that its seed makes, and what has to be found.

Over the points of ``cases``: nursing at most once a day, one bed a day of a stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from knowledge_base.findings import Occurrence

from .cases import BED, NURSING, PLAIN, at, line, status, stay, visit
from .oddities import ODD_DETAILS
from .rules import BED_DAYS, DAILY_CAP

Found = set[tuple[str, Occurrence]]
HERE, THERE, ELSEWHERE = "H42028100001", "H42028100002", "H42028100003"


@dataclass(frozen=True)
class Seen:
    """Events of one area in order of arrival, and the rules and occurrences that have to be found, no others."""

    events: tuple[Event, ...]
    found: Found


def _day(random: Random) -> date:
    return date(2026, 2, 1) + timedelta(days=random.randrange(90))


def _nursed(line_id: str, day: date, quantity: str = "1", **fields: Any) -> ClaimLine:
    return line(line_id, NURSING, day.isoformat(), quantity, **fields)


def _bill(name: str, *lines: ClaimLine, **fields: Any) -> Claim:
    """A claim of person ``q`` at one house, settled at the end of 2026."""
    return visit(name, *lines, **{"institution": HERE, "patient": "q", "settled_at": at("12-01"), **fields})


def _over(day: date, institution: str = HERE) -> tuple[str, Occurrence]:
    return DAILY_CAP, ("q", institution, NURSING, day.isoformat())


def _odd(kind: str, name: str, institution: str = HERE) -> tuple[str, Occurrence]:
    return ODD_DETAILS, ("q", institution, name, kind)


def returned_lines(random: Random) -> Seen:
    """Units of a day and lines that take some of them back without a reference: only what is left is held."""
    day, units, kept = _day(random), random.randrange(2, 5), random.randrange(1, 4)
    sold = [_nursed(f"s{number}", day) for number in range(units)]
    money = {"amount": "-100", "in_fund_scope": "-100"}
    back = [_nursed(f"r{number}", day, "-1", **money) for number in range(max(0, units - kept))]
    apart = random.random() < 0.5
    events = (_bill("1", *sold, encounter_id="v"), _bill("2", *back, encounter_id="v"))
    together = (_bill("1", *sold, *back, encounter_id="v"),)
    return Seen(events if apart and back else together, {_over(day)} if min(units, kept) > 1 else set())


def end_of_a_day(random: Random) -> Seen:
    """The last microsecond of a day in China belongs to it."""
    day, late = _day(random), random.random() < 0.5
    first = _nursed("a", day, clock="23:59:59.999999")
    second = _nursed("b", day + timedelta(days=1) if late else day, clock="08:00")
    return Seen((_bill("1", first, second),), set() if late else {_over(day)})


def empty_date(random: Random) -> Seen:
    """A stay whose admission is the empty date of other programs accuses nobody of what happened since."""
    empty = random.choice(["1900-01-01", "0001-01-01", "2091-01-01", "1899-12-30"])
    bed = line("a", BED, "03-02", "9")
    inside = stay("1", empty, "03-05", bed, institution=HERE, patient="q", settled_at=at("03-05"))
    days = [date(2019, 6, 10), date(2026, 2, 10), _day(random)]
    outside = [
        _bill(f"x{number}", line("x", PLAIN, day.isoformat()), institution=THERE, settled_at=at(day.isoformat()))
        for number, day in enumerate(days)
    ]
    return Seen((inside, *outside), {_odd("unlikely_date", "visit-1")})


def one_claim_id(random: Random) -> Seen:
    """Two houses give one claim_id: both settlements count."""
    day, houses = _day(random), random.sample([HERE, THERE, ELSEWHERE], k=2)
    two, one = random.sample(houses, k=2)
    first = _bill("0001", _nursed("a", day), _nursed("b", day), institution=two, event_id="e-1", encounter_id="v")
    second = _bill("0001", _nursed("c", day), institution=one, event_id="e-2", encounter_id="w")
    events = random.sample([first, second], k=2)
    return Seen(tuple(events), {_over(day, two)})


def number_again(random: Random) -> Seen:
    """A number used again is another encounter: beds are held against their own stay, visits between against none."""
    first, gap, days = date(2026, 1, 10), random.choice([401, 402, 500, 730]), random.randrange(2, 6)
    again = first + timedelta(days=4 + gap)
    between = visit("b", line("b", PLAIN, (first + timedelta(days=200)).isoformat()), institution=THERE, patient="q")
    between = _settled(between, first + timedelta(days=200))
    beds = [line(f"z{number}", BED, (again + timedelta(days=number)).isoformat()) for number in range(days + 1)]
    one = _settled(_stay("1", first, 4, line("z0", PLAIN, first.isoformat())), first + timedelta(days=4))
    two = _settled(_stay("2", again, days, *beds), again + timedelta(days=days))
    names = [f"000777@{day.isoformat()}" for day in (first, again)]
    odd = {_odd("encounter_used_again", name) for name in names}
    return Seen(tuple(random.sample([one, between, two], k=3)), {(BED_DAYS, ("q", HERE, names[1])), *odd})


def _stay(name: str, first: date, days: int, *lines: ClaimLine) -> Claim:
    last = first + timedelta(days=days)
    return stay(name, first.isoformat(), last.isoformat(), *lines, institution=HERE, patient="q", encounter_id="000777")


def _settled(claim: Claim, day: date) -> Claim:
    return replace(claim, settled_at=at(day.isoformat()), happened_at=at(day.isoformat()))


def clock_of_2099(random: Random) -> Seen:
    """A settlement told with a wrong clock gives way to the same settlement told again."""
    day = _day(random)
    settled = at((day + timedelta(days=random.randrange(9))).isoformat())
    wrong = at(random.choice(["2091-01-01", "2099-03-06", "9999-12-31"]))
    first = _bill("1", _nursed("a", day), _nursed("b", day), event_id="e-9", settled_at=settled, happened_at=wrong)
    later = settled + timedelta(days=random.choice([0, 1]), microseconds=random.choice([1, 500]))
    second = _bill("1", _nursed("a", day), event_id="e-1", settled_at=settled, happened_at=later)
    return Seen(tuple(random.sample([first, second], k=2)), {_odd("wrong_clock", "visit-1")})


def negative_money(random: Random) -> Seen:
    """A negative amount on a positive quantity counts with no money, and is told."""
    day, amount = _day(random), random.choice(["-40", "-0.01", "-99999"])
    lines = _nursed("a", day, clock="08:00"), _nursed("b", day, clock="09:00", amount=amount, in_fund_scope="40")
    odd = {_odd(kind, "visit-1") for kind in ("opposite_signs", "scope_above_amount")}
    return Seen((_bill("1", *lines),), {_over(day), *odd})


def wrong_merge(random: Random) -> Seen:
    """Two persons joined by mistake come apart again, and their finding with them."""
    day, other = _day(random), random.choice(["q1", "r"])
    one, two = _bill("1", _nursed("a", day)), _bill("2", _nursed("b", day), patient=other)
    pairs = [{"patient": "q", "same_as": other}, {"patient": other, "same_as": "q"}]
    merge = status("m", "05-01", "merge", **random.choice(pairs))
    told = [merge]
    parted = random.random() < 0.6
    if parted:
        told.append(status("u", "05-02", "unmerge", **random.choice(pairs)))
    events = random.sample([one, two, *told], k=2 + len(told))
    return Seen(tuple(events), set() if parted else {_over(day)})


CASES: tuple[Callable[[Random], Seen], ...] = (
    returned_lines,
    end_of_a_day,
    empty_date,
    one_claim_id,
    number_again,
    clock_of_2099,
    negative_money,
    wrong_merge,
)
