"""Leads are ordered by the money that is expected to be confirmed: how that is counted, kept up to date and shown."""

import asyncio
import random
import re
from collections.abc import Sequence
from decimal import Decimal

import httpx
import pytest
from msgspec.structs import replace

from casework.decisions import Ground, Scope, Verdict
from casework.precision import PRIOR, Precision
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide, undo
from streams.handlers.rule_sets import RuleSets
from streams.jobs.summing import sum_all_marked
from streams.store.casework.listing import Chosen
from streams.store.casework.precision import count_precisions
from streams.store.casework.queue import LeadFilter, find_leads
from streams.store.sessions import Connection, Pool, borrowed
from tests.api import holding
from tests.api.story import TODAY, next_version
from tests.api.test_decided import BEDS, another
from tests.streams.leads import apply_findings

SIGHT = Sight(TODAY.toordinal())
SAYINGS = (
    Said(Verdict.CONFIRMED, Ground.RECORDS),
    Said(Verdict.DISMISSED, Ground.EXCUSED),
    Said(Verdict.DISMISSED, Ground.SETTLED),
    Said(Verdict.RETURNED, Ground.RECORDS_MISSING),
)
CONFIRMED, DISMISSED = SAYINGS[:2]


@pytest.fixture
def stays(versions: list[FindingVersion]) -> list[FindingVersion]:
    """The 34 findings of one lead and one rule, which are stored."""
    return [version for version in versions if version.maker.id == BEDS]


async def _decide(connection: Connection, versions: Sequence[FindingVersion], said: Said) -> int:
    lead = await connection.fetchrow(
        "select l.* from leads l join lead_findings f using (area, lead_id) where f.finding_id = $1",
        versions[0].finding_id,
    )
    assert lead is not None
    chosen = Chosen(findings=tuple(version.finding_id for version in versions))
    made = await decide(connection, lead["lead_id"], lead["version"], chosen, said, "inspector", SIGHT)
    return made.decision_id


