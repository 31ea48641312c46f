"""Reconciliation: what is missing anywhere is noticed, message by message and yuan by yuan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.events.claims import Claim
from knowledge_base.events.persons import PatientStatus
from streams.bus import Bus, Lag
from streams.jobs.reconciling import reconcile
from streams.store.intake.crossings import MOST
from streams.store.sessions import Connection, connect
from streams.topics import CLAIMS, JUDGES
from tests.streams.replay import replay


@pytest.fixture(scope="module")
def county(new_database: Callable[[], str]) -> str:
    """The address of a database with a judged county."""
    url = new_database()
    asyncio.run(replay(url, simulate(CountyPlan(scale=1 / 2000))))
    return url


@pytest.fixture
async def judged(county: str, copied_database: Callable[[str], str]) -> AsyncIterator[Connection]:
    connection = await connect(copied_database(county))
    yield connection
    await connection.close()


async def test_everything_received_is_accounted_for(judged: Connection) -> None:
    account = await reconcile(judged)
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
    assert (await reconcile(judged)).lost > 0


async def test_one_yuan_gone_astray_shows(judged: Connection) -> None:
    await judged.execute("update events set money = money + 1 where seq = (select max(seq) from events)")
    account = await reconcile(judged)
    assert account.lost == 0
    assert account.money_differs == 1


async def test_a_correction_whose_target_never_came_shows_as_waiting(judged: Connection) -> None:
    before = (await reconcile(judged)).crossings.waiting_links
    await judged.execute(
        "update events set corrects = 'never came' where seq = (select max(seq) from events where kind = 'claim')"
    )
    assert (await reconcile(judged)).crossings.waiting_links == before + 1


async def test_an_event_id_of_one_institution_in_two_areas_is_named(postgres_url: str) -> None:
    """Counted from the events that were sent; what another institution calls so, or a person's status, is none."""
    plan = CountyPlan(scale=1 / 5000)
    events = list(simulate(plan))
    claims = [event for event in events if isinstance(event, Claim)]
    for place, claim in enumerate(claims):
        if place % 3 == 0:
            events.append(replace(claim, area=f"elsewhere {place % 2}"))
        elif place % 3 == 1:
            events.append(replace(claim, area="elsewhere 0", institution="another"))
    events += [replace(event, area="elsewhere 0") for event in events if isinstance(event, PatientStatus)]
    events.append(replace(claims[0], area="elsewhere 2"))
    await replay(postgres_url, events)
    areas: dict[tuple[str, str], set[str]] = {}
    for event in events:
        if isinstance(event, Claim):
            areas.setdefault((event.event_id, event.institution), set()).add(event.area)
    odd = {ids: sorted(found) for ids, found in areas.items() if len(found) > 1}
    assert len(odd) > MOST
    connection = await connect(postgres_url)
    account = await reconcile(connection)
    await connection.close()
    assert (account.lost, account.crossings.shared_ids) == (0, len(odd))
    assert len(account.crossings.shared) == MOST
    assert all(odd[row.event_id, row.institution] == row.areas for row in account.crossings.shared)


class _FarBus:
    """A bus outside the store, which tells where its partitions end and nothing of sources."""

    def __init__(self, ends: dict[int, int]):
        self.ends = ends

    async def lags(self, group: str | None = None) -> list[Lag]:
        return [Lag(JUDGES, CLAIMS, number, 0, end, None) for number, end in self.ends.items()]


@pytest.mark.parametrize(("arrived", "lost"), [(5, 0), (3, 2), (0, 5)])
async def test_what_waits_on_a_bus_outside_the_store_is_not_lost(judged: Connection, arrived: int, lost: int) -> None:
    ends = {
        row["partition"]: row["next"] for row in await judged.fetch("select * from log_heads where topic = 'claims'")
    }
    await judged.execute("delete from log")
    await judged.execute("delete from log_heads")
    await judged.execute("update imports set messages = messages + 5")
    ends[0] += arrived
    account = await reconcile(judged, cast(Bus, _FarBus(ends)))
    assert account.lost == lost
    assert [trouble.kind for trouble in account.troubles] == (["sent"] if lost else [])
