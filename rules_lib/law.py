"""The law of a finding: each basis and notice that holds for it, said once, with the day from which it holds."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from knowledge_base.cards import Card
from knowledge_base.days import as_date
from knowledge_base.facts import Point
from knowledge_base.findings import Finding
from rules_lib.wording import finding_day


class Law(msgspec.Struct, frozen=True):
    """A basis of the rule, or a notice with the points of it that a finding uses; ``since`` is its first day."""

    text: str
    since: date
    points: Sequence[Point] = ()
    note: str | None = None


def law_of(finding: Finding, card: Card, points: Mapping[str, Point]) -> list[Law]:
    """What holds for a finding: its points by their notices, then each basis that holds on its day.

    ``points`` are those of the set in force, by their names; what it no longer holds is not shown. A basis without a
    day is one whose day the points say.
    """
    notices: dict[tuple[str, int, str | None], list[Point]] = {}
    for point in [points[name] for name in finding.points if name in points]:
        notices.setdefault((point.source, point.valid_from, point.note), []).append(point)
    found = [Law(source, as_date(first), of, note) for (source, first, note), of in notices.items()]
    day = date.fromisoformat(finding_day(finding))
    return found + [Law(basis.text, basis.since) for basis in card.basis if basis.since and basis.since <= day]


def law_words(finding: Finding, card: Card, points: Mapping[str, Point]) -> tuple[str, ...]:
    """The law of a finding in words, each text once; all that the card names, where nothing of it is dated."""
    found = [law.text for law in law_of(finding, card, points)]
    return tuple(dict.fromkeys(found or [basis.text for basis in card.basis]))
