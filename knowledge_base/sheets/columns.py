"""The columns of published sheets: by its head, never by its name or its file's, a sheet is known.

What one sheet calls 国标代码 another one calls 药品代码, and so on: ``_ALIASES`` says which words mean the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from knowledge_base.sheets.workbooks import Grid

Cells = Mapping[str, str]
"""The cells of a row by the words of the head."""

PAIRS = frozenset({"频度", "主项名称", "主项编码", "从项名称", "从项编码", "备注"})
PERIODS = frozenset({"项目名称", "频次上限", "疗程周期", "备注", "编码"})
DAILY_CAPS = frozenset({"项目名称", "限制数量", "数量单位", "编码"})
LIMITED_SERVICES = frozenset({"项目名称", "编码", "限定类型", "限定"})
DRUG_TERMS = frozenset({"药品通用名", "药品说明", "限定类型", "限定"})
DRUG_CODES = frozenset({"药品通用名", "编码", "限定类型"})
REMARKED_SERVICES = frozenset({"项目名称", "备注", "编码"})

HEADS = (PAIRS, PERIODS, DAILY_CAPS, LIMITED_SERVICES, DRUG_TERMS, DRUG_CODES, REMARKED_SERVICES)
"""The columns that a sheet of each form has, beside others; the first that fits holds."""

_ALIASES = {
    "国标代码": "编码",
    "药品代码": "编码",
    "项目编码": "编码",
    "项目代码": "编码",
    "限定对象": "限定",
    "限定性别": "限定",
    "限定值域": "限定",
}

_HIGHEST_HEADS = 10
"""How many rows of titles may stand above the head."""

_NO_ROWS = ("合计", "备注", "注：", "注:", "说明")
"""How the first word of what is no row of a sheet begins: its total and its remarks."""


class Table(NamedTuple):
    """A sheet of a known form: the columns of its form, the row of its head (from 1), and its rows below."""

    title: str
    columns: frozenset[str]
    head: int
    rows: Sequence[Cells]

    def numbered(self) -> Iterator[tuple[int, Cells]]:
        """Each row that is none of totals and remarks, counted from 1 below the head."""
        for number, cells in enumerate(self.rows, 1):
            first = next(filter(None, cells.values()), "")
            if first and not first.startswith(_NO_ROWS):
                yield number, cells


def table_of(grid: Grid) -> Table | None:
    """A sheet as a table of the form that its head has, ``None`` where no row looks like a head."""
    for above, row in enumerate(grid.cells[:_HIGHEST_HEADS]):
        words = [_ALIASES.get(word, word) for word in row]
        for columns in HEADS:
            if columns <= set(words):
                rows = [dict(zip(words, cells, strict=True)) for cells in grid.cells[above + 1 :]]
                return Table(grid.title, columns, above + 1, rows)
    return None
