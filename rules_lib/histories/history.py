"""What every history has: a subject, lines by item code, and what parts of them are worth."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.findings import Amounts, LineKey
from knowledge_base.subjects import Subject

ZERO = Decimal(0)

NOTHING = Amounts(ZERO, ZERO, ZERO, "nothing in dispute")

Encounter = tuple[str, str]
"""(institution, encounter_id)"""


class Line(msgspec.Struct, frozen=True, gc=False):
    """A billed line as it stands, net of refunds. ``decided`` is false where it is unknown whether the fund paid it."""

    claim: ClaimDigest
    digest: LineDigest
    quantity: Decimal
    amount: Decimal
    in_fund_scope: Decimal | None
    decided: bool

    @property
    def key(self) -> LineKey:
        return (self.claim.institution, self.claim.encounter_id, self.digest.line_id)

    @property
    def encounter(self) -> Encounter:
        return (self.claim.institution, self.claim.encounter_id)

    @property
    def institution(self) -> str:
        return self.claim.institution

    @property
    def day(self) -> Day:
        return self.digest.day


Share = tuple[Line, Decimal, Decimal]
"""A guilty line and the part of it in dispute: so many of so many units or days, apart, so that money is exact."""


def line_order(line: Line) -> tuple[int, str, str]:
    """Lines are ordered by when they happened, never by arrival."""
    return (line.digest.at, line.claim.event_id, line.digest.line_id)


class History:
    """What a check may read of a subject. One of its own for each kind of subject; this one holds nothing.

    ``items`` are the lines that count, by item code and in line order; ``days_without_code`` are the days of lines that
    name no item, by encounter.
    """

    items: Mapping[str, list[Line]] = {}
    days_without_code: Mapping[Encounter, list[Day]] = {}

    def __init__(self, subject: Subject):
        self.subject = subject

    def amounts_of(self, share: Share) -> Amounts:
        """What a guilty line's part in dispute is worth."""
        return NOTHING
