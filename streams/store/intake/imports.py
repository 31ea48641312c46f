"""Sources that are being read: how far each was sent to the bus."""

from datetime import datetime

import msgspec

from streams.store.sessions import Connection


async def begin(connection: Connection, source_id: str, source: str) -> int:
    """Enters a source unless it is known, and returns how many of its messages were sent before."""
    sent: int = await connection.fetchval(
        """
        insert into imports (source_id, source) values ($1, $2)
        on conflict (source_id) do update set updated_at = imports.updated_at returning messages
        """,
        source_id,
        source,
    )
    return sent


async def is_taken(connection: Connection, source: str, source_id: str) -> bool:
    """Whether another content has a name, and this one did not have it before."""
    sources: list[str] = await connection.fetchval(
        "select coalesce(array_agg(source_id), '{}') from imports where source = $1", source
    )
    return bool(sources) and source_id not in sources


class AlreadyImporting(Exception):
    """Another process is sending the same source at this moment."""


async def advance(connection: Connection, source_id: str, sent: int, more: int) -> int:
    """Notes a step in the transaction that sends it, and returns how many messages were sent so far.

    Raises ``AlreadyImporting`` where not ``sent`` of them had been sent before.
    """
    so_far: int | None = await connection.fetchval(
        """
        update imports set messages = messages + $3, updated_at = now()
        where source_id = $1 and messages = $2 returning messages
        """,
        source_id,
        sent,
        more,
    )
    if so_far is None:
        raise AlreadyImporting(source_id)
    return so_far


async def finish(connection: Connection, source_id: str) -> None:
    """Notes that a source was sent to its end, at the time of the run that did so."""
    await connection.execute(
        "update imports set finished = true, updated_at = now() where source_id = $1 and not finished", source_id
    )


async def count_sent(connection: Connection, source_id: str) -> int:
    """How many messages of a source all runs have sent so far."""
    return await connection.fetchval("select messages from imports where source_id = $1", source_id) or 0


class Earlier(msgspec.Struct, frozen=True):
    """A run that sent a source to its end: under which name, and when."""

    source: str
    ended_at: datetime


async def find_earlier(connection: Connection, source_id: str) -> Earlier | None:
    """The run that sent a source to its end, if there was one."""
    row = await connection.fetchrow(
        "select source, updated_at from imports where source_id = $1 and finished", source_id
    )
    return None if row is None else Earlier(*row)


async def name_by_content(connection: Connection, source_id: str, content: str) -> Earlier | None:
    """Has a source that was sent to its end known by its content from now on, unless one of that content is there.

    Returns the run that sent the same content to its end before, if there was one.
    """
    await connection.execute(
        """
        with named as (
            insert into imports (source_id, source, messages, finished, started_at)
            select $2, source, messages, finished, started_at from imports where source_id = $1
            on conflict do nothing returning source_id)
        delete from imports where source_id = $1 and exists (select from named)
        """,
        source_id,
        content,
    )
    unnamed = await connection.fetchval("select true from imports where source_id = $1", source_id)
    return await find_earlier(connection, content) if unnamed else None


async def is_finished(connection: Connection, source_id: str) -> bool:
    """Whether a source was sent to its end in an earlier run."""
    return bool(await connection.fetchval("select finished from imports where source_id = $1", source_id))
