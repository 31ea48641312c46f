"""People with orders that were answered, warned of and replied to: those made for one sentence of section 8 of
docs/what-counts.md, and those of ``ordering``.

Seeded as the people of ``generators`` are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.facts import Point

from .answering import RULE_SETS, RULES, Found, answered, replies
from .dates import civil_day
from .disturbances import disturb
from .generators import published
from .order_ledger import Beside, asking_about
from .ordering import ABOUT as ABOUT_ORDERS
from .ordering import ordering
from .orders import OrderKey, holding
from .scenes_of_orders import happen
from .scenes_of_the_ledger import SCENES_OF_THE_LEDGER
from .spelling import spelled
from .story import INSTITUTIONS, begin

ABOUT = (*SCENES_OF_THE_LEDGER, *ABOUT_ORDERS)


@dataclass(frozen=True)
class Asked:
    """The events of one person, maybe under several names; the first day on which each institution asked, about
    whomever; and what late judging found, by the event_id of each request that was judged late."""

    events: Sequence[Event]
    asking: Mapping[str, date]
    late: Found


def asked(seed: int, about: str, points: Sequence[Point] | None = None) -> Asked:
    """One person with orders and what was answered, about one of ``ABOUT``."""
    random = Random(f"ledger {about}/{seed}")
    told = ordering(seed, about, points) if about in ABOUT_ORDERS else _of_the_ledger(seed, about, points)
    events, late = answered(told, random)
    return Asked([*events, *replies(events, late, random)], _asking(events, random), late)


def _of_the_ledger(seed: int, about: str, points: Sequence[Point] | None) -> list[Event]:
    story = begin(f"ledger {about}/{seed}", points or published())
    SCENES_OF_THE_LEDGER[about](story)
    happen(story, story.random.choice([0, 0, 0, 0, 1]))
    disturb(story, story.random.choice([0, 0, 0, 0, 1]))
    return [spelled(event) for event in story.events]


def _asking(events: Sequence[Event], random: Random) -> dict[str, date]:
    """The day of the first request of each institution, or an earlier one, on which it asked about somebody else."""
    first: dict[str, date] = {}
    for event in events:
        if isinstance(event, Prescription):
            day = civil_day(event.happened_at)
            first[event.institution] = min(day, first.get(event.institution, day))
    days = {house: day - timedelta(days=random.choice([0, 0, 1, 30, 1000])) for house, day in first.items()}
    if first and random.random() < 0.2:
        days.setdefault(random.choice(INSTITUTIONS), min(first.values()))
    return days


@dataclass(frozen=True)
class Silence:
    """What is known where nothing may have been said of a line: as which order it was ordered, a rule with its phases,
    which rules each set holds as live, and the other lines of the finding."""

    key: OrderKey | None
    requests: Sequence[Prescription]
    rule_id: str
    phases: frozenset[str]
    live: Mapping[str, frozenset[str]]
    beside: Sequence[Beside]


def silences(of: Asked, random: Random) -> Iterator[Silence]:
    """Five lines of every order of some requests, and of none."""
    requests = [event for event in of.events if isinstance(event, Prescription)]
    keys = [held.key for held in holding(requests)]
    for key in [*keys, None] * 5:
        beside = [_beside(random.choice([*keys, None]), requests, random) for _ in range(random.choice([0, 1, 2]))]
        live = {rule_set: frozenset(rule for rule in RULES if random.random() < 0.7) for rule_set in RULE_SETS}
        phases = frozenset(random.choice([("during",), ("before",), ("before", "during"), ("before", "during"), ()]))
        yield Silence(key, requests, random.choice(RULES), phases, live, beside)


def _beside(key: OrderKey | None, requests: Sequence[Prescription], random: Random) -> Beside:
    """Another line, billed early or late, and ordered as something, or as nothing."""
    arrived = random.choice([0, *range(len(requests) + 1), 1000])
    return Beside(arrived, [] if key is None else asking_about(key, requests))
