"""The journal: how many appends are durable a second, and how long one takes, with more and more appenders at once.

Each append is one message of 6 kB, as a prescription of twenty lines is. The floor writes the same bytes to a file and
syncs it each time, one after the other: beside one appender it is what cannot be left out, beside several it is what a
journal without shared fsyncs would do.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

import uvloop

from bench.results import Reporter, Result, measure_interleaved
from streams.bus import Message
from streams.hosts.garbage import collector_kept_off
from streams.journal.journal import Limits, open_journal
from streams.journal.records import FRAME_BYTES, encode_body

_TOPIC = "prescriptions"
_MESSAGE = Message(b"420281:" + b"p" * 20, os.urandom(6_000), "H42028100001")
_FRAME = os.urandom(FRAME_BYTES + len(encode_body(_TOPIC, _MESSAGE)))
_APPENDS = {1: 400, 16: 4_000, 64: 8_000}
"""Appends of a run, by how many appenders share them."""
_SYNCS = 400

Figures = Mapping[str, float]


def run() -> list[Result]:
    """Appends a second and milliseconds an append, on the disk of the checkout."""
    contenders: dict[str, Callable[[], Figures]] = {"floor": _floor}
    for appenders, appends in _APPENDS.items():
        contenders[str(appenders)] = lambda at=appenders, of=appends: uvloop.run(_appending(at, of))  # type: ignore[misc]
    measured = measure_interleaved(contenders)
    figures = {f"{name} {cut}": [run[cut] for run in runs] for name, runs in measured.items() for cut in runs[0]}
    report = Reporter("journal", figures)
    floor = "the same bytes written and synced by one, one after the other"
    results = []
    for appenders in _APPENDS:
        at = f"{appenders} at once" if appenders > 1 else "one at a time"
        job = f"append {len(_FRAME):,} bytes, {at}"
        results.append(report.result(job, f"{appenders} rate", "appends/s", "more", floor=("floor rate", floor)))
        for cut in ("p50", "p99"):
            name = f"{job}, {cut}"
            results.append(report.result(name, f"{appenders} {cut}", "ms", "less", floor=(f"floor {cut}", floor)))
    return results


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder on the disk of the checkout: the one for passing files may be memory."""
    with tempfile.TemporaryDirectory(prefix=".journal-", dir=Path(__file__).parent) as name:
        yield Path(name)


async def _appending(appenders: int, appends: int) -> Figures:
    times = list[float]()

    async def appender() -> None:
        for _ in range(appends // appenders):
            began = time.perf_counter()
            await journal.append(_TOPIC, [_MESSAGE])
            times.append(time.perf_counter() - began)

    with _folder() as folder:
        async with open_journal(folder / "journal", Limits()) as journal:
            await journal.append(_TOPIC, [_MESSAGE])
            with collector_kept_off():
                began = time.perf_counter()
                await asyncio.gather(*(appender() for _ in range(appenders)))
                return _figures(times, time.perf_counter() - began)


def _floor() -> Figures:
    times = list[float]()
    with _folder() as folder, (folder / "file").open("ab", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(_SYNCS):
            one = time.perf_counter()
            file.write(_FRAME)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - one)
        return _figures(times, time.perf_counter() - began)


def _figures(times: list[float], seconds: float) -> Figures:
    cuts = quantiles(times, n=100)
    return {"rate": len(times) / seconds, "p50": cuts[49] * 1000, "p99": cuts[98] * 1000}
