"""The gateway: what a hospital waits for, from the bytes of a 3101 with twenty orders to the bytes of its answer.

Everything is on: fields checked, history and earlier orders read from PostgreSQL, all rules and points, the journal on
disk before the answer. One process answers one, sixteen or sixty-four callers at once, by ASGI without sockets; the
database works on the same cores. The peer is an endpoint of FastAPI that reads the same body into pydantic models and
does nothing; the floor is the message checked and made into events.

Then one caller without the journal, and a steady rate beside a worker process that takes claims in: there nobody waits
for the answer before, and an answer took as long as it came after its request was due.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec
import psutil
import uvloop
from fastapi import FastAPI
from msgspec.structs import replace
from pydantic import BaseModel, create_model

from api.hospital.checking import check_message
from api.hospital.dialect import NATIONAL, Dialect, load_dialects
from api.hospital.gateway import Gateway, Keeper, Limits
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
from bench.station import new_station, offsets, until_shared_out
from bench.streams import message_of, written_shortly
from deploy.commands.services import BEHIND_ANSWERS
from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from deploy.runtime import end_child
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.events.claims import Claim
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.asking import rehearse
from streams.hosts.garbage import collector_kept_off
from streams.jobs.sending_journal import run_sending_journal
from streams.journal.journal import Journal, open_journal
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.vault import Vault
from streams.store.migrations import migrate
from streams.store.sessions import connect, open_asking_pool

NOW = datetime(2026, 6, 30, 2, tzinfo=UTC)
_CALLS = {1: 400, 16: 1_600, 64: 1_600}
_HISTORIES = {"5": "5 earlier claims", "60": "60 earlier claims, one a day"}
_AIMS = {1: (None, None), 16: (None, 50.0), 64: (None, None)}
_AIMS_UNKEPT = (2.0, 10.0)
_ASKED_A_SECOND, _CLAIMS_A_SECOND, _SECONDS, _UNCOUNTED = 200, 2_000, 9, 1
"""Of the seconds the first is not counted: everything beside starts in it."""
_AIMS_BESIDE = (None, 100.0)
_COUNTY = CountyPlan(scale=1 / 420)
"""It has more claims than are sent in that time."""
_PSEUDONYMS = Pseudonyms(b"a key for measuring, no secret")
_CUTS = ("p50", "p99")
_FORGETFUL = Limits(budget=30.0, kept_for=0.0)
"""Remembers nobody: each call is one about a patient with a history and no orders of a moment ago."""

App = Callable[[Any, Any, Any], Any]
Figures = Mapping[str, float]


def run() -> list[Result]:
    """Milliseconds an answer, half of all and 99 of a hundred, answers a second, and processor time."""
    rule_set, dialect = load_rule_set(load_facts()), load_dialects()[NATIONAL]
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(migrate(server.dsn))
        process = asyncio.run(_process_of(server.dsn))
        contenders: dict[str, Callable[[], Figures]] = {}
        contenders["beside"] = _beside(server, Path(name), rule_set, dialect)
        for history in _HISTORIES:
            people = [_asked_now(claims) for claims in people_with_history(40, int(history))]
            template = asyncio.run(prepared(server, rule_set, _past(people)))
            database = server.dsn_of(template)
            bodies = list(
                islice(_in_turn([messages_of(dialect, claims, NOW) for claims in people]), max(_CALLS.values()))
            )
            for callers, calls in _CALLS.items():
                opened = partial(_opened, database, rule_set, dialect)
                contenders[f"{history} {callers}"] = _answering(opened, process, bodies[:calls], callers)
            opened = partial(_opened, database, rule_set, dialect, is_kept=False)
            contenders[f"{history} unkept"] = _answering(opened, process, bodies[: _CALLS[1]], 1)
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
            for cut, aim in zip(_CUTS, _AIMS[callers], strict=True):
                yield _beside_floor(report, f"{job}, {cut}", history, f"{callers}", cut, aim)
            yield _beside_floor(report, f"{job}, processor time of the gateway", history, f"{callers}", "cpu")
            of_database = f"{history} {callers} database"
            yield report.result(f"{job}, processor time of the database", of_database, "ms", "less")
        for cut, aim in zip(_CUTS, _AIMS_UNKEPT, strict=True):
            job = f"3101 with {ORDERS} orders, {told}, 1 at once, without the journal"
            yield _beside_floor(report, f"{job}, {cut}", history, "unkept", cut, aim)
    job = f"3101 with {ORDERS} orders, {_ASKED_A_SECOND} a second, with {_CLAIMS_A_SECOND:,} claims/s taken in beside"
    for cut, aim in zip(_CUTS, _AIMS_BESIDE, strict=True):
        yield report.result(f"{job}, {cut}", f"beside {cut}", "ms", "less", aim=aim)
    yield report.result(f"{job}, claims judged", "beside claims", "claims/s", "more", aim=_CLAIMS_A_SECOND)


def _beside_floor(
    report: Reporter, job: str, history: str, contender: str, figure: str, aim: float | None = None
) -> Result:
    floor = f"{history} floor {figure}", "the message checked and made into events, one after the other"
    peer = f"{history} peer {figure}", "FastAPI reads the body into pydantic models, one after the other"
    return report.result(job, f"{history} {contender} {figure}", "ms", "less", aim=aim, floor=floor, peer=peer)


def _asked_now(claims: Sequence[Claim]) -> list[Claim]:
    """A person's claims moved by whole days so that the newest was settled on the day of now."""
    days = NOW.date() - as_date(max(claim.settled_at.toordinal() for claim in claims))
    return [moved(claim, days, claim.patient, f"{claim.claim_id}-moved") for claim in claims]


