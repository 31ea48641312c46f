"""Who writes orders, who asks about them and how, and which doctors heed what they are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from deploy.county.care.institutions import Institution, Institutions
from deploy.county.plan import CountyPlan


class Asks(StrEnum):
    """When an institution asks: about each day's orders as they are written, before settlement, or both.

    ``DAILY`` are those whose system collects a ward's orders of a day and asks about all of them at once, in the
    morning; who comes in is asked about at once there too.
    """

    NEVER = "never"
    BEFORE = "before"
    DURING = "during"
    BOTH = "both"
    DAILY = "daily"


class Temper(StrEnum):
    """What a doctor does about a warning: changes the order, goes on and says why, or goes on without a word."""

    HEEDS = "heeds"
    ARGUES = "argues"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Ordering:
    """How an institution orders: it asks about a ``share`` of its encounters.

    ``by_prescription`` says that its bills name the prescription's number and not the order's.
    """

    asks: Asks
    share: float
    by_prescription: bool


@dataclass(frozen=True, slots=True)
class _OfRole:
    """``writes`` is the share of a role's institutions that write orders down; of these some ask, in these ways."""

    writes: float
    asks: tuple[Asks, ...]
    share: float


_ROLES = {
    "level_3": _OfRole(1.0, (Asks.BEFORE, Asks.BOTH, Asks.DAILY, Asks.BOTH), 0.8),
    "level_2": _OfRole(0.9, (Asks.BOTH, Asks.BEFORE, Asks.DAILY, Asks.NEVER), 0.8),
    "level_1": _OfRole(0.7, (Asks.DAILY, Asks.DURING, Asks.NEVER), 0.6),
    "township": _OfRole(0.5, (Asks.BEFORE, Asks.DURING, Asks.NEVER), 0.5),
    "clinic": _OfRole(0.4, (Asks.BEFORE, Asks.NEVER), 0.5),
    "village": _OfRole(0.3, (Asks.BEFORE,), 0.05),
}
"""Pharmacies have no orders. The figures are invented: large hospitals' systems are connected first."""

_FIRST_ALWAYS = ("level_3", "level_2", "level_1")
_BY_PRESCRIPTION = 0.25
_TEMPERS = (Temper.HEEDS, Temper.ARGUES, Temper.SILENT)
_WEIGHTS = (45, 35, 20)


def orderings(plan: CountyPlan, places: Institutions) -> dict[str, Ordering]:
    """The institutions that write orders, by their code; the first hospital of each level always does, and asks."""
    found = {}
    for role, of_role in _ROLES.items():
        for index, place in enumerate(places.by_role[role]):
            if ordering := _ordering(plan, place, of_role, is_first=index == 0 and role in _FIRST_ALWAYS):
                found[place.code] = ordering
    return found


def _ordering(plan: CountyPlan, place: Institution, of_role: _OfRole, *, is_first: bool) -> Ordering | None:
    chance = plan.chance("ordering", place.code)
    writes = chance.random() < of_role.writes
    asks, by_prescription = chance.choice(of_role.asks), chance.random() < _BY_PRESCRIPTION
    if is_first:
        return Ordering(of_role.asks[0], of_role.share, by_prescription)
    return Ordering(asks, of_role.share, by_prescription) if writes else None


def tempers(plan: CountyPlan, places: Institutions) -> Mapping[str, Temper]:
    """The habit of every doctor, by the doctor's code."""
    doctors = [doctor for of_role in places.by_role.values() for place in of_role for doctor in place.doctors]
    return {doctor: plan.chance("temper", doctor).choices(_TEMPERS, _WEIGHTS)[0] for doctor in doctors}
