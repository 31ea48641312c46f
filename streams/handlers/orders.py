"""The handler of requests about orders: a batch of one partition enters the store with what was answered.

Nothing is judged here: the gateway did, before it answered. Rules of the phase after see claims alone.
"""

from collections.abc import Mapping
from functools import partial

from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription
from streams.bus import Batch
from streams.handlers.accepting import accept, bury, by_area, close_batch
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.pipeline.account import Account, decode_records
from streams.pipeline.arrivals import Arrival
from streams.pipeline.reports import Report
from streams.store.events import prescriptions
from streams.store.sessions import Connection


class OrdersHandler:
    """Takes in requests about orders."""

    def __init__(self, rule_sets: RuleSets, vault: Vault):
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        """One batch in one transaction. Raises ``Fenced``, with nothing written, where the partition was taken over."""
        account, report = Account(self._vault), Report()
        incoming = decode_records(batch.records, account, batch.lease.topic)
        async with connection.transaction():
            for area, of_area in sorted(by_area(incoming).items()):
                requests: dict[str, Event] = {}
                for item in of_area:
                    requests.setdefault(item.event.event_id, item.event)
                await accept(connection, area, of_area, account, partial(_save, connection, area, requests))
            await close_batch(connection, batch, account)
        report.count_messages(account.tallies.values())
        return report

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        return await bury(connection, batch, reason, self._vault)


async def _save(
    connection: Connection, area: str, requests: Mapping[str, Event], accepted: Mapping[int, Arrival]
) -> None:
    asked = {
        seq: (arrival, request)
        for seq, arrival in accepted.items()
        if isinstance(request := requests[arrival.event_id], Prescription)
    }
    await prescriptions.save_prescriptions(connection, area, asked)
