"""Detecting: a detector looks at an area's events up to a mark, and what it suspects becomes findings, or is withdrawn.

Only findings of that detector are compared and withdrawn. One transaction, one run of a detector in an
area at once.
"""

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from detectors.detector import Detector, Suspicion
from knowledge_base.digests.head import Digest
from knowledge_base.findings import Maker, finding_id
from knowledge_base.source_code import source_hash_of
from knowledge_base.subjects import Subject
from streams.handlers.judging import save_versions
from streams.handlers.rule_sets import RuleSets
from streams.pipeline.comparing import Made, StoredFinding, compared
from streams.pipeline.reports import Report
from streams.store.events import persons, stored
from streams.store.judgements import findings
from streams.store.sessions import Connection

_About = TypeVar("_About", Suspicion, StoredFinding)


async def detect(connection: Connection, area: str, detector: Detector, sets: RuleSets) -> Report:
    """Runs a detector over an area. Raises ``LookupError`` where the set in force does not hold its card."""
    mark = await find_mark(connection, area)
    report = Report()
    async with connection.transaction():
        await sets.hold_to_show(connection)
        rule_set = await sets.in_force(connection)
        card = rule_set.cards[detector.card.id]
        await persons.lock_subjects(connection, area, [Subject("detector", card.id)])
        suspected = _by_subject(detector.detect(await stored.read_digests(connection, area, mark)))
        known = _by_subject(await findings.find_findings_of(connection, area, card.id))
        maker = Maker("detector", card.id, rule_set.hash, card.file_hash, source_of(detector))
        made = partial(_made_by, Made(maker, card.topic))
        versions = [
            version
            for subject in sorted(suspected.keys() | known.keys())
            for version in compared(
                area,
                subject,
                (f"detector {card.id}", mark),
                [suspicion.finding for suspicion in suspected.get(subject, ())],
                known.get(subject, ()),
                made,
                lambda *_: True,
            )
        ]
        await save_versions(connection, area, versions, report)
    return report


async def find_mark(connection: Connection, area: str) -> int:
    """The greatest arrival number of an area below which nothing is under way any more."""
    async with connection.transaction():
        await persons.lock_area(connection, area, exclusive=True)
        return await stored.find_last_seq(connection, area)


def source_of(detector: Detector) -> str:
    """The hash of a detector's source code and of all that it stands on."""
    return source_hash_of(type(detector).__module__)


def suspicion_of(detector: Detector, digests: list[Digest], area: str, name: str) -> Suspicion | None:
    """What a detector suspects under a finding's name, ``None`` where it suspects nothing of it."""
    for suspicion in detector.detect(digests):
        if finding_id(area, suspicion.finding.maker_id, suspicion.finding.occurrence) == name:
            return suspicion
    return None


def _made_by(made: Made, _maker_id: str) -> Made:
    return made


def _by_subject(entries: Iterable[_About]) -> dict[Subject, list[_About]]:
    found: dict[Subject, list[_About]] = {}
    for entry in entries:
        found.setdefault(entry.subject, []).append(entry)
    return found
