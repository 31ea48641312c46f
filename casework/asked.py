"""Whether a billed line was asked about before it was billed, and what was said.

A pass lets a finding on the line be judged more kindly; what was paid wrongly is paid back all the same.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from knowledge_base.findings import LineKey

Phase = Literal["before", "during"]


class BilledLine(NamedTuple):
    """A line that somebody looks at: as a finding names it, as it is stored, by which event, and when it was settled
    (UTC)."""

    key: LineKey
    name: LineKey
    event_id: str
    settled_at: datetime


class Warned(msgspec.Struct, frozen=True):
    """A warning about an order, with the latest answer to it; instants are UTC."""

    warning_id: str
    way: str | None
    replied_at: datetime | None


class Answer(msgspec.Struct, frozen=True):
    """What one request about an order was answered: ``code`` is the receipt, ``rule_set`` the set that judged in time
    (``None`` where none did), ``as_of`` the arrival number up to which, ``warned`` what was told by rule."""

    code: str | None
    at: datetime
    phase: Phase
    rule_set: str | None
    as_of: int
    not_asked: frozenset[str]
    warned: Mapping[str, Warned]

    def judged(self, rule_id: str) -> bool:
        """Whether a rule had its say before the answer."""
        return self.rule_set is not None and rule_id not in self.not_asked


Asked = tuple[Answer, ...]
"""The answers to the requests that asked about a line before it was settled, the earliest first."""

Why = Literal["never asked", "after alone", "not in time", "said", "not in force", "not known", "billed otherwise"]
"""Why nothing was said of a line that is in question after the settlement; ``said`` where something was."""


class AskedBy(NamedTuple):
    """A request that asked about the order of a line, with regard to one rule: whether it was judged before it was
    answered, at which instant (UTC), whether the rule was live then, and whether it warned of the order."""

    phase: str
    in_time: bool
    asked_at: datetime
    as_of: int
    in_force: bool
    said: bool


class Beside(NamedTuple):
    """Another line in question or involved: the arrival number of what billed it, and when its order was asked about
    first; ``None`` where none was."""

    arrived: int
    asked_at: datetime | None


def why_silent(phases: Container[str], asked: Sequence[AskedBy], beside: Iterable[Beside]) -> Why:
    """Why a rule that speaks in some phases said nothing of an order that was asked about by requests, in their order.

    What-counts section 8.
    """
    if not asked:
        return "never asked"
    spoken_to = [of for of in asked if of.phase in phases]
    if not spoken_to:
        return "after alone"
    in_time = [of for of in spoken_to if of.in_time]
    if not in_time:
        return "not in time"
    if any(of.said for of in asked if of.in_time):
        return "said"
    if not any(of.in_force for of in in_time):
        return "not in force"
    return "billed otherwise" if all(_was_known(of, in_time[-1]) for of in beside) else "not known"


def _was_known(beside: Beside, asked: AskedBy) -> bool:
    return beside.arrived <= asked.as_of or (beside.asked_at is not None and beside.asked_at <= asked.asked_at)


Kind = Literal["not_asked", "other_phase", "not_live", "out_of_time", "not_known", "billed_otherwise", "warned"]

_KINDS: Mapping[Why, Kind] = {
    "never asked": "not_asked",
    "after alone": "other_phase",
    "not in time": "out_of_time",
    "said": "warned",
    "not in force": "not_live",
    "not known": "not_known",
    "billed otherwise": "billed_otherwise",
}


class Stance(msgspec.Struct, frozen=True):
    """What a rule said of a line before it was billed: nothing was asked, or in a phase in which it does not speak; it
    was not live yet; the answer had to be given without it; it had nothing to say, as something was not known then or
    the order was another; or it warned. ``answer`` is the request that shows it."""

    kind: Kind
    answer: Answer | None = None
    warned: Warned | None = None

    @property
    def passed(self) -> bool:
        """Whether a live rule was asked in time and had nothing to say."""
        return self.kind in ("not_known", "billed_otherwise")


def stance_of(
    asked: Asked, rule_id: str, phases: Container[str], live_since: datetime | None, beside: Iterable[Beside] = ()
) -> Stance:
    """What a rule said of a line, which was asked about by some requests in their order.

    A rule that is live since an instant said nothing before it; ``None`` where that is not known.
    """
    regarded = [
        AskedBy(
            phase=of.phase,
            in_time=of.judged(rule_id),
            asked_at=of.at,
            as_of=of.as_of,
            in_force=live_since is None or of.at >= live_since,
            said=rule_id in of.warned,
        )
        for of in asked
    ]
    kind = _KINDS[why_silent(phases, regarded, beside)]
    if kind == "not_asked":
        return Stance(kind)
    telling = [of for of, seen in zip(asked, regarded, strict=True) if _tells(seen, kind, phases)]
    answer = telling[-1] if telling else asked[-1]
    return Stance(kind, answer, answer.warned.get(rule_id) if kind == "warned" else None)


def _tells(seen: AskedBy, kind: Kind, phases: Container[str]) -> bool:
    """Whether a request is one that shows what a rule said."""
    if kind == "warned":
        return seen.said and seen.in_time
    return seen.phase in phases and (seen.in_time or kind == "out_of_time")
