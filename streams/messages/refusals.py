"""Refusals: messages that a door refused, on their way to the dead letters with their bytes.

What they hold may name somebody, so they travel sealed.
"""

import base64

import msgspec

from streams.messages.vault import Vault

KEY = b"refused"
"""The key of refusals on their topic: no patient is called so."""


class Refusal(msgspec.Struct, frozen=True):
    """A refused message: why, and its bytes sealed, in base64."""

    reasons: list[str]
    sealed: str


_decode = msgspec.json.Decoder(Refusal).decode


def encode_refusal(reasons: list[str], body: bytes, vault: Vault) -> bytes:
    return msgspec.json.encode(Refusal(reasons, base64.b64encode(vault.seal(body)).decode()))


def decode_refusal(value: bytes, vault: Vault) -> tuple[list[str], bytes]:
    """Why a message was refused, and its bytes. Raises ``ValueError`` where it is no refusal, and ``WrongKey``."""
    refusal = _decode(value)
    return refusal.reasons, vault.open(base64.b64decode(refusal.sealed, validate=True))
