"""Facts (知识点): dated catalogues and the look-up by service date.

A catalogue is one YAML file with a source and points. A point holds item codes and values from its
``valid_from`` on (and to ``valid_to``, counted, where it ends); ``recorded_on`` is the day on which it became
known. A later point with the same key supersedes an earlier one from its own first day; both stay.

    catalogue: periods
    title: 医疗服务项目周期超频次
    batch: "8-4"
    source: 国家医疗保障局 ... 知识点明细
    recorded_on: 2025-12-31
    valid_from: 2025-12-31
    localised: false
    points:
      - {codes: ["002503020030000"], name: 糖化血红蛋白测定, count: "1", days: 15}

Errors: ``CatalogueError`` lists every fault of a file with its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from knowledge_base.catalogues.rows import ROWS, AnyRow
from knowledge_base.days import Day, as_date
from knowledge_base.files.loading import uncollected
from knowledge_base.files.yaml_files import Fault, FileFaults, YamlFile, collected, load_yaml

CATALOGUES = Path(__file__).parent / "catalogues"


CatalogueError = FileFaults


def _known(catalogue: str) -> str:
    if catalogue not in ROWS:
        raise ValueError(f"unknown catalogue, expected one of {sorted(ROWS)}")
    return catalogue


class _Head(BaseModel):
    """The head of a catalogue file; points are checked against the row type of their catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    catalogue: Annotated[str, AfterValidator(_known)]
    title: str
    batch: str
    source: str
    recorded_on: date
    valid_from: date
    localised: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One fact: a row of a catalogue with its source and the days on which it holds (``valid_to`` counted)."""

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


def load_catalogue(path: Path) -> tuple[Point, ...]:
    """The points of one catalogue file. Raises ``CatalogueError`` with every fault of the file."""
    raw = load_yaml(path)
    errors: list[CatalogueError] = []
    head: _Head | None = None
    rows: list[AnyRow] = []
    with collected(errors):
        head = raw.model((), _Head, {key: value for key, value in raw.data.items() if key != "points"})
    row_type = ROWS.get(str(raw.data.get("catalogue")))
    if row_type is not None:
        with collected(errors):
            rows = list(raw.models(("points",), row_type))
    if head is None or errors:
        raise CatalogueError.joined(errors)
    points = tuple(_point(head, row) for row in rows)
    if faults := _faults_of(raw, points):
        raise CatalogueError(path, faults)
    return points


def _faults_of(raw: YamlFile, points: tuple[Point, ...]) -> list[Fault]:
    return [
        raw.fault(("points", index, "valid_to"), f"ends before it begins on {as_date(point.valid_from)}")
        for index, point in enumerate(points)
        if point.valid_to is not None and point.valid_to < point.valid_from
    ]


def _point(head: _Head, row: AnyRow) -> Point:
    return Point(
        catalogue=head.catalogue,
        row=row,
        codes=row.codes,
        name=row.name,
        valid_from=(row.valid_from or head.valid_from).toordinal(),
        valid_to=row.valid_to.toordinal() if row.valid_to else None,
        recorded_on=(row.recorded_on or head.recorded_on).toordinal(),
        source=row.source or head.source,
        localised=head.localised,
        note=row.note or head.note,
    )


def load_facts(folder: Path = CATALOGUES) -> Facts:
    """All catalogues of a folder. Raises ``CatalogueError`` with the faults of every faulty file."""
    points: list[Point] = []
    errors: list[CatalogueError] = []
    with uncollected():
        for path in sorted(folder.glob("*.yaml")):
            with collected(errors):
                points.extend(load_catalogue(path))
        if errors:
            raise CatalogueError.joined(errors)
        return Facts(tuple(points))
