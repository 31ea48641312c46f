"""What a rule said of a line before it was settled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casework.asked import Answer, Stance, Warned, stance_of

RULE, OTHER = "FW10000001", "FW10000002"
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
WARNED = Warned("w-1", "continue", NOON)
BOTH = ("before", "during", "after")


def answer(hours: int = 0, **more: Any) -> Answer:
    words: dict[str, Any] = {"phase": "before", "rule_set": "set", "not_asked": frozenset(), "warned": {}}
    return Answer("R", NOON + timedelta(hours=hours), **(words | more))


PASSED, LATE = answer(), answer(1, rule_set=None)
LEFT_OUT = answer(1, not_asked=frozenset({RULE}))
TOLD = answer(2, warned={RULE: WARNED})


@pytest.mark.parametrize(
    ("said", "asked", "stance"),
    [
        ("nothing was asked", (), Stance("not_asked")),
        ("it had nothing to say", (PASSED,), Stance("passed", PASSED)),
        ("another rule warned", (answer(warned={OTHER: WARNED}),), Stance("passed", answer(warned={OTHER: WARNED}))),
        ("it warned", (TOLD,), Stance("warned", TOLD, WARNED)),
        ("the order passed and was changed to one that it warned of", (PASSED, TOLD), Stance("warned", TOLD, WARNED)),
        ("what it warned of was changed, and passed", (TOLD, answer(3)), Stance("passed", answer(3))),
        ("no set judged before the answer", (LATE,), Stance("out_of_time", LATE)),
        ("a set judged, and left it out", (LEFT_OUT,), Stance("out_of_time", LEFT_OUT)),
        ("it passed in time, and again nobody judged", (PASSED, LATE), Stance("passed", PASSED)),
        ("it was asked in a phase that the rule is not asked in", (answer(phase="later"),), Stance("not_asked")),
    ],
)
def test_what_a_rule_said(said: str, asked: tuple[Answer, ...], stance: Stance) -> None:
    assert stance_of(asked, RULE, BOTH, None) == stance


def test_a_rule_said_nothing_before_it_was_live() -> None:
    assert stance_of((PASSED,), RULE, BOTH, NOON + timedelta(seconds=1)) == Stance("not_live", PASSED)
    assert stance_of((PASSED,), RULE, BOTH, NOON).kind == "passed"
