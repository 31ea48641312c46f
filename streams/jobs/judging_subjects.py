"""Judging subjects wider than a patient: those that batches or a switch of rules touched, along the patients' path.

Rows are taken wherever they stand, never "above a mark"; subjects are locked in order; what was touched, what it led to
and that it is done are one transaction.
"""

import asyncio
import logging
from collections.abc import Callable

from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule_set import RuleSet
from streams.buses.endings import finished
from streams.handlers.judging import judge_windows
from streams.handlers.reading import find_wider
from streams.handlers.rule_sets import RuleSets
from streams.messages.kinds import Place
from streams.pipeline.reports import Report
from streams.store.events import persons, wider
from streams.store.sessions import Connection, Pool, borrowed, passing_errors

logger = logging.getLogger("fundwatch.subjects")

MOST = 200
"""Rows a piece."""
_PAUSE = 0.5
_LAST_SECONDS = 4.0


async def judge_touched(connection: Connection, sets: RuleSets, most: int = MOST) -> tuple[int, Report]:
    """Judges the next touched subjects in one transaction: how many rows that were, and what changed.

    Raises ``RuleSetUnusable``.
    """
    report = Report()
    async with connection.transaction():
        rule_set = await sets.hold(connection)
        taken = await wider.take_touched(connection, most)
        for area in sorted({area for area, _ in taken.places}):
            await persons.lock_subjects(connection, area, [subject for of, subject in taken.places if of == area])
        new = await wider.enter_events(connection, taken.numbers)
        for place in sorted(taken.places):
            if place[1].kind not in HISTORIES:
                logger.error("no rule can look at a %s: its events are kept, and nothing judges them", place[1].kind)
                continue
            await _judge(connection, place, frozenset(new.get(place, ())), taken.causes.get(place), rule_set, report)
    return len(taken.numbers), report


async def _judge(
    connection: Connection, place: Place, new: frozenset[int], cause: str | None, rule_set: RuleSet, report: Report
) -> None:
    area, subject = place
    window, digests = await find_wider(connection, area, subject, new, cause, rule_set.of(subject.kind))
    await judge_windows(connection, area, {subject: [subject]}, [window], digests, rule_set, report)


async def run_judging_subjects(
    pool: Pool, sets: RuleSets, stop: asyncio.Event, count: Callable[[Report], None] = lambda _: None
) -> None:
    """Judges what is touched until told to stop; ``count`` is told what changed, once it is committed."""
    while not stop.is_set():
        rows = 0
        with passing_errors(logger, "subjects"):
            async with borrowed(pool) as connection:
                if await wider.is_any_touched(connection):
                    rows, report = await finished(judge_touched(connection, sets), stop, _LAST_SECONDS)
                    count(report)
        if rows < MOST:
            await asyncio.sleep(_PAUSE)
