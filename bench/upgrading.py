"""Upgrading: ``python -m bench.upgrading [--events 1000000]`` migrates a full store of the release before.

Says how long that takes beside what reading and writing all events once takes, and how long a writer has to wait for
the tables meanwhile, while two others write without a pause, in transactions as long as a worker's. No part of ``make
bench``: a million events need 3 GB of disk.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from deploy.embedded.postgres import start_postgres
from streams.store.migrations import FOLDER, migrate
from streams.store.sessions import Connection, connect

LAST_OF_BEFORE = "0006_watch"
"""The last migration of the release before."""
_WRITERS = 2
_TRANSACTION = 0.2
"""Seconds that a full batch of a worker takes."""
_PAUSE = 0.01
_WRITE = "update events set source = source where area = 'nowhere' and patient = 'nobody'"
"""Asks for the locks that a worker asks for, and changes nothing."""
_FILL = """
    insert into events (area, patient, seq, event_id, kind, claim_id, encounter_id, institution, first_day, last_day,
        money, source, digest)
    select '420281', 'patient-' || n / 15, n, 'event-' || n, 'claim', 'claim-' || n, 'encounter-' || n,
        'institution-' || n % 650, day, day + 1, 100, 'bench', decode(repeat(md5(n::text), 50), 'hex')
    from (
        select n, date '2025-01-01' + n::int % 700 as day from generate_series($1::bigint, $2::bigint) as n
    ) as numbers
"""
"""Fifteen events a patient, with digests of 800 bytes."""
_PIECE = 50_000


async def _fill(connection: Connection, events: int) -> None:
    await connection.execute("create table migrations (name text primary key, applied_at timestamptz default now())")
    for path in sorted(FOLDER.glob("*.sql")):
        if path.stem <= LAST_OF_BEFORE:
            await connection.execute(path.read_text(encoding="utf-8"))
            await connection.execute("insert into migrations (name) values ($1)", path.stem)
    for first in range(1, events + 1, _PIECE):
        await connection.execute(_FILL, first, min(first + _PIECE - 1, events))
        print(f"\r{first + _PIECE - 1:,} / {events:,}", end="", file=sys.stderr)
    await connection.execute("vacuum analyze events")
    await connection.execute("checkpoint")


async def _write(dsn: str) -> None:
    connection = await connect(dsn)
    while True:
        async with connection.transaction():
            await connection.execute(_WRITE)
            await asyncio.sleep(_TRANSACTION)


async def _wait(dsn: str, waits: list[float]) -> None:
    """Notes how long each of many short writes takes, in seconds."""
    connection = await connect(dsn)
    while True:
        began = time.perf_counter()
        await connection.execute(_WRITE)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE)


async def measure(dsn: str, events: int) -> None:
    """Fills a store, copies its events, and migrates it beside writers."""
    connection = await connect(dsn)
    await _fill(connection, events)
    began = time.perf_counter()
    await connection.execute("create table copied as select * from events")
    copied = time.perf_counter() - began
    await connection.execute("drop table copied")
    await connection.close()
    waits: list[float] = []
    writers = [asyncio.create_task(work) for work in (*[_write(dsn) for _ in range(_WRITERS)], _wait(dsn, waits))]
    began = time.perf_counter()
    applied = await migrate(dsn)
    taken = time.perf_counter() - began
    for writer in writers:
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
    print(f"\n{len(applied)} migrations of {events:,} events: {taken:.1f} s, {taken / copied:.1f} times their copy")
    print(f"of {len(waits):,} writes meanwhile the longest took {max(waits):.2f} s")


def main() -> None:
    """``--events``: how many the store holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(measure(server.dsn, events))


if __name__ == "__main__":
    main()
