"""Filters of the queue under names: saved, renamed, removed, put back, by whoever keeps them alone."""

import asyncio
import re
from html import unescape

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from casework.saved_filters import LONGEST_NAME, MOST_SAVED, NameRefused, look_of, tidied_name
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts import save_filter as acts
from streams.handlers.rule_sets import publish
from streams.store.casework import saved
from streams.store.people import users

LOGIN, OTHER = "inspector", "colleague"
BEDS = "FW10000001"
LINK = re.compile(r'<li><a href="([^"]+)" (aria-current="true")?>([^<]+)</a></li>')


@pytest.fixture
async def colleague(client: httpx.AsyncClient, connection: asyncpg.Connection) -> str:
    """The log-in of somebody else with the same password."""
    hash = await users.find_password_hash(connection, LOGIN)
    await connection.execute(
        "insert into users (login, password_hash, roles) values ($1, $2, '{inspector}')", OTHER, hash
    )
    return OTHER


async def _post(client: httpx.AsyncClient, path: str, **words: str) -> httpx.Response:
    """The page to which a form leads."""
    csrf = client.headers["X-CSRF-Token"]
    answer = await client.post(path, data={"csrf": csrf, **words})
    assert answer.status_code == 303, answer.text
    return await client.get(answer.headers["location"])


def _links(page: httpx.Response) -> list[tuple[str, bool, str]]:
    """The saved filters of a page: address, whether it is the one that holds, name."""
    return [(unescape(address), bool(current), unescape(name)) for address, current, name in LINK.findall(page.text)]


async def _number(connection: asyncpg.Connection, name: str) -> int:
    number: int = await connection.fetchval("select filter_id from saved_filters where name = $1", name)
    return number


# --- names


def test_names_are_tidied() -> None:
    assert tidied_name("  床位费\t 大额  ") == "床位费 大额"
    assert tidied_name("e\u0301") == "\u00e9"
    assert tidied_name("名" * LONGEST_NAME) == "名" * LONGEST_NAME


@pytest.mark.parametrize("name", ["", "  ", "…", "名" * (LONGEST_NAME + 1), "a\u200bb", "a\x00", "\u3164", "a\u202eb"])
def test_names_that_say_nothing_or_hide_something_are_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        tidied_name(name)


def test_names_that_look_alike_are_one() -> None:
    assert look_of("大额 Ａ") == look_of("大额a")
    assert look_of("大额a") != look_of("大额b")


# --- acts


