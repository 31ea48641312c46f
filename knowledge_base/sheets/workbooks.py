"""Workbooks (xlsx) as grids of texts.

Errors: ``FileFaults`` where a file cannot be read or is no workbook.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from python_calamine import CalamineError, CalamineWorkbook

from knowledge_base.files.yaml_files import Fault, FileFaults, unreadable
from knowledge_base.signs import UNSEEN

XLSX = (".xlsx",)
"""The endings of workbooks, in small or capital letters."""


class Grid(NamedTuple):
    """One sheet: its name and its cells as texts, each row as long as the longest."""

    title: str
    cells: Sequence[Sequence[str]]


def load_grids(path: Path) -> Iterator[Grid]:
    """The sheets of a workbook in their order. Raises ``FileFaults``."""
    try:
        with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as workbook:
            for title in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(title).to_python(skip_empty_area=False)
                yield Grid(title, [[_text(cell) for cell in row] for row in rows])
    except OSError as error:
        raise FileFaults(path, [Fault(path, 0, "", unreadable(error))]) from None
    except CalamineError:
        raise FileFaults(path, [Fault(path, 0, "", "不是能读的工作簿 / no workbook that can be read")]) from None


def _text(cell: object) -> str:
    """A cell as it is shown: whole numbers without a decimal point, nothing unseen at the ends."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip(UNSEEN)
