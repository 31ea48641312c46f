"""What the rules say of orders equals the reference, for people aimed at each rule and at sentences about orders."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from random import Random

import pytest

from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.events.replies import Reply
from rules_lib.rule_set import RuleSet
from tests.reference import ledger_scenes
from tests.reference.answers import ordered
from tests.reference.knowledge import Knowledge
from tests.reference.ordering import ABOUT, ordering
from tests.reference.persons import person_names

from .asked_in_memory import differences, said_of

PEOPLE, SHUFFLED = 150, 30
"""About each scene."""


@pytest.fixture(scope="module")
def knowledge(rule_set: RuleSet) -> Knowledge:
    return Knowledge(rule_set.facts.points)


def differing(events: list[Event], rule_set: RuleSet, knowledge: Knowledge) -> Iterator[str]:
    """What differs for each request of some events as the one that is asked, alone and with those of its instant."""
    names = person_names([event for event in events if not isinstance(event, Reply)])
    expected = ordered(events, knowledge)
    at_once: dict[tuple[object, ...], list[Prescription]] = defaultdict(list)
    for event in events:
        if isinstance(event, Prescription):
            at_once[names[event.patient], event.institution, event.happened_at, event.phase].append(event)
    for (name, *_), together in at_once.items():
        for asked in [[request] for request in together] + [together] * (len(together) > 1):
            yield from differences(said_of(events, asked, rule_set), expected[str(name)], asked)


@pytest.mark.parametrize("about", ABOUT)
def test_people_aimed_at_a_rule(
    about: str, rule_set: RuleSet, knowledge: Knowledge, samples: Callable[[int], int]
) -> None:
    found = {seed: list(differing(ordering(seed, about), rule_set, knowledge)) for seed in range(samples(PEOPLE))}
    assert {seed: differs for seed, differs in found.items() if differs} == {}


@pytest.mark.parametrize("about", ABOUT)
def test_in_whatever_order_events_arrive(
    about: str, rule_set: RuleSet, knowledge: Knowledge, samples: Callable[[int], int]
) -> None:
    found = {}
    for seed in range(samples(SHUFFLED)):
        events = ordering(seed, about)
        Random(seed).shuffle(events)
        found[seed] = list(differing(events, rule_set, knowledge))
    assert {seed: differs for seed, differs in found.items() if differs} == {}


@pytest.mark.parametrize("about", ledger_scenes.ABOUT)
def test_people_whose_doctors_replied(
    about: str, rule_set: RuleSet, knowledge: Knowledge, samples: Callable[[int], int]
) -> None:
    found = {}
    for seed in range(samples(PEOPLE)):
        events = ledger_scenes.asked(seed, about).events
        orders = [list(events), Random(seed).sample(events, k=len(events))]
        found[seed] = [differs for told in orders for differs in differing(told, rule_set, knowledge)]
    assert {seed: differs for seed, differs in found.items() if differs} == {}
