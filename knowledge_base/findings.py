"""Findings (疑点): what one rule found on one subject. Never called a violation: only a decision makes it one."""

import hashlib
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from knowledge_base.days import Day

LineKey = tuple[str, str, str]
"""A billed line: (institution, encounter_id, line_id). Holds no claim_id: a partial refund comes as a new claim."""

Occurrence = tuple[str, ...]
"""The words that name one finding of a rule within an area, person first; never an event_id or claim_id."""


class Severity(IntEnum):
    """The official four grades of a rule's result (规则运行结果)."""

    CLEAR = 1  # 明确违规
    HIGH = 2  # 高度可疑
    LOW = 3  # 轻度可疑
    WATCH = 4  # 监测分析


class Change(StrEnum):
    """What one version of a finding says."""

    RAISED = "raised"
    REVISED = "revised"
    WITHDRAWN = "withdrawn"


class Amounts(msgspec.Struct, frozen=True):
    """Money of a finding or of one of its guilty lines, in yuan with two decimals.

    ``loss`` is ``None`` where the loss to the fund is not computable; ``method`` says how it was computed, or why not.
    """

    in_question: Decimal  # 违规费用
    in_fund: Decimal  # 统筹内
    loss: Decimal | None  # 基金损失
    method: str


class GuiltyLine(msgspec.Struct, frozen=True):
    """A line in dispute (official item type 1) with its share of the money."""

    line: LineKey
    amounts: Amounts


class Finding(msgspec.Struct, frozen=True):
    """What one rule found on one occurrence: the hit with its money and evidence.

    ``first_day`` and ``last_day`` are the days of the anchor itself; ``excuse_until`` is the last day on which a
    later event may still excuse it; ``institution`` is that of the last guilty line; ``points`` are the facts used.
    """

    rule_id: str
    occurrence: Occurrence
    value: Decimal
    limit: Decimal
    first_day: Day
    last_day: Day
    guilty: tuple[GuiltyLine, ...]
    involved: tuple[LineKey, ...]
    evidence: dict[str, Any]
    amounts: Amounts
    institution: str
    points: tuple[str, ...] = ()
    excuse_until: Day | None = None


class NotEvaluated(msgspec.Struct, frozen=True):
    """An anchor on which rules cannot decide, and why. Absence of data is never a pass."""

    rules: tuple[str, ...]
    occurrence: Occurrence
    reason: str
    first_day: Day
    last_day: Day


def finding_id(area: str, rule_id: str, occurrence: Occurrence) -> str:
    """The name of a finding: the same for the same area, rule and occurrence, whenever and wherever it is judged."""
    words = msgspec.json.encode([area, rule_id, *occurrence])
    return hashlib.blake2b(words, digest_size=16).hexdigest()


class FindingVersion(msgspec.Struct, frozen=True):
    """One entry of a finding's history, as stored (append-only) and as sent on. A consumer keeps the highest version.

    ``finding`` is what the finding says from here on; of a withdrawn one, what it said last. ``as_of`` is the highest
    arrival number among the person's events when it was judged; ``explain`` replays exactly that.
    ``continued_by`` names the finding that took over where an occurrence changed its name.
    """

    area: str
    finding_id: str
    version: int
    change: Change
    person: str
    finding: Finding
    cause: str
    as_of: int
    rule_set: str
    rule_hash: str
    check_hash: str
    continued_by: str | None = None
