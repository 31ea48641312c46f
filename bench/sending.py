"""Sending: ``python -m bench.sending DATABASE FILE RATE`` sends a file's claims at a steady rate, for benchmarks.

In a process of its own, so that whoever measures does not wait for it. It says when it is ready, and begins once its
input ends.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.store.sessions import open_pool
from streams.topics import CLAIMS

_TICK = 0.02
"""Seconds from one sending to the next."""


async def send_steadily(database: str, claims: Sequence[Message], rate: int) -> None:
    """So many claims a second over the PostgreSQL bus, however long a sending takes, until all are sent."""
    together = max(1, round(rate * _TICK))
    async with open_pool(database) as pool:
        bus = PostgresBus(pool)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        began = time.perf_counter()
        for number, first in enumerate(range(0, len(claims), together)):
            await asyncio.sleep(max(0.0, began + number * _TICK - time.perf_counter()))
            await bus.send(CLAIMS, claims[first : first + together])
        await bus.close()


if __name__ == "__main__":
    _, database, file, rate = sys.argv
    claims = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[Message])
    asyncio.run(send_steadily(database, claims, int(rate)))
