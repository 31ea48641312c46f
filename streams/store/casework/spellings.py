"""The words by which institutions are found, as stored: made anew for names that changed."""

from collections.abc import Collection, Mapping

import asyncpg


async def find_unspelled(connection: asyncpg.Connection, most: int) -> dict[str, str]:
    """Names by code of institutions whose words are not made yet; nobody else makes them until the transaction ends."""
    rows = await connection.fetch(
        """
        select institution, name from institutions where spelled is distinct from name
        order by institution limit $1 for update skip locked
        """,
        most,
    )
    return {row["institution"]: row["name"] for row in rows}


async def save_spellings(
    connection: asyncpg.Connection, names: Mapping[str, str], words: Mapping[str, Collection[str]]
) -> None:
    """Writes the words of some institutions, by code, in place of those that they had."""
    await connection.execute("delete from institution_words where institution = any($1::text[])", list(names))
    rows = [(word, code) for code, of in words.items() for word in of]
    await connection.copy_records_to_table("institution_words", records=rows, columns=("word", "institution"))
    await connection.executemany(
        "update institutions set spelled = $2 where institution = $1", [(code, name) for code, name in names.items()]
    )
