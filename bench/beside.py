"""Beside: ``python -m bench.beside FOLDER NAME ...`` runs benchmarks of another checkout and of this one in turn.

Each sets up once and throws one run away; then every round measures one side and the other, so that whatever else the
machine does meets both. Prints medians over the rounds and their ratio, and the jobs that one side alone has.
``--county 60`` lets benchmarks that take in a county take in one of 1:60, for jobs of 20 s and more.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.results import RUNS

HERE = Path(__file__).parent.parent
READY, ROUND, END = "ready", "round", "end"

_SIDE = f"""
import importlib, os, sys
commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
name, county = sys.argv[1], int(sys.argv[2])

def heard():
    return commands.readline().strip() or sys.exit("nobody listens any more")

def in_turn(contenders, runs=None):
    measured = {{name: [] for name in contenders}}
    print("{READY}", file=answers, flush=True)
    while heard() == "{ROUND}":
        for name, contender in contenders.items():
            measured[name].append(contender())
        print("{READY}", file=answers, flush=True)
    return {{name: values[1:] for name, values in measured.items()}}

from bench import results
results.measure_interleaved = in_turn
import msgspec
module = importlib.import_module("bench." + name)
if county:
    hasattr(module, "_COUNTY") or sys.exit(name + " takes in no county: leave out --county")
    module._COUNTY = module.CountyPlan(scale=1 / county)
print(msgspec.json.encode(module.run()).decode(), file=answers, flush=True)
"""
"""What a side runs: a benchmark of the checkout that it stands in, whose rounds begin when it is told to."""


class Job(msgspec.Struct, frozen=True):
    """What is read of a result; other fields may differ between the two checkouts."""

    job: str
    value: float
    unit: str


def _started(folder: Path, name: str, county: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _SIDE, name, str(county)]
    return subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _tell(side: subprocess.Popen[str], word: str) -> None:
    print(word, file=side.stdin, flush=True)


def _answer(side: subprocess.Popen[str]) -> str:
    """What a side says next, once it does. Raises ``SystemExit`` where it ended instead."""
    assert side.stdout is not None
    line = side.stdout.readline().strip()
    if not line:
        raise SystemExit(f"a benchmark ended before its time, with {side.wait()}")
    return line


def measure(folders: Sequence[Path], name: str, rounds: int, county: int) -> list[dict[str, Job]]:
    """The jobs of a benchmark by their names, as each checkout measured them, in turn."""
    with ExitStack() as stack:
        sides = [stack.enter_context(_started(folder, name, county)) for folder in folders]
        heard = [_answer(side) for side in sides]
        while heard[0] == READY:
            for number in range(rounds + 1):
                print(f"{name}: {number} / {rounds}", file=sys.stderr)
                for side in sides if number % 2 else sides[::-1]:
                    _tell(side, ROUND)
                    _answer(side)
            for side in sides:
                _tell(side, END)
            heard = [_answer(side) for side in sides]
    return [_by_name(msgspec.json.decode(jobs, type=list[Job])) for jobs in heard]


def _by_name(jobs: Sequence[Job]) -> dict[str, Job]:
    """Jobs by what they are called; parts of several jobs may be called alike and are numbered."""
    named: dict[str, Job] = {}
    called = Counter[str]()
    for job in jobs:
        name = f"{job.job} ({job.unit})"
        called[name] += 1
        named[name if called[name] == 1 else f"{name} [{called[name]}]"] = job
    return named


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout, of a release before")
    parser.add_argument("names", nargs="+", metavar="NAME", help="benchmarks that both have")
    parser.add_argument("--rounds", type=int, default=RUNS)
    parser.add_argument("--county", type=int, default=0, metavar="N", help="a county of 1:N instead of the benchmark's")
    given = parser.parse_args(arguments)
    for name in given.names:
        other, own = measure((given.other, HERE), name, given.rounds, given.county)
        for job in [job for job in own if job in other]:
            before, now = other[job].value, own[job].value
            print(f"{name}: {job}: {before:,g} -> {now:,g}, ratio {now / before:.2f}", flush=True)
        for job in sorted(own.keys() ^ other.keys()):
            print(f"{name}: {job}: one side alone, {(own | other)[job].value:,g}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
