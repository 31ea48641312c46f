"""Bytes that may hold personal data, encrypted at rest (dead letters). Fernet: AES-128-CBC with HMAC-SHA256."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken


class WrongKey(Exception):
    """The bytes were sealed with another key than this vault's."""


class Vault:
    """Seals and opens bytes with one secret of any length; Fernet's key is its SHA-256."""

    def __init__(self, secret: bytes):
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret).digest()))

    def seal(self, data: bytes) -> bytes:
        return self._fernet.encrypt(data)

    def open(self, sealed: bytes) -> bytes:
        """The bytes as they were. Raises ``WrongKey``."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise WrongKey from None
