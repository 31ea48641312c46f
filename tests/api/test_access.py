"""Who may call what: every route names it, nobody passes without, and asking who is there changes nothing."""

from collections.abc import Iterator, Mapping

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, Route

from api.access.callers import May, MayByForm, MayByHeader, anybody
from api.frame.site import SAFE_METHODS, Site
from api.operation.metrics import create_metrics_app, metrics_router
from casework import accounts
from casework.rights import Right
from casework.sight import Sight
from knowledge_base.cards import Words
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets, publish
from streams.store.casework import queue
from tests.api.story import COUNTY

LEAD, LETTER = "/leads/{lead_id}", "/status/dead-letters/{topic}/{partition}/{offset}"
PERSON = "/people/of/{login}"
WARNING = "/warnings/{area}/{warning_id}"
PUBLIC = {
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/ready"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/static"),
}
RIGHTS = {
    ("GET", "/"): Right.SEE,
    ("GET", "/api/findings/{finding_id}"): Right.SEE,
    ("GET", "/api/leads"): Right.SEE,
    ("GET", f"/api{LEAD}"): Right.SEE,
    ("POST", f"/api{LEAD}/decisions"): Right.DECIDE,
    ("POST", f"/api{LEAD}/decisions/{{decision_id}}/undo"): Right.DECIDE,
    ("GET", "/api/session"): Right.ENTER,
    ("GET", LEAD): Right.SEE,
    ("POST", f"{LEAD}/comments"): Right.DECIDE,
    ("POST", f"{LEAD}/comments/{{comment_id}}/back"): Right.DECIDE,
    ("POST", "/queue/bulk"): Right.DECIDE,
    ("POST", "/queue/bulk/{number}/undo"): Right.DECIDE,
    ("POST", "/queue/next"): Right.DECIDE,
    ("GET", "/claims/{area}/{event_id:name}"): Right.SEE,
    ("GET", "/institutions/{code:name}"): Right.SEE,
    ("GET", "/patients/{area}/{patient:name}"): Right.SEE,
    ("GET", "/search"): Right.SEE,
    ("GET", f"{LEAD}/answers"): Right.SEE,
    ("POST", f"{LEAD}/answers"): Right.ANSWER,
    ("POST", f"{LEAD}/decisions"): Right.DECIDE,
    ("GET", f"{LEAD}/list"): Right.SEE,
    ("GET", f"{LEAD}/list.xlsx"): Right.SEE,
    ("POST", f"{LEAD}/holder"): Right.DECIDE,
    ("POST", f"{LEAD}/snooze"): Right.DECIDE,
    ("POST", f"{LEAD}/undo"): Right.DECIDE,
    ("POST", "/filters"): Right.SEE,
    ("POST", "/filters/{filter_id}"): Right.SEE,
    ("POST", "/filters/{filter_id}/back"): Right.SEE,
    ("POST", "/filters/{filter_id}/remove"): Right.SEE,
    ("GET", "/account"): Right.ENTER,
    ("GET", "/account/today"): Right.ENTER,
    ("POST", "/account/password"): Right.ENTER,
    ("POST", "/account/sign-out"): Right.ENTER,
    ("GET", "/audit"): Right.SEE_AUDIT,
    ("GET", "/people"): Right.SEE_PEOPLE,
    ("POST", "/people"): Right.MANAGE_PEOPLE,
    ("GET", "/people/new"): Right.MANAGE_PEOPLE,
    ("GET", PERSON): Right.SEE_PEOPLE,
    ("POST", PERSON): Right.MANAGE_PEOPLE,
    ("POST", f"{PERSON}/close"): Right.MANAGE_PEOPLE,
    ("POST", f"{PERSON}/password"): Right.MANAGE_PEOPLE,
    ("POST", f"{PERSON}/reopen"): Right.MANAGE_PEOPLE,
    ("POST", f"{PERSON}/sign-out"): Right.MANAGE_PEOPLE,
    ("POST", "/sign-out"): Right.ENTER,
    ("GET", "/silence"): Right.SEE_OPERATION,
    ("POST", "/silence/mute"): Right.MUTE_SENDERS,
    ("POST", "/silence/unmute"): Right.MUTE_SENDERS,
    ("GET", "/status"): Right.SEE_OPERATION,
    ("GET", "/status/dead-letters"): Right.SEE_OPERATION,
    ("GET", "/status/dead-letters/replay"): Right.REPLAY,
    ("POST", "/status/dead-letters/replays"): Right.REPLAY,
    ("GET", "/status/dead-letters/replays/{number}"): Right.SEE_OPERATION,
    ("POST", "/status/dead-letters/replays/{number}"): Right.REPLAY,
    ("GET", LETTER): Right.SEE_OPERATION,
    ("POST", f"{LETTER}/bytes"): Right.OPEN_LETTERS,
    ("GET", "/status/lag"): Right.SEE_OPERATION,
    ("GET", "/status/reconciliation"): Right.SEE_OPERATION,
    ("GET", "/warnings"): Right.SEE,
    ("GET", WARNING): Right.SEE,
    ("POST", f"{WARNING}/reasons"): Right.OPEN_REASONS,
    ("GET", "/api/warnings"): Right.SEE,
    ("GET", "/api/warnings/figures"): Right.SEE,
    ("GET", f"/api{WARNING}"): Right.SEE,
    ("POST", f"/api{WARNING}/reasons"): Right.OPEN_REASONS,
    ("GET", "/trials"): Right.SEE_TRIALS,
    ("GET", "/trials/{finding_id}"): Right.SEE_TRIALS,
}
LEAVING = {("POST", "/sign-out"), ("POST", "/account/sign-out")}
Name = tuple[str, str]
"""(method, path)"""


