"""The engine on whole histories in memory, without a store; and findings in the words of the reference judge."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from knowledge_base.digests.head import Digest
from knowledge_base.events.head import Event
from knowledge_base.findings import Finding, NotEvaluated, Occurrence
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.checks import find_check
from rules_lib.engine import Judgement, judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import Check, Measure, Question, Undecided
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.messages.kinds import digest_of
from tests.reference.judge import Expected
from tests.reference.persons import person_names

Key = tuple[str, Occurrence]
"""(rule, occurrence)"""


def judgements(events: Iterable[Event], rule_set: RuleSet) -> dict[str, Judgement]:
    """What the rules say of every person of one area's events, each judged once over all days."""
    events = list(events)
    names = person_names(events)
    digests: dict[str, list[Digest]] = defaultdict(list)
    for event in events:
        digests[names[event.patient]].append(digest_of(event))
    rules = rule_set.of(PATIENT)
    histories = (PatientHistory(Subject(PATIENT, name), of, rules.by_code) for name, of in digests.items())
    return {history.subject.name: judge(history, ALL_DAYS, rules) for history in histories}


def broken_check(rule: Rule, raises: Callable[[], Exception]) -> Callable[[str], Check]:
    """In place of the engine's ``find_check``: the check of one rule raises, those of all others are as they were."""

    def found(name: str) -> Check:
        check = find_check(name)

        def asked(question: Question[Any]) -> Iterator[Measure | Undecided]:
            if question.rule.id == rule.id:
                raise raises()
            return check(question)

        return asked

    return found


def findings_of(judged: Mapping[str, Judgement]) -> dict[Key, Finding]:
    """The findings by rule and occurrence. No check may have failed."""
    assert not [judgement.left_out for judgement in judged.values() if judgement.left_out]
    found = [finding for judgement in judged.values() for finding in judgement.findings]
    by_key = {(finding.maker_id, finding.occurrence): finding for finding in found}
    assert len(by_key) == len(found), "two findings of one name"
    return by_key


def undecided_of(judged: Mapping[str, Judgement]) -> set[tuple[str, NotEvaluated]]:
    """Every anchor on which rules could not decide, with the person."""
    return {(person, entry) for person, judgement in judged.items() for entry in judgement.not_evaluated}


def as_expected(finding: Finding) -> Expected:
    """A finding in the words of the reference judge."""
    guilty = [guilty.part for guilty in finding.guilty]
    assert len({*guilty, *finding.involved}) == len(guilty) + len(finding.involved), "a line stands twice in a finding"
    return Expected(
        value=finding.value,
        limit=finding.limit,
        guilty=frozenset(guilty),
        involved=frozenset(finding.involved),
        in_question=finding.amounts.in_question,
        in_fund=finding.amounts.in_fund,
        loss=finding.amounts.loss,
        institution=finding.institution,
    )


def differences(found: Mapping[Key, Finding], expected: Mapping[Key, Expected]) -> dict[Key, str]:
    """Where findings are not what the reference judge expects, and how; empty where they are equal."""
    told = {key: as_expected(finding) for key, finding in found.items()}
    return {
        key: _difference(told.get(key), expected.get(key))
        for key in sorted({*told, *expected})
        if told.get(key) != expected.get(key)
    }


def _difference(found: Expected | None, expected: Expected | None) -> str:
    if found is None or expected is None:
        return "only the reference finds it" if found is None else "the reference does not find it"
    names = [name for name, value in vars(found).items() if value != getattr(expected, name)]
    return "; ".join(f"{name} is {getattr(found, name)}, not {getattr(expected, name)}" for name in names)
