"""The page on silence: who is quiet first, then everybody who sends; filters, pages, muting and its way back."""

import re
from datetime import timedelta

import asyncpg
import httpx
import pytest

from api.operation import silence
from casework.accounts import Account
from casework.rights import Role
from casework.silence import instant_of
from streams.store.people import users
from tests.api.quiet import CLOSED, NEWCOMER, NOON, fill_senders
from tests.api.story import COUNTY, PHARMACY, TODAY, TOWN

pytestmark = pytest.mark.usefixtures("versions")


@pytest.fixture
async def filled(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill_senders(postgres_url)
    monkeypatch.setattr(silence, "now", lambda: instant_of(NOON + 1))


def _rows(page: httpx.Response) -> list[str]:
    """The rows of the table, as one reads them."""
    table = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in table.split("<tr>")[1:]]


def _fields(page: httpx.Response, institution: str, kind: str) -> dict[str, str]:
    """The hidden fields of a sender's form."""
    for form in re.findall(r"<form method=\"post\" action=\"/silence/.*?</form>", page.text, re.DOTALL):
        words = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        if (words["institution"], words["kind"]) == (institution, kind):
            return words
    raise AssertionError("no such form")


async def test_an_empty_store_says_what_will_stand_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/silence")
    assert "还没有判断过谁安静" in page.text
    assert "还没有收到任何机构的消息" in page.text


@pytest.mark.usefixtures("filled")
async def test_who_is_quiet_is_said_first_in_a_sentence(client: httpx.AsyncClient) -> None:
    page = await client.get("/silence")
    assert "现在有 1 路报送异常安静" in page.text
    assert "以上到 2026-04-20 12:30。" in page.text
    said = re.search(r'<ul class="said">\s*<li>(.*?)</li>', page.text, re.DOTALL)
    assert said is not None
    sentence = " ".join(said[1].split())
    assert re.fullmatch(
        r"虚构县中医院，结算单：自 2026-04-20 10:01 起没有收到，已 2 小时；照平常最迟 \d+ 分钟就该有了。"
        r" 今天另有 37 条被拒收。",
        sentence,
    ), sentence
    assert "同时安静" not in page.text
    first, *_ = _rows(page)
    assert first.startswith("虚构县中医院 · 结算单")
    assert "异常安静" in first
    assert [row.split()[0] for row in _rows(page)][-1] == PHARMACY


