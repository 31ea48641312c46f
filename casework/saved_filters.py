"""Filters of the queue that people keep under a name of their own."""

import unicodedata

from casework.spelling import folded
from knowledge_base.signs import neutral

MOST_SAVED = 30
"""Filters that somebody keeps at a time."""

LONGEST_NAME = 40
"""Signs of a name."""


class NameRefused(ValueError):
    """A name shows nothing, is too long, or holds signs that nobody sees."""


def tidied_name(text: str) -> str:
    """A name in one form, without blanks around it. Raises ``NameRefused``."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(name) <= LONGEST_NAME or neutral(name) != name or not any(map(str.isalnum, name)):
        raise NameRefused("a name has up to 40 signs that are seen, and a letter or digit")
    return name


def look_of(name: str) -> str:
    """What a name looks like: of two that look alike somebody keeps one."""
    return folded(name)