async def test_of_many_who_save_at_once_no_more_are_kept_than_may_be(
    client: httpx.AsyncClient, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    async def save(name: str) -> str:
        async with pool.acquire() as own:
            try:
                await acts.save(own, LOGIN, name, "")
            except (acts.TooMany, acts.NameTaken) as error:
                return type(error).__name__
        return "saved"

    told = await asyncio.gather(*(save("同名") for _ in range(4)), *(save(f"第{n}个") for n in range(MOST_SAVED + 3)))
    assert told.count("saved") == MOST_SAVED
    names = [of.name for of in await saved.find_filters(connection, LOGIN)]
    assert len(names) == len(set(names)) == MOST_SAVED


async def test_what_was_removed_lies_by_for_a_while(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    old, young, last = [await acts.save(connection, LOGIN, name, "") for name in ("甲", "乙", "丙")]
    for number in (old, young):
        await acts.remove(connection, LOGIN, number)
    await connection.execute(
        "update saved_filters set removed_at = now() - $2::interval - interval '1 minute' where filter_id = $1",
        old,
        saved.LIES_BY,
    )
    await acts.remove(connection, LOGIN, last)
    with pytest.raises(acts.FilterUnknown):
        await acts.put_back(connection, LOGIN, old)
    await acts.put_back(connection, LOGIN, young)
    assert [of.name for of in await saved.find_filters(connection, LOGIN)] == ["乙"]


async def test_what_was_removed_comes_back_only_where_there_is_room_and_its_name_is_free(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    removed = await acts.save(connection, LOGIN, "大额", "least=1000")
    await acts.remove(connection, LOGIN, removed)
    with pytest.raises(acts.FilterUnknown):
        await acts.remove(connection, LOGIN, removed)
    with pytest.raises(acts.FilterUnknown):
        await acts.rename(connection, LOGIN, removed, "小额")
    other = await acts.save(connection, LOGIN, "大 额", "")
    with pytest.raises(acts.NameTaken):
        await acts.put_back(connection, LOGIN, removed)
    await acts.rename(connection, LOGIN, other, "第0个")
    for number in range(1, MOST_SAVED):
        await acts.save(connection, LOGIN, f"第{number}个", "")
    with pytest.raises(acts.TooMany):
        await acts.put_back(connection, LOGIN, removed)
    await acts.remove(connection, LOGIN, other)
    await acts.put_back(connection, LOGIN, removed)
    assert "大额" in {of.name for of in await saved.find_filters(connection, LOGIN)}
    with pytest.raises(acts.FilterUnknown):
        await acts.put_back(connection, LOGIN, removed)


# --- the queue


async def test_a_filter_is_saved_found_again_and_marked_where_it_holds(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    assert _links(await client.get("/")) == []
    page = await _post(client, "/filters?topic=stays&least=100.50&sort=newest&state=all", name=" 住院  大额 ")
    ((address, current, name),) = _links(page)
    assert (current, name) == (True, "住院 大额")
    assert "已存筛选里有“住院 大额”" in page.text
    assert dict(httpx.URL(address).params) == {"topic": "stays", "least": "100.50", "sort": "newest", "state": "all"}
    assert _links(await client.get("/")) == [(address, False, name)]
    assert _links(await client.get("/?state=all&sort=newest&topic=stays&least=100.50")) == [(address, True, name)]
    assert _links(await client.get(address)) == [(address, True, name)]
    assert "已存筛选“" not in (await client.get(address)).text, "what was done is told once"
    assert [current for _, current, _ in _links(await _post(client, "/filters", name="全部待查"))] == [False, True]


async def test_a_filter_is_renamed_and_called_as_before_with_one_press(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await _post(client, "/filters?topic=stays", name="甲")
    number = await _number(connection, "甲")
    page = await _post(client, f"/filters/{number}?topic=stays", name="乙")
    assert [name for _, _, name in _links(page)] == ["乙"]
    assert "筛选“甲”已改名为“乙”" in page.text
    form = page.text.partition('class="done"')[2].partition("</form>")[0]
    assert 'name="name" value="甲"' in form
    (action,) = re.findall(r'action="([^"]+)"', form)
    assert action == f"/filters/{number}?topic=stays"
    assert [name for _, _, name in _links(await _post(client, action, name="甲"))] == ["甲"]
    page = await _post(client, f"/filters/{number}", name="甲")
    assert "已改名" in page.text, "to call it as it is called alters nothing"
    assert await connection.fetchval("select name_before from saved_filters") == "乙"


async def test_a_filter_is_removed_and_put_back_with_one_press(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await _post(client, "/filters?topic=stays", name="甲")
    number = await _number(connection, "甲")
    page = await _post(client, f"/filters/{number}/remove?year=2026")
    assert _links(page) == []
    assert page.url.params["year"] == "2026", "the queue stays as it was"
    (action,) = re.findall(r'class="done" role="status" action="([^"]+)"', page.text)
    assert action == f"/filters/{number}/back?year=2026"
    page = await _post(client, action)
    assert [(address, name) for address, _, name in _links(page)] == [("/?topic=stays", "甲")]
    assert page.url.params["year"] == "2026"


@pytest.mark.parametrize(
    ("name", "told"),
    [("…", "没有保存：名称要有"), ("大额", "您已有一个同名的筛选"), ("ｄａ e", "您已有一个同名的筛选")],
)
async def test_a_name_that_is_not_taken_is_said_and_kept(
    client: httpx.AsyncClient, connection: asyncpg.Connection, name: str, told: str
) -> None:
    for taken in ("大额", "DAE", "丙"):
        await _post(client, "/filters?topic=stays", name=taken)
    page = await _post(client, "/filters?topic=limits", name=name)
    assert told in page.text
    assert page.url.params["topic"] == "limits"
    assert re.search(rf'id="filter-name"[^>]*value="{name}"', page.text), "what was typed stands there again"
    number = await _number(connection, "丙")
    page = await _post(client, f"/filters/{number}?topic=limits", name=name)
    assert told in page.text
    assert re.search(rf'id="filter-{number}"[^>]*value="{name}"', page.text)
    assert await connection.fetchval("select count(*) from saved_filters") == 3
    assert await connection.fetchval("select count(*) from saved_filters where name = '丙'") == 1


async def test_as_many_as_may_be_are_kept_and_the_page_says_so(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    for number in range(MOST_SAVED - 1):
        await acts.save(connection, LOGIN, f"第{number}个", "")
    assert 'id="filter-name"' in (await client.get("/")).text
    page = await _post(client, "/filters", name="最后一个")
    assert 'id="filter-name"' not in page.text
    assert f"已存 {MOST_SAVED} 个筛选" in page.text
    assert "已存的筛选到了上限" in (await _post(client, "/filters", name="又一个")).text


@pytest.mark.parametrize(
    ("query", "word"),
    [("stat=open", "stat"), ("state=closed", "state"), ("topic=gone", "topic"), ("maker=FW10009999", "maker"),
     ("item=没有的项目", "item"), ("least=1,00", "least"), ("newest_from=soon", "newest_from")],
)  # fmt: skip
async def test_a_filter_that_fits_no_queue_any_more_says_why_and_stays(
    client: httpx.AsyncClient, connection: asyncpg.Connection, query: str, word: str
) -> None:
    await acts.save(connection, LOGIN, "合用", "topic=stays")
    number = await acts.save(connection, LOGIN, "旧的", query)
    page = await client.get("/")
    assert [name for _, _, name in _links(page)] == ["合用"], "it leads nowhere"
    assert re.search(rf"<li><span>旧的 <span[^>]*>不再适用：{word}</span></span></li>", page.text)
    assert f"/filters/{number}/remove" in page.text


async def test_a_filter_by_a_rule_that_left_the_set_fits_no_more_and_fits_again_when_it_is_back(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _post(client, f"/filters?maker={BEDS}", name="床位")
    rules = tuple(rule for rule in rule_set.rules if rule.id != BEDS)
    await publish(connection, RuleSet(rules, rule_set.facts, rule_set.topics), "somebody")
    assert "不再适用：maker" in (await client.get("/")).text
    await publish(connection, rule_set, "somebody")
    assert [name for _, _, name in _links(await client.get("/"))] == ["床位"]


async def test_what_no_queue_takes_is_not_saved(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    words = {"csrf": client.headers["X-CSRF-Token"], "name": "甲"}
    for query in ("stat=open", "topic=gone", "item=没有的项目", "new=true", "state=open&state=all"):
        answer = await client.post(f"/filters?{query}", data=words)
        assert answer.status_code == 422, query
    assert await connection.fetchval("select count(*) from saved_filters") == 0


# --- whose they are


async def test_filters_of_somebody_else_are_neither_seen_nor_changed(
    app: FastAPI, client: httpx.AsyncClient, connection: asyncpg.Connection, colleague: str, password: str
) -> None:
    theirs = await acts.save(connection, colleague, "别人的", "topic=stays")
    removed = await acts.save(connection, colleague, "别人删的", "")
    await acts.remove(connection, colleague, removed)
    before = await connection.fetch("select * from saved_filters order by filter_id")
    for done in (theirs, removed):
        assert "别人" not in (await client.get("/", params={"done": done})).text
    words = {"csrf": client.headers["X-CSRF-Token"], "name": "我的"}
    for path in (f"/filters/{theirs}", f"/filters/{theirs}/remove", f"/filters/{removed}/back", "/filters/999"):
        assert (await client.post(path, data=words)).status_code == 404
    assert await connection.fetch("select * from saved_filters order by filter_id") == before
    await _post(client, "/filters", name="别人的")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as other:
        await other.post("/sign-in", data={"login": colleague, "password": password})
        assert [name for _, _, name in _links(await other.get("/"))] == ["别人的"]
        assert await other.get("/") != await client.get("/")


async def test_a_form_without_its_token_saves_nothing_and_is_kept(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    number = await acts.save(connection, LOGIN, "甲", "")
    for path in ("/filters", f"/filters/{number}", f"/filters/{number}/remove"):
        answer = await client.post(
            f"{path}?topic=stays", data={"csrf": "forged", "name": "伪造"}, follow_redirects=True
        )
        assert "缺少本页面的凭证" in answer.text, path
        assert answer.url.params["topic"] == "stays"
    filters = await saved.find_filters(connection, LOGIN)
    assert [(of.name, of.is_removed) for of in filters] == [("甲", False)]


async def test_filters_go_with_their_account(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    """No account is ever deleted by the program, but its filters would keep nobody from it."""
    await connection.execute("insert into users (login, password_hash) values ('leaver', 'x')")
    await acts.save(connection, "leaver", "甲", "")
    await connection.execute("delete from users where login = 'leaver'")
    assert await connection.fetchval("select count(*) from saved_filters") == 0
