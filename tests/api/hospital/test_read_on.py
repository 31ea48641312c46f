"""What the gateway takes in the reader of its events takes in too: nothing is answered with 0 and then a dead letter.

Each field of a request and of a reply, with values that its table allows and that look like nothing, or like very much.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.hospital.dialect import NATIONAL
from api.hospital.requests import replies_of, requests_of
from api.hospital.scalars import REQUIRED
from api.hospital.tables import Field
from knowledge_base.events.head import Event
from streams.messages.codec import decode_message, encode_event
from streams.messages.faults import Undecodable
from streams.messages.pseudonyms import Pseudonyms
from tests.reference.cases import at
from tests.streams.replay import VAULT

from .places import Tried, check_both_ways, fields_of, national_steps, tried, value_at, with_value

PSEUDONYMS = Pseudonyms(b"a key of the tests, which is no secret")
NOW = at("03-12", "10:00")

UNSEEN = ("\u200b", "\ufeff", "\x1b", "\x7f", "\u3164", "\u115f", "\u2800", "\u202e", "\U000e0001")
ODD_TEXTS = ("a\u200b", "/", "a/b", "-", "-a", "\u200b-a", "a\x01b", "0", "\u3164a")
ODD_NUMBERS = ("-1", "0", "-0", "0.0000", "0.000001", "1e5", "1e-7")
ODD_MOMENTS = (
    "1900-01-02 00:00:00", "2090-12-31 23:59:59", "1986-05-04 00:00:00", "2026-03-04T10:00:00+14:00",
    "2026-03-04 10:00:00.123456789", "1582-10-10", "9999-12-31 23:59:59", "0001-01-01",
)  # fmt: skip

read_on = pytest.mark.parametrize("infno", ["3101", "3103"])
"""What is kept: 3102 is read by the same table as 3101, and dialects add no field that is kept."""


def odd_values(field: Field) -> Iterator[Any]:
    if field.kind == "text":
        yield from (*UNSEEN, *ODD_TEXTS, "a" * field.length, "某" * field.length)
    elif field.kind == "number":
        yield from (*ODD_NUMBERS, "9" * field.length, f"-{'9' * field.length}")
    else:
        yield from ODD_MOMENTS


def events_of(values: Any, infno: str) -> list[Event]:
    """What the gateway keeps of a message."""
    if infno == "3103":
        return [*replies_of(values, NOW, VAULT)]
    return [request.prescription for request in requests_of(values, NOW, PSEUDONYMS)]


def faults_behind(of: Tried, message: Any, infno: str) -> list[str]:
    """What the reader finds wrong with what the gateway takes in."""
    checked = check_both_ways(message, of.dialect)
    found: list[str] = []
    for event in [] if checked.faults else events_of(checked.values, infno):
        try:
            decode_message(encode_event(event))
        except Undecodable as error:
            found += error.faults
    return found


@read_on
def test_whatever_is_taken_in_is_read_on(infno: str) -> None:
    of = tried(NATIONAL, infno)
    assert [
        (place.path, value, found)
        for place, field in fields_of(of.dialect, infno)
        for value in odd_values(field)
        if (found := faults_behind(of, with_value(of.message, place.steps, value), infno))
    ] == []


@read_on
def test_a_text_that_shows_nothing_is_empty(infno: str) -> None:
    of, wrong = tried(NATIONAL, infno), []
    for place, field in fields_of(of.dialect, infno, "text"):
        for value in UNSEEN:
            checked = of.check(place, value)
            missed = [fault.rule for fault in (*checked.faults, *checked.notes)] == [REQUIRED]
            if value_at(checked.values, national_steps(place.path)) or missed != (field.required != "never"):
                wrong.append((place.path, json.dumps(value)))
    assert wrong == []
