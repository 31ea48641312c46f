"""What others saw go wrong, through the door: messages as they were sent, judged in memory and by the reference."""

import json
from collections.abc import Callable
from random import Random

import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.messages.codec import decode_event, encode_event
from tests.reference.cases import NURSING, POINTS, line, visit
from tests.reference.judge import reference_findings
from tests.reference.rules import DAILY_CAP
from tests.reference.seen_outside import CASES, HERE, Seen
from tests.rules_lib.in_memory import differences, findings_of, judgements

SIBLINGS = 25


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    """The published rules over the few points of the reference judge's own cases."""
    return RuleSet(load_rule_set(load_facts()).rules, Facts(POINTS))


def found_in(events: list[Event], rule_set: RuleSet) -> set[tuple[str, tuple[str, ...]]]:
    """What is found, once engine and reference judge agreed on it."""
    expected = reference_findings(events, POINTS)
    assert differences(findings_of(judgements(events, rule_set)), expected) == {}
    return set(expected)


@pytest.mark.parametrize("case", CASES)
def test_every_sibling_finds_what_it_has_to(case: Callable[[Random], Seen], rule_set: RuleSet) -> None:
    for seed in range(SIBLINGS):
        seen = case(Random(seed))
        events = [decode_event(encode_event(event)) for event in seen.events]
        assert found_in(events, rule_set) == seen.found, seed


@pytest.mark.parametrize("digits", ["999999", "9999999", "999999999", "99999950"])
def test_digits_beyond_microseconds_are_cut_and_never_rounded_into_the_next_day(digits: str, rule_set: RuleSet) -> None:
    lines = line("a", NURSING, "03-01"), line("b", NURSING, "03-02", clock="08:00")
    message = json.loads(encode_event(visit("1", *lines, institution=HERE)))
    message["lines"][0]["at"] = f"2026-03-01T23:59:59.{digits}+08:00"
    assert found_in([decode_event(json.dumps(message).encode())], rule_set) == set()
    message["lines"][1]["at"] = "2026-03-01T00:00:00+08:00"
    found = found_in([decode_event(json.dumps(message).encode())], rule_set)
    assert found == {(DAILY_CAP, ("p1", HERE, NURSING, "2026-03-01"))}


@pytest.mark.parametrize("pad", ["   ", "\u3000", "\u200b", "\t"], ids=ascii)
@pytest.mark.parametrize("name", ["patient", "institution", "encounter_id"])
def test_one_name_with_and_without_blanks_behind_it_is_one(name: str, pad: str, rule_set: RuleSet) -> None:
    one = visit("1", line("a", NURSING, "03-02"), encounter_id="v", institution=HERE)
    other = json.loads(encode_event(visit("2", line("b", NURSING, "03-02"), encounter_id="v", institution=HERE)))
    other[name] += pad
    found = found_in([one, decode_event(json.dumps(other).encode())], rule_set)
    assert found == {(DAILY_CAP, ("p1", HERE, NURSING, "2026-03-02"))}
