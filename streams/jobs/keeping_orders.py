"""Keeping the ledger of orders: whatever batches touched is written anew, person by person.

Rows are taken wherever they stand, never "above a mark"; a person is read as a whole and compared with what the ledger
says, and that it is done is one transaction with what changed. Persons have a lock of their own here: whatever a batch
takes in meanwhile touches them again, so no batch has to wait.
"""

import asyncio
import logging

from knowledge_base.subjects import Subject
from rules_lib.order_ledger import ledger_of
from streams.buses.endings import finished
from streams.store.events import order_ledger, persons
from streams.store.sessions import Connection, Pool, borrowed, passing_errors

logger = logging.getLogger("fundwatch.orders")

MOST = 200
"""Rows a piece."""
_LOCKED_AS = "orders of a person"
_PAUSE = 0.5
_LAST_SECONDS = 4.0


async def keep_touched(connection: Connection, most: int = MOST) -> int:
    """Writes the ledger of the next touched patients anew, in one transaction: how many rows were taken."""
    async with connection.transaction():
        taken = await order_ledger.take_touched(connection, most)
        for area, institution, since in taken.institutions:
            await order_ledger.touch_since(connection, area, institution, since)
        for area, patients in sorted(taken.patients.items()):
            await _keep(connection, area, patients)
    return taken.rows


async def _keep(connection: Connection, area: str, patients: set[str]) -> None:
    await persons.lock_area(connection, area, exclusive=False)
    members = await persons.find_persons(connection, area, patients)
    await persons.lock_subjects(connection, area, [Subject(_LOCKED_AS, name) for name in members])
    asking = await order_ledger.find_asking(connection, area)
    everybody = sorted(name for together in members.values() for name in together)
    requests = await order_ledger.load_requests(connection, area, everybody)
    claims, order_ids = await order_ledger.load_bills(connection, area, everybody)
    ledgers = [
        ledger_of(
            [request for name in together for request in requests.get(name, ())],
            [claim for name in together for claim in claims.get(name, ())],
            order_ids,
            asking,
        )
        for together in members.values()
    ]
    await order_ledger.save_ledgers(connection, area, everybody, ledgers)


async def keep_all_touched(pool: Pool) -> int:
    """Writes until nothing is left that no other process is at, and says how many rows were taken."""
    taken = 0
    while True:
        async with borrowed(pool) as connection:
            piece = await keep_touched(connection)
        taken += piece
        if not piece:
            return taken


async def run_keeping_orders(pool: Pool, stop: asyncio.Event) -> None:
    """Writes what is touched until told to stop."""
    while not stop.is_set():
        rows = 0
        with passing_errors(logger, "the ledger of orders"):
            async with borrowed(pool) as connection:
                if await order_ledger.is_any_touched(connection):
                    rows = await finished(keep_touched(connection), stop, _LAST_SECONDS)
        if rows < MOST:
            await asyncio.sleep(_PAUSE)
