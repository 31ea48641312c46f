"""Many leads at once: given, shared out by load, given back, put off, and all of it undone; and taking the next one."""

import random
import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from casework.accounts import Account
from casework.audit import Act
from casework.rights import Role
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.acts import bulk
from streams.acts.assign import DayRefused, assign, find_colleagues
from streams.acts.bulk import Left, NothingTicked, NotUndoable, TooMany, Wanted, Wish
from streams.acts.snooze import snooze
from streams.store.casework.bulk import find_bulk
from streams.store.casework.decisions import LeadUnknown
from streams.store.people import audit, users
from streams.store.sessions import Connection
from tests.api.story import AREA, COUNTY, TODAY, TOWN
from tests.api.test_audit import EPOCH

TODAY_NUMBER = TODAY.toordinal()
NOW = Sight(TODAY_NUMBER)
LATER = TODAY_NUMBER + 14
UNTIL = date.fromordinal(LATER)

Standings = Mapping[str, tuple[str | None, date | None, date | None]]


@pytest.fixture
async def leads(connection: Connection, versions: list[FindingVersion]) -> list[str]:
    """All leads of the county, the least name first, and people who may have some of them."""
    for account in (
        Account("head", "", frozenset({Role.HEAD})),
        Account("wang.li", "王莉", frozenset({Role.INSPECTOR})),
        Account("town", "", frozenset({Role.INSPECTOR}), None, frozenset({TOWN})),
        Account("auditor", "", frozenset({Role.AUDITOR})),
    ):
        await users.save_account(connection, account, "no hash", password_given=False)
    return [row["lead_id"] for row in await connection.fetch("select lead_id from leads order by lead_id")]


async def _standings(connection: Connection) -> Standings:
    rows = await connection.fetch("select lead_id, assignee, held_until, snoozed_until from leads")
    return {row["lead_id"]: (row["assignee"], row["held_until"], row["snoozed_until"]) for row in rows}


def _unseen(leads: list[str]) -> dict[str, str | None]:
    return dict.fromkeys(leads)


async def _loads(connection: Connection, sight: Sight) -> dict[str, int]:
    return {login: load for login, _, load in await find_colleagues(connection, sight)}


async def test_what_is_given_to_somebody_is_given_and_put_back(connection: Connection, leads: list[str]) -> None:
    before = await _standings(connection)
    await assign(connection, leads[0], None, "wang.li", LATER, "wang.li", NOW)
    mixed = await _standings(connection)
    number = await bulk.do(connection, _unseen(leads), Wanted(Wish.GIVE, "head", LATER), "head", NOW)
    after = await _standings(connection)
    assert after == {name: mixed[name] if name == leads[0] else ("head", UNTIL, None) for name in leads}
    done = await find_bulk(connection, number, "head")
    assert done is not None
    assert (done.act, done.changed, done.left_alone) == ("give", len(leads) - 1, {"holder_changed": 1})
    await snooze(connection, leads[1], LATER, "head", NOW)
    await bulk.undo(connection, number, "head", NOW)
    back = await _standings(connection)
    assert {name for name in leads if back[name] != before[name]} == {leads[0], leads[1]}
    assert back[leads[1]] == ("head", UNTIL, UNTIL), "what somebody changed since stays"
    undone = await find_bulk(connection, number, "head")
    assert undone is not None
    assert (undone.put_back, undone.undone_at is not None) == (len(leads) - 2, True)
    with pytest.raises(NotUndoable):
        await bulk.undo(connection, number, "head", NOW)


