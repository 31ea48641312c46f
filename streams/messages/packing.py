"""Packing: digests as stored bytes."""

from typing import Any

import msgspec

from knowledge_base.digests.head import Digest
from streams.messages.kinds import KINDS

_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {}


def encode_digest(digest: Digest) -> bytes:
    return _encode(digest)


def decode_digest(kind: str, body: bytes) -> Digest:
    """A stored digest of an event of some kind."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(KINDS[kind].digest)
    digest: Digest = decoder.decode(body)
    return digest
