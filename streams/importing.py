"""Importing: lines and events on their way to the bus, in steps that can be interrupted and started again.

What was sent and how far the source was read commit together on the PostgreSQL bus, so that starting again goes on
where it stopped. On another bus a crash between the two sends a step twice; the second time counts as duplicates.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from streams.bus import Bus, Message
from streams.store import imports
from streams.store.sessions import Pool, borrowed
from streams.topics import CLAIMS

STEP = 500


class Line(NamedTuple):
    """One message of a source: its number there, from 1, and its bytes."""

    number: int
    body: bytes


class _Address(msgspec.Struct):
    area: str
    patient: str


_decode_address = msgspec.json.Decoder(_Address).decode


def key_of(body: bytes) -> bytes | None:
    """The bus key of an event, area and patient; ``None`` where the message tells none."""
    try:
        address = _decode_address(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return f"{address.area}/{address.patient}".encode()


async def send_lines(pool: Pool, bus: Bus, source: str, source_id: str, lines: Iterable[Line]) -> AsyncIterator[int]:
    """Sends a source to the topic "claims" and yields, after each step, the number of the last line sent.

    ``source`` is the name in the ledger; ``source_id`` names this very content, so that lines which were sent in an
    earlier run are passed over.
    """
    async with borrowed(pool) as connection:
        done = await imports.begin(connection, source_id, source)
    waiting: Iterator[Line] = (line for line in lines if line.number > done)
    while step := list(islice(waiting, STEP)):
        messages = [Message(key_of(line.body), line.body, source) for line in step]
        async with borrowed(pool) as connection, connection.transaction():
            await bus.send(CLAIMS, messages, within=connection)
            await imports.advance(connection, source_id, step[-1].number, len(step))
        yield step[-1].number
    async with borrowed(pool) as connection:
        await imports.finish(connection, source_id)
