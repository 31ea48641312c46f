"""The list of a lead as a workbook (xlsx): one row a line in dispute, with room for what the institution answers.

Written row by row, each once: what was written is no longer held, so a long list takes no more memory than a short one.
Whatever comes from outside is written as text, also where it looks like a formula; money and quantities are numbers.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from xlsxwriter import Workbook

from api.frame.texts import LANGUAGES, Texts, load_texts
from api.leads.listed import ListHead, ListRow
from casework.answers import LONGEST_REMARK, WORDS

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

COLUMNS = {
    "number": 5, "problem": 14, "encounter": 14, "bill": 14, "line": 10, "department": 9, "at": 11, "item_code": 13,
    "item": 15, "quantity": 7, "amount": 10, "in_question": 10, "in_fund": 10, "loss": 10, "sentence": 30, "law": 22,
    "position": 9, "remark": 20, "method": 16, "finding": 18, "version": 6, "ordinal": 6,
}  # fmt: skip
"""The columns (texts ``list.columns``) with their widths in signs."""

PRINTED = list(COLUMNS)[: list(COLUMNS).index("remark") + 1]
"""The columns that are printed: those behind them are for reading the list back."""

SIGNED = ("institution", "head", "clerk", "fund", "day")
"""Who stamps and signs it (texts ``list.signed``)."""

_WHOLE = ("number", "version", "ordinal")
_MONEY = ("amount", "in_question", "in_fund", "loss")
NUMBERS = ("number", "quantity", *_MONEY)
_A4 = 9
_LONGEST_HEAD = 60
"""Signs of a name in the head of a printed sheet, which holds 255 with all that stands in it."""

_SIGNED_HEIGHT = 42
"""Points of a row in which somebody signs or stamps."""


def list_texts() -> Texts:
    """The texts of a list, which is Chinese for everybody: so it can be read back."""
    return load_texts(next(iter(LANGUAGES)))


def heading(column: str) -> str:
    """What a column is called."""
    return list_texts()(f"list.columns.{column}")


class ListBook:
    """A list that is being written to a file. ``folder`` holds what is not packed yet."""

    def __init__(self, file: BinaryIO, folder: Path, head: ListHead):
        self.texts = list_texts()
        self.book = Workbook(file, {"constant_memory": True, "tmpdir": str(folder)})
        self.sheet = self.book.add_worksheet(self.texts("list.sheet"))
        self.formats = {
            "text": self.book.add_format({"text_wrap": True, "valign": "top", "border": 1, "num_format": "@"}),
            "whole": self.book.add_format({"valign": "top", "border": 1, "num_format": "0"}),
            "number": self.book.add_format({"valign": "top", "border": 1, "num_format": "#,##0.######"}),
            "money": self.book.add_format({"valign": "top", "border": 1, "num_format": "#,##0.00"}),
            "head": self.book.add_format({"text_wrap": True, "valign": "top", "border": 1, "bold": True}),
            "title": self.book.add_format({"bold": True, "font_size": 16}),
            "plain": self.book.add_format({"num_format": "@"}),
        }
        self.row = 0
        self.head = head
        self._lay_out(head)
        self._write_head(head)
        self.first = self.row

    def write(self, rows: Sequence[ListRow]) -> None:
        """Adds rows below those that are there."""
        for row in rows:
            cells = row.cells(self.texts)
            for column, name in enumerate(COLUMNS):
                self._write_cell(column, name, cells[name])
            self.row += 1

    def close(self) -> None:
        """Adds what the rows come to, the room for stamp and signatures and the sheet that explains the columns, and
        finishes the file."""
        last = max(self.row - 1, self.first)
        self._offer_answers(last)
        self.row = last + 1
        for name, value in self.head.last_cells(self.texts).items():
            self._write_cell(list(COLUMNS).index(name), name, value)
        self.row += 2
        for line in SIGNED:
            self.sheet.set_row(self.row, _SIGNED_HEIGHT)
            self.sheet.write_string(self.row, 1, self.texts(f"list.signed.{line}"), self.formats["plain"])
            self.row += 1
        self.sheet.autofilter(self.first - 1, 0, last, len(COLUMNS) - 1)
        self.sheet.print_area(0, 0, self.row - 1, len(PRINTED) - 1)
        self._explain()
        self.book.close()

    def _lay_out(self, head: ListHead) -> None:
        """A4 across, as wide as the sheet, with institution, days and page on each."""
        words, sheet = head.words, self.sheet
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.8, bottom=0.7)
        above = (head.institution, self.texts("list.short", **words), self.texts("list.span", **words))
        sheet.set_header("&L{}&C{}&R{}".format(*map(_printed, above)))
        made = self.texts("list.made", **words)
        sheet.set_footer(f"&L{_printed(made)}&C{self.texts('list.page', page='&P', pages='&N')}&R{head.lead.lead_id}")
        for column, width in enumerate(COLUMNS.values()):
            sheet.set_column(column, column, width)

    def _write_head(self, head: ListHead) -> None:
        words = head.words
        self.sheet.write_string(0, 0, self.texts("list.title"), self.formats["title"])
        for line in (self.texts("list.of", **words), self.texts("list.days", **words), self.texts("list.fill_in")):
            self.row += 1
            self.sheet.write_string(self.row, 0, line, self.formats["plain"])
        self.row += 1
        for column, name in enumerate(COLUMNS):
            self.sheet.write_string(self.row, column, heading(name), self.formats["head"])
        self.sheet.repeat_rows(self.row)
        self.row += 1
        self.sheet.freeze_panes(self.row, 0)

    def _write_cell(self, column: int, name: str, value: str | Decimal | int) -> None:
        if isinstance(value, str):
            self.sheet.write_string(self.row, column, value, self.formats["text"])
        else:
            kind = "whole" if name in _WHOLE else "money" if name in _MONEY else "number"
            self.sheet.write_number(self.row, column, float(value), self.formats[kind])

    def _offer_answers(self, last: int) -> None:
        position, remark = (list(COLUMNS).index(name) for name in ("position", "remark"))
        offered = {
            "validate": "list",
            "source": list(WORDS)[:2],
            "error_title": self.texts("list.offered_title"),
            "error_message": self.texts("list.offered"),
        }
        self.sheet.data_validation(self.first, position, last, position, offered)
        bounded = {
            "validate": "length",
            "criteria": "<=",
            "value": LONGEST_REMARK,
            "error_title": self.texts("list.bounded_title"),
            "error_message": self.texts("list.bounded", longest=LONGEST_REMARK),
        }
        self.sheet.data_validation(self.first, remark, last, remark, bounded)

    def _explain(self) -> None:
        """The second sheet: what each column holds, Chinese first."""
        sheet = self.book.add_worksheet(self.texts("list.notes"))
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        for column, width in enumerate((16, 60, 18, 70)):
            sheet.set_column(column, column, width)
        both = [load_texts(lang) for lang in LANGUAGES]
        rows = [[text for texts in both for text in (texts("list.title"), texts("list.fill_in"))]]
        rows += [
            [text for texts in both for text in (texts(f"list.columns.{name}"), texts(f"list.explained.{name}"))]
            for name in COLUMNS
        ]
        for row, cells in enumerate(rows):
            for column, text in enumerate(cells):
                sheet.write_string(row, column, text, self.formats["head" if row == 0 else "text"])


def _printed(text: str) -> str:
    """A text of the head of a printed sheet, in which one sign has a meaning."""
    return text[:_LONGEST_HEAD].replace("&", "&&")
