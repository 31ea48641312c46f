"""What an institution answers to the list of a lead, line by line: whether it agrees, and a remark.

A list comes back filled in and is read row by row: a row that does not fit is refused with the reason, and the others
are taken. The last answer to a line holds, for the version of its finding to which it was given.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from knowledge_base.signs import UNSEEN

LONGEST_REMARK = 2000


class Position(StrEnum):
    """What an institution says of a line in dispute."""

    AGREED = "agreed"  # 同意
    DISPUTED = "disputed"  # 异议


WORDS: Mapping[str, Position] = {
    "同意": Position.AGREED,
    "异议": Position.DISPUTED,
    "agree": Position.AGREED,
    "dispute": Position.DISPUTED,
}
"""How a filled row may say it; the first two are what the list offers."""


class Misfit(StrEnum):
    """Why a row is refused."""

    UNKNOWN = "unknown"
    """The lead has no such finding."""

    WITHDRAWN = "withdrawn"
    """The finding does not stand any more."""

    REVISED = "revised"
    """The finding was revised since the list was made."""

    NO_VERSION = "no_version"
    """The finding never had that version."""

    NO_LINE = "no_line"
    """The finding in that version disputes no such line."""

    TWICE = "twice"
    """A row above is about the same line."""

    NO_WORD = "no_word"
    """The answer is none of the words."""

    REMARK_ALONE = "remark_alone"
    """There is a remark without an answer."""

    REMARK_LONG = "remark_long"
    """The remark is longer than ``LONGEST_REMARK``."""


class FilledRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of a list that came back: its number in the sheet, from 1, and its cells as texts.

    ``ordinal`` says which of the finding's lines it is, from 1, and 0 where the finding has none.
    """

    row: int
    finding_id: str
    version: str
    ordinal: str
    line_id: str
    position: str
    remark: str


class ListedFinding(msgspec.Struct, frozen=True):
    """A finding of the lead as it is now: its lines in dispute in their order, by name and by what the list shows."""

    version: int
    is_open: bool
    lines: tuple[str, ...]
    line_ids: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True):
    """An answer to a line (empty: to the finding itself, which has none) in a version of its finding."""

    finding_id: str
    version: int
    line: str
    position: Position
    remark: str


class Refusal(msgspec.Struct, frozen=True):
    """A row that was refused."""

    row: int
    misfit: Misfit


class ReadIn(msgspec.Struct, frozen=True):
    """What the rows of a list come to. ``blank`` rows fit and say nothing."""

    answers: tuple[Answer, ...]
    blank: int
    refusals: tuple[Refusal, ...]

    def count(self, position: Position) -> int:
        return sum(answer.position is position for answer in self.answers)


def read_in(rows: Iterable[FilledRow], findings: Mapping[str, ListedFinding]) -> ReadIn:
    """What rows say of the findings of a lead, by their names."""
    answers: list[Answer] = []
    refusals: list[Refusal] = []
    seen: set[tuple[str, str]] = set()
    blank = 0
    for row in rows:
        line = _line_of(row, findings.get(row.finding_id.strip(UNSEEN)))
        said = line if isinstance(line, Misfit) else _said(row, line, seen)
        if isinstance(said, Misfit):
            refusals.append(Refusal(row.row, said))
        elif said is None:
            blank += 1
        else:
            answers.append(said)
    return ReadIn(tuple(answers), blank, tuple(refusals))


def _line_of(row: FilledRow, finding: ListedFinding | None) -> str | Misfit:
    """The line that a row is about, or why it fits none."""
    if finding is None:
        return Misfit.UNKNOWN
    if not finding.is_open:
        return Misfit.WITHDRAWN
    version = _whole(row.version)
    if version != finding.version:
        return Misfit.REVISED if 0 < version < finding.version else Misfit.NO_VERSION
    ordinal = _whole(row.ordinal)
    if not finding.lines and ordinal == 0:
        return ""
    if not 0 < ordinal <= len(finding.lines) or row.line_id.strip(UNSEEN) != finding.line_ids[ordinal - 1]:
        return Misfit.NO_LINE
    return finding.lines[ordinal - 1]


def _said(row: FilledRow, line: str, seen: set[tuple[str, str]]) -> Answer | Misfit | None:
    """What a row says of its line, ``None`` for nothing."""
    finding_id = row.finding_id.strip(UNSEEN)
    if (finding_id, line) in seen:
        return Misfit.TWICE
    seen.add((finding_id, line))
    word, remark = row.position.strip(UNSEEN).lower(), row.remark.strip(UNSEEN)
    if not word:
        return Misfit.REMARK_ALONE if remark else None
    if word not in WORDS:
        return Misfit.NO_WORD
    if len(remark) > LONGEST_REMARK:
        return Misfit.REMARK_LONG
    return Answer(finding_id, _whole(row.version), line, WORDS[word], remark.replace("\x00", ""))


def _whole(text: str) -> int:
    """A whole number as somebody may write it in a cell; -1 for what is none."""
    text = text.strip(UNSEEN)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
