"""From events to finding versions, without I/O: what a batch touches, what must be read, what is judged, what changed.

    new events -> touched days -> windows -> judge -> compare with what is stored -> raise, revise, withdraw

A late event, a correction, a reversal and a merge are the same operation (docs/concepts.md). The promises are:
nothing outside the windows may matter to an anchor in the scope, and only anchors in the scope are withdrawn.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from knowledge_base.days import Day
from knowledge_base.digests import ClaimDigest, Digest, StatusDigest
from knowledge_base.findings import Change, Finding, FindingVersion, NotEvaluated, finding_id
from rules_lib.engine import judge
from rules_lib.history import History
from rules_lib.rules import RuleSet
from rules_lib.scope import ALL_DAYS, Scope

_encode = msgspec.msgpack.Encoder().encode
_decode_finding = msgspec.msgpack.Decoder(Finding).decode


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is known of a stored event without its digest. ``encounter`` and ``claim_id`` are empty for statuses."""

    seq: int
    event_id: str
    kind: str
    claim_id: str
    encounter: tuple[str, str]
    first_day: Day
    last_day: Day
    target: str | None


class StoredFinding(msgspec.Struct, frozen=True):
    """The current version of a finding, as far as comparing needs it."""

    finding_id: str
    person: str
    rule_id: str
    version: int
    is_open: bool
    first_day: Day
    last_day: Day
    body: bytes


class StoredNotEvaluated(msgspec.Struct, frozen=True):
    """An anchor that could not be decided; ``person`` is the name under which it is stored, also after a merge."""

    person: str
    anchor_id: bytes
    rules: tuple[str, ...]
    first_day: Day
    last_day: Day


