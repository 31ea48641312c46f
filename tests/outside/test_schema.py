"""Schema and decoder say the same of every value of every field, and a message is refused in a few words.

The judge is another library (jsonschema) with the published files; values are generated. What it is told beside them is
the calendar, which a ``format`` stands for. What the codec alone says is named in ``_of_the_codec_alone``.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from streams.messages.codec import decode_event, decode_stored
from streams.messages.faults import MOST_FAULTS, Undecodable
from tests.streams.bad_messages import claim, status

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
_FORMATS = FormatChecker(())


@_FORMATS.checks("date-time")
@_FORMATS.checks("date")
def _is_of_the_calendar(value: object) -> bool:
    """Whether there is such a day; how it is written, patterns say."""
    parts = re.match(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", value) if isinstance(value, str) else None
    return parts is None or _is_day(*map(int, parts.groups()))


def _is_day(year: int, month: int, day: int) -> bool:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


MESSAGES: dict[str, dict[str, Any]] = {"claim": claim(1), "patient_status": status(1)}
VALIDATORS = {
    kind: Draft202012Validator(json.loads((SCHEMAS / f"{kind}.json").read_bytes()), format_checker=_FORMATS)
    for kind in MESSAGES
}


def _full(kind: str) -> dict[str, Any]:
    """A message with every field of its kind that is not bound to others."""
    message = json.loads(json.dumps(MESSAGES[kind]))
    if kind == "claim":
        message["paid"] = {"pooled_fund": "1.00", "own": "0"}
        message["operations"] = [{"code": "45.2300", "at": "2026-03-03T00:00:00Z"}]
        message["lines"][0] |= {"unit_price": "1", "own_pay": "0", "days": 3, "trace_codes": ["t"], "department": {}}
        message |= {"admitted_at": "2026-03-01T00:00:00Z", "discharged_at": "2026-03-05T00:00:00Z"}
    else:
        message |= {"died_on": "2026-03-03", "insured": [{"first": "2020-01-01", "last": "9999-12-31"}]}
    message["received_at"] = "2026-03-06T00:00:00Z"
    return message


def _places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path and path not in ((("kind"),),):
        yield path
    if isinstance(part, dict | list):
        for name, inside in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _places(inside, (*path, name))


_DIGITS = st.text("0123456789٣１２.-+eE_ ", max_size=17)
_INSTANTS = st.from_regex(
    r"(00|18|19|20|21|22|99)[0-9]{2}-[01][0-9]-[0-3][0-9][Tt _][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-2][0-9]:?[0-5][0-9])?",
    fullmatch=True,
)
_EDGES = st.sampled_from(["0001-01-01", "1899-12-31", "1900-01-01", "2100-02-29", "2199-12-31", "2200-01-01"])
VALUES = st.one_of(
    _DIGITS,
    st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,7})?", fullmatch=True),
    _INSTANTS,
    _EDGES,
    _EDGES.map("{}T23:59:59+08:00".format),
    st.dates().map(str),
    st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", fullmatch=True),
    st.integers(-5, 3_000) | st.sampled_from([3_660, 3_661, 10**18]),
    st.decimals(-9_999, 9_999, places=2, allow_nan=False).map(float),
    st.booleans(),
    st.none(),
    st.integers(0, 510).map("x".__mul__),
    st.sampled_from(["中" * 60, "中" * 61, "中" * 100, "中" * 101, "a\nb", " x ", "\u200b"]),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(["a", 1, None, {}]), max_size=3),
)


@pytest.mark.parametrize("kind", MESSAGES)
@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_schema_and_decoder_agree_on_every_value_of_every_field(kind: str, data: st.DataObject) -> None:
    message = _full(kind)
    path = data.draw(st.sampled_from(list(_places(message))))
    part = message
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = data.draw(VALUES)
    told = [error.json_path for error in VALIDATORS[kind].iter_errors(message)]
    try:
        decode_event(json.dumps(message, ensure_ascii=False).encode())
        refused = []
    except Undecodable as error:
        refused = [fault for fault in error.faults if not _of_the_codec_alone(fault)]
    assert bool(told) == bool(refused), (told, refused)


def test_what_schemas_do_not_say_is_told_from_the_rest() -> None:
    message = _full("claim")
    message["lines"][1]["line_id"] = message["lines"][0]["line_id"]
    with pytest.raises(Undecodable) as refused:
        decode_event(json.dumps(message).encode())
    assert [_of_the_codec_alone(fault) for fault in refused.value.faults] == [True]


def _of_the_codec_alone(fault: str) -> bool:
    """What schemas do not say: ``streams.messages.schemas`` tells what that is."""
    said = (
        "twice in one claim",
        "cannot refund",
        "cannot reverse",
        "not both",
        "names another patient",
        "a visible sign",
    )
    return fault.endswith(said)


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_messages_that_are_varied_are_good_ones(kind: str) -> None:
    assert not list(VALIDATORS[kind].iter_errors(_full(kind)))
    assert decode_event(json.dumps(_full(kind)).encode()).kind == kind


def test_a_leap_second_is_told_as_one() -> None:
    message = claim(1) | {"settled_at": "2016-12-31T23:59:60Z"}
    with pytest.raises(Undecodable, match="settled_at: leap second, to be written as the second before"):
        decode_event(json.dumps(message).encode())


@pytest.mark.parametrize("name", ["birth_date", "mid_stay", "kind", "diagnoses"])
def test_a_leap_second_where_no_instant_belongs_is_the_fault_of_its_field(name: str) -> None:
    body = claim(1) | {name: "2016-12-31T23:59:60Z"}
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(body).encode())
    (fault,) = raised.value.faults
    assert fault.startswith(f"{name}: ")
    assert "leap" not in fault


@pytest.mark.parametrize("lines", [30, 100_000])
def test_of_many_faults_the_first_are_told_and_how_many_more_there_are(lines: int) -> None:
    body = (
        json.dumps(claim(1) | {"lines": []})
        .encode()
        .replace(b'"lines": []', b'"lines": [%s]' % b",".join([b"{}"] * lines))
    )
    with pytest.raises(Undecodable) as raised:
        decode_event(body)
    more = 4 * lines - MOST_FAULTS
    counted = f"{more}" if more < 100_000 else "100000+"
    assert len(raised.value.faults) == MOST_FAULTS + 1
    assert raised.value.faults[-1] == f"message: further faults: {counted}"
    assert raised.value.faults[0] == "lines[0].line_id: missing"


def test_what_was_taken_once_is_read_for_good() -> None:
    message = claim(1)
    message["lines"][0] |= {"quantity": "1_000", "item_name": "x" * 2_000}
    body = json.dumps(message).encode()
    with pytest.raises(Undecodable):
        decode_event(body)
    assert decode_stored(body).event_id == message["event_id"]
