"""What is new since somebody's last visit, held against the raw rows. Instants are set, never waited for."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random

import asyncpg
import httpx
import pytest

from api.leads.filters import STILL_COMING
from casework.accounts import Account
from casework.decisions import Ground, Verdict
from casework.rights import Right, Role
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide, undo
from streams.store.casework import leads, queue
from streams.store.casework.decisions import find_holding
from streams.store.casework.listing import Chosen
from streams.store.casework.queue import LeadFilter
from streams.store.judgements.published import save_makers
from streams.store.people import users
from tests.api.story import AREA, COUNTY, TODAY, TOWN, next_version
from tests.api.test_tokens import _bearing, _given
from tests.streams.leads import apply_findings

BEFORE = datetime(2026, 4, 10, 8, 40, tzinfo=UTC)
"""When somebody was here last; 16:40 in China."""
OLD = BEFORE - timedelta(days=30)
SINCE = BEFORE - STILL_COMING
SAID = Said(Verdict.CONFIRMED, Ground.RECORDS)
BEDS, ELSEWHERE = "FW10000001", "FW10000005"
EVERY = {"lane": "all", "state": "all"}
MARK = "有新疑点</span>"


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _sum(connection: asyncpg.Connection) -> None:
    names = [(row["area"], row["lead_id"]) for row in await connection.fetch("select area, lead_id from leads")]
    async with connection.transaction():
        await leads.save_totals(connection, names)


async def _come(connection: asyncpg.Connection, at: datetime, names: Iterable[str]) -> None:
    """Some findings came at an instant, all others long before."""
    await connection.execute("update lead_findings set raised_at = $1", OLD)
    await connection.execute(
        "update lead_findings set raised_at = $1 where finding_id = any($2::text[])", at, list(names)
    )
    await _sum(connection)


async def _visit(connection: asyncpg.Connection, before: datetime = BEFORE, login: str = "inspector") -> None:
    await connection.execute("update visits set used_at = now(), before_at = $1 where login = $2", before, login)


async def _new(connection: asyncpg.Connection, since: datetime, sight: Sight) -> set[tuple[str, str]]:
    found = await queue.find_leads(connection, LeadFilter(new_since=since, limit=200), sight)
    return {(lead.area, lead.lead_id) for lead in found}


async def _by_hand(connection: asyncpg.Connection, since: datetime, sight: Sight) -> set[tuple[str, str]]:
    """The same from the findings themselves, one by one."""
    rows = await connection.fetch(
        """
        select f.*, l.institution from lead_findings f join leads l using (area, lead_id)
        join makers m on m.id = f.rule_id where f.is_open and m.live and f.verdict is null
        """
    )
    found = set()
    for row in rows:
        until = row["excuse_until"]
        comes = [row["raised_at"]] if row["raised_at"] else []
        if until is not None:
            comes.append(datetime.combine(until + timedelta(days=1), time(), UTC) - timedelta(hours=8))
        counts = until is None or until.toordinal() < sight.today
        in_sight = sight.institutions is None or row["institution"] in sight.institutions
        if counts and in_sight and comes and max(comes) > since:
            found.add((row["area"], row["lead_id"]))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_new_is_what_the_findings_say_whatever_was_done(
    connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet, seed: int
) -> None:
    chance = Random(seed)
    current = {version.finding_id: version for version in versions}
    await _come(connection, OLD, ())
    instants = [OLD]
    sizes = set()
    for step in range(12):
        instants.append(OLD + timedelta(days=4 * step + 1))
        act = chance.choice(["raise", "raise", "decide", "undo"])
        if act == "raise":
            names = chance.sample(sorted(current), 4)
            for name in names:
                change = chance.choice([Change.REVISED, Change.WITHDRAWN])
                place = chance.choice([COUNTY, TOWN])
                current[name] = next_version(current[name], change, institution=place)
            await _apply(connection, [current[name] for name in names], rule_set)
            await connection.execute(
                "update lead_findings set raised_at = $1 where raised_at <> all($2::timestamptz[])",
                instants[-1],
                instants,
            )
            await _sum(connection)
        else:
            await _decide_or_undo(connection, chance, act)
        for day in (TODAY, TODAY + timedelta(days=1)):
            for since in chance.sample(instants, min(3, len(instants))):
                for places in (None, frozenset({TOWN}), frozenset({COUNTY})):
                    sight = Sight(day.toordinal(), None, places)
                    expected = await _by_hand(connection, since, sight)
                    assert await _new(connection, since, sight) == expected, (step, act, since, day, places)
                    sizes.add(len(expected))
    assert len(sizes) > 2, "some leads are new, and not always the same number"


async def _decide_or_undo(connection: asyncpg.Connection, chance: Random, act: str) -> None:
    sight = Sight(TODAY.toordinal())
    lead = chance.choice(await queue.find_leads(connection, LeadFilter(limit=200), sight))
    if act == "decide" and lead.undecided:
        chosen = Chosen(everything=True)
        await decide(connection, lead.lead_id, lead.version, chosen, SAID, "inspector", sight)
    for decision in await find_holding(connection, lead.area, lead.lead_id) if act == "undo" else ():
        await undo(connection, lead.lead_id, decision, "误判", "inspector", sight)
    # Findings that moved meanwhile have another lead, which is summed a moment later.
    await leads.sum_marked(connection, (), 100)


async def test_a_finding_comes_again_where_it_was_away(
    connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    stays = [version for version in versions if version.maker.id == BEDS][:5]
    redelivered, revised, again, moved, withdrawn = stays
    await _come(connection, OLD, ())
    back = next_version(again, Change.WITHDRAWN)
    await _apply(
        connection, [next_version(revised), back, redelivered, next_version(moved, institution=TOWN)], rule_set
    )
    await _apply(connection, [next_version(back), next_version(withdrawn, Change.WITHDRAWN)], rule_set)
    rows = await connection.fetch("select finding_id, raised_at from lead_findings where raised_at <> $1", OLD)
    assert {row["finding_id"] for row in rows} == {again.finding_id, moved.finding_id}


async def test_findings_of_a_rule_that_was_tried_out_come_when_it_goes_live(
    connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    shadow = {"status": "shadow", "file_hash": "tried out"}
    rules = [rule.model_copy(update=shadow) if rule.id == BEDS else rule for rule in rule_set.rules]
    await _come(connection, OLD, ())
    await connection.execute("update makers set live_since = $1", OLD - timedelta(days=1))
    async with connection.transaction():
        await save_makers(connection, RuleSet(tuple(rules), rule_set.facts, rule_set.topics))
        await leads.sum_again(connection, AREA, [BEDS, ELSEWHERE])
    assert await connection.fetchval("select count(*) from lead_findings where raised_at <> $1", OLD) == 0
    async with connection.transaction():
        await save_makers(connection, rule_set)
        await leads.sum_again(connection, AREA, [BEDS, ELSEWHERE])
    rows = await connection.fetch("select rule_id, count(*) from lead_findings where raised_at <> $1 group by 1", OLD)
    assert [(row["rule_id"], row["count"]) for row in rows] == [(BEDS, 34)]
    await _come(connection, OLD, ())
    await connection.execute("update makers set live_since = $1", OLD - timedelta(days=1))
    async with connection.transaction():
        await save_makers(connection, rule_set)
        await leads.sum_again(connection, AREA, [BEDS, ELSEWHERE])
    assert await connection.fetchval("select count(*) from lead_findings where raised_at <> $1", OLD) == 0


# --- the queue and the interface


@pytest.fixture
def beds(versions: list[FindingVersion]) -> str:
    """The name of a finding of the lead on stays at one institution."""
    return next(version.finding_id for version in versions if version.maker.id == BEDS)


def _marked(page: str) -> list[bool]:
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>")[:-1]
    return [MARK in row for row in rows]


async def test_whoever_never_was_here_is_told_of_no_visit(client: httpx.AsyncClient, beds: str) -> None:
    page = (await client.get("/")).text
    assert "上次访问" not in page
    assert not any(_marked(page))


async def test_the_queue_says_what_is_new_marks_it_and_leads_to_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str
) -> None:
    await _visit(connection)
    await _come(connection, OLD, ())
    page = (await client.get("/")).text
    assert "自上次访问（2026-04-10 16:40）以来没有新疑点" in page
    assert not any(_marked(page))
    await _come(connection, BEFORE + timedelta(days=1), [beds])
    page = (await client.get("/?topic=limits&sort=newest")).text
    assert "自上次访问（2026-04-10 16:40）以来，有新疑点的线索 1 条" in page, "whatever else is filtered"
    (address,) = re.findall(r'<p class="news">\s*<a href="([^"]+)"', page)
    assert address == "/?new=true"
    assert sum(_marked((await client.get("/?state=all&lane=all")).text)) == 1
    page = (await client.get(address)).text
    assert _marked(page) == [True]
    assert "待处理线索 1 条" in page
    assert '<input type="hidden" name="new" value="true">' in page, "filters are added to it"
    assert '<a href="/">不限新增</a>' in page
    assert "new=true" in page.partition('class="sorts"')[2].partition("</p>")[0], "links keep it"


@pytest.mark.parametrize(("early", "is_new"), [(STILL_COMING, False), (STILL_COMING - timedelta(seconds=1), True)])
async def test_what_came_shortly_before_somebody_left_is_shown_again(
    client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str, early: timedelta, is_new: bool
) -> None:
    await _visit(connection)
    await _come(connection, BEFORE - early, [beds])
    page = (await client.get("/")).text
    assert ("有新疑点的线索 1 条" in page) == any(_marked(page)) == is_new


async def test_what_is_decided_is_not_new_any_more(
    client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str
) -> None:
    await _visit(connection)
    await _come(connection, BEFORE + timedelta(days=1), [beds])
    (lead,) = (await client.get("/api/leads", params={"new": "true"})).json()["leads"]
    body = {"version": lead["version"], "decision": "confirmed", "reason": "与护理记录不符", "findings": [beds]}
    made = (await client.post(f"/api/leads/{lead['lead_id']}/decisions", json=body)).json()
    assert (await client.get("/api/leads", params={"new": "true", **EVERY})).json()["leads"] == []
    assert "以来没有新疑点" in (await client.get("/")).text
    path = f"/api/leads/{lead['lead_id']}/decisions/{made['decision_id']}/undo"
    assert (await client.post(path, json={"reason": "误判"})).status_code == 201
    assert len((await client.get("/api/leads", params={"new": "true"})).json()["leads"]) == 1


async def test_a_lead_put_off_stays_put_off_and_is_found_among_those(
    client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str
) -> None:
    await _visit(connection)
    await _come(connection, BEFORE + timedelta(days=1), [beds])
    await connection.execute("update leads set snoozed_until = $1", TODAY + timedelta(days=1))
    assert "以来没有新疑点" in (await client.get("/")).text
    page = " ".join((await client.get("/?new=true&state=snoozed")).text.split())
    assert '已推迟 <span class="count">1</span>' in page
    assert _marked(page) == [True]


async def test_new_is_what_is_in_sight(client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str) -> None:
    await _visit(connection)
    await _come(connection, BEFORE + timedelta(days=1), [beds])
    for place, count in ((COUNTY, 1), (TOWN, 0)):
        account = Account("inspector", "", frozenset({Role.INSPECTOR}), None, frozenset({place}))
        await users.change_account(connection, account)
        assert ("有新疑点的线索 1 条" in (await client.get("/")).text) == bool(count)
        assert len((await client.get("/api/leads", params={"new": "true", **EVERY})).json()["leads"]) == count


async def test_visits_are_of_each_person(client: httpx.AsyncClient, connection: asyncpg.Connection, beds: str) -> None:
    await _visit(connection)
    await connection.execute("insert into users (login, password_hash) values ('colleague', 'x')")
    await connection.execute("insert into visits values ('colleague', now(), '2099-01-01')")
    await _come(connection, BEFORE + timedelta(days=1), [beds])
    assert "有新疑点的线索 1 条" in (await client.get("/")).text


async def test_the_next_lead_of_what_is_new_is_new(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    await _visit(connection)
    await _come(connection, BEFORE + timedelta(days=1), [v.finding_id for v in versions if v.topic == "stays"])
    page = (await client.get("/?new=true&lane=all&state=all")).text
    listed = re.findall(r'<a href="(/leads/[^"]+)" data-item', page)
    assert len(listed) == 2
    lead = (await client.get(listed[0].replace("&amp;", "&"))).text
    assert "列表里有 2 条" in lead
    assert listed[1].partition("?")[0] in re.findall(r'data-next href="([^"?]+)', lead)


async def test_a_machine_has_no_visits(visitor: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    machine = _bearing(visitor, await _given(connection, "machine", Right.SEE))
    assert (await machine.get("/api/leads", params={"new": "true"})).status_code == 422
    assert await connection.fetchval("select count(*) from visits") == 0
