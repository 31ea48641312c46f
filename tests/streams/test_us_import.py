"""The US set through bus, worker and store: the rule on stays in two places finds what an independent query finds."""

from datetime import date
from pathlib import Path

import pytest

from streams.importers.us_claims import read_us_claims
from streams.jobs.reconciling import reconcile
from streams.store.operation import overview
from streams.store.sessions import connect
from tests.streams.replay import replay
from tests.streams.test_us_claims import independent_places

pytestmark = pytest.mark.xdist_group("us")

ELSEWHERE = "FW10000004"


async def test_stored_findings_are_the_places_of_the_independent_query(postgres_url: str, shared_data: Path) -> None:
    folder = shared_data / "provider-fraud"
    await replay(postgres_url, read_us_claims(folder))
    connection = await connect(postgres_url)
    try:
        rows = await overview.find_findings(connection, None, None, "", 1_000_000, withdrawn=False)
        account = await reconcile(connection)
        blind = await connection.fetchval(
            "select count(*) from not_evaluated where reason = 'lines.item_code missing' and 'FW10000001' = any(rules)"
        )
    finally:
        await connection.close()

    found = {(o[0], o[2], o[3], date.fromisoformat(o[4])) for row in rows for o in [row.finding.occurrence]}
    assert {row.finding.maker_id for row in rows} == {ELSEWHERE}
    assert len(found) == len(rows)
    assert found == independent_places(folder)
    assert account.lost == 0
    assert account.money_differs == 0
    assert blind > 0
    print(f"\n{len(found)} places, {account.received} messages, {blind} encounters without item codes")
