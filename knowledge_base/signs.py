"""Signs that nobody sees, and signs of double width: what identifiers should not hold."""

from itertools import chain

_RANGES = (
    (0x0000, 0x0020), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160),
    (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F),
    (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""White space, controls and what nobody is shown (Unicode 16.0: White_Space, Default_Ignorable_Code_Point),
with the blank of braille. Ranges and not categories: who is one patient must not change with a release of Python."""

UNSEEN = "".join(map(chr, chain.from_iterable(range(first, last + 1) for first, last in _RANGES)))
