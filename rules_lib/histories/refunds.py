"""What was taken back of lines: by lines that name what they take back, and by negative ones that name nothing.

What-counts section 3, sentences 2 and 3.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from knowledge_base.days import Day, is_likely
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.findings import LineKey
from knowledge_base.numbers import number
from rules_lib.histories.history import ZERO

Billed = tuple[ClaimDigest, LineDigest]


class Refund(msgspec.Struct, frozen=True):
    """What was taken off one line; ``in_fund_scope`` is ``None`` once something did not tell its own."""

    quantity: Decimal
    amount: Decimal
    in_fund_scope: Decimal | None

    def plus(self, other: "Refund") -> "Refund":
        scopes = (self.in_fund_scope, other.in_fund_scope)
        return Refund(
            self.quantity + other.quantity,
            self.amount + other.amount,
            None if scopes[0] is None or scopes[1] is None else scopes[0] + scopes[1],
        )

    def taken_off(
        self, quantity: Decimal, amount: Decimal, scope: Decimal | None
    ) -> tuple[Decimal, Decimal, Decimal | None]:
        return max(ZERO, quantity - self.quantity), max(ZERO, amount - self.amount), self.left_in_scope(scope)

    def left_in_scope(self, scope: Decimal | None) -> Decimal | None:
        return None if scope is None or self.in_fund_scope is None else max(ZERO, scope - self.in_fund_scope)


NOTHING_BACK = Refund(ZERO, ZERO, ZERO)


class TakenBack:
    """What lines of standing claims take back.

    ``refunds`` is what lines with ``refund_of`` take off each line, ``taken`` that and what negative lines take;
    ``unfound`` are negative lines that find no line for some of their units.
    """

    def __init__(self, takers: Sequence[Billed], lines: Iterable[Billed]):
        """``takers`` are the lines that take back, ``lines`` all others of their encounters that hold."""
        self.refunds: dict[LineKey, Refund] = {}
        for claim, line in takers:
            if line.refund_of is not None:
                key = (claim.institution, claim.encounter_id, line.refund_of)
                self.refunds[key] = self.refunds.get(key, NOTHING_BACK).plus(_stated(line))
        self.taken = dict(self.refunds)
        self.unfound: list[Billed] = []
        negative = [billed for billed in takers if billed[1].refund_of is None]
        if negative:
            self._take(sorted(negative, key=_order), self._by_item(lines))

    def _by_item(self, lines: Iterable[Billed]) -> "dict[tuple[str, ...], _Left]":
        """What is left of the lines of each encounter and item, after all refunds."""
        left: dict[tuple[str, ...], _Left] = defaultdict(_Left)
        for claim, line in sorted(lines, key=_order):
            if line.item_code is not None and is_likely(line.day):
                key = (claim.institution, claim.encounter_id, line.line_id)
                units = number(line.quantity) - self.taken.get(key, NOTHING_BACK).quantity
                if units > ZERO:
                    left[claim.institution, claim.encounter_id, line.item_code].add(key, line, units)
        return left

    def _take(self, negative: Iterable[Billed], left: "Mapping[tuple[str, ...], _Left]") -> None:
        """Takes each negative line off others of its encounter and item."""
        for claim, line in negative:
            of = wanted = -number(line.quantity)
            lines = left.get((claim.institution, claim.encounter_id, line.item_code or ""))
            if lines is not None and is_likely(line.day):
                for key, units in lines.take(line, wanted):
                    self.taken[key] = self.taken.get(key, NOTHING_BACK).plus(_part(line, units, of))
                    wanted -= units
            if wanted > ZERO:
                self.unfound.append((claim, line))


def _part(line: LineDigest, units: Decimal, of: Decimal) -> Refund:
    """What a negative line of so many units takes with some of them."""
    scope = None if line.in_fund_scope is None else max(ZERO, -number(line.in_fund_scope)) * units / of
    return Refund(units, max(ZERO, -number(line.amount)) * units / of, scope)


class _Left:
    """The lines of one encounter and item of which something is left, in the order in which it is taken.

    Lines of which nothing is left any more are dropped when they are met, so that all that is taken together costs no
    more than there are lines.
    """

    def __init__(self) -> None:
        self._units: dict[LineKey, Decimal] = {}
        self._days: dict[Day, list[LineKey]] = defaultdict(list)
        self._at_price: dict[tuple[Day, Fraction], list[LineKey]] = defaultdict(list)

    def add(self, key: LineKey, line: LineDigest, units: Decimal) -> None:
        """Adds a line; lines come in line order."""
        self._units[key] = units
        self._days[line.day].append(key)
        self._at_price[line.day, _price(line)].append(key)

    def take(self, line: LineDigest, wanted: Decimal) -> Iterator[tuple[LineKey, Decimal]]:
        """Takes up to so many units for a line: of which lines how many."""
        for day in sorted(self._days, key=lambda day: _nearness(line.day, day)):
            for keys in (self._at_price.get((day, _price(line)), []), self._days[day]):
                while keys and wanted > ZERO:
                    units = min(wanted, self._units[keys[-1]])
                    if units > ZERO:
                        self._units[keys[-1]] -= units
                        wanted -= units
                        yield keys[-1], units
                    if self._units[keys[-1]] == ZERO:
                        keys.pop()
            if not self._days[day]:
                del self._days[day]
            if wanted == ZERO:
                return


def _stated(line: LineDigest) -> Refund:
    """What a line with ``refund_of`` takes back, whatever its signs."""
    scope = None if line.in_fund_scope is None else abs(number(line.in_fund_scope))
    return Refund(abs(number(line.quantity)), abs(number(line.amount)), scope)


def _order(billed: Billed) -> tuple[int, str, str]:
    claim, line = billed
    return (line.at, claim.event_id, line.line_id)


def _price(line: LineDigest) -> Fraction:
    """The amount of a unit, as billed."""
    return Fraction(number(line.amount)) / Fraction(number(line.quantity))


def _nearness(day: Day, other: Day) -> tuple[int, int]:
    """Its own day first, then earlier days, the latest first, then later ones, the earliest first."""
    away = other - day
    return (0 if away == 0 else 1 if away < 0 else 2, abs(away))


NOTHING_TAKEN = TakenBack((), ())
