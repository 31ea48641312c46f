"""Importing: messages on their way to the bus, in steps that can be interrupted and started again.

What was sent and how far the source was read commit together on the PostgreSQL bus, so that starting again goes on
where it stopped. On another bus a crash between the two sends a step twice; the second time counts as duplicates.
"""

from collections.abc import AsyncIterator, Iterable
from itertools import islice

import msgspec

from streams.bus import Bus, Message
from streams.buses.threads import in_thread
from streams.store.intake import imports
from streams.store.sessions import Pool, borrowed
from streams.topics import CLAIMS

STEP = 500


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


async def send_messages(
    pool: Pool, bus: Bus, source: str, source_id: str, bodies: Iterable[bytes]
) -> AsyncIterator[int]:
    """Sends a source to the topic "claims" and yields, after each step, how many of its messages were sent so far.

    ``source`` is the name in the ledger; ``source_id`` names this very content, so that messages which were sent in an
    earlier run are passed over. Raises ``imports.AlreadyImporting`` where two processes send it at once.
    """
    async with borrowed(pool) as connection:
        sent = await imports.begin(connection, source_id, source)
    waiting = islice(bodies, sent, None)
    while step := await in_thread(lambda: list(islice(waiting, STEP))):
        messages = [Message(key_of(body), body, source) for body in step]
        async with borrowed(pool) as connection, connection.transaction():
            await bus.send(CLAIMS, messages, within=connection)
            sent = await imports.advance(connection, source_id, sent, len(step))
        yield sent
    async with borrowed(pool) as connection:
        await imports.finish(connection, source_id)
