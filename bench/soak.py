"""The soak: ``python -m bench.soak [--minutes 20]`` writes docs/soak.md and docs/soak.svg; no part of ``make bench``.

Claims are sent at a steady rate to the PostgreSQL bus, two workers judge them, and every two minutes one of them is
killed and started again. The simulated county is sent again and again, each time with other patients, so that what one
patient has behind him stays as real as in the county. Segments of the log are opened and dropped within minutes, as
they are within days in service, so that a log that does not grow means something.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice
from pathlib import Path

import psutil
from msgspec.structs import replace

from bench.soak_page import Sample, Soak, write_page
from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import start_postgres
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.hosts.stations import create_topics
from streams.jobs.reconciling import reconcile
from streams.jobs.retention import keep_log
from streams.messages.codec import encode_event
from streams.store.migrations import migrate
from streams.store.sessions import Connection, connect, open_pool
from streams.topics import CLAIMS, JUDGES

ROOT = Path(__file__).resolve().parents[1]
COUNTY = CountyPlan(scale=1 / 235)
SAMPLE_EVERY = 3.0
SEGMENT_AGE, KEPT = timedelta(seconds=15), timedelta(seconds=30)
"""How old a segment of the log grows, and how long it is kept at least: a day and a week in service."""

_MEGABYTE = 2**20
_CHUNKS_A_SECOND = 4


def again(events: Sequence[Event]) -> Iterator[Message]:
    """The events of a county for ever, each time of other patients; institutions stay as they are."""
    for turn in count():
        for event in events:
            other = _of_turn(event, f"-{turn}")
            yield Message(f"{other.area}/{other.patient}".encode(), encode_event(other), "soak")


def _of_turn(event: Event, suffix: str) -> Event:
    """An event as another patient's: every name that must be another's has a suffix."""

    def other(name: str | None) -> str | None:
        return None if name is None else name + suffix

    mine = replace(event, event_id=event.event_id + suffix, patient=event.patient + suffix)
    if not isinstance(mine, Claim):
        return replace(mine, same_as=other(mine.same_as))
    return replace(
        mine,
        claim_id=mine.claim_id + suffix,
        encounter_id=mine.encounter_id + suffix,
        reverses=other(mine.reverses),
        corrects=other(mine.corrects),
    )


async def run(minutes: float, rate: int, kill_every: float) -> Soak:
    """A soak on a database of its own, which is thrown away."""
    soak = Soak(minutes, rate, kill_every)
    events = list(simulate(COUNTY))
    with tempfile.TemporaryDirectory(prefix="fundwatch-soak-") as name, start_postgres(Path(name)) as server:
        await migrate(server.dsn)
        steady, doomed = _start_worker(server.dsn), _start_worker(server.dsn)
        workers = [steady, doomed]
        connection = await connect(server.dsn)
        try:
            async with open_pool(server.dsn) as pool:
                bus = PostgresBus(pool)
                await create_topics(bus)
                began = time.monotonic()
                until = began + 60 * minutes
                sending = asyncio.create_task(_send(bus, again(events), soak, began, until))
                next_kill = began + kill_every
                while not sending.done():
                    if time.monotonic() >= next_kill:
                        next_kill += kill_every
                        soak.kills.append(time.monotonic() - began)
                        workers[1].kill()
                        workers[1].wait()
                        workers[1] = _start_worker(server.dsn)
                    soak.dropped += len(await keep_log(pool, SEGMENT_AGE, KEPT))
                    soak.samples.append(await _look(connection, time.monotonic() - began, workers))
                    await asyncio.sleep(SAMPLE_EVERY)
                await sending
                ended = time.monotonic()
                while (await _look(connection, time.monotonic() - began, workers)).lag:
                    await asyncio.sleep(0.2)
                soak.drained = time.monotonic() - ended
            soak.lost = (await reconcile(connection)).lost
        finally:
            await connection.close()
            _stop(workers)
    return soak


def _start_worker(dsn: str) -> "subprocess.Popen[bytes]":
    """A process of workers as ``fundwatch worker`` starts it."""
    environment = {**os.environ, "FUNDWATCH_DATABASE_URL": dsn}
    return subprocess.Popen([sys.executable, "-m", "deploy.commands", "worker"], env=environment, cwd=ROOT)


def _stop(workers: "Sequence[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.wait(10)


async def _send(bus: PostgresBus, messages: Iterator[Message], soak: Soak, began: float, until: float) -> None:
    """Sends at the rate, whatever the workers do."""
    size = soak.rate // _CHUNKS_A_SECOND
    for number in count():
        due = began + number / _CHUNKS_A_SECOND
        if due >= until:
            return
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        soak.late = max(soak.late, time.monotonic() - due)
        together = list(islice(messages, size))
        await bus.send(CLAIMS, together)
        soak.sent += len(together)


async def _look(connection: Connection, at: float, workers: "Sequence[subprocess.Popen[bytes]]") -> Sample:
    row = await connection.fetchrow(_LOOK, JUDGES, CLAIMS)
    assert row is not None
    steady, killed = (_memory(worker.pid) for worker in workers)
    return Sample(at, steady or 0.0, killed, row["lag"], row["outbox"], row["log_bytes"] / _MEGABYTE, *row[3:])


_LOOK = """
    select
        ((select sum(next) from log_heads where topic = $2)
            - (select coalesce(sum(next), 0) from group_offsets where "group" = $1 and topic = $2))::bigint as lag,
        (select count(*) from outbox) as outbox,
        (select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits where inhparent = 'log'::regclass)
            as log_bytes,
        (select count(*) from log_segments) as segments,
        (select coalesce(sum(accepted), 0)::bigint from ledger) as accepted
"""


def _memory(pid: int) -> float | None:
    """Resident memory of a process in MB, ``None`` where it is gone."""
    with suppress(psutil.Error):
        return float(psutil.Process(pid).memory_info().rss) / _MEGABYTE
    return None


def main() -> int:
    """Runs it, writes the page and the plot, and fails where a message was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=int, default=1000, help="claims a second")
    parser.add_argument("--kill-every", type=float, default=120, help="seconds")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where soak.md and soak.svg are written")
    options = parser.parse_args()
    soak = asyncio.run(run(options.minutes, options.rate, options.kill_every))
    print(write_page(soak, options.docs))
    return 1 if soak.lost else 0


if __name__ == "__main__":
    sys.exit(main())
