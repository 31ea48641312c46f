"""The desk: how long its pages take with 15 inspectors at once, a million findings behind them, and what lists take.

The store is filled, the desk is started as ``fundwatch up`` does it, and 15 inspectors go through it by its links, once
with a second of reading between two pages and once without. Database, desk, worker and inspectors share the machine.

``python -m bench.desk --scale 0.01`` does the same with a hundredth of it and prints what was measured; ``--store
FOLDER`` keeps the store there, and uses one that is there.
"""

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import quantiles

from bench.desk_check import check
from bench.desk_server import memory, most_memory, served
from bench.desk_store import AREAS, INSPECTORS, LONG_LEADS, Plan, accounts, fill, house_code, long_lead
from bench.desk_visits import FLOOR, KINDS, Inspector, work_together
from bench.results import RUNS, Measured, Reporter, Result, measure_interleaved
from deploy.embedded.postgres import start_postgres

_AIM = 300.0
"""Milliseconds that 95 pages in a hundred take at most."""
_MOST_KILOBYTES = 300.0
_ROUNDS = 1
_PAUSE = 1.0
"""Seconds for which a page is read on average."""
_LISTS = {1_000: ("patients", 3), 10_000: ("duplicates", 3), 100_000: ("stays", 0)}
"""Rows, and the long lead of which they are."""
_PAGE = ("limits", 0)
"""The lead of 20,000 lines whose page is weighed."""
_LOADS = {"paced": ("a page a second each", ("p50", "p95", "p99")), "at once": ("without a pause", ("p95",))}
"""How inspectors work, and what is told of it."""
_CUTS = {"p50": 49, "p95": 94, "p99": 98}

Figures = Mapping[str, float]


def run() -> list[Result]:
    """Fills a store of a million findings, looks whether its figures are right, and measures."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, store(Path(name), Plan(1.0)) as dsn:
        return results(Reporter("desk", measure(dsn, Path(name), RUNS)))


@contextmanager
def store(folder: Path, plan: Plan) -> Iterator[str]:
    """The address of a filled store in a folder; what is there already is taken as it is, and migrated."""
    with start_postgres(folder / "postgres") as server:
        if not (folder / "filled").exists():
            fill(server.dsn, plan)
            (folder / "filled").touch()
        asyncio.run(check(server.dsn))
        yield server.dsn


def measure(dsn: str, home: Path, runs: int, rounds: int = _ROUNDS, pause: float = _PAUSE, every: int = 1) -> Measured:
    """What each run measured: pages of a desk that runs all the time, and lists of one that was just started.

    One of ``every`` so many inspectors goes through the desk so many ``rounds``, with a ``pause`` (seconds) between two
    pages, and without.
    """
    with served(dsn, home) as desk, ExitStack() as ending:
        inspectors = [
            ending.enter_context(Inspector(desk.port, login, seen))
            for login, seen in list(_long_leads_in_sight().items())[::every]
        ]
        contenders = {
            "paced": lambda: _pages(inspectors, rounds, pause),
            "at once": lambda: _pages(inspectors, rounds, 0),
        }
        paced = measure_interleaved(contenders, runs)
    listed = measure_interleaved({"list": lambda: _lists(dsn, home)}, runs)
    return {
        f"{name} {figure}": [of[figure] for of in measured]
        for name, measured in {**paced, **listed}.items()
        for figure in measured[0]
    }


def _long_leads_in_sight() -> dict[str, Sequence[str]]:
    """By inspector the names of the long leads that they see."""
    every, where = [long_lead(*lead) for lead in LONG_LEADS], (AREAS[0], house_code(0))
    return {
        of.login: every
        if all(x is None or y in x for x, y in zip((of.areas, of.institutions), where, strict=True))
        else []
        for of in accounts(Plan(1.0))
    }


def _pages(inspectors: Sequence[Inspector], rounds: int, pause: float) -> Figures:
    """Milliseconds that half of all pages of a kind take at most, 95 and 99 in a hundred; and kB of the longest."""
    times: dict[str, list[float]] = defaultdict(list)
    longest: dict[str, int] = defaultdict(int)
    for visit in work_together(inspectors, rounds, pause):
        times[visit.kind].append(visit.seconds * 1000)
        longest[visit.kind] = max(longest[visit.kind], visit.size)
    figures = {f"{kind} {cut}": figure for kind, of in times.items() for cut, figure in _cuts(of)}
    return figures | {f"{kind} longest": size / 1000 for kind, size in longest.items()}


def _cuts(times: Sequence[float]) -> Iterator[tuple[str, float]]:
    found = quantiles(times, n=100)
    return ((cut, found[at]) for cut, at in _CUTS.items())


def _lists(dsn: str, home: Path) -> Figures:
    """Seconds of each list, and MiB that a desk has at most while it sends it; of one that was just started."""
    figures: dict[str, float] = {}
    with served(dsn, home) as desk, Inspector(desk.port, INSPECTORS[0], []) as inspector:
        _, page = inspector.fetch(f"/leads/{long_lead(*_PAGE)}")
        figures["page"] = len(page) / 1000
        figures["idle"] = memory(desk)
        for rows, lead in _LISTS.items():
            began = time.perf_counter()
            address = f"/leads/{long_lead(*lead)}/list.xlsx"
            (status, _), most = asyncio.run(most_memory(desk, asyncio.to_thread(inspector.fetch, address)))
            if status != HTTPStatus.OK:
                raise RuntimeError(f"{address}: {status}")
            figures |= {f"{rows} seconds": time.perf_counter() - began, f"{rows} memory": most}
    return figures


def results(report: Reporter) -> list[Result]:
    """Every page and list beside its floor."""
    return [*_page_results(report), *_list_results(report)]


def _page_results(report: Reporter) -> Iterator[Result]:
    for load, (words, cuts) in _LOADS.items():
        for kind in KINDS:
            for cut in cuts:
                yield report.result(
                    f"{kind}, {len(INSPECTORS)} inspectors, {words}, {cut}",
                    f"{load} {kind} {cut}",
                    "ms",
                    "less",
                    aim=_AIM if cut == "p95" else None,
                    floor=(f"{load} {FLOOR} {cut}", "the page of one's own account in the same run"),
                )
    for kind in KINDS:
        yield report.result(f"{kind}, the longest page", f"paced {kind} longest", "kB", "less", aim=_MOST_KILOBYTES)


def _list_results(report: Reporter) -> Iterator[Result]:
    yield report.result("page of a lead of 20,000 lines in dispute", "list page", "kB", "less", aim=_MOST_KILOBYTES)
    for rows in _LISTS:
        job = f"list of {rows:,} rows as a workbook"
        idle = ("list idle", "the desk before the first list")
        yield report.result(job, f"list {rows} seconds", "s", "less")
        yield report.result(f"{job}: memory of the desk", f"list {rows} memory", "MiB", "less", floor=idle)


def main() -> None:
    """``--scale`` of the store, ``--store`` where it is kept, ``--runs`` that are taken."""
    parser = argparse.ArgumentParser(prog="python -m bench.desk")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name:
        folder = options.store or Path(name)
        with store(folder, Plan(options.scale)) as dsn:
            for result in results(Reporter("desk", measure(dsn, folder, options.runs))):
                print(f"{result.job}: {result.value:,g} {result.unit}")


if __name__ == "__main__":
    main()
