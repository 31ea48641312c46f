"""Nonces: the words that make each signed request another one, remembered for as long as it could be sent again."""

import hashlib
from collections import OrderedDict

MOST_NONCES = 100_000
"""Nonces that are remembered (20 MB); beyond that the oldest are forgotten. A request that is sent again afterwards is
the same message, answered as before, or has another body, which its signature does not fit."""

_BYTES = 16


class Nonces:
    """Remembers which message came with a nonce. Instants are seconds; a clock that is set back keeps them longer."""

    def __init__(self, kept_for: float, most: int = MOST_NONCES):
        self._kept_for = kept_for
        self._most = most
        self._seen: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def take(self, key: str, nonce: str, digest: bytes, now: float) -> bool:
        """Whether a key may come with a nonce: it is new, or came with this very message before."""
        while self._seen and next(iter(self._seen.values()))[0] < now - self._kept_for:
            self._seen.popitem(last=False)
        name = hashlib.blake2b(f"{key}\n{nonce}".encode(), digest_size=_BYTES).digest()
        _, before = self._seen.setdefault(name, (now, digest[:_BYTES]))
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return before == digest[:_BYTES]
