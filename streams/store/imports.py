"""Sources that are being read: how far each was sent to the bus."""

from streams.store.sessions import Connection


async def begin(connection: Connection, source_id: str, source: str) -> int:
    """Enters a source unless it is known, and returns the number of the last line that was sent before."""
    line: int = await connection.fetchval(
        """
        insert into imports (source_id, source) values ($1, $2)
        on conflict (source_id) do update set updated_at = now() returning last_line
        """,
        source_id,
        source,
    )
    return line


async def advance(connection: Connection, source_id: str, last_line: int, messages: int) -> None:
    """Notes a step in the transaction that sends it."""
    await connection.execute(
        """
        update imports set last_line = $2, messages = messages + $3, updated_at = now() where source_id = $1
        """,
        source_id,
        last_line,
        messages,
    )


async def finish(connection: Connection, source_id: str) -> None:
    await connection.execute("update imports set finished = true, updated_at = now() where source_id = $1", source_id)


async def is_finished(connection: Connection, source_id: str) -> bool:
    """Whether a source was sent to its end in an earlier run."""
    return bool(await connection.fetchval("select finished from imports where source_id = $1", source_id))
