"""Explaining: a finding judged again from the received bytes is the same, and what was tampered with shows."""

from random import Random

import pytest

from deploy.county import CountyPlan, simulate
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from rules_lib.questions import Measure, Question, Undecided
from streams.jobs.explaining import Reproduced, explain
from streams.store.operation import overview
from streams.store.sessions import Connection, connect
from tests.streams.replay import EVERYTHING, replay

PLAN = CountyPlan(scale=1 / 250, seed=7)
SAMPLE = 200


def takes_back(event: Event) -> bool:
    """Whether it undoes something earlier; judged in a batch of its own, so that findings are there to be withdrawn."""
    return isinstance(event, Claim) and bool(event.reverses or event.corrects)


async def test_200_random_findings_are_the_same_when_judged_again(postgres_url: str) -> None:
    events = list(simulate(PLAN))
    await replay(postgres_url, [event for event in events if not takes_back(event)], "at first")
    await replay(postgres_url, filter(takes_back, events), "later")
    connection = await connect(postgres_url)
    try:
        rows = await overview.find_findings(connection, None, None, "", 100_000, withdrawn=True, sight=EVERYTHING)
        assert len(rows) > SAMPLE
        assert not all(row.is_open for row in rows)
        for row in Random(1).sample(rows, SAMPLE):
            answer = await explain(connection, row.area, row.finding_id)
            assert answer is not None
            assert answer.verdict is Reproduced.SAME, row
        await _check_that_a_missing_event_shows(connection)
        await _check_that_a_changed_check_shows(connection)
    finally:
        await connection.close()


async def _check_that_a_missing_event_shows(connection: Connection) -> None:
    row = (await overview.find_findings(connection, "FW10000003", None, "", 1, withdrawn=False, sight=EVERYTHING))[0]
    institution, encounter, _ = row.finding.guilty[-1].part
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("delete from events where institution = $1 and encounter_id = $2", institution, encounter)
    answer = await explain(connection, row.area, row.finding_id)
    await transaction.rollback()
    assert answer is not None
    assert answer.verdict is Reproduced.DIFFERENT


async def _check_that_a_changed_check_shows(connection: Connection) -> None:
    row = (await overview.find_findings(connection, "FW10000001", None, "", 1, withdrawn=False, sight=EVERYTHING))[0]
    stored = await explain(connection, row.area, row.finding_id)
    assert stored is not None

    def finds_nothing(question: Question) -> "list[Measure | Undecided]":
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rules_lib.engine.find_check", lambda name: finds_nothing)
        patch.setattr("streams.jobs.explaining.source_hash", lambda check, looks_at: "another source")
        answer = await explain(connection, row.area, row.finding_id)
    assert answer is not None
    assert answer.verdict is Reproduced.CHECK_CHANGED
