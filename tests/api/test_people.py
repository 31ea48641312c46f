"""Accounts at the desk: who gives and closes them, and what holds at once."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.access.passwords import hash_of
from api.access.sessions import ensure_first_user
from casework.accounts import Account, AccountRefused
from casework.rights import ALL_RIGHTS, Role, rights_of
from streams.acts import accounts
from streams.store.people import users
from tests.api.story import AREA
from tests.api.test_access import LEAVING, RIGHTS, _call

PASSWORD = "a password of sixteen"
NEW = {"login": "wang.li", "name": "王莉", "role_inspector": "1", "areas": AREA}

SignIn = Callable[[str, str], Any]


@pytest.fixture
def desk(app: FastAPI) -> SignIn:
    """``async with desk(login, password) as client``: somebody signed in, on a browser of their own."""

    @asynccontextmanager
    async def signed_in(login: str, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
            answer = await client.post("/sign-in", data={"login": login, "password": password})
            assert answer.status_code == 303, answer.status_code
            csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get("/account")).text)
            assert csrf is not None
            client.headers["X-CSRF-Token"] = csrf[1]
            yield client

    return signed_in


async def _open(connection: asyncpg.Connection, login: str, *roles: Role, **where: Any) -> Account:
    """An account with a password of its own."""
    hashed = await hash_of(PASSWORD)
    account = Account(login, "", frozenset(roles), **where)
    account = await accounts.open_account(connection, account, hashed, "the tests")
    await users.save_password(connection, login, hashed, password_given=False)
    return account


async def _choose(client: httpx.AsyncClient, present: str, new: str) -> httpx.Response:
    """Sends the form for another password."""
    return await _post(client, "/account/password", password=present, new_password=new, new_password_again=new)


async def _post(client: httpx.AsyncClient, path: str, **words: str) -> httpx.Response:
    return await client.post(path, data={"csrf": client.headers["X-CSRF-Token"], **words})


async def _problem(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    """What the page says to which a refused form leads."""
    assert answer.status_code == 303
    page = (await client.get(answer.headers["location"])).text
    return page.partition('role="alert">')[2].partition("<")[0]


async def test_an_account_is_opened_and_its_password_shown_once(
    client: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    answer = await _post(client, "/people", **NEW)
    assert answer.status_code == 200
    password = answer.text.partition('shown-once">')[2].partition("<")[0]
    async with desk("wang.li", password) as hers:
        assert (await _choose(hers, password, PASSWORD)).status_code == 303
    async with desk("wang.li") as hers:
        assert (await hers.get("/")).status_code == 200
        assert (await hers.get("/people")).status_code == 403
    assert "wang.li" in (await client.get("/people")).text
    assert password not in (await client.get("/people/of/wang.li")).text
    found = await users.find_account(connection, "wang.li")
    assert found == Account("wang.li", "王莉", frozenset({Role.INSPECTOR}), frozenset({AREA}))


async def test_a_refused_form_says_why_and_keeps_what_was_typed(client: httpx.AsyncClient) -> None:
    await _post(client, "/people", **NEW)
    again = await _post(client, "/people", **NEW)
    assert "已有或曾有账号" in await _problem(client, again)
    page = (await client.get(again.headers["location"])).text
    assert 'value="wang.li"' in page
    assert 'name="role_inspector" value="1" checked' in " ".join(page.split())
    office = await _post(client, "/people", login="office", role_hospital_office="1")
    assert "请写明机构" in await _problem(client, office)


async def test_codes_are_told_apart_however_they_are_written_and_names_are_refused(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await _post(client, "/people", **NEW)
    saved = await _post(client, "/people/of/wang.li", role_head="1", areas="420281；420381,420382 、420383")
    assert 'role="status">已保存' in (await client.get(saved.headers["location"])).text
    account = await users.find_account(connection, "wang.li")
    assert account is not None
    assert account.areas == {"420281", "420381", "420382", "420383"}
    page = (await client.get("/people/of/wang.li")).text
    assert "还没有线索的统筹区：420281 420381 420382 420383。" in page
    await connection.execute("insert into lead_places (institution, area, service_year) values ('H1', '420281', 2026)")
    assert "还没有线索的统筹区：420381 420382 420383。" in (await client.get("/people/of/wang.li")).text
    named = await _post(client, "/people/of/wang.li", role_head="1", institutions="虚构县中医院")
    assert "机构请写代码" in await _problem(client, named)
    assert "已有或曾有账号" in await _problem(client, await _post(client, "/people", **(NEW | {"login": "Wang.Li"})))


async def test_whoever_may_not_see_leads_begins_elsewhere_and_is_told_what_is_not_theirs(
    connection: asyncpg.Connection, app: FastAPI
) -> None:
    await _open(connection, "operator", Role.OPERATOR)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
        answer = await client.post("/sign-in", data={"login": "operator", "password": PASSWORD})
        assert answer.headers["location"] == "/status"
        refused = await client.get("/")
        assert refused.status_code == 403
        assert "您的账号不能做这一步" in refused.text
        assert 'href="/status"' in refused.text
        assert 'action="/sign-out"' in refused.text


async def test_changes_hold_at_once_for_sessions_that_are_open(
    client: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    await _open(connection, "wang.li", Role.INSPECTOR)
    async with desk("wang.li") as hers:
        assert (await hers.get("/trials")).status_code == 200
        assert (await _post(client, "/people/of/wang.li", role_handling_agency="1")).status_code == 303
        assert (await hers.get("/trials")).status_code == 403
        assert (await _post(client, "/people/of/wang.li/close")).status_code == 303
        assert (await hers.get("/")).headers["location"].startswith("/sign-in")
    refused = await client.post("/sign-in", data={"login": "wang.li", "password": PASSWORD})
    assert refused.status_code == 401
    await _post(client, "/people/of/wang.li/reopen")
    async with desk("wang.li") as hers:
        assert (await hers.get("/")).status_code == 200


async def test_a_new_password_and_signing_out_end_every_session(
    client: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    await _open(connection, "wang.li", Role.INSPECTOR)
    async with desk("wang.li") as one, desk("wang.li") as other:
        assert (await _post(client, "/people/of/wang.li/sign-out")).status_code == 303
        assert [(await of.get("/")).status_code for of in (one, other)] == [303, 303]
    async with desk("wang.li") as one:
        given = await _post(client, "/people/of/wang.li/password")
        assert (await one.get("/")).status_code == 303
    async with desk("wang.li", given.text.partition('shown-once">')[2].partition("<")[0]) as hers:
        assert (await hers.get("/account")).status_code == 200


async def test_nobody_gives_or_changes_what_they_do_not_have(
    client: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    here = frozenset({AREA})
    await _open(connection, "head", Role.HEAD, areas=here)
    await _open(connection, "elsewhere", Role.INSPECTOR, areas=frozenset({"420381"}))
    await _open(connection, "colleague", Role.INSPECTOR, areas=here)
    before = await users.find_accounts(connection)
    async with desk("head") as head:
        beyond: list[tuple[str, dict[str, str]]] = [
            ("/people", {"login": "x", "role_operator": "1", "areas": AREA}),
            ("/people", {"login": "x", "role_inspector": "1", "areas": f"{AREA} 420381"}),
            ("/people", {"login": "x", "role_inspector": "1"}),
            ("/people/of/elsewhere", {"role_inspector": "1", "areas": AREA}),
            ("/people/of/elsewhere/close", {}),
            ("/people/of/elsewhere/password", {}),
            ("/people/of/inspector/sign-out", {}),
            ("/people/of/colleague", {"role_inspector": "1"}),
            ("/people/of/head", {"role_head": "1", "role_operator": "1", "areas": AREA}),
        ]
        for path, words in beyond:
            assert "不能开立" in await _problem(head, await _post(head, path, **words)), (path, words)
        assert await users.find_accounts(connection) == before
        assert (await _post(head, "/people/of/colleague", role_auditor="1", areas=AREA)).status_code == 303
    changed = await users.find_account(connection, "colleague")
    assert changed is not None
    assert changed.roles == {Role.AUDITOR}


async def test_ones_own_password_takes_the_present_one_and_none_is_kept(
    connection: asyncpg.Connection, desk: SignIn
) -> None:
    await _open(connection, "wang.li", Role.INSPECTOR)
    new = {"new_password": "another of sixteen", "new_password_again": "another of sixteen"}
    async with desk("wang.li") as hers:
        wrong = await _post(hers, "/account/password", password="not the password", **new)
        assert "现在的密码不对" in await _problem(hers, wrong)
        differs = await _post(hers, "/account/password", password=PASSWORD, **(new | {"new_password_again": "x" * 12}))
        assert "不一样" in await _problem(hers, differs)
        short = await _post(hers, "/account/password", password=PASSWORD, new_password="x", new_password_again="x")
        assert "至少 12" in await _problem(hers, short)
        kept = await connection.fetch("select words from kept_forms")
        assert [row["words"] for row in kept] == ["{}"] * 3
        assert (await _post(hers, "/account/password", password=PASSWORD, **new)).status_code == 303
        assert (await hers.get("/")).status_code == 303
    async with desk("wang.li", "another of sixteen") as hers:
        assert (await hers.get("/account")).status_code == 200


@pytest.mark.parametrize("login", ["wang.1i", "WANG.LI", "wang.II"])
async def test_a_log_in_that_looks_like_one_that_is_or_was_is_refused(
    client: httpx.AsyncClient, connection: asyncpg.Connection, login: str
) -> None:
    await _post(client, "/people", **NEW)
    await users.close_account(connection, "wang.li")
    before = await users.find_accounts(connection)
    says = "已有或曾有账号" if login.lower() == "wang.li" else "看起来一样"
    assert says in await _problem(client, await _post(client, "/people", **(NEW | {"login": login})))
    cyrillic = await _post(client, "/people", **(NEW | {"login": "w\u0430ng"}))
    assert "只用不带符号的拉丁字母" in await _problem(client, cyrillic)
    assert await users.find_accounts(connection) == before


async def test_of_two_who_ask_at_once_for_log_ins_that_look_alike_one_is_told(pool: asyncpg.Pool) -> None:
    async def ask(login: str) -> str:
        async with pool.acquire() as connection:
            try:
                await accounts.open_account(connection, Account(login, "", frozenset({Role.AUDITOR})), "x", "the tests")
            except AccountRefused as refused:
                return refused.why
        return "opened"

    for number in range(5):
        logins = [f"wang{number}l", f"wang{number}1", f"wang{number}I"]
        assert sorted(await asyncio.gather(*map(ask, logins))) == ["alike", "alike", "opened"]


async def test_an_account_of_before_stays_usable_whatever_its_log_in_is_made_of(
    client: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    for login in ("\u0432\u0430\u043d", "wang.li", "wang.1i"):
        account = Account(login, "", frozenset({Role.INSPECTOR}))
        await users.save_account(connection, account, await hash_of(PASSWORD), password_given=False)
        async with desk(login) as theirs:
            assert (await theirs.get("/")).status_code == 200
        page = f"/people/of/{login}"
        for path, words in ((page, {"role_auditor": "1"}), (f"{page}/close", {}), (f"{page}/reopen", {})):
            assert (await _post(client, path, **words)).headers["location"].endswith("?saved=1")
    assert "看起来一样" in await _problem(client, await _post(client, "/people", **(NEW | {"login": "wang.ll"})))


GIVEN = "given by somebody"


@pytest.fixture
async def newcomer(connection: asyncpg.Connection, desk: SignIn) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of all rights, signed in with the password that another gave them."""
    account = Account("newcomer", "", frozenset(ALL_RIGHTS))
    await accounts.open_account(connection, account, await hash_of(GIVEN), "the tests")
    async with desk("newcomer", GIVEN) as client:
        yield client


