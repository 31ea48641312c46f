"""What pages and interface show of warnings, each read from one ``snapshot``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from api.frame.desk import Shown
from casework.precision import Precision
from knowledge_base.events.prescriptions import Order, WarnedOrder
from rules_lib.rule import Rule
from streams.store.casework.precision import find_precisions
from streams.store.events import order_ledger, overrides, warned
from streams.store.events.overrides import Figures
from streams.store.events.warned import Detail, LookedAt, WarningFilter, WarningRow
from streams.store.sessions import Connection

PAGE = 50
MOST_WARDS = 10
"""Departments of which figures are shown, those told most first; all are counted."""


@dataclass(frozen=True)
class WarningsView:
    """A page of warnings with the figures of its days.

    ``looked_at`` says what was asked where nothing was warned of, ``last_asked`` (UTC) when anything was asked last
    where nothing was then; ``precisions`` what decisions say of each rule; ``share`` how many lines were billed on
    these days and how many of them asked about, where all of an institution's or of everybody's are looked at.
    """

    figures: Figures
    rows: list[WarningRow]
    places: list[tuple[str, str | None]]
    precisions: Mapping[str, Precision]
    looked_at: LookedAt | None
    last_asked: datetime | None
    share: tuple[int, int] | None


@dataclass(frozen=True)
class OrderShown:
    """An order that a warning is about: what the warning says, and the request where it names it."""

    warned: WarnedOrder
    order: Order | None

    @property
    def in_question(self) -> Decimal:
        return Decimal(self.warned.in_question)

    @property
    def item_code(self) -> str | None:
        return self.warned.item_code


@dataclass(frozen=True)
class WarningView:
    """One warning with what else is kept of it."""

    row: WarningRow
    detail: Detail
    orders: list[OrderShown]


async def load_figures(connection: Connection, shown: Shown, chosen: WarningFilter) -> Figures:
    """The figures of a filter's days."""
    return await overrides.find_figures(connection, chosen, shown.sight, MOST_WARDS)


async def load_precisions(connection: Connection, figures: Figures) -> Mapping[str, Precision]:
    """How often the rules of some figures are right, by decisions on their findings."""
    return await find_precisions(connection, [rule for rule, _ in figures.by_rule])


async def load_warnings(connection: Connection, shown: Shown, chosen: WarningFilter) -> WarningsView:
    """A page of the warnings that a filter chooses."""
    figures = await load_figures(connection, shown, chosen)
    rows = await warned.find_warnings(connection, chosen, shown.sight, PAGE)
    is_empty = not rows and chosen.after is None
    looked_at = await warned.find_looked_at(connection, chosen, shown.sight) if is_empty else None
    is_unasked = looked_at is not None and not looked_at.requests
    return WarningsView(
        figures=figures,
        rows=rows,
        places=await warned.find_places(connection, shown.sight),
        precisions=await load_precisions(connection, figures),
        looked_at=looked_at,
        last_asked=await warned.find_last_asked(connection, shown.sight) if is_unasked else None,
        share=await _find_share(connection, shown, chosen),
    )


async def _find_share(connection: Connection, shown: Shown, chosen: WarningFilter) -> tuple[int, int] | None:
    if chosen.department or chosen.rule or chosen.phase or chosen.first is None or chosen.last is None:
        return None
    return await order_ledger.find_share(connection, chosen.institution, chosen.first, chosen.last, shown.sight)


async def load_warning(connection: Connection, shown: Shown, area: str, warning_id: str) -> WarningView | None:
    """A warning in sight, ``None`` where there is none of that name."""
    row = await warned.find_warning(connection, area, warning_id, shown.sight)
    if row is None:
        return None
    detail = await warned.load_detail(connection, row)
    told = {} if detail.request is None else {(of.order_id, of.item_code): of for of in detail.request.orders}
    orders = [OrderShown(of, told.get((of.order_id, of.item_code))) for of in detail.orders]
    return WarningView(row, detail, orders)


def place_of(chosen: WarningFilter, places: Sequence[tuple[str, str | None]]) -> str | None:
    """What the institution is called that all is about, where it is one."""
    about = [code_and_name for code_and_name in places if chosen.institution in (None, code_and_name[0])]
    if len(about) == 1:
        return about[0][1] or about[0][0]
    return chosen.institution


def asking_rules(shown: Shown) -> list[Rule]:
    """The live rules in force that are asked of orders, by their topic."""
    rules = [rule for rule in shown.rule_set.rules if rule.is_live and rule.reminds]
    return sorted(rules, key=lambda rule: (rule.topic, rule.id))
