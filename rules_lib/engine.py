"""The engine: asks every rule that can speak of a subject, and turns measures into findings.

``judge`` is a pure function of a history, a scope and the rules that look at that kind of subject. A check that raises
is "not evaluated" for the subject; it never stops the others.
"""

import traceback
from collections.abc import Container, Iterable
from decimal import Decimal
from pathlib import Path

import msgspec

from knowledge_base.days import Day, as_date
from knowledge_base.facts import Facts
from knowledge_base.findings import Amounts, Finding, GuiltyPart, NotEvaluated, Occurrence
from rules_lib.checks import find_check
from rules_lib.histories.history import NOTHING, ZERO, History, Line
from rules_lib.questions import Measure, Question, Undecided, Word
from rules_lib.rule import Reach, Rule
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS, Scope
from rules_lib.supplement import NO_SUPPLEMENT, Old, Supplement


class Judgement(msgspec.Struct, frozen=True):
    """What the rules say of the anchors in a scope. A near miss is what would be found were its limit lower.

    ``left_out`` are the days of a rule on which it says nothing, and nothing of it may be withdrawn: all of them where
    it raised, those around digests of an earlier generation than it needs.
    """

    findings: list[Finding]
    near_misses: list[Finding]
    not_evaluated: list[NotEvaluated]
    left_out: dict[str, Scope]


def judge(
    history: History,
    scope: Scope,
    rules: RulesOf,
    supplement: Supplement = NO_SUPPLEMENT,
    *,
    chains: bool = True,
    near_misses: Container[str] = (),
) -> Judgement:
    """Judges every anchor whose reach meets the scope, each from its whole reach.

    ``supplement`` holds what rules need beside digests. ``chains`` says that the history holds every event with
    an item of a rule that reads whole items (``whole_item``); else those rules are not asked. ``near_misses`` are
    the rules that are asked also for what stayed within its limit, for hints, cases and the question "why not".
    """
    judgement = Judgement([], [], [], {})
    judged: dict[tuple[Day, Day], Scope] = {}
    for rule, items in _spoken_of(history, rules):
        reach = rule.reach
        if chains or not reach.whole_item:
            of_anchors = judged.get((reach.back, reach.ahead))
            if of_anchors is None:
                of_anchors = judged[reach.back, reach.ahead] = _judged(scope, reach)
            question = Question(history, rule, rules.facts, of_anchors, items, supplement.details)
            if supplement.old:
                _leave_out(question, supplement.old, judgement)
            _ask(question, scope, judgement, rule.id in near_misses)
    judgement.not_evaluated.extend(_without_item_code(history, scope, rules))
    return judgement


def _spoken_of(history: History, rules: RulesOf) -> Iterable[tuple[Rule, dict[str, list[Line]]]]:
    """The rules that can speak of a history, each with the lines of its items."""
    found: dict[str, tuple[Rule, dict[str, list[Line]]]] = {rule.id: (rule, {}) for rule in rules.always}
    by_code = rules.by_code
    for code, lines in history.items.items():
        for rule in by_code[code]:
            if rule.id not in found:
                found[rule.id] = (rule, {})
            found[rule.id][1][code] = lines
    return found.values()


def _judged(scope: Scope, reach: Reach) -> Scope:
    """The days of anchors whose reach meets a scope."""
    return scope.widened(reach.ahead, reach.back) if reach.ahead or reach.back else scope


def _leave_out(question: Question[History], old: Iterable[Old], judgement: Judgement) -> None:
    """Leaves out the days around digests that lack what a rule needs, and says so of their encounters."""
    rule = question.rule
    own = {line.encounter for lines in question.items.values() for line in lines}
    lacking = [of for of in old if of.generation < rule.generation and (rule.always or of.encounter in own)]
    if lacking:
        judgement.left_out[rule.id] = _judged(Scope((of.first_day, of.last_day) for of in lacking), rule.reach)
    for of in lacking:
        if question.meets(of.first_day, of.last_day):
            occurrence, reason = (question.name, *of.encounter), f"digest of generation {of.generation}"
            judgement.not_evaluated.append(NotEvaluated((rule.id,), occurrence, reason, of.first_day, of.last_day))


