"""Answers: what one patient's history and twenty orders that are not stored cost, from bytes to bytes.

The orders come as JSON, the history is read from the store, both are judged together by all rules, and what is found is
written as JSON. One caller, one session, no HTTP: what is left for the house of a prescription's answer.
"""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles

import msgspec
from msgspec.structs import replace

from bench.histories import prepared
from bench.results import Reporter, Result, measure_interleaved
from bench.samples import people_with_history
from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.subjects import PATIENT
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.reading import asked_about, find_with, near_days
from streams.hosts.garbage import collector_kept_off
from streams.messages.codec import decode_event, encode_event
from streams.messages.kinds import digest_of
from streams.store.events import histories, persons
from streams.store.migrations import migrate
from streams.store.sessions import Connection, connect

_ORDERS = 20
_COUNTY = CountyPlan(scale=1 / 350)
_AIMS = {"county": (0.5, 2.0), "60": (1.0, 3.0), "600": (1.5, 5.0)}
_CALLS = {"county": 4_000, "60": 1_000, "600": 400}
_NAMES = {
    "county": "histories of the simulated county",
    "60": "60 earlier claims, one a day",
    "600": "600 earlier claims, one a day",
}

Call = Callable[[Connection, bytes], Awaitable[object]]


def run() -> list[Result]:
    """Milliseconds a call, half of all and 99 of a hundred, for the county's histories and for long ones."""
    rule_set = load_rule_set(load_facts())
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(migrate(server.dsn))
        contenders: dict[str, Callable[[], Mapping[str, float]]] = {}
        for history, people in _people().items():
            past = [claim for claims in people for claim in claims[:-1]]
            database = asyncio.run(prepared(server, rule_set, past))
            bodies = list(islice(cycle([encode_event(_orders(claims)) for claims in people]), _CALLS[history]))
            for job, call in (("answer", _answering(rule_set)), ("read", _reading), ("two reads", _reading_twice)):
                contenders[f"{history} {job}"] = _timed(server, database, call, bodies)
        measured = measure_interleaved(contenders)
    figures = {f"{name} {cut}": [run[cut] for run in runs] for name, runs in measured.items() for cut in runs[0]}
    report = Reporter("answers", figures)
    return [
        report.result(
            f"{_ORDERS} orders judged with {_NAMES[history]}, {cut}",
            f"{history} answer {cut}",
            "ms a call",
            "less",
            aim=_AIMS[history][number],
            floor=(f"{history} read {cut}", "the history read in one statement and not judged"),
            peer=(f"{history} two reads {cut}", "persons and events read one after the other, as a batch does"),
        )
        for history in _NAMES
        for number, cut in enumerate(("p50", "p99"))
    ]


def _people() -> dict[str, list[list[Claim]]]:
    """People's claims, in order of settlement; the last one's time is that of the orders."""
    county: dict[str, list[Claim]] = defaultdict(list)
    for event in simulate(_COUNTY):
        if isinstance(event, Claim):
            county[event.patient].append(event)
    return {
        "county": list(county.values()),
        "60": people_with_history(40, 60),
        "600": people_with_history(10, 600),
    }


def _orders(claims: Sequence[Claim]) -> Claim:
    """Twenty orders at the time of the last claim, with items that the person was given before."""
    newest = claims[-1]
    lines = islice(cycle([line for claim in reversed(claims) for line in claim.lines]), _ORDERS)
    moved = tuple(replace(line, line_id=f"o{n}", at=newest.lines[0].at, refund_of=None) for n, line in enumerate(lines))
    return replace(newest, event_id="orders", claim_id="orders", lines=moved, reverses=None, corrects=None)


def _timed(
    server: EmbeddedPostgres, database: str, call: Call, bodies: Sequence[bytes]
) -> Callable[[], Mapping[str, float]]:
    """A contender: calls one after the other, each timed in milliseconds."""

    async def measure() -> Mapping[str, float]:
        connection = await connect(server.dsn_of(database))
        await call(connection, bodies[0])
        times = []
        with collector_kept_off() as collect:
            for body in bodies:
                began = time.perf_counter()
                await call(connection, body)
                times.append((time.perf_counter() - began) * 1000)
                collect()
        await connection.close()
        cuts = quantiles(times, n=100)
        return {"p50": cuts[49], "p99": cuts[98]}

    return lambda: asyncio.run(measure())


def _answering(rule_set: RuleSet) -> Call:
    rules = rule_set.of(PATIENT)

    async def answer(connection: Connection, body: bytes) -> bytes:
        event = _claim(body)
        window, digests, _ = await find_with(connection, asked_about(event), rules)
        history = PatientHistory(window.matter.subject, [digests[seq] for seq in window.seqs], rules.by_code)
        judgement = judge(history, window.scope, rules, window.supplement, chains=window.chains)
        return msgspec.json.encode([(of.maker_id, of.occurrence, of.evidence) for of in judgement.findings])

    return answer


async def _reading(connection: Connection, body: bytes) -> object:
    event = _claim(body)
    digest = digest_of(event)
    return await histories.read_person(connection, event.area, event.patient, near_days([digest]), digest.links)


async def _reading_twice(connection: Connection, body: bytes) -> object:
    event = _claim(body)
    digest = digest_of(event)
    members = await persons.find_persons(connection, event.area, [event.patient])
    near = dict.fromkeys((name for together in members.values() for name in together), near_days([digest]))
    return await histories.find_events(connection, event.area, near)


def _claim(body: bytes) -> Claim:
    event = decode_event(body)
    assert isinstance(event, Claim)
    return event
