"""Hostile requests to every route of a desk, sent by several at once, and what came of them.

``python -m tests.outside.hostile`` sends 30,000 of them to a desk of its own, prints what came of them by route, and
writes docs/hostile.md; it ends with 1 where anything was wrong: a fault, an answer after more than a second, memory
that grew. The tests send a share.
"""

import asyncio
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from deploy.embedded.postgres import start_postgres
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.store.migrations import migrate
from tests.api.story import save_county
from tests.patience import PATIENCE

from .desk import Served, serving
from .spoilt import Known, Request, Target, requests, targets

PAGE = Path(__file__).parents[2] / "docs" / "hostile.md"
SEED = 20261128
ALL = 30_000
EACH_AT_LEAST = 300
SENDERS = 4
MOST_GROWTH = 32  # MB from the end of the first quarter on
LONGEST = 1.0  # seconds until an answer


class Answer(NamedTuple):
    """What came of a request: its status, 0 where the connection was closed without one, and after how long."""

    request: Request
    status: int
    seconds: float


def send(port: int, request: Request) -> Answer:
    """Sends a request on a connection of its own and reads its status."""
    began = time.perf_counter()
    with socket.socket() as there:
        there.settimeout(PATIENCE)
        there.bind((request.source, 0))
        there.connect(("127.0.0.1", port))
        try:
            there.sendall(request.raw)
            if request.is_cut:
                there.shutdown(socket.SHUT_WR)
            status = _read_status(there)
        except OSError:
            status = 0
    return Answer(request, status, time.perf_counter() - began)


def _read_status(there: socket.socket) -> int:
    """The status of an answer, behind those that only say that it will come; 0 where none comes."""
    with there.makefile("rb") as lines:
        while line := lines.readline(1000):
            if line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 1"):
                return int(line[9:12])
    return 0


def learn(served: Served) -> Known:
    """Signs in and looks around."""
    cookie = served.cookie()
    headers = {"Cookie": cookie}
    csrf = json.loads(served.ask("GET", "/api/session", headers=headers).body)["csrf"]
    leads = json.loads(served.ask("GET", "/api/leads?state=all", headers=headers).body)["leads"]
    detail = json.loads(served.ask("GET", f"/api/leads/{leads[0]['lead_id']}", headers=headers).body)
    return Known(cookie, csrf, [of["lead_id"] for of in leads], [of["finding_id"] for of in detail["findings"]])


def answers(served: Served, each: int, seed: int = SEED) -> Iterator[Answer]:
    """What comes of so many requests to each route. Whoever was signed out by one of them signs in again."""
    known = learn(served)
    made = requests(lambda: known, seed, each)
    with ThreadPoolExecutor(SENDERS) as senders:
        for _ in range(each):
            turn = [next(made) for _ in targets()]
            yield from senders.map(lambda request: send(served.port, request), turn)
            if served.ask("GET", "/api/session", headers={"Cookie": known.cookie}).status != 200:
                known = learn(served)


def fault_of(answer: Answer) -> str:
    """What is wrong with an answer; nothing where it is one, and none of the server's failing."""
    if answer.status >= 500 or (answer.status == 0 and not answer.request.may_go_unanswered):
        return f"{answer.request.target}: {answer.status} for {answer.request.raw[:2000]!r}"
    return ""


@dataclass
class Run:
    """What a full run came to: answers by route, memory of the desk in MB, the longest wait of others in seconds."""

    by_route: dict[Target, list[Answer]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    settled_mb: float = 0.0
    ended_mb: float = 0.0
    longest_wait: float = 0.0

    @property
    def slow(self) -> int:
        """How many answers took longer than they may."""
        return sum(answer.seconds > LONGEST for of in self.by_route.values() for answer in of)

    def wrongs(self) -> list[str]:
        """What was wrong with the run, in sentences; none where nothing was."""
        grown = self.ended_mb - self.settled_mb
        found = {
            f"{len(self.faults)} requests ended in a fault": bool(self.faults),
            f"{self.slow} answers took more than {LONGEST:g} s": self.slow > 0,
            f"/health was answered after {self.longest_wait:.1f} s": self.longest_wait > LONGEST,
            f"the desk grew by {grown:.0f} MB": grown > MOST_GROWTH,
        }
        return [sentence for sentence, holds in found.items() if holds]


def run(served: Served, each: int) -> Run:
    """Sends everything, with somebody else asking for /health beside it."""
    done, over = Run(), threading.Event()
    desk = psutil.Process(served.pid)

    def wait_for_health() -> None:
        while not over.is_set():
            began = time.perf_counter()
            served.ask("GET", "/health")
            done.longest_wait = max(done.longest_wait, time.perf_counter() - began)
            over.wait(0.1)

    watcher = threading.Thread(target=wait_for_health)
    watcher.start()
    try:
        for number, answer in enumerate(answers(served, each)):
            done.by_route.setdefault(answer.request.target, []).append(answer)
            if fault := fault_of(answer):
                done.faults.append(fault)
            if number == each * len(targets()) // 4:
                done.settled_mb = desk.memory_info().rss / 1e6
        done.ended_mb = desk.memory_info().rss / 1e6
    finally:
        over.set()
        watcher.join()
    return done


def table_of(done: Run) -> str:
    """By route: how many requests, the worst status, the slowest answer and half of them, in milliseconds."""
    lines = ["| route | requests | worst status | slowest, ms | p50, ms |", "|---|--:|--:|--:|--:|"]
    for target, of in done.by_route.items():
        times = [1000 * answer.seconds for answer in of]
        worst = max(answer.status for answer in of)
        lines.append(f"| `{target}` | {len(of):,} | {worst} | {max(times):,.0f} | {median(times):,.1f} |")
    return "\n".join(lines)


def page_of(done: Run) -> str:
    """The page of a run."""
    sent = sum(map(len, done.by_route.values()))
    unanswered = sum(answer.status == 0 for of in done.by_route.values() for answer in of)
    return f"""# 恶意请求 / Hostile requests

Written by `python -m tests.outside.hostile`: every route of the desk is sent requests that began as good ones, of
somebody signed in or of a stranger, and were then spoilt in method, path, query, headers, cookie, body or on the wire
(`tests/outside/spoilt.py`). The tests of every change send a share of them. None may end in a fault of the server.

{sent:,} requests from {SENDERS} senders at once: {len(done.faults)} faults, {done.slow} answers after more than a
second, {unanswered} connections closed without an answer because the bytes were no request. The desk held
{done.settled_mb:,.0f} MB after the first quarter and {done.ended_mb:,.0f} MB at the end. All the time `/health` was
answered within {1000 * done.longest_wait:,.0f} ms, beside the senders on the same two cores. The slowest answers are
those of the page to sign in, which waits on purpose where one log-in is tried often.

{table_of(done)}
"""


def main() -> None:
    """The full run, on a desk with the county of tests/api."""
    each = max(EACH_AT_LEAST, -(-ALL // len(targets())))
    with tempfile.TemporaryDirectory(prefix="fundwatch-hostile-") as folder, start_postgres(Path(folder)) as server:
        asyncio.run(migrate(server.dsn))
        asyncio.run(save_county(server.dsn, load_rule_set(load_facts())))
        with serving(server.dsn, Path(folder) / "home") as served:
            done = run(served, each)
    page = page_of(done)
    print(page)
    print("\n".join(done.faults[:50]))
    PAGE.write_text(page, encoding="utf-8")
    if wrongs := done.wrongs():
        sys.exit("\n".join(wrongs))


if __name__ == "__main__":
    main()
