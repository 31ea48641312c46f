"""Which identifiers count as padded, against stripping each by itself."""

import pytest

from knowledge_base.signs import UNSEEN
from streams.messages.identifiers import are_trimmed

AMONG = ["项目", "1-1"]
"""Others of the same message, one of them not of ASCII."""


@pytest.mark.parametrize("padded", ["{sign}P-24", "P-24{sign}", "{sign}中", "中{sign}", "{sign}"])
def test_a_sign_that_nobody_sees_at_either_end_is_padding(padded: str) -> None:
    for sign in UNSEEN:
        name = padded.format(sign=sign)
        assert name.strip(UNSEEN) != name
        assert not are_trimmed([*AMONG, name]), f"U+{ord(sign):04X}"
        assert not are_trimmed([name])


def test_what_stands_inside_is_kept_and_nothing_has_no_ends() -> None:
    for sign in UNSEEN:
        assert are_trimmed([*AMONG, f"中{sign}P", ""])
    assert are_trimmed([])
