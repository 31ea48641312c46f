"""Whether the lines of a finding were asked about before they were settled, and what its rule said then."""

from collections.abc import Mapping, Sequence

import msgspec

from api.leads.evidence import MarkedClaim
from casework.asked import Beside, BilledLine, Stance, stance_of
from casework.sight import Sight
from knowledge_base.cards import Card
from knowledge_base.findings import LineKey
from rules_lib.rule import Rule
from streams.store.events.asked import find_arrivals, find_asked, find_live_since
from streams.store.sessions import Connection


class LinesAsked(msgspec.Struct, frozen=True):
    """What a rule said of lines before they were settled; nothing of any where it ``speaks`` after the settlement
    alone. ``disputed`` are those in dispute."""

    speaks: bool
    stances: Mapping[LineKey, Stance]
    disputed: frozenset[LineKey]

    @property
    def any_asked(self) -> bool:
        return any(stance.answer is not None for stance in self.stances.values())

    @property
    def any_passed(self) -> bool:
        """Whether a line in dispute passed: that one of those compared with it did, mitigates nothing."""
        return any(self.stances[key].passed for key in self.disputed & self.stances.keys())


async def find_lines_asked(
    connection: Connection, card: Card, area: str, claims: Sequence[MarkedClaim], sight: Sight
) -> LinesAsked | None:
    """What a rule said of the lines in dispute, and of those compared with them, as far as a page shows them.

    ``None`` where nobody was to be told anything: for what is tried out, and for models. Of lines of institutions
    out of sight nothing is said.
    """
    if not isinstance(card, Rule) or not card.is_live:
        return None
    lines = [line for claim in claims for line in _billed(claim) if _is_seen(line, sight)]
    if not lines:
        return None
    if not card.reminds:
        return LinesAsked(False, {}, frozenset())
    asked = await find_asked(connection, area, lines)
    since = await find_live_since(connection, card.id) if asked else None
    arrivals = await find_arrivals(connection, area, {line.event_id for line in lines}) if asked else {}
    beside = {
        line.key: Beside(arrivals[line.event_id], min((of.at for of in asked.get(line.key, ())), default=None))
        for line in lines
        if line.event_id in arrivals
    }
    stances = {
        line.key: stance_of(
            asked.get(line.key, ()),
            card.id,
            card.phases,
            since,
            [of for key, of in beside.items() if key != line.key],
        )
        for line in lines
    }
    return LinesAsked(True, stances, frozenset(of.key for claim in claims for of in claim.guilty.shown))


def _billed(marked: MarkedClaim) -> list[BilledLine]:
    """The lines of a claim that a finding speaks of, but for those that take back."""
    claim = marked.claim
    return [
        BilledLine(of.key, (claim.institution, claim.encounter_id, of.line.line_id), claim.event_id, claim.settled_at)
        for table in (marked.guilty, marked.involved)
        for of in table.shown
        if of.line.refund_of is None
    ]


def _is_seen(line: BilledLine, sight: Sight) -> bool:
    return sight.institutions is None or line.key[0] in sight.institutions
