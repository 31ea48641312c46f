"""Scopes: sets of civil days, as merged intervals, that say which anchors are judged again."""

from bisect import bisect_left
from collections.abc import Iterable

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day

Interval = tuple[Day, Day]
"""First and last day, both counted."""


class Scope:
    """The days touched by events; ``ALL_DAYS`` where everything is judged."""

    def __init__(self, intervals: Iterable[Interval]):
        self.intervals = _merged(intervals)
        self._lasts = [last for _, last in self.intervals]

    def meets(self, first: Day, last: Day) -> bool:
        """Whether any day from ``first`` to ``last`` is in the scope."""
        at = bisect_left(self._lasts, first)
        return at < len(self.intervals) and self.intervals[at][0] <= last

    @property
    def hull(self) -> Interval:
        """From its first day to its last; all days where it is empty."""
        if not self.intervals:
            return FIRST_DAY, LAST_DAY
        return self.intervals[0][0], self.intervals[-1][1]

    def widened(self, before: int, after: int) -> "Scope":
        """The scope with so many days more before and after each interval."""
        return Scope((first - before, last + after) for first, last in self.intervals)

    def with_intervals(self, intervals: Iterable[Interval]) -> "Scope":
        return Scope([*self.intervals, *intervals])


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


ALL_DAYS = Scope([(FIRST_DAY, LAST_DAY)])
