"""Leads (线索): findings grouped into what an inspector opens, and what they come to.

A lead is area, institution, topic and service year, the institution being that of the finding's last guilty part, or
the one that a finding without guilty parts states.
What it comes to is a commutative function of its findings: the order in which they arrive cannot matter.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

import msgspec

from casework.decisions import STATES, Verdict
from casework.precision import Backer, Expected
from knowledge_base.days import FIRST_DAY, Day, as_date
from knowledge_base.findings import FindingVersion, Lane, Severity
from knowledge_base.subjects import PATIENT, Subject

ZERO = Decimal(0)


class LeadKey(NamedTuple):
    """What findings of one lead have in common; ``topic`` is that of the rule or detector."""

    area: str
    institution: str
    topic: str
    service_year: int


class Dispute(NamedTuple):
    """A line in dispute by one finding, in yuan; ``loss`` is ``None`` where it is not computable."""

    line: str
    in_question: Decimal
    in_fund: Decimal
    loss: Decimal | None


class LeadFinding(msgspec.Struct, frozen=True):
    """What a lead needs to know of one of its findings: of those that are open and of live makers (``counts``), and of
    those on which somebody decided, whatever became of them.

    ``backer`` is its maker; ``at_stake`` in yuan, of detectors.
    ``verdict`` says what was decided on it, ``is_changed`` that it is another version than the one decided on,
    ``is_new`` that nobody who decided on the lead can have seen it. ``came_at`` (UTC) is when it came before people;
    ``None`` where that was not kept.
    """

    subject: Subject
    last_day: Day
    severity: Severity
    excuse_until: Day | None
    disputes: tuple[Dispute, ...]
    backer: Backer
    at_stake: Decimal | None = None
    lane: Lane = Lane.INSPECTION
    counts: bool = True
    verdict: Verdict | None = None
    is_changed: bool = False
    is_new: bool = False
    came_at: datetime | None = None

    @property
    def counts_from(self) -> Day:
        """The first day on which people see it: the day after the last on which an excuse may come."""
        return FIRST_DAY if self.excuse_until is None else self.excuse_until + 1

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        return "open" if self.verdict is None else self.verdict.value


class Totals(msgspec.Struct, frozen=True):
    """What a lead's findings come to from ``from_day`` on, in yuan.

    ``state`` is the first of ``STATES`` that one of them has, and what follows up to ``at_stake`` is of the findings in
    that state: of an open lead what is still to be decided, of a confirmed one what was confirmed.
    Each line counts once, with the greatest amount disputed. ``loss`` adds up the lines whose loss is known and is
    ``None`` only where none is; ``lines_without_loss`` says how many it leaves out. ``at_stake`` is money of detectors'
    findings, each subject's once with the greatest amount, and never part of ``in_question``. ``people`` counts
    patients. ``lane`` is that of data quality where all findings are of makers of that lane. ``expected`` tells
    money in question and at stake by maker, each line and subject with the one of the highest bound; the most first.
    ``undecided`` and ``decided`` count the findings that stand, ``fresh`` those of the undecided ones that came after
    the last decision, ``changed`` the decided ones that became something else, or nothing, since. ``came_at`` is when
    the latest of the undecided ones came. ``makers`` are the rules and detectors of all that stand.
    """

    from_day: Day
    state: str
    findings: int
    people: int
    in_question: Decimal
    in_fund: Decimal
    loss: Decimal | None
    lines: int
    lines_without_loss: int
    newest_day: Day | None
    severity: Severity
    at_stake: Decimal
    expected: tuple[Expected, ...]
    lane: Lane
    undecided: int
    decided: int
    fresh: int
    changed: int
    came_at: datetime | None
    makers: tuple[str, ...]


def lead_key(version: FindingVersion, topic: str) -> LeadKey:
    """The lead that a finding belongs to; the service year is that of its last day, unless it states another."""
    finding = version.finding
    year = finding.year if isinstance(finding.year, int) else as_date(finding.last_day).year
    return LeadKey(version.area, finding.institution, topic, year)


def lead_id(key: LeadKey) -> str:
    """The name of a lead: the same for the same area, institution, topic and year."""
    return hashlib.blake2b(msgspec.json.encode(list(key)), digest_size=16).hexdigest()


def totals(findings: Iterable[LeadFinding], otherwise: str = "open") -> list[Totals]:
    """What findings come to from each day on which that changes; the first entry holds from ``FIRST_DAY``.

    ``otherwise`` is the state of a lead that holds none.
    """
    running = _Running(otherwise)
    steps: list[Totals] = []
    ordered = sorted(findings, key=lambda finding: finding.counts_from)
    if not ordered or ordered[0].counts_from > FIRST_DAY:
        steps.append(running.totals(FIRST_DAY))
    for day, together in groupby(ordered, key=lambda finding: finding.counts_from):
        for finding in together:
            running.add(finding)
        steps.append(running.totals(day))
    return steps


class _Running:
    """Findings added up so far, those of each state apart."""

    def __init__(self, otherwise: str) -> None:
        self.otherwise = otherwise
        self.of_states: dict[str, _Sums] = {}
        self.lanes: set[Lane] = set()
        self.makers: set[str] = set()
        self.fresh = 0
        self.changed = 0

    def add(self, finding: LeadFinding) -> None:
        sums = self.of_states.setdefault(finding.state, _Sums())
        if finding.counts:
            sums.add(finding)
            self.lanes.add(finding.lane)
            self.makers.add(finding.backer.maker)
        self.fresh += finding.is_new
        self.changed += finding.is_changed

    def totals(self, from_day: Day) -> Totals:
        state = next((state for state in STATES if state in self.of_states), self.otherwise)
        sums, undecided = (self.of_states.get(of, _Sums()) for of in (state, "open"))
        losses = [line.loss for line in sums.lines.values() if line.loss is not None]
        return Totals(
            from_day=from_day,
            state=state,
            findings=sums.findings,
            people=len(sums.people),
            in_question=sum((line.in_question for line in sums.lines.values()), ZERO),
            in_fund=sum((line.in_fund for line in sums.lines.values()), ZERO),
            loss=sum(losses, ZERO) if losses else None,
            lines=len(sums.lines),
            lines_without_loss=len(sums.lines) - len(losses),
            newest_day=sums.newest_day,
            severity=sums.severity,
            at_stake=sum(sums.at_stake.values(), ZERO),
            expected=sums.expected(),
            lane=Lane.DATA_QUALITY if self.lanes == {Lane.DATA_QUALITY} else Lane.INSPECTION,
            undecided=undecided.findings,
            decided=sum(sums.findings for state, sums in self.of_states.items() if state != "open"),
            fresh=self.fresh,
            changed=self.changed,
            came_at=undecided.came_at,
            makers=tuple(sorted(self.makers)),
        )


class _Sums:
    """Findings of one state added up so far."""

    def __init__(self) -> None:
        self.findings = 0
        self.people: set[str] = set()
        self.at_stake: dict[Subject, Decimal] = {}
        self.lines: dict[str, Dispute] = {}
        self.backers: dict[str | Subject, Backer] = {}
        self.newest_day: Day | None = None
        self.severity = Severity.WATCH
        self.came_at: datetime | None = None

    def add(self, finding: LeadFinding) -> None:
        self.findings += 1
        if finding.subject.kind == PATIENT:
            self.people.add(finding.subject.name)
        if finding.at_stake is not None:
            self.at_stake[finding.subject] = max(finding.at_stake, self.at_stake.get(finding.subject, ZERO))
            self._back(finding.subject, finding.backer)
        self.newest_day = max(self.newest_day or FIRST_DAY, finding.last_day)
        self.severity = min(self.severity, finding.severity)
        self.came_at = max(filter(None, (self.came_at, finding.came_at)), default=None)
        for dispute in finding.disputes:
            earlier = self.lines.get(dispute.line)
            self.lines[dispute.line] = dispute if earlier is None else _greatest(earlier, dispute)
            self._back(dispute.line, finding.backer)

    def _back(self, of: str | Subject, backer: Backer) -> None:
        self.backers[of] = max(backer, self.backers.get(of, backer))

    def expected(self) -> tuple[Expected, ...]:
        money: dict[Backer, Decimal] = defaultdict(Decimal)
        for line in self.lines.values():
            money[self.backers[line.line]] += line.in_question
        for subject, at_stake in self.at_stake.items():
            money[self.backers[subject]] += at_stake
        shares = [Expected(backer.maker, backer.bound, of) for backer, of in money.items() if of]
        return tuple(sorted(shares, key=lambda share: (-share.money, share.maker)))


def _greatest(one: Dispute, other: Dispute) -> Dispute:
    losses = [dispute.loss for dispute in (one, other) if dispute.loss is not None]
    return Dispute(
        one.line,
        max(one.in_question, other.in_question),
        max(one.in_fund, other.in_fund),
        max(losses, default=None),
    )
