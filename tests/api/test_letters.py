"""Dead letters on the desk: chosen, opened on purpose, replayed; the accounts add up whatever is replayed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import httpx
import pytest

from api.access import sessions
from api.app import create_app
from api.operation import letters
from rules_lib.rule_set import RuleSet
from streams.acts import purging
from streams.bus import LONGEST_SOURCE, Bus, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.hosts.service import Service, open_service
from streams.importers.sending import send_messages
from streams.jobs.reconciling import reconcile
from streams.messages.codec import encode_event
from streams.messages.kinds import KINDS
from streams.messages.vault import Vault
from streams.store.intake import dead_letters, purges, reconciliation
from streams.store.intake.dead_letters import LetterFilter
from streams.store.sessions import Pool, borrowed
from streams.topics import CLAIMS
from tests.api.story import AREA, TODAY, VAULT, emergency
from tests.streams.replay import until_done

PATH = letters.PATH
SECRET = b'{"kind":"claim","patient":"somebody-known","event_id":"x:1"'
NO_KIND = b'{"kind":"letter","event_id":"x:2"}'


@asynccontextmanager
async def _working(dsn: str, rule_set: RuleSet, make_bus: Callable[[Pool], Bus]) -> AsyncIterator[Service]:
    """A working service that has read two good messages and four that no event comes of."""
    async with open_service(dsn, rule_set, VAULT, make_bus) as opened:
        await opened.start()
        good = encode_event(emergency("demo-p-0900", TODAY))
        other = encode_event(emergency("demo-p-0901", TODAY - timedelta(days=1)))
        conflicting = good.replace(b"demo-p-0900", b"demo-p-0999").replace(b"sim:E-demo-p-0999", b"sim:E-demo-p-0900")
        bodies = [good, other, SECRET + b"]", SECRET + b"  ]", NO_KIND, conflicting]
        async for _ in send_messages(opened.pool, opened.bus, "hospital-a", "hospital-a", bodies):
            pass
        await until_done(opened)
        yield opened


@asynccontextmanager
async def _signed_in(service: Service, rule_set: RuleSet) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody signed in at the desk of a working service."""
    async with borrowed(service.pool) as connection:
        created = await sessions.ensure_first_user(connection)
    assert created is not None
    app = create_app(service.pool, rule_set, service.bus, service.vault, TODAY.toordinal)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
        await client.post("/sign-in", data={"login": created[0], "password": created[1]})
        yield client


async def test_what_was_purged_is_told_below_the_letters_and_no_longer_listed(
    service: Service, desk: httpx.AsyncClient
) -> None:
    assert "SHA-256" not in (await desk.get(PATH)).text
    async with borrowed(service.pool) as connection:
        number = await purges.begin_purge(connection, "hospital-a", "somebody", "letters.jsonl")
        assert "SHA-256" not in (await desk.get(PATH)).text, "nothing was taken away yet"
        lines = [json.loads(line) async for line in purging.export(connection, VAULT, "hospital-a")]
        await purges.save_export(connection, number, len(lines), "0f" * 32)
        await purges.take_away(connection, number, [line["seq"] for line in lines[:2]])
        stopped = (await desk.get(PATH)).text
        await purging.take_away(connection, number, [line["seq"] for line in lines], "somebody")
        assert (await reconcile(connection, service.bus)).troubles == []
    page = (await desk.get(PATH)).text
    assert ("停在半路" in stopped, "停在半路" in page) == (True, False)
    assert f"somebody 清除了来源 hospital-a 的 {len(lines)} 条（其中 0 条重放过）" in page
    assert "letters.jsonl" in page
    assert "0f" * 32 in page
    assert f"冲突或无法入库 {len(lines)} 条" in page, "the footer counts what was refused, kept or not"
    assert f"refused {len(lines)}; last day" in (await desk.get(f"{PATH}?lang=en")).text
    assert await _names(desk) == []
    (name,) = {line["name"] for line in lines[:1]}
    assert (await desk.get(f"{PATH}/{name}")).status_code == 404


@pytest.fixture
async def service(postgres_url: str, rule_set: RuleSet) -> AsyncIterator[Service]:
    async with _working(postgres_url, rule_set, PostgresBus) as working:
        yield working


