"""A lead as its page shows it. It takes about ten statements, so whoever loads it reads from one ``snapshot``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.frame import formats
from api.frame.desk import Shown
from api.frame.sentences import Topics
from api.frame.texts import Texts
from api.leads.asked import LinesAsked, find_lines_asked
from api.leads.choosing import GROUPS, PAGE, Asked
from api.leads.evidence import MarkedClaim, line_keys, marked_claims, seen_beside, sources_of
from api.leads.long import Kept, kept_of
from api.leads.revisions import Difference, differences
from api.leads.timeline import Timeline, timeline_of
from casework.decisions import Entry, standing
from casework.overrides import Overrides
from casework.precision import LEAST_DECIDED, Precision
from casework.sight import Sight
from knowledge_base.cards import Card
from knowledge_base.findings import Change, Finding, FindingVersion
from knowledge_base.subjects import PATIENT
from rules_lib.coverage import Cover
from rules_lib.histories.patient import PatientHistory
from rules_lib.law import Law, law_of
from rules_lib.wording import Names
from streams.store.casework import listing, queue
from streams.store.casework.decisions import (
    Aftermath,
    Place,
    find_aftermath,
    find_heirs,
    find_history,
    find_holding,
)
from streams.store.casework.listing import Group, Listed, Listing, StateSum
from streams.store.casework.precision import find_precisions
from streams.store.casework.queue import Beside, Gap, Lead
from streams.store.events.evidence import find_person_events, load_claims
from streams.store.events.overrides import find_overrides
from streams.store.judgements import published
from streams.store.judgements.findings import load_version
from streams.store.sessions import Connection


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
    """What the selected finding rests on. ``sex`` is the code on file, else that of the claim; ``asked`` says what its
    rule said of the lines before they were settled."""

    listed: Listed
    card: Card
    changed: list[Difference]
    sex: str | None
    age: int | None
    claims: list[MarkedClaim]
    asked: LinesAsked | None
    missing_lines: int
    fallen_claims: int
    timeline: Timeline | None
    law: list[Law]
    heirs: list[Place]

    @property
    def version(self) -> FindingVersion:
        return self.listed.version

    @property
    def about_patient(self) -> bool:
        return self.version.subject.kind == PATIENT

    @property
    def withdrawn(self) -> bool:
        return self.version.change is Change.WITHDRAWN


@dataclass(frozen=True)
class FindingList:
    """A lead's findings as they are listed: a page of their groups, and of one of these a page of its findings."""

    listing: Listing
    groups: list[Group]
    is_last: bool
    opened: str | None
    findings: list[Listed]
    page: int
    pages: int
    size: int


@dataclass(frozen=True)
class Decided:
    """All decisions on a lead, on how many findings each that stands holds, and what became of these findings."""

    decisions: list[Entry]
    holding: Mapping[int, int]
    sums: Mapping[str, StateSum]
    after: Aftermath
    heirs: list[Place]

    @property
    def last(self) -> Entry | None:
        """The last decision that holds on something."""
        held = [decision for decision in standing(self.decisions) if decision.decision_id in self.holding]
        return held[-1] if held else None


@dataclass(frozen=True)
class LeadView:
    """Everything that a lead's page says."""

    lead: Lead
    makers: list[MakerShare]
    cards: Mapping[str, Card]
    covers: tuple[Cover, ...]
    topics: Topics
    listed: FindingList
    evidence: Evidence | None
    precisions: Mapping[str, Precision]
    overrides: Mapping[str, Overrides]
    gaps: list[Gap]
    beside: Beside
    decided: Decided
    names: Names

    @property
    def least_decided(self) -> int:
        return LEAST_DECIDED

    @property
    def outstanding(self) -> int:
        return sum(share.outstanding for share in self.makers)

    @property
    def gap_count(self) -> int:
        return sum(gap.anchors for gap in self.gaps)


async def load_lead_view(
    connection: Connection, shown: Shown, lead_id: str, asked: Asked, texts: Texts
) -> LeadView | None:
    """A lead with its findings as asked and the evidence of one of them; ``None`` where there is no such lead."""
    lead = await queue.find_lead(connection, lead_id, shown.sight)
    if lead is None:
        return None
    asked_for = await _asked_for(connection, shown, lead, asked)
    kept = await kept_of(connection, shown, lead)
    listed = await _load_list(connection, shown, lead, asked, asked_for, kept)
    selected = asked_for or (listed.findings[0] if listed.findings else None)
    named = [*listed.findings, *([selected] if selected else [])]
    names = await find_names(connection, shown, [of.version for of in named])
    of_topic = [card.id for card in shown.cards.values() if card.topic == lead.topic and card.is_live]
    return LeadView(
        lead=lead,
        makers=await _shares(connection, shown, lead, kept),
        cards=shown.cards,
        covers=shown.covers,
        topics=shown.topics,
        listed=listed,
        evidence=await _evidence(connection, shown, selected, names, texts) if selected else None,
        precisions=await find_precisions(connection, [share.maker for share in lead.expected_of or ()]),
        overrides=await find_overrides(connection, [share.maker for share in lead.expected_of or ()], shown.sight),
        gaps=await queue.find_gaps(connection, lead, of_topic, shown.sight),
        beside=await queue.find_beside(connection, lead, shown.sight),
        decided=await _decided(connection, shown, lead, kept),
        names=names,
    )


