"""The partitioned log in PostgreSQL: appending, reading, lag, retention.

Offsets are taken by updating the partition's head row inside the producer's transaction, so an offset is visible
only after all lower ones are (from a sequence, 2 can be visible before 1, and a reader would skip 1 for good).
"""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import zstandard

from streams.bus import Lag, Message, OffsetOutOfRange, Record, TopicState, partition_of

CHANNEL = "log"

_compress = zstandard.ZstdCompressor(level=1).compress
_decompress = zstandard.ZstdDecompressor().decompress


async def create_topic(connection: asyncpg.Connection, topic: str, partitions: int) -> None:
    """Makes a topic with its partitions unless it exists."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext($1))", f"topic {topic}")
        if not await connection.fetchval("select exists (select from log_heads where topic = $1)", topic):
            await connection.executemany(
                "insert into log_heads (topic, partition) values ($1, $2)", [(topic, n) for n in range(partitions)]
            )


async def find_partitions(connection: asyncpg.Connection, topic: str) -> int:
    """How many partitions a topic has; 0 where there is no such topic."""
    count: int = await connection.fetchval("select count(*) from log_heads where topic = $1", topic)
    return count


async def find_topics(connection: asyncpg.Connection) -> list[TopicState]:
    """Every topic with the ends of its partitions."""
    rows = await connection.fetch(
        "select topic, array_agg(next order by partition) as ends from log_heads group by topic order by topic"
    )
    return [TopicState(row["topic"], row["ends"]) for row in rows]


async def append(connection: asyncpg.Connection, topic: str, partitions: int, messages: Sequence[Message]) -> None:
    """Appends messages in the caller's transaction, partitions in sorted order so that producers cannot deadlock."""
    by_partition: dict[int, list[Message]] = {}
    for message in messages:
        by_partition.setdefault(partition_of(message.key, partitions), []).append(message)
    rows: list[tuple[object, ...]] = []
    segment = await connection.fetchval("select max(segment) from log_segments")
    for partition, together in sorted(by_partition.items()):
        end = await connection.fetchval(
            "update log_heads set next = next + $3 where topic = $1 and partition = $2 returning next",
            topic,
            partition,
            len(together),
        )
        first = end - len(together)
        rows += [
            (segment, topic, partition, first + n, m.key, _packed(m.value), m.source, m.line)
            for n, m in enumerate(together)
        ]
    columns = ["segment", "topic", "partition", "offset", "key", "value", "source", "line"]
    await connection.copy_records_to_table("log", records=rows, columns=columns)
    await connection.execute("select pg_notify($1, $2)", CHANNEL, topic)


async def read(
    connection: asyncpg.Connection, topic: str, partition: int, start: int, max_records: int, max_bytes: int
) -> list[Record]:
    """Records of a partition from an offset on, bounded in number and bytes (at least one, where there is one).

    Raises ``OffsetOutOfRange`` where records from ``start`` on were dropped.
    """
    rows = await connection.fetch(
        """
        select "offset", key, value, source, line from (
            select "offset", key, value, source, line,
                sum(coalesce(octet_length(value), 0)) over (order by "offset") as so_far, row_number() over () as n
            from (
                select "offset", key, value, source, line from log
                where topic = $1 and partition = $2 and "offset" >= $3 order by "offset" limit $4
            ) chunk
        ) measured where so_far <= $5 or n = 1
        order by "offset"
        """,
        topic,
        partition,
        start,
        max_records,
        max_bytes,
    )
    if rows and rows[0]["offset"] != start:
        raise OffsetOutOfRange(f"{topic}/{partition}: {start} was dropped, the log begins at {rows[0]['offset']}")
    if not rows and await _dropped_to_the_end(connection, topic, partition, start):
        raise OffsetOutOfRange(f"{topic}/{partition}: {start} was dropped, and nothing came after it")
    return [_record(*row) for row in rows]


