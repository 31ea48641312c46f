"""Decisions (决定): what a person decided on a lead and why. Append-only; undoing is a decision of its own."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What a decision says of a lead."""

    CONFIRMED = "confirmed"  # 确认
    DISMISSED = "dismissed"  # 排除
    RETURNED = "returned"  # 退回补充
    UNDONE = "undone"  # 撤销


class Citation(msgspec.Struct, frozen=True):
    """A version of a finding that was before the eyes of whoever decided."""

    finding_id: str
    version: int


class Decision(msgspec.Struct, frozen=True):
    """One decision as stored and as sent on (topic ``decisions``). ``undoes`` names the decision that it takes back.

    ``lead_version`` is the version of the lead on which it was decided; ``recorded_at`` is UTC.
    """

    area: str
    lead_id: str
    decision_id: int
    lead_version: int
    decision: Verdict
    reason: str
    decided_by: str
    undoes: int | None
    cites: tuple[Citation, ...]
    recorded_at: datetime


def holding(decisions: Iterable[Decision]) -> Decision | None:
    """The decision that holds: the last one that was not undone, ``None`` where there is none."""
    decisions = sorted(decisions, key=lambda decision: decision.decision_id)
    undone = {decision.undoes for decision in decisions if decision.decision is Verdict.UNDONE}
    standing = [d for d in decisions if d.decision is not Verdict.UNDONE and d.decision_id not in undone]
    return standing[-1] if standing else None


def state_of(decisions: Sequence[Decision]) -> str:
    """The state of a lead with these decisions: ``open``, or what the decision that holds says."""
    decision = holding(decisions)
    return "open" if decision is None else decision.decision.value
