"""The county that is sent through faults, and what must be found in it: simulated and judged once a session."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import asyncpg

from deploy.county import CountyPlan, simulate
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.findings import Change, FindingVersion, finding_id
from knowledge_base.subjects import patient
from rules_lib.rule_set import RuleSet
from streams.bus import Message, partition_of
from streams.handlers.rule_sets import publish_first
from streams.topics import CLAIMS, TOPICS
from tests.reference.judge import Expected, reference_findings
from tests.rules_lib.in_memory import Key, differences, findings_of, judgements
from tests.streams.disturbed import message_of, some_people
from tests.streams.leads import apply_findings

REPEAT_EVERY = 50
"""Every so manieth message is sent a second time at the end."""

LeadRow = tuple[object, ...]


@dataclass(frozen=True)
class County:
    """Messages, and the truth about them by the reference judge."""

    area: str
    events: list[Event]
    messages: list[Message]
    expected: dict[Key, Expected]
    leads: list[LeadRow]

    @property
    def repeated(self) -> int:
        return len(self.messages) - len(self.events)

    @property
    def money(self) -> Decimal:
        claims = (event for event in self.events if isinstance(event, Claim))
        return sum((Decimal(line.amount) for claim in claims for line in claim.lines), Decimal(0))

    @property
    def ends(self) -> Counter[int]:
        """Where each partition of the claims ends once all is sent."""
        return Counter(partition_of(message.key, TOPICS[CLAIMS].partitions) for message in self.messages)


def make_county(scale: float, rule_set: RuleSet, new_database: Callable[[], str]) -> County:
    """Simulates a county and judges it: findings by the reference judge, leads from those findings in one go."""
    events = list(simulate(CountyPlan(scale=scale)))
    (area,) = {event.area for event in events}
    sent = [message_of(event) for event in events]
    expected: dict[Key, Expected] = {}
    for some in some_people(events):
        expected |= reference_findings(some, rule_set.facts.points)
    versions = _raised(area, events, rule_set, expected)
    leads = asyncio.run(_leads_of(new_database(), versions, rule_set))
    return County(area, events, sent + sent[::REPEAT_EVERY], expected, leads)


def _raised(area: str, events: list[Event], rule_set: RuleSet, expected: dict[Key, Expected]) -> list[FindingVersion]:
    """One version of each finding, of a judge in memory that agrees with the reference in every finding."""
    judged = judgements(events, rule_set)
    assert differences(findings_of(judged), expected) == {}
    return [
        FindingVersion(
            area=area,
            finding_id=finding_id(area, finding.maker_id, finding.occurrence),
            version=1,
            change=Change.RAISED,
            subject=patient(person),
            maker=rule_set.maker(finding.maker_id),
            topic=rule_set.by_id[finding.maker_id].topic,
            finding=finding,
            cause="",
            as_of=0,
        )
        for person, judgement in judged.items()
        for finding in judgement.findings
    ]


async def _leads_of(dsn: str, versions: list[FindingVersion], rule_set: RuleSet) -> list[LeadRow]:
    connection = await asyncpg.connect(dsn)
    try:
        await publish_first(connection, rule_set)
        async with connection.transaction():
            await apply_findings(connection, versions, rule_set)
        return await load_leads(connection)
    finally:
        await connection.close()


async def load_leads(connection: asyncpg.Connection) -> list[LeadRow]:
    """Every lead that holds a finding, with all that it comes to and its findings; without when it came."""
    rows = await connection.fetch(
        """
        select to_jsonb(l) - '{seq,version,updated_at,came_at}'::text[] as lead,
            to_jsonb(t) - '{seq,version,came_at}'::text[] as total,
            (select array_agg(f.finding_id order by f.finding_id) from lead_findings f
             where f.area = l.area and f.lead_id = l.lead_id and f.is_open) as findings
        from leads l join lead_totals t using (area, lead_id)
        where l.findings > 0 order by l.area, l.lead_id, t.from_day
        """
    )
    return [tuple(row) for row in rows]