@pytest.mark.usefixtures("filled")
async def test_numbers_of_a_row_are_those_of_the_store(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    page = await client.get("/silence", params={"institution": COUNTY, "kind": "claim"})
    (row,) = _rows(page)
    day = "institution = $1 and kind = 'claim' and day = $2"
    received, late, refused = await connection.fetchrow(
        f"select sum(received), sum(late), sum(refused) from sendings where {day}", COUNTY, TODAY
    )
    mondays = await connection.fetch(
        """
        select sum(received) as n from sendings
        where institution = $1 and kind = 'claim' and day = any($2::date[]) group by day order by n
        """,
        COUNTY,
        [TODAY - timedelta(weeks=weeks) for weeks in range(1, 9)],
    )
    expected = round((mondays[3]["n"] + mondays[4]["n"]) / 2)
    four_weeks = "institution = $1 and day > $2::date - 28"
    settled = await connection.fetchval(
        f"select sum(received) from sendings where kind = 'claim' and {four_weeks}", COUNTY, TODAY
    )
    asked = await connection.fetchval(
        f"select sum(received) from sendings where kind = '3101' and {four_weeks}", COUNTY, TODAY
    )
    numbers = f"{expected:,} {received:,} {late} {refused} {asked:,} / {settled:,} 2026-04-20 10:01"
    assert numbers in row, (numbers, row)
    (town,) = _rows(await client.get("/silence", params={"institution": TOWN, "kind": "claim"}))
    assert " 4 0 从未询问 / " in town


@pytest.mark.usefixtures("filled")
async def test_senders_are_narrowed_and_paged_and_emptiness_is_explained(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(_rows(await client.get("/silence"))) == 6
    assert [row.split()[0] for row in _rows(await client.get("/silence?state=learning"))] == [NEWCOMER]
    assert len(_rows(await client.get("/silence?kind=3101"))) == 1
    none = await client.get("/silence?state=quiet&kind=3101")
    assert "看过全部 6 路报送，没有符合筛选的" in none.text
    monkeypatch.setattr(silence, "PAGE", 4)
    first = await client.get("/silence?kind=claim")
    assert 'rel="next"' not in first.text
    first = await client.get("/silence")
    assert len(_rows(first)) == 4
    following = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert following is not None
    second = await client.get(following[1].replace("&amp;", "&"))
    assert len(_rows(second)) == 2
    assert {*_rows(first), *_rows(second)} == {*_rows(await client.get("/silence?page=1")), *_rows(second)}
    assert (await client.get("/silence?state=loud")).status_code == 422


@pytest.mark.usefixtures("filled")
async def test_what_is_out_of_date_and_what_many_do_at_once_is_said(
    client: httpx.AsyncClient, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "now", lambda: instant_of(NOON + 11))
    assert "没有读到的不算谁安静" in (await client.get("/silence")).text
    monkeypatch.setattr(silence, "LEAST_TOGETHER", 1)
    page = (await client.get("/silence")).text
    assert "已知习惯的 4 路里有 1 路同时安静" not in page, "one in four is no more than a quarter"
    await connection.execute("update senders set alarming_since = now(), unusual_from = now() where kind = '3103'")
    assert "已知习惯的 4 路里有 2 路同时安静" in (await client.get("/silence")).text


@pytest.mark.usefixtures("filled")
async def test_a_sender_is_muted_and_unmuted_where_it_is_listed(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    page = await client.get("/silence?kind=claim")
    words = _fields(page, COUNTY, "claim") | {"until": "2026-05-01", "reason": "系统切换"}
    answer = await client.post("/silence/mute?kind=claim", data=words)
    assert (answer.status_code, answer.headers["location"]) == (303, "/silence?kind=claim")
    page = await client.get("/silence?kind=claim")
    assert "没有哪一路报送异常安静" in page.text
    assert "到 2026-05-01，inspector：系统切换" in page.text
    answer = await client.post("/silence/unmute?kind=claim", data=_fields(page, COUNTY, "claim"))
    assert answer.status_code == 303
    assert "现在有 1 路报送异常安静" in (await client.get("/silence")).text
    log = (await client.get("/audit")).text
    assert "静音一路报送" in log
    assert "取消静音" in log
    assert COUNTY in log


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("until", "reason", "says"),
    [("2026-04-19", "停业", "一年以内的日期"), ("", "停业", "一年以内的日期"), ("2026-05-01", " ", "用文字写明理由")],
)
async def test_a_mute_that_is_refused_keeps_what_was_typed(
    client: httpx.AsyncClient, until: str, reason: str, says: str
) -> None:
    page = await client.get("/silence")
    answer = await client.post(
        "/silence/mute", data=_fields(page, COUNTY, "claim") | {"until": until, "reason": reason}
    )
    assert answer.status_code == 303
    again = await client.get(answer.headers["location"])
    assert says in again.text
    assert "<details open>" in again.text
    assert f'value="{reason}"' in again.text or not reason.strip()
    assert "现在有 1 路报送异常安静" in again.text


@pytest.mark.usefixtures("filled")
async def test_whoever_sees_one_institution_sees_and_mutes_its_senders_alone(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    page = await client.get("/silence")
    words = _fields(page, COUNTY, "claim") | {"until": "2026-05-01", "reason": "停业"}
    await users.change_account(
        connection, Account("inspector", "", frozenset({Role.INSPECTOR}), None, frozenset({TOWN}))
    )
    page = await client.get("/silence")
    assert {row.split()[0] for row in _rows(page)} == {"虚构镇卫生院"}
    assert "虚构县中医院" not in page.text
    assert "没有哪一路报送异常安静" in page.text
    assert "全部报送：2 路" in page.text
    assert (await client.post("/silence/mute", data=words)).status_code == 404
    muted = {**words, "institution": PHARMACY}
    assert (await client.post("/silence/unmute", data=muted)).status_code == 404
    assert await connection.fetchval("select muted_reason from senders where institution = $1", PHARMACY) == CLOSED


@pytest.mark.usefixtures("filled")
async def test_an_auditor_looks_and_mutes_nobody(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    words = _fields(await client.get("/silence"), COUNTY, "claim") | {"until": "2026-05-01", "reason": "停业"}
    await users.change_account(connection, Account("inspector", "", frozenset({Role.AUDITOR})))
    page = await client.get("/silence")
    assert '<form method="post" action="/silence' not in page.text
    assert "会提醒" in page.text
    assert "不提醒" in page.text
    assert (await client.post("/silence/mute", data=words)).status_code == 403
