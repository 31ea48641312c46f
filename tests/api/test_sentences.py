"""Sentences and formats of pages: losses, reasons, ages, pseudonyms."""

import re
from datetime import date
from decimal import Decimal

import pytest

from api.frame import formats
from api.frame.sentences import fault_words, loss_words, method_words, reason_words
from api.frame.texts import load_texts
from knowledge_base.findings import Amounts
from rules_lib.checks.stays import SENT_TO_NOBODY
from rules_lib.histories.stays import DATES_UNLIKELY
from rules_lib.rule_set import RuleSet
from streams.messages.codec import decode_event
from streams.messages.faults import Undecodable
from tests.reference.generators import persons
from tests.reference.judge import RULE_IDS
from tests.rules_lib.in_memory import judgements
from tests.streams.bad_messages import Bad, all_bad
from tests.streams.more_bad_messages import more_bad


def test_loss_and_its_method_have_words() -> None:
    zh = load_texts("zh")
    assert loss_words(Amounts(Decimal(3), Decimal(2), None, ""), zh) == "无法计算"
    assert loss_words(Amounts(Decimal(3), Decimal(2), Decimal("1.5"), ""), zh) == "1.50 元"
    assert loss_words(Amounts(Decimal(0), Decimal(0), None, ""), zh) == "不涉及"
    assert "DRG" in method_words("payment_method drg", zh)
    assert method_words("payment_method missing", zh) == "缺付费方式"
    assert method_words("a new method", zh) == "a new method"


def test_why_a_rule_could_not_decide_has_words(rule_set: RuleSet) -> None:
    people = [persons(seed, rule_id) for seed in range(40) for rule_id in RULE_IDS]
    judged = [judgement for events in people for judgement in judgements(events, rule_set).values()]
    reasons = {gap.reason for judgement in judged for gap in judgement.not_evaluated}
    assert {"paid missing", "item_kind missing"} < reasons
    reasons |= {DATES_UNLIKELY, SENT_TO_NOBODY, "number used again"}
    assert [reason for reason in reasons if reason_words(reason, load_texts("zh")) == reason] == []


def test_reason_of_a_failed_check_hides_the_error() -> None:
    assert "KeyError" not in reason_words("check failed: KeyError", load_texts("zh"))


@pytest.mark.parametrize(("on", "age"), [("2026-05-31", 67), ("2026-06-01", 68), ("1950-01-01", None)])
def test_age_is_full_years(on: str, age: int | None) -> None:
    day = date.fromisoformat(on).toordinal()
    assert formats.age(date(1958, 6, 1).toordinal(), day) == age


def test_keyed_pseudonyms_are_shortened_and_told_apart() -> None:
    one, other = "a" * 28 + "0001", "a" * 28 + "0002"
    assert formats.pseudonym(one) != formats.pseudonym(other)
    assert len(formats.pseudonym(one)) == 17
    assert formats.pseudonym("demo-p-0001") == "demo-p-0001"


def _faults_of(bad: Bad) -> list[str]:
    body = bad.body(1)
    if body is None:
        return []
    with pytest.raises(Undecodable) as raised:
        decode_event(body)
    return list(raised.value.faults)


def test_every_fault_of_a_message_has_words_in_both_languages() -> None:
    """English words are those of the fault itself, or of our own; Chinese ones are never its English."""
    faults = {fault for bad in (*all_bad(), *more_bad()) for fault in _faults_of(bad)}
    assert len({fault.rpartition(": ")[2] for fault in faults}) > 20
    zh, en = load_texts("zh"), load_texts("en")
    assert [fault for fault in faults if fault_words(fault, zh) == fault] == []
    kinds = {re.sub("[0-9]+", "#", fault) for fault in faults}
    assert [kind for kind in kinds if fault_words(kind, zh) == kind] == [], "as the page counts them"
    assert not [fault for fault in faults if "{" in fault_words(fault, zh) + fault_words(fault, en)]


@pytest.mark.parametrize(
    ("reason", "zh"),
    [
        (
            "batch 5-8 of the bus cannot be read: CRC",
            "总线上第 5 至 8 号的一批无法读出（CRC），字节随此条保存",
        ),
        (
            "batch 5-8 of the bus cannot be read: form (ValueError); its bytes lie with 5",
            "总线上第 5 至 8 号的一批无法读出（form (ValueError)），字节保存在第 5 号",
        ),
        (
            "message: longer than 16,777,216 bytes, part 1 of line 7",
            "原文第 7 行超过一条报文最多 16,777,216 字节的限制，这是其第 1 段",
        ),
        ("the log holds bytes here that cannot be unpacked", "日志中此处的字节无法解压"),
        ("cannot be handled: ZeroDivisionError", "处理时出错（ZeroDivisionError）"),
        (
            "cannot be handled: DataError; key and source left out: DataError",
            "处理时出错（DataError），消息键和来源无法保存（DataError）",
        ),
    ],
)
def test_why_a_message_was_not_looked_at_at_all_has_words(reason: str, zh: str) -> None:
    assert fault_words(reason, load_texts("zh")) == zh
    assert fault_words(re.sub("[0-9]+", "#", reason), load_texts("zh")) == re.sub("[0-9]+", "#", zh)
    assert "{" not in fault_words(reason, load_texts("en"))


def test_what_a_number_is_to_look_like_is_said_with_an_example() -> None:
    fault = "lines[#].amount: expected a decimal such as #.#, at most # digits before and # after the point"
    assert fault_words(fault, load_texts("zh")).startswith("lines[#].amount：应为小数，如 12.50：只用半角数字")
    assert fault_words(fault, load_texts("en")).startswith(
        "lines[#].amount: expected a decimal such as 12.50: plain digits"
    )


def test_why_a_text_is_no_json_is_said_in_chinese_alone() -> None:
    faults = {fault for bad in (*all_bad(), *more_bad()) for fault in _faults_of(bad) if fault.startswith("not JSON")}
    assert len({re.sub("[0-9]+", "#", fault) for fault in faults}) >= 8
    for fault in faults:
        for told in (fault, re.sub("[0-9]+", "#", fault)):
            assert re.search("[a-z]{2}", fault_words(told, load_texts("zh"))) is None, told
    assert fault_words("not JSON: JSON is malformed: invalid character (byte #)", load_texts("zh")) == (
        "不是 JSON：第 # 字节之后有不该在此的字符"
    )


def test_what_a_missing_field_is_perhaps_called_has_words() -> None:
    fault = "lines[#].amount: missing, perhaps called totl_amount"
    assert fault_words(fault, load_texts("zh")) == "lines[#].amount：缺少，也许写成了 totl_amount"
    assert fault_words(fault, load_texts("en")) == fault


def test_a_decimal_that_a_fault_expects_has_chinese_words() -> None:
    zh = load_texts("zh")
    told = fault_words("lines[0].quantity: Expected `decimal`, got `null`", zh)
    assert told == "lines[0].quantity：应为小数，实为空"
