"""A whole run in one process: events sent through the PostgreSQL bus and judged until nothing is under way."""

import asyncio
from collections.abc import Iterable

from casework.sight import Sight
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import LAST_DAY
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from streams.hosts.service import Service, open_service
from streams.importers.sending import send_messages
from streams.jobs.reconciling import find_under_way
from streams.messages.codec import encode_event
from streams.messages.vault import Vault
from streams.store.sessions import borrowed

VAULT = Vault(b"a secret of the tests, no secret at all")
EVERYTHING = Sight(LAST_DAY)


async def replay(dsn: str, events: Iterable[Event], source: str = "test") -> Service:
    """Sends events and judges them to the end; the service that is returned is closed."""
    async with open_service(dsn, load_rule_set(load_facts()), VAULT) as service:
        await service.start()
        bodies = map(encode_event, events)
        async for _ in send_messages(service.pool, service.bus, source, source, bodies):
            pass
        await until_done(service)
    return service


async def until_done(service: Service) -> None:
    """Waits until everything that was sent is judged, relayed and in its lead."""
    while True:
        assert not service.failed, "a worker stopped with an alarm"
        async with borrowed(service.pool) as connection:
            if (await find_under_way(connection, service.bus)).is_done:
                return
        await asyncio.sleep(0.05)
