"""The handler of the topic "findings": keeps the leads."""

from collections import Counter

from rules_lib.rule_set import RuleSet
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
    """Takes in batches of the topic "findings" and keeps the leads: their one writer."""

    def __init__(self, rule_set: RuleSet, vault: Vault):
        self._rule_sets = RuleSets(rule_set)
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        versions = [decode_version(record.value or b"") for record in batch.records]
        async with connection.transaction():
            in_force = await self._rule_sets.hold_to_show(connection)
            rules = {
                (hash, rule): await self._rule_sets.find_rule(connection, hash, rule)
                for hash, rule in {(version.rule_set, version.finding.rule_id) for version in versions}
            }
            await leads.apply_findings(connection, versions, rules, in_force)
            await offsets.step(connection, batch)
        return Report()

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters a message of our own that cannot be applied: reconciliation counts it as missing."""
        (record,) = batch.records
        async with connection.transaction():
            letter = letter_of(self._vault, record, "dead", [reason], None)
            await ledger.save_account(connection, batch.lease, [letter], {})
            await offsets.step(connection, batch)
        return Report(outcomes=Counter(dead=1))
