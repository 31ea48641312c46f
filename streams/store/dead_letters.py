"""Dead letters as stored: listing, opening, replaying."""

import json
from datetime import datetime
from decimal import Decimal

import msgspec

from streams.bus import Bus, Message
from streams.store.sessions import Connection
from streams.vault import Vault

REPLAY = "replay"


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that did not become an event, without its bytes."""

    topic: str
    partition: int
    offset: int
    outcome: str
    source: str
    reasons: list[str]
    money: Decimal | None
    recorded_at: datetime
    replayed_at: datetime | None

    @property
    def name(self) -> str:
        """How people name it: ``claims/0/123``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


_COLUMNS = 'topic, partition, "offset", outcome, source, reasons, money, recorded_at, replayed_at'


async def find_dead_letters(connection: Connection, before: int, most: int) -> list[tuple[int, DeadLetter]]:
    """Dead letters, the newest first, each with the number after which the next page begins."""
    rows = await connection.fetch(
        f"select seq, {_COLUMNS} from dead_letters where seq < $1 order by seq desc limit $2", before, most
    )
    return [(row["seq"], _letter(tuple(row)[1:])) for row in rows]


async def load_dead_letter(
    connection: Connection, vault: Vault, topic: str, partition: int, offset: int
) -> tuple[DeadLetter, bytes] | None:
    """One dead letter with its bytes as they came, ``None`` where there is none of that name."""
    row = await connection.fetchrow(
        f'select {_COLUMNS}, body from dead_letters where topic = $1 and partition = $2 and "offset" = $3',
        topic,
        partition,
        offset,
    )
    return None if row is None else (_letter(tuple(row)[:-1]), vault.open(row["body"]))


async def replay(connection: Connection, bus: Bus, vault: Vault, letter: DeadLetter) -> None:
    """Sends a dead letter's bytes again, as a new message of the source "replay", and notes when."""
    async with connection.transaction():
        row = await connection.fetchrow(
            'update dead_letters set replayed_at = now() where topic = $1 and partition = $2 and "offset" = $3'
            " returning key, body",
            letter.topic,
            letter.partition,
            letter.offset,
        )
        if row is None:
            raise LookupError(f"no dead letter {letter.name}")
        message = Message(row["key"], vault.open(row["body"]), REPLAY)
        await bus.send(letter.topic, [message], within=connection)


def _letter(values: tuple[object, ...]) -> DeadLetter:
    names = DeadLetter.__struct_fields__
    words = dict(zip(names, values, strict=True))
    return DeadLetter(**{**words, "reasons": json.loads(str(words["reasons"]))})
