"""Unfolding: the bytes of a source as they were before they were packed by gzip or zstd, block by block.

Members and frames may follow each other; zeros between them are padding, and skippable frames of zstd (RFC 8878, 3.1.2)
say nothing. What is packed otherwise is left as it is.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import zstandard

WINDOW_LIMIT = 2**28
"""Bytes of what was unfolded last that a frame of zstd may refer to: so much memory unfolding takes (``--long=28``)."""

Packing = Literal["gzip", "zstd"]

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
"""Behind a first byte from 0x50 to 0x5f; four bytes of length follow."""
_HEADER = 18
"""The longest header of a frame."""
# 256 bytes of zstd unfold to 8 MiB at most (a 4-byte block of one repeated byte stands for 128 KiB).
_PACKED_BLOCK = 256
_BLOCK = 64 * 2**10


class Damaged(ValueError):
    """Packed bytes that cannot be unfolded on."""


class TooWide(ValueError):
    """A frame of zstd that takes more memory to unfold than is given; ``long`` is what ``zstd --long`` needs."""

    def __init__(self, window: int):
        self.long = (window - 1).bit_length()
        super().__init__(f"a zstd window of {window:,} bytes")


class Bytes:
    """Bytes that are looked at before they are taken. ``read`` gives the next ones up to a number, none at the end."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read
        self._held = b""

    def ahead(self, length: int) -> bytes:
        """The next bytes, fewer than ``length`` only at the end, without taking them."""
        while len(self._held) < length and (more := self._read(_PACKED_BLOCK)):
            self._held += more
        return self._held[:length]

    def blocks(self, length: int) -> Iterator[bytes]:
        """Takes everything, in blocks of at most ``length`` bytes but for the first, which was looked at."""
        if self._held:
            held, self._held = self._held, b""
            yield held
        while block := self._read(length):
            yield block

    def give_back(self, rest: bytes) -> None:
        """What was taken and belongs to what follows."""
        self._held = rest + self._held

    def skip(self, length: int) -> None:
        """Passes over bytes. Raises ``Damaged`` where there are fewer."""
        for block in self.blocks(min(length, _BLOCK) or 1):
            if len(block) >= length:
                self.give_back(block[length:])
                return
            length -= len(block)
        if length:
            raise Damaged("the compressed input ends too early")


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def packing_of(source: Bytes) -> Packing | None:
    """As what a source begins that is unfolded; ``None`` where it is left as it is."""
    start = source.ahead(_HEADER)
    if start.startswith(_GZIP):
        return "gzip"
    return "zstd" if start.startswith(_ZSTD) or _is_skippable(start) else None


def unfolded(source: Bytes) -> Iterator[bytes]:
    """The blocks of a source, unfolded where it begins as something packed. Raises ``Damaged`` and ``TooWide``."""
    if packing_of(source) is None:
        yield from source.blocks(_BLOCK)
        return
    while start := source.ahead(_HEADER):
        if start.startswith(b"\0"):
            source.skip(len(start) - len(start.lstrip(b"\0")))
        elif _is_skippable(start):
            source.skip(8 + int.from_bytes(start[4:8], "little"))
        elif start.startswith(_GZIP):
            yield from _member(source, zlib.decompressobj(wbits=31))
        elif start.startswith(_ZSTD):
            yield from _member(source, _frame(start))
        else:
            raise Damaged("what follows the compressed input is not compressed")


def _is_skippable(start: bytes) -> bool:
    return start[1:4] == _SKIPPABLE and 0x50 <= start[0] <= 0x5F


def _frame(start: bytes) -> _Decoder:
    try:
        window = zstandard.get_frame_parameters(start).window_size
    except zstandard.ZstdError as error:
        raise Damaged(str(error)) from error
    if window > WINDOW_LIMIT:
        raise TooWide(window)
    return zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT).decompressobj()


def _member(source: Bytes, decoder: _Decoder) -> Iterator[bytes]:
    """One member or frame; what follows it is given back."""
    try:
        for block in source.blocks(_PACKED_BLOCK):
            yield decoder.decompress(block)
            if decoder.eof:
                source.give_back(decoder.unused_data)
                return
    except (zlib.error, zstandard.ZstdError) as error:
        raise Damaged(str(error)) from error
    raise Damaged("the compressed input ends too early")
