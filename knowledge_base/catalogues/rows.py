"""What a point of each catalogue says: one row type a catalogue, and the register of them."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge_base.days import MICROSECONDS_AN_HOUR


class AnyRow(BaseModel):
    """What every point may say. Dates default to those of its file, and so does the note where the day does."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    """What the item is called."""

    codes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    """Its full codes, in quotes where they are digits alone."""

    valid_from: date | None = None
    """The first service day on which it holds; unless told that of the file, likewise below."""

    valid_to: date | None = None
    """The last one; unless told it holds until another point supersedes it."""

    recorded_on: date | None = None
    """The day on which it became known."""

    source: str | None = None
    """Notice and row."""

    rows: str | None = None
    """The rows of the published sheet that say it: as it numbers them, or counted from 1 below its head."""

    note: str | None = None
    """What a reader should know."""

    @property
    def days_back(self) -> int:
        """How many days before its own an item may matter to this point."""
        return 0

    @property
    def all_codes(self) -> Iterable[str]:
        """Every item that this point says something about."""
        return self.codes

    @property
    def keys(self) -> Iterable[tuple[str, ...]]:
        """What it counts for among the published points: one for each item."""
        return [(code,) for code in self.codes]


class BedItem(AnyRow):
    """A bed charge per day (床位费)."""


class DailyCap(AnyRow):
    """At most ``limit`` units a day."""

    limit: Annotated[Decimal, Field(strict=False, gt=0)]
    unit: str


class Pair(AnyRow):
    """The item ``codes[0]``, the only one, includes each of the items ``included`` (code to name) in an interval."""

    interval: ClassVar[Literal["day", "visit", "hours", "hour"]]

    codes: Annotated[tuple[str, ...], Field(min_length=1, max_length=1, strict=False)]
    included: Annotated[dict[str, str], Field(min_length=1)]
    why: str

    @property
    def all_codes(self) -> Iterable[str]:
        return (*self.codes, *self.included)

    @property
    def keys(self) -> Iterable[tuple[str, ...]]:
        return [(self.codes[0], code) for code in self.included]


class PairOfADay(Pair):
    """On one civil day (单日)."""

    interval = "day"


class PairOfAVisit(Pair):
    """In one visit (单次就诊)."""

    interval = "visit"


class PairOfHours(Pair):
    """At most ``hours`` hours apart (6小时)."""

    interval = "hours"

    hours: Annotated[int, Field(gt=0, le=24)]

    @property
    def days_back(self) -> int:
        return 1

    def are_near(self, instant: int, other: int) -> bool:
        """Whether two instants, in microseconds, are near enough: exactly ``hours`` hours are."""
        return abs(instant - other) <= self.hours * MICROSECONDS_AN_HOUR

    def disputed(self, quantity: Decimal) -> Decimal:
        """How many units of a part that is near are in dispute."""
        return quantity


class PairOfTheSameHour(Pair):
    """In one hour of the clock (同一小时); the zone of China is whole hours off UTC."""

    interval = "hour"

    def are_near(self, instant: int, other: int) -> bool:
        """Whether two instants, in microseconds, lie in one hour of the clock."""
        return instant // MICROSECONDS_AN_HOUR == other // MICROSECONDS_AN_HOUR

    def disputed(self, quantity: Decimal) -> Decimal:
        """How many units of a part that is near are in dispute: the one of the shared hour."""
        return min(quantity, Decimal(1))


class SexLimit(AnyRow):
    """An item for one sex: 1 man, 2 woman."""

    sex: Literal["1", "2"]


class AgeLimit(AnyRow):
    """An item for one age: 儿童, 新生儿, 婴幼儿. The sheets name no years."""

    age: Literal["child", "newborn", "infant"]


class WorkingAge(AnyRow):
    """A service paid only at working age (法定就业年龄)."""


class LevelLimit(AnyRow):
    """A drug paid in institutions of this level and above: 2 二级, 3 三级."""

    level: Literal["2", "3"]


class InsuranceLimit(AnyRow):
    """A drug of one insurance alone: 工伤, 生育."""

    insurance: Literal["injury", "maternity"]


class HospitalOnly(AnyRow):
    """A drug paid only in hospital; with ``emergency`` also in an emergency visit."""

    emergency: bool = False


class Period(AnyRow):
    """At most ``count`` units in ``days`` days; a gap of exactly ``days`` is allowed."""

    count: Annotated[Decimal, Field(strict=False, gt=0)]
    days: Annotated[int, Field(gt=0)]

    @property
    def days_back(self) -> int:
        return self.days - 1


class Course(AnyRow):
    """At most ``days`` days of payment, of one stay where ``per_stay``, of one illness where ``per_illness``."""

    days: Annotated[int, Field(gt=0)]
    per_stay: bool = False
    per_illness: bool = False


class LaterOperation(AnyRow):
    """An operation that is discounted where it is a later one through the same cut; ``groups`` are 手术组."""

    groups: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]

    @property
    def keys(self) -> Iterable[tuple[str, ...]]:
        return [(code, group) for code in self.codes for group in self.groups]


class DialysisItem(AnyRow):
    """A treatment for which patients in hospital are sent to another institution."""


ROWS: dict[str, type[AnyRow]] = {
    "age_of_drugs": AgeLimit,
    "age_of_services": AgeLimit,
    "bed_items": BedItem,
    "courses": Course,
    "courses_of_services": Course,
    "daily_caps": DailyCap,
    "dialysis_items": DialysisItem,
    "drugs_only_in_hospital": HospitalOnly,
    "insurance_of_drugs": InsuranceLimit,
    "later_operations": LaterOperation,
    "level_of_drugs": LevelLimit,
    "pairs_of_a_day": PairOfADay,
    "pairs_of_a_visit": PairOfAVisit,
    "pairs_of_hours": PairOfHours,
    "pairs_of_the_same_hour": PairOfTheSameHour,
    "periods": Period,
    "sex_of_drugs": SexLimit,
    "sex_of_services": SexLimit,
    "services_of_working_age": WorkingAge,
}
"""Every catalogue with what its points say; some of them come by import alone, and some no rule reads."""
