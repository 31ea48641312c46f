"""Reports: what a batch came to. They are counted (hosts/metrics.py) once the batch's transaction is committed."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from knowledge_base.findings import FindingVersion, NotEvaluated
from streams.pipeline.account import Tally

OUTCOMES = ("accepted", "duplicate", "conflict", "dead")
CHECK_FAILED = "check failed"


class Report(msgspec.Struct, frozen=True):
    """Counts of one batch: messages by outcome, findings by (maker, change), anchors newly not evaluated by rule.

    ``failed`` counts those of them where the rule's check raised.
    """

    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    not_evaluated: Counter[str] = msgspec.field(default_factory=Counter)
    failed: Counter[str] = msgspec.field(default_factory=Counter)

    def count_messages(self, tallies: Iterable[Tally]) -> None:
        for tally in tallies:
            self.outcomes.update({name: getattr(tally, name) for name in OUTCOMES})

    def count_versions(self, versions: Iterable[FindingVersion]) -> None:
        self.findings.update((version.maker.id, version.change.value) for version in versions)

    def count_not_evaluated(self, entries: Iterable[NotEvaluated]) -> None:
        for entry in entries:
            self.not_evaluated.update(entry.rules)
            if entry.reason.startswith(CHECK_FAILED):
                self.failed.update(entry.rules)
