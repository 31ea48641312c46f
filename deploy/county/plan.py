"""What a simulated county is made from: its scale, its seed and its year. Everything else follows."""

from dataclasses import dataclass
from datetime import date
from random import Random

INSURED_OF_DAYE = 835_000
"""People insured in Daye (0.83 million), of whom a county of scale 1 has all."""

AREA = "420281"
"""Daye's code in the national table of administrative divisions (GB/T 2260)."""


@dataclass(frozen=True, slots=True)
class CountyPlan:
    """A county of ``scale`` times Daye from ``first`` to ``last``, both counted.

    Errors: ``ValueError`` for a scale outside (0, 10] or a year that ends before it begins.
    """

    scale: float = 1 / 50
    seed: int = 1
    first: date = date(2025, 11, 1)
    last: date = date(2026, 10, 31)

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 10:
            raise ValueError("scale must lie above 0 and at most at 10")
        if self.last < self.first:
            raise ValueError("the last day lies before the first")

    @property
    def insured(self) -> int:
        """How many people are insured, at least 50."""
        return max(50, round(INSURED_OF_DAYE * self.scale))

    @property
    def days(self) -> int:
        """Length of the simulated time in days."""
        return (self.last - self.first).days + 1

    @property
    def years(self) -> float:
        """Length of the simulated time in years of 365 days."""
        return self.days / 365

    def chance(self, *words: str) -> Random:
        """A stream of chance of its own for each name, so that one changed habit reshuffles nobody else."""
        return Random("/".join((str(self.seed), *words)))
