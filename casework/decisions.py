"""Decisions (决定): what a person decided on findings of a lead and why. Append-only; undoing is a decision of its own.

What holds on a finding is the last decision that cites it and was not undone. Where a finding's occurrence changed its
name, what was decided on it holds on the one that goes on with it.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec


class Verdict(StrEnum):
    """What a decision says of the findings that it cites."""

    CONFIRMED = "confirmed"  # 确认
    DISMISSED = "dismissed"  # 排除
    RETURNED = "returned"  # 退回补充
    UNDONE = "undone"  # 撤销


class Scope(StrEnum):
    """What was decided on. Decisions on whole leads are of before findings were decided one by one: nobody can say
    which of the findings were looked at, so they count in no rule's precision."""

    LEAD = "lead"
    FINDINGS = "findings"


class Ground(StrEnum):
    """The fixed list of reasons. ``OTHER`` has to be said in words, the rest may be."""

    RECORDS = "records"  # 病历或现场核实属实
    ADMITTED = "admitted"  # 机构认可
    NO_RECORD = "no_record"  # 收费无相应记录
    EXCUSED = "excused"  # 属政策例外或临床必需
    BILLED_RIGHT = "billed_right"  # 病历核实收费正确
    DATA_FAULT = "data_fault"  # 上传数据有误
    RULE_FAULT = "rule_fault"  # 规则或知识点不适用
    SETTLED = "settled"  # 已退回或已另案处理
    RECORDS_MISSING = "records_missing"  # 缺病历或凭证
    ASK_INSTITUTION = "ask_institution"  # 待机构说明
    OTHER = "other"  # 其他


GROUNDS = {
    Verdict.CONFIRMED: (Ground.RECORDS, Ground.ADMITTED, Ground.NO_RECORD, Ground.OTHER),
    Verdict.DISMISSED: (
        Ground.EXCUSED, Ground.BILLED_RIGHT, Ground.DATA_FAULT, Ground.RULE_FAULT, Ground.SETTLED, Ground.OTHER,
    ),
    Verdict.RETURNED: (Ground.RECORDS_MISSING, Ground.ASK_INSTITUTION, Ground.OTHER),
}  # fmt: skip
"""Which reasons fit which verdict, in the order in which people find them."""


class Citation(msgspec.Struct, frozen=True):
    """A version of a finding that was before the eyes of whoever decided."""

    finding_id: str
    version: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a decision beside its citations. ``undoes`` names the decision that it takes back.

    ``lead_version`` is the version of the lead on which it was decided; ``recorded_at`` is UTC. ``ground`` is ``None``
    where only words say why: of before, and of what is undone.
    """

    area: str
    lead_id: str
    decision_id: int
    lead_version: int
    decision: Verdict
    reason: str
    decided_by: str
    undoes: int | None
    recorded_at: datetime
    scope: Scope = Scope.LEAD
    ground: Ground | None = None


class Decision(Recorded, frozen=True, kw_only=True):
    """One decision as stored and as sent on (topic ``decisions``)."""

    cites: tuple[Citation, ...]


class Entry(Recorded, frozen=True, kw_only=True):
    """A decision in the history of its lead: how many findings it cites, of which there may be tens of thousands."""

    cited: int


Kept = TypeVar("Kept", bound=Recorded)


def standing(decisions: Iterable[Kept]) -> list[Kept]:
    """The decisions that were not undone, oldest first."""
    decisions = sorted(decisions, key=lambda decision: decision.decision_id)
    undone = {decision.undoes for decision in decisions if decision.decision is Verdict.UNDONE}
    return [d for d in decisions if d.decision is not Verdict.UNDONE and d.decision_id not in undone]


STATES = ("open", "returned", "confirmed", "dismissed")
"""What a finding, and a lead, may be; where a lead holds findings of several, it is the first of them."""
