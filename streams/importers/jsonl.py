"""JSON Lines read lazily as messages: plain, gzip or zstd (told apart by their first bytes), a file, a pipe or stdin.

A message is the bytes of one line, undecoded: what is wrong with them is said where they are decoded, so that
every line has its one outcome. Lines end with LF or CRLF, the last one may lack its end, empty ones are no
messages, and a UTF-8 byte order mark before a line, as files that were joined have it, is dropped. Whether they are
meant as events at all is looked at elsewhere (``sampling``).

Memory stays bounded and no byte is lost: a line of more than ``LINE_LIMIT`` bytes comes as several messages
with the same ``line_no`` and ``part`` 1, 2, ..., which joined give the line back. A part of a line is no JSON object
(unless 16 MiB of blanks stood before one), so parts end as dead letters, each with its bytes and a reason that says so
(``streams.messages.parts``).
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from knowledge_base.files.yaml_files import unreadable
from streams.importers import BrokenInput, ForeignInput, UnreadableInput
from streams.importers.recognising import wide_zstd
from streams.importers.unfolding import Bytes, Damaged, Packing, TooWide, packing_of, unfolded
from streams.messages.parts import LINE_LIMIT

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RawLine(NamedTuple):
    """One line without its end: its number from 1, its bytes, and which part it is (0: the whole line)."""

    line_no: int
    raw: bytes
    part: int = 0


class MessageReader(Iterator[RawLine]):
    """The messages of one input, with how far it has been read: ``position`` of ``size`` bytes as they lie there.

    ``size`` is ``None`` where it cannot be known (a pipe, a terminal); ``packing`` says as what it is unfolded, once a
    message was read. Closes itself once read to the end; leave it earlier through ``with``. Raises ``BrokenInput`` and
    ``ForeignInput`` while it is read.
    """

    def __init__(self, source: Path | None):
        self.name = "stdin" if source is None else str(source)
        self.position = 0
        self.packing: Packing | None = None
        self._file = _opened(source)
        self._hash = None if source and source.is_file() else hashlib.blake2b(digest_size=16)
        self.size = _size(self._file)
        self._messages = self._read()

    def __next__(self) -> RawLine:
        return next(self._messages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def content(self) -> str | None:
        """What ``source_id`` would say of a pipe, once it was read to its end; ``None`` for a file."""
        return None if self._hash is None else self._hash.hexdigest()

    def close(self) -> None:
        """Closes the file wherever it stands; the process's own stdin stays open, where a thread may hang on it."""
        if not self._file.closed and self._file.fileno() != 0:
            self._file.close()

    def _read(self) -> Iterator[RawLine]:
        lines = _Lines()
        with self._file:
            try:
                source = Bytes(self._take)
                self.packing = packing_of(source)
                for block in unfolded(source):
                    yield from lines.take(block)
            except Damaged as error:
                raise BrokenInput(self.name, lines.number - 1, str(error)) from error
            except OSError as error:
                raise BrokenInput(self.name, lines.number - 1, unreadable(error)) from error
            except TooWide as error:
                raise ForeignInput(self.name, wide_zstd(error.long)) from error
            yield from lines.end()

    def _take(self, length: int) -> bytes:
        block = self._file.read1(length)
        self.position += len(block)
        if self._hash is not None:
            self._hash.update(block)
        return block


def read_messages(source: Path | None) -> MessageReader:
    """The messages of a file, or of stdin where ``source`` is ``None``, in order. Raises ``UnreadableInput``."""
    return MessageReader(source)


def source_id(path: Path) -> str:
    """A file's name by its content (BLAKE2b, 32 hex digits), so that an interrupted import finds its place again.

    Raises ``UnreadableInput``.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise UnreadableInput(str(path), error) from error


@dataclass(slots=True)
class _Lines:
    """Blocks of bytes in, messages out; ``number`` is the line being gathered."""

    number: int = 1
    part: int = 0
    held: bytearray = field(default_factory=bytearray)

    def take(self, block: bytes) -> Iterator[RawLine]:
        *ended, rest = block.split(b"\n")
        for piece in ended:
            self.held += piece
            yield from self.end()
        self.held += rest
        yield from self.overflow()

    def overflow(self) -> Iterator[RawLine]:
        while len(self.held) > LINE_LIMIT:
            self.part += 1
            yield RawLine(self.number, bytes(self.held[:LINE_LIMIT]), self.part)
            del self.held[:LINE_LIMIT]

    def end(self) -> Iterator[RawLine]:
        yield from self.overflow()
        if not self.part and self.held.startswith(_BYTE_ORDER_MARK):
            del self.held[: len(_BYTE_ORDER_MARK)]
        if self.held.endswith(b"\r"):
            self.held.pop()
        if self.held:
            yield RawLine(self.number, bytes(self.held), self.part + 1 if self.part else 0)
        self.number += 1
        self.part = 0
        self.held.clear()


def _opened(source: Path | None) -> BufferedReader:
    try:
        return os.fdopen(0, "rb", closefd=False) if source is None else source.open("rb")
    except OSError as error:
        raise UnreadableInput("stdin" if source is None else str(source), error) from error


def _size(file: BufferedReader) -> int | None:
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
