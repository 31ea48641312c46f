"""The writer: groups of records onto the disk, each with one fsync. One thread runs it, beside the loop.

After a write or an fsync that failed nothing is tried again on the same file: what a system could not write it may
forget, and a second fsync would find nothing amiss. The file is cut to what was confirmed, and the next group begins a
segment of its own, at the position where the failed one began.
"""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from streams.journal.folder import Segment, new_segment, sync_folder
from streams.journal.records import FRAME_BYTES, encode_frame

logger = logging.getLogger("fundwatch.journal")


class Written(msgspec.Struct, frozen=True):
    """A group that is on the disk: where it ends, when it was appended (microseconds since 1970), and what it took."""

    segment: Segment
    next: int
    end: int
    at: int
    records: int
    size: int
    seconds: float


class Writer:
    """Appends to the newest segment of a folder, and begins another one once it is full."""

    def __init__(self, folder: Path, number: int, position: int, segment_bytes: int):
        self._folder = folder
        self._number = number
        self._position = position
        self._segment_bytes = segment_bytes
        self.segment: Segment | None = None
        """The segment that is written to; once it is another one, nothing more is written to it."""
        self._descriptor = -1
        self._end = 0
        self._is_fence = False

    def write(self, bodies: Sequence[bytes]) -> Written:
        """Writes records that follow each other, and returns once they are durable.

        Raises ``OSError`` where that failed; then none of them is kept.
        """
        size = sum(map(len, bodies)) + FRAME_BYTES * len(bodies)
        segment = self._room_for(size)
        at = time.time_ns() // 1000
        numbered = enumerate(bodies, self._position)
        data = b"".join(encode_frame(segment.mark, position, at, body) for position, body in numbered)
        try:
            _write_all(self._descriptor, data)
            began = time.perf_counter()
            os.fsync(self._descriptor)
        except OSError:
            self._give_up(segment)
            raise
        self._position += len(bodies)
        self._end += size
        return Written(segment, self._position, self._end, at, len(bodies), size, time.perf_counter() - began)

    def close(self) -> None:
        """Ends the segment; what it holds is durable already."""
        if self.segment is not None:
            os.close(self._descriptor)
            self.segment = None

    def _room_for(self, size: int) -> Segment:
        """The segment that is written to, or a new one where so many bytes would be too many for it."""
        if self.segment is not None and (self._end == 0 or self._end + size <= self._segment_bytes):
            return self.segment
        self.close()
        return self._begin()

    def _begin(self) -> Segment:
        self._number += 1
        segment = new_segment(self._folder, self._number, self._position)
        descriptor = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            segment.path.unlink()
            raise
        self.segment, self._descriptor, self._end, self._is_fence = segment, descriptor, 0, False
        return segment

    def _give_up(self, segment: Segment) -> None:
        """Leaves a segment as it was before a group.

        One that holds nothing else is taken away, unless it is there to end the one before it, which could not be cut.
        """
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            logger.error("%s cannot be cut after a write that failed: a new segment ends it", segment.path)
            self.close()
            with suppress(OSError):
                self._begin()
                self._is_fence = True
            return
        self.close()
        if self._end == 0 and not self._is_fence:
            with suppress(OSError):
                segment.path.unlink()


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
