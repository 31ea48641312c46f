"""Importing: messages on their way to the bus, in steps that can be interrupted and started again.

What was sent and how far the source was read commit together on the PostgreSQL bus, so that starting again goes on
where it stopped. On another bus a crash between the two sends a step twice; the second time counts as duplicates.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from streams.bus import Bus, Message
from streams.buses.threads import in_thread
from streams.importers import ImporterError
from streams.importers.jsonl import RawLine
from streams.messages.codec import address_reader
from streams.messages.parts import part_key
from streams.store.intake import imports
from streams.store.sessions import Pool, borrowed
from streams.topics import CLAIMS

STEP = 500


async def send_messages(
    pool: Pool, bus: Bus, source: str, source_id: str, bodies: Iterable[bytes | RawLine]
) -> AsyncIterator[int]:
    """Sends a source, each message to the topic of its kind; after each step yields how many were sent so far.

    Lines of a file take their numbers with them, parts of one that is too long which part they are.

    ``source`` is the name in the ledger; ``source_id`` names this very content, so that messages which were sent in an
    earlier run are passed over. Raises ``imports.AlreadyImporting`` where two processes send it at once, and what
    reading raises once everything before it is sent.
    """
    async with borrowed(pool) as connection:
        sent = await imports.begin(connection, source_id, source)
    address_of = address_reader(otherwise=CLAIMS)
    waiting = islice(bodies, sent, None)
    error = None
    while error is None:
        step, error = await in_thread(lambda: _next_step(waiting))
        if not step:
            break
        by_topic: dict[str, list[Message]] = {}
        for item in step:
            body, line = (item, None) if isinstance(item, bytes) else (item.raw, item.line_no)
            topic, key = address_of(body)
            if key is None and not isinstance(item, bytes) and item.part:
                key = part_key(item.part, item.line_no)
            by_topic.setdefault(topic, []).append(Message(key, body, source, line))
        async with borrowed(pool) as connection, connection.transaction():
            for topic, messages in sorted(by_topic.items()):
                await bus.send(topic, messages, within=connection)
            sent = await imports.advance(connection, source_id, sent, len(step))
        yield sent
    if error is not None:
        raise error
    async with borrowed(pool) as connection:
        await imports.finish(connection, source_id)


def _next_step(bodies: Iterator[bytes | RawLine]) -> tuple[list[bytes | RawLine], ImporterError | None]:
    """The next messages, and the error by which there are no more."""
    step: list[bytes | RawLine] = []
    try:
        step.extend(islice(bodies, STEP))
    except ImporterError as error:
        return step, error
    return step, None
