"""Sources that are being read: how far each was sent to the bus."""

from streams.store.sessions import Connection


async def begin(connection: Connection, source_id: str, source: str) -> int:
    """Enters a source unless it is known, and returns how many of its messages were sent before."""
    sent: int = await connection.fetchval(
        """
        insert into imports (source_id, source) values ($1, $2)
        on conflict (source_id) do update set updated_at = now() returning messages
        """,
        source_id,
        source,
    )
    return sent


async def advance(connection: Connection, source_id: str, messages: int) -> int:
    """Notes a step in the transaction that sends it, and returns how many messages were sent so far."""
    sent: int = await connection.fetchval(
        "update imports set messages = messages + $2, updated_at = now() where source_id = $1 returning messages",
        source_id,
        messages,
    )
    return sent


async def finish(connection: Connection, source_id: str) -> None:
    await connection.execute("update imports set finished = true, updated_at = now() where source_id = $1", source_id)


async def is_finished(connection: Connection, source_id: str) -> bool:
    """Whether a source was sent to its end in an earlier run."""
    return bool(await connection.fetchval("select finished from imports where source_id = $1", source_id))
