"""The short way in says what the long one says of every message that it takes, and takes those that are good."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.hospital.checking import check_each_field, check_message
from api.hospital.dialect import Dialect
from api.hospital.plain import read_plain

from .messages import INFNOS, NATIONAL_DIALECT, body_of, good_message
from .places import DIALECTS, EVERY_MESSAGE, MISSING, Place, places_of, value_at, with_value

GOOD = good_message("3101", orders=2)
PATIENT = ("input", "data", "patient_dtos", 0)
ENCOUNTER = (*PATIENT, "fsi_encounter_dtos", 0)
DIAGNOSIS = (*ENCOUNTER, "fsi_diagnose_dtos", 0)
ORDER = (*ENCOUNTER, "fsi_order_dtos", 0)


def is_taken(body: bytes, dialect: Dialect = NATIONAL_DIALECT) -> bool:
    """Whether the short way takes a message; it says then what the long one says, which finds no fault."""
    plain = read_plain(body, dialect.plain)
    if plain is None:
        return False
    values, notes = plain
    slow = check_each_field(body, dialect)
    assert (slow.faults, slow.notes) == ((), notes)
    assert as_json(values) == as_json(slow.values)
    assert (values["infno"], values["msgid"]) == (slow.infno, slow.msgid)
    return True


def as_json(values: Any) -> bytes:
    """Values so that 1, ``True`` and "1" are told apart."""
    return msgspec.json.encode(values, order="deterministic")


@pytest.mark.parametrize(("name", "infno"), EVERY_MESSAGE)
def test_a_good_message_is_taken(name: str, infno: str) -> None:
    assert is_taken(body_of(good_message(infno, DIALECTS[name])), DIALECTS[name])


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        (("cainfo",), MISSING),
        (("cainfo",), None),
        (("cainfo",), ""),
        (("opter_name",), 'a "quoted" name \\ with a tab\t'[:-1]),
        (("input", "data", "rule_ids"), MISSING),
        (("input", "data", "rule_ids"), ""),
        ((*PATIENT, "brdy"), "1961-05-02 00:00:00"),
        ((*PATIENT, "patn_name"), "𠮷某"),
        ((*ENCOUNTER, "dscg_date"), "2026-03-09T08:00:00"),
        ((*ENCOUNTER, "setl_totlnum"), 0),
        ((*ENCOUNTER, "hifp_payamt"), ""),
        ((*ENCOUNTER, "hifp_payamt"), MISSING),
        ((*ENCOUNTER, "hifp_payamt"), 12.5),
        ((*ENCOUNTER, "fsi_operation_dtos"), ""),
        ((*ENCOUNTER, "fsi_operation_dtos"), None),
        ((*ENCOUNTER, "fsi_operation_dtos"), MISSING),
        (ORDER[:-1], value_at(GOOD, ORDER)),
        (PATIENT[:-1], value_at(GOOD, PATIENT)),
        ((*ORDER, "cnt"), "2"),
        ((*ORDER, "cnt"), 2),
        ((*ORDER, "cnt"), 2.5),
        ((*ORDER, "cnt"), "0.50"),
        ((*ORDER, "cnt"), -1),
        ((*ORDER, "hilist_lv"), "1"),
        ((*ORDER, "chrg_type"), "1"),
        ((*ORDER, "drord_begn_date"), "2026-03-04"),
        (("opter",), MISSING),
        ((*PATIENT, "patn_name"), ""),
        ((*ENCOUNTER, "setl_totlnum"), None),
        ((*ENCOUNTER, "medfee_sumamt"), MISSING),
        ((*ENCOUNTER, "medins_lv"), "四级"),
        ((*DIAGNOSIS, "dise_date"), ""),
        ((*ORDER, "ownpay_amt"), 0),
        ((*ORDER, "hilist_lv"), None),
        ((*ORDER, "chrg_type"), "99"),
    ],
)  # fmt: skip
def test_what_is_common_is_taken(steps: tuple[str | int, ...], value: Any) -> None:
    assert is_taken(body_of(with_value(GOOD, steps, value)))


def test_blanks_and_escapes_are_taken() -> None:
    assert is_taken(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"cnt":2', '"cnt":2,"cnt":3'),
        ('"cnt":2', '"cnt":2,"more":3'),
        ('"cnt":2', '"cnt" :2,"cnt":2'),
        ('"cnt":2', '"cnt"\n:2,"cnt":2'),
        ('"cnt":2', '"cnt":2,"c\\u006et":2'),
        ('"cnt":2', '"cnt":true'),
        ('"cnt":2', '"cnt":"2\\n3"'),
        ('"cnt":2', '"cnt":1e2'),
        ('"cnt":2', '"cnt":-0.0'),
        ('"cnt":2', '"cnt":[2]'),
        ('"cnt":2', '"cnt":' + "9" * 5000),
        ('"patn_name":"', '"patn_name":"\\u0000'),
        ('"patn_name":"', '"patn_name":" '),
        ('"patn_name":"', '"patn_name":"\u3000'),
        ('"gend":"2"', '"gend":"3"'),
        ('"gend":"2"', '"gend":2'),
        ('"trig_scen":"5"', '"trig_scen":"5,6"'),
        ('"dscg_date":null', '"dscg_date":"0001-01-01 00:00:00"'),
        ('"adm_date":"2026-03-03 08:30:00"', '"adm_date":"1900-01-01"'),
        ('"infno":"3101"', '"infno":"2207"'),
        ('"infno":"3101"', '"infno":"3101","a":{"infno":"3102"}'),
    ],
)
def test_what_may_be_odd_goes_the_long_way(was: str, becomes: str) -> None:
    text = body_of(GOOD).decode()
    assert was in text
    body = text.replace(was, becomes, 1).encode()
    assert read_plain(body, NATIONAL_DIALECT.plain) is None
    assert check_message(body, NATIONAL_DIALECT) == check_each_field(body, NATIONAL_DIALECT)


# --- whatever comes

CHANGES = [(name, infno, place) for name in DIALECTS for infno in INFNOS for place in places_of(DIALECTS[name], infno)]
NOTED = sorted({place.part.name for _, _, place in CHANGES if getattr(place.part, "required", "") != "always"})
NAMES = sorted({place.path.rpartition(".")[2] for _, _, place in CHANGES})

spelled = st.sampled_from([
    None, "", " ", "1", "2", 1, 0, -1, 2.5, "2.50", ".5", "007", "-0", -0.0, 1e30, "1e3", "１", True, [], {}, ["1"],
    "2026-03-04", "2026-03-04 10:05:20", "2026-03-04T02:05:20Z", "1900-01-01", 1772589920000, "01", "10", "101", "3",
    "--", "5,6", "测试", "测试 ", 'a":b', "a :b", "\u3000", "\u00a0x", "a\nb", "a\x00b", "x" * 60, MISSING,
])  # fmt: skip
numbers = (
    st.decimals(-(10**9), 10**9, places=4).map(float) | st.integers() | st.from_regex(r"-?[0-9]{1,16}(\.[0-9]{0,8})?")
)


def without(part: Any, names: set[str]) -> Any:
    """A message without some names, wherever they stand."""
    if isinstance(part, list):
        return [without(item, names) for item in part]
    if isinstance(part, dict):
        return {name: without(value, names) for name, value in part.items() if name not in names}
    return part


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    """A message of a dialect with some values changed, however it is written."""
    name, infno = draw(st.sampled_from(EVERY_MESSAGE))
    dialect = DIALECTS[name]
    message = good_message(infno, dialect, orders=draw(st.integers(0, 3)))
    for _ in range(draw(st.integers(0, 3))):
        place: Place = draw(st.sampled_from(places_of(dialect, infno)))
        try:
            message = with_value(message, place.steps, draw(spelled | numbers | st.text(max_size=12)))
        except (KeyError, IndexError, TypeError, AttributeError):  # what is around it is no longer there
            continue
    message = without(message, draw(st.just(set()) | st.sets(st.sampled_from(NOTED), max_size=9)))
    as_ascii = draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (",", " :"), (",\n", ":\t")]))
    text = json.dumps(message, ensure_ascii=as_ascii, separators=separators)
    if draw(st.integers(0, 3)) == 0:
        known = draw(st.sampled_from(NAMES))
        beside = draw(st.sampled_from(['"{0}":1,"{0}":', '"{0}" :1,"{0}":', '"more":1,"{0}":', '"{0}":":",', "{{"]))
        text = re.sub(rf'"{known}" ?:', lambda _: beside.format(known), text, count=1)
    return text.encode("utf-8", "surrogatepass"), dialect


@given(bodies())
def test_both_ways_say_the_same(sent: tuple[bytes, Dialect]) -> None:
    body, dialect = sent
    is_taken(body, dialect)
    assert check_message(body, dialect) == check_each_field(body, dialect)


BODY = body_of(GOOD)


@given(st.integers(0, len(BODY) - 1), st.integers(0, 3), st.text('0123456789.-":,{}[] \\aeu', max_size=3))
def test_both_ways_say_the_same_of_a_spoilt_message(start: int, length: int, instead: str) -> None:
    is_taken(BODY[:start] + instead.encode() + BODY[start + length :])
