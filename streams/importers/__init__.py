"""Importers: files that others wrote, read lazily as messages (JSON Lines) or events (US claims). They send nothing.

ImporterError
├── BrokenInput     compressed input that ends too early or is damaged; names the input and the last good line
└── UnusableTable   a table of the US set that cannot be mapped; names the file and the record

Imports store and below, and buses for reading in threads. Open first: sending.py, then jsonl.py.
"""

from pathlib import Path


class ImporterError(Exception):
    """Input that cannot be read on. The text names the place and never quotes the content."""


class BrokenInput(ImporterError):
    """Compressed input that ends too early or is damaged; lines up to ``last_good_line`` were read whole."""

    def __init__(self, source: str, last_good_line: int, why: str):
        super().__init__(f"{source}: {why}; last good line: {last_good_line}")
        self.source = source
        self.last_good_line = last_good_line


class UnusableTable(ImporterError):
    """A file of the US set that cannot be mapped; ``record`` counts from 1 below the header (0: the file)."""

    def __init__(self, path: Path, record: int, why: str):
        super().__init__(f"{path}: record {record}: {why}" if record else f"{path}: {why}")
        self.path = path
        self.record = record
