"""Sentences about findings: what fills a rule's message; a word that is missing stops nothing."""

import inspect
import re
import string
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from knowledge_base.cards import Words
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.findings import Finding
from rules_lib.cases import run_case
from rules_lib.checks import details
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from rules_lib.wording import Names, finding_day, finding_sentence, item_names, item_units, load_wording, number

NOBODY = Names({}, {}, {})


def _hits(rule: Rule, rule_set: RuleSet) -> list[Finding]:
    judgements = [run_case(case, rule, rule_set)[1] for case in rule.cases if case["expect"] == "hit"]
    return [finding for judgement in judgements for finding in judgement.findings]


def _first(rule_id: str, rule_set: RuleSet) -> tuple[Rule, Finding]:
    rule = rule_set.by_id[rule_id]
    return rule, _hits(rule, rule_set)[0]


def test_sentence_names_item_days_and_institutions(rule_set: RuleSet) -> None:
    names = Names({"H1": "甲院", "H2": "乙院"}, item_names(rule_set.facts), item_units(rule_set.facts))
    rule, elsewhere = _first("FW10000005", rule_set)
    sentence = finding_sentence(rule, elsewhere, names, "zh")
    for word in ("2026-03-01", "2026-03-07", "2026-03-04", "甲院", "乙院"):
        assert word in sentence
    assert "争议" not in sentence
    padded = Names({"H1": "甲\u200b院", "H2": "乙\u200b院"}, {}, {})
    assert finding_sentence(rule, elsewhere, padded, "zh").count(r"\u200b院") == 2
    rule, period = _first("FW10000003", rule_set)
    assert finding_sentence(rule, period, names, "zh").startswith("糖化血红蛋白测定：2026-03-15")


def test_what_disputes_nothing_says_so_and_of_many_days_the_first_are_said(rule_set: RuleSet) -> None:
    rule, finding = _first("FW10000005", rule_set)
    days = [date(2026, 3, day) for day in range(2, 10)]
    bare = msgspec.structs.replace(finding, guilty=(), evidence={**finding.evidence, "days": days})
    sentence = finding_sentence(rule, bare, NOBODY, "zh")
    assert "2026-03-07、…" in sentence
    assert "2026-03-08" not in sentence
    assert "暂无争议金额" in sentence


def test_missing_word_is_called_unknown(rule_set: RuleSet) -> None:
    rule, finding = _first("FW10000001", rule_set)
    asking = rule.model_copy(update={"message": Words(zh="在 {nowhere} 收了 {value}", en="{value} at {nowhere}")})
    bare = msgspec.structs.replace(finding, evidence={})
    assert finding_sentence(asking, bare, NOBODY, "zh") == f"在 不详 收了 {number(finding.value)}"
    assert finding_sentence(rule, bare, NOBODY, "zh").count("不详") == 2


def test_day_of_the_name_comes_before_the_last_day(rule_set: RuleSet) -> None:
    _, finding = _first("FW10000003", rule_set)
    unnamed = msgspec.structs.replace(finding, occurrence=finding.occurrence[:1], last_day=finding.last_day + 1)
    assert (finding_day(finding), finding_day(unnamed)) == ("2026-03-15", "2026-03-16")


def test_details_are_named_in_words(rule_set: RuleSet) -> None:
    rule, finding = _first("GZ10000201002000", rule_set)

    def said(kind: str, lang: str) -> str:
        return finding_sentence(rule, msgspec.structs.replace(finding, evidence={"kind": kind}), NOBODY, lang)

    assert "就医类别不在字典内" in said("unknown_visit_type", "zh")
    assert "kind of visit not in the dictionary" in said("unknown_visit_type", "en")
    assert "a_later_kind" in said("a_later_kind", "zh")


ODD_NAMES = {"encounter": "V\u200b1", "claim": "C\u30001", "corrects": "C 0", "at": "H42028100001"}
ODD_LINES = [{"id": f"L\u200b{number}", "item": "002503020030000", "day": date(2026, 3, 1)} for number in range(7)]


def _odd(rule_set: RuleSet, *claims: dict[str, object]) -> Finding:
    case = {"events": [{"lines": [{"item": "002503020030000", "day": date(2026, 3, 1)}], **claim} for claim in claims]}
    (finding,) = run_case(case, rule_set.by_id["GZ10000201002000"], rule_set)[1].findings
    return finding


def test_odd_identifiers_are_named_by_field_and_line(rule_set: RuleSet) -> None:
    finding = _odd(rule_set, ODD_NAMES)
    assert finding.evidence["fields"] == {
        "claim_id": ["C\u30001"],
        "encounter_id": ["V\u200b1"],
        "corrects": ["C 0"],
    }
    assert (finding.evidence["lines"], finding.evidence["claims"]) == ([], ["C\u30001"])
    rule = rule_set.by_id["GZ10000201002000"]
    said = finding_sentence(rule, finding, NOBODY, "zh")
    assert r"字符：结算号 C\u30001、就诊号 V\u200b1、所更正的结算号 C 0，见结算 C\u30001）1 处" in said
    assert r"claim id C\u30001 and encounter id V\u200b1" in finding_sentence(rule, finding, NOBODY, "en")


