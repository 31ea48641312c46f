"""Packing: digests and details as stored bytes."""

from functools import cache
from typing import Any

import msgspec

from knowledge_base.digests.head import Details, Digest
from knowledge_base.digests.prescriptions import PrescriptionDigest
from streams.messages.kinds import KINDS

_encode = msgspec.msgpack.Encoder().encode


def encode_digest(digest: Digest) -> bytes:
    return _encode(digest)


def decode_digest(kind: str, body: bytes) -> Digest:
    """A stored digest of an event of some kind."""
    digest: Digest = _decoder_of(KINDS[kind].digest).decode(body)
    return digest


def decode_request(body: bytes) -> PrescriptionDigest:
    """The stored digest of a request about orders."""
    digest = decode_digest("prescription", body)
    assert isinstance(digest, PrescriptionDigest)
    return digest


def encode_details(details: Details) -> bytes:
    return _encode(details)


def decode_details(kind: str, body: bytes) -> Details:
    """Stored details of an event of some kind."""
    details: Details = _decoder_of(KINDS[kind].details).decode(body)
    return details


@cache
def _decoder_of(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)
