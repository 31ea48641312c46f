"""Refusals: messages that a door refused, on their way to the dead letters with their bytes.

What they hold may name somebody, so they travel sealed.
"""

import base64
from datetime import datetime

import msgspec

from streams.messages.vault import Vault

KEY = b"refused"
"""The key of refusals on their topic: no patient is called so."""


NOBODY = "?"
"""The sender of a message that names none."""


class Refusal(msgspec.Struct, frozen=True):
    """A refused message: why, and its bytes sealed, in base64; who says to have sent it and what, and when, as far as
    that is known."""

    reasons: list[str]
    sealed: str
    sender: str = ""
    infno: str = ""
    at: datetime | None = None


_decode = msgspec.json.Decoder(Refusal).decode


def encode_refusal(
    reasons: list[str], body: bytes, vault: Vault, sender: str = "", infno: str = "", at: datetime | None = None
) -> bytes:
    return msgspec.json.encode(Refusal(reasons, base64.b64encode(vault.seal(body)).decode(), sender, infno, at))


def decode_refusal(value: bytes, vault: Vault) -> tuple[Refusal, bytes]:
    """A refused message, and its bytes. Raises ``ValueError`` where it is no refusal, and ``WrongKey``."""
    refusal = _decode(value)
    return refusal, vault.open(base64.b64decode(refusal.sealed, validate=True))
