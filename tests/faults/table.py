"""The tables of docs/faults.md, written by the run and by nothing else."""

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
    _put(page, bus, [_HEAD, *map(_row, rows)])


def write_answers(page: Path, answers: Sequence["Answers"]) -> None:
    """Puts what hospitals were answered between its marks on the page. Raises ``LookupError`` where it has none."""
    _put(page, "gateway", [_HEAD_OF_ANSWERS, *map(_row_of_answers, answers)])


def _put(page: Path, name: str, lines: Sequence[str]) -> None:
    text = page.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- faults: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if between.search(text) is None:
        raise LookupError(f"{page.name} has no marks for {name}")
    table = "\n".join([*lines, ""])
    page.write_text(between.sub(lambda marks: marks[1] + table + marks[2], text), encoding="utf-8")


def _row(row: Row) -> str:
    measured = [seconds for seconds in row.seconds if seconds is not None]
    cells = [row.text, str(len(row.seconds)), f"{median(measured):.1f}", f"{max(measured):.1f}", f"{row.whole:.0f}"]
    return f"| {' | '.join(cells)} |"


_HEAD_OF_ANSWERS = """\
| 故障 / fault | 报文 / messages | 未判断 / not judged | 请重发 / put off | 断开 / broken off | p50 ms | p99 ms \
| 最长 / longest ms | 全程 / whole run s |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Answers:
    """What hospitals were answered in one scenario, in milliseconds; ``whole`` is how many seconds it took."""

    text: str
    messages: int
    not_judged: int
    put_off: int
    broken: int
    p50: float
    p99: float
    longest: float
    whole: float


def _row_of_answers(row: Answers) -> str:
    counts = [row.messages, row.not_judged, row.put_off, row.broken]
    measured = [f"{of:.0f}" for of in (row.p50, row.p99, row.longest, row.whole)]
    return f"| {' | '.join([row.text, *(f'{of:,}' for of in counts), *measured])} |"
