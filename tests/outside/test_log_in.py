"""Signing in: wrong passwords slow their sender and lock nobody out; spellings; forms that were refused."""

import asyncio
import re
import threading
import unicodedata
from typing import NamedTuple

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from api.access import passwords, slowing
from api.access.passwords import hash_of
from api.access.slowing import Slowing, Throttled, sender_of
from api.frame.site import Site
from knowledge_base.findings import FindingVersion
from streams.acts.accounts import set_password
from tests.patience import PATIENCE

LOGIN = "inspector"
ATTACKER, OWNER = "192.0.2.66", "192.0.2.7"
ACCENTS = "Řešení-schválené-2026"


class Waits:
    """A clock that only stands or is set, and a sleep that moves it on and is noted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def slow(waits: Waits) -> Slowing:
    return Slowing(lambda: waits.now, waits.sleep)


@pytest.fixture
async def from_anywhere(app: FastAPI, slow: Slowing) -> "Door":
    app.state.slowing = slow
    return Door(app)


class Door(NamedTuple):
    """The page to sign in, for senders at any address, each without cookies but those it names."""

    app: FastAPI

    async def try_with(self, password: str, address: str, login: str = LOGIN, cookie: str = "") -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        headers = {"Cookie": cookie} if cookie else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://desk", headers=headers) as client:
            return await client.post("/sign-in", data={"login": login, "password": password})


# --- how long somebody waits


async def test_each_wrong_password_makes_its_sender_wait_longer(slow: Slowing, waits: Waits) -> None:
    for _ in range(10):
        await slow.wait(ATTACKER, LOGIN, known=False)
    assert waits.slept == [1, 2, 4, 8, 16, 16, 16]


async def test_another_sender_waits_for_nothing(slow: Slowing, waits: Waits) -> None:
    for _ in range(slowing.BUSY_TRIES - 1):
        await slow.wait(ATTACKER, LOGIN, known=False)
    waits.slept.clear()
    await slow.wait(OWNER, LOGIN, known=False)
    assert waits.slept == []


async def test_a_log_in_that_many_try_waits_a_little_but_not_where_it_is_known(slow: Slowing, waits: Waits) -> None:
    for number in range(200):
        await slow.wait(f"192.0.2.{number}", LOGIN, known=False)
    assert set(waits.slept) == {slowing.BUSY_WAIT}
    waits.slept.clear()
    await slow.wait(OWNER, LOGIN, known=False)
    assert waits.slept == [slowing.BUSY_WAIT]
    await slow.wait("browser of the owner", LOGIN, known=True)
    await slow.wait(OWNER, "another", known=False)
    assert waits.slept == [slowing.BUSY_WAIT]


async def test_signing_in_often_is_no_try_too_many(slow: Slowing, waits: Waits) -> None:
    for _ in range(100):
        await slow.wait(OWNER, LOGIN, known=False)
        slow.forgive(OWNER, LOGIN)
    assert waits.slept == []


async def test_tries_at_once_wait_in_line_and_then_are_to_come_again(waits: Waits) -> None:
    may_end = asyncio.Event()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await may_end.wait()

    slow = Slowing(lambda: waits.now, sleep)
    crowd = [asyncio.create_task(slow.wait(ATTACKER, LOGIN, known=False)) for _ in range(100)]
    done, waiting = await asyncio.wait(crowd, return_when=asyncio.FIRST_EXCEPTION)
    assert slept == [1, 3, 7, 15, 31]
    assert slow.waiting == len(waiting) == 5
    refused = [task.exception() for task in done if task.exception() is not None]
    assert len(refused) == 92
    assert all(isinstance(error, Throttled) and error.seconds > slowing.MOST_AHEAD for error in refused)
    may_end.set()
    await asyncio.gather(*waiting)
    assert slow.waiting == 0


async def test_after_a_quarter_of_an_hour_all_is_forgotten(slow: Slowing, waits: Waits) -> None:
    for _ in range(8):
        await slow.wait(ATTACKER, LOGIN, known=False)
    waits.slept.clear()
    waits.now += slowing.REMEMBERED
    for _ in range(slowing.FREE_TRIES):
        await slow.wait(ATTACKER, LOGIN, known=False)
    assert waits.slept == []


async def test_who_knew_the_password_in_the_end_is_forgiven_that_log_in_alone(slow: Slowing, waits: Waits) -> None:
    for login in ("other", "other", "other", LOGIN, LOGIN):
        await slow.wait(ATTACKER, login, known=False)
    slow.forgive(ATTACKER, LOGIN)
    waits.slept.clear()
    await slow.wait(ATTACKER, "other", known=False)
    await slow.wait(ATTACKER, "other", known=False)
    assert waits.slept == [4, 2]  # the line that the tries at the other log-in stand in is not cut short


async def test_senders_and_log_ins_without_number_take_no_memory_without_end(
    slow: Slowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slowing, "MOST_SENDERS", 50)
    for number in range(500):
        for _ in range(30):
            await slow.wait(f"10.0.{number // 250}.{number % 250}", f"login {number}", known=False)
    assert len(slow._senders) == len(slow._logins) == 50
    assert max(len(tries.made) for tries in slow._senders.values()) == slowing.MOST_TRIES


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("_hidden", "_hidden"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_a_sender_is_an_address_or_a_network(address: str, sender: str) -> None:
    assert sender_of(Request({"type": "http", "client": (address, 1), "headers": []})) == sender


# --- at the door


async def test_the_owner_gets_in_whatever_others_tried(from_anywhere: Door, password: str, waits: Waits) -> None:
    for _ in range(5):
        assert (await from_anywhere.try_with("surely wrong", ATTACKER)).status_code == 401
    assert (await from_anywhere.try_with(password, OWNER)).status_code == 303
    assert waits.slept == [1, 2]


async def test_the_right_password_gets_in_after_wrong_ones_of_the_same_sender(
    from_anywhere: Door, password: str, waits: Waits
) -> None:
    for _ in range(5):
        await from_anywhere.try_with("surely wrong", ATTACKER)
    assert (await from_anywhere.try_with(password, ATTACKER)).status_code == 303
    assert waits.slept == [1, 2, 4]
    assert (await from_anywhere.try_with("surely wrong", ATTACKER)).status_code == 401
    assert waits.slept == [1, 2, 4]


async def test_a_browser_in_which_somebody_was_signed_in_waits_behind_nobody(
    from_anywhere: Door, password: str, waits: Waits, connection: asyncpg.Connection
) -> None:
    signed = await from_anywhere.try_with(password, ATTACKER)
    cookie = signed.headers["set-cookie"].partition(";")[0]
    await connection.execute("update sessions set expires_at = now()")
    for number in range(30):
        await from_anywhere.try_with("surely wrong", f"192.0.2.{number}")
    waits.slept.clear()
    assert (await from_anywhere.try_with(password, "192.0.2.1", cookie=cookie)).status_code == 303
    assert waits.slept == []
    forged = f"{Site().session_cookie}=forged"
    await from_anywhere.try_with(password, "192.0.2.200", cookie=forged)
    await from_anywhere.try_with(password, "192.0.2.201", login="other", cookie=cookie)
    assert waits.slept == [slowing.BUSY_WAIT]


async def test_who_is_to_come_again_is_told_when(from_anywhere: Door, password: str, app: FastAPI) -> None:
    app.state.slowing = Slowing(lambda: 0.0, lambda _: asyncio.sleep(0))
    answers = [await from_anywhere.try_with("surely wrong", ATTACKER) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 8 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > slowing.MOST_AHEAD
    assert "没有被锁定" in answers[-1].text


async def test_a_crowd_takes_two_threads_no_connection_and_a_line_that_ends(
    from_anywhere: Door,
    visitor: httpx.AsyncClient,
    password: str,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = (await from_anywhere.try_with(password, OWNER)).headers["set-cookie"].partition(";")[0]
    busy, most, may_end = 0, 0, threading.Event()
    verifies = passwords._verifies

    def verify(stored: str | None, word: str) -> bool:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        may_end.wait(PATIENCE)
        busy -= 1
        return verifies(stored, word)

    monkeypatch.setattr(passwords, "_verifies", verify)
    monkeypatch.setattr(passwords, "MOST_IN_LINE", 10)
    crowd = [
        asyncio.create_task(from_anywhere.try_with("surely wrong", f"10.0.0.{number}", login=f"nobody-{number}"))
        for number in range(30)
    ]
    try:
        async with asyncio.timeout(PATIENCE):
            while sum(task.done() for task in crowd) < 20:
                await asyncio.sleep(0.01)
            assert (await visitor.get("/ready")).status_code == 200
            owner = asyncio.create_task(from_anywhere.try_with(password, "10.0.0.1", cookie=known))
    finally:
        may_end.set()
        answers = await asyncio.gather(*crowd)
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 20
    assert (await owner).status_code == 303
    assert most == passwords.MOST_HASHING


# --- spellings


@pytest.mark.parametrize("set_as", ["NFC", "NFD", "NFKD"])
@pytest.mark.parametrize("typed_as", ["NFC", "NFD"])
async def test_a_password_is_one_in_every_spelling_of_its_accents(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection, password: str, set_as: str, typed_as: str
) -> None:
    await set_password(connection, LOGIN, await hash_of(_spelled(set_as)), "somebody")
    answer = await visitor.post("/sign-in", data={"login": LOGIN, "password": _spelled(typed_as)})
    assert answer.status_code == 303


@pytest.mark.parametrize("hashed_as", ["NFC", "NFD"])
@pytest.mark.parametrize("typed_as", ["NFC", "NFD"])
async def test_a_hash_of_the_release_before_still_opens(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection, password: str, hashed_as: str, typed_as: str
) -> None:
    old = passwords._hasher().hash(_spelled(hashed_as))
    await connection.execute("update users set password_hash = $1", old)
    words = {"login": LOGIN, "password": _spelled(typed_as)}
    assert (await visitor.post("/sign-in", data=words)).status_code == 303
    wrong = {"login": LOGIN, "password": _spelled(typed_as).lower()}
    assert (await visitor.post("/sign-in", data=wrong)).status_code == 401


def _spelled(form: str) -> str:
    return unicodedata.normalize(form, ACCENTS)  # type: ignore[arg-type]


# --- forms that were refused


async def _lead(client: httpx.AsyncClient) -> str:
    found: str = (await client.get("/api/leads")).json()["leads"][0]["lead_id"]
    return found


def _form(client: httpx.AsyncClient, reason: str) -> dict[str, str]:
    said = {"version": "1", "said": "dismissed.other", "everything": "true", "reason": reason}
    return {**said, "csrf": client.headers["X-CSRF-Token"]}


@pytest.mark.parametrize("reason", ["\u200b" * 12, "\u2060" * 12, " " * 12, "\u3164" * 12, "\U000e0041" * 3])
async def test_a_reason_that_shows_nothing_is_refused_everywhere(
    client: httpx.AsyncClient, versions: list[FindingVersion], connection: asyncpg.Connection, reason: str
) -> None:
    lead = await _lead(client)
    body = {"version": 1, "decision": "dismissed", "reason": reason}
    assert (await client.post(f"/api/leads/{lead}/decisions", json=body)).status_code == 422
    page = await client.post(f"/leads/{lead}/decisions", data=_form(client, reason), follow_redirects=True)
    assert "请用文字写明理由" in page.text
    words = {"purpose": reason, "csrf": client.headers["X-CSRF-Token"]}
    letter = await client.post("/status/dead-letters/claims/0/1/bytes", data=words, follow_redirects=True)
    assert "请用文字写明用途" in letter.text
    assert await connection.fetchval("select count(*) from decisions") == 0
    assert await connection.fetchval("select count(*) from dead_letter_views") == 0


async def test_a_refused_form_leaves_its_page_and_reloading_that_sends_and_loses_nothing(
    client: httpx.AsyncClient, versions: list[FindingVersion], connection: asyncpg.Connection
) -> None:
    page = f"/leads/{await _lead(client)}"
    await connection.execute("update leads set version = version + 1")
    await connection.execute("update lead_findings set lead_version = 2")
    refused = await client.post(f"{page}/decisions", data=_form(client, "患者张三的护理记录"))
    assert refused.status_code == 303
    address = refused.headers["location"]
    assert httpx.URL(address).path == page
    assert "张三" not in httpx.URL(address).query.decode()
    for _ in range(3):
        again = await client.get(address)
        assert (again.status_code, "没有记录您的决定" in again.text) == (200, True)
        assert "患者张三的护理记录</textarea>" in again.text
    assert await connection.fetchval("select count(*) from decisions") == 0
    assert "张三" not in (await client.get(page)).text


async def test_what_was_kept_is_forgotten_once_the_form_was_taken(
    client: httpx.AsyncClient, versions: list[FindingVersion], connection: asyncpg.Connection
) -> None:
    """That form alone: another tab of the same page may hold another's words."""
    page = f"/leads/{await _lead(client)}"
    refused = await client.post(f"{page}/decisions", data=_form(client, "\u200b"))
    await client.post(f"{page}/decisions", data=_form(client, "\u200b\u200b"))
    assert await connection.fetchval("select count(*) from kept_forms") == 2
    shown = (await client.get(refused.headers["location"])).text
    (name,) = set(re.findall(r'name="kept" value="([0-9a-f]{32})"', shown))
    taken = {**_form(client, "与护理记录不符"), "kept": name}
    assert (await client.post(f"{page}/decisions", data=taken)).status_code == 303
    assert await connection.fetchval("select count(*) from kept_forms") == 1
    assert await connection.fetchval("select count(*) from kept_forms where name = $1", name) == 0
    assert (await client.get(refused.headers["location"])).status_code == 200


