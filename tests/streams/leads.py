"""Leads brought to finding versions that one rule set judged, without a bus."""

from collections.abc import Sequence

from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.store.casework import leads
from streams.store.sessions import Connection


async def apply_findings(connection: Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    """Versions of rules that the set does not hold are left out."""
    known = [version for version in versions if version.finding.rule_id in rule_set.by_id]
    rules = {(v.rule_set, v.finding.rule_id): rule_set.by_id[v.finding.rule_id] for v in known}
    await leads.apply_findings(connection, known, rules, rule_set)
