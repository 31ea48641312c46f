"""What takes something back: section 3 of docs/what-counts.md, sentences 1 to 4. Units and yuan, in exact fractions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.findings import LineKey

from .lines import Line, is_own


@dataclass(frozen=True)
class Lines:
    """The lines of one person's standing claims, one for each key, all in line order."""

    own: tuple[Line, ...]  # what is left of those that stand for themselves
    negative: tuple[Line, ...]  # without refund_of, as billed
    refunds: tuple[Line, ...]  # with refund_of, as billed
    doubled: tuple[Line, ...]  # one line_id in two standing claims of an encounter, whatever kind of line
    over_refunded: tuple[Line, ...]
    refunded_elsewhere: tuple[Line, ...]  # refunds of a line of another encounter
    returned_without_line: tuple[Line, ...]  # what takes back more than it finds


def lines_of(claims: Iterable[Claim], encounter_of: Callable[[Claim], tuple[str, str]]) -> Lines:
    """The lines of standing claims, the least rank first: “the line of the claim with the greatest rank holds”."""
    billed = [_as_billed(claim, line, encounter_of(claim)) for claim in claims for line in claim.lines]
    copies = Counter(line.key for line in billed)
    held = sorted({line.key: line for line in billed}.values(), key=lambda line: line.order)
    rests = {line.key: _Rest(line) for line in held if is_own(line.source)}
    refunds = [line for line in held if line.source.refund_of is not None]
    negative = [line for line in held if line.source.refund_of is None and not is_own(line.source)]
    over_refunded = list(_refund(rests, refunds))
    lost = [line for line in refunds if _target(line) not in rests]
    elsewhere = [line for line in lost if _lies_elsewhere(line, rests)]
    without = [line for line in negative if _take_back(line, list(rests.values())) > 0]
    return Lines(
        own=tuple(rest.line() for rest in rests.values()),
        negative=tuple(negative),
        refunds=tuple(refunds),
        doubled=tuple(line for line in held if copies[line.key] > 1),
        over_refunded=tuple(over_refunded),
        refunded_elsewhere=tuple(elsewhere),
        returned_without_line=tuple([line for line in lost if line not in elsewhere] + without),
    )


def _as_billed(claim: Claim, line: ClaimLine, encounter: tuple[str, str]) -> Line:
    scope = None if line.in_fund_scope is None else Fraction(line.in_fund_scope)
    return Line(claim, line, encounter, Decimal(line.quantity), Fraction(line.amount), scope)


class _Rest:
    """What is left of a line. “A line with a positive quantity and a negative amount counts with amount 0.”"""

    def __init__(self, billed: Line) -> None:
        self.billed = billed
        self.quantity = billed.quantity
        self.amount = max(Fraction(0), billed.amount) if billed.quantity > 0 else billed.amount
        self.in_fund_scope = billed.in_fund_scope

    def line(self) -> Line:
        billed = self.billed
        return Line(billed.claim, billed.source, billed.encounter, self.quantity, self.amount, self.in_fund_scope)

    def lessen(self, quantity: Decimal, amount: Fraction, scope: Fraction | None) -> None:
        """“Results below 0 are 0”; without a scope “the line's becomes unknown”."""
        self.quantity = max(Decimal(0), self.quantity - quantity)
        self.amount = max(Fraction(0), self.amount - amount)
        if scope is None or self.in_fund_scope is None:
            self.in_fund_scope = None
        else:
            self.in_fund_scope = max(Fraction(0), self.in_fund_scope - scope)


def _target(refund: Line) -> LineKey:
    return *refund.encounter, str(refund.source.refund_of)


def _refund(rests: dict[LineKey, _Rest], refunds: Iterable[Line]) -> Iterator[Line]:
    """“It takes |quantity|, |amount| and |in_fund_scope| off the line that it names.” Gives the lines of which they
    take “more units or more money (amount) than they have”."""
    taken: dict[LineKey, tuple[Decimal, Fraction]] = {}
    for refund in refunds:
        key = _target(refund)
        if key in rests:
            scope = None if refund.in_fund_scope is None else abs(refund.in_fund_scope)
            units, money = taken.get(key, (Decimal(0), Fraction(0)))
            taken[key] = units + abs(refund.quantity), money + abs(refund.amount)
            rests[key].lessen(abs(refund.quantity), abs(refund.amount), scope)
    for key, (units, money) in taken.items():
        untouched = _Rest(rests[key].billed)
        if units > untouched.quantity or money > untouched.amount:
            yield untouched.billed


def _lies_elsewhere(refund: Line, rests: Iterable[LineKey]) -> bool:
    """“names no line of their encounter, but one in another encounter of this institution and person”"""
    named = refund.institution, refund.source.refund_of
    return any((institution, line_id) == named for institution, _, line_id in rests)


def _take_back(negative: Line, rests: list[_Rest]) -> Decimal:
    """What a negative line finds no line for, of its units: it takes the others off the lines that it finds."""
    left = -negative.quantity
    for rest in _in_turn(negative, rests):
        units = min(left, rest.quantity)
        share = Fraction(units) / Fraction(-negative.quantity)
        scope = None if negative.in_fund_scope is None else share * _taken(negative.in_fund_scope)
        rest.lessen(units, share * _taken(negative.amount), scope)
        left -= units
        if left == 0:
            break
    return left


def _taken(stated: Fraction) -> Fraction:
    """“of the amount and in_fund_scope that it states (0 where its own amount, or scope, is positive)”"""
    return max(Fraction(0), -stated)


def _in_turn(negative: Line, rests: list[_Rest]) -> list[_Rest]:
    """“same institution, encounter and item code ... as long as there is something left of its quantity: first on its
    own day, then on earlier days, the latest first, then on later ones, the earliest first; within a day first lines
    with the same amount a unit, then the others; of either the last in line order first.”"""
    if negative.code is None or not negative.is_dated:
        return []
    found = [
        rest
        for rest in rests
        if (rest.billed.encounter, rest.billed.code) == (negative.encounter, negative.code)
        and rest.billed.is_dated
        and rest.quantity > 0
    ]
    last_first = sorted(found, key=lambda rest: rest.billed.order, reverse=True)
    return sorted(last_first, key=lambda rest: _distance(negative, rest.billed))


def _distance(negative: Line, line: Line) -> tuple[int, int, bool]:
    away = (line.day - negative.day).days
    when = 0 if away == 0 else 1 if away < 0 else 2
    return when, abs(away), _unit_amount(line) != _unit_amount(negative)


def _unit_amount(line: Line) -> Fraction:
    return line.amount / Fraction(line.quantity)
