"""The generators reach every rule: enough hits and near misses, lawful events, the same ones for the same seed."""

from collections import Counter
from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.facts import Point

from .by_the_clock import JUST_APART, POSTED
from .dates import civil_day
from .edges import edges_of
from .generators import mixed, persons
from .histories import SCENES, history, mixed_history
from .judge import RULE_IDS, Hits, Reasons, by_rule, hits_and_near_misses, reference_findings
from .oddities import ODD_DETAILS
from .rules import BED_DAYS, DAILY_CAP, PAIRS, PERIOD
from .two_houses import ELSEWHERE, TWO_STAYS

ENOUGH = 500
PATIENCE = 6000
HISTORIES, OFTEN = 500, 3
"""How many histories about each point are looked at, and how many of them at least have to stand at each edge."""

EDGES = {
    "two houses": {"a stay: closed", "a stay: discharged_at missing", "discharged 0 days after admission"},
    "what takes back": {
        "a chain",
        "a circle",
        "rivals",
        "a reversal of what was corrected",
        "a correction of a reversal",
        "fell although paid",
        "a refund in an encounter",
        "all its units are found",
        "too many units",
        "no line at all",
        "lines on several days",
        "lines of several amounts",
        "only earlier days",
        "only later days",
        "both sides",
        "a negative line without its scope",
        "nothing is left of a line",
        "units the day before a point begins and on that day",
        "the last day of the first window",
    },
    "names and dates": {
        "one claim_id at two institutions",
        "one settlement twice",
        "one settlement twice, with a wrong clock",
        *(f"a number {days} days later" for days in (399, 400, 401)),
        "an encounter of a number used again",
        "a correction in an encounter of a number used again",
        "what only takes back in an encounter of a number used again",
        *(f"a date of {day}" for day in ("1900-01-01", "1900-01-02", "2090-12-31", "2091-01-01")),
        *(f"discharged {days} days after admission" for days in (-1, 0, 1100, 1101)),
        *(f"a stay: {state}" for state in ("closed", "dates unlikely", "number used again")),
        *(f"admitted again after {days} days" for days in (29, 30)),
        "happened a day before its settlement",
        "happened a day and a microsecond before its settlement",
        "happened on 2090-12-31",
        "happened on 2091-01-01",
        "a refund under another encounter",
    },
    "one person": {
        "parted",
        "merged after all",
        "an unmerge without a merge",
        "an unmerge that changes who is one",
        "two of a moment",
        "three or more are one",
        "a merge or unmerge of 2099",
    },
}

FOUND = {
    "two houses": {ELSEWHERE, TWO_STAYS, "unknown_item_kind"},
    "what takes back": {
        *(DAILY_CAP, PERIOD),
        *("corrects_reversed", "return_without_line", "opposite_signs", "unlikely_line_day", "line_twice"),
    },
    "names and dates": {
        *(DAILY_CAP, BED_DAYS, ELSEWHERE),
        *("encounter_used_again", "unlikely_date", "unlikely_line_day", "wrong_clock", "discharged_before_admitted"),
        *("opposite_signs", "no_units", "refund_elsewhere", "return_without_line", "over_refund", "corrects_reversed"),
    },
    "one person": {DAILY_CAP},
}
"""The rules that have to find something in histories about a point, and the kinds of oddity."""

DETAILS = {
    *("line_far_outside_stay", "scope_above_amount", "amount_not_price_by_quantity"),
    *("unknown_diagnosis_code", "unknown_operation_code", "unknown_item_code"),
}

EXCUSED = {
    PAIRS: {POSTED, JUST_APART, "another operation that day", "operations are not known"},
    ELSEWHERE: {
        *("the line does not count", "the stay is not in the fund", "transfer day", "does not need the body"),
        "a pharmacy",
        *("kind of item not told", "sent out", "mid-stay settlement", "dialysis", "sent there"),
        *("sent out, nobody named", "two stays at once", "in hospital there, the stay is not closed"),
    },
    TWO_STAYS: {
        *("the stay is not in the fund", "sent there", "sent out, nobody named", "mid-stay settlement", "dialysis"),
        *("a newborn", "transfer day"),
    },
}


@cache
def published() -> tuple[Point, ...]:
    """The points of the rules as published, read once."""
    return load_facts().points


