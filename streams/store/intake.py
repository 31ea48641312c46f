"""What became of what was received: dead letters, the ledger of outcomes, and what is to be sent on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import msgspec

from knowledge_base.days import as_date, day_of
from streams.bus import Lease, Message


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that did not become an event; ``body`` is sealed."""

    offset: int
    outcome: str
    source: str
    reasons: list[str]
    key: bytes | None
    body: bytes
    money: Decimal | None


class Tally(msgspec.Struct):
    """Outcomes of one source in one batch, in messages and yuan."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead: int = 0
    accepted_money: Decimal = Decimal(0)
    duplicate_money: Decimal = Decimal(0)
    conflict_money: Decimal = Decimal(0)
    dead_money: Decimal = Decimal(0)
    dead_money_unknown: int = 0
    unknown_fields: int = 0

    def count(self, outcome: str, money: Decimal | None) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)
        if money is None:
            self.dead_money_unknown += 1
        else:
            setattr(self, f"{outcome}_money", getattr(self, f"{outcome}_money") + money)


async def save_account(
    connection: asyncpg.Connection, lease: Lease, letters: Sequence[DeadLetter], tallies: Mapping[str, Tally]
) -> None:
    """Keeps messages that did not become events, and adds a batch's outcomes to the ledger of its partition."""
    if letters:
        await _save_dead_letters(connection, lease, letters)
    day = as_date(day_of(datetime.now(UTC)))
    for source, tally in tallies.items():
        values = [getattr(tally, name) for name in _TALLIED]
        await connection.execute(_SAVE_TALLY, lease.topic, lease.partition, source, day, *values)


async def _save_dead_letters(connection: asyncpg.Connection, lease: Lease, letters: Sequence[DeadLetter]) -> None:
    await connection.executemany(
        """
        insert into dead_letters (topic, partition, "offset", outcome, source, reasons, key, body, money)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict do nothing
        """,
        [
            (
                lease.topic,
                lease.partition,
                letter.offset,
                letter.outcome,
                letter.source,
                json.dumps(letter.reasons, ensure_ascii=False),
                letter.key,
                letter.body,
                letter.money,
            )
            for letter in letters
        ],
    )


_TALLIED = Tally.__struct_fields__
_ADDED = ", ".join(f"{name} = ledger.{name} + excluded.{name}" for name in _TALLIED)
_SAVE_TALLY = f"""
    insert into ledger (topic, partition, source, day, {", ".join(_TALLIED)})
    values ({", ".join(f"${n}" for n in range(1, len(_TALLIED) + 5))})
    on conflict (topic, partition, source, day) do update set {_ADDED}
"""


async def save_outbox(connection: asyncpg.Connection, topic: str, messages: Iterable[Message]) -> None:
    """Writes what is to be sent on, in the caller's transaction; only the relay sends it."""
    rows = [(topic, message.key, message.value) for message in messages]
    if rows:
        await connection.copy_records_to_table("outbox", records=rows, columns=("topic", "key", "value"))


async def take_outbox(connection: asyncpg.Connection, most: int) -> list[tuple[int, str, Message]]:
    """Unsent rows, oldest first, locked until the transaction ends; rows that another relay holds are passed over."""
    rows = await connection.fetch(
        "select id, topic, key, value from outbox order by id limit $1 for update skip locked", most
    )
    return [(row["id"], row["topic"], Message(row["key"], row["value"], "outbox")) for row in rows]


async def delete_outbox(connection: asyncpg.Connection, ids: Sequence[int]) -> None:
    await connection.execute("delete from outbox where id = any($1::bigint[])", ids)
