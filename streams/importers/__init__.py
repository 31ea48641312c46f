"""Importers: files that others wrote, read lazily as messages (JSON Lines) or events (US claims). They send nothing.

ImporterError
├── BrokenInput     input that is damaged or ends too early; names the input and the last good line
├── ForeignInput    input that is no JSON Lines of events; names what it is and what to do, and nothing of it is read
├── MostlyDead      input of which most would become no events; says why, and nothing of it is sent
├── UnreadableInput input that the system does not let us read; names it and says why, and nothing of it is read
└── UnusableTable   a table of the US set that cannot be mapped; names the file and the record

Imports store and below, and buses for reading in threads. Open first: sending.py, then jsonl.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from knowledge_base.files.yaml_files import unreadable


class ImporterError(Exception):
    """Input that cannot be read on. The text names the place and never quotes the content."""


class BrokenInput(ImporterError):
    """Input that is damaged, ends too early or cannot be read on; lines up to ``last_good_line`` were read whole."""

    def __init__(self, source: str, last_good_line: int, why: str):
        super().__init__(f"{source}: {why}; last good line: {last_good_line}")
        self.source = source
        self.last_good_line = last_good_line


class Foreign(NamedTuple):
    """What a source is that holds no events, and what to do with it, in Chinese and English.

    ``command`` does it, where one does: a line for the shell in which FILE and NAME stand for those of the reader.
    """

    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    command: str | None = None


class ForeignInput(ImporterError):
    """Input that is no JSON Lines of events; ``foreign`` says what it is and what to do."""

    def __init__(self, source: str, foreign: Foreign):
        how = f": {foreign.command}" if foreign.command else ""
        gap = " " if foreign.zh[0].isascii() else ""
        super().__init__(
            f"{source}: 这是{gap}{foreign.zh}，不是事件的 JSON Lines，什么也没有导入。{foreign.remedy_zh}{how}"
            f" / this is {foreign.en}, no JSON Lines of events; nothing was imported. {foreign.remedy_en}{how}"
        )
        self.foreign = foreign


class MostlyDead(ImporterError):
    """Input of whose first ``looked`` messages ``dead`` would become no events; ``reasons`` are the commonest."""

    def __init__(self, source: str, dead: int, looked: int, reasons: Sequence[str]):
        told = "; ".join(reasons)
        super().__init__(
            f"{source}: 前 {looked:,} 条中有 {dead:,} 条无法入库，什么也没有导入; 仍要导入请加 --most-dead 1。"
            f" / of the first {looked:,} messages {dead:,} could not be stored, so nothing was imported;"
            f" --most-dead 1 imports it all the same. {told}"
        )
        self.dead = dead
        self.looked = looked


class UnreadableInput(ImporterError):
    """Input that the system does not let us read."""

    def __init__(self, source: str, error: OSError):
        super().__init__(f"{source}: {unreadable(error)}")


class UnusableTable(ImporterError):
    """A file of the US set that cannot be mapped; ``record`` counts from 1 below the header (0: the file)."""

    def __init__(self, path: Path, record: int, why: str):
        super().__init__(f"{path}: record {record}: {why}" if record else f"{path}: {why}")
        self.path = path
        self.record = record
