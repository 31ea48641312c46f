"""Replies to warnings as stored."""

from collections.abc import Mapping

import asyncpg

from knowledge_base.events.replies import Reply
from streams.pipeline.arrivals import Arrival
from streams.store.events.stored import save_received

_COLUMNS = (
    "area", "warning_id", "seq", "event_id", "institution", "replied_at", "phase", "way", "reason", "source",
)  # fmt: skip


async def save_replies(connection: asyncpg.Connection, area: str, replied: Mapping[int, tuple[Arrival, Reply]]) -> None:
    """Writes accepted replies and their received bytes, by arrival number."""
    rows = [
        (
            area,
            reply.warning_id,
            seq,
            reply.event_id,
            reply.institution,
            reply.happened_at,
            reply.phase,
            reply.way,
            reply.reason,
            arrival.source,
        )
        for seq, (arrival, reply) in replied.items()
    ]
    await connection.copy_records_to_table("replies", records=rows, columns=_COLUMNS)
    await save_received(connection, area, {seq: arrival for seq, (arrival, _) in replied.items()})
