"""Pseudonyms: what identity numbers become at the door, the same for one number through every door of the product.

A keyed BLAKE2b (RFC 7693) of the number: whoever has not the key cannot try numbers out. With another key somebody is
called otherwise, and a merge says that both are one person.
"""

import base64
import hashlib

from streams.messages.identifiers import trimmed

_BYTES = 15
"""Of a pseudonym: 24 signs, of which no two alike are to be expected among the people of China."""


class Pseudonyms:
    """Makes pseudonyms with one secret of any length."""

    def __init__(self, secret: bytes):
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"fundwatch names").digest()

    def of(self, number: str) -> str:
        """The pseudonym of an identity number (psn_no, patn_id), which is taken without white space at its ends."""
        hashed = hashlib.blake2b(trimmed(number).encode("utf-8", "replace"), digest_size=_BYTES, key=self._key)
        return f"N{base64.b32encode(hashed.digest()).decode()}"

    def fingerprint(self, body: bytes) -> bytes:
        """16 bytes that are equal for equal bodies, from which nobody without the key learns what one holds."""
        return hashlib.blake2b(body, digest_size=16, key=self._key).digest()
