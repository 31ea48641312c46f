"""The folder of a journal: its lock, its segments as they lie there, the mark up to where they are sent.

    lock                            held by the process whose journal this is
    sent                            up to which position everything is sent
    000000000007-0000000000001234-0123456789abcdef.records
                                    a segment: its number, the position of its first record, its mark (records.py)
    trial                           there for a moment, where a disk that failed is tried
    damaged/                        segments with damage, kept aside once what was whole in them is sent

Positions follow each other without a gap, and a segment holds those below the first position of the next one: so what a
failed write left behind a segment's end is never taken for good, and of what is damaged it is known how many records
are missing.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

from streams.journal import JournalHeld
from streams.journal.records import MARK_BYTES, Frame, find_frames, instant_of

logger = logging.getLogger("fundwatch.journal")

_NAME = re.compile(r"([0-9]{12})-([0-9]{16})-([0-9a-f]{16})\.records")
_SENT = Struct(">II")
"""Length and CRC-32 of what follows, in MessagePack."""
_TRIAL = 256 * 1024
"""Bytes: more than a long stay with all of its orders has."""
_TRIES = 5
_PAUSE = 0.05
"""Seconds between them: somebody who only looks whether a folder is held has its lock for a moment."""


class Segment(msgspec.Struct):
    """A segment as far as it may be read: up to the byte ``end`` and below the position ``next``.

    ``read`` is the byte up to where everything is sent; ``records`` and ``size`` are what is not sent, in records and
    bytes; ``oldest`` is when the first of them was appended, in microseconds since 1970. ``missing`` are records that
    were not sent and are not there; ``torn`` are bytes behind the end that a write left which did not end.
    """

    path: Path
    number: int
    first: int
    mark: bytes
    next: int
    end: int = 0
    read: int = 0
    records: int = 0
    size: int = 0
    oldest: int = 0
    missing: int = 0
    torn: int = 0
    is_damaged: bool = False

    def load(self, start: int, end: int) -> bytes:
        """Its bytes between two places. Raises ``OSError``."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def note_damage(self, says: str) -> None:
        """Keeps in mind that something is wrong with it, and says it in the log."""
        self.is_damaged = True
        logger.error("%s is damaged: %s", self.path, says)


class Sent(msgspec.Struct, frozen=True):
    """What is sent: every record below the position ``next``, and of a topic in ``ahead`` those below its position."""

    next: int = 0
    ahead: dict[str, int] = msgspec.field(default_factory=dict)

    def includes(self, position: int, topic: str) -> bool:
        """Whether a record is sent."""
        return position < max(self.next, self.ahead.get(topic, 0))

    def up_to(self, next: int, topic: str | None) -> "Sent":
        """The same with the records below a position, all of them or those of a topic."""
        if topic is not None:
            return Sent(self.next, {**self.ahead, topic: next})
        next = max(self.next, next)
        return Sent(next, {name: at for name, at in self.ahead.items() if at > next})


class JournalState(msgspec.Struct, frozen=True):
    """What a journal holds: records and bytes that are not sent, when the oldest of them was appended (UTC).

    Records of a topic that are sent while others before them are not count until these are sent too.
    ``damaged`` segments hold or held damage, in which ``missing`` records are known to have been and may be more.
    ``is_held`` says whether a living process has the folder.
    """

    records: int
    size: int
    oldest_at: datetime | None
    damaged: int
    missing: int
    is_held: bool


def new_segment(folder: Path, number: int, first: int) -> Segment:
    """A segment that is not there yet."""
    mark = os.urandom(MARK_BYTES)
    return Segment(folder / f"{number:012d}-{first:016d}-{mark.hex()}.records", number, first, mark, first)


def is_journal(folder: Path) -> bool:
    """Whether a folder is one of a journal."""
    return (folder / "lock").is_file() or (folder.is_dir() and any(_segments(folder)))


def find_journals(parent: Path) -> list[Path]:
    """The folders of journals in a folder, by name."""
    return sorted(path for path in parent.iterdir() if is_journal(path)) if parent.is_dir() else []


def look_into(folder: Path) -> JournalState:
    """What a journal holds, whoever has it; nothing is changed."""
    return state_of(folder, load_segments(folder, load_sent(folder).next), is_held(folder))


def state_of(folder: Path, segments: list[Segment], is_held: bool) -> JournalState:
    """The state of a journal with these segments."""
    waiting = [segment for segment in segments if segment.records]
    return JournalState(
        records=sum(segment.records for segment in waiting),
        size=sum(segment.size for segment in waiting),
        oldest_at=instant_of(waiting[0].oldest) if waiting else None,
        damaged=sum(segment.is_damaged for segment in segments) + len(list((folder / "damaged").glob("*.records"))),
        missing=sum(segment.missing for segment in segments),
        is_held=is_held,
    )


