"""The table of docs/faults.md, written by the run and by nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .faults import Seconds

_HEAD = """\
| 故障 / fault | 次数 / times | 恢复秒数，中位 / seconds to recover, median | 最长 / longest | 全程 / whole run |
|---|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Row:
    """What one scenario came to; its verdict was good, or there is no row."""

    text: str
    seconds: Seconds
    whole: float


def write_table(page: Path, bus: str, rows: Sequence[Row]) -> None:
    """Puts a bus's table between its marks on the page. Raises ``LookupError`` where it has none."""
    text = page.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- faults: {bus} -->\n).*?(<!-- end -->)", re.DOTALL)
    if between.search(text) is None:
        raise LookupError(f"{page.name} has no marks for {bus}")
    table = "\n".join([_HEAD, *map(_row, rows), ""])
    page.write_text(between.sub(lambda marks: marks[1] + table + marks[2], text), encoding="utf-8")


def _row(row: Row) -> str:
    measured = [seconds for seconds in row.seconds if seconds is not None]
    cells = [row.text, str(len(row.seconds)), f"{median(measured):.1f}", f"{max(measured):.1f}", f"{row.whole:.0f}"]
    return f"| {' | '.join(cells)} |"
