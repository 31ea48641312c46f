"""Requests from outside: who is asked first, what a body may be, methods, redirects, proxies, words nobody knows."""

import asyncio
import html
import json
import re
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import iter_route_contexts

from api.access import routes
from api.access.callers import May
from api.access.routes import KB, Route
from api.frame.addresses import LANGUAGE
from api.frame.site import Site
from api.leads.filled import MOST_FILE
from api.operation.metrics import create_metrics_app
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from tests.patience import PATIENCE

from .desk import PROXY, Served

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
NOBODYS = f"/api/leads/{'0' * 32}/decisions"
FILED = f"/leads/{'0' * 32}/answers"
"""The one address that takes a file."""
FILE_FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE_BEGINS = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
PATHS = {
    "{lead_id}": "0" * 32,
    "{finding_id}": "0" * 32,
    "{decision_id}": "7",
    "{number}": "7",
    "{topic}": "claims",
    "{partition}": "0",
    "{offset}": "1",
}


def _filled(path: str) -> str:
    for part, value in PATHS.items():
        path = path.replace(part, value)
    return path


def _paths(app: FastAPI, method: str) -> list[str]:
    """An address for each route that has a method."""
    contexts = [context for context in iter_route_contexts(app.routes) if method in (context.methods or ())]
    return [_filled(str(context.path)) for context in contexts]


# --- who is asked first


async def _never() -> dict[str, Any]:
    raise AssertionError("a body was read")


async def _answered(app: FastAPI, path: str, headers: dict[str, str]) -> int:
    """The status of a POST whose body must not be asked for."""
    started = []

    async def send(message: Any) -> None:
        started.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in ({"host": "desk"} | headers).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "client": ("192.0.2.1", 1),
        "server": ("desk", 80),
    }
    await app(scope, _never, send)
    status: int = started[0]["status"]
    return status


async def test_a_stranger_is_answered_before_a_body_is_read(app: FastAPI) -> None:
    for path in _paths(app, "POST"):
        if path != "/sign-in":
            assert await _answered(app, path, FORM) == (401 if path.startswith("/api/") else 303), path


