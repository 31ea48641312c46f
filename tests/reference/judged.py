"""What a rule found on one anchor, and the parts that several rules share: sums beyond a limit, orders, units."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from knowledge_base.findings import Occurrence

from .lines import Line

WITHIN_ONE = "within one of the limit"


@dataclass(frozen=True)
class Judged:
    """One anchor. A hit where ``value > limit``; otherwise ``missed_by`` says what alone kept it from being one.

    ``guilty`` holds each line in dispute with its share, ``value`` units, days or lines as the rule says.
    """

    rule_id: str
    occurrence: Occurrence
    value: Decimal
    limit: Decimal
    institution: str
    guilty: tuple[tuple[Line, Fraction], ...] = ()
    involved: tuple[Line, ...] = ()
    missed_by: str | None = None

    @property
    def is_hit(self) -> bool:
        return self.value > self.limit


def units(lines: Iterable[Line]) -> Decimal:
    return sum((line.quantity for line in lines), Decimal(0))


def counting(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.counts]


def summed(
    rule_id: str, occurrence: Occurrence, lines: list[Line], limit: Decimal, on_day: date | None = None
) -> Judged:
    """Units of counting lines against a limit; with ``on_day`` only lines of that day can be guilty.

    "In line order, each line at which the running sum is beyond the limit is guilty, the others involved."
    """
    guilty: dict[Line, Fraction] = {}
    running = Decimal(0)
    for line in lines:
        running += line.quantity
        if running > limit and on_day in (None, line.day):
            guilty[line] = Fraction(min(line.quantity, running - limit)) / Fraction(line.quantity)
    last = list(guilty)[-1] if guilty else lines[-1]
    return Judged(
        rule_id,
        occurrence,
        running,
        limit,
        last.institution,
        tuple(guilty.items()),
        tuple(line for line in lines if line not in guilty),
        WITHIN_ONE if limit - 1 <= running <= limit else None,
    )


def whole(
    rule_id: str,
    occurrence: Occurrence,
    guilty: list[Line],
    involved: Iterable[Line] = (),
    value: Decimal | None = None,
) -> Judged:
    """A hit on whole lines: share 1, limit 0, value the units of the guilty lines unless given."""
    value = units(guilty) if value is None else value
    shares = tuple((line, Fraction(1)) for line in guilty)
    return Judged(rule_id, occurrence, value, Decimal(0), guilty[-1].institution, shares, tuple(involved))


def by_grounds(
    rule_id: str, occurrence: Occurrence, lines: dict[Line, list[str]], *, lines_are_value: bool = False
) -> Iterator[Judged]:
    """An anchor whose lines are guilty unless something speaks for them; one ground alone makes a near miss."""
    guilty = [line for line, grounds in lines.items() if not grounds]
    if guilty:
        yield whole(rule_id, occurrence, guilty, value=Decimal(len(guilty)) if lines_are_value else None)
        return
    for line, grounds in lines.items():
        if len(grounds) == 1:
            yield missed(rule_id, occurrence, line.institution, grounds[0])
            return


def missed(rule_id: str, occurrence: Occurrence, institution: str, reason: str) -> Judged:
    """An anchor that one condition alone keeps from being a hit."""
    return Judged(rule_id, occurrence, Decimal(0), Decimal(0), institution, missed_by=reason)
