"""From events to finding versions, without I/O: what a batch touches, what must be read, what is judged, what changed.

    new events -> touched days -> windows -> judge -> compare with what is stored -> raise, revise, withdraw
      arrivals.py    touching.py    windows.py   this page     comparing.py

A late event, a correction, a reversal and a merge are the same operation (docs/concepts.md), and so is every kind of
subject. The promises are: nothing outside the windows may matter to an anchor in the scope, and only anchors in the
scope, of rules that look at this kind of subject, are withdrawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from knowledge_base.findings import FindingVersion
from rules_lib.engine import judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Scope
from streams.pipeline.comparing import (
    Changed,
    Made,
    StoredFinding,
    StoredNotEvaluated,
    WasJudged,
    compared,
    compared_anchors,
)
from streams.pipeline.windows import Window


def judge_again(
    window: Window,
    digests: Iterable[Digest],
    rule_set: RuleSet,
    stored: Sequence[StoredFinding],
    stored_not_evaluated: Sequence[StoredNotEvaluated],
) -> Changed:
    """Judges a subject's anchors in a window's scope from its digests and compares with what is stored."""
    matter, scope, chains = window.matter, window.scope, window.chains
    rules = rule_set.of(matter.subject.kind)
    history = HISTORIES[matter.subject.kind](matter.subject, digests, rules.by_code)
    judgement = judge(history, scope, rules, window.supplement, chains=chains)
    was_judged = _was_judged(scope, rules, chains, judgement.left_out)
    versions: list[FindingVersion] = []
    if judgement.findings or stored:
        made = partial(_made_by, rule_set)
        versions = compared(matter.area, matter.subject, matter.because, judgement.findings, stored, made, was_judged)
    return Changed(versions, *compared_anchors(judgement.not_evaluated, stored_not_evaluated, was_judged))


def _made_by(rule_set: RuleSet, rule_id: str) -> Made:
    rule = rule_set.by_id.get(rule_id)
    return Made(rule_set.maker(rule_id), rule.topic if rule else "")


def _was_judged(scope: Scope, rules: RulesOf, chains: bool, left_out: Mapping[str, Scope]) -> WasJudged:
    """Anchors of rules that the set does not hold any more count as judged where they meet the scope.

    Those that a rule left out, or of one whose file this program cannot load, do not.
    """

    def was_judged(makers: Sequence[str], first_day: Day, last_day: Day) -> bool:
        if not rules.suspended.isdisjoint(makers):
            return False
        rule = rules.by_id.get(makers[0]) if len(makers) == 1 else None
        if rule is None:
            return scope.meets(first_day, last_day)
        if rule.reach.whole_item and not chains:
            return False
        if rule.id in left_out and left_out[rule.id].meets(first_day, last_day):
            return False
        return scope.meets(first_day - rule.reach.back, last_day + rule.reach.ahead)

    return was_judged
