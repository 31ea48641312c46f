"""The desk's benchmark from end to end, with a thousandth of its store: what is filled is what leads say, and every
kind of page and list is measured."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from bench.desk import measure, results
from bench.desk_check import check
from bench.desk_store import Plan, fill
from bench.desk_visits import KINDS
from bench.results import Reporter

PLAN = Plan(0.001)


@pytest.fixture(scope="module")
def filled(new_database: Callable[[], str], drop_database: Callable[[str], None]) -> Iterator[str]:
    """The address of a store that the benchmark filled."""
    url = new_database()
    fill(url, PLAN)
    yield url
    drop_database(url)


@pytest.fixture
async def connection(filled: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(filled)
    yield opened
    await opened.close()


async def test_leads_of_the_filled_store_count_what_they_hold(filled: str, connection: asyncpg.Connection) -> None:
    await check(filled)
    findings, lines = await connection.fetchrow("select count(*), (select count(*) from lead_lines) from lead_findings")
    assert findings >= PLAN.findings
    assert lines > sum(PLAN.long_leads.values())
    one = await connection.fetchval("select lead_id from leads where counts_from <= current_date order by 1 limit 1")
    await connection.execute("update leads set undecided = undecided + 1 where lead_id = $1", one)
    with pytest.raises(RuntimeError, match="'findings': 1"):
        await check(filled)
    mended = "update leads set undecided = undecided - 1, in_fund = in_fund + 1 where lead_id = $1"
    await connection.execute(mended, one)
    with pytest.raises(RuntimeError, match="'money': 1"):
        await check(filled)
    await connection.execute("update leads set in_fund = in_fund - 1 where lead_id = $1", one)


def test_every_kind_of_page_and_list_is_measured(filled: str, tmp_path: Path) -> None:
    """By five inspectors: two who see everything, one of each area, one of some institutions."""
    measured = measure(filled, tmp_path, runs=1, rounds=1, pause=0, every=3)
    told = {result.job: result.value for result in results(Reporter("desk", measured))}
    for kind in KINDS:
        assert len([job for job in told if job.startswith(f"{kind}, ")]) == 5
    assert len(told) == 5 * len(KINDS) + 7
    assert all(value > 0 for value in told.values())
