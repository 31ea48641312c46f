"""Sentences: every rule's message is filled from its own hits, and a word that is missing stops nothing."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from api.frame import formats
from api.frame.sentences import Names, finding_sentence, item_names, loss_words, method_words, reason_words
from api.frame.texts import LANGUAGES, load_texts
from knowledge_base.findings import Amounts, Finding
from rules_lib.cases import run_case
from rules_lib.rule import Rule, Words
from rules_lib.rule_set import RuleSet
from tests.api.story import county, judged

UNFILLED = re.compile(r"[{}]|None|Decimal|不详|unknown")


def _hits(rule: Rule, rule_set: RuleSet) -> list[Finding]:
    judgements = [run_case(case, rule, rule_set)[1] for case in rule.cases if case["expect"] == "hit"]
    return [finding for judgement in judgements for finding in judgement.findings]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_rule_says_its_hits_in_full(rule_set: RuleSet, lang: str) -> None:
    names = Names({"H1": "甲院", "H2": "乙院"}, item_names(rule_set.facts))
    said = 0
    for rule in rule_set.rules:
        for finding in _hits(rule, rule_set):
            sentence = finding_sentence(rule, finding, names, lang)
            assert UNFILLED.search(sentence) is None, sentence
            assert not re.search(r"\d\.0+\b", sentence), sentence
            said += 1
    assert said >= len(rule_set.rules)


def _first(rule_id: str, rule_set: RuleSet) -> tuple[Rule, Finding]:
    judgements = judged(county(), rule_set).values()
    return rule_set.by_id[rule_id], next(f for j in judgements for f in j.findings if f.rule_id == rule_id)


def test_sentence_names_item_days_and_institutions(rule_set: RuleSet) -> None:
    names = Names({"H42028100001": "甲院", "H42028100002": "乙院"}, item_names(rule_set.facts))
    rule, elsewhere = _first("FW10000004", rule_set)
    sentence = finding_sentence(rule, elsewhere, names, "zh")
    for word in ("2026-03-10", "2026-03-16", "2026-03-13", "甲院", "乙院"):
        assert word in sentence
    rule, period = _first("FW10000003", rule_set)
    assert finding_sentence(rule, period, names, "zh").startswith("糖化血红蛋白测定：2026-03-09")


def test_missing_word_is_called_unknown(rule_set: RuleSet) -> None:
    rule, finding = _first("FW10000001", rule_set)
    asking = rule.model_copy(update={"message": Words(zh="在 {nowhere} 收了 {value}", en="{value} at {nowhere}")})
    bare = type(finding)(**{name: getattr(finding, name) for name in finding.__struct_fields__} | {"evidence": {}})
    names = Names({}, {})
    assert finding_sentence(asking, bare, names, "zh") == f"在 不详 收了 {formats.number(finding.value)}"
    assert finding_sentence(rule, bare, names, "zh").count("不详") == 2


def test_details_are_named_in_words(rule_set: RuleSet) -> None:
    odd = [replace(claim, visit_type="77") for claim in county()[:1]]
    judgement = judged(odd, rule_set)[odd[0].patient]
    finding = next(f for f in judgement.findings if f.rule_id == "GZ10000201002000")
    rule = rule_set.by_id[finding.rule_id]
    assert "就医类别不在字典内" in finding_sentence(rule, finding, Names({}, {}), "zh")
    assert "kind of visit not in the dictionary" in finding_sentence(rule, finding, Names({}, {}), "en")


def test_loss_and_its_method_have_words() -> None:
    zh = load_texts("zh")
    assert loss_words(Amounts(Decimal(3), Decimal(2), None, ""), zh) == "无法计算"
    assert loss_words(Amounts(Decimal(3), Decimal(2), Decimal("1.5"), ""), zh) == "1.50"
    assert loss_words(Amounts(Decimal(0), Decimal(0), None, ""), zh) == "不涉及"
    assert "DRG" in method_words("payment_method drg", zh)
    assert method_words("payment_method missing", zh) == "缺付费方式，无法计算"
    assert method_words("a new method", zh) == "a new method"


def test_reason_of_a_failed_check_hides_the_error() -> None:
    assert "KeyError" not in reason_words("check failed: KeyError", load_texts("zh"))


@pytest.mark.parametrize(
    ("value", "said"), [("7.000000", "7"), ("1200", "1,200"), ("0.50", "0.5"), ("100", "100"), ("1E+2", "100")]
)
def test_numbers_have_no_needless_zeros(value: str, said: str) -> None:
    assert formats.number(Decimal(value)) == said


@pytest.mark.parametrize(("on", "age"), [("2026-05-31", 67), ("2026-06-01", 68), ("1950-01-01", None)])
def test_age_is_full_years(on: str, age: int | None) -> None:
    day = date.fromisoformat(on).toordinal()
    assert formats.age(date(1958, 6, 1).toordinal(), day) == age


def test_keyed_pseudonyms_are_shortened_and_told_apart() -> None:
    one, other = "a" * 28 + "0001", "a" * 28 + "0002"
    assert formats.pseudonym(one) != formats.pseudonym(other)
    assert len(formats.pseudonym(one)) == 17
    assert formats.pseudonym("demo-p-0001") == "demo-p-0001"
