"""People with orders stand at every sentence of section 7 of docs/what-counts.md often enough, and as the types say."""

from collections import Counter

import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.prescriptions import Prescription

from .answers import ordered
from .courses import COURSE
from .edges_of_orders import edges_of_orders
from .judge import RULE_IDS
from .knowledge import Knowledge
from .oddities import ODD_DETAILS
from .ordering import ABOUT, ordering
from .persons import person_names
from .rules import BED_DAYS, DAILY_CAP, PAIRS
from .test_generators import assert_acceptable
from .two_houses import ELSEWHERE, TWO_STAYS

PEOPLE, OFTEN = 100, 3
"""How many people about each scene are looked at, and how many of all at least have to stand at each edge."""

ASKED_BEFORE = set(RULE_IDS) - {ODD_DETAILS, ELSEWHERE, TWO_STAYS}
ASKED_DURING = set(RULE_IDS) - {ODD_DETAILS}

REACH = ("before it begins", "after it ends")

EDGES = {
    *("told again, unchanged", "told again, changed", "named no longer, or not yet", "twice in one list"),
    *("two requests of one instant name it", "several items under one number"),
    *("one number of an order at two institutions", "one number of an order in two encounters"),
    *("runs over days", "runs over 366 days", "runs over too many days", "stops before it begins", "an unlikely stop"),
    *("standing", "standing, with a stop", "an order of an unlikely day", "an order over days is guilty"),
    *("not reimbursed", "outside the catalogue", "the patient pays it"),
    *("a discharge that counts", "a discharge that counts, at the very asking", "a discharge told before"),
    *(
        "a discharge after the asking",
        "a discharge before the admission",
        "a discharge before the admission, on its day",
    ),
    *("taken: order", "taken: prescription", "taken: item and day", "taken by something else: order"),
    *("taken from another encounter: order", "taken from another encounter: prescription"),
    *("taken later in its run", "taken later, by a standing one", "a line of its item lies on none of its days"),
    *("taken by a line of a claim that does not stand", "what takes back takes no place", "several lines on one order"),
    *(f"settled in the {part}, {when}" for part in ("middle", "end") for when in ("earlier", "at once", "later")),
    *(f"ended {days} days before the last asking" for days in (30, 31)),
    *("an order only told is guilty", "warned of some of the guilty orders", "orders of several requests are guilty"),
    *("what is billed and an order are guilty", "what is billed makes an order guilty"),
    *("an order is involved, what is billed is guilty", "an order in an encounter of a number used again"),
    *(f"by its {how}, {days} days {when}" for how in ("number", "prescription") for days in (30, 31) for when in REACH),
    *(f"something else under a number with {items}" for items in ("one item", "several items")),
    *("names orders by their number and others by their prescription", "names an order and fits another"),
    *("named by its prescription first, and later by its number", "names none and fits one", "a line said again"),
    *("took an order of its day alone before one that runs", "took several orders that run"),
    "took an order that runs, where those of its day alone are taken",
    *(f"settled later, {days} days before it begins" for days in (30, 31)),
    *("settled earlier or later by a wrong clock", "an order without units"),
    *("the patient pays all that is left", "the patient pays some of it"),
    "orders that count for nothing, in a stay that nobody ended",
    "the last day of a running stay is one of what does not count",
    "a running stay that began before what its request says",
    *(f"running: {rule_id}" for rule_id in (BED_DAYS, DAILY_CAP, COURSE, PAIRS)),
    *(f"warned before: {rule_id}" for rule_id in ASKED_BEFORE),
    *(f"warned during: {rule_id}" for rule_id in ASKED_DURING),
}


@pytest.mark.reach
def test_people_with_orders_stand_at_every_edge() -> None:
    """Prints how many stand where (``pytest -s``)."""
    knowledge, reached = Knowledge(load_facts().points), Counter[str]()
    for about in ABOUT:
        for seed in range(PEOPLE):
            events = ordering(seed, about)
            names = person_names(events)
            for name, of_person in ordered(events, knowledge).items():
                reached.update(set(edges_of_orders([one for one in events if names[one.patient] == name], of_person)))
    print(*(f"{count:6} {edge}" for edge, count in sorted(reached.items())), sep="\n")
    assert {edge for edge in EDGES if reached[edge] < OFTEN} == set()


def test_generated_requests_keep_the_schema() -> None:
    for about in ABOUT:
        for seed in range(20):
            events = ordering(seed, about)
            assert len({event.event_id for event in events}) == len(events)
            for event in events:
                assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
                if isinstance(event, Claim):
                    assert_acceptable(event)


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    assert ordering(7, DAILY_CAP) == ordering(7, DAILY_CAP)
    assert ordering(7, DAILY_CAP) != ordering(8, DAILY_CAP)
    assert any(isinstance(event, Prescription) for event in ordering(7, DAILY_CAP))
