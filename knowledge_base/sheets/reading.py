"""Workbooks of published sheets, read row by row: what each row says, or why it is refused."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from knowledge_base.sheets.columns import DRUG_CODES, DRUG_TERMS, Cells, Table, table_of
from knowledge_base.sheets.forms import FORMS, Said, Terms, Unclear, drug_terms, said
from knowledge_base.sheets.workbooks import load_grids


class Refused(NamedTuple):
    """A row that cannot be used: as the sheet numbers it (from 1, the head included), and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class SheetReading:
    """One sheet of a known form: what its rows say, by their number from 1 below the head, and those refused."""

    file: str
    title: str
    head: int
    said: list[tuple[int, Said]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What people call it: ``file.xlsx · Sheet1``."""
        return f"{self.file} · {self.title}"

    def refuse(self, number: int, reason: str) -> None:
        self.refused.append(Refused(self.head + number, reason))


class Reading(NamedTuple):
    """What a workbook holds: sheets of known forms, and the names of others that are not empty."""

    sheets: list[SheetReading]
    unknown: list[str]


def load_sheets(path: Path) -> Reading:
    """Reads a workbook. Raises ``FileFaults`` where it cannot be read at all."""
    reading, tables = Reading([], []), []
    for grid in load_grids(path):
        table = table_of(grid)
        if table is not None:
            tables.append((table, SheetReading(path.name, table.title, table.head)))
        elif any(map(any, grid.cells)):
            reading.unknown.append(f"{path.name} · {grid.title}")
    terms = _all_terms(tables)
    for table, sheet in tables:
        _read(table, sheet, terms)
        reading.sheets.append(sheet)
    return reading


Drug = tuple[str, str]
"""How a drug is named in its workbook: 限定类型 and generic name."""

DrugTerms = dict[Drug, Terms | None]
"""Terms of drugs; ``None`` where a sheet names the drug and what it says cannot be used."""


def _all_terms(tables: list[tuple[Table, SheetReading]]) -> DrugTerms:
    found: DrugTerms = {}
    for table, sheet in tables:
        if table.columns != DRUG_TERMS:
            continue
        for number, cells in table.numbered():
            drug = _drug(cells)
            try:
                terms = drug_terms(cells)
                if found.setdefault(drug, terms) != terms:
                    raise Unclear(f"同一药品前后说法不一 / the drug has other terms above: {drug[1]}")
            except Unclear as error:
                found[drug] = None
                sheet.refuse(number, str(error))
    return found


def _drug(cells: Cells) -> Drug:
    return cells["限定类型"], cells["药品通用名"]


def _read(table: Table, sheet: SheetReading, terms: DrugTerms) -> None:
    if table.columns == DRUG_TERMS:
        return
    for number, cells in table.numbered():
        try:
            if table.columns == DRUG_CODES:
                drug = _drug(cells)
                sheet.said.append((number, said(_terms_of(drug, terms), cells["编码"], drug[1])))
            else:
                sheet.said.append((number, FORMS[table.columns](cells)))
        except Unclear as error:
            sheet.refuse(number, str(error))


def _terms_of(drug: Drug, terms: DrugTerms) -> Terms:
    found = terms.get(drug)
    if found is None:
        why = "用不了 / cannot be used" if drug in terms else "没有 / are missing"
        raise Unclear(f"该药品的说明{why}: {drug[1] or '-'}")
    return found
