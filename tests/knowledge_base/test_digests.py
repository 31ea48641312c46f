"""Spans of claims: kept in a digest, found again where a digest was stored before they were kept."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from streams.messages.kinds import digest_of
from streams.messages.packing import decode_digest, encode_digest
from tests.reference.generators import mixed

LATER_FIELDS = 3


@given(st.integers(0, 10_000))
def test_a_digest_stored_without_its_span_is_read_and_has_the_same(seed: int) -> None:
    for event in mixed(seed):
        if isinstance(event, Claim):
            digest = digest_of(event)
            fields = msgspec.msgpack.decode(encode_digest(digest))
            before = decode_digest("claim", msgspec.msgpack.encode(fields[:-LATER_FIELDS]))
            assert isinstance(digest, ClaimDigest)
            assert isinstance(before, ClaimDigest)
            assert (before.first_day, before.last_day) == (None, None)
            assert before.span == digest.span == (digest.first_day, digest.last_day)
