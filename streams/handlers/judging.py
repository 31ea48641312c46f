"""Judging: windows of an area's subjects are judged, compared with what is stored, and what changed is written.

Batches of new events, the job of wider subjects and re-judging after a switch of rules all end here, inside their own
transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from knowledge_base.digests.head import Digest
from knowledge_base.findings import FindingVersion
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Interval
from streams.bus import Message
from streams.messages.versions import encode_version
from streams.pipeline.comparing import Changed, continued_anywhere
from streams.pipeline.judge import changed_by, concerned_by, judge_again
from streams.pipeline.reports import Report
from streams.pipeline.windows import Window
from streams.store.judgements import findings
from streams.store.sessions import Connection
from streams.store.transport.outbox import save_outbox
from streams.topics import FINDINGS

Together = Mapping[Subject, Sequence[Subject]]
"""All names under which something may be stored of each subject: a patient's pseudonyms, else the subject alone."""


async def judge_windows(
    connection: Connection,
    area: str,
    names: Together,
    found: Sequence[Window],
    digests: Mapping[int, Digest],
    rule_set: RuleSet,
    report: Report,
    *,
    became: Collection[Subject] = (),
) -> None:
    """Judges windows again and writes what changed; a finding of one who ``became`` another may go on in another."""
    judged = [judge_again(window, [digests[seq] for seq in window.seqs], rule_set) for window in found]
    near: dict[Subject, Interval] = {}
    known: list[str] = []
    for window, judgement in zip(found, judged, strict=True):
        days, finding_ids = concerned_by(judgement, window, rule_set.of(window.matter.subject.kind))
        near |= dict.fromkeys(names[window.matter.subject], days)
        known += finding_ids
    stored = await findings.find_findings(connection, area, near, known)
    undecided = await findings.find_not_evaluated(connection, area, near)
    changed: dict[Subject, Changed] = {}
    for window, judgement in zip(found, judged, strict=True):
        together = names[window.matter.subject]
        changed[window.matter.subject] = changed_by(
            judgement,
            window,
            rule_set,
            [entry for name in together for entry in stored.get(name, ())],
            [entry for name in together for entry in undecided.get(name, ())],
        )
    if became:
        changed |= continued_anywhere({subject: changed[subject] for subject in became})
    await findings.save_not_evaluated(connection, area, changed)
    await save_versions(connection, area, [v for of in changed.values() for v in of.versions], report)
    report.count_not_evaluated(entry for of in changed.values() for _, entry in of.now_not_evaluated)


async def save_versions(connection: Connection, area: str, versions: Sequence[FindingVersion], report: Report) -> None:
    """Writes versions and what is to be sent on of them, in the caller's transaction."""
    await findings.save_versions(connection, area, versions)
    await save_outbox(connection, FINDINGS, map(finding_message, versions))
    report.count_versions(versions)


def patients_of(members: Mapping[str, Iterable[str]]) -> Together:
    """Persons with all their pseudonyms, as subjects."""
    return {Subject(PATIENT, name): [Subject(PATIENT, of) for of in together] for name, together in members.items()}


def finding_message(version: FindingVersion) -> Message:
    """A finding version as it is sent on, keyed by the subject so that a subject's findings stay in order."""
    kind, name = version.subject
    place = name if kind == PATIENT else f"{kind}/{name}"
    return Message(f"{version.area}/{place}".encode(), encode_version(version), "judge")
