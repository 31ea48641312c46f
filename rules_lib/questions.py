"""Measures: what a check is asked and what it answers.

A check is a pure function ``(Question) -> Iterator[Measure | Undecided]``. It measures each anchor in the
scope; the limit decides. It never sees today, arrival, storage, or another subject.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from knowledge_base.catalogues.rows import ROWS, AnyRow
from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.details import ClaimDetails, LineDetails
from knowledge_base.facts import Facts, Point
from knowledge_base.findings import Part
from knowledge_base.subjects import Subject
from rules_lib.histories.history import ZERO, History, Line, Share
from rules_lib.rule import Rule
from rules_lib.scope import Scope

NO_DETAILS = ClaimDetails()

H = TypeVar("H", bound=History)

ONE = Decimal(1)

Word = str | Day
"""A word of an occurrence; a day is written as its ISO date when the finding is named."""


class Measure(msgspec.Struct, frozen=True, gc=False):
    """What was measured on one anchor, whose days are ``first_day`` to ``last_day``; a hit when value > limit.

    ``guilty`` are lines in dispute, ``guilty_parts`` parts of other kinds, which have no money of their own here.
    ``catalogue`` is the one of the rule's catalogues whose points hold here, ``None`` where all of them may.
    """

    occurrence: tuple[Word, ...]
    value: Decimal
    limit: Decimal
    first_day: Day
    last_day: Day
    institution: str | None = None
    guilty: Sequence[Share] = ()
    involved: Sequence[Line] = ()
    guilty_parts: Sequence[Part] = ()
    evidence: dict[str, Any] = {}
    excuse_until: Day | None = None
    catalogue: str | None = None


class Undecided(msgspec.Struct, frozen=True):
    """An anchor on which the rule cannot decide, and why."""

    occurrence: tuple[Word, ...]
    reason: str
    first_day: Day
    last_day: Day


class Question(msgspec.Struct, Generic[H], frozen=True):
    """What a check is asked: a subject's history, the rule with its limits, the facts, and which anchors to judge.

    ``judged`` holds the days of the anchors to judge: those whose reach meets a touched day. ``items`` holds the
    subject's lines of the items that the rule's catalogues name, by full item code and in line order. ``details`` are
    those of events by event_id, where the rule needs any.
    """

    history: H
    rule: Rule
    facts: Facts
    judged: Scope
    items: dict[str, list[Line]]
    details: Mapping[str, Any]

    @property
    def subject(self) -> Subject:
        return self.history.subject

    @property
    def name(self) -> str:
        """The subject's name, with which occurrences begin."""
        return self.history.subject.name

    def meets(self, first: Day, last: Day) -> bool:
        """Whether an anchor on these days is to be judged."""
        return self.judged.meets(first, last)

    def point(self, code: str, day: Day) -> Point | None:
        """The point of the rule's catalogues that holds for an item on a service day."""
        for catalogue in self.rule.catalogues:
            point = self.facts.in_force(catalogue, code, day)
            if point is not None:
                return point
        return None

    def details_of(self, claim: ClaimDigest) -> ClaimDetails:
        """A claim's details; empty where its digest is of a generation without them: the engine leaves it out then."""
        details: ClaimDetails = self.details.get(claim.event_id, NO_DETAILS)
        return details

    def line_details_of(self, line: Line) -> LineDetails:
        """A line's details, likewise."""
        return self.details_of(line.claim).line(line.claim.lines.index(line.digest))

    def on_judged_days(self, lines: Sequence[Line]) -> list[Line]:
        """Of lines in their order those on days that are to be judged."""
        return [line for first, last in self.judged.intervals for line in on_days(lines, first, last)]

    def by_place_and_day(self, lines: Sequence[Line]) -> Iterator[tuple[str, Day, list[Line]]]:
        """Lines in their order grouped by institution and day, of the days that are to be judged."""
        groups: dict[tuple[str, Day], list[Line]] = defaultdict(list)
        for line in self.on_judged_days(lines):
            groups[line.institution, line.day].append(line)
        for (institution, day), together in groups.items():
            yield institution, day, together


Check = Callable[[Question[Any]], Iterator[Measure | Undecided]]
"""A check is typed by the history that it reads, ``Question[PatientHistory]``; the engine knows only that it is one."""


_GIVEN = "words_given"
_READ = "rows_read"

_day = attrgetter("digest.day")


def on_days(lines: Sequence[Line], first: Day, last: Day) -> Sequence[Line]:
    """Of lines in their order, which is that of their days too, those from one day to another."""
    return lines[bisect_left(lines, first, key=_day) : bisect_right(lines, last, key=_day)]


def units(lines: Iterable[Line]) -> Decimal:
    return sum((line.quantity for line in lines), ZERO)


def decided(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.decided]


def beyond(lines: Sequence[Line], limit: Decimal) -> tuple[list[Share], list[Line]]:
    """Splits lines, in their order, into those at which the running sum of units is beyond the limit, and the rest."""
    guilty: list[Share] = []
    involved: list[Line] = []
    running = ZERO
    for line in lines:
        running += line.quantity
        if running > limit:
            guilty.append((line, min(line.quantity, running - limit), line.quantity))
        else:
            involved.append(line)
    return guilty, involved


def sum_is_open(lines: Sequence[Line], counted: Decimal, limit: Decimal) -> bool:
    """Whether undecided lines could carry a sum beyond the limit that the counting lines alone do not pass."""
    return counted <= limit < units(lines)


UNDECIDED_LINES = "paid or in_fund_scope missing"


def whole(lines: Iterable[Line]) -> list[Share]:
    """Lines that are in dispute as a whole."""
    return [(line, ONE, ONE) for line in lines]


C = TypeVar("C", bound=Callable[..., Iterator[Measure | Undecided]])


def gives(*words: str) -> Callable[[C], C]:
    """Says of a check which words of evidence each of its findings holds, so that a rule's message may name them."""

    def marked(check: C) -> C:
        setattr(check, _GIVEN, frozenset(words))
        return check

    return marked


def reads(*rows: type[AnyRow]) -> Callable[[C], C]:
    """Says of a check what the points of its rule's catalogues have to say; of one without, that it reads none."""

    def marked(check: C) -> C:
        setattr(check, _READ, rows)
        return check

    return marked


def catalogues_of(check: Check) -> list[str]:
    """The catalogues whose points a check can read."""
    rows: tuple[type[AnyRow], ...] = getattr(check, _READ, ())
    return sorted(name for name, row in ROWS.items() if issubclass(row, rows))


def words_of(check: Check) -> frozenset[str]:
    """The words of evidence that each finding of a check holds."""
    given: frozenset[str] = getattr(check, _GIVEN, frozenset())
    return given
