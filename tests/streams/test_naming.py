"""People whom an input names by identity number have the gateway's pseudonyms from the door on."""

import json

import pytest

from streams.importers.jsonl import RawLine
from streams.importers.naming import with_pseudonyms
from streams.messages.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(b"a key of the tests, no secret at all")
NUMBER, OTHER = "p-number-1", "p-number-2"


def named(raw: bytes, part: int = 0) -> bytes:
    (line,) = with_pseudonyms([RawLine(7, raw, part)], PSEUDONYMS)
    assert (line.line_no, line.part) == (7, part)
    return line.raw


def test_a_person_is_called_as_at_the_gateway_and_all_else_is_as_it_was_written() -> None:
    raw = b'{"kind": "claim", "patient": "  p-number-1 ", "amount": 1.10, "lines": [{"patient": "x", "n": 1E+2}]}'
    renamed = named(raw)
    assert json.loads(renamed)["patient"] == PSEUDONYMS.of(NUMBER)
    assert b'"amount":1.10' in renamed
    assert b'[{"patient": "x", "n": 1E+2}]' in renamed
    assert NUMBER.encode() not in renamed


def test_of_a_merge_both_are_renamed() -> None:
    raw = json.dumps({"kind": "patient_status", "patient": NUMBER, "same_as": OTHER}).encode()
    told = json.loads(named(raw))
    assert (told["patient"], told["same_as"]) == (PSEUDONYMS.of(NUMBER), PSEUDONYMS.of(OTHER))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nothing of JSON",
        b'["a list"]',
        b'{"patient": 7}',
        b'{"patient": " "}',
        b'{"patient": null}',
        b'{"patient": "\xff"}',
        b'{"kind": "claim"}',
    ],
)
def test_what_names_nobody_stays_whole(raw: bytes) -> None:
    assert named(raw) == raw


def test_a_part_of_a_line_stays_whole() -> None:
    raw = json.dumps({"patient": NUMBER}).encode()
    assert named(raw, part=1) == raw
