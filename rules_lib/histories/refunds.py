"""What was taken back of lines: by lines that name what they take back, and by negative ones that name nothing.

What-counts section 3, sentences 2 and 3.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from knowledge_base.days import is_likely
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
    ``unfound`` are negative lines that find no line for some of their units. Lines of one claim stand together.
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
            self._take(sorted(negative, key=_order), sorted(lines, key=_order, reverse=True))

    def _take(self, negative: Iterable[Billed], lines: Sequence[Billed]) -> None:
        """Takes each negative line off others of its encounter and item; ``lines`` have the last one first."""
        for claim, line in negative:
            left = -number(line.quantity)
            if line.item_code is not None and is_likely(line.day):
                others = [
                    other
                    for of, other in lines
                    if other.item_code == line.item_code
                    and (of.institution, of.encounter_id) == (claim.institution, claim.encounter_id)
                    and is_likely(other.day)
                ]
                for other in sorted(others, key=lambda other: _nearness(line, other)):
                    left -= self._take_off((claim.institution, claim.encounter_id, other.line_id), other, line, left)
            if left > ZERO:
                self.unfound.append((claim, line))

    def _take_off(self, key: LineKey, other: LineDigest, line: LineDigest, left: Decimal) -> Decimal:
        """Takes what is there of a line, at most so many units, and says how many."""
        before = self.taken.get(key, NOTHING_BACK)
        units = min(left, number(other.quantity) - before.quantity)
        if units <= ZERO:
            return ZERO
        of = -number(line.quantity)
        amount, scope = number(line.amount), None if line.in_fund_scope is None else number(line.in_fund_scope)
        part = Refund(
            units,
            max(ZERO, -amount) * units / of,
            None if scope is None else max(ZERO, -scope) * units / of,
        )
        self.taken[key] = before.plus(part)
        return units


def _stated(line: LineDigest) -> Refund:
    """What a line with ``refund_of`` takes back, whatever its signs."""
    scope = None if line.in_fund_scope is None else abs(number(line.in_fund_scope))
    return Refund(abs(number(line.quantity)), abs(number(line.amount)), scope)


def _order(billed: Billed) -> tuple[int, str, str]:
    claim, line = billed
    return (line.at, claim.event_id, line.line_id)


def _nearness(line: LineDigest, other: LineDigest) -> tuple[int, int, bool]:
    """Its own day first, then earlier days, the latest first, then later ones; of each the same amount a unit first."""
    away = other.day - line.day
    side = 0 if away == 0 else 1 if away < 0 else 2
    one, unit = number(line.amount) * number(other.quantity), number(other.amount) * number(line.quantity)
    return (side, abs(away), one != unit)


NOTHING_TAKEN = TakenBack((), ())
