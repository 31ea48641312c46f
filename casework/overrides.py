"""What doctors did about warnings, by what was told them: a label of rules that is weaker than a decision.

A doctor who goes on may be right, may not have read, or may be pressed for time; nobody at the fund looked at it. So
overrides stand beside the precision that decisions say (``casework.precision``), and are no part of it.
"""

from decimal import Decimal
from typing import NamedTuple

LEAST_ANSWERED = 30
"""Answered warnings from which on a share of them says something; of fewer both numbers are told."""


class Overrides(NamedTuple):
    """Warnings that were ``told``, and how many of them were answered last by going on (``continued``) or by changing
    the order; money in yuan. Of how many an order in question was ``billed`` all the same says the ledger of orders,
    whatever was answered.

    Of those against which somebody went on: how many with a reason, and of how many a finding stands now, on which
    somebody decided that it is right, or that it is not.
    """

    told: int = 0
    changed: int = 0
    continued: int = 0
    reasoned: int = 0
    found: int = 0
    confirmed: int = 0
    dismissed: int = 0
    in_question: Decimal = Decimal(0)
    continued_in_question: Decimal = Decimal(0)
    billed: int = 0
    billed_in_question: Decimal = Decimal(0)

    @property
    def answered(self) -> int:
        return self.changed + self.continued

    @property
    def unanswered(self) -> int:
        return self.told - self.answered

    @property
    def unreasoned(self) -> int:
        return self.continued - self.reasoned

    @property
    def share(self) -> Decimal | None:
        """The share of the answered that were gone on with; ``None`` where too few are answered to say one."""
        return Decimal(self.continued) / self.answered if self.answered >= LEAST_ANSWERED else None
