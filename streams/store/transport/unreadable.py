"""Batches of the bus that cannot be read: which ones were seen, since when, and before which of them a group stands."""

from datetime import datetime

import msgspec

from streams.store.sessions import Connection


class Standing(msgspec.Struct, frozen=True):
    """A group stands before a batch that cannot be read; ``next`` is where the batch ends, where that is known."""

    group: str
    topic: str
    partition: int
    first: int
    next: int | None
    reason: str
    seen_at: datetime

    def __str__(self) -> str:
        last = "?" if self.next is None else self.next - 1
        return f"{self.topic}/{self.partition} {self.first}-{last}: {self.reason}, {self.seen_at:%Y-%m-%d %H:%M} UTC"


async def save_unreadable(
    connection: Connection, group: str, topic: str, partition: int, first: int, next: int | None, reason: str
) -> float:
    """Notes that a group found a batch that cannot be read; seconds since it was found first, by the store's clock."""
    seconds: float = await connection.fetchval(
        """
        insert into unreadable_batches ("group", topic, partition, first, next, reason) values ($1, $2, $3, $4, $5, $6)
        on conflict ("group", topic, partition, first) do update set next = excluded.next, reason = excluded.reason
        returning extract(epoch from clock_timestamp() - seen_at)::float8
        """,
        group,
        topic,
        partition,
        first,
        next,
        reason,
    )
    return seconds


async def delete_unreadable(connection: Connection, group: str, topic: str, partition: int, first: int) -> None:
    """Forgets a batch that could be read after all."""
    await connection.execute(
        'delete from unreadable_batches where "group" = $1 and topic = $2 and partition = $3 and first = $4',
        group,
        topic,
        partition,
        first,
    )


async def find_standing(connection: Connection) -> list[Standing]:
    """Before which batches groups stand now."""
    rows = await connection.fetch(
        """
        select "group", topic, partition, first, u.next, reason, seen_at
        from unreadable_batches u join group_offsets g using ("group", topic, partition)
        where g.next <= u.first order by 1, 2, 3, 4
        """
    )
    return [Standing(*row) for row in rows]
