"""From events to finding versions, without I/O: what a batch touches, what must be read, what is judged, what changed.

    new events -> touched days -> windows -> judge -> compare with what is stored -> raise, revise, withdraw

A late event, a correction, a reversal and a merge are the same operation (docs/concepts.md). The promises are:
nothing outside the windows may matter to an anchor in the scope, and only anchors in the scope are withdrawn.
"""

from collections.abc import Iterable, Sequence

from knowledge_base.digests.kinds import Digest
from rules_lib.engine import judge
from rules_lib.histories.patient import History
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Scope
from streams.pipeline.comparing import Changed, InScope, StoredFinding, StoredNotEvaluated, anchor_id, versions_of
from streams.pipeline.touching import Person


def judge_again(
    person: Person,
    digests: Iterable[Digest],
    everything: bool,
    scope: Scope,
    rule_set: RuleSet,
    stored: Sequence[StoredFinding],
    stored_not_evaluated: Sequence[StoredNotEvaluated],
) -> Changed:
    """Judges a person's anchors in the scope from their windows and compares with what is stored.

    ``everything`` says that the digests are the person's whole history, which rules with ``whole_item`` need.
    """
    history = History(person.person, digests, rule_set.by_code)
    judgement = judge(history, scope, rule_set, everything=everything)
    in_scope = InScope(scope, rule_set, everything, judgement.failed)
    versions = versions_of(person, judgement.findings, in_scope, rule_set, stored)
    fresh = {anchor_id(entry): entry for entry in judgement.not_evaluated}
    known = {entry.anchor_id for entry in stored_not_evaluated}
    return Changed(
        versions=versions,
        now_not_evaluated=[(anchor, entry) for anchor, entry in fresh.items() if anchor not in known],
        no_longer_not_evaluated=[
            (entry.person, entry.anchor_id)
            for entry in stored_not_evaluated
            if entry.anchor_id not in fresh and in_scope.holds(entry.rules, entry.first_day, entry.last_day)
        ],
    )
