"""Batches of Kafka's that cannot be read: a lost bit, an unknown packing, a place at which the broker itself fails.

The client says that something is wrong, but neither where nor how far it goes, and of what the broker cannot deliver it
says nothing at all. So a partition is asked for once more, directly, and its bytes are looked at batch by batch.
"""

import struct
from collections.abc import Sequence
from itertools import islice
from typing import Any

import aiokafka.errors
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest

from streams.bus import BusAway, OffsetOutOfRange
from streams.buses.headers import Records, TooManyHeaders
from streams.buses.unpacking import Enough, Oversized, little_at_once

LONGEST = 100_000
"""Offsets that may be passed over at once; a longer stretch is no damaged batch, but a lost log."""
_ASKED = 2 * 2**20
"""Bytes asked for; a first batch that is larger comes all the same."""
_MOST_RECORDS = 2_000
"""Records that are taken from an answer: more than a worker asks its client for, which then fails before the last."""
_PROBED = 64 * 2**10
"""The same where it is only tried whether there is something to read."""
_OF_DAMAGE = (aiokafka.errors.CorruptRecordException, aiokafka.errors.UnknownError)
"""What a broker says where its own file is damaged; everything else that it refuses has another reason."""
_BEGINNING = struct.Struct(">qi")
"""Offset of a batch's first record, and how many bytes follow this length."""
_LAST_OFFSET = struct.Struct(">i")
_LAST_OFFSET_AT = 23
_LEAST = 14
"""Bytes that follow the length of the smallest batch of any format."""


class Unreadable(msgspec.Struct, frozen=True):
    """A batch that cannot be read: its records from ``first`` on, up to the one before ``next``.

    ``next`` is ``None`` where nobody can say how far it goes. ``held`` is the batch as it came, empty where the broker
    does not deliver it. ``is_as_sent`` says that its checksum is right: no replica holds it otherwise.
    """

    first: int
    next: int | None
    reason: str
    held: bytes
    is_as_sent: bool = False


class Looked(msgspec.Struct, frozen=True):
    """What lies at an offset: records of the client's type, and the batch behind them that cannot be read."""

    records: Sequence[Any]
    unreadable: Unreadable | None


class _Answer(msgspec.Struct, frozen=True):
    """A broker's answer: its error, ``None`` for none; up to where it may be read; the bytes of batches."""

    error: str | None
    end: int
    aborted: Any
    data: bytes


async def look(kafka: AIOKafkaConsumer, place: TopicPartition, offset: int) -> Looked:
    """Asks for a partition from an offset on, past the client's own reading.

    Raises ``BusAway``, ``OffsetOutOfRange``, and the client's error where a broker refuses for another reason.
    """
    answer = await _ask(kafka, place, offset, _ASKED)
    if answer.error is not None or (not answer.data and offset < answer.end):
        reason = f"broker: {answer.error or 'delivers nothing'}"
        end = (await kafka.end_offsets([place]))[place]
        return Looked([], Unreadable(offset, await _find_readable(kafka, place, offset, end), reason, b""))
    records, fault, stopped_at = _read(place, answer, offset)
    if fault is None:
        return Looked(records, None)
    held, following = _cut_out(answer, stopped_at)
    if following is None or (following < answer.end and not await _is_readable(kafka, place, following)):
        following = await _find_readable(kafka, place, stopped_at, answer.end)
    return Looked(records, Unreadable(stopped_at, following, fault, held, _is_as_sent(held)))


async def _ask(kafka: AIOKafkaConsumer, place: TopicPartition, offset: int, most: int) -> _Answer:
    client = kafka._client
    leader = client.cluster.leader_for_partition(place)
    if leader is None or leader < 0:
        raise BusAway("LeaderNotAvailableError")
    wanted = [(place.topic, [(place.partition, offset, most)])]
    response = await client.send(leader, FetchRequest(0, 0, most, READ_COMMITTED, wanted))
    if not response.topics:  # a client that is over its quota gets an empty answer
        raise BusAway("throttled")
    ((_, (parts,)),) = response.topics
    _, code, _, stable, *more = parts
    refusal = aiokafka.errors.for_code(code)
    if refusal is aiokafka.errors.OffsetOutOfRangeError:
        raise OffsetOutOfRange(f"{place.topic}/{place.partition}: the brokers do not hold {offset}")
    if code and refusal not in _OF_DAMAGE:
        raise refusal
    aborted = more[1] if response.API_VERSION >= 11 else more[-2]
    return _Answer(refusal.__name__ if code else None, stable, aborted, more[-1] or b"")


