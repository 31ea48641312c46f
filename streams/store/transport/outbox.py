"""The outbox: what is to be sent on, written in the transaction that it follows from."""

from collections.abc import Iterable, Sequence

import asyncpg

from streams.bus import Message


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


async def count_outbox(connection: asyncpg.Connection) -> int:
    """How many messages wait to be sent on."""
    count: int = await connection.fetchval("select count(*) from outbox")
    return count
