"""Cases: small histories written into a rule file, with what the rule must say of them.

    - name: 住院 6 天收 7 天床位费: 命中 (7 bed days in a stay of 6 days is a hit)
      events:
        - {stay: [2026-03-01, 2026-03-07], lines: [{item: "001109000010000", day: 2026-03-02, quantity: 7}]}
      expect: hit

Everything that a case does not say is ordinary: one person, one institution, paid by the fund, all in its scope.
Errors: ``ValueError`` names the key that a case may not hold.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.details import ClaimDetails, OperationDetails
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.subjects import patient
from rules_lib.engine import Judgement, judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS
from rules_lib.supplement import Supplement

PERSON = "p1"
Expected = Literal["hit", "near_miss", "not_evaluated", "nothing"]

_HOUR = 3_600_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()

_CLAIM_KEYS = {
    "claim", "encounter", "at", "visit", "stay", "mid_stay", "sex", "diagnoses", "operations", "paid", "method",
    "reverses", "corrects", "lines", "born", "settled",
}  # fmt: skip
_LINE_KEYS = {
    "id", "item", "day", "hour", "quantity", "amount", "in_fund", "days", "refund_of", "sent_out", "sent_to", "kind",
}  # fmt: skip
_CLAIM_DETAILS = {
    "practitioner", "department", "institution_level", "institution_kind", "admission_way", "discharge_way",
}  # fmt: skip
_LINE_DETAILS = {"unit_price", "practitioner", "department", "order_id", "trace_codes"}
_OPERATION_KEYS = {"code", "day", "incision", "practitioner"}
"""What few rules need, by the names of its fields (``knowledge_base.digests.details``)."""


def run_case(case: Mapping[str, Any], rule: Rule, rule_set: RuleSet) -> tuple[Expected, Judgement]:
    """What a rule says of a case: the strongest of hit, not evaluated, near miss, nothing."""
    alone = RulesOf((rule,), rule_set.facts)
    history = HISTORIES[rule.looks_at](patient(PERSON), events_of(case), alone.by_code)
    judgement = judge(history, ALL_DAYS, alone, Supplement(details_of(case)), near_misses=True)
    if judgement.findings:
        return "hit", judgement
    if judgement.not_evaluated:
        return "not_evaluated", judgement
    return ("near_miss" if judgement.near_misses else "nothing"), judgement


def failed_cases(rule_set: RuleSet) -> list[str]:
    """The cases of the rules' own files that do not come out as they say, one sentence each."""
    faults = []
    for rule in rule_set.rules:
        for case in rule.cases:
            said, _ = run_case(case, rule, rule_set)
            if said != case["expect"]:
                faults.append(f"{rule.topic}/{rule.file}: {case['name']}: expected {case['expect']}, got {said}")
    return faults


def events_of(case: Mapping[str, Any]) -> list[Digest]:
    """The events of a case as digests."""
    return [_event(index, words) for index, words in enumerate(case["events"], 1)]


def details_of(case: Mapping[str, Any]) -> dict[str, ClaimDetails]:
    """The details of the claims of a case, by event_id."""
    return {f"e{index}": _details(words) for index, words in enumerate(case["events"], 1) if "lines" in words}


def _event(index: int, words: Mapping[str, Any]) -> Digest:
    if "sex_on_file" in words:
        return StatusDigest(f"e{index}", index, PERSON, "sex", sex=words["sex_on_file"])
    _refuse_unknown(words, _CLAIM_KEYS | _CLAIM_DETAILS)
    lines = tuple(_line(number, line) for number, line in enumerate(words.get("lines", ()), 1))
    stay = [_day(day) for day in words.get("stay", ())]
    last = max([line.day for line in lines] + [day for day in stay if day is not None], default=0)
    paid = words.get("paid", 100)
    return ClaimDigest(
        event_id=f"e{index}",
        happened_at=_instant(last, 18),
        patient=PERSON,
        claim_id=words.get("claim", f"c{index}"),
        encounter_id=words.get("encounter", f"v{index}"),
        institution=words.get("at", "H1"),
        visit_type=words.get("visit", "21" if stay else "11"),
        settled_day=_day(words.get("settled")) or last,
        lines=lines,
        sex=words.get("sex", "1"),
        born=_day(words.get("born")),
        payment_method=words.get("method", "item"),
        admitted=stay[0] if stay else None,
        discharged=stay[1] if len(stay) > 1 else None,
        mid_stay=words.get("mid_stay", False),
        diagnoses=_diagnoses(words.get("diagnoses", ())),
        operation_days=_operations(words.get("operations", ())),
        fund_paid=None if paid is None else Decimal(str(paid)),
        reverses=words.get("reverses"),
        corrects=words.get("corrects"),
    )


def _line(number: int, words: Mapping[str, Any]) -> LineDigest:
    _refuse_unknown(words, _LINE_KEYS | _LINE_DETAILS)
    quantity = str(words.get("quantity", 1))
    amount = str(words.get("amount") or Decimal(quantity) * 10)
    day = words["day"].toordinal()
    return LineDigest(
        line_id=words.get("id", f"l{number}"),
        item_code=words.get("item"),
        quantity=quantity,
        amount=amount,
        in_fund_scope=_text(words.get("in_fund", amount)),
        at=_instant(day, words.get("hour", 9)),
        day=day,
        days=words.get("days"),
        refund_of=words.get("refund_of"),
        sent_out=words.get("sent_out", False),
        sent_to=words.get("sent_to"),
        item_kind=words.get("kind"),
    )


def _refuse_unknown(words: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise ValueError(f"a case may not hold {', '.join(unknown)}")


def _day(value: date | None) -> Day | None:
    return value.toordinal() if value is not None else None


def _instant(day: Day, hour: int) -> int:
    """An hour of a day in China (UTC+8), in microseconds since 1970-01-01T00:00Z."""
    return ((day - _EPOCH_DAY) * 24 + hour - 8) * _HOUR


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _diagnoses(values: Iterable[str] | None) -> tuple[tuple[str, str | None], ...] | None:
    return None if values is None else tuple((value, None) for value in values)


def _operations(values: Iterable[Any] | None) -> tuple[Day | None, ...] | None:
    """Days of operations; one is a day, or an object with what else is known of it."""
    if values is None:
        return None
    return tuple(_day(value["day"] if isinstance(value, Mapping) else value) for value in values)


def _details(words: Mapping[str, Any]) -> ClaimDetails:
    operations = [of if isinstance(of, Mapping) else {"day": of} for of in words.get("operations", ()) or ()]
    lines = words["lines"]
    last = max((line["day"].toordinal() for line in lines), default=0)
    return ClaimDetails(
        settled_at=_instant(_day(words.get("settled")) or last, 18),
        **{name: words.get(name) for name in _CLAIM_DETAILS},
        operations=tuple(map(_operation, operations)),
        unit_prices=tuple(_text(line.get("unit_price")) for line in lines),
        practitioners=tuple(line.get("practitioner") for line in lines),
        departments=tuple(line.get("department") for line in lines),
        order_ids=tuple(line.get("order_id") for line in lines),
        trace_codes=tuple(tuple(line.get("trace_codes", ())) for line in lines),
    )


def _operation(words: Mapping[str, Any]) -> OperationDetails:
    _refuse_unknown(words, _OPERATION_KEYS)
    day = _day(words["day"])
    at = None if day is None else _instant(day, 10)
    return OperationDetails(words.get("code", ""), at, words.get("incision"), words.get("practitioner"))