async def test_each_lead_has_the_entries_that_it_would_have_by_itself(connection: Connection, leads: list[str]) -> None:
    number = await bulk.do(connection, _unseen(leads[:2]), Wanted(Wish.GIVE, "wang.li", LATER), "head", NOW)
    await bulk.do(connection, {leads[0]: "wang.li"}, Wanted(Wish.SNOOZE, until=LATER), "head", NOW)
    await bulk.undo(connection, number, "head", NOW)
    entries = await audit.find_done(connection, "head", EPOCH, 2**31, 99)
    told = [(entry.act, entry.about["lead"], entry.about.get("to"), entry.about.get("until")) for entry in entries]
    given = [(Act.ASSIGNED, lead, "wang.li", UNTIL.isoformat()) for lead in leads[:2]]
    put_off = (Act.SNOOZED, leads[0], None, UNTIL.isoformat())
    assert Counter(told) == Counter([*given, put_off, (Act.ASSIGNED, leads[1], "", None)])


async def test_leads_are_shared_out_to_whoever_may_see_them_and_has_the_fewest(
    connection: Connection, leads: list[str]
) -> None:
    of_town = {
        row["lead_id"] for row in await connection.fetch("select lead_id from leads where institution = $1", TOWN)
    }
    assert 0 < len(of_town) < len(leads)
    await bulk.do(connection, _unseen(leads), Wanted(Wish.SHARE, until=LATER), "head", NOW)
    holders = {lead: of[0] for lead, of in (await _standings(connection)).items()}
    assert {lead for lead, holder in holders.items() if holder == "town"} <= of_town
    loads = Counter(holders.values())
    assert None not in loads
    assert set(loads) <= {"head", "wang.li", "town"}
    assert abs(loads["head"] - loads["wang.li"]) <= 1
    # Nobody could have been given a lead that somebody with two fewer may see as well.
    for lead, holder in holders.items():
        others = {"head", "wang.li"} | ({"town"} if lead in of_town else set())
        assert loads[holder] - min(loads[of] for of in others) <= 1


async def test_what_is_put_off_or_decided_weighs_nothing(connection: Connection, leads: list[str]) -> None:
    await bulk.do(connection, _unseen(leads), Wanted(Wish.GIVE, "wang.li", LATER), "head", NOW)
    assert await _loads(connection, NOW) == {"head": 0, "town": 0, "wang.li": len(leads)}
    await snooze(connection, leads[0], LATER, "head", NOW)
    assert (await _loads(connection, NOW))["wang.li"] == len(leads) - 1
    later = Sight(LATER + 1)
    assert (await _loads(connection, later))["wang.li"] == 0
    limited = Sight(TODAY_NUMBER, None, frozenset({COUNTY}))
    assert {login for login, _, _ in await find_colleagues(connection, limited)} == {"head", "wang.li"}


