"""Which points hold for an item on a day: a loop over all points, apart from the look-up of knowledge_base.facts."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from knowledge_base.facts import Point

from .lines import Line


class Knowledge:
    """The points of a judgement, of each catalogue apart. What was found for a code is kept."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._of: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            self._of[point.catalogue].append(point)
        self._naming: dict[tuple[str, str], list[Point]] = {}

    def point(self, catalogue: str, code: str | None, day: date) -> Point | None:
        """The point that holds for an item on its own service day, ``None`` where there is none."""
        in_force = self._in_force(catalogue, code, day)
        return in_force[0] if in_force else None

    def included(self, catalogue: str, main: str, day: date) -> set[str]:
        """The items that a main item includes by the pairs in force on a day."""
        return {code for point in self._in_force(catalogue, main, day) for code in point.row.included}

    def pair(self, catalogue: str, main: str | None, part: Line) -> Point | None:
        """The pair of a main item with that of a line, in force on the line's day."""
        in_force = self._in_force(catalogue, main, part.day)
        return next((point for point in in_force if part.code in point.row.included), None)

    def names(self, catalogue: str, code: str | None) -> bool:
        """Whether any point, in force or not, names an item."""
        return code is not None and bool(self._points_naming(catalogue, code))

    def _in_force(self, catalogue: str, code: str | None, day: date) -> list[Point]:
        """Of the points in force those that began last, and of these those recorded last."""
        named = self._points_naming(catalogue, code) if code else []
        in_force = [point for point in named if _holds(point, day)]
        if len(in_force) < 2:
            return in_force
        latest = max((point.valid_from, point.recorded_on) for point in in_force)
        return [point for point in in_force if (point.valid_from, point.recorded_on) == latest]

    def _points_naming(self, catalogue: str, code: str) -> list[Point]:
        if (catalogue, code) not in self._naming:
            named = [point for point in self._of[catalogue] if code in point.codes]
            self._naming[catalogue, code] = named
        return self._naming[catalogue, code]


def _holds(point: Point, day: date) -> bool:
    begun = date.fromordinal(point.valid_from) <= day
    return begun and (point.valid_to is None or day <= date.fromordinal(point.valid_to))
