"""The reference judge: what the findings on a set of events must be, whatever their order.

Written from docs/what-counts.md alone by somebody who has not seen the checks: no store, no index, no windows.
Money is computed in exact fractions and rounded half up to 0.01 yuan once a line.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from knowledge_base.events.head import Event
from knowledge_base.facts import Point
from knowledge_base.findings import LineKey, Occurrence

from . import rules, two_houses
from .by_the_clock import pairs_by_the_clock
from .courses import COURSE, courses
from .judged import Judged
from .knowledge import Knowledge
from .lines import Line
from .oddities import ODD_DETAILS, odd_details
from .rules import BED_DAYS, DAILY_CAP, PAIRS, PERIOD, PLACE, SEX_OF_DRUGS, SEX_OF_SERVICES
from .settlements import fund_paid
from .standing import Person, people
from .two_houses import ELSEWHERE, TWO_STAYS

RULE_IDS = (
    BED_DAYS,
    DAILY_CAP,
    PAIRS,
    SEX_OF_SERVICES,
    SEX_OF_DRUGS,
    PLACE,
    PERIOD,
    ELSEWHERE,
    COURSE,
    ODD_DETAILS,
    TWO_STAYS,
)

_RULES: tuple[Callable[[Person, Knowledge], Iterator[Judged]], ...] = (
    rules.bed_days,
    rules.daily_caps,
    rules.pairs_of_a_day,
    rules.pairs_of_a_visit,
    pairs_by_the_clock,
    rules.sex_of_services,
    rules.sex_of_drugs,
    rules.place,
    rules.periods,
    two_houses.elsewhere,
    courses,
    odd_details,
    two_houses.two_stays,
)


@dataclass(frozen=True)
class Expected:
    """What a finding must say; amounts in yuan, ``loss`` is ``None`` where it is not computable."""

    value: Decimal
    limit: Decimal
    guilty: frozenset[LineKey]
    involved: frozenset[LineKey]
    in_question: Decimal
    in_fund: Decimal
    loss: Decimal | None
    institution: str


Hits = dict[tuple[str, Occurrence], Expected]
"""By rule id and occurrence."""

Reasons = Counter[tuple[str, str]]
"""Near misses by rule and by what kept them from being hits."""


def hits_and_near_misses(events: Iterable[Event], points: Iterable[Point]) -> tuple[Hits, Reasons]:
    """Every hit on the accepted events of one area, and how many anchors of each rule came near to a hit.

    Where a sum meets a limit: within one unit or day of it, or at it. Where the answer is yes or no: one
    condition alone, an excuse among them, kept the anchor from being a hit.
    """
    hits: Hits = {}
    reasons: Reasons = Counter()
    for person, judged in _judgements(events, points):
        if judged.is_hit:
            hits[judged.rule_id, judged.occurrence] = _expected(person, judged)
        elif judged.missed_by:
            reasons[judged.rule_id, judged.missed_by] += 1
    return hits, reasons


def reference_findings(events: Iterable[Event], points: Iterable[Point]) -> Hits:
    """The hits alone."""
    return hits_and_near_misses(events, points)[0]


def by_rule(reasons: Reasons) -> Counter[str]:
    """The near misses of each rule, whatever their reason."""
    missed = Counter[str]()
    for (rule_id, _), count in reasons.items():
        missed[rule_id] += count
    return missed


def _judgements(events: Iterable[Event], points: Iterable[Point]) -> Iterator[tuple[Person, Judged]]:
    knowledge = Knowledge(points)
    for person in people(events):
        for judge in _RULES:
            for judged in judge(person, knowledge):
                yield person, judged


def _expected(person: Person, judged: Judged) -> Expected:
    disputed = [(line, share) for line, share in judged.guilty if share]
    losses = [_loss(person, line, share) for line, share in disputed]
    return Expected(
        value=judged.value,
        limit=judged.limit,
        guilty=frozenset(line.key for line, _ in judged.guilty),
        involved=frozenset(line.key for line in judged.involved),
        in_question=sum((_yuan(line.amount * share) for line, share in disputed), Decimal("0.00")),
        in_fund=sum((_yuan(_in_scope(line) * share) for line, share in disputed), Decimal("0.00")),
        loss=None if None in losses else sum((loss for loss in losses if loss is not None), Decimal("0.00")),
        institution=judged.institution,
    )


def _loss(person: Person, line: Line, share: Fraction) -> Decimal | None:
    """Section 6: “in-scope part × (fund paid / that Σ, at most 1)”, only where the claim is paid by item."""
    of_claim = [other for other in person.lines if other.claim is line.claim]
    untold = any(other.in_fund_scope is None for other in of_claim)
    total = sum(map(_in_scope, of_claim), Fraction(0))
    paid = fund_paid(line.claim)
    if line.claim.payment_method != "item" or untold or total <= 0 or paid is None:
        return None
    return _yuan(_in_scope(line) * share * min(Fraction(1), Fraction(paid) / total))


def _in_scope(line: Line) -> Fraction:
    """“Where a line's net in_fund_scope is above its net amount, … the amount (0 where that is negative) stands in its
    place”"""
    return min(line.in_fund_scope or Fraction(0), max(Fraction(0), Fraction(line.amount)))


def _yuan(amount: Fraction) -> Decimal:
    """Rounded half up to 0.01; amounts in dispute are never negative."""
    return Decimal(floor(amount * 100 + Fraction(1, 2))).scaleb(-2)