@pytest.fixture
async def desk(service: Service, rule_set: RuleSet) -> AsyncIterator[httpx.AsyncClient]:
    async with _signed_in(service, rule_set) as client:
        yield client


async def _csrf(desk: httpx.AsyncClient) -> str:
    csrf: str = (await desk.get("/api/session")).json()["csrf"]
    return csrf


async def _names(desk: httpx.AsyncClient, query: str = "") -> list[str]:
    """The letters that a page lists."""
    page = await desk.get(f"{PATH}{query}")
    assert page.status_code == 200
    return re.findall(r"data-item>(claims/\d+/\d+)</a>", page.text)


async def _replay(desk: httpx.AsyncClient, query: str = "") -> httpx.Response:
    return await desk.post(f"{letters.REPLAYS}{query}", data={"csrf": await _csrf(desk)}, follow_redirects=True)


async def _outcomes(service: Service, source: str) -> tuple[int, int, int, int]:
    async with borrowed(service.pool) as connection:
        tally = await reconciliation.find_tally(connection, source)
    return tally.accepted, tally.duplicate, tally.conflict, tally.dead


async def _mend(service: Service, *bodies: bytes) -> None:
    """Puts what can be decoded in the place of letters that could not: stands for a program that was mended."""
    async with borrowed(service.pool) as connection:
        rows = await connection.fetch("select seq from dead_letters where outcome = 'dead' order by seq")
        for row, body in zip(rows, bodies, strict=False):
            await connection.execute("update dead_letters set body = $2 where seq = $1", row["seq"], VAULT.seal(body))


async def _account(service: Service) -> reconciliation.Reconciliation:
    async with borrowed(service.pool) as connection:
        return await reconcile(connection, service.bus)


async def test_filters_choose_letters(desk: httpx.AsyncClient) -> None:
    assert len(await _names(desk)) == 4
    assert len(await _names(desk, "?outcome=conflict")) == 1
    assert len(await _names(desk, "?source=hospital-a")) == 4
    assert await _names(desk, "?source=hospital-b") == []
    assert await _names(desk, f"?source={'a' * LONGEST_SOURCE}") == []
    assert await _names(desk, "?state=replayed") == []
    assert await _names(desk, "?day=2020-01-01") == []
    of_no_kind = httpx.QueryParams(reason=f"kind: expected one of {', '.join(KINDS)}")
    assert len(await _names(desk, f"?{of_no_kind}")) == 1


async def test_the_line_of_a_letter_is_told_where_it_is_known(desk: httpx.AsyncClient, service: Service) -> None:
    (name, *_) = await _names(desk, "?outcome=dead")
    assert "文件中第几行" not in (await desk.get(f"{PATH}/{name}")).text
    async with borrowed(service.pool) as connection:
        await connection.execute("update dead_letters set line = 12345")
    assert "<dt>文件中第几行</dt><dd>12345</dd>" in (await desk.get(f"{PATH}/{name}")).text
    listed = (await desk.get(PATH)).text
    assert '<th scope="col" class="n">行号</th>' in listed
    assert listed.count('<td class="n" data-label="行号">12345</td>') == 4


async def test_reasons_are_told_by_kind_with_their_numbers(desk: httpx.AsyncClient, service: Service) -> None:
    async with borrowed(service.pool) as connection:
        reasons = dict(await dead_letters.find_reasons(connection, LetterFilter(), 10))
    assert reasons["event_id: known with other content"] == 1
    (not_json,) = [kind for kind in reasons if kind.startswith("not JSON")]
    assert "#" in not_json
    assert reasons[not_json] == 2
    assert len(await _names(desk, f"?{httpx.QueryParams(reason=not_json)}")) == 2


