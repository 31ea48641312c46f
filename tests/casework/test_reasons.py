"""Reasons: what shows no word is none, whatever signs it is made of."""

import pytest

from casework.reasons import LONGEST_PURPOSE, LONGEST_REASON, tidied_reason


@pytest.mark.parametrize("text", ["", "  \n", "长" * (LONGEST_REASON + 1), "与\x00护理记录不符"])
def test_a_reason_must_say_something_and_not_too_much(text: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        tidied_reason(text)


def test_a_reason_is_tidied() -> None:
    assert tidied_reason(" 与护理记录不符\n") == "与护理记录不符"
    assert len(tidied_reason("长" * LONGEST_REASON)) == LONGEST_REASON
    with pytest.raises(ValueError, match="at most 500"):
        tidied_reason("长" * (LONGEST_PURPOSE + 1), LONGEST_PURPOSE)


@pytest.mark.parametrize(
    "signs",
    [
        "\u200b\u200c\u200d\u2060\ufeff",  # zero width, joiners
        "\u3164\u115f\u1160\uffa0",  # fillers of Hangul, letters by their category
        "\u2800\u3000\u00a0\u2003",  # braille without dots, blanks
        "\u0301\u0308\u20dd",  # marks with nothing below them
        "\ufe0f\ufe00\U000e0100",  # selectors
        "\U000e0041\U000e0042\U000e007f",  # tags
        "\u202e\u2066\u2069\u00ad\u034f\u180e",  # directions, soft hyphen, joiners of marks
        "\U0001d159\ufff9\ufffb",  # a note without head, annotations
        "\ue000\ufdd0",  # for private use, no sign
        "……。！——",  # signs without a word
    ],
    ids=ascii,
)
def test_signs_that_show_no_word_are_no_reason(signs: str) -> None:
    for text in (signs, signs * 12, f" {signs}\n"):
        with pytest.raises(ValueError, match="visible"):
            tidied_reason(text)
    assert tidied_reason(f"核{signs}").startswith("核")


@pytest.mark.parametrize("text", ["核", "a", "7", "Ⅷ", "①", "ﬁ", "𠮷", "한", "न", "é", "e\u0301", "0"])
def test_one_visible_sign_is_a_word(text: str) -> None:
    assert tidied_reason(text) == text
