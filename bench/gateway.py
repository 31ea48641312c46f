"""The gateway: what a hospital waits for, from the bytes of a 3101 with twenty orders to the bytes of its answer.

Everything is on: fields checked, history and earlier orders read from PostgreSQL, all rules and points, the journal on
disk before the answer. One process answers one, sixteen or sixty-four callers at once, by ASGI without sockets; the
database works on the same cores. The peer is an endpoint of FastAPI that reads the same body into pydantic models and
does nothing; the floor is the message checked and made into events.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop
from fastapi import FastAPI
from msgspec.structs import replace
from pydantic import BaseModel, create_model

from api.hospital.checking import check_message
from api.hospital.dialect import NATIONAL, Dialect, load_dialects
from api.hospital.gateway import Gateway, Limits
from api.hospital.keys import Keys
from api.hospital.rates import Rates
from api.hospital.requests import requests_of
from api.hospital.server import HospitalServer
from api.hospital.sessions import Sessions
from api.hospital.tables import Node
from bench.histories import prepared
from bench.hospital_messages import ORDERS, messages_of
from bench.results import Reporter, Result, measure_interleaved
from bench.samples import moved, people_with_history
from deploy.embedded.postgres import start_postgres
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.events.claims import Claim
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.hosts.garbage import collector_kept_off
from streams.journal.journal import open_journal
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.vault import Vault
from streams.store.migrations import migrate
from streams.store.sessions import open_asking_pool

NOW = datetime(2026, 6, 30, 2, tzinfo=UTC)
_CALLS = {1: 400, 16: 1_600, 64: 1_600}
_HISTORIES = {"5": "5 earlier claims", "60": "60 earlier claims, one a day"}
_AIMS = {1: (2.0, 10.0), 16: (None, 50.0), 64: (None, None)}
_PSEUDONYMS = Pseudonyms(b"a key for measuring, no secret")
_FORGETFUL = Limits(budget=30.0, kept_for=0.0)
"""Remembers nobody: each call is one about a patient with a history and no orders of a moment ago."""

App = Callable[[Any, Any, Any], Any]
Figures = Mapping[str, float]


def run() -> list[Result]:
    """Milliseconds an answer, half of all and 99 of a hundred, and answers a second, by how many ask at once."""
    rule_set, dialect = load_rule_set(load_facts()), load_dialects()[NATIONAL]
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(migrate(server.dsn))
        contenders: dict[str, Callable[[], Figures]] = {}
        for history in _HISTORIES:
            people = [_asked_now(claims) for claims in people_with_history(40, int(history))]
            past = [replace(of, patient=_PSEUDONYMS.of(of.patient)) for claims in people for of in claims[:-1]]
            database = server.dsn_of(asyncio.run(prepared(server, rule_set, past)))
            bodies = list(
                islice(_in_turn([messages_of(dialect, claims, NOW) for claims in people]), max(_CALLS.values()))
            )
            for callers, calls in _CALLS.items():
                contenders[f"{history} {callers}"] = _answering(database, rule_set, dialect, bodies[:calls], callers)
            contenders[f"{history} floor"] = _checking(dialect, bodies[: _CALLS[1]])
            contenders[f"{history} peer"] = _parsing(dialect, bodies[: _CALLS[1]])
        measured = measure_interleaved(contenders)
    figures = {f"{of} {cut}": [run[cut] for run in runs] for of, runs in measured.items() for cut in runs[0]}
    return [*_results(Reporter("gateway", figures))]


def _results(report: Reporter) -> Iterator[Result]:
    for history, told in _HISTORIES.items():
        for callers in _CALLS:
            job = f"3101 with {ORDERS} orders, {told}, {callers} at once"
            rate_aim = 400 if callers == 16 else None
            yield report.result(f"{job}, rate", f"{history} {callers} rate", "answers/s", "more", aim=rate_aim)
            for cut, aim in zip(("p50", "p99"), _AIMS[callers], strict=True):
                yield report.result(
                    f"{job}, {cut}",
                    f"{history} {callers} {cut}",
                    "ms",
                    "less",
                    aim=aim,
                    floor=(f"{history} floor {cut}", "the message checked and made into events, one after the other"),
                    peer=(f"{history} peer {cut}", "FastAPI reads the body into pydantic models, one after the other"),
                )


def _asked_now(claims: Sequence[Claim]) -> list[Claim]:
    """A person's claims moved by whole days so that the newest was settled on the day of now."""
    days = NOW.date() - as_date(max(claim.settled_at.toordinal() for claim in claims))
    return [moved(claim, days, claim.patient, f"{claim.claim_id}-moved") for claim in claims]


