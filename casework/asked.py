"""Whether a billed line was asked about before it was billed, and what was said.

A pass lets a finding on the line be judged more kindly; what was paid wrongly is paid back all the same.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from knowledge_base.days import Day
from knowledge_base.findings import LineKey

Phase = Literal["before", "during"]


class BilledLine(NamedTuple):
    """A line that somebody looks at: whose it is, what it was ordered as, and when it was settled (UTC)."""

    key: LineKey
    patient: str
    day: Day
    item_code: str | None
    order_id: str | None
    settled_at: datetime


class Warned(msgspec.Struct, frozen=True):
    """A warning about an order, with the latest answer to it; instants are UTC."""

    warning_id: str
    way: str | None
    replied_at: datetime | None


class Answer(msgspec.Struct, frozen=True):
    """What one request about an order was answered: ``code`` is the receipt, ``rule_set`` the set that judged in time
    (``None`` where none did), ``warned`` what was told by rule."""

    code: str | None
    at: datetime
    phase: Phase
    rule_set: str | None
    not_asked: frozenset[str]
    warned: Mapping[str, Warned]

    def judged(self, rule_id: str) -> bool:
        """Whether a rule had its say before the answer."""
        return self.rule_set is not None and rule_id not in self.not_asked


Asked = tuple[Answer, ...]
"""The answers to the requests that asked about a line before it was settled, the earliest first."""

Kind = Literal["not_asked", "not_live", "out_of_time", "passed", "warned"]


class Stance(msgspec.Struct, frozen=True):
    """What a rule said of a line before it was billed: nothing was asked, the rule was not live yet, the answer had to
    be given without it, it had nothing to say, or it warned."""

    kind: Kind
    answer: Answer | None = None
    warned: Warned | None = None


def stance_of(asked: Asked, rule_id: str, phases: Collection[str], live_since: datetime | None) -> Stance:
    """What a rule said of a line: in the latest answer in which it had its say, in a phase that it is asked in.

    A rule that is live since an instant said nothing before it; ``None`` where that is not known.
    """
    answers = [answer for answer in asked if answer.phase in phases]
    if not answers:
        return Stance("not_asked")
    of_its_time = [answer for answer in answers if live_since is None or answer.at >= live_since]
    if not of_its_time:
        return Stance("not_live", answers[-1])
    judged = [answer for answer in of_its_time if answer.judged(rule_id)]
    if not judged:
        return Stance("out_of_time", of_its_time[-1])
    last = judged[-1]
    warned = last.warned.get(rule_id)
    return Stance("passed", last) if warned is None else Stance("warned", last, warned)
