"""Small groups of people to whom something special happens in the year. Nobody belongs to two."""

from collections.abc import Callable
from enum import IntEnum, auto
from random import Random

from deploy.county.people.insured import Person
from deploy.county.plan import CountyPlan
from knowledge_base.days import Day


class Group(IntEnum):
    """Who is picked out; each group draws from its own residue of the people's numbers."""

    PAPER_PATIENT = 0
    LENDS_CARD = auto()
    MAN_AT_WOMENS_CLINIC = auto()
    LIKES_DRIPS = auto()
    SENT_NEXT_DOOR = auto()
    INFUSED_FOR_EVER = auto()
    ON_DIALYSIS = auto()
    HAS_CHEMOTHERAPY = auto()
    TRANSFERRED = auto()
    SETTLES_LATE = auto()
    NEEDS_STENT = auto()
    HAS_OVARIAN_CANCER = auto()
    IN_TWO_BEDS = auto()
    HAS_RELATIVES_FETCH = auto()


_PER_THOUSAND = {
    Group.PAPER_PATIENT: 6,
    Group.LENDS_CARD: 3,
    Group.MAN_AT_WOMENS_CLINIC: 3,
    Group.LIKES_DRIPS: 5,
    Group.SENT_NEXT_DOOR: 4,
    Group.INFUSED_FOR_EVER: 4,
    Group.ON_DIALYSIS: 1,
    Group.HAS_CHEMOTHERAPY: 1.2,
    Group.TRANSFERRED: 3,
    Group.SETTLES_LATE: 4,
    Group.NEEDS_STENT: 2.5,
    Group.HAS_OVARIAN_CANCER: 1,
    Group.IN_TWO_BEDS: 2,
    Group.HAS_RELATIVES_FETCH: 3,
}
_AT_LEAST = {Group.LENDS_CARD: 6}


def recruit(
    plan: CountyPlan, people: list[Person], group: Group, fits: Callable[[Person], bool]
) -> list[tuple[Person, Random]]:
    """The members of a group, each with a stream of chance; at least three where so many fit."""
    # Residues keep groups apart without knowing of each other: one more group member changes no other group.
    fitting = [person for number, person in enumerate(people) if number % len(Group) == group and fits(person)]
    wanted = max(_AT_LEAST.get(group, 3), round(plan.insured * _PER_THOUSAND[group] / 1000))
    picked = plan.chance("group", group.name).sample(fitting, min(wanted, len(fitting)))
    return [(person, plan.chance(group.name, person.pseudonym)) for person in picked]


def some_day(plan: CountyPlan, chance: Random, room_for: int = 0) -> Day:
    """A day of the year after which ``room_for`` more days follow."""
    return plan.first.toordinal() + chance.randrange(max(1, plan.days - room_for))
