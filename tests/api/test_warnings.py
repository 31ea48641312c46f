"""The pages of warnings and their interface: for a hospital's own office its own, for the fund what is in sight."""

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.access.passwords import hash_of
from api.frame.texts import load_texts
from casework.accounts import Account
from casework.rights import Role
from knowledge_base.findings import FindingVersion
from streams.jobs.keeping_orders import keep_touched
from streams.messages.vault import Vault
from streams.store.events.order_ledger import save_asking
from streams.store.people import audit, users
from tests.api.story import AREA, COUNTY, HBA1C, NAMES, TODAY, TOWN, at, claim, line, save_claims
from tests.api.warned import BEDS, REASON, advised, order, reply, request, save_asked, save_month, warning

PASSWORD = "a password of an office"
ONE, LATE, AGAIN = f"{AREA}-W0-1", f"{AREA}-L1-1", f"{AREA}-A1-1"
OF_TOWN = f"{AREA}-T1-1"
ZH = load_texts("zh")


@pytest.fixture(autouse=True)
async def month(connection: asyncpg.Connection, versions: list[FindingVersion]) -> None:
    await save_month(connection)


async def _signed_in(app: FastAPI, connection: asyncpg.Connection, account: Account) -> httpx.AsyncClient:
    await users.save_account(connection, account, await hash_of(PASSWORD), password_given=False)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk")
    answer = await client.post("/sign-in", data={"login": account.login, "password": PASSWORD})
    assert answer.status_code == 303
    client.headers["X-CSRF-Token"] = (await client.get("/api/session")).json()["csrf"]
    return client


def _office(institution: str) -> Account:
    return Account(f"office-{institution}", "", frozenset({Role.HOSPITAL_OFFICE}), None, frozenset({institution}))


