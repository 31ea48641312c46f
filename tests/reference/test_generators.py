"""The generators reach every rule: enough hits and near misses, lawful events, the same ones for the same seed."""

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event

from .dates import civil_day
from .generators import mixed, persons
from .judge import RULE_IDS, near_misses, reference_findings

ENOUGH = 500
PATIENCE = 6000


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_five_hundred_hits_and_near_misses_are_within_reach(rule_id: str) -> None:
    """Prints how many people it took (``pytest -s``)."""
    points, reached, people = load_facts().points, Counter[str](), 0
    while min(reached["hits"], reached["near misses"]) < ENOUGH and people < PATIENCE:
        events = persons(people, rule_id)
        reached["hits"] += sum(rule == rule_id for rule, _ in reference_findings(events, points))
        reached["near misses"] += near_misses(events, points)[rule_id]
        people += 1
    print(f"\n{rule_id}: {reached['hits']} hits, {reached['near misses']} near misses in {people} people")
    assert min(reached["hits"], reached["near misses"]) >= ENOUGH


@pytest.mark.parametrize("sample", [lambda seed: persons(seed, None), mixed])
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


def test_the_answer_does_not_depend_on_the_order_of_events() -> None:
    points = load_facts().points
    for seed in range(100):
        events = mixed(seed)
        shuffled = sorted(events, key=lambda event: event.event_id[::-1])
        assert reference_findings(shuffled, points) == reference_findings(events, points)
