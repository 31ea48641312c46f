"""The evidence of a finding: the claims that hold its lines, with the lines in dispute and those compared with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from decimal import Decimal

import msgspec

from casework.sight import Sight
from knowledge_base.days import Day, day_of
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.head import Digest
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.findings import Amounts, Finding, LineKey, Part, billed_lines
from rules_lib.histories.patient import PatientHistory
from rules_lib.histories.standing import rank
from streams.messages.identifiers import trimmed

Marks = dict[LineKey, tuple[str, Amounts | None]]
"""Lines with their mark, ``guilty`` (then with its share of the money) or ``involved``."""


class MarkedLine(msgspec.Struct, frozen=True):
    """A billed line with its mark: ``guilty`` (then with its share of the money), ``involved`` or ``other``.

    ``key`` names it as findings do.
    """

    key: LineKey
    line: ClaimLine
    day: Day
    mark: str
    disputed: Amounts | None = None


MOST_LINES = 60
"""Lines of a table of evidence that a page shows; a stay may have thousands."""


class LineTable(msgspec.Struct, frozen=True):
    """Lines of one mark, those of one item together."""

    lines: Sequence[MarkedLine]
    most: int = MOST_LINES

    @property
    def shown(self) -> Sequence[MarkedLine]:
        return self.lines[: self.most]

    @property
    def amount(self) -> Decimal:
        """What they were billed at, in yuan."""
        return sum((Decimal(line.line.amount) for line in self.lines), Decimal(0))


class MarkedClaim(msgspec.Struct, frozen=True):
    """A standing claim with the lines that the finding speaks of, and the rest of it."""

    claim: Claim
    guilty: LineTable
    involved: LineTable
    others: LineTable


class Sources(msgspec.Struct, frozen=True):
    """Which events hold the lines of a finding: arrival numbers of standing claims, and how many others fell."""

    seqs: Sequence[int]
    fallen: int


def line_keys(finding: Finding) -> list[LineKey]:
    """Every line that a finding names, those in dispute first."""
    return lines_of([guilty.part for guilty in finding.guilty] + list(finding.involved))


def lines_of(parts: Iterable[Part]) -> list[LineKey]:
    """The billed lines among some parts, by trimmed names: findings of before name them as they came, padded or not."""
    return [(trimmed(house), trimmed(encounter), trimmed(line)) for house, encounter, line in billed_lines(parts)]


def seen_beside(
    finding: Finding, history: PatientHistory, events: Mapping[int, Digest], sight: Sight
) -> tuple[PatientHistory, Mapping[int, Digest]]:
    """A person's history and events as somebody may see them beside a finding. Evidence and timeline show no others.

    Whoever is limited to institutions sees all claims of these. Of others they see those alone of which the finding
    itself names a line. What encounters are called and how long stays were is still told by the whole history.
    """
    return seen_with(line_keys(finding), history, events, sight)


def seen_with(
    lines: Iterable[LineKey], history: PatientHistory, events: Mapping[int, Digest], sight: Sight
) -> tuple[PatientHistory, Mapping[int, Digest]]:
    """The same where findings name some ``lines``."""
    if sight.institutions is None:
        return history, events
    named = set(lines)
    called: dict[str, Digest] = {claim.event_id: claim for claim in history.claims}
    seen = {
        seq: event
        for seq, event in events.items()
        if _is_seen(called.get(event.event_id, event), named, sight.institutions)
    }
    of = {event.event_id for event in seen.values()}
    narrowed = copy(history)
    narrowed.claims = [claim for claim in history.claims if claim.event_id in of]
    narrowed.by_encounter = {
        encounter: together
        for encounter, claims in history.by_encounter.items()
        if (together := [claim for claim in claims if claim.event_id in of])
    }
    return narrowed, seen


def _is_seen(event: Digest, named: Collection[LineKey], institutions: Collection[str]) -> bool:
    if not isinstance(event, ClaimDigest):
        return True
    institution, encounter = trimmed(event.institution), trimmed(event.encounter_id)
    return institution in institutions or any(
        (institution, encounter, trimmed(line.line_id)) in named for line in event.lines
    )


def sources_of(finding: Finding, history: PatientHistory, events: Mapping[int, Digest]) -> Sources:
    """The standing claims of the encounters that a finding's lines belong to."""
    encounters = {key[:2] for key in line_keys(finding)}
    standing = {
        claim.event_id
        for (institution, encounter), claims in history.by_encounter.items()
        if (trimmed(institution), trimmed(encounter)) in encounters
        for claim in claims
    }
    of_each = {seq: digest for seq, digest in events.items() if isinstance(digest, ClaimDigest)}
    seqs = [seq for seq, claim in of_each.items() if claim.event_id in standing]
    numbers = {(of_each[seq].institution, of_each[seq].encounter_id) for seq in seqs}
    stand = {claim.event_id for claim in history.claims}
    fallen = [
        claim
        for claim in of_each.values()
        if (claim.institution, claim.encounter_id) in numbers and claim.event_id not in stand
    ]
    return Sources(sorted(seqs), len(fallen))


def marked_claims(finding: Finding, history: PatientHistory, claims: Iterable[Claim]) -> tuple[list[MarkedClaim], int]:
    """The claims with marked lines, and how many lines of the finding none of them holds.

    Those with lines in dispute come first, each part by day of settlement. Where two claims carry one line, that of the
    greatest rank bears the mark, as in judging.
    """
    known = {trimmed(claim.event_id): claim for claim in history.claims}
    marks = marks_of(finding)
    expected = len(marks)
    marked = []
    for claim in sorted(claims, key=lambda claim: rank(known[claim.event_id]), reverse=True):
        encounter = trimmed(known[claim.event_id].encounter_id)
        lines = [_marked(claim, encounter, line, marks) for line in sorted(claim.lines, key=_by_item)]
        tables = (LineTable([line for line in lines if line.mark == mark]) for mark in ("guilty", "involved", "other"))
        marked.append(MarkedClaim(claim, *tables))
    found = sum(len(claim.guilty.lines) + len(claim.involved.lines) for claim in marked)
    return sorted(marked, key=lambda claim: (not claim.guilty.lines, claim.claim.settled_at)), expected - found


def _by_item(line: ClaimLine) -> tuple[object, ...]:
    return (line.item_code or "", line.item_name or "", line.at, line.line_id)


def marks_of(finding: Finding) -> Marks:
    """Every line that a finding names, with its mark."""
    marks: Marks = dict.fromkeys(lines_of(finding.involved), ("involved", None))
    marks.update({key: ("guilty", guilty.amounts) for guilty in finding.guilty for key in lines_of([guilty.part])})
    return marks


def _marked(claim: Claim, encounter: str, line: ClaimLine, marks: Marks) -> MarkedLine:
    key = (claim.institution, encounter, line.line_id)
    mark, amounts = marks.pop(key, ("other", None))
    return MarkedLine(key, line, day_of(line.at), mark, amounts)
