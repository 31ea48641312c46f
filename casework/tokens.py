"""Tokens: what machines come with. They read or ask, and decide nothing: a decision is one known person's."""

from datetime import datetime

import msgspec

from casework.rights import Right
from knowledge_base.signs import are_clear, neutral

SCOPES = (Right.SEE, Right.SEE_TRIALS, Right.SEE_OPERATION, Right.ASK)
"""The rights that a token may have."""

LONGEST_NAME = 64


class Token(msgspec.Struct, frozen=True):
    """A token by its name. ``areas`` and ``institutions`` as of an account; instants are UTC.

    ``key_id`` is what requests call it that are signed with its secret, where it has one.
    """

    name: str
    rights: frozenset[Right]
    ends_at: datetime
    created_by: str
    areas: frozenset[str] | None = None
    institutions: frozenset[str] | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    key_id: str | None = None


class Key(msgspec.Struct, frozen=True):
    """What a hospital's system asks with: for which institutions it speaks, and until when.

    ``key_id`` names it in what is signed with its secret, which ``sealed_secret`` holds as the vault sealed it. Both
    are ``None`` for a key that can only be shown.
    """

    institutions: frozenset[str]
    ends_at: datetime
    key_id: str | None = None
    sealed_secret: bytes | None = None


def is_name(text: str) -> bool:
    """Whether something may be the name of a token: one word of visible signs."""
    return 0 < len(text) <= LONGEST_NAME and are_clear([text]) and neutral(text) == text == text.strip()
