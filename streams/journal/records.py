"""Records: how a message stands in a segment, and how what is whole is found again among what is not.

    mark (8) | length of the body (4) | position (8) | time (8) | CRC-32 of these (4) | body | CRC-32 of the body (4)

The mark is made by chance for each segment and stands in its name, so no message can hold what looks like a record of
its segment, and behind a damaged record the next one is found by looking for the mark. Numbers are big-endian, the time
is microseconds since 1970, the body is MessagePack.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from zlib import crc32

import msgspec

from streams.bus import Message

LARGEST = 15 * 2**20
"""Bytes of a body: less than Kafka takes of a message (streams/buses/kafka.py), so that all of them can be sent."""

MARK_BYTES = 8
_HEAD = struct.Struct(">IQQ")
_CRC = struct.Struct(">I")
_BODY_AT = MARK_BYTES + _HEAD.size + _CRC.size
FRAME_BYTES = _BODY_AT + _CRC.size
"""Bytes of a record beside its body."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A message that the journal keeps: its place in the order, when it was appended (UTC), and where it is to go."""

    position: int
    at: datetime
    topic: str
    message: Message


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A whole record between two bytes of a segment; ``at`` is microseconds since 1970."""

    start: int
    end: int
    position: int
    at: int

    def body(self, data: bytes) -> bytes:
        return data[self.start + _BODY_AT : self.end - _CRC.size]


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a segment that are no whole record. ``is_torn``: the last write ended there, as in a crash."""

    start: int
    end: int
    is_torn: bool


class _Body(msgspec.Struct, frozen=True, gc=False, array_like=True):
    topic: str
    key: bytes | None
    value: bytes | None
    source: str
    line: int | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def encode_body(topic: str, message: Message) -> bytes:
    """A message as the body of a record. Raises ``ValueError`` where it is larger than a journal takes."""
    body = _encoder.encode(_Body(topic, message.key, message.value, message.source, message.line))
    if len(body) > LARGEST:
        raise ValueError(f"a message of {len(body):,} bytes is too large for the journal")
    return body


def encode_frame(mark: bytes, position: int, at: int, body: bytes) -> bytes:
    """A record of the segment with that mark; ``at`` is microseconds since 1970."""
    head = mark + _HEAD.pack(len(body), position, at)
    return b"".join((head, _CRC.pack(crc32(head)), body, _CRC.pack(crc32(body))))


def decode_frame(frame: Frame, data: bytes) -> Kept:
    """The message of a record that was found in these bytes."""
    body = _decoder.decode(frame.body(data))
    return Kept(frame.position, instant_of(frame.at), body.topic, Message(body.key, body.value, body.source, body.line))


def instant_of(at: int) -> datetime:
    """The instant (UTC) of a record's time."""
    return datetime.fromtimestamp(at / 1e6, UTC)


def find_frames(mark: bytes, data: bytes, start: int = 0) -> Iterator[Frame | Gap]:
    """Every whole record from ``start`` on and every gap between them, in order, up to the end."""
    while start < len(data):
        frame = _whole_at(mark, data, start)
        if frame is not None:
            yield frame
            start = frame.end
            continue
        following = _next_whole(mark, data, start + 1)
        end = len(data) if following is None else following
        yield Gap(start, end, following is None and _is_torn(mark, data, start))
        start = end


def _whole_at(mark: bytes, data: bytes, start: int) -> Frame | None:
    head = _head_at(mark, data, start)
    if head is None:
        return None
    length, position, at = head
    end = start + FRAME_BYTES + length
    if end > len(data):
        return None
    frame = Frame(start, end, position, at)
    return frame if _CRC.unpack_from(data, end - _CRC.size)[0] == crc32(frame.body(data)) else None


def _head_at(mark: bytes, data: bytes, start: int) -> tuple[int, int, int] | None:
    """Length, position and time, where a whole head stands there."""
    head = data[start : start + _BODY_AT]
    if len(head) < _BODY_AT or not head.startswith(mark):
        return None
    if _CRC.unpack_from(head, _BODY_AT - _CRC.size)[0] != crc32(head[: -_CRC.size]):
        return None
    length, position, at = _HEAD.unpack_from(head, MARK_BYTES)
    return length, position, at


def _next_whole(mark: bytes, data: bytes, start: int) -> int | None:
    """Where the next whole record begins."""
    while (start := data.find(mark, start)) >= 0:
        if _whole_at(mark, data, start) is not None:
            return start
        start += 1
    return None


def _is_torn(mark: bytes, data: bytes, start: int) -> bool:
    """Whether the end of a segment is the beginning of a record and no more, or zeros that a file system left there."""
    rest = data[start:]
    if len(rest) < _BODY_AT:
        is_begun = rest[:MARK_BYTES] == mark[: len(rest)]
    else:
        head = _head_at(mark, data, start)
        is_begun = head is not None and len(rest) < FRAME_BYTES + head[0]
    return is_begun or not any(rest)