async def test_letters_page_on(desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = await _names(desk)
    monkeypatch.setattr(letters, "PAGE", 3)
    first = await desk.get(PATH)
    following = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert following is not None
    rest = await _names(desk, following[1].removeprefix(PATH).replace("&amp;", "&"))
    assert await _names(desk) + rest == everything


async def test_bytes_are_shown_on_purpose_alone_and_that_is_noted(desk: httpx.AsyncClient, service: Service) -> None:
    async with borrowed(service.pool) as connection:
        place = await connection.fetchrow("""
            select topic, partition, "offset" from dead_letters where outcome = 'dead' order by seq limit 1
        """)
    assert place is not None
    path = f"{PATH}/{place['topic']}/{place['partition']}/{place['offset']}"
    for silent in (PATH, path, f"{PATH}/replay"):
        assert "somebody-known" not in (await desk.get(silent)).text
    csrf = await _csrf(desk)
    for words in ({"csrf": csrf, "purpose": "  "}, {"csrf": "forged", "purpose": "核对"}):
        refused = await desk.post(f"{path}/bytes", data=words, follow_redirects=True)
        assert refused.url.path == path
        assert "没有显示" in refused.text or "没有执行" in refused.text
        assert f'value="{words["purpose"]}"' in refused.text
        assert "somebody-known" not in refused.text
    shown = await desk.post(f"{path}/bytes", data={"csrf": csrf, "purpose": "与医院核对格式"})
    assert "somebody-known" in shown.text
    assert "inspector · 与医院核对格式" in shown.text
    async with borrowed(service.pool) as connection:
        views = await connection.fetch("select seen_by, purpose from dead_letter_views")
    assert [tuple(view) for view in views] == [("inspector", "与医院核对格式")]


async def test_letter_sealed_with_another_key_says_so_and_notes_nothing(
    desk: httpx.AsyncClient, service: Service
) -> None:
    async with borrowed(service.pool) as connection:
        await connection.execute("update dead_letters set body = $1", Vault(b"another").seal(SECRET))
    (name, *_) = await _names(desk)
    words = {"csrf": await _csrf(desk), "purpose": "核对"}
    shown = await desk.post(f"{PATH}/{name}/bytes", data=words, follow_redirects=True)
    assert (shown.url.path, "另一把密钥" in shown.text) == (f"{PATH}/{name}", True)
    replayed = await _replay(desk)
    assert replayed.url.path.startswith(f"{letters.REPLAYS}/")
    assert "另一把密钥" in replayed.text
    async with borrowed(service.pool) as connection:
        assert await connection.fetchval("select count(*) from dead_letter_views") == 0
        assert await connection.fetchval("select count(replayed_at) from dead_letters") == 0


async def test_replay_is_asked_for_on_a_page_that_says_it_cannot_be_undone(desk: httpx.AsyncClient) -> None:
    asked = await desk.get(f"{PATH}/replay?outcome=dead")
    assert "要重放 3 条死信吗" in asked.text
    assert "重放不能撤销" in asked.text
    assert len(await _names(desk)) == 4


async def test_what_was_mended_is_accepted_counted_apart_and_adds_up(desk: httpx.AsyncClient, service: Service) -> None:
    before = await _outcomes(service, "hospital-a")
    assert before == (2, 0, 1, 3)
    await _mend(service, encode_event(emergency("demo-p-0902", TODAY)), encode_event(emergency("demo-p-0900", TODAY)))
    page = await _replay(desk, "?outcome=dead")
    number = int(str(page.url).rsplit("/", 1)[-1])
    await until_done(service)
    assert await _outcomes(service, "hospital-a") == before
    assert await _outcomes(service, f"replay {number}") == (1, 1, 0, 1)
    page = await desk.get(f"{letters.REPLAYS}/{number}")
    assert "重放完毕：发出 3 条，接收 1 条" in page.text
    assert len(await _names(desk, "?state=replayed")) == 3
    again = await _names(desk)
    assert len(again) == 2
    account = await _account(service)
    assert (account.lost, account.money_differs, account.troubles) == (0, 0, [])
    async with borrowed(service.pool) as connection:
        assert await connection.fetchval("select asked_by from replays") == "inspector"


async def test_replayed_letter_is_not_sent_by_a_second_replay(desk: httpx.AsyncClient, service: Service) -> None:
    async with borrowed(service.pool) as connection:
        chosen = LetterFilter(outcome="conflict")
        numbers = [await dead_letters.begin_replay(connection, chosen, name) for name in ("one", "other")]
    csrf = await _csrf(desk)
    await asyncio.gather(*(desk.post(f"{letters.REPLAYS}/{n}", data={"csrf": csrf}) for n in numbers * 2))
    await until_done(service)
    async with borrowed(service.pool) as connection:
        assert await connection.fetchval("select sum(sent) from replays") == 1
        assert await connection.fetchval("select count(*) from dead_letters where source like 'replay %'") == 1
    assert (await _account(service)).lost == 0


async def test_long_replay_goes_on_in_steps_and_takes_no_letter_that_came_later(
    desk: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.acts.letters.STEP", 2)
    page = await _replay(desk, "?outcome=dead")
    assert "已发出 2 / 3 条" in page.text
    assert "停在半路" in (await desk.get(PATH)).text
    await service.bus.send(CLAIMS, [Message(f"{AREA}/x".encode(), NO_KIND, "hospital-b")])
    await until_done(service)
    finished = await desk.post(str(page.url), data={"csrf": await _csrf(desk)}, follow_redirects=True)
    assert "已发出" not in finished.text
    await until_done(service)
    async with borrowed(service.pool) as connection:
        assert await connection.fetchval("select sent from replays where finished_at is not null") == 3
        assert await connection.fetchval("select replayed_at from dead_letters where source = 'hospital-b'") is None
    assert (await _account(service)).lost == 0


async def test_message_of_a_replay_that_goes_astray_shows(desk: httpx.AsyncClient, service: Service) -> None:
    await _replay(desk, "?outcome=conflict")
    await until_done(service)
    async with borrowed(service.pool) as connection:
        await connection.execute("update ledger set conflict = 0 where source like 'replay %'")
        await connection.execute("delete from dead_letters where source like 'replay %'")
    account = await _account(service)
    assert account.lost > 0
    assert any(trouble.kind == "sent" for trouble in account.troubles)


async def test_bus_that_is_away_stops_a_replay_with_nothing_sent(
    desk: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(type(service.bus), "send", fail)
    page = await _replay(desk)
    assert "消息总线没有回应" in page.text
    assert len(await _names(desk)) == 4


async def test_session_that_ended_leads_back_to_the_page_with_the_form(desk: httpx.AsyncClient) -> None:
    csrf = await _csrf(desk)
    desk.cookies.clear()
    answer = await desk.post(f"{letters.REPLAYS}?outcome=dead", data={"csrf": csrf})
    assert httpx.URL(answer.headers["location"]).params["next"] == f"{PATH}/replay?outcome=dead"


@pytest.mark.parametrize("csrf", ["", "forged"])
async def test_replay_needs_the_token_of_the_session(desk: httpx.AsyncClient, service: Service, csrf: str) -> None:
    refused = await desk.post(letters.REPLAYS, data={"csrf": csrf}, follow_redirects=True)
    assert (refused.url.path, "缺少本页面的凭证" in refused.text) == (f"{PATH}/replay", True)
    async with borrowed(service.pool) as connection:
        assert await connection.fetchval("select count(*) from replays") == 0


async def test_replay_over_kafka_adds_up(postgres_url: str, kafka_brokers: str, rule_set: RuleSet) -> None:
    address = KafkaAddress(kafka_brokers, prefix="desk-letters-")
    async with (
        _working(postgres_url, rule_set, partial(KafkaBus, address=address)) as service,
        _signed_in(service, rule_set) as desk,
    ):
        await _mend(service, encode_event(emergency("demo-p-0902", TODAY)))
        page = await _replay(desk, "?outcome=dead")
        await until_done(service)
        assert "重放完毕：发出 3 条，接收 1 条" in (await desk.get(str(page.url))).text
        agrees = await desk.get("/status/reconciliation", params={"full": "1"})
        assert "逐条核对相符：收到 9 条" in agrees.text
        assert "全部读完" in (await desk.get("/status/lag")).text


async def test_signs_that_nobody_sees_are_spelled_out_in_a_letter(service: Service, desk: httpx.AsyncClient) -> None:
    async for _ in send_messages(
        service.pool, service.bus, "a\u200bb", "a\u200bb", [b'{"kind":\n"\xe2\x80\x8bclaim"}']
    ):
        pass
    await until_done(service)
    listed = await desk.get(PATH, params={"source": "a\u200bb"})
    assert r">a\u200bb</td>" in listed.text
    (name,) = re.findall(r"data-item>(claims/\d+/\d+)</a>", listed.text)
    opened = await desk.post(f"{PATH}/{name}/bytes", data={"csrf": await _csrf(desk), "purpose": "核对接口映射"})
    assert "{&#34;kind&#34;:\n&#34;\\u200bclaim&#34;}" in opened.text
    assert "\u200b" not in opened.text
