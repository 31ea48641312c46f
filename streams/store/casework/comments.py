"""What people write to each other about leads."""

from datetime import UTC, datetime

import asyncpg
import msgspec


class Comment(msgspec.Struct, frozen=True):
    """One comment; ``recorded_at`` and ``taken_back_at`` are UTC. What was taken back keeps its words in the store."""

    comment_id: int
    words: str
    written_by: str
    recorded_at: datetime
    taken_back_at: datetime | None


async def find_comments(connection: asyncpg.Connection, area: str, lead_id: str) -> list[Comment]:
    """All comments on a lead, oldest first."""
    rows = await connection.fetch(
        """
        select comment_id, words, written_by, recorded_at, taken_back_at from comments
        where area = $1 and lead_id = $2 order by comment_id
        """,
        area,
        lead_id,
    )
    return [
        Comment(
            row["comment_id"],
            row["words"],
            row["written_by"],
            row["recorded_at"].astimezone(UTC),
            None if row["taken_back_at"] is None else row["taken_back_at"].astimezone(UTC),
        )
        for row in rows
    ]


async def save_comment(connection: asyncpg.Connection, area: str, lead_id: str, words: str, by: str) -> int:
    """Keeps a comment, and returns its number."""
    number: int = await connection.fetchval(
        "insert into comments (area, lead_id, words, written_by) values ($1, $2, $3, $4) returning comment_id",
        area,
        lead_id,
        words,
        by,
    )
    return number


async def take_back(connection: asyncpg.Connection, area: str, lead_id: str, comment_id: int, by: str) -> bool:
    """Notes that whoever wrote a comment took it back; false where they did not write it, or took it back before."""
    done = await connection.execute(
        """
        update comments set taken_back_at = now()
        where area = $1 and lead_id = $2 and comment_id = $3 and written_by = $4 and taken_back_at is null
        """,
        area,
        lead_id,
        comment_id,
        by,
    )
    return bool(done == "UPDATE 1")
