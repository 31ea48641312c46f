"""Decisions: which ones stand after some were undone, and which reasons fit which verdict."""

from datetime import UTC, datetime

from casework.decisions import GROUNDS, Decision, Ground, Verdict, standing


def _decision(number: int, verdict: Verdict, undoes: int | None = None) -> Decision:
    return Decision(
        area="A",
        lead_id="lead",
        decision_id=number,
        lead_version=number,
        decision=verdict,
        reason="why",
        decided_by="somebody",
        undoes=undoes,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        cites=(),
    )


def _numbers(decisions: list[Decision]) -> list[int]:
    return [decision.decision_id for decision in standing(decisions)]


def test_decisions_stand_beside_each_other_oldest_first() -> None:
    assert _numbers([]) == []
    assert _numbers([_decision(2, Verdict.CONFIRMED), _decision(1, Verdict.RETURNED)]) == [1, 2]


def test_what_was_undone_and_undoing_itself_do_not_stand() -> None:
    decisions = [_decision(1, Verdict.RETURNED), _decision(2, Verdict.CONFIRMED), _decision(3, Verdict.UNDONE, 2)]
    assert _numbers(decisions) == [1]
    assert _numbers([*decisions, _decision(4, Verdict.UNDONE, 1)]) == []


def test_every_verdict_has_reasons_and_every_reason_a_verdict() -> None:
    assert GROUNDS.keys() == set(Verdict) - {Verdict.UNDONE}
    assert {ground for grounds in GROUNDS.values() for ground in grounds} == set(Ground)
    assert all(grounds[-1] is Ground.OTHER for grounds in GROUNDS.values())
