"""Who has a lead: taken, handed over, given back, and anybody's again after the day until which it was given."""

import re
from datetime import date, timedelta
from itertools import product
from typing import Any

import asyncpg
import httpx
import pytest

from casework.accounts import Account
from casework.audit import Act
from casework.rights import Right, Role
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.acts.assign import LONGEST_HELD, DayRefused, HolderChanged, NotForThem, assign, find_possible
from streams.store.casework import queue
from streams.store.casework.decisions import LeadUnknown
from streams.store.casework.queue import LeadFilter
from streams.store.people import audit, users
from tests.api.story import AREA, COUNTY, TODAY, TOWN
from tests.api.test_audit import EPOCH

NOW = Sight(TODAY.toordinal())
LATER = TODAY.toordinal() + 14


@pytest.fixture
async def lead_id(client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]) -> str:
    """A lead of the county hospital, with people who may have it or may not."""
    for account in (
        Account("wang.li", "王莉", frozenset({Role.INSPECTOR})),
        Account("zhou", "周伟", frozenset({Role.AUDITOR})),
        Account("elsewhere", "", frozenset({Role.INSPECTOR}), frozenset({"420381"})),
        Account("another.house", "", frozenset({Role.INSPECTOR}), None, frozenset({"H42028100009"})),
        Account("gone", "", frozenset({Role.INSPECTOR})),
    ):
        await users.save_account(connection, account, "no hash", password_given=False)
    await users.close_account(connection, "gone")
    found = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays"})
    name: str = found.json()["leads"][0]["lead_id"]
    return name


async def _lead(client: httpx.AsyncClient, lead_id: str) -> dict[str, Any]:
    lead: dict[str, Any] = (await client.get(f"/api/leads/{lead_id}")).json()["lead"]
    return lead


async def _give(client: httpx.AsyncClient, lead_id: str, **words: str) -> str:
    """What the page says after a lead was given to somebody: why not, or nothing."""
    csrf = client.headers["X-CSRF-Token"]
    until = {"until": (TODAY + timedelta(days=14)).isoformat()} if words.get("to") else {}
    answer = await client.post(f"/leads/{lead_id}/holder", data={"csrf": csrf, **until, **words})
    assert answer.status_code == 303
    page = (await client.get(answer.headers["location"])).text
    return page.partition('role="alert">')[2].partition("</strong>")[0].partition("<strong>")[2]


async def test_a_lead_is_taken_handed_over_and_given_back(client: httpx.AsyncClient, lead_id: str) -> None:
    before = await _lead(client, lead_id)
    assert await _give(client, lead_id, to="inspector") == ""
    taken = await _lead(client, lead_id)
    assert (taken["assignee"], taken["held_until"]) == ("inspector", "2026-05-04")
    assert taken["version"] == before["version"], "whoever is deciding on it is not refused"
    assert "经办：inspector，到 2026-05-04" in (await client.get(f"/leads/{lead_id}")).text
    assert await _give(client, lead_id, seen="inspector", to="wang.li") == ""
    assert (await _lead(client, lead_id))["assignee"] == "wang.li"
    assert await _give(client, lead_id, seen="wang.li") == ""
    given_back = await _lead(client, lead_id)
    assert (given_back["assignee"], given_back["held_until"]) == (None, None)


async def test_two_who_take_one_lead_do_not_take_it_from_one_another(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    await assign(connection, lead_id, None, "wang.li", LATER, "wang.li", NOW)
    assert "由别人经办" in await _give(client, lead_id, to="inspector")
    assert (await _lead(client, lead_id))["assignee"] == "wang.li"
    with pytest.raises(HolderChanged):
        await assign(connection, lead_id, "inspector", None, None, "inspector", NOW)


@pytest.mark.parametrize("to", ["zhou", "elsewhere", "another.house", "gone", "nobody at all"])
async def test_a_lead_goes_to_nobody_who_could_not_decide_on_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str, to: str
) -> None:
    with pytest.raises(NotForThem):
        await assign(connection, lead_id, None, to, LATER, "inspector", NOW)
    assert "没有这样的账号" in await _give(client, lead_id, to=to)
    assert f'<option value="{to}"' not in (await client.get(f"/leads/{lead_id}")).text
    assert {of.login for of in await find_possible(connection, AREA, COUNTY, NOW)} == {"inspector", "wang.li"}


async def test_those_that_may_have_a_lead_are_those_that_see_it_and_may_decide(connection: asyncpg.Connection) -> None:
    """Every role, area and institution, open and closed, against each account looked at by itself."""
    places = (None, frozenset({AREA, "429900"}), frozenset({"420381"}))
    houses = (None, frozenset({COUNTY}), frozenset({TOWN, "H9999"}))
    roles = [frozenset({role}) for role in Role] + [frozenset({Role.OPERATOR, Role.REVIEWER})]
    for number, (of, areas, institutions) in enumerate(product(roles, places, houses)):
        account = Account(f"somebody-{number}", "", of, areas, institutions)
        await users.save_account(connection, account, "no hash", password_given=True)
        if number % 7 == 0:
            await users.close_account(connection, account.login)
    every = await users.find_accounts(connection)
    for area, house in product((AREA, "420381", "nowhere"), (COUNTY, TOWN, "none")):
        expected = {
            of.login
            for of in every
            if of.disabled_at is None
            and Right.DECIDE in of.rights
            and (of.areas is None or area in of.areas)
            and (of.institutions is None or house in of.institutions)
        }
        assert {of.login for of in await find_possible(connection, area, house, NOW)} == expected
        assert 0 < len(expected) < len(every)


