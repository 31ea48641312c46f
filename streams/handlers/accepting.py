"""Accepting: a batch's events enter the store, each id once, and every message is accounted for.

What handlers of topics with events share."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from streams.bus import Batch
from streams.messages.codec import readable_money
from streams.messages.vault import Vault
from streams.pipeline.account import Account
from streams.pipeline.arrivals import Arrival, Incoming, arrival_of
from streams.pipeline.reports import Report
from streams.pipeline.sendings import counted
from streams.store.events import stored
from streams.store.intake import ledger, sendings, unknown_fields
from streams.store.sessions import Connection
from streams.store.transport import offsets


def now() -> datetime:
    """The clock by which messages are counted that tell no door's."""
    return datetime.now(UTC)


Save = Callable[[Mapping[int, Arrival]], Awaitable[None]]
"""Writes accepted events by arrival number."""


async def accept(
    connection: Connection, area: str, incoming: Sequence[Incoming], account: Account, save: Save
) -> dict[int, Arrival]:
    """Enters what is new; known ids with the same content are duplicates, with other content conflicts."""
    ids = await _ids_of(connection, area, incoming)
    first: dict[str, Incoming] = {}
    for event_id, item in zip(ids, incoming, strict=True):
        first.setdefault(event_id, item)
    entering = asyncio.ensure_future(
        stored.save_event_ids(connection, area, {name: item.hash for name, item in first.items()})
    )
    try:
        await asyncio.sleep(0)  # the database enters them while this process makes what is kept of them
        arrivals = {name: arrival_of(item) for name, item in first.items()}
    finally:
        new, known = await entering
    accepted: dict[int, Arrival] = {}
    doubtful: dict[str, list[Incoming]] = {}
    for event_id, item in zip(ids, incoming, strict=True):
        if first[event_id] is item and event_id in new:
            account.accepted(item)
            accepted[new[event_id]] = arrivals[event_id]
        elif item.hash == known.get(event_id, first[event_id].hash):
            account.duplicate(item)
        else:
            doubtful.setdefault(event_id, []).append(item)
    await save(accepted)
    if doubtful:
        bodies = await stored.load_bodies(connection, area, doubtful)
        for event_id, items in doubtful.items():
            for item in items:
                account.known(item, bodies[event_id])
    return accepted


async def _ids_of(connection: Connection, area: str, incoming: Sequence[Incoming]) -> list[str]:
    """By which id each event is known, or becomes so: its own, unless a door of before kept it as it came, padded."""
    padded = {item.padded_id for item in incoming if item.padded_id is not None}
    kept = await stored.find_event_ids(connection, area, padded) if padded else set()
    return [item.padded_id if item.padded_id in kept else item.event.event_id for item in incoming]


def by_area(incoming: Iterable[Incoming]) -> dict[str, list[Incoming]]:
    """Events by the area in which they are kept."""
    found: dict[str, list[Incoming]] = {}
    for item in incoming:
        found.setdefault(item.event.area, []).append(item)
    return found


async def close_batch(connection: Connection, batch: Batch, account: Account) -> None:
    """Keeps what became of a batch's messages, and moves the offset past them. Raises ``Fenced``."""
    await ledger.save_account(connection, batch.lease, account.letters, account.tallies)
    await unknown_fields.save_unknown(connection, batch.lease, account.unknown)
    # The last but the offset: rows of one sender are written by the workers of several partitions.
    await sendings.save_sendings(connection, counted(account.sent, account.refused, now()))
    await offsets.step(connection, batch)


async def bury(connection: Connection, batch: Batch, reason: str, vault: Vault) -> Report:
    """Dead-letters the one record of a batch that cannot be stored or judged, and moves the offset past it."""
    (record,) = batch.records
    account, report = Account(vault), Report()
    account.dead(record, [reason], readable_money(record.value or b""))
    async with connection.transaction():
        await close_batch(connection, batch, account)
    report.count_messages(account.tallies.values())
    return report
