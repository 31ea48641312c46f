"""Counting how often rules and detectors are right, since leads are ordered by it.

Each process does it; who counts while another does finds nothing changed.
"""

import asyncio
import logging

from streams.store.casework.precision import count_precisions
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
        try:
            await asyncio.wait_for(stop.wait(), _EVERY)
        except TimeoutError:
            continue
