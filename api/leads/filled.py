"""A list that came back filled in, as rows of texts.

A workbook is read in a process of its own with little memory: a file of some KB can say that it has 17 billion cells,
and the library that reads it then ends its process, whatever else is served there.

Errors: ``FileRefused``.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import RLIMIT_AS, RLIMIT_CPU, setrlimit
from zipfile import BadZipFile, ZipFile

import msgspec

from casework.answers import FilledRow
from knowledge_base.files.yaml_files import FileFaults
from knowledge_base.sheets.workbooks import load_grids

MOST_FILE = 8 * 2**20
"""Bytes of a file."""

MOST_UNPACKED = 128 * 2**20
"""Bytes that a file says it unpacks to."""

MOST_ROWS = 100_000

_ZIP = b"PK\x03\x04"
"""How every workbook of this kind begins: nothing else is worth a process."""

_MOST_MEMORY = 2**30
_MOST_SECONDS = 30

_NO_WORKBOOK, _TOO_LARGE, _NOT_THE_LIST = 3, 4, 5
_PROBLEMS: Mapping[int | None, str] = {_TOO_LARGE: "file_too_large", _NOT_THE_LIST: "file_not_the_list"}


class FileRefused(Exception):
    """Nothing of a file was taken; ``problem`` is the key of the text that tells people why (``problems``)."""

    def __init__(self, problem: str):
        super().__init__(problem)
        self.problem = problem


async def read_filled(content: bytes, headings: Sequence[str]) -> list[FilledRow]:
    """The rows of a file below its headings, which are what the columns of a ``FilledRow`` are called, in its order.

    Rows that name no finding and answer nothing are left out. Raises ``FileRefused``.
    """
    if not content.startswith(_ZIP):
        raise FileRefused("file_no_workbook")
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        file.write(content)
        file.flush()
        code, said = await _run(sys.executable, "-m", __name__, file.name, *headings)
    if code != 0:
        raise FileRefused(_PROBLEMS.get(code, "file_no_workbook"))
    return msgspec.json.decode(said, type=list[FilledRow])


async def _run(*command: str) -> tuple[int | None, bytes]:
    """What a command says, and how it ended; one for which nobody waits any more is ended."""
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nowhere, stdout=pipe, stderr=nowhere)
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said


# --- in the process of its own


def _main(path: Path, headings: Sequence[str]) -> int:
    setrlimit(RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    setrlimit(RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    try:
        if _unpacked_size(path) > MOST_UNPACKED:
            return _TOO_LARGE
        rows = _rows_below(path, headings)
    except (BadZipFile, FileFaults):
        return _NO_WORKBOOK
    if rows is None:
        return _NOT_THE_LIST
    if len(rows) > MOST_ROWS:
        return _TOO_LARGE
    sys.stdout.buffer.write(msgspec.json.encode(rows))
    return 0


def _unpacked_size(path: Path) -> int:
    with ZipFile(path) as packed:
        return sum(part.file_size for part in packed.infolist())


def _rows_below(path: Path, headings: Sequence[str]) -> list[FilledRow] | None:
    """The rows below the first row of any sheet that holds all headings, ``None`` where there is none."""
    for grid in load_grids(path):
        for number, cells in enumerate(grid.cells, 1):
            if set(headings) <= set(cells):
                columns = [cells.index(heading) for heading in headings]
                below = enumerate(grid.cells[number:], number + 1)
                rows = (FilledRow(row, *(cells[column] for column in columns)) for row, cells in below)
                return [row for row in rows if row.finding_id or row.position or row.remark]
    return None


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