def _past(people: Sequence[Sequence[Claim]]) -> list[Claim]:
    """What is stored of people before they are asked about."""
    return [replace(of, patient=_PSEUDONYMS.of(of.patient)) for claims in people for of in claims[:-1]]


def _in_turn(each: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    return (next(messages) for messages in cycle(each))


class _Nothing:
    """In place of a journal."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Keeps nothing."""


Opened = Callable[[], AbstractAsyncContextManager[tuple[HospitalServer, Journal]]]


@asynccontextmanager
async def _opened(
    database: str, rule_set: RuleSet, dialect: Dialect, is_kept: bool = True
) -> AsyncIterator[tuple[HospitalServer, Journal]]:
    """A gateway of its own on a database, and its journal."""
    with tempfile.TemporaryDirectory(prefix=".journal-", dir=Path(__file__).parent) as folder:
        async with (
            open_asking_pool(database, rehearse=rehearse) as pool,
            open_journal(Path(folder) / "journal") as journal,
        ):
            keeper: Keeper = journal if is_kept else _Nothing()
            vault = Vault(b"a key for measuring, no secret")
            gateway = Gateway(pool, rule_set, keeper, _PSEUDONYMS, vault, _FORGETFUL, lambda: NOW)
            keys = Keys("none", dialect, Sessions(vault, (), timedelta(hours=1)))
            yield HospitalServer(gateway, dialect, keys, Rates(1e9), lambda: True), journal


def _answering(opened: Opened, process: psutil.Process, bodies: Sequence[bytes], callers: int) -> Callable[[], Figures]:
    async def measure() -> Figures:
        async with opened() as (app, _):
            before = _seconds_of(process)
            figures = await _asking(app, "/3101", bodies, callers)
            return {**figures, "database": (_seconds_of(process) - before) * 1000 / len(bodies)}

    return lambda: uvloop.run(measure())


async def _process_of(database: str) -> psutil.Process:
    """The process of a database whose children are its sessions."""
    connection = await connect(database)
    process = psutil.Process(connection.get_server_pid()).parent()
    await connection.close()
    assert process is not None
    return process


def _seconds_of(database: psutil.Process) -> float:
    """The processor time that the processes of a database took so far which live, in steps of 10 ms."""
    seconds = 0.0
    for process in database.children():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def _save_claims(path: Path) -> Path:
    """Writes claims for ``bench.sending``, without the fields that say nothing."""
    events = islice(simulate(_COUNTY), _CLAIMS_A_SECOND * _SECONDS)
    path.write_bytes(msgspec.msgpack.encode([written_shortly(message_of(event)) for event in events]))
    return path


def _beside(server: EmbeddedPostgres, folder: Path, rule_set: RuleSet, dialect: Dialect) -> Callable[[], Figures]:
    """A contender: requests at a steady rate, each of another patient, what is answered sent on, one worker that gives
    way as ``fundwatch up`` has it, and claims from another process."""
    people = [_asked_now(claims) for claims in people_with_history(_ASKED_A_SECOND * _SECONDS + 1, 5)]
    template = asyncio.run(prepared(server, rule_set, _past(people)))
    claims = _save_claims(folder / "claims")
    bodies = [next(messages_of(dialect, claims, NOW)) for claims in people]

    async def measure() -> Figures:
        stop = asyncio.Event()
        async with (
            new_station(server, folder, None, template) as station,
            station.open() as (bus, pool),
            _opened(station.dsn, rule_set, dialect) as (app, journal),
        ):
            with station.workers(1, BEHIND_ANSWERS):
                await until_shared_out(pool, 1)
                await _call(app, "/3101", bodies[0])
                passing_on = asyncio.create_task(run_sending_journal(journal, bus, stop))
                command = [sys.executable, "-m", "bench.sending", station.dsn, str(claims), str(_CLAIMS_A_SECOND)]
                sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                try:
                    assert sender.stdin is not None
                    assert sender.stdout is not None
                    await asyncio.to_thread(sender.stdout.readline)
                    sender.stdin.close()
                    figures = await _asking_steadily(app, bodies[1:])
                    taken = sum((await offsets(pool)).values())
                    return {**figures, "claims": taken / _SECONDS}
                finally:
                    stop.set()
                    await passing_on
                    end_child(sender)

    return lambda: uvloop.run(measure())


async def _asking_steadily(app: App, bodies: Sequence[bytes]) -> Figures:
    """Requests that come when they are due, however many are being answered."""
    times: list[float] = []
    began = time.perf_counter()

    async def ask(number: int, body: bytes) -> None:
        due = began + number / _ASKED_A_SECOND
        await asyncio.sleep(due - time.perf_counter())
        await _call(app, "/3101", body)
        if number >= _ASKED_A_SECOND * _UNCOUNTED:
            times.append(time.perf_counter() - due)

    with collector_kept_off() as collect:
        await asyncio.gather(*(ask(number, body) for number, body in enumerate(bodies)))
        collect()
    return _cuts(times)


def _cuts(times: Sequence[float]) -> Figures:
    cuts = quantiles(times, n=100)
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}


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
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        collect()
    return {**_cuts(times), "rate": len(times) / seconds, "cpu": spent * 1000 / len(times)}


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
