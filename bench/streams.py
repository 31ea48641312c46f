"""Streams: whole worker processes over each bus, from sending to stored findings, in claims a second.

Broker, database and workers share the machine. Also latency at half load and the memory of a worker.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.results import Measured, Reporter, Result, measure_interleaved
from bench.station import new_station, offsets, speed, until_shared_out
from deploy.county import CountyPlan, simulate
from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from knowledge_base.events.head import Event
from streams.bus import Bus, Message, partition_of
from streams.messages.codec import encode_event
from streams.store.migrations import migrate
from streams.store.sessions import Pool
from streams.topics import CLAIMS, TOPICS

_COUNTY = CountyPlan(scale=1 / 350)
_AIMS = {("postgres", 1): 5_000.0, ("postgres", 2): 8_000.0, ("kafka", 1): 3_500.0, ("kafka", 2): 5_600.0}
_LATENCY_SECONDS = 8.0
_HALF_LOAD = 1_500
"""Claims a second while latency is measured: half of what one worker was seen to do."""
_TICK = 0.02
_WARM = 200
_BUSES = {"postgres": "PostgreSQL bus", "kafka": "Kafka"}


def run() -> list[Result]:
    """Each bus with one worker and two, and latency and memory beside them."""
    messages = [written_shortly(message_of(event)) for event in simulate(_COUNTY)]
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name:
        folder = Path(name)
        with start_postgres(folder / "postgres") as server, start_kafka(folder / "kafka") as kafka:
            asyncio.run(migrate(server.dsn))
            contenders: dict[str, Callable[[], Mapping[str, float]]] = {}
            for bus, broker in (("postgres", None), ("kafka", kafka)):
                for workers in (1, 2):
                    contenders[f"{bus} {workers}"] = _speeding(server, folder, broker, messages, workers)
                contenders[f"{bus} latency"] = _waiting(server, folder, broker, messages)
            measured = measure_interleaved(contenders)
    figures = {
        f"{name} {figure}": [run[figure] for run in runs] for name, runs in measured.items() for figure in runs[0]
    }
    return _results(Reporter("streams", _with_ratios(figures)), messages)


def message_of(event: Event) -> Message:
    """An event as it is sent."""
    return Message(f"{event.area}/{event.patient}".encode(), encode_event(event), "bench")


def written_shortly(message: Message) -> Message:
    """A message as a hospital may write it: without fields that say nothing."""
    short = _what_is_said(json.loads(message.value or b""))
    return Message(message.key, json.dumps(short, ensure_ascii=False, separators=(",", ":")).encode(), message.source)


def _what_is_said(part: Any) -> Any:
    if isinstance(part, list):
        return [_what_is_said(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {name: _what_is_said(value) for name, value in part.items() if value not in (None, False, [])}


def _speeding(
    server: EmbeddedPostgres, folder: Path, kafka: EmbeddedKafka | None, messages: Sequence[Message], workers: int
) -> Callable[[], Mapping[str, float]]:
    """A contender: so many worker processes, and messages sent as fast as the bus takes them."""

    async def measure() -> Mapping[str, float]:
        async with new_station(server, folder, kafka) as station, station.open() as (bus, pool):
            with station.workers(workers) as processes:
                await until_shared_out(pool, workers)
                claims_a_second = await speed(bus, pool, messages)
                memory = max(process.memory_info().rss for process in processes) / 2**20
        return {"speed": claims_a_second, "memory": memory}

    return lambda: asyncio.run(measure())


def _waiting(
    server: EmbeddedPostgres, folder: Path, kafka: EmbeddedKafka | None, messages: Sequence[Message]
) -> Callable[[], Mapping[str, float]]:
    """A contender: messages that come at half load, each timed from its sending until its judgement is stored."""

    async def measure() -> Mapping[str, float]:
        async with new_station(server, folder, kafka) as station, station.open() as (bus, pool):
            with station.workers(1):
                line = _Line(bus, pool)
                await line.send(messages[:_WARM])
                await line.wait()
                line.waits.clear()
                watching = asyncio.create_task(line.wait(until=_WARM + int(_LATENCY_SECONDS * _HALF_LOAD)))
                await line.send_steadily(messages[_WARM:])
                await watching
        cuts = quantiles(line.waits, n=100)
        return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}

    return lambda: asyncio.run(measure())


class _Line:
    """Messages on their way: when each was sent, and the seconds until the judges' offset passed it."""

    def __init__(self, bus: Bus, pool: Pool):
        self._bus = bus
        self._pool = pool
        self._sent: dict[int, list[float]] = {partition: [] for partition in range(TOPICS[CLAIMS].partitions)}
        self._passed: dict[int, int] = dict.fromkeys(self._sent, 0)
        self.waits: list[float] = []

    async def send(self, messages: Sequence[Message]) -> None:
        now = time.perf_counter()
        for message in messages:
            self._sent[partition_of(message.key, len(self._sent))].append(now)
        await self._bus.send(CLAIMS, messages)

    async def send_steadily(self, messages: Sequence[Message]) -> None:
        """At half load, however long a sending takes."""
        together = int(_HALF_LOAD * _TICK)
        began = time.perf_counter()
        for number in range(int(_LATENCY_SECONDS / _TICK)):
            await asyncio.sleep(max(0.0, began + number * _TICK - time.perf_counter()))
            await self.send(messages[number * together : (number + 1) * together])

    async def wait(self, until: int = 0) -> None:
        """Until all that was sent, and so many messages in all, are judged."""
        while sum(self._passed.values()) < max(until, sum(map(len, self._sent.values()))):
            await asyncio.sleep(0.003)
            reached, now = await offsets(self._pool), time.perf_counter()
            for partition, end in reached.items():
                self.waits += [now - sent for sent in self._sent[partition][self._passed[partition] : end]]
                self._passed[partition] = end


def _with_ratios(figures: dict[str, list[float]]) -> Measured:
    """And what share of its speed on the PostgreSQL bus so many workers keep on Kafka, run by run."""
    shares = {
        f"share {workers}": [
            100 * kafka / postgres
            for kafka, postgres in zip(
                figures[f"kafka {workers} speed"], figures[f"postgres {workers} speed"], strict=True
            )
        ]
        for workers in (1, 2)
    }
    return figures | shares


def _results(report: Reporter, messages: Sequence[Message]) -> list[Result]:
    results = []
    size = sum(len(message.value or b"") for message in messages) // len(messages)
    for bus, name in _BUSES.items():
        for workers in (1, 2):
            job = f"{name}, {_workers(workers)}, claims of 13 lines and {size:,} bytes"
            results.append(report.result(job, f"{bus} {workers} speed", "claims/s", "more", aim=_AIMS[bus, workers]))
    for workers in (1, 2):
        job = f"speed that Kafka keeps, {_workers(workers)}"
        results.append(report.result(job, f"share {workers}", "%", "more", aim=70.0))
    for bus, name in _BUSES.items():
        for cut, aim in (("p50", 100.0), ("p99", 500.0)):
            job = f"{name}, {_HALF_LOAD:,} claims/s: from sending to stored, {cut}"
            results.append(report.result(job, f"{bus} latency {cut}", "ms", "less", aim=aim))
        results.append(report.result(f"memory of a worker, {name}", f"{bus} 1 memory", "MiB", "less", aim=300.0))
    return results


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
