"""Purging: what an import left among the dead letters is written out, and what was written is taken away.

The file says what is taken away, letter by letter, so one that comes meanwhile stays; it is noted who asked before a
byte is opened.
"""

from collections.abc import AsyncGenerator, Sequence

import msgspec

from casework.audit import Act
from streams.messages.kinds import event_topics
from streams.messages.vault import Vault, WrongKey
from streams.store.intake import purges
from streams.store.intake.dead_letters import Count, DeadLetter
from streams.store.people import audit
from streams.store.sessions import Connection

STEP = 500
"""Letters a transaction."""


class Exported(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of an export: a letter as ``dead-letters list --json`` tells it, with its bytes as they came.

    Bytes that are no UTF-8 stand in ``body_base64`` (``key_base64``) instead.
    """

    seq: int
    name: str
    letter: DeadLetter
    key: str | None = None
    key_base64: bytes | None = None
    body: str | None = None
    body_base64: bytes | None = None


class SealedOtherwise(Exception):
    """A letter that was sealed with another key, by its name."""


async def count_of(connection: Connection, source: str) -> Count:
    """How many letters a purge of this source would take away."""
    return await purges.count_letters(connection, source, event_topics())


async def begin(connection: Connection, source: str, by: str, file: str) -> int:
    """Notes who is going to look at a source's letters and take them away, and gives the purge's number."""
    async with connection.transaction():
        number = await purges.begin_purge(connection, source, by, file)
        await audit.note(connection, by, Act.BEGAN_PURGE, purge=str(number))
    return number


async def export(connection: Connection, vault: Vault, source: str) -> AsyncGenerator[bytes, None]:
    """The letters of a source at one moment, a line each. Raises ``SealedOtherwise``."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for kept in purges.walk_letters(connection, source, event_topics()):
            try:
                body, body_base64 = _text(vault.open(kept.body))
            except WrongKey:
                raise SealedOtherwise(kept.letter.name) from None
            key, key_base64 = _text(kept.key)
            line = Exported(kept.seq, kept.letter.name, kept.letter, key, key_base64, body, body_base64)
            yield msgspec.json.encode(line) + b"\n"


async def take_away(connection: Connection, number: int, written: Sequence[int], by: str) -> purges.Purge:
    """Takes away the letters of a purge that were written, by their numbers, in steps; may be begun again.

    What was taken away in all is noted with the end of it.
    """
    for first in range(0, len(written), STEP):
        await purges.take_away(connection, number, written[first : first + STEP])
    async with connection.transaction():
        done = await purges.finish_purge(connection, number)
        await audit.note(connection, by, Act.PURGED, purge=str(number), letters=str(done.purged))
    return done


def _text(content: bytes | None) -> tuple[str | None, bytes | None]:
    if content is None:
        return None, None
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, content
