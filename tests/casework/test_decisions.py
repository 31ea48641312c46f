"""Decisions: which one holds after some were undone, and what a reason must be."""

from datetime import UTC, datetime

import pytest

from casework.decisions import LONGEST_REASON, Decision, Verdict, holding, state_of, tidied_reason


def _decision(number: int, verdict: Verdict, undoes: int | None = None) -> Decision:
    return Decision(
        "A", "lead", number, number, verdict, "why", "somebody", undoes, (), datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_nothing_holds_where_nothing_was_decided() -> None:
    assert holding([]) is None
    assert state_of([]) == "open"


def test_the_last_decision_holds() -> None:
    decisions = [_decision(2, Verdict.CONFIRMED), _decision(1, Verdict.RETURNED)]
    assert state_of(decisions) == "confirmed"


def test_undoing_brings_back_what_held_before() -> None:
    decisions = [_decision(1, Verdict.RETURNED), _decision(2, Verdict.CONFIRMED), _decision(3, Verdict.UNDONE, 2)]
    assert state_of(decisions) == "returned"
    assert state_of([*decisions, _decision(4, Verdict.UNDONE, 1)]) == "open"


@pytest.mark.parametrize("text", ["", "  \n", "长" * (LONGEST_REASON + 1), "与\x00护理记录不符"])
def test_a_reason_must_say_something_and_not_too_much(text: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        tidied_reason(text)


def test_a_reason_is_tidied() -> None:
    assert tidied_reason(" 与护理记录不符\n") == "与护理记录不符"
    assert len(tidied_reason("长" * LONGEST_REASON)) == LONGEST_REASON
