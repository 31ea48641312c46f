"""Traps on every rule, which each has thought of, or says why they come out otherwise; and a rule that has not."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import get_args

import msgspec
import pytest

from knowledge_base.cards import Words
from knowledge_base.catalogues.files import load_facts
from rules_lib import engine, variants
from rules_lib.case_words import EventWords
from rules_lib.checks import find_check
from rules_lib.histories.history import ZERO, Line
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import Check, Measure, Question, Undecided, units, whole
from rules_lib.rule import Rule, TrapName
from rules_lib.rule_files import load_rule_set
from rules_lib.traps import TRAPS, Answer, try_traps
from rules_lib.variants import Hit, told

RULES = load_rule_set(load_facts())
CAP, PERIOD = RULES.by_id["GZ10000102014000"], RULES.by_id["FW10000003"]


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.file)
def test_a_rule_has_thought_of_every_trap_or_says_why_not(rule: Rule) -> None:
    answers = try_traps(rule, RULES)
    assert [answer.trap for answer in answers] == list(TRAPS) == list(get_args(TrapName))
    assert [answer for answer in answers if answer.verdict in ("not thought of", "needless")] == []


def test_every_trap_can_happen_to_some_rule_that_has_thought_of_it() -> None:
    answers = [answer for rule in RULES.rules for answer in try_traps(rule, RULES)]
    assert {answer.trap for answer in answers if answer.verdict == "thought of"} == TRAPS.keys()


# --- a rule that has not thought of something


def _answers(rule: Rule, check: Check, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What traps say of a rule with another check."""
    monkeypatch.setattr(engine, "find_check", lambda _: check)
    return {answer.trap: answer for answer in try_traps(rule, RULES)}


def _not_thought_of(answers: dict[str, Answer]) -> set[str]:
    return {name for name, answer in answers.items() if answer.verdict == "not thought of"}


def _as_billed(question: Question[PatientHistory]) -> list[Line]:
    return [
        Line(claim, digest, Decimal(digest.quantity), Decimal(digest.amount), ZERO, True)
        for claim in question.history.claims
        for digest in claim.lines
        if digest.item_code in question.items and digest.refund_of is None
    ]


def _naive(question: Question[PatientHistory]) -> Iterator[Measure]:
    """More than the cap in one claim, whoever paid and whatever was taken back, on the day on which it was settled."""
    claims: dict[str, list[Line]] = {}
    for line in _as_billed(question):
        claims.setdefault(line.claim.claim_id, []).append(line)
    for lines in claims.values():
        claim = lines[0].claim
        limit = question.facts.codes("daily_caps")[str(lines[0].digest.item_code)][0].row.limit
        if units(lines) > limit:
            words = (claim.patient, claim.settled_day)
            yield Measure(words, units(lines), limit, lines[0].day, lines[-1].day, "H1", guilty=whole(lines))


def test_what_a_naive_rule_has_not_thought_of_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = _answers(CAP, _naive, monkeypatch)
    by_the_history = {"reversal", "correction", "sent_again"}
    assert _not_thought_of(answers) == TRAPS.keys() - by_the_history - {"two_areas"}
    assert answers["late_claim"].came == "found 2 > 1"
    assert answers["late_claim"].case.startswith("一天 1 次")


def test_a_rule_that_knows_what_lies_in_another_area_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Line] = []

    def remembering(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
        for answer in find_check(PERIOD.check)(question):
            if isinstance(answer, Measure):
                yield msgspec.structs.replace(answer, involved=[*answer.involved, *seen[:1]])
            else:
                yield answer
        seen.extend(_as_billed(question))

    assert "two_areas" in _not_thought_of(_answers(PERIOD, remembering, monkeypatch))


def test_an_exception_for_nothing_is_needless_and_one_without_a_hit_too() -> None:
    reason = Words(zh="无", en="none")
    excepting = CAP.model_copy(update={"traps": {"refund": reason}})
    found = {answer.trap: answer for answer in try_traps(excepting, RULES)}
    assert (found["refund"].verdict, found["refund"].reason) == ("needless", reason)
    without_hits = CAP.model_copy(update={"cases": CAP.cases[:1]})
    assert {answer.verdict for answer in try_traps(without_hits, RULES)} == {"does not apply"}


# --- what a trap makes of a case

LINES = ({"id": "a", "item": "X", "day": date(2026, 3, 2), "quantity": 7}, {"item": "Y", "day": date(2026, 3, 3)})
STAY = EventWords.model_validate({"stay": [date(2026, 3, 1), date(2026, 3, 7)], "lines": LINES})
NEEDING_LINES = (variants.with_refund, variants.with_negative_line, variants.with_correction, variants.self_paid)
HIT = Hit(told([STAY]), frozenset({("H1", "v1", "a")}), frozenset(), Decimal(1))


def test_a_refund_takes_the_line_in_dispute_back_and_no_other() -> None:
    _, refund = variants.with_refund(HIT)
    (line,) = refund.lines
    assert (line.refund_of, line.quantity, line.amount, line.in_fund) == ("a", -7, -70, -70)
    assert (refund.claim, refund.encounter, refund.stay, refund.reverses) == ("r-c1", "v1", STAY.stay, None)


def test_a_negative_line_is_a_refund_that_names_no_line() -> None:
    (_, refund), (_, negative) = variants.with_refund(HIT) or [], variants.with_negative_line(HIT) or []
    assert negative.lines[0].refund_of is None
    assert negative.lines[0] == refund.lines[0].model_copy(update={"refund_of": None})


def test_in_the_middle_of_a_stay_every_line_is_settled_once() -> None:
    middle, end = variants.settled_in_the_middle(HIT) or []
    assert (middle.mid_stay, end.mid_stay) == (True, False)
    assert [line.id for line in (*middle.lines, *end.lines)] == ["a", "l2"]
    assert (middle.encounter, end.encounter) == ("v1", "v1")


def test_on_the_day_of_transfer_what_is_beyond_the_limit_was_given_by_the_other_hospital() -> None:
    stay, other = variants.on_transfer_day(HIT) or []
    assert [(line.id, line.quantity, line.day.day) for line in stay.lines] == [("a", 6, 2), ("l2", 1, 3)]
    assert [(line.quantity, line.amount, line.day.day) for line in other.lines] == [(1, 10, 7)]
    assert (other.at, other.stay[0]) == ("H9", date(2026, 3, 7))


def test_where_claims_alone_are_in_dispute_they_are_meant_and_have_no_lines_to_take_back() -> None:
    hit = Hit(told([STAY.model_copy(update={"lines": ()})]), frozenset(), frozenset(), Decimal(1))
    assert [of(hit) for of in NEEDING_LINES] == [None] * 4
    claim, reversal = variants.with_reversal(hit)
    assert (reversal.reverses, reversal.lines) == (claim.claim, ())
    assert [event.paid for event in variants.without_fund(hit)] == [0]
    assert [event.settled for event in variants.settled_late(hit)] == [date(2026, 9, 3)]


def test_what_cannot_happen_to_a_case_is_not_tried() -> None:
    open_stay = Hit(told([STAY.model_copy(update={"stay": STAY.stay[:1]})]), HIT.guilty, HIT.involved, HIT.beyond)
    assert variants.settled_in_the_middle(open_stay) is None
    assert variants.posted_at_discharge(open_stay) is None
    assert variants.on_transfer_day(Hit(HIT.events, frozenset(), frozenset(), HIT.beyond)) is None
