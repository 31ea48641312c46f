"""Re-judging: after a switch of rules everybody whom it can concern is judged again from their whole history.

Piece by piece, each a transaction with the place where to go on, beside the workers and in several processes at once:
what a killed one leaves, the next one takes up.
"""

from collections.abc import AsyncIterator
from functools import partial

from knowledge_base.subjects import PATIENT, patient
from rules_lib.rule_set import RuleSet
from streams.handlers.judging import judge_windows, patients_of
from streams.handlers.reading import find_whole
from streams.handlers.rule_sets import RuleSets
from streams.jobs.judging_subjects import judge_touched
from streams.pipeline.reports import Report
from streams.store.casework import leads
from streams.store.events import persons
from streams.store.judgements import published
from streams.store.judgements.published import Outstanding
from streams.store.sessions import Connection, through_deadlocks

MOST = 200
"""People a piece."""


async def rejudge(connection: Connection, sets: RuleSets, most: int = MOST) -> AsyncIterator[tuple[int, Report]]:
    """Judges what is outstanding, and says after each piece how many people or subjects it held and what changed.

    Ends when nothing is left that no other process is at. Raises ``RuleSetUnusable``.
    """
    await published.know_events(connection)
    while (piece := await through_deadlocks(partial(_judge_next, connection, sets, most))) is not None:
        yield piece
    while True:
        subjects, report = await judge_touched(connection, sets, most)
        if not subjects:
            return
        yield subjects, report


async def _judge_next(connection: Connection, sets: RuleSets, most: int) -> tuple[int, Report] | None:
    """The next people of the next area, ``None`` where no area is left."""
    report = Report()
    async with connection.transaction():
        rule_set = await sets.hold(connection)
        outstanding = await published.take_outstanding(connection)
        if outstanding is None:
            return None
        return await _judge_piece(connection, rule_set, outstanding, most, report), report


async def _judge_piece(
    connection: Connection, rule_set: RuleSet, outstanding: Outstanding, most: int, report: Report
) -> int:
    """The next people of an area; where there are none left, its leads are summed anew and it is done."""
    area = outstanding.area
    patients = await published.find_next_patients(connection, area, outstanding.judged_to, most)
    if not patients:
        await leads.sum_again(connection, area, outstanding.rules)
        await published.end_outstanding(connection, area)
        return 0
    await persons.lock_area(connection, area, exclusive=False)
    members = await persons.find_persons(connection, area, patients)
    await persons.lock_subjects(connection, area, [patient(name) for name in members])
    found, digests = await find_whole(connection, area, members, f"rule set {rule_set.hash}", rule_set.of(PATIENT))
    await judge_windows(connection, area, patients_of(members), found, digests, rule_set, report)
    await published.move_outstanding(connection, area, patients[-1])
    return len(patients)
