"""Beginning what judges or reads everything anew: noted before its first piece, each of which is a transaction."""

from casework.audit import Act
from streams.store.people import audit
from streams.store.sessions import Connection


async def begin(connection: Connection, act: Act, by: str, **about: str) -> None:
    """Notes that somebody begins something that goes on in pieces."""
    async with connection.transaction():
        await audit.note(connection, by, act, **about)
