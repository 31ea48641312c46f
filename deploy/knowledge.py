"""Imported knowledge: a folder of catalogue files for every import, below the home folder.

    knowledge/0001/periods.yaml ...    read beside the program's own catalogues
    knowledge/0001/import.json         when, by whom, from which files, and what came of it
    knowledge/undone/0002/             one that was taken back: kept, and read by nobody

Errors: ``OSError``; ``FileFaults`` where what lies there cannot be read.
"""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import msgspec

from knowledge_base.catalogues.files import IMPORT_FILE, UNDONE, load_catalogue, look_into_imports
from knowledge_base.catalogues.writing import save_catalogue
from knowledge_base.days import as_date, day_of
from knowledge_base.facts import Point
from knowledge_base.files.yaml_files import Fault, FileFaults
from knowledge_base.sheets.comparing import Comparison
from knowledge_base.sheets.forms import NOT_LOCALISED


class Import(msgspec.Struct, frozen=True):
    """The record of an import: the points of rows that name no norm hold from ``published`` on; rows are counted."""

    number: int
    at: datetime
    by: str
    published: date
    files: list[str]
    added: int
    superseded: int
    unchanged: int
    refused: int


class Kept(msgspec.Struct, frozen=True):
    """An import with its folder, and whether it was taken back."""

    record: Import
    folder: Path
    undone: bool


def find_imports(home: Path) -> list[Kept]:
    """All imports in their order, also those that were taken back."""
    found = [Kept(_load(path), path.parent, path.parent.parent.name == UNDONE) for path in _records(home)]
    return sorted(found, key=lambda kept: kept.record.number)


def _records(home: Path) -> Iterator[Path]:
    for pattern in (f"[0-9]*/{IMPORT_FILE}", f"{UNDONE}/[0-9]*/{IMPORT_FILE}"):
        yield from home.glob(pattern)


def _load(path: Path) -> Import:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Import)
    except msgspec.DecodeError as error:
        raise FileFaults(path, [Fault(path, 0, "", f"不是导入记录 / no record of an import: {error}")]) from None


def save_import(home: Path, comparison: Comparison, record: Import) -> Kept:
    """Writes the new points of sheets and the record beside them, all at once."""
    home.mkdir(parents=True, exist_ok=True)
    written = home / f".{record.number:04}"
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir()
    for catalogue, rows in comparison.new.items():
        save_catalogue(
            written / f"{catalogue}.yaml",
            catalogue,
            rows,
            title=f"导入 {record.number}",
            source="、".join(record.files),
            recorded_on=as_date(day_of(record.at)),
            localised=catalogue not in NOT_LOCALISED,
        )
    (written / IMPORT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    return Kept(record, written.rename(home / f"{record.number:04}"), False)


def remove_import(kept: Kept) -> None:
    """Takes away an import that did not come into force."""
    shutil.rmtree(kept.folder)


def set_aside(home: Path, kept: Kept) -> Kept:
    """Moves an import to those that nobody reads."""
    (home / UNDONE).mkdir(exist_ok=True)
    return Kept(kept.record, kept.folder.rename(home / UNDONE / kept.folder.name), True)


def bring_back(home: Path, kept: Kept) -> None:
    """Moves an import back that was set aside."""
    kept.folder.rename(home / kept.folder.name)


def load_points(kept: Kept) -> list[Point]:
    """The points that an import brought."""
    return [point for path in look_into_imports(kept.folder).sound() for point in load_catalogue(path)]
