"""Headers of Kafka's messages: source and line travel in them, and the others are read within a bound.

16 MB of nothing else took half a gigabyte to be read. aiokafka reads all headers of a message and has no place for a
bound, so what it reads batches and messages by is replaced here (docs/decisions/0029-what-kafka-cannot-deliver.md).
"""

from collections.abc import Sequence
from typing import Any

import aiokafka.consumer.fetcher
import aiokafka.errors
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint_py

from streams.bus import LAST_LINE, LONGEST_SOURCE, Message

_SOURCE, _LINE = "source", "line"

MOST_HEADERS = 100
LONGEST_HEADERS = 64 * 2**10
"""Headers of a message, and bytes of their names and values together."""

_LOOKED_AT = 2**20
"""Bytes of records from which on a batch is looked through before it is read: smaller ones cannot take much."""
_RECORDS_AT = 61
"""Bytes of a batch before its records."""
_FORMAT_AT = 16
_PACKING_AT = 22
_PACKING = 7


class TooManyHeaders(aiokafka.errors.CorruptRecordException):  # type: ignore[misc]
    """A large batch with a message of more than ``MOST_HEADERS`` headers."""


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """What a message takes along beside its key and value."""
    source = (_SOURCE, message.source.encode())
    return [source] if message.line is None else [source, (_LINE, b"%d" % message.line)]


def source_and_line(headers: Sequence[tuple[str, bytes | None]]) -> tuple[str, int | None]:
    """The source, cut and mended to text that the store can keep, whatever was sent, and the line where one is told."""
    by_name = dict(reversed(headers))
    source = (by_name.get(_SOURCE) or b"").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return source.encode()[:LONGEST_SOURCE].decode("utf-8", "ignore"), _line_of(by_name.get(_LINE))


def _line_of(header: bytes | None) -> int | None:
    """A line's number as it travels, ``None`` for what is none that the store can keep."""
    if header is None or not header.isdigit() or len(header) > len(str(LAST_LINE)):
        return None
    line = int(header)
    return line if line <= LAST_LINE else None


def header_fault(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """What is wrong with a message's headers."""
    if len(headers) > MOST_HEADERS:
        return f"headers: more than {MOST_HEADERS}"
    if sum(len(name) + len(value or b"") for name, value in headers) > LONGEST_HEADERS:
        return f"headers: more than {LONGEST_HEADERS} bytes"
    return None


def look_at_headers(records: Any) -> None:
    """Looks through the records of a batch, unpacked. Raises ``TooManyHeaders``; what else is wrong the client says."""
    if len(records) < _LOOKED_AT:
        return
    at = 0
    try:
        while at < len(records):
            length, start = decode_varint_py(records, at)
            _, at = decode_varint_py(records, start + 1)  # behind a byte of attributes: the time
            _, at = decode_varint_py(records, at)  # the offset
            for _ in ("key", "value"):
                size, at = decode_varint_py(records, at)
                at += max(size, 0)
            count, at = decode_varint_py(records, at)
            if count > MOST_HEADERS:
                raise TooManyHeaders
            at = max(at, start + length)
    except (IndexError, ValueError):
        return


class Records(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of an answer, of which large ones are looked through first."""

    def next_batch(self, *more: Any) -> Any:
        data = self._next_slice
        if data is not None and len(data) > _LOOKED_AT and data[_FORMAT_AT] >= 2 and not data[_PACKING_AT] & _PACKING:
            look_at_headers(bytes(data[_RECORDS_AT:]))
        return super().next_batch(*more)


def _consumer_record(self: Any, place: Any, record: Any) -> Any:
    """A record of the client's with no more headers than show that they are too many."""
    read = _whole_record(self, place, record)
    if len(read.headers) > MOST_HEADERS:
        object.__setattr__(read, "headers", read.headers[: MOST_HEADERS + 1])
    return read


_whole_record = aiokafka.consumer.fetcher.PartitionRecords._consumer_record
aiokafka.consumer.fetcher.PartitionRecords._consumer_record = _consumer_record
aiokafka.consumer.fetcher.MemoryRecords = Records
