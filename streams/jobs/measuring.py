"""Counting how often rules and detectors are right, since leads are ordered by it, and how often doctors went on.

Each process does it; who counts while another does finds nothing changed.
"""

import asyncio
import logging
from datetime import UTC, datetime

from casework.sight import Sight
from knowledge_base.days import day_of
from streams.store.casework.precision import count_precisions
from streams.store.events.overrides import count_overrides
from streams.store.sessions import Pool, borrowed, passing_errors

logger = logging.getLogger("fundwatch.measuring")

_EVERY = 600.0
"""Seconds. A bound that moved has all leads of its rule summed again."""


async def run_measuring(pool: Pool, stop: asyncio.Event) -> None:
    """Counts until told to stop."""
    while not stop.is_set():
        with passing_errors(logger, "measuring"):
            async with borrowed(pool) as connection:
                await count_precisions(connection)
                await count_overrides(connection, Sight(day_of(datetime.now(UTC))))
        try:
            await asyncio.wait_for(stop.wait(), _EVERY)
        except TimeoutError:
            continue
