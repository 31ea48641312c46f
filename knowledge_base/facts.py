"""Facts (知识点): dated points, and the look-up by service date.

A point holds item codes and values from its ``valid_from`` on (and to ``valid_to``, counted, where it ends);
``recorded_on`` is the day on which it became known. A later point with the same key supersedes an earlier one from its
own first day; both stay. How they are written: ``knowledge_base.catalogues``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knowledge_base.days import Day, as_date


@dataclass(frozen=True, slots=True)
class Point:
    """One fact: a row of a catalogue with its source and the days on which it holds (``valid_to`` counted).

    ``imported`` says that it came from published sheets, and not with the program: it says nothing else by that.
    """

    catalogue: str
    row: Any
    codes: tuple[str, ...]
    name: str
    valid_from: Day
    valid_to: Day | None
    recorded_on: Day
    source: str
    localised: bool
    note: str | None = None
    imported: bool = field(default=False, repr=False, compare=False)

    @property
    def point_id(self) -> str:
        """Catalogue, first code and first day: ``periods/002503020030000/2025-12-31``."""
        return f"{self.catalogue}/{self.codes[0]}/{as_date(self.valid_from)}"

    def holds_on(self, day: Day) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Facts:
    """The points of all catalogues in memory, found by catalogue and item code."""

    points: tuple[Point, ...]
    _by_code: dict[str, dict[str, tuple[Point, ...]]] = field(init=False, repr=False, compare=False)
    _widest: dict[str, Point | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        index: dict[str, dict[str, tuple[Point, ...]]] = {}
        for point in sorted(self.points, key=lambda p: (p.valid_from, p.recorded_on), reverse=True):
            alone = (point,)
            of_catalogue = index.setdefault(point.catalogue, {})
            for code in dict.fromkeys(point.codes):
                before = of_catalogue.get(code)
                of_catalogue[code] = alone if before is None else before + alone
        object.__setattr__(self, "_by_code", index)

    def codes(self, catalogue: str) -> Mapping[str, tuple[Point, ...]]:
        """Every code of a catalogue with its points, the latest first."""
        return self._by_code.get(catalogue, {})

    def items(self, catalogue: str) -> set[str]:
        """Every item that the points of a catalogue say something about."""
        return {code for points in self.codes(catalogue).values() for point in points for code in point.row.all_codes}

    def widest(self, catalogue: str) -> Point | None:
        """The point of a catalogue that looks back the most days, ``None`` where it holds none."""
        if catalogue not in self._widest:
            points = (point for points in self.codes(catalogue).values() for point in points)
            self._widest[catalogue] = max(points, key=lambda point: point.row.days_back, default=None)
        return self._widest[catalogue]

    def in_force(self, catalogue: str, code: str, day: Day) -> Point | None:
        """The point that holds for an item on a service day: of those in force the one that began last."""
        for point in self._by_code.get(catalogue, {}).get(code, ()):
            if point.holds_on(day):
                return point
        return None

    def known_by(self, day: Day) -> "Facts":
        """The facts as they were known on a day."""
        return Facts(tuple(point for point in self.points if point.recorded_on <= day))
