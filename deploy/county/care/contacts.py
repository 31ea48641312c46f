"""Contacts between people and institutions, and the bills that come of them, before they are settled.

Days are ordinals (``knowledge_base.days``), minutes count from midnight in China. Money is in fen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.county.care.institutions import Institution
from deploy.county.care.prices import Item
from deploy.county.care.reasons import Reason
from deploy.county.people.insured import Person
from deploy.county.truth import Act
from knowledge_base.days import Day


@dataclass(slots=True)
class BillLine:
    """One billed item; ``paid_by_fund`` is false where the patient asked for it or the scope excludes it."""

    item: Item
    quantity: int
    day: Day
    minute: int
    paid_by_fund: bool = True
    days: int | None = None
    discharge_drug: bool = False
    sent_to: str | None = None


def _every_line(_: BillLine) -> bool:
    return True


@dataclass(slots=True)
class Contact:
    """Somebody at an institution for a reason; a stay where ``nights`` is above 0 or the reason is a ward's.

    ``key`` names it among the person's contacts and never depends on other habits; ``settled_after`` counts days
    from the end. Contacts ``in_any_case`` happen although the person lies in hospital elsewhere. Stays that
    ``moved_on`` end with a transfer, nursed until the patient left. ``act`` is what is planted here and
    ``is_act_line`` tells its lines.
    """

    person: Person
    institution: Institution
    day: Day
    minute: int
    reason: Reason
    key: str
    nights: int = 0
    settled_after: int = 0
    in_any_case: bool = False
    moved_on: bool = False
    act: Act | None = None
    is_act_line: Callable[[BillLine], bool] = _every_line
    encounter_id: str = ""

    @property
    def is_stay(self) -> bool:
        return self.reason.is_stay

    @property
    def last_day(self) -> Day:
        return self.day + self.nights


@dataclass(slots=True)
class Bill:
    """The lines of one contact, with what was planted in them."""

    contact: Contact
    end_minute: int
    lines: list[BillLine] = field(default_factory=list)
    planted: list[tuple[Act, BillLine]] = field(default_factory=list)
    operation_day: Day | None = None

    def add(self, item: Item, quantity: int, day: Day, minute: int) -> BillLine:
        line = BillLine(item, quantity, day, minute)
        self.lines.append(line)
        return line

    def add_act(self, act: Act, line: BillLine) -> None:
        self.planted.append((act, line))

    def lines_of(self, item: Item) -> list[BillLine]:
        return [line for line in self.lines if line.item is item]
