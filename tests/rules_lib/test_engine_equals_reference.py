"""The engine in memory equals the reference judge, for people aimed at each rule and people who meet several."""

from collections.abc import Callable

import pytest

from knowledge_base.days import Day
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.findings import Finding
from rules_lib.rule_set import RuleSet
from streams.messages.kinds import digest_of
from tests.reference.generators import mixed, persons
from tests.reference.histories import SCENES, history, mixed_history
from tests.reference.judge import RULE_IDS, reference_findings

from .in_memory import differences, findings_of, judgements

PEOPLE = 400
HISTORIES = 600
"""About each point."""


def assert_equal(events: list[Event], rule_set: RuleSet, rule_id: str | None) -> None:
    expected = reference_findings(events, rule_set.facts.points)
    assert differences(findings_of(judgements(events, rule_set)), expected) == {}
    assert any(rule_id in (None, rule) for rule, _ in expected), "nobody was found, so nothing was compared"


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_people_aimed_at_a_rule(rule_id: str, rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_equal([event for seed in range(samples(PEOPLE)) for event in persons(seed, rule_id)], rule_set, rule_id)


@pytest.mark.parametrize("about", SCENES)
def test_histories_about_a_point(about: str, rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_equal([event for seed in range(samples(HISTORIES)) for event in history(seed, about)], rule_set, None)


def test_histories_about_several_points(rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_equal([event for seed in range(samples(HISTORIES)) for event in mixed_history(seed)], rule_set, None)


def test_people_who_meet_several_rules(rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_equal([event for seed in range(samples(PEOPLE)) for event in mixed(seed)], rule_set, None)


def test_the_order_of_events_changes_no_word_of_a_finding(rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    for seed in range(samples(100)):
        events = mixed(seed)
        shuffled = sorted(events, key=lambda event: event.event_id[::-1])
        assert findings_of(judgements(shuffled, rule_set)) == findings_of(judgements(events, rule_set))


def test_no_finding_lies_beyond_the_spans_of_its_own_encounters(
    rule_set: RuleSet, samples: Callable[[int], int]
) -> None:
    """Windows are read by spans: an event on a day outside them would withdraw the finding without reading it."""
    for seed in range(samples(PEOPLE)):
        for events in [*(persons(seed, rule_id) for rule_id in RULE_IDS), *(history(seed, about) for about in SCENES)]:
            for finding in findings_of(judgements(events, rule_set)).values():
                first, last = spanned(events, finding)
                assert first <= finding.first_day <= finding.last_day <= last, finding


def spanned(events: list[Event], finding: Finding) -> tuple[Day, Day]:
    """First and last day of the claims whose encounter a finding names or has a line of."""
    lines = [*(guilty.part for guilty in finding.guilty), *finding.involved]
    encounters = {line[:2] for line in lines} | {finding.occurrence[1:3]}
    numbers = {(institution, name.split("@")[0]) for institution, name in encounters}
    claims = [event for event in events if isinstance(event, Claim)]
    spans = [digest_of(claim).span for claim in claims if (claim.institution, claim.encounter_id) in numbers]
    return min(first for first, _ in spans), max(last for _, last in spans)