async def _apply(connection: Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _count(connection: Connection, pool: Pool, rule_set: RuleSet) -> None:
    await count_precisions(connection)
    await sum_all_marked(pool, RuleSets(rule_set))
    counted = await holding.count_precisions(connection)
    assert {maker: of for maker, of in (await holding.find_precisions(connection)).items() if of.decided} == counted
    await holding.agree(connection)


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_counted_is_what_the_decisions_say(
    connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet, seed: int
) -> None:
    chance = random.Random(seed)
    now = {version.finding_id: version for version in stays}
    decided: list[int] = []
    for step in range(30):
        some = [now[name] for name in chance.sample(sorted(now), chance.randint(1, 9))]
        match chance.choice(("decide", "decide", "decide", "undo", "go", "go on", "on the whole lead")):
            case "decide":
                here = [version for version in some if version.change is not Change.WITHDRAWN]
                if here:
                    decided.append(await _decide(connection, here, chance.choice(SAYINGS)))
            case "undo" if decided and decided[-1] in _holding(await holding.find_holding(connection)):
                lead = await connection.fetchval("select lead_id from decisions where decision_id = $1", decided[-1])
                await undo(connection, lead, decided.pop(), "误判", "inspector", SIGHT)
            case "go":
                now[some[0].finding_id] = next_version(some[0], Change.WITHDRAWN)
                await _apply(connection, [now[some[0].finding_id]], rule_set)
            case "go on":
                heir = another(some[0], f"heir-{step}")
                gone = replace(next_version(some[0], Change.WITHDRAWN), continued_by=heir.finding_id)
                now |= {heir.finding_id: heir, gone.finding_id: gone}
                await _apply(connection, [heir, gone], rule_set)
            case "on the whole lead" if decided:
                await connection.execute(
                    "update decisions set scope = $2 where decision_id = $1", chance.choice(decided), Scope.LEAD.value
                )
        await _count(connection, pool, rule_set)


def _holding(held: dict[str, tuple[int, str, int] | None]) -> set[int]:
    return {of[0] for of in held.values() if of is not None}


async def _queue(pool: Pool, **chosen: str) -> list[tuple[str, Decimal | None]]:
    async with borrowed(pool) as connection:
        return [(lead.topic, lead.expected) for lead in await find_leads(connection, LeadFilter(**chosen), SIGHT)]


async def test_what_people_decide_moves_the_leads_of_a_rule(
    connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    new = [another(stays[0], f"new-{number}") for number in range(3)]
    await _apply(connection, new, rule_set)
    await _decide(connection, stays[:29], CONFIRMED)
    await _count(connection, pool, rule_set)
    (lead,) = await connection.fetch("select * from leads where undecided > 0 and decided > 0")
    assert lead["expected"] == lead["in_question"] * PRIOR
    await _decide(connection, stays[29:30], CONFIRMED)
    await _count(connection, pool, rule_set)
    (lead,) = await connection.fetch("select * from leads where undecided > 0 and decided > 0")
    assert lead["expected"] == lead["in_question"] * Precision(30, 30).bound == lead["in_question"] * Decimal("0.88")


async def test_the_queue_opens_with_the_most_that_is_expected(
    connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, [another(stays[0], f"new-{number}") for number in range(40)], rule_set)
    before = await _queue(pool)
    assert len(before) > 2
    assert [of for _, of in before] == sorted((of for _, of in before), key=lambda of: -(of or 0))
    await _decide(connection, stays, DISMISSED)
    await _count(connection, pool, rule_set)
    after = await _queue(pool)
    assert before[0][0] == "stays"
    assert dict(after)["stays"] == 0
    assert after[-1][0] == "stays"
    assert (await _queue(pool, sort="in_question"))[0][0] == "stays"


async def test_nothing_is_counted_while_a_lead_is_summed(
    connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    """Otherwise what is summed by the bound of before would stay so: its finding is not there yet to be marked."""
    await _decide(connection, stays[:33], CONFIRMED)
    async with borrowed(pool) as other:
        async with connection.transaction():
            await apply_findings(connection, [another(stays[0], "new")], rule_set)
            counting = asyncio.ensure_future(count_precisions(other))
            waiting = "select count(*) from pg_locks where not granted and locktype = 'advisory'"
            while not counting.done() and not await connection.fetchval(waiting):
                await asyncio.sleep(0)
            assert not counting.done()
        assert await counting == 1
    await _count(connection, pool, rule_set)


@pytest.mark.usefixtures("stays")
async def test_a_lead_of_before_is_in_the_queue_until_it_is_summed(
    connection: Connection, pool: Pool, rule_set: RuleSet
) -> None:
    """As the release before writes it."""
    await connection.execute("update leads set expected = null")
    await connection.execute("create temp table old as select * from lead_totals")
    await connection.execute("delete from lead_totals")
    await connection.execute("update old set expected = null, expected_of = null, makers = null")
    await connection.execute("insert into lead_totals select * from old")
    assert {of for _, of in await _queue(pool)} == {None}
    assert await sum_all_marked(pool, RuleSets(rule_set)) > 1
    await holding.agree(connection)


# --- as people read it


async def test_the_row_and_the_page_say_how_it_is_reckoned(
    client: httpx.AsyncClient, connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    page = (await client.get("/")).text
    assert "预期属实金额大的在前" in page
    row = re.search(r"预期属实 ([0-9,.]+) 元 = ([0-9,.]+) × 25%", page)
    assert row is not None
    assert Decimal(row[1].replace(",", "")) == Decimal(row[2].replace(",", "")) / 4
    await _decide(connection, stays[:31], CONFIRMED)
    await _count(connection, pool, rule_set)
    (lead,) = await connection.fetch("select * from leads where undecided > 0 and decided > 0")
    answer = (await client.get(f"/leads/{lead['lead_id']}")).text
    assert "已逐条决定 31 条，其中确认 31 条；88% 是 95% 置信区间的下限。" in answer
    interface = (await client.get(f"/api/leads/{lead['lead_id']}")).json()["lead"]
    assert Decimal(interface["expected"]) == Decimal(interface["amounts"]["in_question"]) * Decimal("0.88")
    assert [(of["maker"], of["bound"]) for of in interface["expected_of"]] == [(BEDS, "0.88")]
