"""A line of a standing claim and what is left of it; quantities in billing units, amounts in yuan, exact."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.findings import LineKey

from .dates import civil_day, told
from .settlements import fund_paid


@dataclass(frozen=True, eq=False)
class Line:
    """A line after all that takes something back; ``in_fund_scope`` is ``None`` where it is unknown.

    ``day`` is as stated, also where it is a placeholder.
    """

    claim: Claim
    source: ClaimLine
    encounter: tuple[str, str]
    quantity: Decimal
    amount: Fraction
    in_fund_scope: Fraction | None

    @cached_property
    def key(self) -> LineKey:
        return *self.encounter, self.source.line_id

    @cached_property
    def day(self) -> date:
        return civil_day(self.source.at)

    @property
    def is_dated(self) -> bool:
        return told(self.day) is not None

    @property
    def institution(self) -> str:
        return self.claim.institution

    @property
    def code(self) -> str | None:
        return self.source.item_code

    @property
    def order(self) -> tuple[datetime, str, str]:
        """“Lines are ordered by (at, event_id, line_id).”"""
        return self.source.at, self.claim.event_id, self.source.line_id

    @cached_property
    def counts(self) -> bool:
        return self._is_alive and self._is_known

    @cached_property
    def undecided(self) -> bool:
        """“not ruled out by what is known but `paid` or its net in_fund_scope is unknown”"""
        return self._is_alive and not self._is_known

    @property
    def _is_known(self) -> bool:
        return fund_paid(self.claim) is not None and self.in_fund_scope is not None

    @property
    def _is_alive(self) -> bool:
        """“Known self-paid, known zero scope, zero or negative net quantity, a day not told: ruled out.”"""
        paid = fund_paid(self.claim)
        ruled_out = (paid is not None and paid <= 0) or (self.in_fund_scope is not None and self.in_fund_scope <= 0)
        return is_own(self.source) and self.is_dated and self.quantity > 0 and not ruled_out


def is_own(line: ClaimLine) -> bool:
    """Whether a line stands for itself: it takes nothing back, be it by `refund_of` or by a negative quantity."""
    return line.refund_of is None and Decimal(line.quantity) >= 0
