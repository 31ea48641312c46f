"""Reconciliation: what is missing anywhere is noticed, message by message and yuan by yuan."""

from collections.abc import AsyncIterator

import pytest

from deploy.county import CountyPlan, simulate
from streams.store import reconciliation
from streams.store.sessions import Connection, connect
from streams.topics import JUDGES
from tests.streams.replay import replay


@pytest.fixture
async def judged(postgres_url: str) -> AsyncIterator[Connection]:
    await replay(postgres_url, simulate(CountyPlan(scale=1 / 2000)))
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


async def test_everything_received_is_accounted_for(judged: Connection) -> None:
    account = await reconciliation.reconcile(judged, JUDGES)
    assert account.received > 1000
    assert account.received == sum(row.accepted for row in account.sources)
    assert (account.lost, account.money_differs) == (0, 0)


@pytest.mark.parametrize(
    "harm",
    [
        "delete from events where seq = (select max(seq) from events)",
        "update ledger set accepted = accepted - 1 where partition = 0",
        "update imports set messages = messages + 1",
        "update group_offsets set next = next + 1 where \"group\" = 'judges' and partition = 1",
    ],
)
async def test_one_message_gone_astray_shows(judged: Connection, harm: str) -> None:
    await judged.execute(harm)
    assert (await reconciliation.reconcile(judged, JUDGES)).lost > 0


async def test_one_yuan_gone_astray_shows(judged: Connection) -> None:
    await judged.execute("update events set money = money + 1 where seq = (select max(seq) from events)")
    account = await reconciliation.reconcile(judged, JUDGES)
    assert account.lost == 0
    assert account.money_differs == 1


async def test_a_correction_whose_target_never_came_shows_as_waiting(judged: Connection) -> None:
    before = (await reconciliation.reconcile(judged, JUDGES)).waiting_links
    await judged.execute(
        "update events set corrects = 'never came' where seq = (select max(seq) from events where kind = 'claim')"
    )
    assert (await reconciliation.reconcile(judged, JUDGES)).waiting_links == before + 1
