"""Why somebody did something, in their own words: every reason and purpose that is kept goes through here."""

import unicodedata

LONGEST_REASON = 2000
LONGEST_PURPOSE = 500

_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by their category that show nothing."""


def tidied_reason(text: str, longest: int = LONGEST_REASON) -> str:
    """A reason without blanks around it. Raises ``ValueError`` where it shows no word, is too long, or holds a NUL."""
    reason = text.replace("\r\n", "\n").strip()  # browsers send a line's end as two signs, and count one
    if not any(_is_seen(sign) for sign in reason):
        raise ValueError("a reason holds visible words")
    if "\x00" in reason:
        raise ValueError("a reason holds no NUL")
    if len(reason) > longest:
        raise ValueError(f"a reason has at most {longest} characters")
    return reason


def _is_seen(sign: str) -> bool:
    """Whether a sign is a letter or number: blanks, joiners, marks, selectors, tags and plain symbols are none."""
    return unicodedata.category(sign)[0] in "LN" and sign not in _FILLERS
