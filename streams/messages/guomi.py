"""国密 in one place: SM3 (GB/T 32905, a hash) and SM2 (GB/T 32918, keys of which one half is public).

SM3 is OpenSSL's, by cryptography. SM2 is gmalg's, in Python: it takes 15 ms to open something, and its time depends on
the key, so nothing but a session key is opened with it, for a sender who is known already.
"""

import gmalg
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from gmalg.errors import GMError

KEY_BYTES = 32
"""Of a private key of SM2."""

_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""How many points the curve of GB/T 32918.5 has: a private key is less than that by two at least."""

_UNCOMPRESSED = b"\x04"
_POINT_BYTES, _HASH_BYTES = 64, 32


class CannotOpen(Exception):
    """Bytes were not sealed to this key, or were changed since."""


def sm3(data: bytes) -> bytes:
    """The hash of bytes, 32 bytes."""
    hashing = Hash(SM3())
    hashing.update(data)
    return hashing.finalize()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """The keyed hash of bytes (GB/T 15852.2, RFC 2104 with SM3), 32 bytes."""
    hashing = HMAC(key, SM3())
    hashing.update(data)
    return hashing.finalize()


def is_private_key(key: bytes) -> bool:
    """Whether bytes may be a private key of SM2."""
    return len(key) == KEY_BYTES and 0 < int.from_bytes(key, "big") < _ORDER - 1


def new_private_key() -> bytes:
    """A private key of SM2, by chance."""
    private, _ = gmalg.SM2().generate_keypair()
    return bytes(private).rjust(KEY_BYTES, b"\0")


def public_half(private_key: bytes) -> bytes:
    """The public half of a private key: 04 and the two coordinates of its point, 65 bytes."""
    return bytes(gmalg.SM2().generate_pk(private_key))


def open_sealed(private_key: bytes, sealed: bytes, length: int) -> bytes:
    """What was sealed to a key, so many bytes; ``sealed`` is C1C3C2 (GB/T 32918.4), its point with the 04 or without.

    Raises ``CannotOpen``.
    """
    if len(sealed) == _POINT_BYTES + _HASH_BYTES + length:
        sealed = _UNCOMPRESSED + sealed
    if len(sealed) != 1 + _POINT_BYTES + _HASH_BYTES + length or not sealed.startswith(_UNCOMPRESSED):
        raise CannotOpen
    try:
        return bytes(gmalg.SM2(sk=private_key).decrypt(sealed))
    except GMError:
        raise CannotOpen from None
