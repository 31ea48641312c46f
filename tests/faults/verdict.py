"""The verdict on a cluster after its faults: all that must be true, whatever happened."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import asyncpg
import msgspec

from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.bus import Bus
from streams.jobs.reconciling import reconcile
from streams.store.sessions import connect
from streams.topics import FINDINGS
from tests.rules_lib.in_memory import differences
from tests.streams.disturbed import Kept, Name, assert_versions, load_kept

from .cluster import Cluster
from .county import County, load_leads
from .faults import POSTGRES

_decode = msgspec.json.Decoder(FindingVersion).decode
_READER = "verdict"


async def assert_nothing_lost_or_doubled(cluster: Cluster, rule_set: RuleSet) -> None:
    """Findings, versions, leads and reconciliation are those of the reference judge; all of it was sent on."""
    connection = await connect(cluster.dsn)
    try:
        await _assert_reconciled(connection, cluster.county)
        kept = await load_kept(connection)
        _assert_findings(kept, cluster.county)
        await _assert_leads(connection, kept, cluster.county, rule_set)
    finally:
        await connection.close()
    assert not kept.outbox, "all was delivered"
    async with cluster.bus() as bus:
        delivered = await _delivered(bus)
    _assert_delivered(delivered, kept, exactly_once=cluster.ground.name == POSTGRES)


async def _assert_reconciled(connection: asyncpg.Connection, county: County) -> None:
    account = await reconcile(connection)
    assert (account.lost, account.money_differs) == (0, Decimal(0))
    assert account.received == len(county.messages)
    assert sum(row.accepted_money for row in account.sources) == county.money


def _assert_findings(kept: Kept, county: County) -> None:
    assert kept.outcomes == {
        "accepted": len(county.events),
        "duplicate": len(county.messages) - len(county.events),
        "conflict": 0,
        "dead": 0,
    }
    stored = Counter(event.event_id for event in kept.events[county.area])
    assert stored == Counter(event.event_id for event in county.events)
    assert set(kept.events) == {county.area}
    assert differences(kept.findings[county.area], county.expected) == {}


async def _assert_leads(connection: asyncpg.Connection, kept: Kept, county: County, rule_set: RuleSet) -> None:
    """Leads know each finding at its last version, and come to what the reference judge's findings come to."""
    rows = await connection.fetch("select area, finding_id, version, is_open from lead_findings")
    known = {(row["area"], row["finding_id"]): (row["version"], row["is_open"]) for row in rows}
    assert known == {name: (row["version"], row["is_open"]) for name, row in kept.rows.items()}
    assert await load_leads(connection) == county.leads
    live = {card.id for card in rule_set.rules if card.is_live}
    by_institution = Counter(found.institution for (rule, _), found in county.expected.items() if rule in live)
    rows = await connection.fetch("select institution, sum(findings)::int as findings from leads group by 1")
    assert {row["institution"]: row["findings"] for row in rows if row["findings"]} == by_institution


async def _delivered(bus: Bus) -> list[FindingVersion]:
    """Every version on the topic, in the order in which a consumer gets them, repeats too."""
    consumer = await bus.consumer(_READER, FINDINGS, _READER, None)
    versions: list[FindingVersion] = []
    while (batch := await consumer.fetch(1000, 10_000_000, wait=3)) is not None:
        versions += [_decode(record.value or b"") for record in batch.records]
        consumer.moved(batch)
    await consumer.close()
    return versions


def _assert_delivered(delivered: list[FindingVersion], kept: Kept, exactly_once: bool) -> None:
    """Every version was delivered; who keeps the highest ends at what is stored and acts on none twice."""
    counts = Counter((version.area, version.finding_id, version.version) for version in delivered)
    assert_versions(replace(kept, outbox=Counter(counts.keys())))
    if exactly_once:
        assert set(counts.values()) == {1}, "the bus in the same database sends in the outbox's own transaction"
    highest: dict[Name, FindingVersion] = {}
    raised: Counter[Name] = Counter()
    for version in delivered:
        name = (version.area, version.finding_id)
        if name not in highest or highest[name].version < version.version:
            raised[name] += _opens(version) - (_opens(highest[name]) if name in highest else 0)
            highest[name] = version
    assert {name: (version.version, _opens(version)) for name, version in highest.items()} == {
        name: (row["version"], int(row["is_open"])) for name, row in kept.rows.items()
    }
    assert raised == {name: int(row["is_open"]) for name, row in kept.rows.items()}


def _opens(version: FindingVersion) -> int:
    return int(version.change is not Change.WITHDRAWN)
