"""Replies to warnings as stored."""

from collections.abc import Mapping

import asyncpg

from knowledge_base.events.replies import Reply
from streams.pipeline.arrivals import Arrival
from streams.store.events.stored import save_received

_COLUMNS = (
    "area", "warning_id", "seq", "event_id", "institution", "replied_at", "phase", "way", "reason", "source",
)  # fmt: skip


LATEST = """
    left join replies r on r.area = w.area and r.warning_id = w.warning_id and r.institution = w.institution
        and not exists (
            select from replies of
            where of.area = r.area and of.warning_id = r.warning_id and of.institution = r.institution
                and (of.replied_at, of.event_id) > (r.replied_at, r.event_id))
"""
"""The reply ``r`` to a warning ``w``, as SQL: of several the latest counts, and those of its institution alone."""


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