async def test_what_was_kept_is_shown_to_its_sender_alone_and_on_its_page(
    client: httpx.AsyncClient, versions: list[FindingVersion], connection: asyncpg.Connection
) -> None:
    leads = [lead["lead_id"] for lead in (await client.get("/api/leads")).json()["leads"]]
    refused = await client.post(f"/leads/{leads[0]}/decisions", data={**_form(client, "只给我看"), "csrf": "forged"})
    address = refused.headers["location"]
    assert "只给我看" in (await client.get(address)).text
    assert "只给我看" not in (await client.get(address.replace(leads[0], leads[1]))).text
    await connection.execute("insert into users (login, password_hash) values ('other', '')")
    await connection.execute("update kept_forms set login = 'other'")
    assert "只给我看" not in (await client.get(address)).text


async def test_few_forms_are_kept_and_not_for_good(
    client: httpx.AsyncClient,
    password: str,
    versions: list[FindingVersion],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.store.people.kept_forms.MOST", 3)
    page = f"/leads/{await _lead(client)}"
    for _ in range(6):
        await client.post(f"{page}/decisions", data=_form(client, "\u200b"))
    assert await connection.fetchval("select count(*) from kept_forms") == 3
    await connection.execute("update kept_forms set kept_at = now() - interval '8 days'")
    await client.post(f"{page}/decisions", data=_form(client, "\u200b"))
    assert await connection.fetchval("select count(*) from kept_forms") == 1
    await connection.execute("update kept_forms set kept_at = now() - interval '8 days'")
    assert (await client.post("/sign-in", data={"login": LOGIN, "password": password})).status_code == 303
    assert await connection.fetchval("select count(*) from kept_forms") == 0


async def test_a_form_with_signs_that_no_store_holds_is_kept_without_them(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    page = f"/leads/{await _lead(client)}"
    form = {**_form(client, "写\x00了"), "n\x00": "\x00"}
    refused = await client.post(f"{page}/decisions", data=form, follow_redirects=True)
    assert "写\ufffd了</textarea>" in refused.text


async def test_the_page_to_sign_in_has_one_address_which_says_where_it_leads(
    visitor: httpx.AsyncClient, password: str
) -> None:
    asked = await visitor.get("/leads/x?page=2", follow_redirects=True)
    wrong = await visitor.post(asked.url, data={"login": "inspector", "password": "wrong"})
    assert f'action="{asked.url.raw_path.decode()}"' in wrong.text
    assert (await visitor.get(wrong.url)).status_code == 200
    right = await visitor.post(wrong.url, data={"login": "inspector", "password": password})
    assert (right.status_code, right.headers["location"]) == (303, "/leads/x?page=2")


async def test_a_stranger_with_a_made_up_cookie_has_nothing_kept(
    visitor: httpx.AsyncClient, connection: asyncpg.Connection, password: str
) -> None:
    visitor.cookies.set(Site().session_cookie, "made up")
    answer = await visitor.post(f"/leads/{'0' * 32}/decisions", data={"reason": "words"})
    assert (answer.status_code, "kept" in answer.headers["location"]) == (303, False)
    assert await connection.fetchval("select count(*) from kept_forms") == 0
