"""Offsets and leases of groups: who reads which partition from where, fenced by an epoch."""

from datetime import timedelta

import asyncpg

from streams.bus import Batch, Fenced, Lease

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
    """Says that a member is alive and returns all living members of the group, sorted."""
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
        'select member from group_members where "group" = $1 and topic = $2 and seen_at > now() - $3::interval'
        " order by member",
        group,
        topic,
        ttl,
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
        update group_offsets set lease_until = now() + $6::interval, backend_pid = $7
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
) -> tuple[Lease, int] | None:
    """Takes a partition that nobody holds, or whose holder's lease ran out; returns the lease and where to read on.

    The old holder's database session is ended, so that a worker stopped in the middle of a batch frees its locks.
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
        if row is None and await _end_stuck_holder(connection, group, topic, partition, backend_pid):
            row = await _lock_offset(connection, group, topic, partition)
        if row is None:
            return None
        if row["held"] and row["owner"] != member:
            return None
        if row["owner"] not in (None, member) and row["backend_pid"] not in (None, backend_pid):
            await connection.execute("select pg_terminate_backend($1)", row["backend_pid"])
        await connection.execute(
            """
            update group_offsets set epoch = epoch + 1, owner = $4, backend_pid = $5, lease_until = now() + $6::interval
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
        select epoch, next, backend_pid, owner, lease_until is not null and lease_until > now() as held
        from group_offsets where "group" = $1 and topic = $2 and partition = $3 for update skip locked
        """,
        group,
        topic,
        partition,
    )


async def _end_stuck_holder(
    connection: asyncpg.Connection, group: str, topic: str, partition: int, own_pid: int | None
) -> bool:
    """Ends the session of a holder whose lease ran out while its open transaction still locks the row."""
    row = await connection.fetchrow(
        'select backend_pid from group_offsets where "group" = $1 and topic = $2 and partition = $3'
        " and lease_until < now()",
        group,
        topic,
        partition,
    )
    if row is None or row["backend_pid"] in (None, own_pid):
        return False
    ended: bool = await connection.fetchval(
        "select pg_terminate_backend($1, $2)", row["backend_pid"], _UNTIL_ENDED_MILLISECONDS
    )
    return ended