def _ask(question: Question[History], scope: Scope, judgement: Judgement, near_misses: bool) -> None:
    rule = question.rule
    try:
        answers = list(find_check(rule.check)(question))
    except Exception as error:  # noqa: BLE001 - a faulty check must not stop a batch: it is shown and run again
        judgement.left_out[rule.id] = ALL_DAYS
        first, last = scope.hull
        judgement.not_evaluated.append(
            NotEvaluated((rule.id,), (question.name,), f"check failed: {_where(error)}", first, last)
        )
        return
    left_out = judgement.left_out.get(rule.id)
    for answer in answers:
        if left_out is not None and left_out.meets(answer.first_day, answer.last_day):
            continue
        if isinstance(answer, Undecided):
            judgement.not_evaluated.append(
                NotEvaluated((rule.id,), _named(answer.occurrence), answer.reason, answer.first_day, answer.last_day)
            )
        elif answer.value > answer.limit:
            judgement.findings.append(_finding(question.history, rule, question.facts, answer))
        elif near_misses:
            judgement.near_misses.append(_finding(question.history, rule, question.facts, answer))


def _where(error: Exception) -> str:
    """The kind of an error and the place where it arose, without its text, which may hold personal data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _named(words: Iterable[Word]) -> Occurrence:
    return tuple(as_date(word).isoformat() if isinstance(word, int) else word for word in words)


def _finding(history: History, rule: Rule, facts: Facts, measure: Measure) -> Finding:
    guilty = tuple(GuiltyPart(share[0].key, history.amounts_of(share)) for share in measure.guilty)
    guilty += tuple(GuiltyPart(part, NOTHING) for part in measure.guilty_parts)
    institution = measure.guilty[-1][0].institution if measure.guilty else measure.institution
    return Finding(
        maker_id=rule.id,
        occurrence=_named(measure.occurrence),
        value=_plain(measure.value),
        limit=_plain(measure.limit),
        first_day=measure.first_day,
        last_day=measure.last_day,
        guilty=guilty,
        involved=tuple(line.key for line in measure.involved),
        evidence=measure.evidence,
        amounts=total(part.amounts for part in guilty),
        institution=institution or "",
        points=_points_used(rule, measure, facts),
        excuse_until=measure.excuse_until,
    )


def _points_used(rule: Rule, measure: Measure, facts: Facts) -> tuple[str, ...]:
    """The facts that hold for the lines of a finding on their days."""
    lines = [share[0].digest for share in measure.guilty] + [line.digest for line in measure.involved]
    catalogues = rule.catalogues if measure.catalogue is None else (measure.catalogue,)
    found = {
        point.point_id
        for line in lines
        for catalogue in catalogues
        if line.item_code is not None and (point := facts.in_force(catalogue, line.item_code, line.day)) is not None
    }
    return tuple(sorted(found))


def _plain(number: Decimal) -> Decimal:
    """The one form of a number: no trailing zeros, no exponent."""
    shortest = number.normalize()
    return shortest.quantize(Decimal(1)) if shortest == shortest.to_integral_value() else shortest


def total(parts: Iterable[Amounts]) -> Amounts:
    """Amounts added up; the loss is not computable where that of one part is not."""
    parts = list(parts)
    unknown = next((part for part in parts if part.loss is None), None)
    return Amounts(
        in_question=sum((part.in_question for part in parts), ZERO),
        in_fund=sum((part.in_fund for part in parts), ZERO),
        loss=None if unknown else sum((part.loss for part in parts if part.loss is not None), ZERO),
        method=unknown.method if unknown else (parts[0].method if parts else NOTHING.method),
    )


def _without_item_code(history: History, scope: Scope, rules: RulesOf) -> Iterable[NotEvaluated]:
    """Encounters with lines that name no item: the rules that need the code are not evaluated on them."""
    needing = rules.needing_item_codes
    # Named by one rule alone such an anchor is one of that rule's, so it is judged as far off as they are.
    judged = _judged(scope, rules.by_id[needing[0]].reach) if len(needing) == 1 else scope
    for encounter, days in history.days_without_code.items():
        first, last = min(days), max(days)
        if judged.meets(first, last):
            occurrence = (history.subject.name, *encounter)
            yield NotEvaluated(needing, occurrence, "lines.item_code missing", first, last)
