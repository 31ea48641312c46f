"""Digests of claims: spans that are kept, and found again where they are not; prices that do not come to an amount."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from streams.messages.kinds import digest_of
from streams.messages.packing import decode_digest, encode_digest
from tests.reference import cases
from tests.reference.generators import mixed

FIELDS_SINCE = 6
"""The fields of a claim's digest from the first of its span on."""


@given(st.integers(0, 10_000))
def test_a_digest_stored_without_its_span_is_read_and_has_the_same(seed: int) -> None:
    for event in mixed(seed):
        if isinstance(event, Claim):
            digest = digest_of(event)
            fields = msgspec.msgpack.decode(encode_digest(digest))
            before = decode_digest("claim", msgspec.msgpack.encode(fields[:-FIELDS_SINCE]))
            assert isinstance(digest, ClaimDigest)
            assert isinstance(before, ClaimDigest)
            assert (before.first_day, before.last_day) == (None, None)
            assert before.span == digest.span == (digest.first_day, digest.last_day)


@given(st.decimals(-100, 100, places=2), st.decimals(-100, 100, places=2), st.decimals(-100, 100, places=2))
def test_prices_are_kept_of_lines_whose_amount_is_further_off_than_half_a_cent(
    quantity: Decimal, price: Decimal, amount: Decimal
) -> None:
    line = cases.line("a", None, "03-01", str(quantity), amount=amount, unit_price=price)
    kept = digest_of(cases.visit("v", line)).off_prices
    assert kept == ((("a", str(price)),) if abs(quantity * price - amount) >= Decimal("0.005") else ())


def test_a_line_of_one_unit_at_its_price_and_one_without_a_price_keep_none() -> None:
    priced = cases.line("a", None, "03-01", amount=Decimal("3.50"), unit_price=Decimal("3.50"))
    twice = cases.line("b", None, "03-01", "2", amount=Decimal("3.50"), unit_price=Decimal("3.50"))
    untold = cases.line("c", None, "03-01", "2", amount=Decimal("3.50"))
    assert digest_of(cases.visit("v", priced, twice, untold)).off_prices == (("b", "3.50"),)
