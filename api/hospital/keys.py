"""Keys: what a hospital's system shows with each request, and for which institutions it speaks by that.

A token of the right ``ask`` (``fundwatch tokens add NAME --right ask --institution CODE``) as a bearer. The keys are
kept in memory, so that hospitals are known while the store is away.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from api.access.bearers import token_hash
from casework.tokens import Key

Headers = Iterable[tuple[bytes, bytes]]

_BEARER = b"bearer "


class Keys:
    """The keys that are known. ``needed`` is false where everybody may ask, as on a machine of one's own."""

    def __init__(self, needed: bool):
        self.needed = needed
        self._known: Mapping[bytes, Key] = {}

    def know(self, keys: Mapping[bytes, Key]) -> None:
        """Takes up the keys by the hash of their token."""
        self._known = keys

    def speaks_for(self, headers: Headers) -> frozenset[str] | None:
        """The institutions that a request speaks for: none without a key that may be used (any more).

        ``None`` where no key is needed: any.
        """
        if not self.needed:
            return None
        key = self._known.get(token_hash(_token_of(headers)))
        return key.institutions if key is not None and key.ends_at > datetime.now(UTC) else frozenset()


def _token_of(headers: Headers) -> str:
    shown = next((value for name, value in headers if name == b"authorization"), b"")
    return shown[len(_BEARER) :].decode("latin-1").strip() if shown[: len(_BEARER)].lower() == _BEARER else ""
