"""Sessions: a key for a day's requests, on which a hospital's system agrees when it signs in (9001).

The system makes up 32 bytes, seals them to the public half of this installation's SM2 key, and is answered a number of
the session that holds them, sealed by the vault: so every process of the gateway understands it, also after a start.
It ends after a while, when the key by which it was agreed on does, or by signing out (9002), which the store tells all.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from streams.messages.guomi import CannotOpen, open_sealed
from streams.messages.vault import Vault, WrongKey
from streams.store.people.sign_ins import EndedSignIn

SESSION_KEY_BYTES = 32
MOST_OPENED = 10_000
"""Sessions that are kept opened; who has been silent longest is opened anew."""

_SHORTEST = 100
"""Signs that a number of ours has at least."""
_MARK = b"sign_no\n"
"""With which what the vault seals begins, so that nothing else that it sealed passes for a session."""


class Session(msgspec.Struct, frozen=True):
    """A session: by which key it was agreed on, its own key, and when it ends."""

    key_id: str
    key: bytes
    ends_at: datetime

    def __repr__(self) -> str:
        return f"Session(key_id={self.key_id!r}, ends_at={self.ends_at!r})"


class Sessions:
    """Agrees on sessions, opens their numbers and knows which were ended.

    ``private_keys`` are the SM2 keys to which may be sealed, the newest first; without one nothing is agreed on.
    """

    def __init__(
        self,
        vault: Vault,
        private_keys: Sequence[bytes],
        lasts: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._vault = vault
        self._private_keys = private_keys
        self._lasts = lasts
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._opened: OrderedDict[str, Session] = OrderedDict()
        self._ended: dict[bytes, datetime] = {}
        self.heard_until: datetime | None = None
        """When the last session was ended of which the store told."""

    async def agree(self, key_id: str, sealed: str) -> tuple[str, Session]:
        """The number of a new session and what it holds; ``sealed`` is its key as the system sent it, in hex.

        Raises ``CannotOpen``. It works beside the loop and one at a time, so that nobody waits for it.
        """
        try:
            given = bytes.fromhex(sealed)
        except ValueError:
            raise CannotOpen from None
        async with self._one_at_a_time:
            key = await asyncio.to_thread(self._open, given)
        session = Session(key_id, key, (self._now() + self._lasts).replace(microsecond=0))
        told = (key_id, key, int(session.ends_at.timestamp()))
        return self._vault.seal(_MARK + msgspec.msgpack.encode(told)).decode(), session

    def _open(self, given: bytes) -> bytes:
        for private_key in self._private_keys:
            try:
                return open_sealed(private_key, given, SESSION_KEY_BYTES)
            except CannotOpen:
                continue
        raise CannotOpen

    def opened(self, sign_no: str) -> Session | None:
        """The session of a number, also one that is over; ``None`` for a number that is none of ours."""
        session = self._opened.pop(sign_no, None) or self._unseal(sign_no)
        if session is not None:
            self._opened[sign_no] = session
            if len(self._opened) > MOST_OPENED:
                self._opened.popitem(last=False)
        return session

    def _unseal(self, sign_no: str) -> Session | None:
        if len(sign_no) < _SHORTEST:
            return None
        try:
            sealed = self._vault.open(sign_no.encode())
        except WrongKey:
            return None
        if not sealed.startswith(_MARK):
            return None
        key_id, key, ends_at = msgspec.msgpack.decode(sealed[len(_MARK) :], type=tuple[str, bytes, int])
        return Session(key_id, key, datetime.fromtimestamp(ends_at, UTC))

    def is_over(self, sign_no: str, session: Session) -> bool:
        """Whether a session ended by its time, or was ended."""
        return session.ends_at <= self._now() or sign_no_hash(sign_no) in self._ended

    def end(self, sign_no: str, session: Session) -> None:
        """Ends a session in this process."""
        self._ended[sign_no_hash(sign_no)] = session.ends_at

    def know_ended(self, ended: Iterable[EndedSignIn]) -> None:
        """Takes up which sessions were ended anywhere, and forgets those that are over by now."""
        for of in ended:
            self._ended[of.sign_no_hash] = of.ends_at
            self.heard_until = of.ended_at
        now = self._now()
        for name in [name for name, ends_at in self._ended.items() if ends_at <= now]:
            del self._ended[name]


def sign_no_hash(sign_no: str) -> bytes:
    """What the store keeps of a number."""
    return hashlib.blake2b(sign_no.encode(), digest_size=16, person=b"sign_no").digest()
