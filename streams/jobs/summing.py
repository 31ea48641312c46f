"""Summing leads that were marked for it: those of the release before, and those that a decision elsewhere concerns.

Piece by piece, beside the workers and in several processes at once.
"""

import asyncio
import logging
from functools import partial

from streams.handlers.rule_sets import RuleSets
from streams.store.casework import leads
from streams.store.sessions import Pool, borrowed, passing_errors, through_deadlocks

logger = logging.getLogger("fundwatch.summing")

MOST = 200
"""Leads a piece."""
_EVERY = 2.0


async def sum_all_marked(pool: Pool, sets: RuleSets, stop: asyncio.Event | None = None) -> int:
    """Sums marked leads until none is left that no other process is at, and says how many there were."""
    summed = 0
    while stop is None or not stop.is_set():
        async with borrowed(pool) as connection:
            items = await sets.find_items(connection)
            piece = await through_deadlocks(partial(leads.sum_marked, connection, items, MOST))
        summed += piece
        if not piece:
            break
    return summed


async def run_summing(pool: Pool, sets: RuleSets, stop: asyncio.Event) -> None:
    """Sums what is marked until told to stop."""
    while not stop.is_set():
        with passing_errors(logger, "summing"):
            await sum_all_marked(pool, sets, stop)
        try:
            await asyncio.wait_for(stop.wait(), _EVERY)
        except TimeoutError:
            continue
