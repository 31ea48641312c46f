"""Catalogue files: one YAML file a catalogue, read with every fault named by line.

A catalogue is one YAML file with a source and points. A point holds item codes and values from its
``valid_from`` on (and to ``valid_to``, counted, where it ends); ``recorded_on`` is the day on which it became
known. A later point with the same key supersedes an earlier one from its own first day; both stay. ``published`` says
how many points the notices list, counted as the row type does (``keys``): no rule reads it. A catalogue without points
comes by import. ``unread`` says why no rule reads a catalogue yet.

    catalogue: periods
    title: 医疗服务项目周期超频次
    batch: "8-4"
    source: 国家医疗保障局 ... 知识点明细
    recorded_on: 2025-12-31
    valid_from: 2025-12-31
    localised: false
    published: 14
    points:
      - {codes: ["002503020030000"], name: 糖化血红蛋白测定, count: "1", days: 15}

Errors: ``CatalogueError`` lists every fault of a file with its line.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from knowledge_base.catalogues.rows import ROWS, AnyRow
from knowledge_base.days import as_date
from knowledge_base.facts import Facts, Point
from knowledge_base.files.folders import YAML, Contents, look_into
from knowledge_base.files.loading import uncollected
from knowledge_base.files.yaml_files import Fault, FileFaults, YamlFile, collected, load_yaml

CATALOGUES = Path(__file__).parent
_PROGRAM = ("*.py", "__pycache__")
"""What reads the catalogues lies in their folder."""

IMPORT_FILE, UNDONE = "import.json", "undone"
"""What lies beside the catalogues of imports: the record of each, and the folder of those that were taken back."""


CatalogueError = FileFaults


def _known(catalogue: str) -> str:
    if catalogue not in ROWS:
        raise ValueError(f"unknown catalogue, expected one of {sorted(ROWS)}")
    return catalogue


class Head(BaseModel):
    """The head of a catalogue file; points are checked against the row type of their catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    catalogue: Annotated[str, AfterValidator(_known)]
    """Which one it is; the file is named after it."""

    title: str
    """What it is called officially."""

    batch: str
    """The official batch that it came with, in quotes."""

    source: str
    """Notice and sheet that it was taken from."""

    recorded_on: date
    """The day on which it became known."""

    valid_from: date
    """The first service day on which its points hold."""

    localised: bool
    """Whether provinces have nothing to fix any more; rules on points that await it are never graded clear."""

    published: Annotated[int, Field(gt=0)] | None = None
    """How many points the notice published, held here or not."""

    unread: str | None = None
    """Why no rule reads its points yet."""

    note: str | None = None
    """What a reader should know."""


def load_catalogue(path: Path) -> tuple[Point, ...]:
    """The points of one catalogue file. Raises ``CatalogueError`` with every fault of the file."""
    raw = load_yaml(path)
    errors: list[CatalogueError] = []
    head: Head | None = None
    rows: list[AnyRow] = []
    with collected(errors):
        head = _head(raw)
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


def _head(raw: YamlFile) -> Head:
    return raw.model((), Head, {key: value for key, value in raw.data.items() if key != "points"})


def load_heads(folder: Path = CATALOGUES) -> tuple[Head, ...]:
    """The heads of all catalogues of a folder, in the order of their names. Raises ``CatalogueError``."""
    return tuple(_head(load_yaml(path)) for path in look_into(folder, YAML, beside=_PROGRAM).sound())


def _faults_of(raw: YamlFile, points: tuple[Point, ...]) -> list[Fault]:
    return [
        raw.fault(("points", index, "valid_to"), f"ends before it begins on {as_date(point.valid_from)}")
        for index, point in enumerate(points)
        if point.valid_to is not None and point.valid_to < point.valid_from
    ]


def _point(head: Head, row: AnyRow) -> Point:
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
        note=row.note or (head.note if row.valid_from is None else None),
    )


def look_into_imports(folder: Path) -> Contents:
    """The catalogue files of imports below a folder, those of the first import first."""
    return look_into(folder, YAML, deep=True, beside=(IMPORT_FILE, UNDONE))


def load_facts(folder: Path = CATALOGUES, imports: Path | None = None) -> Facts:
    """All catalogues of a folder, and of the folders of imports, where there are any.

    The last import stands first: of two points that began and became known on the same days the first one holds.
    Raises ``CatalogueError`` with the faults of every faulty file and odd entry.
    """
    points: list[Point] = []
    files, errors = look_into(folder, YAML, beside=_PROGRAM)
    imported = look_into_imports(imports) if imports is not None and imports.is_dir() else Contents([], [])
    errors += imported.errors
    with uncollected():
        for path in reversed(imported.files):
            with collected(errors):
                points.extend(replace(point, imported=True) for point in load_catalogue(path))
        for path in files:
            with collected(errors):
                points.extend(load_catalogue(path))
        if errors:
            raise CatalogueError.joined(errors)
        return Facts(tuple(points))
