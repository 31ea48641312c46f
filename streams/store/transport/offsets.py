"""Offsets and leases of groups: who reads which partition from where, fenced by an epoch."""

from collections.abc import Mapping
from datetime import timedelta

import asyncpg

from streams.bus import Batch, Fenced, Lag, Lease, OtherBus

_UNTIL_ENDED_MILLISECONDS = 1000


async def step(connection: asyncpg.Connection, batch: Batch) -> None:
    """Moves a group's offset past a batch, in the caller's transaction. Raises ``Fenced`` where another holds it."""
    lease = batch.lease
    status = await connection.execute(
        """
        update group_offsets set next = $1
        where "group" = $2 and topic = $3 and partition = $4 and epoch = $5 and next = $6
        """,
        batch.next,
        lease.group,
        lease.topic,
        lease.partition,
        lease.epoch,
        batch.expected,
    )
    if status != "UPDATE 1":
        raise Fenced(f"{lease.topic}/{lease.partition} of {lease.group}")


async def join(connection: asyncpg.Connection, group: str, topic: str, member: str, ttl: timedelta) -> list[str]:
    """Says that a member is alive and returns all living members of the group, sorted.

    It is one of them however long its process then stood still before it asked.
    """
    await connection.execute(
        """
        insert into group_members ("group", topic, member) values ($1, $2, $3)
        on conflict ("group", topic, member) do update set seen_at = now()
        """,
        group,
        topic,
        member,
    )
    rows = await connection.fetch(
        'select member from group_members where "group" = $1 and topic = $2'
        " and (seen_at > now() - $3::interval or member = $4) order by member",
        group,
        topic,
        ttl,
        member,
    )
    return [row["member"] for row in rows]


async def leave(connection: asyncpg.Connection, group: str, topic: str, member: str) -> None:
    """Takes a member out of its group and gives its partitions back at once."""
    async with connection.transaction():
        await connection.execute(
            'delete from group_members where "group" = $1 and topic = $2 and member = $3', group, topic, member
        )
        await connection.execute(
            "update group_offsets set owner = null, lease_until = null"
            ' where "group" = $1 and topic = $2 and owner = $3',
            group,
            topic,
            member,
        )


async def give_back(connection: asyncpg.Connection, lease: Lease, member: str) -> None:
    """Gives one partition back so that another member may take it at once."""
    await connection.execute(
        """
        update group_offsets set owner = null, lease_until = null
        where "group" = $1 and topic = $2 and partition = $3 and epoch = $4 and owner = $5
        """,
        lease.group,
        lease.topic,
        lease.partition,
        lease.epoch,
        member,
    )


async def renew(
    connection: asyncpg.Connection, lease: Lease, member: str, backend_pid: int | None, ttl: timedelta
) -> bool:
    """Extends a lease by the database's clock; false where another member has taken the partition."""
    status = await connection.execute(
        """
        update group_offsets set lease_until = now() + $6::interval, backend_pid = $7,
            backend_start = (select backend_start from pg_stat_activity where pid = $7)
        where "group" = $1 and topic = $2 and partition = $3 and epoch = $4 and owner = $5
        """,
        lease.group,
        lease.topic,
        lease.partition,
        lease.epoch,
        member,
        ttl,
        backend_pid,
    )
    return bool(status == "UPDATE 1")


