"""A lead as its page shows it. It takes about ten statements, so whoever loads it reads from one ``snapshot``."""

from dataclasses import dataclass

from api.frame import formats
from api.frame.desk import Shown
from api.frame.texts import Texts
from api.leads.evidence import MarkedClaim, line_keys, marked_claims, sources_of
from api.leads.timeline import Timeline, timeline_of
from casework.decisions import Decision, holding
from knowledge_base.facts import Point
from knowledge_base.findings import Change, Finding, FindingVersion
from rules_lib.histories.patient import History
from rules_lib.rule import Rule
from rules_lib.wording import Names
from streams.store.casework import queue
from streams.store.casework.decisions import Place, find_decisions, find_heirs, find_moved
from streams.store.casework.queue import Changes, Gap, Lead
from streams.store.events.evidence import find_person_events, load_claims
from streams.store.judgements import published
from streams.store.sessions import Connection

PAGE = 30


@dataclass(frozen=True)
class RuleShare:
    """A rule of the lead with the number of its findings.

    ``outstanding`` says that the rules changed and not everybody in the area was judged again by this one yet.
    """

    rule: Rule
    findings: int
    outstanding: bool


@dataclass(frozen=True)
class Evidence:
    """What the selected finding rests on. ``sex`` is the code on file, else that of the claim."""

    version: FindingVersion
    rule: Rule
    number: int | None
    sex: str | None
    age: int | None
    claims: list[MarkedClaim]
    missing_lines: int
    fallen_claims: int
    timeline: Timeline
    points: list[Point]
    heirs: list[Place]

    @property
    def withdrawn(self) -> bool:
        return self.version.change is Change.WITHDRAWN


@dataclass(frozen=True)
class Aftermath:
    """What became of a lead and of the findings that a decision cites, after that decision."""

    changes: Changes
    moved: list[Place]
    heirs: list[Place]


@dataclass(frozen=True)
class LeadView:
    """Everything that a lead's page says."""

    lead: Lead
    rules: list[RuleShare]
    topic_rules: dict[str, Rule]
    findings: list[FindingVersion]
    page: int
    pages: int
    page_size: int
    evidence: Evidence | None
    gaps: list[Gap]
    decisions: list[Decision]
    holds: Decision | None
    aftermath: Aftermath | None
    names: Names

    @property
    def outstanding(self) -> int:
        return sum(share.outstanding for share in self.rules)

    @property
    def gap_count(self) -> int:
        return sum(gap.anchors for gap in self.gaps)


async def load_lead_view(
    connection: Connection, shown: Shown, lead_id: str, page: int, finding_id: str | None, texts: Texts
) -> LeadView | None:
    """A lead with one page of its findings and the evidence of one of them; ``None`` where there is no such lead."""
    lead = await queue.find_lead(connection, lead_id, shown.today)
    if lead is None:
        return None
    pages = max(1, -(-lead.findings // PAGE))
    page = min(max(1, page), pages)
    findings = await queue.find_lead_findings(connection, lead, shown.live, shown.today, (page - 1) * PAGE, PAGE)
    selected = await _selected(connection, shown, lead, findings, finding_id)
    names = await _find_names(connection, shown, [*findings, *([selected] if selected else [])])
    decisions = await find_decisions(connection, lead.area, lead.lead_id)
    holds = holding(decisions)
    topic_rules = {r.id: r for r in shown.rule_set.rules if r.topic == lead.topic and r.status == "live"}
    return LeadView(
        lead=lead,
        rules=await _rule_shares(connection, shown, lead),
        topic_rules=topic_rules,
        findings=findings,
        page=page,
        pages=pages,
        page_size=PAGE,
        evidence=await _evidence(connection, shown, selected, findings, page, names, texts) if selected else None,
        gaps=await queue.find_gaps(connection, lead, list(topic_rules)),
        decisions=decisions,
        holds=holds,
        aftermath=await _aftermath(connection, shown, holds) if holds else None,
        names=names,
    )


async def _selected(
    connection: Connection, shown: Shown, lead: Lead, findings: list[FindingVersion], finding_id: str | None
) -> FindingVersion | None:
    """The finding asked for where it belongs to the lead (also on another page, also withdrawn), else the first."""
    if finding_id is not None:
        found = await queue.find_finding(connection, finding_id, shown.live, shown.today)
        if found is not None and found[1] == lead.lead_id:
            return found[0]
    return findings[0] if findings else None


async def _find_names(connection: Connection, shown: Shown, versions: list[FindingVersion]) -> Names:
    return Names(await find_institutions_of(connection, [version.finding for version in versions]), shown.items)


async def find_institutions_of(connection: Connection, findings: list[Finding]) -> dict[str, str]:
    """Names of the institutions that findings or their lines speak of."""
    codes = {finding.institution for finding in findings}
    codes |= {word for finding in findings for word in finding.occurrence[1:]}
    codes |= {key[0] for finding in findings for key in line_keys(finding)}
    return await queue.find_institution_names(connection, codes)


async def _rule_shares(connection: Connection, shown: Shown, lead: Lead) -> list[RuleShare]:
    counts = await queue.find_rule_counts(connection, lead, shown.live, shown.today)
    everywhere = await published.find_outstanding(connection)
    outstanding = {rule for entry in everywhere if entry.area == lead.area for rule in entry.rules}
    return [RuleShare(shown.rule_set.by_id[rule_id], findings, rule_id in outstanding) for rule_id, findings in counts]


async def _aftermath(connection: Connection, shown: Shown, holds: Decision) -> Aftermath:
    area, live, today = holds.area, shown.live, shown.today
    cited = [citation.finding_id for citation in holds.cites]
    return Aftermath(
        await queue.find_changes(connection, area, holds.lead_id, holds.lead_version, live, today),
        await find_moved(connection, holds, live, today),
        await find_heirs(connection, area, cited, live, today),
    )


async def _evidence(
    connection: Connection,
    shown: Shown,
    version: FindingVersion,
    findings: list[FindingVersion],
    page: int,
    names: Names,
    texts: Texts,
) -> Evidence:
    finding = version.finding
    events = await find_person_events(connection, version.area, version.person)
    history = History(version.person, events.values(), ())
    sources = sources_of(finding, history, events)
    claims, missing = marked_claims(finding, await load_claims(connection, version.area, sources.seqs))
    of_person = next((claim for claim in reversed(history.claims) if claim.born or claim.sex), None)
    order = [entry.finding_id for entry in findings]
    is_listed = version.finding_id in order
    return Evidence(
        version=version,
        rule=shown.rule_set.by_id[finding.rule_id],
        number=(page - 1) * PAGE + order.index(version.finding_id) + 1 if is_listed else None,
        sex=history.sex_on_file or (of_person.sex if of_person else None),
        age=formats.age(of_person.born, finding.last_day) if of_person else None,
        claims=claims,
        missing_lines=missing,
        fallen_claims=sources.fallen,
        timeline=timeline_of(finding, history, await _place_names(connection, history), texts),
        points=_points(shown, version),
        heirs=await find_heirs(connection, version.area, [version.finding_id], shown.live, shown.today),
    )


async def _place_names(connection: Connection, history: History) -> dict[str, str]:
    return await queue.find_institution_names(connection, {claim.institution for claim in history.claims})


def _points(shown: Shown, version: FindingVersion) -> list[Point]:
    by_id = {point.point_id: point for point in shown.rule_set.facts.points}
    return [by_id[name] for name in version.finding.points if name in by_id]
