"""Unpacking what Kafka holds within a bound: a few thousand bytes may stand for gigabytes, which no worker has.

aiokafka unpacks a batch by four functions without a bound and has no place for others, so they are replaced here
(docs/decisions/0029-what-kafka-cannot-deliver.md). One answer of a broker may hold a thousand batches: what they unpack
to together is bounded too, where whoever reads can ask for less.
"""

import gzip
import importlib
import io
import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiokafka.codec
import aiokafka.errors
import cramjam
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from streams.buses.headers import look_at_headers

LARGEST_UNPACKED = 32 * 2**20
"""Bytes that one batch may unpack to: what a sender packs to a megabyte, and two of the largest messages."""
_AT_ONCE = 2 * LARGEST_UNPACKED

_XERIAL = b"\x82SNAPPY\0"
_XERIAL_HEADER = 16
_LENGTH = struct.Struct(">i")


class Oversized(aiokafka.errors.CorruptRecordException):  # type: ignore[misc]
    """A batch that unpacks to more than ``LARGEST_UNPACKED`` bytes."""


class Enough(Exception):
    """Batches that unpack to more than is unpacked at once: fewer records are to be read at a time."""


_unpacked: ContextVar[list[int] | None] = ContextVar("unpacked", default=None)


@contextmanager
def little_at_once() -> Iterator[None]:
    """Within it a second batch and those behind it raise ``Enough`` where all together unpack to more than 64 MiB."""
    token = _unpacked.set([])
    try:
        yield
    finally:
        _unpacked.reset(token)


def _counted(unpacked: bytes) -> bytes:
    """Unpacked bytes of a batch. Raises ``Enough``."""
    before = _unpacked.get()
    if before is not None:
        if before and sum(before) + len(unpacked) > _AT_ONCE:
            raise Enough
        before.append(len(unpacked))
    return unpacked


def _gzip(packed: Any) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        unpacked = file.read(LARGEST_UNPACKED + 1)
    if len(unpacked) > LARGEST_UNPACKED:
        raise Oversized("gzip")
    return _counted(unpacked)


def _snappy(packed: bytes) -> bytes:
    blocks = _xerial_blocks(packed) if packed.startswith(_XERIAL) else [packed]
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > LARGEST_UNPACKED:
        raise Oversized("snappy")
    return _counted(aiokafka.codec.snappy_decode(packed))


def _xerial_blocks(packed: bytes) -> Iterator[bytes]:
    """The blocks of snappy as senders in Java frame it: each behind its length."""
    at = _XERIAL_HEADER
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        if length <= 0:
            raise aiokafka.errors.CorruptRecordException("snappy")
        at += _LENGTH.size
        yield packed[at : at + length]
        at += length


def _lz4(packed: bytes) -> bytes:
    return _counted(_into_bounds(cramjam.lz4, packed))


def _zstd(packed: bytes) -> bytes:
    return _counted(_into_bounds(cramjam.zstd, packed))


def _into_bounds(codec: Any, packed: bytes) -> bytes:
    with mmap.mmap(-1, LARGEST_UNPACKED) as room:
        try:
            return room[: codec.decompress_into(packed, room)]
        except cramjam.DecompressionError as error:
            if "whole buffer" in str(error):
                raise Oversized(codec.__name__) from None
            raise


def _with_headers(unpack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """What unpacks a batch of today's format, whose messages may have headers."""

    def unpack_and_look(packed: bytes) -> bytes:
        unpacked = unpack(packed)
        look_at_headers(unpacked)
        return unpacked

    return unpack_and_look


for _name, _unpack in {"gzip": _gzip, "snappy": _snappy, "lz4": _lz4, "zstd": _zstd}.items():
    setattr(importlib.import_module(LegacyRecordBatch.__module__), f"{_name}_decode", _unpack)
    setattr(importlib.import_module(DefaultRecordBatch.__module__), f"{_name}_decode", _with_headers(_unpack))
