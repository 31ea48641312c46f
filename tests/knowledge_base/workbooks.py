"""Workbooks made for tests, in the form of the published sheets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from openpyxl import Workbook  # type: ignore[import-untyped]

Rows = Sequence[Sequence[object]]

PAIRS = ("序号", "频度", "主项名称", "主项编码", "从项名称", "从项编码", "备注")
DAILY_CAPS = ("序号", "项目名称", "限制数量", "数量单位", "项目编码")
PERIODS = ("序号", "项目名称", "频次上限", "疗程周期", "备注", "项目代码")
REMARKED = ("序号", "项目名称", "备注", "项目代码")
SERVICES = ("项目名称", "项目说明", "国标代码", "限定类型", "限定性别")
OPERATIONS = ("项目名称", "项目说明", "国标代码", "限定类型", "限定值域")
DRUG_TERMS = ("药品通用名", "药品说明", "限定类型", "限定对象")
DRUG_CODES = ("药品通用名", "序号", "国标代码", "限定类型")


def save_workbook(path: Path, sheets: Mapping[str, Rows]) -> Path:
    """A workbook with these sheets, each with its head as the first row."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def save_drugs(path: Path, kind: str, limit: str, text: str, names: Mapping[str, Sequence[str]]) -> Path:
    """The two sheets of a drug limit: terms by generic name, and the codes of each name."""
    terms = [DRUG_TERMS, *((name, text, kind, limit) for name in names)]
    codes = [(name, number, code, kind) for name, of_name in names.items() for number, code in enumerate(of_name, 1)]
    return save_workbook(path, {"Sheet1": terms, "Sheet2": [DRUG_CODES, *codes]})