class Person(msgspec.Struct, frozen=True):
    """One person before judging: who it is, every event's head, which events are new, and why it is judged.

    ``cause`` is the newest event where nothing else is said.
    """

    area: str
    person: str
    heads: Sequence[Head]
    new: frozenset[int]
    cause: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What judging a person again changed."""

    versions: list[FindingVersion]
    now_not_evaluated: list[tuple[bytes, NotEvaluated]]
    no_longer_not_evaluated: list[tuple[str, bytes]]


def merged_persons(members: dict[str, list[str]], digests: Iterable[Digest]) -> dict[str, list[str]]:
    """Who becomes one person by merges among some events: the least pseudonym with all that belong to it.

    ``members`` are the persons known before, each with all its pseudonyms.
    """
    group_of = {patient: set(together) for together in members.values() for patient in together}
    merged: set[str] = set()
    for digest in digests:
        if isinstance(digest, StatusDigest) and digest.change == "merge" and digest.same_as is not None:
            together = group_of.get(digest.patient, {digest.patient}) | group_of.get(digest.same_as, {digest.same_as})
            group_of.update(dict.fromkeys(together, together))
            merged |= together
    return {min(group_of[patient]): sorted(group_of[patient]) for patient in merged}


def touched(person: Person) -> tuple[Scope, frozenset[int]]:
    """The days that new events touch, and the events that do.

    An event touches its own days and those of every claim that it is linked to by claim_id, reversal or correction,
    in any chain, and of every claim of the same encounters. A status touches everything.
    """
    new = [head for head in person.heads if head.seq in person.new]
    if any(head.kind != "claim" for head in new):
        return ALL_DAYS, frozenset(head.seq for head in person.heads)
    linked = _linked(new, person.heads)
    encounters = {head.encounter for head in linked}
    events = [head for head in person.heads if head.encounter in encounters]
    return Scope((head.first_day, head.last_day) for head in events), frozenset(head.seq for head in events)


def _linked(start: Iterable[Head], heads: Sequence[Head]) -> list[Head]:
    """The events whose claim_ids are connected with some events by reversals and corrections, either way."""
    claim_ids = {head.claim_id for head in start if head.claim_id}
    links = [(head.claim_id, head.target) for head in heads if head.target is not None]
    claim_ids.update(head.target for head in start if head.target is not None)
    grown = bool(links)
    while grown:
        reached = {end for link in links if claim_ids.intersection(link) for end in link}
        grown = not reached <= claim_ids
        claim_ids |= reached
    return [head for head in heads if head.claim_id in claim_ids]


def windows(person: Person, scope: Scope, rule_set: RuleSet) -> frozenset[int]:
    """The events that may matter to an anchor whose reach meets the scope.

    An anchor may run over the whole of an encounter, so encounters are looked at from their first day to their last,
    with the gaps between their claims.
    """
    spans = _encounter_spans(person.heads)
    width = rule_set.reach.back + rule_set.reach.ahead
    near = scope.widened(width, width)
    met = Scope(span for span in spans.values() if near.meets(*span))
    wide = near.with_intervals(met.widened(rule_set.reach.ahead, rule_set.reach.ahead).intervals)
    inside = [head for head in person.heads if head.kind != "claim" or wide.meets(*spans[head.encounter])]
    encounters = {head.encounter for head in _linked(inside, person.heads)} | {head.encounter for head in inside}
    return frozenset(head.seq for head in person.heads if head.encounter in encounters)


def _encounter_spans(heads: Sequence[Head]) -> dict[tuple[str, str], tuple[Day, Day]]:
    spans: dict[tuple[str, str], tuple[Day, Day]] = {}
    for head in heads:
        first, last = spans.get(head.encounter, (head.first_day, head.last_day))
        spans[head.encounter] = (min(first, head.first_day), max(last, head.last_day))
    return spans


def needs_everything(touched_digests: Iterable[Digest], rule_set: RuleSet) -> bool:
    """Whether a touched event holds an item of a rule that reads every event of its items."""
    codes = rule_set.whole_item_codes
    return any(
        not codes.isdisjoint([line.item_code for line in digest.lines])
        for digest in touched_digests
        if isinstance(digest, ClaimDigest)
    )


def judge_again(
    person: Person,
    digests: Iterable[Digest],
    everything: bool,
    scope: Scope,
    rule_set: RuleSet,
    stored: Sequence[StoredFinding],
    stored_not_evaluated: Sequence[StoredNotEvaluated],
) -> Outcome:
    """Judges a person's anchors in the scope from their windows and compares with what is stored.

    ``everything`` says that the digests are the person's whole history, which rules with ``whole_item`` need.
    """
    history = History(person.person, digests, rule_set.by_code)
    judgement = judge(history, scope, rule_set, everything=everything)
    in_scope = _InScope(scope, rule_set, everything, judgement.failed)
    versions = _versions(person, judgement.findings, in_scope, rule_set, stored)
    fresh = {_anchor_id(entry): entry for entry in judgement.not_evaluated}
    known = {entry.anchor_id for entry in stored_not_evaluated}
    return Outcome(
        versions=versions,
        now_not_evaluated=[(anchor, entry) for anchor, entry in fresh.items() if anchor not in known],
        no_longer_not_evaluated=[
            (entry.person, entry.anchor_id)
            for entry in stored_not_evaluated
            if entry.anchor_id not in fresh and in_scope.holds(entry.rules, entry.first_day, entry.last_day)
        ],
    )


class _InScope(msgspec.Struct, frozen=True):
    """Which stored anchors were judged again, so that they may be withdrawn.

    Those of rules that the set does not hold any more count as judged where they meet the scope.
    """

    scope: Scope
    rule_set: RuleSet
    everything: bool
    failed: set[str]

    def holds(self, rules: Sequence[str], first_day: Day, last_day: Day) -> bool:
        rule = self.rule_set.by_id.get(rules[0]) if len(rules) == 1 else None
        if rule is None:
            return self.scope.meets(first_day, last_day)
        if rule.id in self.failed or (rule.reach.whole_item and not self.everything):
            return False
        return self.scope.meets(first_day - rule.reach.back, last_day + rule.reach.ahead)


def _versions(
    person: Person,
    findings: Sequence[Finding],
    in_scope: _InScope,
    rule_set: RuleSet,
    stored: Sequence[StoredFinding],
) -> list[FindingVersion]:
    before = {entry.finding_id: entry for entry in stored}
    found = {finding_id(person.area, finding.rule_id, finding.occurrence): finding for finding in findings}
    changed: list[FindingVersion] = []
    for name, finding in found.items():
        entry = before.get(name)
        version = entry.version + 1 if entry else 1
        if entry is None or not entry.is_open:
            changed.append(_version(person, name, version, Change.RAISED, finding, rule_set))
        elif entry.body != encode_finding(finding):
            changed.append(_version(person, name, version, Change.REVISED, finding, rule_set))
    heirs = list(changed)
    for entry in stored:
        gone = entry.is_open and entry.finding_id not in found
        if gone and in_scope.holds((entry.rule_id,), entry.first_day, entry.last_day):
            last = decode_finding(entry.body)
            end = _version(person, entry.finding_id, entry.version + 1, Change.WITHDRAWN, last, rule_set)
            changed.append(msgspec.structs.replace(end, person=entry.person, continued_by=_heir(last, heirs)))
    return changed


def _version(
    person: Person, name: str, version: int, change: Change, finding: Finding, rule_set: RuleSet
) -> FindingVersion:
    rule = rule_set.by_id.get(finding.rule_id)
    newest = max(person.heads, key=lambda head: head.seq)
    return FindingVersion(
        area=person.area,
        finding_id=name,
        version=version,
        change=change,
        person=person.person,
        finding=finding,
        cause=person.cause or f"event {newest.event_id}",
        as_of=newest.seq,
        rule_set=rule_set.hash,
        rule_hash=rule.file_hash if rule else "",
        check_hash=rule.check_hash if rule else "",
    )


def _heir(withdrawn: Finding, heirs: Sequence[FindingVersion]) -> str | None:
    """The finding that goes on with a withdrawn one: of the same rule, with a guilty line in common."""
    lines = {guilty.line for guilty in withdrawn.guilty}
    return min(
        (
            version.finding_id
            for version in heirs
            if version.finding.rule_id == withdrawn.rule_id
            and any(guilty.line in lines for guilty in version.finding.guilty)
        ),
        default=None,
    )


def encode_finding(finding: Finding) -> bytes:
    """A finding as bytes that are equal for equal findings."""
    return _encode(finding)


def decode_finding(body: bytes) -> Finding:
    return _decode_finding(body)


def _anchor_id(entry: NotEvaluated) -> bytes:
    # The days belong to the name: an anchor that grew without a new reason must be found again by its new days.
    words = (entry.rules, entry.occurrence, entry.reason, entry.first_day, entry.last_day)
    return hashlib.blake2b(_encode(words), digest_size=16).digest()