def test_of_many_odd_lines_the_first_are_named(rule_set: RuleSet) -> None:
    finding = _odd(rule_set, {"lines": ODD_LINES, "claim": "S7", "at": "H42028100001"})
    named = [f"L\u200b{number}" for number in range(details.MOST_NAMED)]
    assert finding.evidence["fields"] == {"line_id": [*named, "…"]}
    assert finding.evidence["lines"] == [*named, "…"]
    said = finding_sentence(rule_set.by_id["GZ10000201002000"], finding, NOBODY, "zh")
    assert r"，见明细 L\u200b0、L\u200b1、" in said
    assert "，见结算 S7）" in said
    assert "\u200b" not in said


def test_a_pseudonym_that_is_odd_is_not_repeated() -> None:
    claim = ClaimDigest("e", 0, "p\u200b1", "c", "v", "h", "11", 739_000, ())
    named = {"fields": {"patient": []}, "lines": [], "claims": ["c"]}
    assert details._named_in("odd_identifier", [claim]) == named


def test_odd_codes_are_named_with_their_settlements(rule_set: RuleSet) -> None:
    finding = _odd(rule_set, {"claim": "S1", "at": "H42028100001", "diagnoses": ["4019", "I10", "E11x"]})
    assert finding.evidence["fields"] == {"diagnosis": ["4019", "E11x"]}
    said = finding_sentence(rule_set.by_id["GZ10000201002000"], finding, NOBODY, "zh")
    assert "诊断编码不合格式：诊断编码 4019、E11x，见结算 S1" in said


def test_a_finding_of_before_that_names_no_settlements_is_said_without(rule_set: RuleSet) -> None:
    finding = _odd(rule_set, ODD_NAMES)
    del finding.evidence["claims"]
    assert "见结算" not in finding_sentence(rule_set.by_id["GZ10000201002000"], finding, NOBODY, "zh")


DATES = ("admitted_at", "discharged_at", "settled_at")


def test_an_unlikely_date_is_told_with_its_settlement(rule_set: RuleSet) -> None:
    stay = [date(1900, 1, 1), date(2026, 3, 5)]
    line = {"item": "002503020030000", "day": date(2026, 3, 2)}
    finding = _odd(rule_set, {"at": "H42028100001", "claim": "S1", "stay": stay, "lines": [line]})
    assert finding.evidence["claims"] == ["S1"]
    said = finding_sentence(rule_set.by_id["GZ10000201002000"], finding, NOBODY, "zh")
    assert "入院 1900-01-01、出院 2026-03-05，见结算 S1" in said


def test_what_is_odd_about_a_line_names_the_settlements_that_hold_it(rule_set: RuleSet) -> None:
    lines = [{"id": name, "item": "002503020030000", "day": date(2026, 3, 1)} for name in "ab"]
    odd = {"id": "c", "item": "002503020030000", "day": date(2026, 3, 1), "quantity": 0, "amount": 5}
    of = {"at": "H42028100001", "encounter": "V"}
    finding = _odd(rule_set, {**of, "claim": "S1", "lines": lines}, {**of, "claim": "S2", "lines": [odd]})
    assert (finding.evidence["kind"], finding.evidence["claims"]) == ("no_units", ["S2"])
    said = finding_sentence(rule_set.by_id["GZ10000201002000"], finding, NOBODY, "en")
    assert "no units, but money, in settlements S2" in said


def test_every_field_of_an_odd_identifier_or_code_has_words() -> None:
    codes = {field for field, *_ in details.ODD_CODES.values()}
    assert {*details.OWN_NAMES, *details.LINE_NAMES, *codes, *DATES} == set(load_wording().fields)


def test_every_oddity_has_words() -> None:
    """Every name of several words that the check writes is a field or a kind."""
    written = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', inspect.getsource(details)))
    assert "line_twice" in written
    assert written - {*details.OWN_NAMES, *details.LINE_NAMES, "far_days", "cents_a_unit", *DATES} == set(
        load_wording().oddities
    )


def test_both_languages_are_filled_with_the_same_words() -> None:
    wording = load_wording()
    plain = (wording.subject, wording.joint, wording.unknown, wording.named, wording.on_lines, wording.in_claims)
    for words in (*plain, *wording.oddities.values(), *wording.fields.values()):
        zh, en = ({name for _, name, _, _ in string.Formatter().parse(text)} for text in (words.zh, words.en))
        assert zh == en


@pytest.mark.parametrize(
    ("value", "said"), [("7.000000", "7"), ("1200", "1,200"), ("0.50", "0.5"), ("100", "100"), ("1E+2", "100")]
)
def test_numbers_have_no_needless_zeros(value: str, said: str) -> None:
    assert number(Decimal(value)) == said
