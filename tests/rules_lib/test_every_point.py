"""Every published point that a rule reads: a claim that it hits and one just inside, made from what the point says.

Once as our own catalogues say it, and once, where the sheets are at hand, as these say it, read on their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.subjects import patient
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS
from streams.messages.kinds import digest_of
from tests.knowledge_base.sheets import Official, official
from tests.knowledge_base.test_catalogues import LEFT_OUT, needs_sheets, points_of, stated
from tests.reference.cases import line, operation, stay, visit

Words = tuple[Any, ...]


@dataclass(frozen=True)
class Tried:
    """What one point says of claims: the occurrence of the hit, without the person, and claims on both sides."""

    occurrence: Words
    hit: list[Claim]
    inside: list[Claim]


def later(day: date, days: int) -> str:
    return (day + timedelta(days=days)).isoformat()


def daily_cap(key: Words, says: Words) -> Tried:
    (code, day), limit = key, says[1]
    beyond, within = (visit("v", line("l", code, day.isoformat(), str(units))) for units in (limit + 1, limit))
    return Tried(("A", code, day.isoformat()), [beyond], [within])


def period(key: Words, says: Words) -> Tried:
    (code, day), (_, count, days) = key, says

    def again_after(gap: int) -> list[Claim]:
        first = visit("1", line("l", code, day.isoformat(), str(count)))
        return [first, visit("2", line("l", code, later(day, gap)), institution="B")]

    return Tried((code, later(day, days - 1)), again_after(days - 1), again_after(days))


def pair_of_a_day(key: Words, says: Words) -> Tried:
    main, included, day = key

    def billed_on(part_day: str) -> list[Claim]:
        return [visit("1", line("l", main, day.isoformat())), visit("2", line("l", included, part_day))]

    return Tried(("A", "day", day.isoformat(), main, included), billed_on(day.isoformat()), billed_on(later(day, 1)))


def pair_of_a_visit(key: Words, says: Words) -> Tried:
    main, included, day = key

    def in_a_stay(part_day: str) -> list[Claim]:
        lines = [line("1", main, day.isoformat()), line("2", included, part_day)]
        return [stay("v", day.isoformat(), later(day, 3), *lines, operations=(operation(later(day, 1)),))]

    return Tried(("A", "visit", "visit-v", main, included), in_a_stay(day.isoformat()), in_a_stay(later(day, 1)))


def by_the_clock(interval: str, key: Words, clocks: tuple[str, str, str]) -> Tried:
    main, included, day = key

    def billed_at(clock: str) -> list[Claim]:
        lines = [line("1", main, day.isoformat(), clock=clocks[0]), line("2", included, day.isoformat(), clock=clock)]
        return [visit("v", *lines)]

    return Tried(("A", interval, day.isoformat(), main, included), billed_at(clocks[1]), billed_at(clocks[2]))


def pair_of_hours(key: Words, says: Words) -> Tried:
    return by_the_clock("hours", key, ("10:00", f"{10 + says[2]}:00", f"{10 + says[2]}:01"))


def pair_of_the_same_hour(key: Words, says: Words) -> Tried:
    return by_the_clock("hour", key, ("10:00", "10:59", "11:00"))


def sex(key: Words, says: Words) -> Tried:
    (code, day), own = key, says[1]
    hit, inside = (visit("v", line("l", code, day.isoformat()), sex=of) for of in ("2" if own == "1" else "1", own))
    return Tried(("A", day.isoformat(), code), [hit], [inside])


def place(key: Words, says: Words) -> Tried:
    (code, day), emergency = key, says[1]
    billed = line("l", code, day.isoformat())
    allowed = visit("e", billed, visit_type="13") if emergency else stay("s", day.isoformat(), later(day, 1), billed)
    return Tried(("A", day.isoformat(), code), [visit("v", billed, visit_type="11" if emergency else "13")], [allowed])


def course(key: Words, says: Words) -> Tried:
    (code, day), (name, days, per_stay, _) = key, says

    def lasting(length: int) -> list[Claim]:
        supplied = line("l", code, day.isoformat(), days=length)
        return [stay("v", day.isoformat(), later(day, days), supplied) if per_stay else visit("v", supplied)]

    stay_words = ("A", "visit-v") if per_stay else ()
    return Tried((name, day.isoformat(), *stay_words), lasting(days + 1), lasting(days))


#: How the points of a catalogue are tried, how many of them the program has, and which rule reads them.
TRIED: Mapping[str, tuple[Callable[[Words, Words], Tried], int, str]] = {
    "daily_caps": (daily_cap, 67, "GZ10000102014000"),
    "periods": (period, 14, "FW10000003"),
    "pairs_of_a_day": (pair_of_a_day, 446, "GZ10000102012000"),
    "pairs_of_a_visit": (pair_of_a_visit, 429, "GZ10000102012000"),
    "pairs_of_hours": (pair_of_hours, 18, "GZ10000102012000"),
    "pairs_of_the_same_hour": (pair_of_the_same_hour, 7, "GZ10000102012000"),
    "sex_of_services": (sex, 389, "GZ10000302004000"),
    "sex_of_drugs": (sex, 73, "GZ10000301004000"),
    "drugs_only_in_hospital": (place, 1511, "FW10000002"),
    "courses": (course, 2315, "GZ10000101010000"),
}


def held(catalogue: str) -> Official:
    """What our own catalogue says, by key and first day."""
    return {key: says for point in points_of(catalogue) for key, says in stated(point).items()}


def faults(catalogue: str, points: Official, rule_set: RuleSet) -> list[str]:
    """The points of which a claim comes out otherwise than it should."""
    try_point, _, rule_id = TRIED[catalogue]
    alone = RulesOf((rule_set.by_id[rule_id],), load_facts())

    def found(claims: list[Claim]) -> list[Words]:
        history = PatientHistory(patient("p1"), [digest_of(claim) for claim in claims], alone.by_code)
        judgement = judge(history, ALL_DAYS, alone)
        assert not judgement.left_out
        return [finding.occurrence[1:] for finding in judgement.findings]

    wrong = []
    for key, says in points.items():
        tried = try_point(key, says)
        if found(tried.hit) != [tried.occurrence]:
            wrong.append(f"{catalogue} {key}: {found(tried.hit)} instead of {tried.occurrence}")
        if inside := found(tried.inside):
            wrong.append(f"{catalogue} {key}: {inside} just inside")
    return wrong


@pytest.mark.parametrize("catalogue", TRIED)
def test_each_point_of_ours_hits_and_lets_pass_what_is_just_inside(catalogue: str, rule_set: RuleSet) -> None:
    points = held(catalogue)
    assert len(points) == TRIED[catalogue][1]
    assert faults(catalogue, points, rule_set) == []


@needs_sheets
@pytest.mark.parametrize("catalogue", TRIED)
def test_each_point_of_a_sheet_hits_and_lets_pass_what_is_just_inside(catalogue: str, rule_set: RuleSet) -> None:
    """Of the drugs with a sex those that come with the program."""
    left_out = official("sex_of_drugs").keys() - held("sex_of_drugs").keys()
    points = {
        key: says
        for key, says in official(catalogue).items()
        if key not in (left_out if catalogue == "sex_of_drugs" else LEFT_OUT.get(catalogue, set()))
    }
    assert faults(catalogue, points, rule_set) == []


def test_a_point_that_says_something_else_is_noticed(rule_set: RuleSet) -> None:
    (key, says), *_ = held("daily_caps").items()
    assert len(faults("daily_caps", {key: (says[0], says[1] + Decimal(1), says[2])}, rule_set)) == 1
    assert len(faults("daily_caps", {key: (says[0], says[1] - Decimal(1), says[2])}, rule_set)) == 1