# --- segments


def load_segments(folder: Path, sent: int) -> list[Segment]:
    """Every segment, in order, with what is in it from the position ``sent`` on."""
    segments = sorted(_segments(folder), key=lambda segment: segment.number)
    there = []
    ends = [*(segment.first for segment in segments[1:]), None]
    for segment, below in zip(segments, ends, strict=False):
        with suppress(FileNotFoundError):  # its living process has sent all of it meanwhile
            _look_through(segment, sent, below)
            there.append(segment)
    return there


def cut_torn(segment: Segment) -> None:
    """Takes off what a write left that did not end, and makes the rest last. Raises ``OSError``."""
    with segment.path.open("r+b") as file:
        if segment.torn:
            logger.warning("%s: %d bytes of a write that did not end are cut off", segment.path, segment.torn)
            file.truncate(segment.end)
            segment.torn = 0
        os.fsync(file.fileno())


def put_away(folder: Path, done: Sequence[Segment]) -> None:
    """Removes segments all of which is sent, or keeps them aside where they are damaged. Raises ``OSError``.

    The oldest goes first, and with them what a failed write left in one that was never confirmed: a segment ends the
    one before it, so that one must not stay alone.
    """
    damaged = {segment.number for segment in done if segment.is_damaged}
    for segment in sorted(_segments(folder), key=lambda segment: segment.number):
        if segment.number > done[-1].number:
            break
        if segment.number in damaged:
            aside = folder / "damaged"
            aside.mkdir(mode=0o700, exist_ok=True)
            segment.path.rename(aside / segment.path.name)
        else:
            segment.path.unlink()


def takes_something(folder: Path) -> bool:
    """Whether the disk of a folder takes as much as a long message needs, and makes it last."""
    trial = folder / "trial"
    try:
        with trial.open("wb", buffering=0) as file:
            file.write(bytes(_TRIAL))
            os.fsync(file.fileno())
            return file.tell() == _TRIAL
    except OSError:
        return False
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)


def _segments(folder: Path) -> Iterator[Segment]:
    for path in folder.iterdir():
        name = _NAME.fullmatch(path.name)
        if name is not None:
            first = int(name[2])
            yield Segment(path, int(name[1]), first, bytes.fromhex(name[3]), first)


def _look_through(segment: Segment, sent: int, below: int | None) -> None:
    """Finds out what is in a segment; ``below`` is where the next one begins, ``None`` where there is none."""
    for found in find_frames(segment.mark, segment.path.read_bytes()):
        if isinstance(found, Frame):
            if below is None or found.position < below:
                _count(segment, found, sent)
        elif below is None and found.is_torn:
            segment.torn = found.end - found.start
        elif segment.next != below:
            segment.note_damage(f"{found.end - found.start} bytes from {found.start} on are no records")
            if below is None and found.start == segment.end:
                # So that it is known the next time too that something is missing here.
                segment.next += 1
    if below is not None:
        segment.next = below
    segment.missing = max(0, segment.next - max(segment.first, sent) - segment.records)
    if segment.missing and not segment.is_damaged:
        segment.note_damage(f"it ends too soon, {segment.missing} records are missing")


def _count(segment: Segment, frame: Frame, sent: int) -> None:
    segment.next, segment.end = frame.position + 1, frame.end
    if frame.position < sent:
        segment.read = frame.end
        return
    segment.oldest = segment.oldest if segment.records else frame.at
    segment.records += 1
    segment.size += frame.end - frame.start


# --- the mark up to where everything is sent


def load_sent(folder: Path) -> Sent:
    """What is sent; nothing where that is not known, so that all is sent again."""
    with suppress(FileNotFoundError):
        data = (folder / "sent").read_bytes()
        if len(data) >= _SENT.size:
            length, crc = _SENT.unpack_from(data)
            body = data[_SENT.size : _SENT.size + length]
            if crc == crc32(body):
                return msgspec.msgpack.decode(body, type=Sent)
        logger.error("%s/sent is damaged: what was sent before may be sent again", folder)
    return Sent()


def save_sent(folder: Path, sent: Sent) -> None:
    """Keeps what is sent: over the death of this process for sure, over that of the machine mostly."""
    body = msgspec.msgpack.encode(sent)
    descriptor = os.open(folder / "sent", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, _SENT.pack(len(body), crc32(body)) + body, 0)
    finally:
        os.close(descriptor)


# --- the lock


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Makes a folder where there is none and holds it for this process. Raises ``JournalHeld``."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        sync_folder(folder.parent)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not any(_take(descriptor) for _ in range(_TRIES)):
            raise JournalHeld(f"日志目录正由另一个进程使用 / another process has this journal: {folder}", "held")
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_PAUSE)
        return False
    return True


def is_held(folder: Path) -> bool:
    """Whether a living process has a folder."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
