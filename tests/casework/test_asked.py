"""What a rule said of a line before it was settled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casework.asked import Answer, AskedBy, Beside, Stance, Warned, stance_of, why_silent

RULE, OTHER = "FW10000001", "FW10000002"
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
WARNED = Warned("w-1", "continue", NOON)
BOTH = ("before", "during", "after")


def answer(hours: int = 0, **more: Any) -> Answer:
    words: dict[str, Any] = {"phase": "before", "rule_set": "set", "as_of": 7, "not_asked": frozenset(), "warned": {}}
    return Answer("R", NOON + timedelta(hours=hours), **(words | more))


ELSEWHERE = answer(warned={OTHER: WARNED})
ANOTHER_PHASE = answer(phase="later")
PASSED, LATE = answer(), answer(1, rule_set=None)
LEFT_OUT = answer(1, not_asked=frozenset({RULE}))
TOLD = answer(2, warned={RULE: WARNED})


@pytest.mark.parametrize(
    ("said", "asked", "stance"),
    [
        ("nothing was asked", (), Stance("not_asked")),
        ("it had nothing to say", (PASSED,), Stance("billed_otherwise", PASSED)),
        (
            "another rule warned",
            (answer(warned={OTHER: WARNED}),),
            Stance("billed_otherwise", answer(warned={OTHER: WARNED})),
        ),
        ("it warned", (TOLD,), Stance("warned", TOLD, WARNED)),
        ("the order passed and was changed to one that it warned of", (PASSED, TOLD), Stance("warned", TOLD, WARNED)),
        ("what it warned of was changed, and passed", (TOLD, answer(3)), Stance("warned", TOLD, WARNED)),
        ("no set judged before the answer", (LATE,), Stance("out_of_time", LATE)),
        ("a set judged, and left it out", (LEFT_OUT,), Stance("out_of_time", LEFT_OUT)),
        ("it passed in time, and again nobody judged", (PASSED, LATE), Stance("billed_otherwise", PASSED)),
        (
            "it was asked in a phase that the rule is not asked in",
            (answer(phase="later"),),
            Stance("other_phase", answer(phase="later")),
        ),
    ],
)
def test_what_a_rule_said(said: str, asked: tuple[Answer, ...], stance: Stance) -> None:
    assert stance_of(asked, RULE, BOTH, None) == stance


def test_a_rule_said_nothing_before_it_was_live() -> None:
    assert stance_of((PASSED,), RULE, BOTH, NOON + timedelta(seconds=1)) == Stance("not_live", PASSED)
    assert stance_of((PASSED,), RULE, BOTH, NOON).passed


def test_what_was_not_known_then_is_no_reason_to_have_spoken() -> None:
    assert stance_of((PASSED,), RULE, BOTH, None, [Beside(8, None)]) == Stance("not_known", PASSED)
    assert stance_of((PASSED,), RULE, BOTH, None, [Beside(7, None)]).kind == "billed_otherwise"
    assert stance_of((PASSED,), RULE, BOTH, None, [Beside(8, NOON)]).kind == "billed_otherwise"
    assert Stance("not_known", PASSED).passed


def asked_by(minutes: int = 0, **told: Any) -> AskedBy:
    asked_at = NOON + timedelta(minutes=minutes)
    asked = AskedBy("before", True, asked_at, as_of=10, in_force=True, said=False)
    return asked._replace(**told)


def test_why_nothing_was_said() -> None:
    spoken = ["before", "after"]
    later = NOON + timedelta(minutes=1)
    assert why_silent(spoken, [], []) == "never asked"
    assert why_silent(["after"], [asked_by()], []) == "after alone"
    assert why_silent(spoken, [asked_by(phase="during")], []) == "after alone"
    assert why_silent(spoken, [asked_by(in_time=False, said=True)], []) == "not in time"
    assert why_silent(spoken, [asked_by(), asked_by(said=True, in_force=False)], []) == "said"
    assert why_silent(["before"], [asked_by(), asked_by(phase="during", said=True)], []) == "said"
    assert why_silent(spoken, [asked_by(in_force=False)], []) == "not in force"
    assert why_silent(spoken, [asked_by()], [Beside(10, None)]) == "billed otherwise"
    assert why_silent(spoken, [asked_by()], [Beside(10, None), Beside(11, None)]) == "not known"
    assert why_silent(spoken, [asked_by()], [Beside(11, NOON)]) == "billed otherwise"
    assert why_silent(spoken, [asked_by()], [Beside(11, later)]) == "not known"
    assert why_silent(spoken, [asked_by(), asked_by(2)], [Beside(11, later)]) == "billed otherwise"
