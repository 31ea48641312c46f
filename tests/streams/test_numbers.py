"""Numbers as texts: which are spelled plainly, held against a grammar of its own, and what becomes of the others."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.digests.claims import ClaimDigest
from streams.messages.codec import decode_event
from streams.messages.faults import Undecodable
from streams.messages.kinds import digest_of
from streams.messages.numbers import are_plain

from .bad_messages import claim

_PLAIN = st.from_regex(r"-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,6})?", fullmatch=True)
_NEARLY = st.text("0123456789.-", max_size=24)
_ANY = st.text("0123456789.-+eE_ \n\t\0٣x", max_size=8)
_NUMBERS = st.one_of(_PLAIN, _NEARLY, _ANY)


def _is_plain(text: str) -> bool:
    """A sign or none; no zero before other digits; at most 14 digits, and 1 to 6 after a point."""
    whole, point, part = text.removeprefix("-").partition(".")
    return (
        _is_of_digits(whole, 14)
        and (whole == "0" or not whole.startswith("0"))
        and (not point or _is_of_digits(part, 6))
    )


def _is_of_digits(text: str, most: int) -> bool:
    return 0 < len(text) <= most and all("0" <= letter <= "9" for letter in text)


@given(st.lists(_NUMBERS, max_size=6))
def test_numbers_are_plain_where_each_is(numbers: list[str]) -> None:
    assert are_plain(numbers) == all(map(_is_plain, numbers))


@given(st.lists(_PLAIN, max_size=30))
def test_plain_numbers_are_spelled_as_decimals_are(numbers: list[str]) -> None:
    assert are_plain(numbers)
    assert [str(Decimal(number)) for number in numbers] == numbers


@pytest.mark.parametrize(
    "numbers",
    [
        ["123456789012345"],
        ["1 2"],
        [" 1"],
        ["1 "],
        ["1", ""],
        ["1", "2 "],
        ["1.1234567"],
        ["007"],
        ["1.", "2"],
        ["1\n"],
    ],
)
def test_what_two_plain_numbers_might_hide_is_not_plain(numbers: list[str]) -> None:
    assert not are_plain(numbers)


def _names_amount(refused: Undecodable) -> bool:
    return any(fault.startswith("lines[0].amount: ") for fault in refused.faults)


def _outcome(amount: object) -> tuple[Decimal, str] | None:
    """What an amount means and how its digest holds it, or nothing where it is a fault of the message."""
    return _outcome_of(json.dumps(amount))


def _outcome_of(written: str) -> tuple[Decimal, str] | None:
    """The same of an amount as it stands in the JSON."""
    body = claim(1)
    body["lines"][0]["amount"] = "AMOUNT"
    try:
        event = decode_event(json.dumps(body).replace('"AMOUNT"', written).encode())
    except Undecodable as refused:
        return None if _names_amount(refused) else pytest.fail(f"{refused.faults} do not name the field")
    digest = digest_of(event)
    assert isinstance(digest, ClaimDigest)
    return Decimal(event.lines[0].amount), digest.lines[0].amount


@given(_NUMBERS)
def test_a_number_is_taken_as_the_schema_has_it_or_refused(text: str) -> None:
    whole, point, part = text.removeprefix("-").partition(".")
    is_written = _is_of_digits(whole, 14) and (not point or _is_of_digits(part, 6))
    assert _outcome(text) == ((Decimal(text), str(Decimal(text))) if is_written else None)


@given(st.integers(-(10**14), 10**14) | st.decimals(-(10**8), 10**8, places=6).map(float))
def test_a_number_without_quotes_is_one_of_its_digits(number: float) -> None:
    meant = Decimal(json.dumps(number))
    assert _outcome(number) == ((meant, str(meant)) if abs(meant) < 10**14 else None)


@pytest.mark.parametrize(
    "number", ["0.10000000000000000000001", "12345678901234.1234567", "1.0000000", "1e-20000", "1e999", "-1e14", "1e-7"]
)
def test_without_quotes_no_number_has_more_digits_than_with_them(number: str) -> None:
    assert _outcome_of(number) is None
    assert _outcome(number) is None


def test_without_quotes_no_digit_is_lost() -> None:
    number = "-12345678901234.123456"
    assert _outcome_of(number) == (Decimal(number), number)
