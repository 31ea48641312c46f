"""What identifiers should not hold between their ends, held against Python's own tables of Unicode."""

import sys
import unicodedata

from knowledge_base.signs import FULL_WIDTH, UNSEEN, are_clear, neutral


def test_every_full_width_form_is_one_and_nothing_else() -> None:
    assigned = [sign for sign in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(sign) not in "CnCoCs"]
    wide = {sign for sign in assigned if unicodedata.east_asian_width(sign) == "F"}
    assert set(FULL_WIDTH) == wide - set(UNSEEN)


def test_signs_at_the_ends_are_passed_over_and_those_between_are_not() -> None:
    for sign in UNSEEN + FULL_WIDTH:
        assert not are_clear(["P-1", f"P{sign}1"])
    for sign in UNSEEN:
        assert are_clear([f"P-1{sign}", f"{sign}P-1"])
    assert are_clear(["P-1", "\u4e00-1", ""])


def test_what_is_shown_holds_no_sign_that_nobody_sees_but_a_blank() -> None:
    for sign in UNSEEN.replace(" ", ""):
        shown = neutral(f"P{sign}1")
        assert shown.isascii()
        assert shown.startswith("P\\")
    assert neutral("P 1 \u4e00\uff0d") == "P 1 \u4e00\uff0d"
    assert neutral("a\x1b\u200b\U000e0001\udcff") == r"a\x1b\u200b\U000e0001\xff"
