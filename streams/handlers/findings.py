"""The handler of the topic "findings": keeps the leads, whose one writer it is."""

from collections import Counter

import msgspec

from knowledge_base.findings import FindingVersion
from streams.bus import Batch
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.messages.versions import decode_version
from streams.pipeline.account import letter_of
from streams.pipeline.reports import Report
from streams.store.casework import leads
from streams.store.intake import ledger
from streams.store.sessions import Connection
from streams.store.transport import offsets


class LeadsHandler:
    """Takes in batches of finding versions, of rules and detectors alike."""

    def __init__(self, rule_sets: RuleSets, vault: Vault):
        self._rule_sets = rule_sets
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        versions = [decode_version(record.value or b"") for record in batch.records]
        async with connection.transaction():
            await self._rule_sets.hold_to_show(connection)
            versions = [await self._with_topic(connection, version) for version in versions]
            await leads.apply_findings(connection, versions, await self._rule_sets.find_items(connection))
            await offsets.step(connection, batch)
        return Report()

    async def _with_topic(self, connection: Connection, version: FindingVersion) -> FindingVersion:
        """A version of before names no topic, nor does one whose maker left the set: the last card of it does."""
        if version.topic:
            return version
        card = await self._rule_sets.find_card(connection, version.maker.set, version.maker.id)
        return msgspec.structs.replace(version, topic=card.topic)

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters a message of our own that cannot be applied: reconciliation counts it as missing."""
        (record,) = batch.records
        async with connection.transaction():
            letter = letter_of(self._vault, record, "dead", [reason], None)
            await ledger.save_account(connection, batch.lease, [letter], {})
            await offsets.step(connection, batch)
        return Report(outcomes=Counter(dead=1))
