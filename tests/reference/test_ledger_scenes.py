"""People with orders stand at every sentence of section 8 of docs/what-counts.md often enough, and the ledger is one of
what is known, in any order of arrival."""

from collections import Counter
from random import Random
from typing import get_args

import msgspec
import pytest

from knowledge_base.events.claims import Claim

from .edges_of_the_ledger import edges_of_the_ledger
from .ledger_scenes import ABOUT, asked, silences
from .order_ledger import Reason, ledgers, why_silent
from .scenes_of_the_ledger import SCENES_OF_THE_LEDGER
from .test_generators import assert_acceptable

PEOPLE, OFTEN = 100, 3
"""How many people about each scene are looked at, and how many of all at least have to stand at each edge."""

EDGES = {
    "a further line of an order, item and day, which another bills: order",
    "a further line of an order, item and day, which another bills: prescription",
    "a further line of an order, prescription, which another bills: order",
    "a further line of an order: item and day",
    "a further line of an order: order",
    "a further line of an order: prescription",
    "a line in a share whose name a claim had first that does not stand",
    "a line never asked about",
    "a line of an order's item and day whose place is taken",
    "a line of no told day",
    "a line of no told day that tells the number of a standing order",
    "a name in two encounters of one number",
    "a line on the first day of asking",
    "a line ordered as what was told only",
    "a line ordered, of a claim that does not stand",
    "a line ordered: item and day",
    "a line ordered: order",
    "a line ordered: prescription",
    "a line said again",
    "a line that names one order by its number, and others by their prescription",
    "a line that takes back names an order",
    "a line that tells the number of an order that takes part in nothing",
    "a name in two standing claims",
    "a name in two standing claims, of which the later in rank is the later in line order",
    "a reply that counts: change",
    "a reply that counts: continue",
    "a warning and what repeats it",
    "a warning of it in a message that does not ask about it",
    "a warning of its number and another item",
    "a warning that it explains",
    "a warning that repeats another",
    "a warning to which only another institution replied",
    "a warning without a reply",
    "an order that takes part in nothing",
    "an order whose line is shown with another",
    "answered in time",
    "answered late",
    "answered not judged",
    "answered told only",
    "asked about and told in one list, asked about in its last place",
    "asked about and told in one list, told in its last place",
    "asked about under a name that is not the person's",
    "asked about under two names",
    "asked several times, in time and late",
    "asked several times, in time and late and not judged",
    "asked several times, in time and not judged",
    "asked several times, late and not judged",
    "found late",
    "found late in another encounter of the message",
    "found late, and warned of in time",
    "in a share, and not paid by the fund",
    "in a share, and told only",
    "in no share: an institution that never asked",
    "in no share: before the first day",
    "in no share: no told day",
    "in no share: nothing in scope",
    "in no share: scope unknown",
    "in no share: takes back",
    "judged late, and nothing found",
    "of the lines of a day all were asked about",
    "of the lines of a day none were asked about",
    "of the lines of a day some were asked about",
    "ordered under one name and billed under another",
    "several requests ask about it",
    "shown with a later one, which was asked about: item and day",
    "shown with a later one, which was asked about: order",
    "shown with a later one, which was asked about: prescription",
    "shown with the first of several that were asked about: item and day",
    "shown with the first of several that were asked about: order",
    "shown with the first of several that were asked about: prescription",
    "some requests only tell it",
    "the later reply is of another institution",
    "the reply that arrived last is not the one that counts",
    "the request that holds only tells it",
    "told only, and in question",
    "two replies of one instant",
    "warned of by another encounter in the message",
    "warned of by several requests",
    "warned of, and billed",
}


@pytest.mark.reach
def test_people_with_orders_stand_at_every_edge_of_the_ledger() -> None:
    """Prints how many stand where (``pytest -s``)."""
    reached = Counter[str]()
    for about in ABOUT:
        for seed in range(PEOPLE):
            reached.update(set(edges_of_the_ledger(asked(seed, about))))
    print(*(f"{count:6} {edge}" for edge, count in sorted(reached.items())), sep="\n")
    assert {edge for edge in EDGES if reached[edge] < OFTEN} == set()


@pytest.mark.parametrize("about", SCENES_OF_THE_LEDGER)
def test_in_whatever_order_events_arrive(about: str) -> None:
    for seed in range(20):
        of = asked(seed, about)
        shuffled = Random(seed).sample(of.events, k=len(of.events))
        assert ledgers(shuffled, of.asking, of.late) == ledgers(of.events, of.asking, of.late)


def test_silences_have_every_reason() -> None:
    found = Counter[Reason]()
    for about in SCENES_OF_THE_LEDGER:
        for seed in range(20):
            of = asked(seed, about)
            for silence in silences(of, Random(seed)):
                found[why_silent(*vars(silence).values())] += 1
    assert {reason for reason in get_args(Reason) if found[reason] < OFTEN} == set()


def test_generated_events_keep_the_schema() -> None:
    for about in SCENES_OF_THE_LEDGER:
        for seed in range(20):
            events = asked(seed, about).events
            assert len({event.event_id for event in events}) == len(events)
            for event in events:
                assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
                if isinstance(event, Claim):
                    assert_acceptable(event)


def test_the_same_seed_gives_the_same_answers_and_another_seed_others() -> None:
    assert asked(7, "of_one_message") == asked(7, "of_one_message")
    assert asked(7, "of_one_message") != asked(8, "of_one_message")