BEFORE_ALL = {("GET", "/account"), ("POST", "/account/password")}
"""Where somebody may go with a password that another gave them, beside out."""


async def test_whoever_was_given_a_password_chooses_another_before_anything_else(
    newcomer: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    csrf = newcomer.headers["X-CSRF-Token"]
    answers = {name: await _call(newcomer, name, csrf) for name in RIGHTS if name not in LEAVING | BEFORE_ALL}
    for (method, path), answer in answers.items():
        if path.startswith("/api/"):
            assert (answer.status_code, "choose a password of your own" in answer.json()["detail"]) == (403, True)
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, "/account"), (method, path)
    page = (await newcomer.get("/account")).text
    assert "这个密码是别人给您的" in page
    assert ('action="/account/password"' in page, 'action="/account/sign-out"' in page) == (True, False)
    assert re.findall(r'<a [^>]*href="(/[^"]*)"', page) == ["/account", "/account"], "the brand, and the own log-in"
    assert await connection.fetchval("select count(*) from audit_log where by = 'newcomer'") == 0


async def test_a_password_of_ones_own_is_not_the_given_one_and_opens_the_desk(
    newcomer: httpx.AsyncClient, connection: asyncpg.Connection, desk: SignIn
) -> None:
    assert "新密码和现在的一样" in await _problem(newcomer, await _choose(newcomer, GIVEN, GIVEN))
    assert (await _choose(newcomer, GIVEN, PASSWORD)).status_code == 303
    async with desk("newcomer") as own:
        assert (await own.get("/people")).status_code == 200
        assert (await own.get("/api/session")).status_code == 200
        await accounts.set_password(connection, "newcomer", await hash_of(GIVEN), "the tests")
        assert (await own.get("/people")).headers["location"].startswith("/sign-in")
    async with desk("newcomer", GIVEN) as again:
        assert (await again.get("/people")).headers["location"] == "/account"
        assert (await _post(again, "/sign-out")).headers["location"] == "/sign-in"