def _read(place: TopicPartition, answer: _Answer, offset: int) -> tuple[list[Any], str | None, int]:
    """The records of an answer as the client reads them; what was wrong, and the offset at which that was."""
    found: list[Any] = []
    reading = None
    try:
        records = Records(answer.data)
        if not records.has_next() and answer.data:
            return found, "length", offset
        reading = PartitionRecords(place, records, answer.aborted, offset, None, None, True, READ_COMMITTED)
        with little_at_once():
            found.extend(islice(reading, _MOST_RECORDS))
    except Enough:
        return found, None, offset if reading is None else reading.next_fetch_offset
    except Exception as error:  # noqa: BLE001 - whatever a library says of bytes that it cannot read
        return found, _fault(error), offset if reading is None else reading.next_fetch_offset
    return found, None, reading.next_fetch_offset


async def _is_readable(kafka: AIOKafkaConsumer, place: TopicPartition, offset: int) -> bool:
    """Whether the broker delivers something at an offset that the client can read."""
    answer = await _ask(kafka, place, offset, _PROBED)
    return answer.error is None and _read(place, answer, offset)[2] > offset


def _fault(error: Exception) -> str:
    """What is wrong with a batch, in a few words that hold nothing of its bytes."""
    if isinstance(error, Oversized):
        return "size, unpacked"
    if isinstance(error, TooManyHeaders):
        return "headers"
    if isinstance(error, aiokafka.errors.CorruptRecordException):
        return "CRC" if "CRC" in str(error) else "form"
    if isinstance(error, aiokafka.errors.UnsupportedCodecError):
        return "codec"
    return f"form ({type(error).__name__})"


def _is_as_sent(held: bytes) -> bool:
    """Whether a batch is whole by its checksum."""
    try:
        records = Records(held)
        return bool(records.has_next() and records.next_batch().validate_crc())
    except Exception:  # noqa: BLE001 - whatever a library says of bytes that it cannot read
        return False


def _cut_out(answer: _Answer, offset: int) -> tuple[bytes, int | None]:
    """The bytes of the batch that holds an offset, and the offset after it where the bytes behind it tell that."""
    at = 0
    while True:
        behind = _end_of(answer.data, at)
        following = None if behind is None else _following(answer, at, behind, offset)
        if behind is None or following is None or following > offset:
            return answer.data[at:behind], following
        at = behind


def _end_of(data: bytes, at: int) -> int | None:
    """Where a batch ends by its own length, ``None`` where that is no length."""
    if at + _BEGINNING.size > len(data):
        return None
    _, length = _BEGINNING.unpack_from(data, at)
    behind = at + _BEGINNING.size + int(length)
    return behind if length >= _LEAST and behind <= len(data) else None


def _following(answer: _Answer, at: int, behind: int, offset: int) -> int | None:
    """Where the batch after one begins: as that batch says, or as this one says where it is the last that came."""
    data = answer.data
    if behind + _BEGINNING.size <= len(data):
        found, _ = _BEGINNING.unpack_from(data, behind)
    elif behind == len(data) and at + _LAST_OFFSET_AT + _LAST_OFFSET.size <= behind:
        (delta,) = _LAST_OFFSET.unpack_from(data, at + _LAST_OFFSET_AT)
        found = _BEGINNING.unpack_from(data, at)[0] + delta + 1
    else:
        return None
    return found if found <= min(answer.end, offset + LONGEST) else None


async def _find_readable(kafka: AIOKafkaConsumer, place: TopicPartition, offset: int, end: int) -> int | None:
    """The first offset behind one from which something can be read again, ``None`` where there is none near.

    A broker finds its way by an index that has an entry every few thousand bytes: behind the next entry it delivers
    again, and everything from there on. So the step is doubled until it does, and then halved.
    """
    last = min(end - 1, offset + LONGEST)
    if last <= offset:
        return None
    refused, step = offset, 1
    while not await _is_readable(kafka, place, tried := min(offset + step, last)):
        if tried == last:
            return None
        refused, step = tried, step * 2
    while tried - refused > 1:
        middle = (refused + tried) // 2
        if await _is_readable(kafka, place, middle):
            tried = middle
        else:
            refused = middle
    return tried
