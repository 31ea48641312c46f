"""Judging: windows of an area's persons are judged, compared with what is stored, and what changed is written.

Batches of new events and re-judging after a switch of rules both end here, inside their own transaction.
"""

from collections.abc import Mapping, Sequence

import msgspec

from knowledge_base.digests.kinds import Digest
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.reading import Window
from streams.pipeline.comparing import Changed
from streams.pipeline.judge import judge_again
from streams.pipeline.reports import Report
from streams.store.judgements import findings
from streams.store.sessions import Connection
from streams.store.transport import outbox
from streams.topics import FINDINGS

_encode_version = msgspec.json.Encoder().encode


async def judge_windows(
    connection: Connection,
    area: str,
    members: Mapping[str, Sequence[str]],
    found: Sequence[Window],
    digests: Mapping[int, Digest],
    rule_set: RuleSet,
    report: Report,
) -> None:
    """Judges windows again and writes what changed; ``members`` holds all pseudonyms of each person."""
    names = [name for window in found for name in members[window.person.person]]
    stored = await findings.find_findings(connection, area, names)
    undecided = await findings.find_not_evaluated(connection, area, names)
    outcomes: dict[str, Changed] = {}
    for window in found:
        together = members[window.person.person]
        outcomes[window.person.person] = judge_again(
            window.person,
            [digests[seq] for seq in window.seqs],
            window.everything,
            window.scope,
            rule_set,
            [entry for name in together for entry in stored.get(name, ())],
            [entry for name in together for entry in undecided.get(name, ())],
        )
    versions = [version for outcome in outcomes.values() for version in outcome.versions]
    await findings.save_versions(connection, area, versions)
    await findings.save_not_evaluated(connection, area, outcomes)
    await outbox.save_outbox(connection, FINDINGS, map(finding_message, versions))
    report.count_versions(versions)
    report.count_not_evaluated(entry for outcome in outcomes.values() for _, entry in outcome.now_not_evaluated)


def finding_message(version: FindingVersion) -> Message:
    """A finding version as it is sent on, keyed by the person so that a person's findings stay in order."""
    return Message(f"{version.area}/{version.person}".encode(), _encode_version(version), "judge")
