"""Formats of the official codes (15 项医保信息业务编码). A code that fits none is odd, never refused."""

import re

#: What each kind of item code looks like, from the national coding rules and the published code tables.
ITEM_CODE_FORMATS = {
    "western drug": r"X[A-Z][0-9]{2}[A-Z]{2}[A-Z][0-9]{3}[A-Z][0-9]{3}[0-9]{4}[0-9]{5}",
    "Chinese patent drug": r"Z[A-Z][0-9]{2}[A-Z]{2}[A-Z][0-9]{4}[0-9]{4}[0-9]{5}",
    "herb piece": r"T[0-9]{9}",
    "consumable": r"C[0-9]{19}([0-9]{7})?",
    "service": r"00[1-4][0-9]{12}",
    "provincial service": r"[A-Z][0-9]{9}",
}

_ITEM_CODE = re.compile("|".join(f"(?:{pattern})" for pattern in ITEM_CODE_FORMATS.values()))


def is_item_code(code: str) -> bool:
    """Whether a code has one of the official formats of an item code."""
    return _ITEM_CODE.fullmatch(code) is not None
