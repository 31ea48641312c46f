"""Every sentence about a finding is one that a person would say: each number has its unit, and nothing is cut short."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec
import pytest

from detectors.detector import DETECTORS
from knowledge_base.cards import Card, Words
from knowledge_base.facts import Facts
from knowledge_base.findings import Finding
from rules_lib.cases import run_case
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from rules_lib.wording import Names, finding_sentence, item_names, item_units, load_wording, measured_words

SAMPLES: dict[str, Sequence[Finding]] = {}
"""Findings of detectors by the id of their card: of a new one some are written here."""

HOUSES = {"H1": "甲院", "H2": "乙院", "H42028100001": "丙院"}

_NUMBER = re.compile(r"(?<![0-9.,])[0-9][0-9,]*(?:\.[0-9]+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CUT_SHORT = {
    "zh": re.compile(
        r"[{}]|None|[，。：；、]{2}|[（(][）)]|  | [，。：；、）]|[，。：；、（] |(?<![0-9]),|[;:]|不详|[^。]$"
    ),
    "en": re.compile(r"[{}]|None|[,;:.]{2}|\(\)|  | [,;:.)]|\( |[\u3000-\uffef]|unknown|[^.]$"),
}


def faults_of(sentence: str, names: Sequence[str], lang: str) -> list[str]:
    """What a sentence lacks, once the names in it and the days are put aside."""
    plain = _DAY.sub("某日" if lang == "zh" else "then", sentence)
    for name in sorted(filter(None, names), key=len, reverse=True):
        plain = plain.replace(name, "某" if lang == "zh" else "it")
    bare = [found.group() for found in _NUMBER.finditer(plain) if not _has_unit(plain[found.end() :], found, lang)]
    return [*bare, *(found.group() for found in _CUT_SHORT[lang].finditer(plain))]


def _has_unit(rest: str, found: re.Match[str], lang: str) -> bool:
    units = load_wording().units.values()
    if lang == "zh":
        return any(rest.startswith(f" {unit.zh}") for unit in units)
    said = [unit.en if found.group() == "1" else unit.many for unit in units]
    return any(re.match(rf" {word}\b", rest) for word in said)


def samples(rule_set: RuleSet) -> Iterator[tuple[Card, Finding]]:
    """Findings of each rule's cases, each also with other numbers and with nothing in dispute; those of detectors."""
    for rule in rule_set.rules:
        for finding in hits(rule, rule_set):
            yield from ((rule, varied) for varied in _varied(finding))
    for detector in DETECTORS.values():
        yield from ((detector.card, finding) for finding in SAMPLES[detector.card.id])


def hits(rule: Rule, rule_set: RuleSet) -> list[Finding]:
    cases = [case for case in rule.cases if case["expect"] == "hit"]
    return [finding for case in cases for finding in run_case(case, rule, rule_set)[1].findings]


def _varied(finding: Finding) -> Iterator[Finding]:
    yield finding
    yield msgspec.structs.replace(finding, guilty=())
    for value in ("1", "2", "0.5", "1234.50"):
        yield msgspec.structs.replace(finding, value=Decimal(value), limit=Decimal(value))


def names_of(facts: Facts) -> Names:
    return Names(HOUSES, item_names(facts), item_units(facts))


def put_aside(finding: Finding, names: Names) -> list[str]:
    """What a sentence calls by name: items, institutions, and what the evidence quotes."""
    quoted = [word for field in finding.evidence.get("fields", {}).values() for word in field]
    listed = [word for key in ("lines", "claims") for word in finding.evidence.get(key, ())]
    items = [names.items[word] for word in finding.occurrence if word in names.items]
    return [*quoted, *listed, *items, *HOUSES.values()]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_each_number_has_a_unit_and_no_sentence_is_cut_short(rule_set: RuleSet, lang: str) -> None:
    names = names_of(rule_set.facts)
    told = {
        finding_sentence(card, finding, names, lang): put_aside(finding, names) for card, finding in samples(rule_set)
    }
    faulty = {sentence: faults for sentence, named in told.items() if (faults := faults_of(sentence, named, lang))}
    assert faulty == {}
    assert len(told) > 100


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_was_measured_is_told_with_its_unit(rule_set: RuleSet, lang: str) -> None:
    names = names_of(rule_set.facts)
    told = {words for card, finding in samples(rule_set) for words in measured_words(card, finding, names, lang)}
    full_stop = "。" if lang == "zh" else "."
    assert {words for words in told if faults_of(f"{words}{full_stop}", (), lang)} == set()


