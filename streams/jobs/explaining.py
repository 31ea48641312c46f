"""Explaining: making one finding again with the events, facts and maker as they were known, from the received bytes.

It reads no window: the whole history of the subject up to ``as_of`` is decoded anew and judged whole, so an error
of the windows would show as "different". A detector is run again over the events up to its mark.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from detectors.detector import DETECTORS
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.events.head import Event
from knowledge_base.findings import Change, Finding, FindingVersion, finding_id
from knowledge_base.subjects import PATIENT, patient
from rules_lib.engine import judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.judging_source import source_hash
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from rules_lib.supplement import Supplement
from streams.jobs.detecting import source_of, suspicion_of
from streams.messages.codec import decode_as_it_came, decode_stored
from streams.messages.identifiers import least, trimmed
from streams.messages.kinds import KINDS, details_of, digest_of
from streams.messages.versions import pack_finding, unpack_finding
from streams.pipeline.persons import Spelled, joined_pairs, persons_of
from streams.store.events import stored as events
from streams.store.events import wider
from streams.store.judgements import findings, published
from streams.store.sessions import Connection


class Reproduced(StrEnum):
    """Whether making a finding again came to the same."""

    SAME = "same"
    DIFFERENT = "different"
    CHECK_CHANGED = "check changed"


class Explanation(msgspec.Struct, frozen=True):
    """What was stored, what making it again says, and whether the two are the same.

    ``check changed`` says that they differ and that the source code of the maker is another than it was.
    """

    verdict: Reproduced
    stored: FindingVersion
    again: Finding | None
    events: int


async def explain(connection: Connection, area: str, name: str, version: int | None = None) -> Explanation | None:
    """A version of a finding (the newest by default) made again as it was; ``None`` where there is none.

    Raises ``LookupError`` where the rule set that judged it is not in the store, or its detector not in this program.
    """
    stored = await findings.load_version(connection, area, name, version)
    if stored is None:
        return None
    if stored.maker.kind == "detector":
        return await _detected_again(connection, area, stored)
    rule_set = await published.load_rule_set(connection, stored.maker.set)
    if rule_set is None:
        raise LookupError(f"rule set {stored.maker.set} is not in the store")
    bodies = await _load_received(connection, area, stored)
    likelier, other = _readings_of(stored)
    explanation = _explained(stored, bodies, likelier, rule_set)
    if explanation.verdict is Reproduced.SAME:
        return explanation
    by_the_other = _explained(stored, bodies, other, rule_set)
    return by_the_other if by_the_other.verdict is Reproduced.SAME else explanation


class _Reading(NamedTuple):
    """How stored bytes are read, by which of several pseudonyms a person goes, and how one is spelled."""

    decode: Callable[[bytes], Event]
    named: Callable[[Iterable[str]], str]
    spelled: Spelled


_TRIMMED = _Reading(decode_stored, least, trimmed)
_AS_IT_CAME = _Reading(decode_as_it_came, min, str)
"""So doors of before kept what they took in, and what was found then was found by it."""


def _readings_of(stored: FindingVersion) -> tuple[_Reading, _Reading]:
    """The likelier reading first: who is named by a padded pseudonym was so before it was trimmed."""
    name = stored.subject.name
    return (_TRIMMED, _AS_IT_CAME) if trimmed(name) == name else (_AS_IT_CAME, _TRIMMED)


def _explained(stored: FindingVersion, bodies: Sequence[bytes], reading: _Reading, rule_set: RuleSet) -> Explanation:
    replayed = [reading.decode(body) for body in bodies]
    again = _judged_again(stored, replayed, reading, rule_set)
    return Explanation(_verdict(stored, again, _source_now(stored, rule_set)), stored, again, len(replayed))


async def _detected_again(connection: Connection, area: str, stored: FindingVersion) -> Explanation:
    detector = DETECTORS.get(stored.maker.id)
    if detector is None:
        raise LookupError(f"this program has no detector {stored.maker.id}")
    digests = await events.read_digests(connection, area, stored.as_of)
    suspicion = suspicion_of(detector, digests, area, stored.finding_id)
    again = suspicion.finding if suspicion is not None else None
    return Explanation(_verdict(stored, again, source_of(detector)), stored, again, len(digests))


async def _load_received(connection: Connection, area: str, stored: FindingVersion) -> list[bytes]:
    if stored.subject.kind == PATIENT:
        return await events.load_received(connection, area, stored.subject.name, stored.as_of)
    return await wider.load_subject_received(connection, area, stored.subject, stored.as_of)


def _judged_again(
    stored: FindingVersion, replayed: Sequence[Event], reading: _Reading, rule_set: RuleSet
) -> Finding | None:
    own = _own_events(stored, replayed, reading)
    if own is None:
        return None
    rules = rule_set.of(stored.subject.kind)
    history = HISTORIES[stored.subject.kind](stored.subject, map(digest_of, own), rules.by_code)
    supplement = Supplement({event.event_id: details_of(event) for event in own})
    for finding in judge(history, ALL_DAYS, rules, supplement).findings:
        if finding_id(stored.area, finding.maker_id, finding.occurrence) == stored.finding_id:
            return finding
    return None


def _own_events(stored: FindingVersion, replayed: Sequence[Event], reading: _Reading) -> Sequence[Event] | None:
    """The events of the subject as it was then; ``None`` where a patient had become part of another person."""
    if stored.subject.kind != PATIENT:
        return replayed
    own = [(KINDS[event.kind].subjects(event)[0][1], event) for event in replayed]
    statuses = [digest for _, event in own if isinstance(digest := digest_of(event), StatusDigest)]
    joined = joined_pairs(statuses, reading.spelled)
    names = {subject.name for subject, _ in own} | {name for pair in joined for name in pair}
    members = persons_of(names, joined, reading.named, reading.spelled)
    name = stored.subject.name
    if any(name in together for person, together in members.items() if person != name):
        return None
    together = {patient(of) for of in members.get(name, ())}
    return [event for subject, event in own if subject in together]


def _source_now(stored: FindingVersion, rule_set: RuleSet) -> str:
    """The hash of the source code that judges by the rule today; none where this program cannot judge by it."""
    rule = rule_set.by_id.get(stored.maker.id)
    return "" if rule is None else source_hash(rule.check, rule.looks_at)


def _verdict(stored: FindingVersion, again: Finding | None, source: str) -> Reproduced:
    if stored.change is Change.WITHDRAWN:
        same = again is None
    else:
        same = again is not None and unpack_finding(pack_finding(again)) == stored.finding
    if same:
        return Reproduced.SAME
    return Reproduced.DIFFERENT if source == stored.maker.source else Reproduced.CHECK_CHANGED
