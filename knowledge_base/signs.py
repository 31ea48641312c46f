"""Signs that nobody sees, and signs of double width: what identifiers should not hold."""

from collections.abc import Iterable
from itertools import chain

UNSEEN_RANGES = (
    (0x0000, 0x0020), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160),
    (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F),
    (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""White space, controls and what nobody is shown (Unicode 16.0: White_Space, Default_Ignorable_Code_Point),
with the blank of braille. Ranges and not categories: who is one patient must not change with a release of Python."""

_WIDE_RANGES = ((0xFF01, 0xFF60), (0xFFE0, 0xFFE6))
"""Full-width forms (Unicode 16.0: East_Asian_Width F), which look like another sign."""


def _all_in(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(map(chr, chain.from_iterable(range(first, last + 1) for first, last in ranges)))


UNSEEN, FULL_WIDTH = _all_in(UNSEEN_RANGES), _all_in(_WIDE_RANGES)
_ODD = frozenset(UNSEEN + FULL_WIDTH)
_NOT_SHOWN = frozenset(UNSEEN) - {" "}


def are_clear(names: Iterable[str]) -> bool:
    """Whether no name holds, between its ends, white space, controls, invisible signs or full-width ones.

    What stands at the ends is passed over: new names are trimmed, and stored ones of before need not be yet.
    """
    together = "".join(names)
    if together.isascii() and together.isprintable() and " " not in together:
        return True
    return not any(_ODD & set(name.strip(UNSEEN)) for name in names)


def neutral(text: str) -> str:
    """Text from outside as a terminal or page may show it.

    What no eye can see (also bytes that are no text), but for a blank, is spelled out: ``\\x1b``, ``\\u200b``.
    """
    if text.isprintable() and _NOT_SHOWN.isdisjoint(text):
        return text
    return "".join(sign if sign.isprintable() and sign not in _NOT_SHOWN else _spelled(sign) for sign in text)


def _spelled(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
