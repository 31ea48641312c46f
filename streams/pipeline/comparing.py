"""Comparing: what judging again changed of what is stored."""

import hashlib
from collections.abc import Sequence

import msgspec

from knowledge_base.days import Day
from knowledge_base.findings import Change, Finding, FindingVersion, NotEvaluated, finding_id
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Scope
from streams.messages.versions import _encode, decode_finding, encode_finding
from streams.pipeline.touching import Person


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


class Changed(msgspec.Struct, frozen=True):
    """What judging a person again changed."""

    versions: list[FindingVersion]
    now_not_evaluated: list[tuple[bytes, NotEvaluated]]
    no_longer_not_evaluated: list[tuple[str, bytes]]


class InScope(msgspec.Struct, frozen=True):
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


def versions_of(
    person: Person,
    findings: Sequence[Finding],
    in_scope: InScope,
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


def anchor_id(entry: NotEvaluated) -> bytes:
    # The days belong to the name: an anchor that grew without a new reason must be found again by its new days.
    words = (entry.rules, entry.occurrence, entry.reason, entry.first_day, entry.last_day)
    return hashlib.blake2b(_encode(words), digest_size=16).digest()
