"""The relay: sends what batches left in the outbox. Only the relay sends.

It picks unsent rows, never "above a watermark", and deletes them in the transaction in which a bus in the same database
has them. On another bus a crash in between sends a row twice, which consumers that keep the highest version of a
finding do not notice.
"""

import asyncio
import logging

from streams.bus import Bus, Message
from streams.buses.endings import finished
from streams.store.sessions import Pool, borrowed, passing_errors
from streams.store.transport import outbox

logger = logging.getLogger("fundwatch.relay")

_MOST = 500
_PAUSE = 0.2
_LAST_SECONDS = 1.0


async def send_outbox(pool: Pool, bus: Bus) -> int:
    """Sends up to 500 waiting rows and returns how many there were."""
    async with borrowed(pool) as connection, connection.transaction():
        rows = await outbox.take_outbox(connection, _MOST)
        by_topic: dict[str, list[Message]] = {}
        for _, topic, message in rows:
            by_topic.setdefault(topic, []).append(message)
        for topic, messages in by_topic.items():
            await bus.send(topic, messages, within=connection)
        await outbox.delete_outbox(connection, [row[0] for row in rows])
    return len(rows)


async def run_relay(pool: Pool, bus: Bus, stop: asyncio.Event) -> None:
    """Sends until told to stop."""
    while not stop.is_set():
        sent = 0
        with passing_errors(logger, "outbox"):
            sent = await finished(send_outbox(pool, bus), stop, _LAST_SECONDS)
        if sent < _MOST:
            await asyncio.sleep(_PAUSE)
