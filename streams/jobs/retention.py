"""Retention of the log in PostgreSQL: a new segment a day, old ones dropped once every group has read them.

And of what each institution sent by the hour: what nothing is learnt from any more is dropped."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from knowledge_base.days import Day, as_date, day_of
from streams.store.intake import senders, sendings
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


async def keep_sendings(pool: Pool, today: Day) -> None:
    """Drops hours from which nothing is learnt any more, and senders that never became known."""
    before = as_date(today) - sendings.KEPT
    async with borrowed(pool) as connection:
        while await sendings.drop_sendings(connection, before):
            await asyncio.sleep(0)
        await senders.forget_strangers(connection, before)


async def run_retention(pool: Pool, stop: asyncio.Event) -> None:
    """Keeps all of it in order every hour until told to stop."""
    while not stop.is_set():
        with passing_errors(logger, "retention"):
            await keep_log(pool)
            await keep_sendings(pool, day_of(datetime.now(UTC)))
        try:
            await asyncio.wait_for(stop.wait(), _EVERY.total_seconds())
        except TimeoutError:
            continue
