"""The JSON interface and what surrounds it: signing in, headers, decisions, health, what never leaks."""

import asyncio
import base64
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from api import app as application
from api.access import sessions
from api.access.passwords import hash_of
from api.app import create_app
from api.frame.site import Site
from api.frame.texts import LANGUAGES
from casework.decisions import Decision, Verdict
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.accounts import AccountUnknown, set_password
from streams.buses.postgres import PostgresBus
from streams.store.casework import decisions, queue
from streams.store.transport.unreadable import save_unreadable
from tests.api.story import AREA, COUNTY, TODAY, VAULT, next_version
from tests.streams.leads import apply_findings

pytestmark = pytest.mark.usefixtures("versions")


async def _lead(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays", "state": "all"})
    (lead,) = answer.json()["leads"]
    assert isinstance(lead, dict)
    return lead


async def _decide(
    client: httpx.AsyncClient, lead: dict[str, Any], reason: str = "与护理记录不符", **more: Any
) -> httpx.Response:
    body = {"version": lead["version"], "decision": "confirmed", "reason": reason} | more
    return await client.post(f"/api/leads/{lead['lead_id']}/decisions", json=body)


async def test_first_user_is_created_once(connection: asyncpg.Connection) -> None:
    created = await sessions.ensure_first_user(connection)
    assert created is not None
    assert created[0] == "inspector"
    assert len(created[1]) >= 16
    assert await sessions.ensure_first_user(connection) is None
    stored = await connection.fetchval("select password_hash from users")
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize("path", ["/api/leads", "/api/session", "/api/leads/x", "/api/findings/x"])
async def test_interface_needs_a_session(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await visitor.get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/", "/status", "/leads/x?page=2"])
async def test_pages_send_people_to_sign_in_and_back(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 303
    assert httpx.URL(answer.headers["location"]).params["next"] == path


async def test_part_of_a_page_sends_the_whole_page_to_sign_in(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/?topic=stays", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/?topic=stays")


async def test_part_of_a_page_is_sent_to_an_address_that_a_header_can_hold(client: httpx.AsyncClient) -> None:
    answer = await client.get("/中?institution=%E4%B8%AD&sort=x", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"] == "/%E4%B8%AD?institution=%E4%B8%AD&sort=x"


@pytest.mark.parametrize("path", ["/leads/%00", "/?institution=%00", "/leads/{lead}?finding=%00"])
async def test_text_that_the_store_cannot_hold_names_nothing(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path.format(lead=(await _lead(client))["lead_id"]))
    assert page.status_code == 404
    assert "没有这一页" in page.text


@pytest.mark.parametrize("path", ["/api/leads/%00", "/api/findings/%00", "/api/leads?institution=%00"])
async def test_interface_knows_nothing_by_such_a_name(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "missing"})


async def test_log_in_that_the_store_cannot_hold_is_refused(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.post("/sign-in", data={"login": "a\x00", "password": "wrong"})).status_code == 422


async def test_sign_in_leads_to_no_other_site(visitor: httpx.AsyncClient, password: str) -> None:
    for path in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        data = {"login": "inspector", "password": password}
        assert (await visitor.post("/sign-in", params={"next": path}, data=data)).headers["location"] == "/"


async def test_sign_out_with_a_wrong_token_changes_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    refused = await client.post("/sign-out", data={"csrf": "forged"}, follow_redirects=True)
    assert "没有执行" in refused.text
    assert (await client.get("/api/session")).status_code == 200
    csrf = (await client.get("/api/session")).json()["csrf"]
    assert (await client.post("/sign-out", data={"csrf": csrf})).status_code == 303
    assert await connection.fetchval("select count(*) from sessions where expires_at > now()") == 0
    assert (await client.get("/api/session")).status_code == 401


async def test_session_is_stored_as_its_hash_and_ends(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    token = client.cookies[Site().session_cookie]
    row = await connection.fetchrow("select token_hash, expires_at - created_at as lasts from sessions")
    assert row is not None
    assert token.encode() not in row["token_hash"]
    assert row["lasts"] == timedelta(hours=12)
    await connection.execute("update sessions set expires_at = now()")
    assert (await client.get("/api/leads")).status_code == 401


async def test_change_needs_the_token_of_the_session(client: httpx.AsyncClient) -> None:
    lead = await _lead(client)
    del client.headers["X-CSRF-Token"]
    assert (await _decide(client, lead)).status_code == 403
    form = {"version": str(lead["version"]), "said": "confirmed.other", "reason": "手写的理由", "csrf": "forged"}
    answer = await client.post(f"/leads/{lead['lead_id']}/decisions", data=form, follow_redirects=True)
    assert "手写的理由" in answer.text
    assert (await _lead(client))["state"] == "open"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}])
async def test_other_sites_change_nothing(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    client.headers.update(headers)
    assert (await _decide(client, await _lead(client))).status_code == 403
    assert (await _lead(client))["state"] == "open"


async def test_decision_is_recorded_cites_and_is_sent_on(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    lead = await _lead(client)
    answer = await _decide(client, lead)
    assert answer.status_code == 201
    decision = answer.json()
    assert decision["decided_by"] == "inspector"
    assert decision["lead_version"] == lead["version"]
    assert len(decision["cites"]) == lead["findings"] == 34
    after = await _lead(client)
    assert (after["state"], after["version"], after["assignee"]) == ("confirmed", lead["version"] + 1, "inspector")
    (sent,) = await connection.fetch("select key, value from outbox where topic = 'decisions'")
    assert sent["key"] == lead["lead_id"].encode()
    recorded = msgspec.json.decode(sent["value"], type=Decision)
    (stored,) = await decisions.find_decisions(connection, AREA, lead["lead_id"])
    assert recorded == stored
    assert recorded.decision is Verdict.CONFIRMED


async def test_second_decision_on_what_was_seen_is_refused(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    lead = await _lead(client)
    assert (await _decide(client, lead)).status_code == 201
    refused = await _decide(client, lead)
    assert (refused.status_code, refused.json()["detail"]) == (409, "FindingsChanged")
    assert await connection.fetchval("select count(*) from decisions") == 1
    assert await connection.fetchval("select count(*) from outbox") == 1


async def test_of_two_at_the_same_moment_one_is_recorded(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    lead = await _lead(client)
    answers = await asyncio.gather(*(_decide(client, lead, f"理由 {number}") for number in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await connection.fetchval("select count(*) from decisions") == 1


async def test_changed_finding_refuses_what_was_seen_and_the_page_says_what_came(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead = await _lead(client)
    stays = [v for v in versions if v.finding.maker_id == "FW10000001"]
    await _apply(connection, [next_version(stays[0]), next_version(stays[1], Change.WITHDRAWN)], rule_set)
    csrf = (await client.get("/api/session")).json()["csrf"]
    form = {"version": str(lead["version"]), "said": "dismissed.other", "reason": "写好的理由", "csrf": csrf}
    form["everything"] = "true"
    answer = await client.post(f"/leads/{lead['lead_id']}/decisions", data=form, follow_redirects=True)
    assert "没有记录您的决定" in answer.text
    assert "疑点新增 0 条，修改 1 条，撤回 1 条，转到其他线索 0 条" in answer.text
    assert "写好的理由" in answer.text


async def _apply(connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def test_withdrawal_under_a_decision_is_told_and_changes_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead = await _lead(client)
    await _decide(client, lead)
    withdrawn = [next_version(v, Change.WITHDRAWN) for v in versions if v.finding.maker_id == "FW10000001"]
    await _apply(connection, withdrawn[:3], rule_set)
    assert (await _lead(client))["state"] == "confirmed"
    assert "决定后有 3 条疑点撤回" in (await client.get(f"/leads/{lead['lead_id']}")).text
    await _apply(connection, withdrawn, rule_set)
    emptied = await _lead(client)
    assert (emptied["findings"], emptied["state"]) == (0, "confirmed")
    assert (await client.get(f"/leads/{lead['lead_id']}")).status_code == 200


async def test_undo_names_what_it_undoes_and_only_what_holds(client: httpx.AsyncClient) -> None:
    lead = await _lead(client)
    first = (await _decide(client, lead)).json()["decision_id"]
    lead = await _lead(client)
    cited = (await client.get(f"/api/leads/{lead['lead_id']}")).json()["decisions"][0]["cites"]
    every = [citation["finding_id"] for citation in cited]
    second = (await _decide(client, lead, "再看一次", findings=every)).json()["decision_id"]

    async def undo(number: int) -> httpx.Response:
        return await client.post(f"/api/leads/{lead['lead_id']}/decisions/{number}/undo", json={"reason": "误判"})

    assert (await undo(first)).json()["detail"] == "NotHolding"
    undone = await undo(second)
    assert (undone.status_code, undone.json()["undoes"]) == (201, second)
    assert (await _lead(client))["state"] == "confirmed"
    assert (await undo(first)).status_code == 201
    assert (await _lead(client))["state"] == "open"
    detail = (await client.get(f"/api/leads/{lead['lead_id']}")).json()
    assert [d["decision"] for d in detail["decisions"]] == ["confirmed", "confirmed", "undone", "undone"]


@pytest.mark.parametrize("reason", ["", "   ", "与护理记录\x00不符"])
async def test_decision_needs_a_reason(client: httpx.AsyncClient, reason: str) -> None:
    assert (await _decide(client, await _lead(client), reason)).status_code == 422
    assert (await _lead(client))["state"] == "open"


async def test_lead_and_finding_are_described(client: httpx.AsyncClient) -> None:
    lead = await _lead(client)
    assert lead["sentence"].startswith("虚构县中医院 2026 年 · 住院与床位：34 人 34 条疑点，涉疑 1,020.00 元")
    assert lead["amounts"] == {"in_question": "1020.00", "in_fund": "1020.00", "loss": "696.00"}
    detail = (await client.get(f"/api/leads/{lead['lead_id']}", params={"page": 2})).json()
    assert (detail["pages"], len(detail["findings"])) == (2, 4)
    name = detail["findings"][0]["finding_id"]
    finding = (await client.get(f"/api/findings/{name}", params={"lang": "en"})).json()
    assert "bed charges for" in finding["sentence"]
    assert finding["guilty"][0]["amounts"]["in_question"] == "30.00"
    assert len(finding["involved"]) == int(finding["limit"])


@pytest.mark.parametrize("query", ["sort=name", "state=gone", "after=%21", "severity=9", "year=x", "topic=%00"])
async def test_unknown_filter_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/api/leads?{query}")).status_code == 422
    page = await client.get(f"/?{query}")
    assert page.status_code == 422
    assert f"没有执行：{query.partition('=')[0]}: " in page.text


@pytest.mark.parametrize("query", ["severity=9", "topic=gone", "nobody=1", "after=%21"])
async def test_what_is_refused_is_said_in_the_language_of_the_page(client: httpx.AsyncClient, query: str) -> None:
    told = {lang: re.findall("<p role=.*</p>", (await client.get(f"/?{query}&lang={lang}")).text) for lang in LANGUAGES}
    assert [len(texts) for texts in told.values()] == [1, 1]
    assert re.search("[\u4e00-\u9fff]", told["en"][0]) is None
    assert " / " not in told["zh"][0] + told["en"][0]
    assert "query." not in told["zh"][0] + told["en"][0]


def _cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


HUGE = 10**30
MONSTROUS = ("1e999999999", "NaN", "Infinity", "-1e999999999")


@pytest.mark.parametrize(
    "path",
    [
        f"/leads/{{lead}}?page={HUGE}",
        f"/api/leads/{{lead}}?page={HUGE}",
        f"/status/dead-letters?before={HUGE}",
        f"/status/dead-letters?seq={HUGE}",
        f"/status/dead-letters/claims/{HUGE}/0",
        f"/status/dead-letters/claims/0/{HUGE}",
        f"/status/dead-letters/replays/{HUGE}",
        *(f"/api/leads?after={_cursor(value, '1', 'a', 'b')}" for value in MONSTROUS),
    ],
)
async def test_number_that_the_store_cannot_hold_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path.format(lead=(await _lead(client))["lead_id"]))
    assert answer.status_code in (404, 422)


async def test_form_with_a_number_that_the_store_cannot_hold_is_refused(client: httpx.AsyncClient) -> None:
    lead = (await _lead(client))["lead_id"]
    words = {"version": str(HUGE), "said": "confirmed.other", "reason": "理由", "csrf": client.headers["X-CSRF-Token"]}
    body = {"decision": "confirmed", "reason": "理由"}
    assert (await client.post(f"/leads/{lead}/decisions", data=words)).status_code == 422
    assert (await client.post(f"/leads/{lead}/undo", data={**words, "decision_id": str(HUGE)})).status_code == 422
    assert (await client.post(f"/api/leads/{lead}/decisions", json={**body, "version": HUGE})).status_code == 422
    undo = {"reason": "理由"}
    assert (await client.post(f"/api/leads/{lead}/decisions/{HUGE}/undo", json=undo)).status_code == 422


async def test_queue_is_one_state_of_the_store(
    client: httpx.AsyncClient, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_leads = queue.find_leads

    async def find_and_receive(*arguments: Any) -> list[queue.Lead]:
        leads = await find_leads(*arguments)
        await connection.execute("update ledger set accepted = accepted + 1000000 where partition = 0")
        await connection.execute("update leads set state = 'dismissed'")
        return leads

    monkeypatch.setattr(queue, "find_leads", find_and_receive)
    page = (await client.get("/")).text
    assert "收到 47 条" in page
    assert '已排除\n<span class="count">0</span>' in page
    monkeypatch.undo()
    assert "收到 1,000,047 条" in (await client.get("/")).text


async def test_password_is_replaced_and_ends_sessions(
    client: httpx.AsyncClient, connection: asyncpg.Connection, password: str
) -> None:
    with pytest.raises(AccountUnknown):
        await set_password(connection, "nobody", await hash_of("a new password"), "somebody")
    await set_password(connection, "inspector", await hash_of("a new password"), "somebody")
    assert (await client.get("/api/session")).status_code == 401
    old = await client.post("/sign-in", data={"login": "inspector", "password": password})
    new = await client.post("/sign-in", data={"login": "inspector", "password": "a new password"})
    assert (old.status_code, new.status_code) == (401, 303)


async def test_every_answer_carries_the_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/sign-in", "/api/leads", "/static/console.css", "/gone", "/health"):
        headers = (await client.get(path)).headers
        assert {name: headers[name] for name in application.SECURITY_HEADERS} == application.SECURITY_HEADERS
        assert (headers.get("Cache-Control") == "no-store") == (not path.startswith("/static/"))


async def test_openapi_describes_the_interface(visitor: httpx.AsyncClient) -> None:
    described = (await visitor.get("/openapi.json")).json()
    paths = {path for path in described["paths"] if path.startswith("/api/")}
    assert paths == {
        "/api/session",
        "/api/leads",
        "/api/leads/{lead_id}",
        "/api/findings/{finding_id}",
        "/api/leads/{lead_id}/decisions",
        "/api/leads/{lead_id}/decisions/{decision_id}/undo",
        "/api/warnings",
        "/api/warnings/figures",
        "/api/warnings/{area}/{warning_id}",
        "/api/warnings/{area}/{warning_id}/reasons",
    }
    models = described["components"]["schemas"]
    assert models["LeadOut"]["properties"]["waiting"]["description"]
    assert "409" in described["paths"]["/api/leads/{lead_id}/decisions"]["post"]["responses"]


async def test_health_and_readiness(visitor: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    assert (await visitor.get("/health")).json() == {"status": "ok", "reason": None, "suspended": [], "unreadable": []}
    assert (await visitor.get("/ready")).status_code == 200
    await save_unreadable(connection, "judges", "claims", 9, 7, 10, "CRC")
    await connection.execute("insert into group_offsets values ('judges', 'claims', 9, 7)")
    ready = (await visitor.get("/ready")).json()
    assert (ready["status"], [one.split(",")[0] for one in ready["unreadable"]]) == ("ok", ["claims/9 7-9: CRC"])
    await connection.execute("update group_offsets set next = 10 where partition = 9")
    assert (await visitor.get("/ready")).json()["unreadable"] == []
    await connection.execute("delete from migrations where name = '0002_console'")
    answer = await visitor.get("/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "migrations missing: 0002_console")


async def test_readiness_without_a_database(rule_set: RuleSet, new_database: Callable[[], str]) -> None:
    pool = await asyncpg.create_pool(new_database(), min_size=0, max_size=1)
    app = create_app(pool, rule_set, PostgresBus(pool), VAULT, TODAY.toordinal)
    await pool.close()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
        answer = await client.get("/ready")
        assert (answer.status_code, answer.json()["reason"]) == (503, "database: InterfaceError")
        assert (await client.get("/health")).status_code == 200


async def test_fault_shows_a_number_and_leaks_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lead = await _lead(client)

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("row of demo-p-0001")

    monkeypatch.setattr(decisions, "append", fail)
    with caplog.at_level(logging.DEBUG, logger="api"):
        answer = await _decide(client, lead, "患者张三的情况")
    assert answer.status_code == 500
    assert "RuntimeError" in caplog.text
    for told in (answer.text, caplog.text):
        assert "demo-p-0001" not in told
        assert "张三" not in told


async def test_invalid_body_is_not_repeated(client: httpx.AsyncClient) -> None:
    lead = await _lead(client)
    body = {"version": "x", "decision": "患者张三", "reason": "患者张三"}
    answer = await client.post(f"/api/leads/{lead['lead_id']}/decisions", json=body)
    assert answer.status_code == 422
    assert "张三" not in answer.text
    assert "version" in answer.json()["detail"]