async def test_somebody_who_lacks_the_right_is_answered_before_a_body_is_read(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casework.accounts.rights_of", lambda _: frozenset())
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for path in _paths(app, "POST"):
        if path != "/sign-in":
            assert await _answered(app, path, FORM | {"cookie": cookie}) == 403, path


def test_a_stranger_who_never_ends_is_answered(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as there:
        head = f"POST {NOBODYS} HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\n"
        there.sendall(f"{head}Content-Length: 100000000\r\n\r\n[[[[".encode())
        assert there.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("body", [b"[" * 10_000_000, b" " * 20_000_000, b"{" + b'"a":[' * 3_000_000], ids=len)
def test_millions_of_bytes_of_a_stranger_are_not_read(served: Served, body: bytes) -> None:
    assert served.ask("POST", NOBODYS, body, JSON).status == 401


# --- what a body may be


def _limits(app: FastAPI) -> dict[str, int]:
    """The most bytes of a body by address, of every route that takes one."""
    contexts = iter_route_contexts(app.routes)
    reading = [of for of in contexts if isinstance(of.original_route, Route) and "POST" in (of.methods or ())]
    return {_filled(str(of.path)): of.original_route.most for of in reading if isinstance(of.original_route, Route)}


async def test_every_route_that_takes_a_body_has_a_limit(app: FastAPI) -> None:
    limits = _limits(app)
    assert limits.keys() == set(_paths(app, "POST"))
    assert {path for path, most in limits.items() if most > 64 * KB} == {FILED}
    assert limits[FILED] <= MOST_FILE + 4 * KB


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_body_beyond_the_limit_of_its_route_is_refused(
    app: FastAPI, client: httpx.AsyncClient, in_pieces: bool
) -> None:
    async def pieces(begin: bytes, most: int) -> AsyncIterator[bytes]:
        yield begin
        for _ in range(most // KB):
            yield b"a" * KB

    for path, most in _limits(app).items():
        begin = FILE_BEGINS if path == FILED else b"reason="
        content = pieces(begin, most) if in_pieces else begin + b"a" * most
        headers = JSON if path.startswith("/api/") else FILE_FORM if path == FILED else FORM
        answer = await client.post(path, content=content, headers=headers)
        assert (answer.status_code, str(most) in answer.text) == (413, True), path


async def test_the_longest_reason_fits_in_any_spelling(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    lead = (await client.get("/api/leads")).json()["leads"][0]
    said = json.dumps({"version": lead["version"], "decision": "confirmed", "reason": "𠮷" * 2000})
    assert len(said) > 24_000
    made = await client.post(f"/api/leads/{lead['lead_id']}/decisions", content=said, headers=JSON)
    assert made.status_code == 201
    form = {"version": "2", "said": "dismissed.other", "reason": "𠮷" * 2000, "csrf": client.headers["X-CSRF-Token"]}
    form |= {"show": "all", "everything": "true"}
    assert (await client.post(f"/leads/{lead['lead_id']}/decisions", data=form)).status_code == 303


async def test_a_body_that_does_not_come_in_time_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LONGEST_BODY", 0)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    answer = await client.post(NOBODYS, content=pieces(), headers=JSON)
    assert answer.status_code == 408


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 9 + b"]" * 9, "deeper than 8"),
        (b'{"reason":' * 9 + b"1" + b"}" * 9, "deeper than 8"),
        (b'{"version": 1, "version": 2}', "twice"),
        (b"[" * 30_000, ""),
        (b'{"version": ' + b"9" * 5000 + b"}", ""),
        (b'{"version": NaN, "decision": "confirmed", "reason": "words"}', "version"),
        (b'{"version": 1, "decision": "confirmed", "reason": "\\ud800 words"}', "reason"),
        (b'{"version": 1, "decision": "confirmed", "reason": "words", "by": "me"}', "by"),
        (b"\xff\xfe\x00", ""),
    ],
    ids=range(9),
)
async def test_a_body_of_odd_json_is_refused_in_words(client: httpx.AsyncClient, body: bytes, said: str) -> None:
    answer = await client.post(NOBODYS, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert said in answer.json()["detail"]


async def test_a_form_of_many_fields_or_with_files_is_refused(client: httpx.AsyncClient) -> None:
    many = "&".join(f"a{number}=1" for number in range(1001))
    assert (await client.post("/sign-in", content=many, headers=FORM)).status_code == 400
    files = {"password": ("a.txt", b"word")}
    assert (await client.post("/sign-in", data={"login": "a"}, files=files)).status_code == 415
    coded = {"Content-Type": "multipart/form-data; charset=punycode; boundary=b"}
    assert (await client.post("/sign-in", content=b"--b--", headers=coded)).status_code == 415


# --- methods


async def test_head_is_answered_wherever_get_is(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path in [*_paths(app, "GET"), "/static/console.css", "/gone"]:
        got, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers.get("content-length") == got.headers.get("content-length"), path


def test_head_of_the_served_desk_has_no_body(served: Served) -> None:
    for path in ("/health", "/ready", "/", "/sign-in", "/static/console.css"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as there:
            there.sendall(f"HEAD {path} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: there.recv(10_000), b""))
        assert re.match(rb"HTTP/1\.1 (200|303) ", answer), path
        assert answer.endswith(b"\r\n\r\n"), path


async def test_another_method_is_refused_with_those_that_there_are(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path in {*_paths(app, "GET"), *_paths(app, "POST"), "/static/console.css"}:
        allowed = [method for method in ("GET", "POST") if path in _paths(app, method)] or ["GET"]
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            answer = await client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == {*allowed, *(["HEAD"] if "GET" in allowed else [])}


async def test_what_a_worker_serves_refuses_methods_and_words_as_the_desk_does(
    pool: asyncpg.Pool, rule_set: RuleSet
) -> None:
    app = create_metrics_app(pool, RuleSets(rule_set), None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as machine:
        for path in ("/metrics", "/health", "/ready"):
            refused = await machine.post(path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD"), path
            unknown = await machine.get(f"{path}?statee=open")
            assert (unknown.status_code, "statee" in unknown.text) == (422, True), path
            assert (await machine.head(path)).status_code == (await machine.get(path)).status_code, path


async def test_a_form_that_only_is_sent_is_not_got(client: httpx.AsyncClient) -> None:
    answer = await client.get("/sign-out")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "不接受这种请求方式" in answer.text


# --- redirects, the public address, proxies


async def test_a_slash_too_many_names_nothing_and_leads_nowhere(app: FastAPI, client: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        for path in {*_paths(app, "GET"), *_paths(app, "POST")} - {"/"}:
            answer = await client.request(method, f"{path}/", headers={"Host": "evil.example"})
            assert (answer.status_code, "location" in answer.headers) == (404, False), (method, path)


async def test_every_redirect_is_relative(app: FastAPI, visitor: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        for path in _paths(app, method):
            answer = await visitor.request(method, path, headers={"Host": "evil.example"})
            if "location" in answer.headers:
                assert re.match(r"/[^/\\]", answer.headers["location"]), path


@pytest.mark.parametrize(("source", "believed"), [("127.0.0.1", False), (PROXY, True)])
def test_a_proxy_is_believed_where_it_is_trusted(served: Served, source: str, believed: bool) -> None:
    answer = served.sign_in(source, **{"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"})
    assert answer.status == 303
    assert ("Secure" in answer.headers["set-cookie"]) is believed


@pytest.mark.parametrize("claimed", ["192.0.2.9", "198.51.100.7, 192.0.2.9"])
def test_who_tries_wrong_passwords_behind_a_proxy_is_slowed_and_nobody_else_there(served: Served, claimed: str) -> None:
    """Whatever somebody claims in front of what the proxy appended."""
    wrong = urlencode({"login": "nobody", "password": "no password of anybody"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def tried(sender: str) -> int:
        return served.ask("POST", "/sign-in", wrong, {**form, "X-Forwarded-For": sender}, PROXY).status

    senders = ThreadPoolExecutor(12)
    tries = [senders.submit(tried, claimed) for _ in range(12)]
    assert any(of.result() == HTTPStatus.TOO_MANY_REQUESTS for of in as_completed(tries))
    assert tried("192.0.2.10") == HTTPStatus.UNAUTHORIZED
    assert tried(claimed.replace("198.51.100.7", "198.51.100.8")) == HTTPStatus.TOO_MANY_REQUESTS
    senders.shutdown(wait=False, cancel_futures=True)  # the others wait in their line


async def test_the_public_address_makes_cookies_secure_and_its_forms_ours(
    app: FastAPI, visitor: httpx.AsyncClient, password: str
) -> None:
    words = {"login": "inspector", "password": password}
    origin = {"Origin": "https://desk.example"}
    assert (await visitor.post("/sign-in", data=words, headers=origin)).status_code == 403
    object.__setattr__(app.state.desk, "site", Site("https://desk.example"))
    signed = await visitor.post("/sign-in", data=words, headers=origin)
    assert signed.status_code == 303
    assert "Secure" in signed.headers["set-cookie"]
    assert signed.headers["set-cookie"].startswith("fundwatch_443=")
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert (await visitor.post("/sign-in", data=words, headers=elsewhere)).status_code == 403


def test_the_cookie_is_the_desks_own_whatever_a_neighbour_sets(served: Served) -> None:
    cookie = served.cookie()
    assert cookie.startswith(f"fundwatch_{served.port}=")
    assert "; Path=/;" in served.sign_in().headers["set-cookie"]
    for others in ("session=theirs", "fundwatch_1=theirs", "lang=xx; session=theirs"):
        headers = {"Cookie": f"{others}; {cookie}"}
        assert served.ask("GET", "/api/session", headers=headers).status == 200
    _, token = cookie.split("=")
    for name in ("session", "fundwatch_1"):
        assert served.ask("GET", "/api/session", headers={"Cookie": f"{name}={token}"}).status == 401


# --- words that nobody knows


async def test_an_unknown_parameter_is_named_wherever_it_stands(app: FastAPI, client: httpx.AsyncClient) -> None:
    asked = [of for of in iter_route_contexts(app.routes) if isinstance(of.original_route, Route)]
    assert {"/health", "/ready"} < {context.path for context in asked}
    for context in asked:
        method = "GET" if "GET" in (context.methods or ()) else "POST"
        path = _filled(str(context.path))
        answer = await client.request(method, f"{path}?statee=open")
        said = "query.statee: 不认识 / unknown" if path.startswith("/api/") else "没有执行：statee: 不认识。"
        assert (answer.status_code, said in answer.text) == (422, True), path


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("state=opened", "state"),
        ("sort=name", "sort"),
        ("topic=nothing", "topic"),
        ("severity=5", "severity"),
        ("year=20266", "year"),
        ("new=yes", "new"),
        ("after=%21", "after"),
        ("lang=fr", "lang"),
        ("state=open&state=all", "state"),
    ],
)
async def test_an_unknown_value_is_named(
    client: httpx.AsyncClient, versions: list[FindingVersion], query: str, name: str
) -> None:
    for path, said in (("/", f"没有执行：{name}: "), ("/api/leads", f"query.{name}: ")):
        answer = await client.get(f"{path}?{query}")
        assert (answer.status_code, said in answer.text) == (422, True), path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/status/dead-letters?outcome=lost", "outcome"),
        ("/status/dead-letters?state=some", "state"),
        ("/status/dead-letters?day=2026-02-30", "day"),
        ("/status/dead-letters?seq=one", "seq"),
        ("/status/reconciliation?first=yesterday", "first"),
        ("/status/reconciliation?last=2026", "last"),
        ("/status/reconciliation?full=perhaps", "full"),
        ("/status/reconciliation?page=0", "page"),
    ],
)
async def test_an_unknown_value_is_named_on_the_pages_of_operation(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, f"没有执行：{name}: " in answer.text) == (422, True)


async def test_why_a_value_is_refused_is_said_in_chinese_first(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Every parameter of every address: what the library itself says of a value is English alone."""
    refused = set()
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, Route) or "GET" not in (context.methods or ()):
            continue
        for field in (LANGUAGE, *(field.alias for field in get_flat_params(route.dependant))):
            for value in ("x" * 3000, "-1", "9" * 30, "9" * 5000, "!"):
                path = _filled(str(context.path).replace(f"{{{field}}}", quote(value)))
                stands_in_path = f"{{{field}}}" in str(context.path)
                answer = await client.get(path if stands_in_path else f"{path}?{field}={quote(value)}")
                if answer.status_code == 422:
                    refused.add(field)
                    if path.startswith("/api/"):
                        why, form = answer.json()["detail"], rf"(query|path)\.{field}: [\u4e00-\u9fff]+[^.]* / "
                    else:
                        why, form = html.unescape(answer.text), rf"没有执行：{field}: [\u4e00-\u9fff]+"
                    assert re.search(form, why), (path, field, why)
                    assert "值无效" not in why, (path, field, why)
    assert refused >= {"lang", "state", "sort", "topic", "severity", "year", "after", "page", "kept", "outcome", "day"}
    assert refused >= {"reason", "source", "seq", "before", "first", "last", "full", "number", "partition", "offset"}


async def test_what_pages_and_scripts_send_is_known(client: httpx.AsyncClient, versions: list[FindingVersion]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "queue", "HX-Current-URL": "http://desk/"}
    for query in ("", "?institution=&topic=&year=&severity=&state=open&sort=severity&lang=en"):
        answer = await client.get(f"/{query}", headers=headers)
        assert (answer.status_code, "HX-Redirect" in answer.headers) == (200, False)


def test_every_caller_but_the_public_is_met_first(app: FastAPI) -> None:
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context.original_route, "dependant", None)
        if dependant is not None and any(isinstance(of.call, May) for of in dependant.dependencies):
            assert isinstance(context.original_route, Route), context.path
