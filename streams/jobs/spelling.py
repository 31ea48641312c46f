"""Spells codes and names of institutions for the search: when the desk starts, and when the register was renewed."""

from casework.spelling import folded, spellings
from streams.store.casework.spellings import find_unspelled, save_spellings
from streams.store.sessions import Connection

PIECE = 500
"""Names of a transaction."""


async def spell_institutions(connection: Connection) -> int:
    """Makes the words of every institution whose name is new; how many there were."""
    spelled = 0
    while True:
        async with connection.transaction():
            names = await find_unspelled(connection, PIECE)
            if not names:
                return spelled
            await save_spellings(
                connection, names, {code: {folded(code), *spellings(name)} for code, name in names.items()}
            )
        spelled += len(names)
