"""Importing: a simulated county from a file over the PostgreSQL bus into the store, judged, in claims a second."""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.results import Measured, Reporter, Result, measure_interleaved
from deploy.county import CountyPlan, write_county
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.stations import create_topics
from streams.hosts.worker import Worker
from streams.importers.jsonl import read_messages
from streams.importers.sending import send_messages
from streams.messages.vault import Vault
from streams.store.migrations import migrate
from streams.store.sessions import connect, open_pool
from streams.topics import CLAIMS, JUDGES

_PLAN = CountyPlan(scale=1 / 235)
_SPEED_AIM = 3_000.0
_SHARE_AIM = 80.0
_IDLE_WAIT = 0.2


class _Seconds(msgspec.Struct, frozen=True):
    """How long the parts of one import took."""

    send: float
    handle: float


def run() -> list[Result]:
    """A county of about 20,000 claims, each run into a database of its own."""
    rule_set = load_rule_set(load_facts())
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name:
        folder = Path(name)
        claims = folder / "claims.jsonl"
        messages = write_county(_PLAN, claims, folder / "truth.jsonl")
        with start_postgres(folder / "postgres") as server:
            asyncio.run(migrate(server.dsn))
            contenders = {
                "judged": lambda: asyncio.run(_import(server, claims, rule_set, judging=True)),
                "stored": lambda: asyncio.run(_import(server, claims, rule_set, judging=False)),
            }
            speeds = _speeds(measure_interleaved(contenders), messages)
            size = claims.stat().st_size // messages
    return _results(Reporter("importing", speeds), messages, size)


def _speeds(measured: Mapping[str, Sequence[_Seconds]], messages: int) -> Measured:
    """Messages a second of each import and of its parts; what judging leaves of the speed is taken run by run."""
    speeds: dict[str, list[float]] = {}
    for name, runs in measured.items():
        speeds[f"{name} send"] = [messages / run.send for run in runs]
        speeds[f"{name} handle"] = [messages / run.handle for run in runs]
        speeds[f"{name} both"] = [messages / (run.send + run.handle) for run in runs]
    pairs = zip(measured["judged"], measured["stored"], strict=True)
    speeds["share"] = [100 * stored.handle / judged.handle for judged, stored in pairs]
    return speeds


def _results(report: Reporter, messages: int, size: int) -> list[Result]:
    unit = "claims/s"
    unjudged = "the same transactions without judging"
    return [
        report.result(
            f"import {messages:,} messages of {size:,} bytes: send, then handle",
            "judged both",
            unit,
            "more",
            aim=_SPEED_AIM,
            floor=("stored both", unjudged),
        ),
        report.result("of that: send to the PostgreSQL bus", "judged send", unit, "more"),
        report.result("of that: handle", "judged handle", unit, "more", floor=("stored handle", unjudged)),
        report.result("speed of handling that judging leaves", "share", "%", "more", aim=_SHARE_AIM),
    ]


async def _import(server: EmbeddedPostgres, claims: Path, rule_set: RuleSet, judging: bool) -> _Seconds:
    """One import into a copy of the migrated database, which is dropped afterwards."""
    admin = await connect(server.dsn_of("postgres"))
    try:
        await admin.execute("create database imported template fundwatch")
        await admin.execute("checkpoint")
        return await _send_and_handle(server.dsn_of("imported"), claims, rule_set, judging)
    finally:
        await admin.execute("drop database if exists imported")
        await admin.close()


async def _send_and_handle(dsn: str, claims: Path, rule_set: RuleSet, judging: bool) -> _Seconds:
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        start = time.perf_counter()
        bodies = (message.raw for message in read_messages(claims))
        sent = [so_far async for so_far in send_messages(pool, bus, "county", "county", bodies)][-1]
        between = time.perf_counter()
        worker = Worker(lambda: connect(dsn), EventsHandler(RuleSets(rule_set), Vault(b"bench"), judging))
        consumer = await bus.consumer(JUDGES, CLAIMS, "bench", await worker.open())
        await worker.run(consumer, asyncio.Event(), until_idle=True)
        end = time.perf_counter() - _IDLE_WAIT
        await consumer.close()
        await worker.close()
    if worker.records != sent:
        raise RuntimeError(f"{sent} messages were sent and {worker.records} handled")
    return _Seconds(between - start, end - between)