def test_every_detector_has_samples() -> None:
    assert SAMPLES.keys() == DETECTORS.keys()


@pytest.mark.parametrize(
    ("sentence", "lang"),
    [
        ("阴道灌洗上药：限另一性别的项目，2026-03-02 收了 2。", "zh"),
        ("2026-03-02 同一项目收了 36，上限 24。", "zh"),
        ("实测 1，上限 0。", "zh"),
        ("2026-03-02 收了 2 次", "zh"),
        ("2026-03-02 在  收了 2 次。", "zh"),
        ("住院，其中 1 天（）在某院就诊。", "zh"),
        ("2026-03-02 收了 2 次。。", "zh"),
        ("2026-03-02, 收了 2 次。", "zh"),
        ("2 on 2026-03-02.", "en"),
        ("Billed again: 2 units, at most 1.", "en"),
        ("Stay of 1 days.", "en"),
        ("Stay of 2 day.", "en"),
        ("Seen at .", "en"),
        ("Billed for 2 days", "en"),
    ],
)
def test_a_bare_number_and_what_is_cut_short_are_noticed(sentence: str, lang: str) -> None:
    assert faults_of(sentence, (), lang)


@pytest.mark.parametrize(
    ("unit", "code", "value", "zh", "en"),
    [
        ("item", "003107010220000", "25", "25 小时", "25 hours"),
        ("item", "001201000040000", "1", "1 日", "1 day"),
        ("item", "002503020030000", "2", "2 次", "2 units"),
        ("item", "XB05BAD252B002010101415", "1", "1 个计价单位", "1 billing unit"),
        ("day", "002503020030000", "0.5", "0.5 天", "0.5 days"),
        ("detail", "", "1", "1 处", "1 odd detail"),
        ("item", "", "3", "3 次", "3 units"),
        (None, "002503020030000", "4.2", "4.2", "4.2"),
    ],
)
def test_a_number_is_counted_in_what_its_item_is_billed_by(
    rule_set: RuleSet, unit: str | None, code: str, value: str, zh: str, en: str
) -> None:
    rule = rule_set.by_id["FW10000003"]
    finding = msgspec.structs.replace(hits(rule, rule_set)[0], occurrence=("p", "H1", code), value=Decimal(value))
    card, names = rule.model_copy(update={"unit": unit}), names_of(rule_set.facts)
    assert [measured_words(card, finding, names, lang)[0] for lang in ("zh", "en")] == [zh, en]


def test_of_two_items_the_part_is_counted_and_a_unit_without_english_stays_in_chinese(rule_set: RuleSet) -> None:
    rule = rule_set.by_id["GZ10000102012000"]
    finding = hits(rule, rule_set)[0]
    main, part = finding.occurrence[-2:]
    names = names_of(rule_set.facts)._replace(units={main: "小时", part: "部位"})
    finding = msgspec.structs.replace(finding, value=Decimal(2))
    assert measured_words(rule, finding, names, "zh")[0] == "2 部位"
    assert measured_words(rule, finding, names, "en")[0] == "2 units"


def test_what_is_posted_at_discharge_says_for_which_days(rule_set: RuleSet) -> None:
    rule = rule_set.by_id["GZ10000102014000"]
    (posted,) = [finding for finding in hits(rule, rule_set) if "posted_at_discharge" in finding.evidence]
    said = finding_sentence(rule, posted, names_of(rule_set.facts), "zh")
    assert "6 日的费用（2026-03-01 至 2026-03-05 住院期间的，记在出院日），上限 5 日。" in said


def test_a_message_of_before_says_its_numbers_as_it_did(rule_set: RuleSet) -> None:
    """Sets that were published before name ``value`` and ``limit``, and say the unit themselves."""
    rule = rule_set.by_id["FW10000003"]
    before = rule.model_copy(update={"message": Words(zh="共 {value} 次，上限 {limit} 次。", en="{value}, {limit}")})
    said = finding_sentence(before, hits(rule, rule_set)[0], names_of(rule_set.facts), "zh")
    assert said.endswith("：共 2 次，上限 1 次。")
