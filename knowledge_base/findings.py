"""Findings (疑点): what one rule or detector found on one subject. Never a violation: only a decision makes it one."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Literal

import msgspec

from knowledge_base.days import Day
from knowledge_base.subjects import Subject

LineKey = tuple[str, str, str]
"""A billed line: (institution, encounter_id, line_id). Holds no claim_id: a partial refund comes as a new claim."""

Part = tuple[str, ...]
"""What a finding disputes or compares: a ``LineKey``; of another kind of event, words that begin with that kind."""


def billed_lines(parts: Iterable[Part]) -> list[LineKey]:
    """Those of some parts that are billed lines."""
    return [(part[0], part[1], part[2]) for part in parts if len(part) == 3]


Occurrence = tuple[str, ...]
"""The words that name one finding of a rule within an area, person first; never an event_id or claim_id."""


class Severity(IntEnum):
    """The official four grades of a rule's result (规则运行结果)."""

    CLEAR = 1  # 明确违规
    HIGH = 2  # 高度可疑
    LOW = 3  # 轻度可疑
    WATCH = 4  # 监测分析


class Lane(StrEnum):
    """Where people look for a maker's findings: among what is to be inspected, or where data are mended."""

    INSPECTION = "inspection"
    DATA_QUALITY = "data_quality"


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


class GuiltyPart(msgspec.Struct, frozen=True):
    """A part in dispute (official item type 1) with its share of the money. Written as ``line``, as before parts."""

    part: Part = msgspec.field(name="line")
    amounts: Amounts


class Finding(msgspec.Struct, frozen=True):
    """What one rule or detector found on one occurrence: the hit with its money and evidence.

    ``first_day`` and ``last_day`` are the days of the anchor itself; ``excuse_until`` is the last day on which a
    later event may still excuse it; ``points`` are the facts used. ``institution`` is that of the last guilty part; a
    finding without one states it itself, and may state the ``year`` of its lead, which is else that of the last day.
    ``at_stake`` is money of a detector's finding in yuan, never added to money in question. Written as ``rule_id``
    is ``maker_id``, as before detectors; what is not said (``UNSET``) is not written, so older bytes stay equal.
    """

    maker_id: str = msgspec.field(name="rule_id")
    occurrence: Occurrence
    value: Decimal
    limit: Decimal
    first_day: Day
    last_day: Day
    guilty: tuple[GuiltyPart, ...]
    involved: tuple[Part, ...]
    evidence: dict[str, Any]
    amounts: Amounts
    institution: str
    points: tuple[str, ...] = ()
    excuse_until: Day | None = None
    year: int | msgspec.UnsetType = msgspec.UNSET
    at_stake: Decimal | msgspec.UnsetType = msgspec.UNSET


class NotEvaluated(msgspec.Struct, frozen=True):
    """An anchor on which rules cannot decide, and why. Absence of data is never a pass."""

    rules: tuple[str, ...]
    occurrence: Occurrence
    reason: str
    first_day: Day
    last_day: Day


def finding_id(area: str, maker_id: str, occurrence: Occurrence) -> str:
    """The name of a finding: the same for the same area, maker and occurrence, whenever and wherever it is judged."""
    words = msgspec.json.encode([area, maker_id, *occurrence])
    return hashlib.blake2b(words, digest_size=16).hexdigest()


MakerKind = Literal["rule", "detector"]


class Maker(msgspec.Struct, frozen=True):
    """Who made a version: a rule or a detector, of which published set, as which file, with which source code."""

    kind: MakerKind
    id: str
    set: str
    file: str
    source: str


class FindingVersion(msgspec.Struct, frozen=True):
    """One entry of a finding's history, as stored (append-only) and as sent on. A consumer keeps the highest version.

    ``finding`` is what the finding says from here on; of a withdrawn one, what it said last. ``topic`` is the maker's
    when it judged (empty in versions of before, which named none). ``as_of`` is the highest arrival number among the
    subject's events when it was judged; ``explain`` replays exactly that. ``continued_by`` names the finding that took
    over where an occurrence changed its name. How it is written: ``streams.messages.versions``.
    """

    area: str
    finding_id: str
    version: int
    change: Change
    subject: Subject
    maker: Maker
    topic: str
    finding: Finding
    cause: str
    as_of: int
    continued_by: str | None = None
