"""A patient's timeline: stays as bars, visits as ticks, lines in dispute raised above them, institutions as rows.

Positions are in units of the drawing (``WIDTH`` wide); the template draws them and says the same in words.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from api.frame import formats
from api.frame.texts import Texts
from knowledge_base.days import Day, as_date
from knowledge_base.findings import Finding, LineKey, billed_lines
from knowledge_base.signs import neutral
from rules_lib.histories.patient import PatientHistory

WIDTH = 960
LABELS = 200
TOP = 48
ROW = 44
SHORTEST_DAYS = 42
MARGIN_DAYS = 14


class Mark(msgspec.Struct, frozen=True):
    """One mark: ``kind`` stay, visit or guilty, from ``x`` for ``width``, on the row at ``y``, with its words."""

    kind: str
    x: float
    width: float
    y: int
    words: str


class Row(msgspec.Struct, frozen=True):
    """One institution and the height of its row."""

    name: str
    y: int


class Grid(msgspec.Struct, frozen=True):
    """A day written on the axis."""

    x: float
    words: str


class Timeline(msgspec.Struct, frozen=True):
    """A drawing of the days around a finding; ``outside`` counts visits that lie beyond them."""

    first: Day
    last: Day
    height: int
    rows: list[Row]
    grid: list[Grid]
    marks: list[Mark]
    outside: int


class _Span(msgspec.Struct, frozen=True):
    """A stay or visit: an institution and its days; ``last`` is ``None`` while a stay is open."""

    kind: str
    institution: str
    first: Day
    last: Day | None
    visit_type: str


def timeline_of(finding: Finding, history: PatientHistory, names: Mapping[str, str], texts: Texts) -> Timeline:
    """The timeline of a person around a finding; the days are those of the finding with a margin."""
    return timeline_between(*_range(finding), [finding], history, names, texts)


def timeline_between(
    first: Day,
    last: Day,
    findings: Iterable[Finding],
    history: PatientHistory,
    names: Mapping[str, str],
    texts: Texts,
) -> Timeline:
    """The timeline of a person from one day to another, with the lines that some findings dispute."""
    spans = list(_spans(history))
    inside = [span for span in spans if span.first <= last and (span.last or span.first) >= first]
    guilty = _guilty_days(findings, history)
    order = sorted(
        {span.institution for span in inside} | {institution for institution, day in guilty if first <= day <= last}
    )
    rows = {institution: TOP + ROW * index for index, institution in enumerate(order)}
    scale = _Scale(first, last)
    marks = [_span_mark(span, scale, rows[span.institution], names, texts) for span in inside]
    marks += [
        _guilty_mark(institution, day, count, scale, rows[institution], names, texts)
        for (institution, day), count in sorted(guilty.items(), key=lambda item: (item[0][1], item[0][0]))
        if first <= day <= last
    ]
    return Timeline(
        first,
        last,
        TOP + ROW * max(1, len(order)) + 8,
        [Row(neutral(names.get(institution, institution)), y) for institution, y in rows.items()],
        list(scale.grid()),
        marks,
        len(spans) - len(inside),
    )


class _Scale:
    """Days to positions."""

    def __init__(self, first: Day, last: Day):
        self.first, self.last = first, last
        self.day = (WIDTH - LABELS) / (last - first + 1)

    def x(self, day: Day) -> float:
        return round(LABELS + (min(max(day, self.first), self.last + 1) - self.first) * self.day, 1)

    def grid(self) -> Iterator[Grid]:
        """Every seventh day of a short range, the first of every month of a long one."""
        days = range(self.first, self.last + 1)
        if len(days) <= 70:
            yield from (Grid(self.x(day), as_date(day).strftime("%m-%d")) for day in days[:-3:7])
        else:
            firsts = [day for day in days[:-7] if as_date(day).day == 1]
            step = max(1, len(firsts) // 12)
            yield from (Grid(self.x(day), as_date(day).strftime("%Y-%m")) for day in firsts[::step])


def _range(finding: Finding) -> tuple[Day, Day]:
    margin = max(MARGIN_DAYS, (SHORTEST_DAYS - (finding.last_day - finding.first_day)) // 2)
    return finding.first_day - margin, finding.last_day + margin


def _spans(history: PatientHistory) -> Iterator[_Span]:
    for (institution, encounter_id), claims in history.by_encounter.items():
        stay = history.stays.get((institution, encounter_id))
        visit_type = claims[0].visit_type
        if stay is not None and stay.admitted is not None:
            yield _Span("stay", institution, stay.admitted, stay.discharged, visit_type)
            continue
        days = [line.day for claim in claims for line in claim.lines] or [claim.settled_day for claim in claims]
        yield _Span("visit", institution, min(days), max(days), visit_type)


def _guilty_days(findings: Iterable[Finding], history: PatientHistory) -> Counter[tuple[str, Day]]:
    guilty = set(billed_lines(guilty.part for finding in findings for guilty in finding.guilty))
    days: dict[LineKey, Day] = {}
    for encounter in {key[:2] for key in guilty}:
        for _, digest in history.digests_of(encounter):
            days[(*encounter, digest.line_id)] = digest.day
    return Counter((key[0], days[key]) for key in guilty if key in days)


def _span_mark(span: _Span, scale: _Scale, y: int, names: Mapping[str, str], texts: Texts) -> Mark:
    institution = neutral(names.get(span.institution, span.institution))
    left = scale.x(span.first)
    if span.kind == "visit":
        visit = texts.find("visits", span.visit_type)
        words = texts("timeline.visit", institution=institution, visit=visit, day=formats.day(span.first))
        return Mark("visit", left, 4, y, words)
    if span.last is None:
        words = texts("timeline.stay_open", institution=institution, first=formats.day(span.first))
        return Mark("stay", left, scale.day, y, words)
    days = {"first": formats.day(span.first), "last": formats.day(span.last)}
    width = max(4.0, round(scale.x(span.last + 1) - left, 1))
    return Mark("stay", left, width, y, texts("timeline.stay", institution=institution, **days))


def _guilty_mark(
    institution: str, day: Day, count: int, scale: _Scale, y: int, names: Mapping[str, str], texts: Texts
) -> Mark:
    name = neutral(names.get(institution, institution))
    words = texts("timeline.guilty", institution=name, day=formats.day(day), count=count)
    return Mark("guilty", scale.x(day), max(6.0, round(scale.day, 1)), y, words)
