"""The journal of one process: what is appended is durable, what is durable is sent in order, what is sent is removed.

Appends that come while a group is being written wait for the next one and share its fsync. One thread writes; the
loop of the process never waits for the disk.
"""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from itertools import islice, takewhile
from pathlib import Path

import msgspec

from streams.bus import Message
from streams.journal import JournalError, JournalFailed, JournalFull
from streams.journal.folder import (
    JournalState,
    Segment,
    Sent,
    cut_torn,
    load_segments,
    load_sent,
    lock_folder,
    put_away,
    save_sent,
    state_of,
    takes_something,
)
from streams.journal.records import FRAME_BYTES, Frame, Kept, decode_frame, encode_body, find_frames, instant_of
from streams.journal.writer import Writer, Written

logger = logging.getLogger("fundwatch.journal")

MOST_BYTES = 2**30
SEGMENT_BYTES = 8 * 2**20

FULL = "full"
DISK_FULL = "disk full"
DISK_FAILED = "disk failed"
CLOSED = "closed"
REASONS = (FULL, DISK_FULL, DISK_FAILED, CLOSED)
"""Why an append may fail."""

_TRY_EVERY = 1.0
"""Seconds."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Limits(msgspec.Struct, frozen=True):
    """How much a journal holds: bytes that are not sent, and bytes of one segment.

    On the disk there may be a segment more, since only whole ones are removed. A message larger than a segment has one
    of its own.
    """

    most_bytes: int = MOST_BYTES
    segment_bytes: int = SEGMENT_BYTES


def _ignore(_told: object) -> None:
    """Nobody watches."""


class Watch(msgspec.Struct, frozen=True):
    """Who is told of what: the seconds of each fsync, and of each append that failed the reason."""

    on_sync: Callable[[float], None] = _ignore
    on_failure: Callable[[str], None] = _ignore


class _Append(msgspec.Struct, frozen=True):
    """An append that waits to be written."""

    bodies: list[bytes]
    size: int
    done: "asyncio.Future[None]"


class _Loaded(msgspec.Struct, frozen=True):
    """What was read of a segment from the byte ``start`` on: the records that are not sent, where they stand in it."""

    segment: Segment
    start: int
    data: bytes
    frames: deque[Frame]


class Journal:
    """An open journal; made by ``open_journal``. One task sends; any number may append."""

    def __init__(self, folder: Path, segments: list[Segment], sent: Sent, limits: Limits, watch: Watch):
        newest = segments[-1] if segments else None
        self.folder = folder
        self.limits = limits
        self.arrived = asyncio.Event()
        """Set while there may be something to send."""
        self._watch = watch
        self._segments = segments
        self._sent = sent
        self._loaded: _Loaded | None = None
        self._given = sent.next
        self._waiting: list[_Append] = []
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False
        self._lacking = 0
        self._has_failed = False
        position = sent.next if newest is None else max(sent.next, newest.next)
        self._writer = Writer(folder, newest.number if newest else 0, position, limits.segment_bytes)
        self._thread = ThreadPoolExecutor(1, "journal")
        if any(segment.records for segment in segments):
            self.arrived.set()

    @property
    def state(self) -> JournalState:
        """What the journal holds now that is not sent, what is being written left out."""
        return state_of(self.folder, self._segments, is_held=True)

    # --- appending

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Keeps messages for a topic; when it returns they are durable, in the order given.

        Raises ``JournalFull`` or ``JournalFailed``, and then keeps none of them, and ``ValueError`` where one is too
        large for a journal. Of an append that is cancelled it is not known whether it is kept.
        """
        bodies = [encode_body(topic, message) for message in messages]
        size = sum(map(len, bodies)) + FRAME_BYTES * len(bodies)
        if self._is_closed:
            raise self._failure(CLOSED)
        if not self._has_room(size):
            self._lacking = size
            raise self._failure(FULL)
        if not bodies:
            return
        append = _Append(bodies, size, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        self._waiting_bytes += size
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
        await append.done

    @property
    def is_keeping(self) -> bool:
        """Whether what comes can be kept, as far as is known: the last append was, or what it lacked is there now."""
        return not self._is_closed and not self._has_failed and self._has_room(self._lacking)

    async def try_disk(self) -> None:
        """Finds out whether a disk that failed the last append takes something again; nothing of it stays."""
        if self._has_failed and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._has_failed = not await loop.run_in_executor(self._thread, takes_something, self.folder)

    def _has_room(self, size: int) -> bool:
        return self._bytes() + self._waiting_bytes + size <= self.limits.most_bytes

    def _bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    async def _write_waiting(self) -> None:
        """Writes what waits, group by group, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._take_group()
            bodies = [body for append in group for body in append.bodies]
            try:
                self._note(await loop.run_in_executor(self._thread, self._writer.write, bodies))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits
                self._settle(group, error)
                await self._put_away()
            else:
                self._settle(group, None)

    def _settle(self, group: Sequence[_Append], error: Exception | None) -> None:
        """Tells those that wait for a group how it ended."""
        for append in group:
            self._waiting_bytes -= append.size
            if append.done.done():
                continue
            if error is None:
                append.done.set_result(None)
            else:
                append.done.set_exception(self._failure_of(error))

    def _take_group(self) -> list[_Append]:
        """The first appends that wait and were not given up: one at least, and as many as a segment takes."""
        group: list[_Append] = []
        size = 0
        while self._waiting:
            append = self._waiting[0]
            if append.done.done():
                self._waiting_bytes -= append.size
            elif group and size + append.size > self.limits.segment_bytes:
                break
            else:
                group.append(append)
                size += append.size
            del self._waiting[0]
        return group

    def _note(self, written: Written) -> None:
        """Takes down that a group is durable."""
        segment = written.segment
        if not self._segments or self._segments[-1] is not segment:
            self._segments.append(segment)
        if not segment.records:
            segment.oldest = written.at
        segment.next, segment.end = written.next, written.end
        segment.records += written.records
        segment.size += written.size
        self._lacking, self._has_failed = 0, False
        self.arrived.set()
        self._watch.on_sync(written.seconds)

    def _failure_of(self, error: Exception) -> Exception:
        if not isinstance(error, OSError):
            return error
        return self._failure(DISK_FULL if error.errno in _NO_ROOM else DISK_FAILED, error)

    def _failure(self, reason: str, cause: OSError | None = None) -> JournalError:
        self._watch.on_failure(reason)
        self._has_failed = self._has_failed or reason in (DISK_FULL, DISK_FAILED)
        kind = JournalFull if reason in (FULL, DISK_FULL) else JournalFailed
        failure = kind(f"{_SAYS[reason]}: {self.folder}", reason)
        failure.__cause__ = cause
        return failure

    async def kept_since(self, instant: datetime) -> list[Kept]:
        """What was kept from an instant (UTC) on, sent or not, in order, as far as it still lies in the folder.

        Raises ``OSError`` where the disk cannot be read.
        """
        kept: list[Kept] = []
        for segment in reversed(self._segments):
            data = await asyncio.to_thread(segment.load, 0, segment.end)
            frames = (found for found in find_frames(segment.mark, data) if isinstance(found, Frame))
            later = [decode_frame(frame, data) for frame in frames if instant_of(frame.at) >= instant]
            kept[:0] = later
            if not later:
                break
        return kept

    # --- sending

    async def unsent(self, most: int = 500) -> list[Kept]:
        """The first records that are not sent, in order, at most so many; the same ones until ``sent_up_to`` is told.

        Empty where there are none. Raises ``OSError`` where the disk cannot be read.
        """
        while True:
            kept = await self._first(most)
            if not kept:
                self.arrived.clear()
                return []
            self._given = max(self._given, kept[-1].position + 1)
            left = [of for of in kept if not self._sent.includes(of.position, of.topic)]
            if left:
                return left
            await self.sent_up_to(kept[-1].position)

    async def _first(self, most: int) -> list[Kept]:
        """The first records from the mark on, whether their topic is ahead of it or not."""
        while self._loaded is None or not self._loaded.frames:
            segment = next((segment for segment in self._segments if segment.records), None)
            if segment is None:
                return []
            await self._load(segment)
        return [decode_frame(frame, self._loaded.data) for frame in islice(self._loaded.frames, most)]

    async def _load(self, segment: Segment) -> None:
        """Reads what is not sent of a segment. What was whole before and is not any more is told as damage."""
        start, records, size = segment.read, segment.records, segment.size
        data = await asyncio.to_thread(segment.load, start, segment.end)
        frames = deque(found for found in find_frames(segment.mark, data) if isinstance(found, Frame))
        self._loaded = _Loaded(segment, start, data, frames)
        lost = records - len(frames)
        if lost > 0:
            segment.note_damage(f"{lost} records that were whole cannot be read")
            segment.missing += lost
            segment.records -= lost
            segment.size -= size - sum(frame.end - frame.start for frame in frames)
            segment.read += 0 if frames else len(data)

    async def sent_up_to(self, position: int, topic: str | None = None) -> None:
        """Says that the records up to this one, and it too, are sent: all of them, or those of a topic.

        Segments all of which is sent are removed. Raises ``ValueError`` where it was not given out by ``unsent``.
        """
        if position >= self._given or self._loaded is None:
            raise ValueError(f"position {position} was not given out to be sent")
        self._sent = self._sent.up_to(position + 1, topic)
        if topic is None:
            self._advance(self._loaded, position)
        await self._put_away()

    def _advance(self, loaded: _Loaded, position: int) -> None:
        """Takes the records up to this one, and it too, out of what is not sent."""
        frames, segment = loaded.frames, loaded.segment
        while frames and frames[0].position <= position:
            frame = frames.popleft()
            segment.read = loaded.start + frame.end
            segment.records -= 1
            segment.size -= frame.end - frame.start
            segment.oldest = frames[0].at if frames else frame.at

    async def _put_away(self) -> None:
        """Keeps the mark up to where everything is sent, and takes away the first segments, all of which is.

        One in the middle stays: where it begins it ends the one before.
        """
        done = list(takewhile(lambda of: not of.records and of is not self._writer.segment, self._segments))
        del self._segments[: len(done)]
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, _put_away, self.folder, self._sent, done)

    # --- ending

    async def close(self) -> None:
        """Lets what is being appended end, and ends the journal; what is not sent stays for the next opening."""
        self._is_closed = True
        if self._writing is not None:
            await self._writing
        self._writer.close()
        await self._put_away()
        self._thread.shutdown()


async def run_trying_disk(journal: Journal, stop: asyncio.Event) -> None:
    """Tries a disk that failed until told to stop: who is not ready is sent nothing that would tell."""
    while not stop.is_set():
        await journal.try_disk()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TRY_EVERY)


@asynccontextmanager
async def open_journal(
    folder: Path, limits: Limits | None = None, watch: Watch | None = None
) -> AsyncIterator[Journal]:
    """The journal in a folder, which is made where there is none and held until the end of the ``async with``.

    Raises ``JournalHeld`` where another process has it, and ``OSError``.
    """
    async with AsyncExitStack() as ending:
        await asyncio.to_thread(ending.enter_context, lock_folder(folder))
        sent, segments = await asyncio.to_thread(_take_over, folder)
        journal = Journal(folder, segments, sent, limits or Limits(), watch or Watch())
        ending.push_async_callback(journal.close)
        yield journal


def _take_over(folder: Path) -> tuple[Sent, list[Segment]]:
    """What an earlier process left, made to last."""
    sent = load_sent(folder)
    segments = load_segments(folder, sent.next)
    for segment in segments:
        cut_torn(segment)
    _put_away(folder, sent, [])  # while there is room for the file that keeps the mark
    return sent, segments


def _put_away(folder: Path, sent: Sent, segments: list[Segment]) -> None:
    """What fails here is said and costs no record: one that is sent may be sent again after the next start."""
    try:
        save_sent(folder, sent)
        if segments:
            put_away(folder, segments)
    except OSError as error:
        logger.warning("%s: what is sent cannot be put away: %s", folder, type(error).__name__)


_SAYS = {
    FULL: "日志已满 / the journal is full",
    DISK_FULL: "日志的磁盘已满 / the journal's disk is full",
    DISK_FAILED: "日志的磁盘出错 / the journal's disk failed",
    CLOSED: "日志已关闭 / the journal is closed",
}