def _in_turn(each: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    return (next(messages) for messages in cycle(each))


def _answering(
    database: str, rule_set: RuleSet, dialect: Dialect, bodies: Sequence[bytes], callers: int
) -> Callable[[], Figures]:
    async def measure() -> Figures:
        with tempfile.TemporaryDirectory(prefix=".journal-", dir=Path(__file__).parent) as folder:
            async with open_asking_pool(database) as pool, open_journal(Path(folder) / "journal") as journal:
                vault = Vault(b"a key for measuring, no secret")
                gateway = Gateway(pool, rule_set, journal, _PSEUDONYMS, vault, _FORGETFUL, lambda: NOW)
                keys = Keys("none", dialect, Sessions(vault, (), timedelta(hours=1)))
                server = HospitalServer(gateway, dialect, keys, Rates(1e9), lambda: True)
                return await _asking(server, "/3101", bodies, callers)

    return lambda: uvloop.run(measure())


def _checking(dialect: Dialect, bodies: Sequence[bytes]) -> Callable[[], Figures]:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        checked = check_message((await receive())["body"], dialect)
        assert requests_of(checked.values, NOW, _PSEUDONYMS)
        await send({"type": "http.response.start", "status": 200})

    return lambda: uvloop.run(_asking(app, "/3101", bodies, 1))


def _parsing(dialect: Dialect, bodies: Sequence[bytes]) -> Callable[[], Figures]:
    model = _model_of("Message", dialect.messages["3101"].request)
    app = FastAPI()

    async def take(message: model) -> dict[str, int]:  # type: ignore[valid-type]
        return {"infcode": 0}

    app.post("/3101")(take)
    return lambda: uvloop.run(_asking(app, "/3101", bodies, 1))


def _model_of(name: str, node: Node) -> type[BaseModel]:
    """A pydantic model of what a message of the tables holds, every field a text or absent."""
    fields: dict[str, Any] = {field.spelled[0]: (str | None, None) for field in node.fields}
    for inside in node.nodes:
        if not inside.unread:
            of = _model_of(f"{name}{inside.name}", inside)
            fields[inside.spelled[0]] = (list[of] if inside.many else of, ...)  # type: ignore[valid-type]
    model: type[BaseModel] = create_model(name, **fields)
    return model


async def _asking(app: App, path: str, bodies: Sequence[bytes], callers: int) -> Figures:
    """So many callers share some messages; the first of all warms up and is not counted."""
    times: list[float] = []
    waiting = iter(bodies[1:])
    await _call(app, path, bodies[0])

    async def caller() -> None:
        for body in waiting:
            began = time.perf_counter()
            await _call(app, path, body)
            times.append(time.perf_counter() - began)

    with collector_kept_off() as collect:
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds = time.perf_counter() - began
        collect()
    cuts = quantiles(times, n=100)
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000, "rate": len(times) / seconds}


async def _call(app: App, path: str, body: bytes) -> None:
    """One request to an ASGI application. Raises ``RuntimeError`` where it is not taken."""
    status: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "client": None,
    }  # fmt: skip
    await app(scope, receive, send)
    if status != [200]:
        raise RuntimeError(f"answered {status}")