@pytest.mark.parametrize("days", [-1, LONGEST_HELD + 1, None])
async def test_until_is_a_day_from_today_on_and_not_far_ahead(
    connection: asyncpg.Connection, lead_id: str, days: int | None
) -> None:
    until = None if days is None else NOW.today + days
    with pytest.raises(DayRefused):
        await assign(connection, lead_id, None, "inspector", until, "inspector", NOW)


async def test_after_its_last_day_a_lead_is_anybodys(connection: asyncpg.Connection, lead_id: str) -> None:
    await assign(connection, lead_id, None, "wang.li", LATER, "inspector", NOW)
    for day, holder in ((LATER, "wang.li"), (LATER + 1, None)):
        lead = await queue.find_lead(connection, lead_id, Sight(day))
        assert lead is not None
        assert lead.assignee == holder
    await assign(connection, lead_id, None, "inspector", LATER + 9, "inspector", Sight(LATER + 1))


async def test_the_queue_shows_whose_leads_they_are(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    async def shown(who: str) -> set[str]:
        answer = await client.get("/api/leads", params={"who": who, "state": "all", "lane": "all"})
        return {lead["lead_id"] for lead in answer.json()["leads"]}

    every = await shown("")
    assert len(every) > 1
    assert (await shown("nobody"), await shown("me")) == (every, set())
    await assign(connection, lead_id, None, "inspector", LATER, "inspector", NOW)
    assert await shown("me") == await shown("inspector") == {lead_id}
    assert await shown("nobody") == every - {lead_id}
    assert await shown("wang.li") == set()
    counts = await queue.find_counts(connection, LeadFilter(holder="inspector"), NOW)
    assert sum(sum(of.values()) for of in counts.values()) == 1
    page = (await client.get("/?who=me")).text
    assert '<option value="me" selected>' in page
    assert "who=inspector" in page, "links keep whose leads are shown"


async def test_colleagues_are_called_by_their_names_where_these_tell_them_apart(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    await connection.execute("update users set name = case login when 'wang.li' then '王莉' else '陈明' end")
    await assign(connection, lead_id, None, "wang.li", LATER, "inspector", NOW)
    queue_page, lead_page = "/?lane=all&state=all", f"/leads/{lead_id}"
    for page in (queue_page, lead_page):
        assert "王莉" in _text(await client.get(page)), page
        assert "wang.li" not in _text(await client.get(page)).replace("wang.li · 王莉（", ""), page
    await connection.execute("update users set name = '王莉'")
    for page in (queue_page, lead_page):
        assert "王莉 · wang.li" in _text(await client.get(page)), page
    office = Account("inspector", "王莉", frozenset({Role.HOSPITAL_OFFICE}), None, frozenset({COUNTY}))
    await users.change_account(connection, office)
    for page in (queue_page, lead_page):
        text = _text(await client.get(page))
        assert "wang.li" in text, page
        assert "王莉" not in text, "hospitals are not told names of the fund's people"


def _text(answer: httpx.Response) -> str:
    """The words of a page, without its tags and addresses."""
    assert answer.status_code == 200
    return re.sub("<[^>]*>", " ", answer.text)


async def test_who_had_it_is_in_the_log_and_a_lead_out_of_sight_is_none(
    connection: asyncpg.Connection, lead_id: str
) -> None:
    with pytest.raises(LeadUnknown):
        await assign(connection, lead_id, None, "wang.li", LATER, "inspector", Sight(NOW.today, frozenset({"420381"})))
    assert await audit.find_done(connection, "inspector", EPOCH, 2**31, 9) == []
    await assign(connection, lead_id, None, "wang.li", LATER, "inspector", NOW)
    (entry,) = await audit.find_done(connection, "inspector", EPOCH, 2**31, 9)
    assert (entry.act, entry.about) == (Act.ASSIGNED, {"lead": lead_id, "to": "wang.li", "until": "2026-05-04"})


@pytest.mark.parametrize(
    ("until", "holder"), [(None, "inspector"), (TODAY, "wang.li"), (TODAY - timedelta(days=1), "inspector")]
)
async def test_a_lead_that_nobody_has_stays_with_whoever_decides_on_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str, until: date | None, holder: str
) -> None:
    """One that a colleague has stays with the colleague."""
    if until is not None:
        await connection.execute("update leads set assignee = 'wang.li', held_until = $1", until)
    lead = await _lead(client, lead_id)
    body = {"version": lead["version"], "decision": "confirmed", "reason": "与护理记录不符"}
    assert (await client.post(f"/api/leads/{lead_id}/decisions", json=body)).status_code == 201
    decided = await _lead(client, lead_id)
    kept = None if holder == "inspector" else TODAY.isoformat()
    assert (decided["assignee"], decided["held_until"]) == (holder, kept)


async def test_whoever_may_not_decide_is_shown_no_form_for_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead_id: str
) -> None:
    auditor = await users.find_account(connection, "zhou")
    assert auditor is not None
    await users.change_account(connection, Account("inspector", "", auditor.roles))
    page = (await client.get(f"/leads/{lead_id}")).text
    assert "不能作决定" in page
    assert 'method="post" action="/leads/' not in page
    assert "data-finding" not in page