@pytest.mark.parametrize("password_given", [True, False])
async def test_the_first_account_is_asked_where_others_may_have_read_its_password(
    connection: asyncpg.Connection, desk: SignIn, password_given: bool
) -> None:
    first = await ensure_first_user(connection, password_given=password_given)
    assert first is not None
    async with desk(*first) as client:
        assert (await client.get("/")).status_code == (303 if password_given else 200)


async def test_a_session_too_many_ends_the_oldest(connection: asyncpg.Connection, desk: SignIn) -> None:
    await _open(connection, "wang.li", Role.INSPECTOR)
    async with desk("wang.li") as oldest:
        for number in range(users.MOST_SESSIONS - 1):
            await users.save_session(connection, bytes([number]), "wang.li")
        page = (await oldest.get("/account")).text
        assert f"您已登录 {users.MOST_SESSIONS} 处" in page
        assert page.count("就是这里") == 1
        assert await users.save_session(connection, b"one more", "wang.li")
        assert (await oldest.get("/account")).status_code == 303
        assert len(await users.find_open_sessions(connection, "wang.li", b"")) == users.MOST_SESSIONS
        await users.close_account(connection, "wang.li")
        assert not await users.save_session(connection, b"too late", "wang.li")


@pytest.mark.parametrize("role", Role)
async def test_pages_lead_nobody_to_what_is_not_theirs(
    connection: asyncpg.Connection, desk: SignIn, role: Role
) -> None:
    await _open(connection, "somebody", role, institutions=frozenset({"H42028100001"}))
    async with desk("somebody") as client:
        page = (await client.get("/account")).text
    shown = page.partition("<nav>")[2].partition("</nav>")[0]
    places = ("/", "/status", "/audit", "/people")
    assert {path for path in places if f'href="{path}"' in shown} == {
        path for path in places if RIGHTS["GET", path] in rights_of([role])
    }
