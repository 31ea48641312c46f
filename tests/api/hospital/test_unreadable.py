"""What cannot be read, whatever it is, is a fault in form: never an exception, and never said back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.hospital.checking import (
    NAME_TWICE,
    NO_COLLECTION,
    NO_MESSAGE,
    NO_OBJECT,
    TWICE,
    Checked,
    check_each_field,
    check_message,
    error_words,
)
from api.hospital.faults import MOST_FAULTS, Fault
from api.hospital.parsing import DEEPEST, NOT_JSON, NOT_UTF8, TOO_DEEP
from api.hospital.scalars import NO_SIGN, REQUIRED, too_long

from .messages import INFNOS, NATIONAL_DIALECT, body_of, good_message
from .places import DIALECTS, MISSING, Place, places_of, with_value

GOOD = good_message("3101", orders=2)
BODY = body_of(GOOD)
ORDERS = ("input", "data", "patient_dtos", 0, "fsi_encounter_dtos", 0, "fsi_order_dtos")
IN_ORDERS = "input.data.patient_dtos[0].fsi_encounter_dtos[0].fsi_order_dtos"


def check(body: bytes) -> Checked:
    return check_message(body, NATIONAL_DIALECT)


def told(checked: Checked) -> list[tuple[str, str]]:
    return [(fault.path, fault.rule) for fault in checked.faults]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", NOT_JSON),
        (b"  ", NOT_JSON),
        (b"{", NOT_JSON),
        (BODY[:-1], NOT_JSON),
        (BODY + b"}", NOT_JSON),
        (BODY + BODY, NOT_JSON),
        (BODY.replace(b'"cnt":2', b'"cnt":NaN'), NOT_JSON),
        (BODY.replace(b'"cnt":2', b'"cnt":-Infinity'), NOT_JSON),
        (BODY.replace(b'"cnt":2', b'"cnt":02'), NOT_JSON),
        (BODY.replace(b'"spec":"', b'"spec":"\0'), NOT_JSON),
        (BODY.replace(b'"spec":"', b'"spec":"\n'), NOT_JSON),
        (b"'" + BODY[1:], NOT_JSON),
        (b"[1}", NOT_JSON),
        (b"]" * 3, NOT_JSON),
        (b"[", NOT_JSON),
        (BODY.decode().encode("gb18030"), NOT_UTF8),
        (BODY.decode().encode("utf-16"), NOT_UTF8),
        (BODY.replace(b'"spec":"', b'"spec":"\xed\xa0\x80'), NOT_UTF8),
        (b'{"a":"\xff"}', NOT_UTF8),
        (b"[]", NO_OBJECT),
        (b"1", NO_OBJECT),
        (b"null", NO_OBJECT),
        (b'"{}"', NO_OBJECT),
        (b"[" * 100_000, TOO_DEEP),
        (b'{"a":' * 100_000, TOO_DEEP),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), TOO_DEEP),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), TOO_DEEP),
        (b"]" * 100_000, TOO_DEEP),
        (b'"' + b'\\"' * 100_000, NOT_JSON),
    ],
)
def test_what_is_no_message_is_one_fault_of_the_whole(body: bytes, rule: str) -> None:
    assert check(body) == Checked(None, None, {}, (Fault("", "", "报文", rule),), ())


def test_what_nests_just_deep_enough_is_read() -> None:
    assert told(check(b"[" * DEEPEST + b"]" * DEEPEST)) == [("", NO_OBJECT)]


def test_brackets_in_texts_nest_nothing() -> None:
    odd = '[[{"\\' * (DEEPEST + 1)
    body = body_of({**GOOD, "fixmedins_name": odd})
    for checked in (check(body), check_each_field(body, NATIONAL_DIALECT)):
        assert (checked.faults, checked.values["fixmedins_name"]) == ((), odd)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert check(b"\xef\xbb\xbf" + BODY) == check(BODY)


def test_a_message_may_be_written_with_blanks_and_escapes() -> None:
    assert check(json.dumps(GOOD, indent=2).encode()) == check(BODY)


def test_a_text_that_nests_too_deep_is_no_collection() -> None:
    checked = check(body_of(with_value(GOOD, ORDERS, "[" * 100_000)))
    assert [fault.path for fault in checked.faults] == [IN_ORDERS]


def test_a_text_of_signs_that_are_none_is_no_collection() -> None:
    body = BODY.replace(b'"fsi_order_dtos":', b'"fsi_order_dtos":"\\ud800","more":')
    assert told(check(body)) == [(IN_ORDERS, NO_COLLECTION)]


@pytest.mark.parametrize("sign", [r"\u0000", r"\ud800", r"\udfff", r"\udc00\ud800"])
def test_signs_that_are_none_are_a_fault_of_their_field(sign: str) -> None:
    body = BODY.replace(b'"patn_name":"', f'"patn_name":"{sign}'.encode())
    assert told(check(body)) == [("input.data.patient_dtos[0].patn_name", NO_SIGN)]


def test_signs_beyond_the_first_plane_are_signs() -> None:
    body = BODY.replace(b'"patn_name":"', rb'"patn_name":"\ud842\udfb7')
    assert check(body).values["input"]["data"]["patient_dtos"][0]["patn_name"] == "𠮷测试甲"


def test_a_name_given_twice_is_named() -> None:
    body = BODY.replace(b'"cnt":2', b'"cnt":2,"cnt":3')
    assert told(check(body)) == [(f"{IN_ORDERS}[{index}].cnt", TWICE) for index in (0, 1)]
    assert told(check(BODY.replace(b'"input":', b'"input":{},"input":'))) == [("input", TWICE)]
    assert told(check(BODY.replace(b'"infno":', b'"infno":"3101","infno":'))) == [("infno", TWICE)]


def test_a_name_that_nobody_knows_given_twice_is_a_fault_and_not_said() -> None:
    body = BODY.replace(b'"data":{', '"data":{"测试甲":1,"测试甲":1,'.encode())
    assert told(check(body)) == [("input.data", NAME_TWICE)]


def test_names_given_twice_are_counted_once() -> None:
    names = ",".join(f'"n{index}":1,"n{index}":1' for index in range(40_000))
    assert told(check(BODY.replace(b'"data":{', f'"data":{{{names},'.encode()))) == [("input.data", NAME_TWICE)]


def test_another_message_is_not_served() -> None:
    checked = check(body_of({**GOOD, "infno": "2207"}))
    assert (checked.infno, told(checked)) == ("2207", [("infno", NO_MESSAGE)])
    assert "input" not in checked.values


def test_what_a_message_is_called_is_told_only_where_it_breaks_no_rule() -> None:
    checked = check(body_of({**GOOD, "msgid": "M" * 51}))
    assert (checked.msgid, told(checked)) == (None, [("msgid", too_long(50))])
    checked = check(body_of({**GOOD, "infno": "3" * 7}))
    assert (checked.infno, told(checked)) == (None, [("infno", too_long(6))])


def test_no_more_faults_are_told_than_anybody_reads() -> None:
    checked = check(body_of(with_value(GOOD, ORDERS, [{}] * 100_000)))
    assert (len(checked.faults), checked.values) == (MOST_FAULTS, {})
    assert len(checked.notes) <= MOST_FAULTS
    assert (checked.infno, checked.msgid) == ("3101", GOOD["msgid"])


# --- what a sender is told


def test_words_name_order_field_label_and_rule() -> None:
    checked = check(body_of(with_value(GOOD, (*ORDERS, 1, "cnt"), "")))
    assert error_words(checked.faults) == f"fsi_order_dtos[1].cnt 数量: {REQUIRED}"


def test_words_say_how_many_more_faults_there_are() -> None:
    order = {"rx_id": "RX1"}
    checked = check(body_of(with_value(GOOD, ORDERS, [order] * 20)))
    words = error_words(checked.faults)
    assert words.endswith(f"… 另有{len(checked.faults) - 3}处 / {len(checked.faults) - 3} more")
    assert words.startswith("fsi_order_dtos[0].hilist_type 目录类别: 必填 / required；fsi_order_dtos[0].hilist_code")


def test_no_faults_are_no_words() -> None:
    assert error_words(()) == ""


names = st.text(max_size=30)


@given(st.lists(st.builds(Fault, names, names, names, names), max_size=12).map(tuple), st.integers(0, 260))
def test_words_are_never_longer_than_they_may_be(faults: tuple[Fault, ...], most: int) -> None:
    assert len(error_words(faults, most)) <= most


# --- whatever comes

SECRET = "机密Secret7"
"""What a text that is sent holds, and no fault may."""

CHANGES = [(name, infno, place) for name in DIALECTS for infno in INFNOS for place in places_of(DIALECTS[name], infno)]

texts = st.text(max_size=20).map(lambda text: SECRET + text)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.text(max_size=30))
anything = st.recursive(
    scalars, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(texts, inside, max_size=4), max_leaves=12
)


def is_in_form(checked: Checked) -> bool:
    """Whether faults are few enough, and say nothing that was sent."""
    said = [word for fault in (*checked.faults, *checked.notes) for word in (fault.path, fault.field, fault.rule)]
    return len(checked.faults) <= MOST_FAULTS and not any(SECRET in word for word in said)


@given(st.sampled_from(CHANGES), anything | st.just(MISSING))
def test_anything_at_any_place_is_read_or_told(change: tuple[str, str, Place], value: Any) -> None:
    name, infno, place = change
    sent = with_value(good_message(infno, DIALECTS[name], orders=2), place.steps, value)
    body = json.dumps(sent, ensure_ascii=True).encode()
    assert is_in_form(check_message(body, DIALECTS[name]))


@given(st.dictionaries(st.sampled_from(["infno", "msgid", "input", SECRET]), anything))
def test_anything_in_the_envelope_is_read_or_told(sent: dict[str, Any]) -> None:
    assert is_in_form(check(json.dumps(sent).encode()))


@given(st.integers(0, len(BODY) - 1), st.integers(0, 40), st.binary(max_size=6))
def test_a_spoilt_message_is_read_or_told(start: int, length: int, instead: bytes) -> None:
    assert is_in_form(check(BODY[:start] + instead + BODY[start + length :]))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(body: bytes) -> None:
    assert is_in_form(check(body))
