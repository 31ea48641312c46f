"""How often a rule or detector is right, by what people decided on its findings one by one, and what of its money is
expected to be confirmed.

Wilson's interval: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
"""

from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

import msgspec

LEAST_DECIDED = 30
"""Decided findings from which on the share of the confirmed ones says something."""

PRIOR = Decimal("0.25")
"""The share that is assumed before: the least that cities report, where 25 to 77 % of suspects were confirmed."""

_Z = Decimal("1.959964")
_PERCENT = Decimal("0.01")


class Precision(NamedTuple):
    """How many findings of a maker were ``decided``: confirmed or dismissed, and how many of these ``confirmed``."""

    confirmed: int = 0
    decided: int = 0

    @property
    def is_measured(self) -> bool:
        return self.decided >= LEAST_DECIDED

    @property
    def bound(self) -> Decimal:
        """The share of its findings that is right at least: the lower end of Wilson's 95 % interval in whole percents,
        rounded down; before enough are decided, ``PRIOR``."""
        if not self.is_measured:
            return PRIOR
        of, share, square = Decimal(self.decided), Decimal(self.confirmed) / self.decided, _Z * _Z
        half = _Z * (share * (1 - share) / of + square / (4 * of * of)).sqrt()
        low = (share + square / (2 * of) - half) / (1 + square / of)
        return max(low, Decimal(0)).quantize(_PERCENT, ROUND_FLOOR)


class Backer(NamedTuple):
    """Who says that money is in dispute, and the share of it that is right at least."""

    bound: Decimal
    maker: str


class Expected(msgspec.Struct, frozen=True):
    """Money of a lead, in yuan, by the maker that has the highest bound of those that dispute it."""

    maker: str
    bound: Decimal
    money: Decimal


def expected_money(shares: tuple[Expected, ...]) -> Decimal:
    """What is expected to be confirmed at least, in yuan."""
    return sum((share.money * share.bound for share in shares), Decimal(0))
