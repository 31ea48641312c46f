"""From events to finding versions, without I/O: what a batch touches, what must be read, what is judged, what changed.

    new events -> touched days -> windows -> judge -> compare with what is stored -> raise, revise, withdraw
      arrivals.py    touching.py    windows.py   this page     comparing.py

A late event, a correction, a reversal and a merge are the same operation (docs/concepts.md), and so is every kind of
subject. The promises are: nothing outside the windows may matter to an anchor in the scope, and only anchors in the
scope, of rules that look at this kind of subject, are withdrawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from knowledge_base.findings import FindingVersion, finding_id
from rules_lib.engine import Judgement, judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Interval, Scope
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


def judge_again(window: Window, digests: Iterable[Digest], rule_set: RuleSet) -> Judgement:
    """Judges a subject's anchors in a window's scope from its digests."""
    subject = window.matter.subject
    rules = rule_set.of(subject.kind)
    history = HISTORIES[subject.kind](subject, digests, rules.by_code)
    return judge(history, window.scope, rules, window.supplement, chains=window.chains)


class Concerned(NamedTuple):
    """What a judgement may change of what is stored of a subject: all on some days, and findings of some names."""

    days: Interval
    finding_ids: Sequence[str]


def concerned_by(judgement: Judgement, window: Window, rules: RulesOf) -> Concerned:
    """What has to be read to compare a judgement with.

    What may be withdrawn meets the scope within a rule's reach. What was found has a name, under which it may be stored
    with other days. The name of an anchor that could not be decided holds its days.
    """
    first, last = window.scope.widened(rules.widest.ahead, rules.widest.back).hull
    undecided = judgement.not_evaluated
    days = min([first, *(of.first_day for of in undecided)]), max([last, *(of.last_day for of in undecided)])
    area = window.matter.area
    return Concerned(days, [finding_id(area, of.maker_id, of.occurrence) for of in judgement.findings])


def changed_by(
    judgement: Judgement,
    window: Window,
    rule_set: RuleSet,
    stored: Sequence[StoredFinding],
    stored_not_evaluated: Sequence[StoredNotEvaluated],
) -> Changed:
    """What a judgement changes of what is stored, which holds at least what is concerned by it."""
    matter = window.matter
    rules = rule_set.of(matter.subject.kind)
    was_judged = _was_judged(window.scope, rules, window.chains, judgement.left_out)
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
