"""Tokens of machines: how they look, and what is stored of one."""

import hashlib
import secrets
from base64 import b32encode

from fastapi import Request

_PREFIX = "fundwatch_"
"""So that whoever finds one in a file knows what it opens."""


def new_token() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def new_key_id() -> str:
    """What requests call a key with which they are signed: no secret, and like no other."""
    return f"FW{b32encode(secrets.token_bytes(10)).decode()}"


def token_hash(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32, person=b"token").digest()


def bearer_of(request: Request) -> str | None:
    """The token that a request carries as ``Authorization: Bearer``; ``None`` where it carries none of ours."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip().startswith(_PREFIX) else None
