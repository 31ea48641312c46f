"""Results: how runs are taken and what a benchmark says about a job.

A run measures every contender once, one after the other, so that whatever else the machine does meets all of them;
what is reported are medians over the runs.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Literal, TypeVar

import msgspec

RESULTS = Path(__file__).parent / "results"
RUNS = 5

T = TypeVar("T")

Measured = Mapping[str, Sequence[float]]
"""What each contender measured, run by run."""


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job: the median of ``runs`` runs beside a floor and a peer, all in ``unit``; ``None`` where there is none."""

    job: str
    value: float
    unit: str
    better: Literal["more", "less"]
    aim: float | None = None
    floor: float | None = None
    floor_is: str | None = None
    peer: float | None = None
    peer_is: str | None = None
    runs: int
    command: str
    machine: str
    at: datetime


class Reporter:
    """Makes the results of one benchmark out of what its contenders measured."""

    def __init__(self, benchmark: str, measured: Measured):
        self._command = f"python -m bench {benchmark}"
        self._measured = measured
        self._machine = machine()
        self._at = datetime.now(UTC).replace(microsecond=0)

    def result(
        self,
        job: str,
        contender: str,
        unit: str,
        better: Literal["more", "less"],
        *,
        aim: float | None = None,
        floor: tuple[str, str] | None = None,
        peer: tuple[str, str] | None = None,
    ) -> Result:
        """A job measured by a contender; ``floor`` and ``peer`` are contenders too, each with what it is in words."""
        return Result(
            job=job,
            value=self._median(contender),
            unit=unit,
            better=better,
            aim=aim,
            floor=self._median(floor[0]) if floor else None,
            floor_is=floor[1] if floor else None,
            peer=self._median(peer[0]) if peer else None,
            peer_is=peer[1] if peer else None,
            runs=len(self._measured[contender]),
            command=self._command,
            machine=self._machine,
            at=self._at,
        )

    def _median(self, contender: str) -> float:
        return float(f"{median(self._measured[contender]):.3g}")


def measure_interleaved(contenders: Mapping[str, Callable[[], T]], runs: int = RUNS) -> dict[str, list[T]]:
    """Every contender once a run, in turn; one run before them is thrown away, because caches are cold in it."""
    measured: dict[str, list[T]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name, contender in contenders.items():
            value = contender()
            if run > 0:
                measured[name].append(value)
    return measured


def stopwatch(work: Callable[[], object], units: int, loops: int) -> Callable[[], float]:
    """A contender: does some work on ``units`` claims so many times, and gives microseconds a claim."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(loops):
            work()
        return (time.perf_counter() - start) * 1e6 / (loops * units)

    return measure


def machine() -> str:
    """The machine in words: processor, cores, system, Python."""
    cores = f"{os.cpu_count()} cores"
    return ", ".join((_processor(), cores, platform.system(), f"Python {platform.python_version()}"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def save_results(name: str, results: Sequence[Result]) -> None:
    """Writes bench/results/NAME.json."""
    body = msgspec.json.format(msgspec.json.encode(results), indent=2)
    (RESULTS / f"{name}.json").write_bytes(body + b"\n")


def load_results(name: str) -> list[Result]:
    """Reads bench/results/NAME.json. Raises ``msgspec.ValidationError`` where it does not fit the format."""
    return msgspec.json.decode((RESULTS / f"{name}.json").read_bytes(), type=list[Result])
