"""What a point of each catalogue says: one row type a catalogue, and the register of them."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class AnyRow(BaseModel):
    """What every point may say; dates and notes default to those of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    codes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    valid_from: date | None = None
    valid_to: date | None = None
    recorded_on: date | None = None
    source: str | None = None
    note: str | None = None

    @property
    def days_back(self) -> int:
        """How many days before its own an item may matter to this point."""
        return 0

    @property
    def all_codes(self) -> Iterable[str]:
        """Every item that this point says something about."""
        return self.codes


class BedItem(AnyRow):
    """A bed charge per day (床位费)."""


class DailyCap(AnyRow):
    """At most ``limit`` units a day."""

    limit: Annotated[Decimal, Field(strict=False, gt=0)]
    unit: str


class Pair(AnyRow):
    """The item ``codes[0]``, the only one, includes each of the items ``included`` (code to name)."""

    codes: Annotated[tuple[str, ...], Field(min_length=1, max_length=1, strict=False)]
    included: Annotated[dict[str, str], Field(min_length=1)]
    why: str

    @property
    def all_codes(self) -> Iterable[str]:
        return (*self.codes, *self.included)


class SexLimit(AnyRow):
    """An item for one sex: 1 man, 2 woman."""

    sex: Literal["1", "2"]


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
    """At most ``days`` days of payment, of one stay where ``per_stay``."""

    days: Annotated[int, Field(gt=0)]
    per_stay: bool = False


class DialysisItem(AnyRow):
    """A treatment for which patients in hospital are sent to another institution."""


Row = BedItem | DailyCap | Pair | SexLimit | HospitalOnly | Period | Course | DialysisItem


ROWS: dict[str, type[AnyRow]] = {
    "bed_items": BedItem,
    "daily_caps": DailyCap,
    "pairs_of_a_day": Pair,
    "pairs_of_a_visit": Pair,
    "sex_of_services": SexLimit,
    "sex_of_drugs": SexLimit,
    "drugs_only_in_hospital": HospitalOnly,
    "periods": Period,
    "courses": Course,
    "dialysis_items": DialysisItem,
}