async def take(
    connection: asyncpg.Connection,
    group: str,
    topic: str,
    partition: int,
    member: str,
    backend_pid: int | None,
    ttl: timedelta,
    at_once: bool = False,
) -> tuple[Lease, int] | None:
    """Takes a partition that nobody holds, or whose holder's lease ran out; returns the lease and where to read on.

    The old holder's database session is ended, so that a worker stopped in the middle of a batch frees its locks.
    ``at_once`` is for a bus that has itself decided whose the partition is: nobody's lease is waited for.
    """
    async with connection.transaction():
        # Without "not exists" an insert would wait for a holder whose open transaction has moved the offset.
        await connection.execute(
            """
            insert into group_offsets ("group", topic, partition)
            select $1, $2, $3 where not exists (
                select from group_offsets where "group" = $1 and topic = $2 and partition = $3)
            on conflict do nothing
            """,
            group,
            topic,
            partition,
        )
        row = await _lock_offset(connection, group, topic, partition)
        if row is None and await _end_stuck_holder(connection, group, topic, partition, backend_pid, at_once):
            row = await _lock_offset(connection, group, topic, partition)
        if row is None:
            return None
        if row["held"] and row["owner"] != member and not at_once:
            return None
        if row["owner"] not in (None, member) and row["backend_pid"] not in (None, backend_pid):
            await _end_session(connection, row["backend_pid"], row["backend_start"])
        await connection.execute(
            """
            update group_offsets set epoch = epoch + 1, owner = $4, backend_pid = $5,
                backend_start = (select backend_start from pg_stat_activity where pid = $5),
                lease_until = now() + $6::interval
            where "group" = $1 and topic = $2 and partition = $3
            """,
            group,
            topic,
            partition,
            member,
            backend_pid,
            ttl,
        )
        return Lease(group, topic, partition, row["epoch"] + 1), row["next"]


async def _lock_offset(connection: asyncpg.Connection, group: str, topic: str, partition: int) -> asyncpg.Record | None:
    """The group's row of a partition, locked; ``None`` while another transaction holds it."""
    return await connection.fetchrow(
        """
        select epoch, next, backend_pid, backend_start, owner, lease_until is not null and lease_until > now() as held
        from group_offsets where "group" = $1 and topic = $2 and partition = $3 for update skip locked
        """,
        group,
        topic,
        partition,
    )


async def _end_stuck_holder(
    connection: asyncpg.Connection, group: str, topic: str, partition: int, own_pid: int | None, at_once: bool
) -> bool:
    """Ends the session of a holder whose open transaction locks the row, once its lease ran out or ``at_once``."""
    row = await connection.fetchrow(
        'select backend_pid, backend_start from group_offsets where "group" = $1 and topic = $2 and partition = $3'
        " and (lease_until < now() or $4)",
        group,
        topic,
        partition,
        at_once,
    )
    if row is None or row["backend_pid"] in (None, own_pid):
        return False
    return await _end_session(connection, row["backend_pid"], row["backend_start"])


async def _end_session(connection: asyncpg.Connection, pid: int, started: object) -> bool:
    """Ends a database session and waits for its end; false where it did not end, or the id is another session's now."""
    ended: bool | None = await connection.fetchval(
        "select pg_terminate_backend(pid, $3) from pg_stat_activity where pid = $1 and backend_start = $2",
        pid,
        started,
        _UNTIL_ENDED_MILLISECONDS,
    )
    return bool(ended)


async def claim_bus(connection: asyncpg.Connection, name: str) -> None:
    """Says that this database holds the offsets of a bus. Raises ``OtherBus`` where it holds those of another."""
    await connection.execute("insert into bus (name) values ($1) on conflict do nothing", name)
    held: str = await connection.fetchval("select name from bus")
    if held != name:
        raise OtherBus(
            f"数据库属于另一总线 / the database holds the offsets of the bus {held}, not of {name} (FUNDWATCH_BUS)"
        )


async def find_lags(
    connection: asyncpg.Connection, group: str | None, ends: Mapping[tuple[str, int], int]
) -> list[Lag]:
    """How far groups are behind the ends, by (topic, partition), of a bus whose log is elsewhere."""
    rows = await connection.fetch(
        """
        select "group", topic, partition, next, owner from group_offsets
        where $1::text is null or "group" = $1 order by 1, 2, 3
        """,
        group,
    )
    return [
        Lag(row["group"], row["topic"], row["partition"], row["next"], ends[place], row["owner"])
        for row in rows
        if (place := (row["topic"], row["partition"])) in ends
    ]
