"""Senders: who a request of a hospital's system is from, once that is proven."""

import msgspec


class Sender(msgspec.Struct, frozen=True):
    """Who sent a request: the institutions for which its key speaks, and which key that was.

    ``key_id`` is ``None`` for a key of earlier releases, which only carries a token. ``in_session``: whether the key of
    a session signed, which the sender agreed on by its own (9001).
    """

    institutions: frozenset[str]
    key_id: str | None = None
    in_session: bool = False