async def _dropped_to_the_end(connection: asyncpg.Connection, topic: str, partition: int, start: int) -> bool:
    """Whether offsets from ``start`` on were given out and none is held: one snapshot, so no append comes between."""
    dropped: bool = await connection.fetchval(
        """
        select h.next > $3 and not exists (
            select from log l where l.topic = h.topic and l.partition = h.partition and l."offset" >= $3)
        from log_heads h where h.topic = $1 and h.partition = $2
        """,
        topic,
        partition,
        start,
    )
    return dropped


def _packed(value: bytes | None) -> bytes | None:
    return None if value is None else _compress(value)


def _record(offset: int, key: bytes | None, packed: bytes | None, source: str, line: int | None) -> Record:
    try:
        return Record(offset, key, None if packed is None else _decompress(packed), source, packed, line=line)
    except zstandard.ZstdError:
        return Record(offset, key, packed, source, unreadable="the log holds bytes here that cannot be unpacked")


async def find_lags(connection: asyncpg.Connection, group: str | None) -> list[Lag]:
    """How far groups are behind, by partition."""
    rows = await connection.fetch(
        """
        select g."group", g.topic, g.partition, g.next, h.next as "end",
            case when g.lease_until > now() then g.owner end as owner,
            case when g.next < h.next then (
                select l.sent_at from log l
                where l.topic = g.topic and l.partition = g.partition and l."offset" >= g.next
                order by l."offset" limit 1) end as waiting_since
        from group_offsets g join log_heads h using (topic, partition)
        where $1::text is null or g."group" = $1 order by 1, 2, 3
        """,
        group,
    )
    return [Lag(*row) for row in rows]


async def open_segment(connection: asyncpg.Connection) -> int:
    """Begins a new segment of the log; what comes from now on goes there."""
    async with connection.transaction():
        await connection.execute("lock table log_segments in exclusive mode")
        segment: int = await connection.fetchval("select max(segment) + 1 from log_segments")
        await connection.execute(f"create table log_{segment} partition of log for values in ({segment})")
        await connection.execute(f"alter table log_{segment} alter column value set storage external")
        await connection.execute("insert into log_segments (segment) values ($1)", segment)
    return segment


async def drop_segments(connection: asyncpg.Connection, older_than: timedelta) -> list[int]:
    """Drops closed segments older than an age that every group has read; never past the slowest group."""
    rows = await connection.fetch(
        """
        select s.segment from log_segments s
        where s.segment < (select max(segment) from log_segments)
          and exists (
              select from log_segments newer where newer.segment > s.segment and newer.opened_at < now() - $1::interval)
        order by s.segment
        """,
        older_than,
    )
    dropped: list[int] = []
    for row in rows:
        if not await _drop_if_read(connection, row["segment"]):
            break
        dropped.append(row["segment"])
    return dropped


async def _drop_if_read(connection: asyncpg.Connection, segment: int) -> bool:
    async with connection.transaction():
        # First the lock: a slow producer that still writes to the old segment is waited for, and what it wrote counts.
        await connection.execute("lock table log in access exclusive mode")
        unread = await connection.fetchval(
            """
            select exists (
                select from group_offsets g join log l using (topic, partition)
                where l.segment = $1 and l."offset" >= g.next)
            """,
            segment,
        )
        if not unread:
            await connection.execute(f"drop table log_{segment}")
            await connection.execute("delete from log_segments where segment = $1", segment)
    return not unread


async def find_segment_age(connection: asyncpg.Connection) -> timedelta:
    """How long ago the newest segment was opened, by the database's clock."""
    age: timedelta = await connection.fetchval("select now() - max(opened_at) from log_segments")
    return age


async def find_stuck_groups(connection: asyncpg.Connection, older_than: timedelta) -> list[tuple[str, str, int]]:
    """Groups (group, topic, partition) with unread records that were sent longer ago than an age."""
    rows = await connection.fetch(
        """
        select g."group", g.topic, g.partition from group_offsets g
        where (
            select l.sent_at from log l
            where l.topic = g.topic and l.partition = g.partition and l."offset" >= g.next
            order by l."offset" limit 1) < now() - $1::interval
        order by 1, 2, 3
        """,
        older_than,
    )
    return [(row[0], row[1], row[2]) for row in rows]
