"""A process of workers that a test can kill: ``python -m tests.streams.worker_process DSN``, until SIGTERM."""

import asyncio
import signal
import sys
from datetime import timedelta

from knowledge_base.facts import load_facts
from rules_lib.rules import load_rule_set
from streams.bus_postgres import PostgresBus
from streams.service import Service
from streams.store.sessions import open_pool
from streams.topics import create_topics
from streams.vault import Vault

LEASE = timedelta(seconds=1)
"""Short, because each kill costs one before the next process may go on."""


async def run(dsn: str) -> int:
    rule_set = load_rule_set(load_facts())
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool, LEASE)
        await create_topics(bus)
        async with Service(dsn, pool, bus, rule_set, Vault(b"a secret of this test")) as service:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.stop.set)
            await service.start()
            await service.stop.wait()
            await asyncio.gather(*service.tasks)
    return 1 if service.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1])))