@pytest.mark.parametrize("seed", range(5))
async def test_undoing_the_last_act_leads_back_to_where_it_began(
    connection: Connection, leads: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        before = await _standings(connection)
        some = chance.sample(leads, chance.randint(1, len(leads)))
        wish = chance.choice(list(Wish))
        seen = {lead: before[lead][0] if chance.random() < 0.8 else "nobody.like.this" for lead in some}
        number = await bulk.do(
            connection,
            seen,
            Wanted(wish, chance.choice(["head", "town"]), TODAY_NUMBER + chance.randint(0, 90)),
            "head",
            NOW,
        )
        after, done = await _standings(connection), await find_bulk(connection, number, "head")
        assert done is not None
        assert done.changed == sum(before[lead] != after[lead] for lead in leads)
        assert done.changed + sum(done.left_alone.values()) == len(some)
        assert {lead for lead in leads if before[lead] != after[lead]} <= set(some)
        if chance.random() < 0.5:
            await bulk.undo(connection, number, "head", NOW)
            assert await _standings(connection) == before


async def test_what_does_not_fit_is_left_alone_and_told(connection: Connection, leads: list[str]) -> None:
    await connection.execute("update leads set state = 'dismissed' where lead_id = $1", leads[0])
    limited = Sight(TODAY_NUMBER, None, frozenset({TOWN}))
    of_town = {
        row["lead_id"] for row in await connection.fetch("select lead_id from leads where institution = $1", TOWN)
    }

    async def left(wanted: Wanted, sight: Sight = NOW) -> Mapping[str, int]:
        done = await find_bulk(connection, await bulk.do(connection, _unseen(leads), wanted, "head", sight), "head")
        assert done is not None
        return done.left_alone

    assert await left(Wanted(Wish.SNOOZE, until=LATER)) == {Left.NOT_OPEN: 1}
    assert await left(Wanted(Wish.WAKE)) == {Left.NOT_OPEN: 1}
    assert await left(Wanted(Wish.WAKE)) == {Left.NOT_OPEN: 1, Left.SO_ALREADY: len(leads) - 1}
    assert await left(Wanted(Wish.GIVE, "auditor", LATER)) == {Left.NOT_FOR_THEM: len(leads)}
    assert await left(Wanted(Wish.GIVE, "town", LATER)) == {Left.NOT_FOR_THEM: len(leads) - len(of_town)}
    hidden = await left(Wanted(Wish.GIVE_BACK), limited)
    assert hidden == {Left.OUT_OF_SIGHT: len(leads) - len(of_town), Left.HOLDER_CHANGED: len(of_town)}


async def test_what_cannot_be_done_is_refused(connection: Connection, leads: list[str]) -> None:
    with pytest.raises(NothingTicked):
        await bulk.do(connection, {}, Wanted(Wish.WAKE), "head", NOW)
    with pytest.raises(TooMany):
        await bulk.do(connection, {f"{n:032x}": None for n in range(bulk.MOST + 1)}, Wanted(Wish.WAKE), "head", NOW)
    for wish in (Wish.GIVE, Wish.SHARE, Wish.SNOOZE):
        for day in (None, TODAY_NUMBER - 1, TODAY_NUMBER + 91):
            with pytest.raises(DayRefused):
                await bulk.do(connection, _unseen(leads), Wanted(wish, "head", day), "head", NOW)
    number = await bulk.do(connection, _unseen(leads), Wanted(Wish.GIVE, "head", LATER), "head", NOW)
    with pytest.raises(NotUndoable):
        await bulk.undo(connection, number, "wang.li", NOW)
    assert await find_bulk(connection, number, "wang.li") is None
    with pytest.raises(LeadUnknown):
        await assign(connection, "gone", None, "head", LATER, "head", NOW)


# --- at the desk


async def _send(client: httpx.AsyncClient, path: str = "/queue/bulk", **words: Any) -> httpx.Response:
    form = {"csrf": client.headers["X-CSRF-Token"], "to": "inspector", "until": UNTIL.isoformat(), **words}
    return await client.post(path, data=form)


async def _page(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 303
    return " ".join((await client.get(answer.headers["location"])).text.split())


def _told(page: httpx.Response) -> list[str]:
    """What the audit log tells, entry by entry, the newest first."""
    assert page.status_code == 200
    rows = page.text.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]
    return [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows]


async def test_what_was_ticked_is_given_told_and_undone(
    client: httpx.AsyncClient, connection: Connection, leads: list[str]
) -> None:
    before = await _standings(connection)
    ticked = [f"{lead}:" for lead in leads[:2]]
    answer = await _send(client, wish="give", ticked=ticked, list="state=all&lane=all")
    assert answer.headers["location"].startswith("/?state=all&lane=all&did=")
    page = await _page(client, answer)
    assert "已交办 2 条线索。" in page
    assert "<span>inspector 2 条。</span>" in page
    assert f"<span>到 {UNTIL}，当天算在内。</span>" in page
    assert "原由别人经办" not in page
    number = answer.headers["location"].rpartition("=")[2]
    again = await _page(client, await _send(client, wish="give_back", ticked=ticked, list=""))
    assert "2 条由别人经办，没有动。" in again
    told = _told(await client.get(f"/audit?lead={leads[0]}"))
    assert f"成批办理 {number}" in told[0]
    assert "交办线索" in told[0]
    undone = await _page(client, await _send(client, f"/queue/bulk/{number}/undo"))
    told = _told(await client.get(f"/audit?lead={leads[0]}"))
    assert f"撤销成批办理 {number}" in told[0]
    assert "不再经办线索" in told[0]
    assert "已撤销，2 条线索恢复原样。" in undone
    assert await _standings(connection) == before
    assert "已经撤销过了" in await _page(client, await _send(client, f"/queue/bulk/{number}/undo"))


async def test_a_whole_list_is_what_its_filter_holds_but_for_what_colleagues_have(
    client: httpx.AsyncClient, connection: Connection, leads: list[str]
) -> None:
    mine = {
        row["lead_id"] for row in await connection.fetch("select lead_id from leads where institution = $1", COUNTY)
    }
    theirs = min(mine)
    await assign(connection, theirs, None, "wang.li", LATER, "wang.li", NOW)
    query = f"institution={COUNTY}&lane=all&state=all"
    page = await _page(client, await _send(client, wish="give", everything="true", list=query))
    assert f"已交办 {len(mine) - 1} 条线索。" in page
    assert "1 条由别人经办，没有动。" in page
    holders = {lead: of[0] for lead, of in (await _standings(connection)).items()}
    assert {lead for lead, holder in holders.items() if holder == "inspector"} == mine - {theirs}
    page = await _page(client, await _send(client, wish="give_back", everything="true", list=f"{query}&who=wang.li"))
    assert "已不再经办 1 条线索。" in page
    assert "<span>其中 1 条原由别人经办。</span>" in page
    assert (await _standings(connection))[theirs] == (None, None, None)


async def test_what_is_refused_keeps_what_was_ticked(client: httpx.AsyncClient, leads: list[str]) -> None:
    gone = await _page(client, await _send(client, wish="give", everything="true", list="topic=gone"))
    assert "筛选条件已不适用" in gone
    assert "筛选条件已不适用" in await _page(client, await _send(client, "/queue/next", list="nobody=1"))
    assert "请先勾选线索" in await _page(client, await _send(client, wish="give"))
    late = (TODAY + timedelta(days=91)).isoformat()
    page = await _page(
        client, await _send(client, wish="snooze", ticked=f"{leads[0]}:", until=late, list="lane=all&state=all")
    )
    assert page.count(" data-lead checked") == 1
    assert '<option value="snooze" selected>' in page
    for wrong in ({"wish": "burn"}, {"wish": "give", "ticked": "x"}, {"wish": "give", "everything": "perhaps"}):
        assert (await _send(client, **wrong)).status_code == 422
    assert (await client.post("/queue/bulk", data={"wish": "wake"})).status_code == 303, "kept, since it has no token"


async def test_the_next_one_is_the_first_that_nobody_has(
    client: httpx.AsyncClient, connection: Connection, leads: list[str]
) -> None:
    query = "lane=all"
    order = [of["lead_id"] for of in (await client.get(f"/api/leads?{query}")).json()["leads"]]
    assert len(order) > 2
    await assign(connection, order[0], None, "wang.li", LATER, "wang.li", NOW)
    await snooze(connection, order[1], LATER, "wang.li", NOW)
    for lead in order[2:]:
        answer = await _send(client, "/queue/next", list=query)
        assert answer.headers["location"].startswith(f"/leads/{lead}?list=lane%3Dall&at=")
        assert "经办：inspector" in await _page(client, answer)
    assert "没有无人经办的待处理线索" in await _page(client, await _send(client, "/queue/next", list=query))
    assert (await _standings(connection))[order[0]][0] == "wang.li"


async def test_whoever_may_not_decide_is_shown_no_boxes(
    client: httpx.AsyncClient, connection: Connection, leads: list[str]
) -> None:
    assert "data-lead" in (await client.get("/")).text
    await users.change_account(connection, Account("inspector", "", frozenset({Role.AUDITOR}), frozenset({AREA})))
    page = (await client.get("/")).text
    assert "data-item" in page
    assert "data-lead" not in page
    assert "/queue/next" not in page
