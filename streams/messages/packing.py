"""Packing: digests as stored bytes."""

from typing import Any

import msgspec

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.kinds import Digest
from knowledge_base.digests.persons import StatusDigest

_encode = msgspec.msgpack.Encoder().encode


_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "claim": msgspec.msgpack.Decoder(ClaimDigest),
    "patient_status": msgspec.msgpack.Decoder(StatusDigest),
}


def encode_digest(digest: Digest) -> bytes:
    return _encode(digest)


def decode_digest(kind: str, body: bytes) -> Digest:
    """A stored digest of an event of some kind."""
    digest: Digest = _decoders[kind].decode(body)
    return digest