@pytest.fixture
async def of_county(app: FastAPI, connection: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """The insurance office of the county's hospital."""
    client = await _signed_in(app, connection, _office(COUNTY))
    yield client
    await client.aclose()


@pytest.fixture
async def of_town(app: FastAPI, connection: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """That of the town's."""
    client = await _signed_in(app, connection, _office(TOWN))
    yield client
    await client.aclose()


def _answer(page: httpx.Response) -> str:
    found = re.search(r'<h1 class="answer"[^>]*>(.*?)</h1>', page.text, re.DOTALL)
    assert found is not None
    return html.unescape(found[1]).strip()


async def test_the_answer_comes_first(of_county: httpx.AsyncClient) -> None:
    """44 told, of these every ninth not answered and every third gone on with; 30 yuan each."""
    answered = [number for number in range(44) if number % 9 != 8]
    continued = sum(number % 3 == 0 for number in answered)
    assert (len(answered), continued) == (40, 15)
    page = await of_county.get("/warnings")
    assert _answer(page) == (
        "近 30 天，虚构县中医院的医生收到提示 44 次，涉及 1,320.00 元；反馈 40 次，其中 38% 仍继续执行"
    )
    for text in ("未反馈 4 次", "另有 1 次在同一就诊中已提示过", "另有 1 次超时"):
        assert text in page.text


async def test_small_numbers_are_told_as_numbers(of_county: httpx.AsyncClient, of_town: httpx.AsyncClient) -> None:
    page = await of_county.get("/warnings", params={"department": "N02"})
    assert "%" not in _answer(page)
    assert "反馈 5 次，其中 2 次仍继续执行" in _answer(page)
    assert "40%" not in page.text
    assert "还没有反馈" in _answer(await of_town.get("/warnings"))


async def test_the_fund_reads_the_same_words(client: httpx.AsyncClient, of_county: httpx.AsyncClient) -> None:
    chosen = {"institution": COUNTY}
    own, of_fund = [await of.get("/warnings", params=chosen) for of in (of_county, client)]
    assert _answer(own) == _answer(of_fund)
    assert "可见范围内各机构" in _answer(await client.get("/warnings"))
    one = f"/warnings/{AREA}/{ONE}"
    assert _answer(await of_county.get(one)) == _answer(await client.get(one))


ROUTES = [
    ("GET", "/warnings/{area}/{warning}"),
    ("POST", "/warnings/{area}/{warning}/reasons"),
    ("GET", "/api/warnings/{area}/{warning}"),
    ("POST", "/api/warnings/{area}/{warning}/reasons"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_anothers_warning_does_not_exist(
    of_county: httpx.AsyncClient, of_town: httpx.AsyncClient, connection: asyncpg.Connection, method: str, path: str
) -> None:
    csrf = of_town.headers["X-CSRF-Token"]
    said: dict[str, Any] = {}
    if method == "POST":
        said = {"json": {"purpose": "核对"}} if path.startswith("/api") else {"data": {"purpose": "核对", "csrf": csrf}}
    for warning_id, status in ((ONE, 404), (LATE, 404), (f"{AREA}-none-1", 404), (OF_TOWN, 200)):
        answer = await of_town.request(method, path.format(area=AREA, warning=warning_id), **said)
        assert (warning_id, answer.status_code) == (warning_id, status)
        assert REASON not in answer.text
    assert await connection.fetchval("select count(*) from reason_views where warning_id <> $1", OF_TOWN) == 0


async def test_anothers_warnings_are_in_no_list_and_no_figure(of_town: httpx.AsyncClient) -> None:
    for params in ({}, {"institution": COUNTY}, {"rule": BEDS}, {"department": "G01"}, {"found": "yes"}):
        page = await of_town.get("/warnings", params=params)
        assert ONE not in page.text
        assert NAMES[COUNTY] not in page.text
        listed = (await of_town.get("/api/warnings", params=params)).json()["warnings"]
        assert {of["institution"] for of in listed} <= {TOWN}
        figures = (await of_town.get("/api/warnings/figures", params=params)).json()
        assert figures["total"]["told"] == (1 if params in ({}, {"department": "G01"}, {"found": "yes"}) else 0)
        assert {of["institution"] for of in figures["departments"]} <= {TOWN}
        assert (figures["again"], figures["late"]) == (0, 0)


async def test_whoever_looks_after_the_machine_sees_nothing(app: FastAPI, connection: asyncpg.Connection) -> None:
    operator = await _signed_in(app, connection, Account("operator", "", frozenset({Role.OPERATOR})))
    for path in ("/warnings", f"/warnings/{AREA}/{ONE}", "/api/warnings", "/api/warnings/figures"):
        assert (await operator.get(path)).status_code == 403
    assert 'href="/warnings"' not in (await operator.get("/status")).text
    await operator.aclose()


async def test_the_interface_says_what_the_page_says(client: httpx.AsyncClient) -> None:
    figures = (await client.get("/api/warnings/figures")).json()
    assert _answer(await client.get("/warnings")) == figures["sentence"]
    assert (figures["total"]["told"], figures["total"]["continued"], figures["again"], figures["late"]) == (
        45,
        15,
        1,
        1,
    )
    assert figures["total"]["share"] == "0.375"
    assert {(of["department_name"], of["overrides"]["share"] is None) for of in figures["departments"]} == {
        ("骨科", False),
        ("内科", True),
    } | {("骨科", True)}
    of_beds = next(of for of in figures["rules"] if of["rule_id"] == BEDS)
    assert of_beds["overrides"]["found"] == 3
    assert (figures["first"], figures["last"]) == (str(TODAY - timedelta(days=29)), str(TODAY))


async def test_pages_follow_one_another_by_key(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    """47 are there, and 10 more are 57: a page of 50 and the rest, none twice, though others come in between."""
    ordered = order(1)
    more = [
        request(f"M{n}", TODAY, [ordered], advice=advised(f"M{n}", at(TODAY), warning(f"M{n}-1", (), ordered)))
        for n in range(10)
    ]
    await save_asked(connection, more)
    first = (await client.get("/api/warnings")).json()
    late = request("M11", TODAY, [ordered], advice=advised("M11", at(TODAY, 9), warning("M11-1", (), ordered)))
    await save_asked(connection, [late])
    rest = (await client.get("/api/warnings", params={"after": first["next"]})).json()
    listed = [of["warning_id"] for of in first["warnings"] + rest["warnings"]]
    assert (len(first["warnings"]), rest["next"], len(set(listed))) == (50, None, len(listed))
    assert len(set(listed) - {f"{AREA}-M11-1"}) == 57
    page = await client.get("/warnings")
    link = html.unescape(re.findall(r'href="(/warnings\?after=[^"]+)" rel="next"', page.text)[0])
    assert f"/warnings/{AREA}/{listed[-1]}" in (await client.get(link)).text


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"first": "2026-04-02", "last": "2026-04-01"}, "last"),
        ({"first": "2024-04-01", "last": "2026-04-01"}, "first"),
        ({"first": "yesterday"}, "first"),
        ({"after": "x"}, "after"),
        ({"after": "WyIyMDI2LTA0LTAxVDAwOjAwOjAwIiwiYSIsImIiXQ"}, "after"),
        ({"reply": "perhaps"}, "reply"),
        ({"ward": "G01"}, "ward"),
    ],
)
async def test_an_address_that_says_what_nobody_knows_is_refused(
    client: httpx.AsyncClient, params: dict[str, str], named: str
) -> None:
    for path in ("/warnings", "/api/warnings", "/api/warnings/figures"):
        answer = await client.get(path, params=params)
        assert answer.status_code == 422
        assert named in answer.text


async def test_days_are_those_of_china(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    """One second before midnight in China is of the day, midnight of the next; in UTC both are of the same."""
    ordered, day = order(1), date(2026, 1, 10)
    midnight = at(day, 0)
    for name, when in (("before", midnight - timedelta(seconds=1)), ("at", midnight)):
        said = warning(f"{name}-1", (), ordered)
        await save_asked(
            connection, [request(name, day, [ordered], happened_at=when, advice=advised(name, when, said))]
        )
    for of, expected in ((day - timedelta(days=1), "before"), (day, "at")):
        answer = (await client.get("/api/warnings", params={"first": str(of), "last": str(of)})).json()
        assert [of["warning_id"] for of in answer["warnings"]] == [f"{AREA}-{expected}-1"]


async def test_where_nothing_was_warned_of_it_is_told_what_was_asked(
    client: httpx.AsyncClient, of_town: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    nothing = await client.get("/warnings", params={"first": "2026-01-01", "last": "2026-01-31"})
    assert "2026-01-01 至 2026-01-31 没有收到符合条件的询问" in nothing.text
    await save_asked(connection, [request("quiet", date(2026, 1, 7), [order(1)])])
    quiet = await client.get("/warnings", params={"first": "2026-01-01", "last": "2026-01-31"})
    assert "已看过 2026-01-01 至 2026-01-31 的询问 1 次，最近一次在 2026-01-07 09:00" in quiet.text
    assert "没有收到提示" in _answer(quiet)
    late = request("late", date(2030, 2, 3), [order(1)], happened_at=datetime(2030, 2, 3, 16, 30, tzinfo=UTC))
    await save_asked(connection, [late])
    before = await client.get("/warnings", params={"first": "2030-03-01", "last": "2030-03-31"})
    assert "最近一次询问在 2030-02-04 00:30" in before.text
    assert "/warnings?first=2030-01-06&amp;last=2030-02-04" in before.text
    elsewhere = await of_town.get("/warnings", params={"first": "2026-01-01", "last": "2026-01-31"})
    assert "最近一次询问在 2026" in elsewhere.text
    assert "2030" not in elsewhere.text
    await connection.execute("delete from asking_institutions where institution = $1", TOWN)
    never = await of_town.get("/warnings", params={"first": "2026-01-01", "last": "2026-01-31"})
    assert "还没有医院询问过" in never.text


async def test_one_warning_says_what_was_asked_answered_and_found(of_county: httpx.AsyncClient) -> None:
    page = (await of_county.get(f"/warnings/{AREA}/{ONE}")).text
    for text in ("RW0", "5e7" * 10, "2026-04-20 09:00", "普通病房床位费", "30.00", "仍继续执行", "2026-04-20 09:02"):
        assert text in page
    (link,) = re.findall(r'href="(/leads/\w+\?finding=\w+#evidence)"', page)
    assert (await of_county.get(link)).status_code == 200
    told = (await of_county.get(f"/api/warnings/{AREA}/{ONE}")).json()
    assert (told["warning"]["code"], told["warning"]["reply"], told["warning"]["state"]) == ("RW0", "continue", "open")
    assert [(of["order_id"], of["guilty"], of["quantity"]) for of in told["orders"]] == [("o0", True, "1")]


async def test_what_was_not_told_says_so(of_county: httpx.AsyncClient) -> None:
    late = (await of_county.get(f"/warnings/{AREA}/{LATE}")).text
    assert "超时，未提示" in late
    again = (await of_county.get(f"/warnings/{AREA}/{AGAIN}")).text
    assert "已提示过，未再提示" in again
    assert f'href="/warnings/{AREA}/{ONE}"' in again


async def test_of_several_replies_the_latest_counts_and_all_are_shown(
    of_county: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    said = warning("W0-1", (), order(0))
    await save_asked(connection, [reply("second", said, "change", at(TODAY, 11))])
    page = (await of_county.get(f"/warnings/{AREA}/{ONE}")).text
    assert "以最后一次为准" in page
    told = (await of_county.get(f"/api/warnings/{AREA}/{ONE}")).json()
    assert [of["way"] for of in told["replies"]] == ["change", "continue"]
    assert (await of_county.get("/api/warnings/figures")).json()["total"]["continued"] == 14


async def test_a_reason_is_opened_on_purpose_alone_and_that_is_noted(
    of_county: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    one = f"/warnings/{AREA}/{ONE}"
    csrf = of_county.headers["X-CSRF-Token"]
    assert REASON not in (await of_county.get(one)).text
    assert REASON not in (await of_county.get("/warnings")).text
    assert REASON not in (await of_county.get(f"/api{one}")).text
    stored = await connection.fetchval("select reason from replies where warning_id = $1", ONE)
    assert REASON not in stored
    for purpose in ("", " ", "\u3164", "x" * 501):
        data = {"csrf": csrf, "purpose": purpose}
        refused = await of_county.post(f"{one}/reasons", data=data, follow_redirects=True)
        assert "没有显示" in refused.text
        assert REASON not in refused.text
    assert await connection.fetchval("select count(*) from reason_views") == 0
    shown = await of_county.post(f"{one}/reasons", data={"csrf": csrf, "purpose": "与医生核对"})
    assert REASON in shown.text
    assert f"office-{COUNTY} · 与医生核对" in shown.text
    assert f"office-{COUNTY} · 与医生核对" in (await of_county.get(one)).text
    entries = await audit.find_done(connection, f"office-{COUNTY}", at(date(2020, 1, 1)), 2**60, 100)
    opened = [entry for entry in entries if entry.act == "opened_reasons"]
    assert [dict(entry.about) for entry in opened] == [{"area": AREA, "warning": ONE}]
    assert {"area": AREA, "warning": ONE} in [dict(entry.about) for entry in entries if entry.act == "saw_evidence"]
    await audit.verify(connection)


async def test_reasons_open_through_the_interface_too(client: httpx.AsyncClient, of_county: httpx.AsyncClient) -> None:
    one = f"/api/warnings/{AREA}/{ONE}/reasons"
    for of in (of_county, client):
        (told,) = (await of.post(one, json={"purpose": "核对"})).json()
        assert told["reason"] == REASON
        assert (await of.post(one, json={"purpose": " "})).status_code == 409
    del of_county.headers["X-CSRF-Token"]
    assert (await of_county.post(one, json={"purpose": "核对"})).status_code == 403


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.HANDLING_AGENCY, Role.ADMINISTRATION])
async def test_who_sees_warnings_may_not_open_reasons_by_that(
    app: FastAPI, connection: asyncpg.Connection, role: Role
) -> None:
    somebody = await _signed_in(app, connection, Account("somebody", "", frozenset({role})))
    page = await somebody.get(f"/warnings/{AREA}/{ONE}")
    assert page.status_code == 200
    assert 'name="purpose"' not in page.text
    csrf = somebody.headers["X-CSRF-Token"]
    answer = await somebody.post(f"/warnings/{AREA}/{ONE}/reasons", data={"csrf": csrf, "purpose": "核对"})
    assert answer.status_code == 403
    assert await connection.fetchval("select count(*) from reason_views") == 0
    await somebody.aclose()


async def test_a_reason_sealed_with_another_key_stays_closed(
    of_county: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    sealed = Vault(b"another").seal(REASON.encode()).decode()
    await connection.execute("update replies set reason = $1", sealed)
    one, csrf = f"/warnings/{AREA}/{ONE}", of_county.headers["X-CSRF-Token"]
    data = {"csrf": csrf, "purpose": "核对"}
    assert "另一把密钥" in (await of_county.post(f"{one}/reasons", data=data, follow_redirects=True)).text
    assert (await of_county.post(f"/api{one}/reasons", json={"purpose": "核对"})).status_code == 409
    assert await connection.fetchval("select count(*) from reason_views") == 0, "nobody saw anything"


async def test_the_audit_log_tells_of_warnings_in_sight_alone(
    app: FastAPI, connection: asyncpg.Connection, of_county: httpx.AsyncClient
) -> None:
    csrf = of_county.headers["X-CSRF-Token"]
    await of_county.post(f"/warnings/{AREA}/{ONE}/reasons", data={"csrf": csrf, "purpose": "核对"})
    for institution, sees in ((COUNTY, True), (TOWN, False)):
        head = Account(f"head-{institution}", "", frozenset({Role.HEAD}), None, frozenset({institution}))
        client = await _signed_in(app, connection, head)
        page = await client.get("/audit", params={"act": "opened_reasons"})
        assert (f"/warnings/{AREA}/{ONE}" in page.text) is sees
        await client.aclose()


async def test_what_was_billed_all_the_same_and_what_was_never_asked_about(
    client: httpx.AsyncClient, of_county: httpx.AsyncClient, of_town: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    """Of the county's bills of a day one line bills an order that was warned of, and one was never ordered."""
    bed = order(1)
    said = warning("B1-1", ("p", "x"), bed, rule=BEDS)
    asked = request("B1", TODAY, [bed], encounter_id="VB", advice=advised("RB", at(TODAY, 9), said))
    lines = [line(1, bed.item_code, TODAY, order_id=bed.order_id), line(2, HBA1C, TODAY)]
    await save_asked(connection, [asked])
    await save_claims(connection, [claim(asked.patient, "VB", lines, TODAY, institution=asked.institution)])
    await save_asking(connection, AREA, {asked.institution: TODAY.toordinal()})
    while await keep_touched(connection):
        pass
    share = "同期结算的基金支付明细 2 笔，其中开医嘱时询问过 1 笔（50%），其余从未询问"
    assert share in html.unescape((await of_county.get("/warnings")).text)
    assert "同期结算" not in html.unescape((await of_town.get("/warnings")).text)
    assert "同期结算" not in html.unescape((await of_county.get("/warnings", params={"rule": BEDS})).text)
    rows = (await client.get("/api/warnings")).json()["warnings"]
    assert {row["warning_id"] for row in rows if row["billed"]} == {said.warning_id}
