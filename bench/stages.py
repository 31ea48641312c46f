"""Stages: where the processor time of a claim goes in one worker on the PostgreSQL bus.

Functions of the path are wrapped with a clock that counts this process's processor time alone, so the figures are the
same whatever else the machine does. What the clock itself takes within a call is measured and taken off; the whole is
measured in runs of its own, without clocks.
"""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import uvloop

from bench.results import Reporter, Result, measure_interleaved
from bench.station import Station, new_station, send
from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import start_postgres
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers import judging, reading
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.worker import Worker
from streams.messages.codec import encode_event
from streams.messages.vault import Vault
from streams.pipeline import account, arrivals
from streams.store.migrations import migrate
from streams.store.sessions import connect
from streams.store.transport import log
from streams.topics import CLAIMS, JUDGES

_COUNTY = CountyPlan(scale=1 / 350)
STAGES: dict[str, list[tuple[ModuleType, str]]] = {
    "decode the message and check it": [(account, "decode_message")],
    "make the digest and encode it": [(arrivals, "digest_of"), (arrivals, "encode_digest")],
    "judge, compare with what is stored": [
        (judging, "judge_again"),
        (judging, "concerned_by"),
        (judging, "changed_by"),
    ],
    "find the windows": [(reading, "window_of"), (reading, "needs_chains"), (reading, "with_chains")],
    "unpack the log's values": [(log, "_record")],
    "decode earlier digests": [(reading, "decode_digest")],
}
_REST = "the rest: driver, event loop, rows to and from SQL"
_ALL = "a claim, all in all"


def run() -> list[Result]:
    """County claims, each run into a database of its own."""
    rule_set = load_rule_set(load_facts())
    messages = [Message(f"{e.area}/{e.patient}".encode(), encode_event(e), "bench") for e in simulate(_COUNTY)]
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(migrate(server.dsn))

        async def measure(watched: AbstractContextManager[dict[str, float]]) -> Mapping[str, float]:
            async with new_station(server, Path(name), None) as station:
                return await _work_off(station, rule_set, messages, watched)

        measured = measure_interleaved(
            {
                "whole": lambda: uvloop.run(measure(nullcontext({}))),
                "stages": lambda: uvloop.run(measure(clocks())),
            }
        )
    runs = [
        {**stages, **whole, _REST: whole[_ALL] - sum(stages[stage] for stage in STAGES)}
        for whole, stages in zip(measured["whole"], measured["stages"], strict=True)
    ]
    report = Reporter("stages", {stage: [run[stage] for run in runs] for stage in runs[0]})
    parts = [report.result(f"of that: {stage}", stage, "µs a claim", "less") for stage in (*STAGES, _REST)]
    return [report.result(_ALL, _ALL, "µs a claim", "less"), *parts]


async def _work_off(
    station: Station,
    rule_set: RuleSet,
    messages: Sequence[Message],
    watched: AbstractContextManager[dict[str, float]],
) -> Mapping[str, float]:
    """Microseconds a claim, all in all and by stage, as far as they were ``watched``."""
    async with station.open() as (bus, _):
        await send(bus, messages)
        worker = Worker(lambda: connect(station.dsn), EventsHandler(RuleSets(rule_set), Vault(b"bench")))
        consumer = await bus.consumer(JUDGES, CLAIMS, "bench", await worker.open())
        with watched as spent:
            began = time.process_time()
            await worker.run(consumer, asyncio.Event(), until_idle=True)
            whole = time.process_time() - began
        await consumer.close()
        await worker.close()
    seconds = {**spent, _ALL: whole}
    return {stage: taken * 1e6 / len(messages) for stage, taken in seconds.items()}


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Counts the seconds of processor time that each stage takes, without what the clock takes itself."""
    spent: dict[str, float] = defaultdict(float)
    own = _of_clock()
    with ExitStack() as patches:
        for stage, functions in STAGES.items():
            for module, name in functions:
                patches.enter_context(patch.object(module, name, _clocked(spent, stage, getattr(module, name), own)))
        yield spent


def _clocked(spent: dict[str, float], stage: str, works: Callable[..., object], own: float) -> Callable[..., object]:
    def work(*given: object) -> object:
        began = time.process_time()
        try:
            return works(*given)
        finally:
            spent[stage] += time.process_time() - began - own

    return work


def _of_clock(calls: int = 20_000) -> float:
    """How many seconds the clock counts of a function that does nothing."""
    spent: dict[str, float] = defaultdict(float)
    empty = _clocked(spent, "empty", lambda: None, own=0)
    for _ in range(calls):
        empty()
    return spent["empty"] / calls
