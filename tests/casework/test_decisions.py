"""Decisions: which one holds after some were undone."""

from datetime import UTC, datetime

from casework.decisions import Decision, Verdict, holding, state_of


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
