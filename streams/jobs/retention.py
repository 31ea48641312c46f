"""Retention of the log in PostgreSQL: a new segment a day, old ones dropped once every group has read them."""

import asyncio
import logging
from datetime import timedelta

from streams.store.sessions import Pool, borrowed, passing_errors
from streams.store.transport import log

logger = logging.getLogger("fundwatch.retention")

SEGMENT_AGE = timedelta(days=1)
KEPT = timedelta(days=7)
_EVERY = timedelta(hours=1)


async def keep_log(pool: Pool, segment_age: timedelta = SEGMENT_AGE, kept: timedelta = KEPT) -> list[int]:
    """Opens a segment where the newest is old enough, and drops what is old and read. Returns the dropped ones.

    A group that has not read an old segment keeps it there; that raises an alarm in the log of the process.
    """
    async with borrowed(pool) as connection:
        if await log.find_segment_age(connection) >= segment_age:
            await log.open_segment(connection)
        dropped = await log.drop_segments(connection, kept)
        stuck = await log.find_stuck_groups(connection, kept)
    for group, topic, partition in stuck:
        logger.error("group %s is stuck on %s/%d: its old records are kept", group, topic, partition)
    return dropped


async def run_retention(pool: Pool, stop: asyncio.Event) -> None:
    """Keeps the log in order every hour until told to stop."""
    while not stop.is_set():
        with passing_errors(logger, "retention"):
            await keep_log(pool)
        try:
            await asyncio.wait_for(stop.wait(), _EVERY.total_seconds())
        except TimeoutError:
            continue