async def _asked_for(connection: Connection, shown: Shown, lead: Lead, asked: Asked) -> Listed | None:
    """The finding asked for where it belongs to the lead: also on another page, also decided on, also withdrawn."""
    if asked.finding is None:
        return None
    found = await listing.find_finding(connection, asked.finding, shown.sight)
    return found[0] if found is not None and found[1] == lead.lead_id else None


async def _load_list(
    connection: Connection, shown: Shown, lead: Lead, asked: Asked, asked_for: Listed | None, kept: Kept
) -> FindingList:
    chosen, sight, of = asked.listing(lead.undecided), shown.sight, (lead.area, lead.lead_id)
    before = (asked.groups - 1) * GROUPS
    groups = await kept.get(
        ("groups", chosen, before),
        lambda: listing.find_groups(connection, *of, chosen, sight, before, GROUPS + 1),
    )
    opened = asked.group
    if opened is None and asked_for is not None:
        opened = await listing.find_group_of(connection, lead.area, asked_for.version.finding_id, chosen, sight)
    sizes = {group.group: group.findings for group in groups[:GROUPS]}
    if opened not in sizes:
        opened = next(iter(sizes), None)
    pages = max(1, -(-sizes.get(opened or "", 0) // PAGE))
    page = min(asked.page, pages)
    findings = await listing.find_listed(connection, *of, chosen, opened, sight, (page - 1) * PAGE, PAGE)
    return FindingList(chosen, groups[:GROUPS], len(groups) <= GROUPS, opened, findings, page, pages, PAGE)


async def _decided(connection: Connection, shown: Shown, lead: Lead, kept: Kept) -> Decided:
    after = await find_aftermath(connection, lead.area, lead.lead_id, shown.sight)
    sums = own_sums(lead) or await kept.get(
        "sums", lambda: listing.find_state_sums(connection, lead.area, lead.lead_id, shown.sight)
    )
    return Decided(
        decisions=await find_history(connection, lead.area, lead.lead_id),
        holding=await find_holding(connection, lead.area, lead.lead_id),
        sums=sums,
        after=after,
        heirs=await find_heirs(connection, lead.area, after.withdrawn, shown.sight),
    )


def own_sums(lead: Lead) -> Mapping[str, StateSum]:
    """What a lead says itself that its findings come to, where all are in one state; else nothing."""
    if not lead.findings or lead.findings < lead.all_findings:
        return {}
    state = "open" if lead.state == "snoozed" else lead.state
    return {state: StateSum(state, lead.findings, lead.people, lead.in_question)}


async def find_institutions_of(connection: Connection, findings: list[Finding]) -> dict[str, str]:
    """Names of the institutions that findings or their lines speak of."""
    codes = {finding.institution for finding in findings}
    codes |= {word for finding in findings for word in finding.occurrence[1:]}
    codes |= {key[0] for finding in findings for key in line_keys(finding)}
    return await queue.find_institution_names(connection, codes)


async def _shares(connection: Connection, shown: Shown, lead: Lead, kept: Kept) -> list[MakerShare]:
    counts = await kept.get("makers", lambda: queue.find_maker_counts(connection, lead, shown.sight))
    everywhere = await published.find_outstanding(connection)
    outstanding = {rule for entry in everywhere if entry.area == lead.area for rule in entry.rules}
    return [MakerShare(shown.cards[maker], findings, maker in outstanding) for maker, findings in counts]


async def _evidence(connection: Connection, shown: Shown, listed: Listed, names: Names, texts: Texts) -> Evidence:
    version = listed.version
    is_patient = version.subject.kind == PATIENT
    of_patient = await _of_patient(connection, version, shown.sight, texts) if is_patient else _NOTHING_READ
    card = shown.cards[version.maker.id]
    return Evidence(
        listed=listed,
        card=card,
        changed=await _find_differences(connection, listed, card, names, texts),
        law=law_of(version.finding, card, shown.points),
        asked=await find_lines_asked(connection, card, version.area, of_patient["claims"], shown.sight),
        heirs=await find_heirs(connection, version.area, [version.finding_id], shown.sight),
        **of_patient,
    )


async def _find_differences(
    connection: Connection, listed: Listed, card: Card, names: Names, texts: Texts
) -> list[Difference]:
    """What a finding says otherwise than when it was decided on."""
    version = listed.version
    if not listed.cited_version or listed.cited_version == version.version:
        return []
    cited = await load_version(connection, version.area, version.finding_id, listed.cited_version)
    return [] if cited is None else differences(cited.finding, version.finding, card, names, texts)


async def load_evidence(
    connection: Connection, shown: Shown, version: FindingVersion, texts: Texts
) -> tuple[Evidence, Names]:
    """The evidence of a finding by itself, on which nobody decides, with the names that it speaks of."""
    undecided = Listed(version, "open", None, None, False)
    names = await find_names(connection, shown, [version])
    return await _evidence(connection, shown, undecided, names, texts), names


async def find_names(connection: Connection, shown: Shown, versions: Iterable[FindingVersion]) -> Names:
    """What findings call institutions and items."""
    institutions = await find_institutions_of(connection, [version.finding for version in versions])
    return Names(institutions, shown.items, shown.units)


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
