"""The institutions of the county and the habits of the people who work there."""

from dataclasses import dataclass
from enum import StrEnum

from deploy.county.plan import AREA, CountyPlan

INSTITUTIONS_OF_DAYE = {
    "level_3": 5,
    "level_2": 15,
    "level_1": 25,
    "township": 45,
    "clinic": 140,
    "pharmacy": 190,
    "village": 230,
}
"""Some 650 institutions by role; the proportions are invented, the sum is Daye's."""

EVERY_THIRD = 3


class Habit(StrEnum):
    """What somebody there does to earn more than the care is worth."""

    LEAVING_DAY_BED = "leaving_day_bed"
    NURSING_BY_SHIFT = "nursing_by_shift"
    MONITORING_BY_SHIFT = "monitoring_by_shift"
    GLUCOSE_BESIDE_TOLERANCE = "glucose_beside_tolerance"
    ANGIOGRAPHY_BESIDE_STENT = "angiography_beside_stent"
    APPENDIX_BESIDE_OVARY = "appendix_beside_ovary"
    HBA1C_EVERY_TIME = "hba1c_every_time"
    WOMENS_KIT_ON_ANY_CARD = "womens_kit_on_any_card"
    WARD_DRUGS_TO_WALK_INS = "ward_drugs_to_walk_ins"
    PAPER_STAYS = "paper_stays"
    ENDLESS_INFUSIONS = "endless_infusions"
    DEAR_BILLED_CHEAP_GIVEN = "dear_billed_cheap_given"
    CARDS_IN_ROWS = "cards_in_rows"


_HABITS_BY_ROLE = {
    "level_3": (Habit.ANGIOGRAPHY_BESIDE_STENT, Habit.APPENDIX_BESIDE_OVARY, Habit.DEAR_BILLED_CHEAP_GIVEN),
    "level_2": (
        Habit.NURSING_BY_SHIFT,
        Habit.MONITORING_BY_SHIFT,
        Habit.GLUCOSE_BESIDE_TOLERANCE,
        Habit.HBA1C_EVERY_TIME,
    ),
    "level_1": (Habit.LEAVING_DAY_BED, Habit.ENDLESS_INFUSIONS),
    "township": (Habit.PAPER_STAYS,),
    "clinic": (Habit.WOMENS_KIT_ON_ANY_CARD, Habit.WARD_DRUGS_TO_WALK_INS, Habit.HBA1C_EVERY_TIME),
    "pharmacy": (Habit.CARDS_IN_ROWS,),
}
_KINDS = {"clinic": "clinic", "pharmacy": "pharmacy", "village": "village"}
_LEVELS = {"level_3": 3, "level_2": 2, "level_1": 1, "township": 1}
_STAY_PAYMENT = {"level_3": "drg", "level_2": "dip"}
_PRICE_PERCENT = {"level_3": 100, "level_2": 92, "level_1": 85, "township": 82}
# Night runs post the ward's day at 23:50 here and at 00:30 there, so China's day and UTC's differ often.
_POSTING_MINUTES = {"level_3": 30, "level_2": 1430, "level_1": 490, "township": 525}


@dataclass(frozen=True, slots=True)
class Institution:
    """A place of care: how it is paid for stays, when its night run posts, what its staff are used to doing."""

    code: str
    role: str
    kind: str
    level: int
    stay_payment: str
    price_percent: int
    posting_minute: int
    reports_operations: bool
    habits: frozenset[Habit]
    doctors: tuple[str, ...]

    @property
    def has_wards(self) -> bool:
        return self.kind == "hospital"


@dataclass(frozen=True, slots=True)
class Institutions:
    """All institutions, by role; each role has at least one."""

    by_role: dict[str, tuple[Institution, ...]]

    def nearest(self, role: str, home: int) -> Institution:
        """The institution of a role that people of a home address go to."""
        places = self.by_role[role]
        return places[home % len(places)]

    def with_habit(self, habit: Habit) -> tuple[Institution, ...]:
        return tuple(place for places in self.by_role.values() for place in places if habit in place.habits)

    def __len__(self) -> int:
        return sum(map(len, self.by_role.values()))


def found_institutions(plan: CountyPlan) -> Institutions:
    """The institutions of a county; every third of a role has the bad habits of its role, the first always."""
    by_role = {}
    for role, number in INSTITUTIONS_OF_DAYE.items():
        by_role[role] = tuple(_institution(role, index) for index in range(max(1, int(number * plan.scale))))
    return Institutions(by_role)


def _institution(role: str, index: int) -> Institution:
    letter = "P" if role == "pharmacy" else "H"
    serial = 10_000 * (list(INSTITUTIONS_OF_DAYE).index(role) + 1) + index
    code = f"{letter}{AREA}{serial:05d}"
    level = _LEVELS.get(role, 0)
    return Institution(
        code=code,
        role=role,
        kind=_KINDS.get(role, "hospital"),
        level=level,
        stay_payment=_STAY_PAYMENT.get(role, "item"),
        price_percent=_PRICE_PERCENT.get(role, 80),
        posting_minute=_POSTING_MINUTES.get(role, 0),
        reports_operations=level >= 2 or index % 2 == 1,
        habits=frozenset(_HABITS_BY_ROLE.get(role, ())) if index % EVERY_THIRD == 0 else frozenset(),
        doctors=tuple(f"D{AREA}{serial:05d}{number:02d}" for number in range(4 * level or 2)),
    )
