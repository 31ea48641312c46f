"""A lead as its page shows it. It takes about ten statements, so whoever loads it reads from one ``snapshot``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.frame import formats
from api.frame.desk import Shown
from api.frame.sentences import Topics
from api.frame.texts import Texts
from api.leads.evidence import MarkedClaim, line_keys, marked_claims, seen_beside, sources_of
from api.leads.law import Law, law_of
from api.leads.timeline import Timeline, timeline_of
from casework.decisions import Decision, holding
from casework.sight import Sight
from knowledge_base.cards import Card
from knowledge_base.findings import Change, Finding, FindingVersion
from knowledge_base.subjects import PATIENT
from rules_lib.coverage import Cover
from rules_lib.histories.patient import PatientHistory
from rules_lib.wording import Names
from streams.store.casework import queue
from streams.store.casework.decisions import Place, find_decisions, find_heirs, find_moved
from streams.store.casework.queue import Beside, Changes, Gap, Lead
from streams.store.events.evidence import find_person_events, load_claims
from streams.store.judgements import published
from streams.store.sessions import Connection

PAGE = 30


@dataclass(frozen=True)
class MakerShare:
    """A rule or detector of the lead with the number of its findings.

    ``outstanding`` says that the rules changed and not everybody in the area was judged again by this one yet.
    """

    card: Card
    findings: int
    outstanding: bool


@dataclass(frozen=True)
class Evidence:
    """What the selected finding rests on. ``sex`` is the code on file, else that of the claim."""

    version: FindingVersion
    card: Card
    number: int | None
    sex: str | None
    age: int | None
    claims: list[MarkedClaim]
    missing_lines: int
    fallen_claims: int
    timeline: Timeline | None
    law: list[Law]
    heirs: list[Place]

    @property
    def about_patient(self) -> bool:
        return self.version.subject.kind == PATIENT

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
    makers: list[MakerShare]
    cards: Mapping[str, Card]
    covers: tuple[Cover, ...]
    topics: Topics
    findings: list[FindingVersion]
    page: int
    pages: int
    page_size: int
    evidence: Evidence | None
    gaps: list[Gap]
    beside: Beside
    decisions: list[Decision]
    holds: Decision | None
    aftermath: Aftermath | None
    names: Names

    @property
    def outstanding(self) -> int:
        return sum(share.outstanding for share in self.makers)

    @property
    def gap_count(self) -> int:
        return sum(gap.anchors for gap in self.gaps)


async def load_lead_view(
    connection: Connection, shown: Shown, lead_id: str, page: int, finding_id: str | None, texts: Texts
) -> LeadView | None:
    """A lead with one page of its findings and the evidence of one of them; ``None`` where there is no such lead."""
    lead = await queue.find_lead(connection, lead_id, shown.sight)
    if lead is None:
        return None
    pages = max(1, -(-lead.findings // PAGE))
    page = min(max(1, page), pages)
    findings = await queue.find_lead_findings(connection, lead, shown.sight, (page - 1) * PAGE, PAGE)
    selected = await _selected(connection, shown, lead, findings, finding_id)
    names = await find_names(connection, shown, [*findings, *([selected] if selected else [])])
    decisions = await find_decisions(connection, lead.area, lead.lead_id)
    holds = holding(decisions)
    of_topic = [card.id for card in shown.cards.values() if card.topic == lead.topic and card.is_live]
    return LeadView(
        lead=lead,
        makers=await _shares(connection, shown, lead),
        cards=shown.cards,
        covers=shown.covers,
        topics=shown.topics,
        findings=findings,
        page=page,
        pages=pages,
        page_size=PAGE,
        evidence=await _evidence(connection, shown, selected, findings, page, names, texts) if selected else None,
        gaps=await queue.find_gaps(connection, lead, of_topic, shown.sight),
        beside=await queue.find_beside(connection, lead, shown.sight),
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
        found = await queue.find_finding(connection, finding_id, shown.sight)
        if found is not None and found[1] == lead.lead_id:
            return found[0]
    return findings[0] if findings else None


async def find_institutions_of(connection: Connection, findings: list[Finding]) -> dict[str, str]:
    """Names of the institutions that findings or their lines speak of."""
    codes = {finding.institution for finding in findings}
    codes |= {word for finding in findings for word in finding.occurrence[1:]}
    codes |= {key[0] for finding in findings for key in line_keys(finding)}
    return await queue.find_institution_names(connection, codes)


async def _shares(connection: Connection, shown: Shown, lead: Lead) -> list[MakerShare]:
    counts = await queue.find_maker_counts(connection, lead, shown.sight)
    everywhere = await published.find_outstanding(connection)
    outstanding = {rule for entry in everywhere if entry.area == lead.area for rule in entry.rules}
    return [MakerShare(shown.cards[maker], findings, maker in outstanding) for maker, findings in counts]


async def _aftermath(connection: Connection, shown: Shown, holds: Decision) -> Aftermath:
    area, sight = holds.area, shown.sight
    cited = [citation.finding_id for citation in holds.cites]
    return Aftermath(
        await queue.find_changes(connection, area, holds.lead_id, holds.lead_version, sight),
        await find_moved(connection, holds, sight),
        await find_heirs(connection, area, cited, sight),
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
    order = [entry.finding_id for entry in findings]
    is_listed = version.finding_id in order
    is_patient = version.subject.kind == PATIENT
    of_patient = await _of_patient(connection, version, shown.sight, texts) if is_patient else _NOTHING_READ
    return Evidence(
        version=version,
        card=shown.cards[version.maker.id],
        number=(page - 1) * PAGE + order.index(version.finding_id) + 1 if is_listed else None,
        law=law_of(version.finding, shown.cards[version.maker.id], shown.points),
        heirs=await find_heirs(connection, version.area, [version.finding_id], shown.sight),
        **of_patient,
    )


async def load_evidence(
    connection: Connection, shown: Shown, version: FindingVersion, texts: Texts
) -> tuple[Evidence, Names]:
    """The evidence of a finding by itself, whatever lead it is of, with the names that it speaks of."""
    names = await find_names(connection, shown, [version])
    return await _evidence(connection, shown, version, [], 1, names, texts), names


async def find_names(connection: Connection, shown: Shown, versions: list[FindingVersion]) -> Names:
    """What findings call institutions and items."""
    return Names(await find_institutions_of(connection, [version.finding for version in versions]), shown.items)


_NOTHING_READ: dict[str, Any] = {
    "sex": None, "age": None, "claims": [], "missing_lines": 0, "fallen_claims": 0, "timeline": None,
}  # fmt: skip


async def _of_patient(connection: Connection, version: FindingVersion, sight: Sight, texts: Texts) -> dict[str, Any]:
    """What the patient's claims say: who it is, the claims with the finding's lines, and all of them on a timeline."""
    finding = version.finding
    every = await find_person_events(connection, version.area, version.subject.name)
    history, events = seen_beside(finding, PatientHistory(version.subject, every.values(), ()), every, sight)
    sources = sources_of(finding, history, events)
    claims, missing = marked_claims(finding, history, await load_claims(connection, version.area, sources.seqs))
    of_person = next((claim for claim in reversed(history.claims) if claim.birth or claim.sex), None)
    return {
        "sex": history.sex_on_file or (of_person.sex if of_person else None),
        "age": formats.age(of_person.birth, finding.last_day) if of_person else None,
        "claims": claims,
        "missing_lines": missing,
        "fallen_claims": sources.fallen,
        "timeline": timeline_of(finding, history, await _place_names(connection, history), texts),
    }


async def _place_names(connection: Connection, history: PatientHistory) -> dict[str, str]:
    return await queue.find_institution_names(connection, {claim.institution for claim in history.claims})