@cache
def judged(seed: int, rule_id: str) -> tuple[Hits, Reasons]:
    """The hits on people aimed at a rule, and the reasons of near misses; several tests ask about the same people."""
    return hits_and_near_misses(persons(seed, rule_id), published())


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_five_hundred_hits_and_near_misses_are_within_reach(rule_id: str, samples: Callable[[int], int]) -> None:
    """Prints how many people it took (``pytest -s``)."""
    reached, people, enough = Counter[str](), 0, samples(ENOUGH)
    while min(reached["hits"], reached["near misses"]) < enough and people < PATIENCE:
        hits, reasons = judged(people, rule_id)
        reached["hits"] += sum(rule == rule_id for rule, _ in hits)
        reached["near misses"] += by_rule(reasons)[rule_id]
        people += 1
    print(f"\n{rule_id}: {reached['hits']} hits, {reached['near misses']} near misses in {people} people")
    assert min(reached["hits"], reached["near misses"]) >= enough


@pytest.mark.reach
@pytest.mark.parametrize("about", SCENES)
def test_histories_stand_at_every_edge_of_their_point(about: str) -> None:
    """Prints how many stand where (``pytest -s``)."""
    points, reached = published(), Counter[str]()
    for seed in range(HISTORIES):
        reached.update(set(edges_of(history(seed, about), points)))
    print(f"\n{about}:", *(f"{count:6} {edge}" for edge, count in sorted(reached.items())), sep="\n")
    assert {edge for edge in EDGES[about] if reached[edge] < OFTEN} == set()


@pytest.mark.reach
@pytest.mark.parametrize("about", SCENES)
def test_something_of_each_kind_is_found_in_histories_about_a_point(about: str) -> None:
    points, found = published(), Counter[str]()
    for seed in range(HISTORIES):
        for rule_id, occurrence in reference_findings(history(seed, about), points):
            found[occurrence[-1] if rule_id == ODD_DETAILS else rule_id] += 1
    assert {kind for kind in FOUND[about] if found[kind] < OFTEN} == set()


@pytest.mark.reach
@pytest.mark.parametrize("rule_id", EXCUSED)
def test_each_excuse_alone_keeps_some_from_being_found(rule_id: str) -> None:
    alone = Counter[str]()
    for seed in range(2 * HISTORIES):
        for (rule, reason), count in judged(seed, rule_id)[1].items():
            alone[reason] += count if rule == rule_id else 0
    assert {reason for reason in EXCUSED[rule_id] if alone[reason] < OFTEN} == set()


@pytest.mark.reach
def test_every_odd_detail_of_codes_sums_and_far_lines_is_found() -> None:
    found = Counter[str]()
    for seed in range(HISTORIES):
        found.update(key[-1] for _, key in judged(seed, ODD_DETAILS)[0])
    assert {kind for kind in DETAILS if found[kind] < OFTEN} == set()


@pytest.mark.reach
def test_pairs_of_every_interval_are_found() -> None:
    found = Counter[str]()
    for seed in range(HISTORIES):
        found.update(key[2] for rule, key in judged(seed, PAIRS)[0] if rule == PAIRS)
    assert {interval for interval in ("day", "visit", "hours", "hour") if found[interval] < OFTEN} == set()


def _any_history(seed: int) -> list[Event]:
    return history(seed, list(SCENES)[seed % len(SCENES)])


@pytest.mark.parametrize("sample", [lambda seed: persons(seed, None), mixed, _any_history, mixed_history])
def test_generated_events_keep_the_schema(sample: Callable[[int], list[Event]]) -> None:
    for seed in range(300):
        events = sample(seed)
        assert len({event.event_id for event in events}) == len(events)
        for event in events:
            assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
            if isinstance(event, Claim):
                assert_acceptable(event)


def assert_acceptable(claim: Claim) -> None:
    """No two lines of one id, at most one link, none to itself: what intake refuses must not be generated."""
    assert len({line.line_id for line in claim.lines}) == len(claim.lines)
    assert claim.reverses is None or claim.corrects is None
    assert claim.claim_id not in (claim.reverses, claim.corrects)


def test_the_same_seed_gives_the_same_person_and_another_seed_another() -> None:
    assert persons(7, RULE_IDS[0]) == persons(7, RULE_IDS[0])
    assert mixed(7) == mixed(7)
    assert persons(7, RULE_IDS[0]) != persons(8, RULE_IDS[0])


def test_lines_lie_where_the_utc_day_differs_from_the_day_in_china() -> None:
    lines = [line for seed in range(100) for event in mixed(seed) if isinstance(event, Claim) for line in event.lines]
    early = [line for line in lines if line.at.date() != civil_day(line.at)]
    assert len(lines) / 10 < len(early) < len(lines)


def test_the_answer_does_not_depend_on_the_order_of_events(samples: Callable[[int], int]) -> None:
    points, several = published(), range(samples(200))
    for events in [*map(mixed, several), *map(_any_history, several), *map(mixed_history, several)]:
        shuffled = sorted(events, key=lambda event: event.event_id[::-1])
        assert reference_findings(shuffled, points) == reference_findings(events, points)
