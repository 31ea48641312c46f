"""Comparing: what judging again changed of what is stored. As values: findings in other bytes may be the same."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from knowledge_base.days import Day
from knowledge_base.findings import Change, Finding, FindingVersion, Maker, NotEvaluated, finding_id
from knowledge_base.subjects import Subject
from streams.messages.identifiers import trimmed
from streams.messages.versions import pack_finding, unpack_finding

_pack = msgspec.msgpack.Encoder().encode


class StoredFinding(msgspec.Struct, frozen=True):
    """The current version of a finding, as far as comparing needs it. ``body`` is read only where it is compared."""

    finding_id: str
    subject: Subject
    maker_id: str
    version: int
    is_open: bool
    first_day: Day
    last_day: Day
    body: bytes


class StoredNotEvaluated(msgspec.Struct, frozen=True):
    """An anchor that could not be decided; ``subject`` is the name under which it is stored, also after a merge."""

    subject: Subject
    anchor_id: bytes
    rules: tuple[str, ...]
    first_day: Day
    last_day: Day


class Made(NamedTuple):
    """Who makes a version, and the topic in which it stands."""

    maker: Maker
    topic: str


class Changed(msgspec.Struct, frozen=True):
    """What judging a subject again changed."""

    versions: list[FindingVersion]
    now_not_evaluated: list[tuple[bytes, NotEvaluated]]
    no_longer_not_evaluated: list[tuple[Subject, bytes]]


WasJudged = Callable[[Sequence[str], Day, Day], bool]
"""Whether an anchor of some makers, from its first day to its last, was judged again, so that it may be withdrawn."""


def compared(
    area: str,
    subject: Subject,
    because: tuple[str, int],
    findings: Sequence[Finding],
    stored: Sequence[StoredFinding],
    made: Callable[[str], Made],
    was_judged: WasJudged,
) -> list[FindingVersion]:
    """The versions by which stored findings become those that were found.

    ``because`` is the versions' cause and ``as_of``; ``made`` says who a maker is, by its id.
    """
    before = {entry.finding_id: entry for entry in stored}
    found = {finding_id(area, finding.maker_id, finding.occurrence): finding for finding in findings}
    versions: list[FindingVersion] = []

    def version(name: str, number: int, change: Change, finding: Finding, of: Subject = subject) -> FindingVersion:
        maker, topic = made(finding.maker_id)
        return FindingVersion(area, name, number, change, of, maker, topic, finding, *because)

    for name, finding in found.items():
        entry = before.get(name)
        number = entry.version + 1 if entry else 1
        if entry is None or not entry.is_open:
            versions.append(version(name, number, Change.RAISED, finding))
        elif not _says(entry.body, finding):
            versions.append(version(name, number, Change.REVISED, finding))
    heirs = list(versions)
    for entry in stored:
        gone = entry.is_open and entry.finding_id not in found
        if gone and was_judged((entry.maker_id,), entry.first_day, entry.last_day):
            last = unpack_finding(entry.body)
            end = version(entry.finding_id, entry.version + 1, Change.WITHDRAWN, last, entry.subject)
            versions.append(replace(end, continued_by=_heir(last, heirs)))
    return versions


def continued_anywhere(changed: Mapping[Subject, Changed]) -> dict[Subject, Changed]:
    """The same changes of several subjects, where withdrawn findings of one may go on as those of another."""
    heirs = [version for of in changed.values() for version in of.versions if version.change is not Change.WITHDRAWN]
    return {
        subject: replace(of, versions=[_continued(version, heirs) for version in of.versions])
        for subject, of in changed.items()
    }


def _continued(version: FindingVersion, heirs: Sequence[FindingVersion]) -> FindingVersion:
    if version.change is not Change.WITHDRAWN or version.continued_by is not None:
        return version
    return replace(version, continued_by=_heir(version.finding, heirs))


def _says(body: bytes, finding: Finding) -> bool:
    """Whether a stored body says a finding. Nearly always the bytes are equal, and then so is what they say."""
    fresh = pack_finding(finding)
    return fresh == body or unpack_finding(fresh) == unpack_finding(body)


def _heir(withdrawn: Finding, heirs: Iterable[FindingVersion]) -> str | None:
    """The finding that goes on with a withdrawn one: of the same maker, with a guilty part in common, padded or not."""
    parts = {_bare(guilty.part) for guilty in withdrawn.guilty}
    return min(
        (
            version.finding_id
            for version in heirs
            if version.finding.maker_id == withdrawn.maker_id
            and any(_bare(guilty.part) in parts for guilty in version.finding.guilty)
        ),
        default=None,
    )


def _bare(part: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(trimmed, part))


def compared_anchors(
    fresh: Iterable[NotEvaluated], stored: Sequence[StoredNotEvaluated], was_judged: WasJudged
) -> tuple[list[tuple[bytes, NotEvaluated]], list[tuple[Subject, bytes]]]:
    """Anchors that cannot be decided now and could before, and the reverse."""
    now: Mapping[bytes, NotEvaluated] = {anchor_id(entry): entry for entry in fresh}
    known = {entry.anchor_id for entry in stored}
    new = [(anchor, entry) for anchor, entry in now.items() if anchor not in known]
    gone = [
        (entry.subject, entry.anchor_id)
        for entry in stored
        if entry.anchor_id not in now and was_judged(entry.rules, entry.first_day, entry.last_day)
    ]
    return new, gone


def anchor_id(entry: NotEvaluated) -> bytes:
    """The name of an anchor that cannot be decided."""
    # The days belong to the name: an anchor that grew without a new reason must be found again by its new days.
    words = (entry.rules, entry.occurrence, entry.reason, entry.first_day, entry.last_day)
    return hashlib.blake2b(_pack(words), digest_size=16).digest()
