"""Cases run: the history of a case as the engine would see it, and what its rule says of that.

How cases are written: ``rules_lib.case_words``. Errors: ``ValueError`` (pydantic's) names the words that no case holds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.details import ClaimDetails, OperationDetails
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.digests.regular import with_regular
from knowledge_base.subjects import patient
from rules_lib.case_words import EventWords, Expected, LineWords, OperationWords
from rules_lib.engine import Judgement, judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS
from rules_lib.supplement import Supplement

PERSON = "p1"

_HOUR = 3_600_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_A_UNIT = Decimal(10)
"""Yuan of a unit whose amount is not told."""


def run_case(case: Mapping[str, Any], rule: Rule, rule_set: RuleSet) -> tuple[Expected, Judgement]:
    """What a rule says of a case: the strongest of hit, not evaluated, near miss, nothing."""
    events = [EventWords.model_validate(words) for words in case["events"]]
    judgement = judgement_of(digests_of(events), rule, rule_set, details_of(events))
    if judgement.findings:
        return "hit", judgement
    if judgement.not_evaluated:
        return "not_evaluated", judgement
    return ("near_miss" if judgement.near_misses else "nothing"), judgement


def judgement_of(
    digests: Iterable[Digest], rule: Rule, rule_set: RuleSet, details: Mapping[str, ClaimDetails]
) -> Judgement:
    """What a rule alone says of a made-up history, near misses too."""
    alone = RulesOf((rule,), rule_set.facts)
    history = HISTORIES[rule.looks_at](patient(PERSON), digests, alone.by_code)
    return judge(history, ALL_DAYS, alone, Supplement(details), near_misses={rule.id})


def failed_cases(rule_set: RuleSet) -> list[str]:
    """The cases of the rules' own files that do not come out as they say, one sentence each."""
    faults = []
    for rule in rule_set.rules:
        for case in rule.cases:
            said, judgement = run_case(case, rule, rule_set)
            if said != case["expect"]:
                where = f"{rule.topic}/{rule.file}: {case['name']}"
                faults.append(f"{where}: expected {case['expect']}, got {said}: {what_was_measured(judgement)}")
    return faults


def what_was_measured(judgement: Judgement) -> str:
    """What a judgement found, and on what: for whoever expected something else."""
    if judgement.findings:
        return "; ".join(f"found {_plain(of.value)} > {_plain(of.limit)}" for of in judgement.findings)
    if judgement.not_evaluated:
        return f"not evaluated: {judgement.not_evaluated[0].reason}"
    if judgement.near_misses:
        return "; ".join(f"{_plain(of.value)}, at most {_plain(of.limit)}" for of in judgement.near_misses)
    return "nothing of the rule's catalogues counts there on these days"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def digests_of(events: Sequence[EventWords]) -> list[Digest]:
    """The events of a case as digests."""
    return [_digest(index, words) for index, words in enumerate(events, 1)]


def details_of(events: Sequence[EventWords]) -> dict[str, ClaimDetails]:
    """The details of the claims of a case, by event_id."""
    return {f"e{index}": _details(words) for index, words in enumerate(events, 1) if words.sex_on_file is None}


def _digest(index: int, words: EventWords) -> Digest:
    if words.sex_on_file is not None:
        return StatusDigest(f"e{index}", index, PERSON, "sex", sex=words.sex_on_file)
    stay = [_day(day) for day in words.stay]
    last = max([*_line_days(words), *(day for day in stay if day is not None)], default=0)
    digest = ClaimDigest(
        event_id=f"e{index}",
        happened_at=_instant(last, 18),
        patient=PERSON,
        claim_id=words.claim or f"c{index}",
        encounter_id=words.encounter or f"v{index}",
        institution=words.at,
        visit_type=words.visit or ("21" if stay else "11"),
        settled_day=_day(words.settled) or last,
        lines=tuple(_line(number, line) for number, line in enumerate(words.lines, 1)),
        sex=words.sex,
        born=_day(words.born),
        payment_method=words.method,
        admitted=stay[0] if stay else None,
        discharged=stay[1] if len(stay) > 1 else None,
        mid_stay=words.mid_stay,
        diagnoses=None if words.diagnoses is None else tuple((code, None) for code in words.diagnoses),
        operation_days=None if words.operations is None else tuple(_day(of.day) for of in words.operations),
        fund_paid=words.paid,
        reverses=words.reverses,
        corrects=words.corrects,
        operation_codes=tuple(of.code for of in words.operations or () if of.code),
        off_prices=tuple(
            (of.id or f"l{number}", str(of.unit_price))
            for number, of in enumerate(words.lines, 1)
            if of.unit_price is not None
        ),
    )
    return with_regular(digest)


def _line_days(words: EventWords) -> Iterator[Day]:
    return (line.day.toordinal() for line in words.lines)


def _line(number: int, words: LineWords) -> LineDigest:
    amount = words.quantity * _A_UNIT if words.amount is None else words.amount
    day = words.day.toordinal()
    return LineDigest(
        line_id=words.id or f"l{number}",
        item_code=words.item,
        quantity=str(words.quantity),
        amount=str(amount),
        in_fund_scope=_text(words.in_fund if "in_fund" in words.model_fields_set else amount),
        at=_instant(day, words.hour),
        day=day,
        days=words.days,
        refund_of=words.refund_of,
        sent_out=words.sent_out,
        sent_to=words.sent_to,
        item_kind=words.kind,
    )


def _day(value: date | None) -> Day | None:
    return value.toordinal() if value is not None else None


def _instant(day: Day, hour: int) -> int:
    """An hour of a day in China (UTC+8), in microseconds since 1970-01-01T00:00Z."""
    return ((day - _EPOCH_DAY) * 24 + hour - 8) * _HOUR


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _details(words: EventWords) -> ClaimDetails:
    lines = words.lines
    last = max(_line_days(words), default=0)
    return ClaimDetails(
        settled_at=_instant(_day(words.settled) or last, 18),
        practitioner=words.practitioner,
        department=words.department,
        institution_level=words.institution_level,
        institution_kind=words.institution_kind,
        admission_way=words.admission_way,
        discharge_way=words.discharge_way,
        operations=tuple(map(_operation, words.operations or ())),
        unit_prices=tuple(_text(line.unit_price) for line in lines),
        practitioners=tuple(line.practitioner for line in lines),
        departments=tuple(line.department for line in lines),
        order_ids=tuple(line.order_id for line in lines),
        trace_codes=tuple(line.trace_codes for line in lines),
    )


def _operation(words: OperationWords) -> OperationDetails:
    day = _day(words.day)
    at = None if day is None else _instant(day, 10)
    return OperationDetails(words.code, at, words.incision, words.practitioner)
