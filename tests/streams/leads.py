"""Leads brought to finding versions that one rule set judged, without a bus."""

from collections.abc import Sequence

from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names
from streams.store.casework import leads
from streams.store.judgements.published import save_makers
from streams.store.sessions import Connection


async def apply_findings(connection: Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    """With the set's makers in force. Versions of rules that the set does not hold are left out."""
    await save_makers(connection, rule_set)
    known = [version for version in versions if version.maker.id in rule_set.by_id]
    await leads.apply_findings(connection, known, item_names(rule_set.facts))