def _routes(app: FastAPI) -> Iterator[tuple[Name, list[object]]]:
    """Every route with what it asks of its caller: those of its dependencies that speak of that."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, Route | Mount)
        asked = [of.call for of in context.dependant.dependencies] if hasattr(route, "dependant") else []
        for method in sorted((context.methods or {"GET"}) - {"HEAD"}):
            name = (method, str(context.path))
            yield name, [call for call in asked if isinstance(call, May) or call is anybody]


@pytest.fixture
def asked(app: FastAPI) -> dict[Name, list[object]]:
    app.include_router(metrics_router("token"))
    return dict(_routes(app))


def test_every_route_names_one_right_or_is_public(asked: dict[Name, list[object]]) -> None:
    assert asked.keys() == PUBLIC | RIGHTS.keys()
    named = {name: [ask.right for ask in asks if isinstance(ask, May)] for name, asks in asked.items()}
    assert {name: rights for name, rights in named.items() if rights} == {name: [r] for name, r in RIGHTS.items()}


def test_every_public_route_says_so(asked: dict[Name, list[object]], pool: asyncpg.Pool, rule_set: RuleSet) -> None:
    """But for two that hold no dependencies: static files, and the description of the interface."""
    marked = {name for name, asks in asked.items() if asks == [anybody]}
    assert marked == PUBLIC - {("GET", "/static"), ("GET", "/openapi.json")}
    assert all(asks == [anybody] for _, asks in _routes(create_metrics_app(pool, RuleSets(rule_set), None)))


def test_whatever_changes_something_asks_for_the_token(asked: dict[Name, list[object]]) -> None:
    changing = {name: asks for name, asks in asked.items() if name[0] not in SAFE_METHODS}
    without = [name for name, asks in changing.items() if not isinstance(asks[0], MayByForm | MayByHeader)]
    assert without == [("POST", "/sign-in")]


async def _call(
    client: httpx.AsyncClient, name: Name, csrf: str = "", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    method, path = name
    address = path.replace("{topic}", "claims").replace(":name}", "}")
    parts = ("lead_id", "finding_id", "decision_id", "comment_id", "number", "partition", "offset", "login")
    for part in (*parts, "area", "event_id", "code", "patient", "filter_id", "warning_id"):
        address = address.replace(f"{{{part}}}", "7")
    return await client.request(method, address, data={"csrf": csrf} if method == "POST" else None, headers=headers)


@pytest.mark.parametrize("name", RIGHTS, ids=" ".join)
async def test_nobody_passes_without_signing_in(visitor: httpx.AsyncClient, name: Name) -> None:
    answer = await _call(visitor, name)
    if name[1].startswith("/api/"):
        assert answer.status_code == 401
    else:
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize("right", Right)
async def test_nobody_passes_without_the_right(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, right: Right
) -> None:
    csrf = client.headers["X-CSRF-Token"]
    monkeypatch.setattr(accounts, "rights_of", lambda _: frozenset(Right) - {right})
    answers = {name: (await _call(client, name, csrf)).status_code for name in RIGHTS if name not in LEAVING}
    assert {name for name, status in answers.items() if status == 403} == {
        name for name, needed in RIGHTS.items() if needed is right and name not in LEAVING
    }


def _with_title(rule_set: RuleSet, title: str) -> RuleSet:
    changes = {"title": Words(zh=title, en=title), "file_hash": title}
    rules = [rule.model_copy(update=changes) if rule.id == "FW10000001" else rule for rule in rule_set.rules]
    return RuleSet(tuple(rules), rule_set.facts)


async def _lead_page(client: httpx.AsyncClient) -> str:
    found = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays"})
    return f"/leads/{found.json()['leads'][0]['lead_id']}"


async def test_asking_who_is_there_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    desk = app.state.desk
    await publish(connection, _with_title(rule_set, "another title"), "somebody")
    assert (await client.get("/api/session")).status_code == 200
    assert app.state.desk is desk
    assert desk.rule_sets.own is rule_set


async def test_rules_put_in_force_while_a_page_is_made_are_shown_from_the_next_on(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = await _lead_page(client)
    find_lead = queue.find_lead

    async def find_and_publish(reading: asyncpg.Connection, lead_id: str, sight: Sight) -> queue.Lead | None:
        lead = await find_lead(reading, lead_id, sight)
        await publish(connection, _with_title(rule_set, "another title"), "somebody")
        return lead

    monkeypatch.setattr(queue, "find_lead", find_and_publish)
    assert "another title" not in (await client.get(page)).text
    monkeypatch.undo()
    assert "another title" in (await client.get(page)).text


async def test_text_of_a_form_without_its_token_stays_in_that_form(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    page = await _lead_page(client)
    body = {"version": 1, "decision": "confirmed", "reason": "与护理记录不符"}
    made = (await client.post(f"/api{page}/decisions", json=body)).json()
    form = {"decision_id": str(made["decision_id"]), "reason": "写好的理由", "csrf": "forged"}
    refused = await client.post(f"{page}/undo", data=form, follow_redirects=True)
    assert refused.url.path == page
    assert "缺少本页面的凭证" in refused.text
    written = refused.text.index("写好的理由</textarea>")
    assert refused.text.rindex("<textarea", 0, written) == refused.text.index('<textarea id="undo-reason-')


async def test_form_without_its_token_on_a_lead_that_is_not_there(client: httpx.AsyncClient) -> None:
    form = {"version": "1", "said": "confirmed.other", "reason": "理由", "csrf": "forged"}
    answer = await client.post(f"/leads/{'0' * 32}/decisions", data=form, follow_redirects=True)
    assert answer.status_code == 404


@pytest.mark.parametrize("part", ["decisions", "undo"])
async def test_text_is_kept_through_signing_in_again(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    password: str,
    versions: list[FindingVersion],
    part: str,
) -> None:
    page = await _lead_page(client)
    await connection.execute("update sessions set expires_at = now()")
    form = {"version": "1", "said": "confirmed.other", "decision_id": "1", "reason": "写了一半"}
    asked = await client.post(f"{page}/{part}", data=form, follow_redirects=True)
    assert (asked.url.path, "您写的内容已保留" in asked.text) == ("/sign-in", True)
    wrong = await client.post(asked.url, data={"login": "inspector", "password": "wrong"})
    assert (wrong.status_code, wrong.url) == (401, asked.url)
    words = {"login": "inspector", "password": password}
    signed = await client.post(wrong.url, data=words, follow_redirects=True)
    assert (signed.status_code, signed.url.path) == (200, page)
    assert "您已重新登录" in signed.text
    assert "写了一半</textarea>" in signed.text
    assert Site().session_cookie in client.cookies


async def test_form_of_a_page_that_keeps_nothing_leads_back_to_that(
    client: httpx.AsyncClient, connection: asyncpg.Connection, password: str
) -> None:
    await connection.execute("update sessions set expires_at = now()")
    asked = await client.post("/sign-out", data={"csrf": "any"}, follow_redirects=True)
    words = {"login": "inspector", "password": password}
    signed = await client.post(asked.url, data=words, follow_redirects=True)
    assert (signed.status_code, str(signed.url)) == (200, "http://desk/")
