"""Passwords: argon2id over what was typed, whatever form of Unicode the keyboard sends.

Each hash takes 64 MiB and some of the processor, so ``MOST_HASHING`` are made beside each other, in threads of their
own, and a crowd waits in line, in nobody's way. Errors: ``Crowded``.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

SHORTEST_PASSWORD = 12
MOST_HASHING = 2
MOST_IN_LINE = 100
"""Passwords that wait to be looked at; beyond that only browsers that are known here are let in."""

Result = TypeVar("Result")

_hashing = ThreadPoolExecutor(MOST_HASHING, "hashing")
_in_line = 0


class Crowded(Exception):
    """Too many passwords wait to be looked at."""


def normal(word: str) -> str:
    """A password in the form in which it is counted and hashed: one for all ways to write its accents (NFC)."""
    return unicodedata.normalize("NFC", word)


async def hash_of(word: str) -> str:
    """What is stored of a password."""
    return await _in_thread(_hasher().hash, normal(word))


async def is_right(stored: str | None, word: str, known: bool) -> bool:
    """Whether a hash is that of a password, ``None`` is the hash of nobody. Raises ``Crowded``, for strangers."""
    if _in_line >= MOST_IN_LINE and not known:
        raise Crowded
    return await _in_thread(_verifies, stored, word)


async def _in_thread(work: Callable[..., Result], *arguments: object) -> Result:
    global _in_line
    _in_line += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_hashing, work, *arguments)
    finally:
        _in_line -= 1


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe(12))


def _verifies(stored: str | None, word: str) -> bool:
    """An unknown log-in costs as long as a wrong password, so that neither can be told from the time.

    Hashes of before this release are of what was typed, which may have been in another form.
    """
    forms = dict.fromkeys((normal(word), word, unicodedata.normalize("NFD", word)))
    return any(_is_of(stored or _hash_of_nobody(), form) for form in forms) and stored is not None


def _is_of(stored: str, form: str) -> bool:
    try:
        return _hasher().verify(stored, form)
    except VerificationError:
        return False
