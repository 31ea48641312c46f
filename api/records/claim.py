"""The page of a claim: its lines, what became of it, the findings that name them, and what was not evaluated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from api.access.callers import Seer
from api.access.routes import Route
from api.access.sessions import frame_of, note
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render
from api.leads.evidence import LineTable, MarkedLine, Marks, line_keys, marks_of
from api.leads.view import find_names
from api.records.seen import Patient, billed, find_patient
from casework.audit import Act
from knowledge_base.days import as_date, day_of
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from knowledge_base.findings import Amounts, Change
from rules_lib.histories.fates import Fate
from rules_lib.wording import Names
from streams.messages.identifiers import trimmed
from streams.store.casework.patients import OpenAnchor, PlacedFinding, find_patient_gaps
from streams.store.events.evidence import find_claim
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)


@dataclass(frozen=True)
class Link:
    """A settlement that a claim names, or that names it, by its number: ``how`` is reverses, corrects, reversed_by or
    corrected_by, ``claim`` the settlement where it may be seen."""

    how: str
    claim_id: str
    claim: ClaimDigest | None


MOST_SHOWN = 400
"""Lines of a table that the page of a claim shows."""


@dataclass(frozen=True)
class ClaimView:
    """Everything that a claim's page says. ``digest`` is the claim under the name of its encounter."""

    claim: Claim
    digest: ClaimDigest
    patient: Patient
    fate: Fate
    links: Sequence[Link]
    lines: Sequence[MarkedLine]
    findings: Sequence[PlacedFinding]
    gaps: Sequence[OpenAnchor]
    names: Names

    @property
    def marked(self) -> LineTable:
        """The lines of which findings speak."""
        return LineTable([line for line in self.lines if line.mark != "other"], MOST_SHOWN)

    @property
    def others(self) -> LineTable:
        return LineTable([line for line in self.lines if line.mark == "other"], MOST_SHOWN)

    @property
    def billed(self) -> tuple[Decimal, Decimal]:
        """What it bills, and what of it is in the fund's scope."""
        return billed([self.digest])


@router.get("/claims/{area}/{event_id:name}")
async def show_claim(request: Request, session: Seer, area: str, event_id: str) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await _load(connection, shown, area, event_id)
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        frame = await frame_of(connection, session)
    await note(request, session, Act.SAW_EVIDENCE, area=area, claim=event_id)
    return render(request, "records/claim.html", frame, view=view, cards=shown.cards)


async def _load(connection: Connection, shown: Shown, area: str, event_id: str) -> ClaimView | None:
    claim = await find_claim(connection, area, event_id, shown.sight)
    patient = None if claim is None else await find_patient(connection, area, claim.patient, shown.sight)
    digest = None if patient is None else patient.claim(event_id)
    if claim is None or patient is None or digest is None:
        return None
    keys = {(digest.institution, trimmed(digest.encounter_id), trimmed(line.line_id)) for line in digest.lines}
    naming = [placed for placed in patient.findings if not keys.isdisjoint(line_keys(placed.version.finding))]
    first, last = (as_date(day) for day in digest.span)
    gaps = await find_patient_gaps(connection, area, patient.person, first, last, shown.sight)
    return ClaimView(
        claim=claim,
        digest=digest,
        patient=patient,
        fate=patient.fates[event_id],
        links=_links(digest, patient),
        lines=_marked(claim, digest, patient, naming),
        findings=naming,
        gaps=_touching(gaps, digest, patient, shown),
        names=await find_names(connection, shown, [placed.version for placed in naming]),
    )


def _links(digest: ClaimDigest, patient: Patient) -> list[Link]:
    """The settlements that a claim takes back or replaces, and those that say so of it, as far as they may be seen."""
    house = digest.institution
    found = [
        Link(how, target, patient.named(house, target))
        for how, target in (("reverses", digest.reverses), ("corrects", digest.corrects))
        if target is not None
    ]
    others = [claim for claim in patient.claims if claim.institution == house]
    found += [Link("reversed_by", of.claim_id, of) for of in others if of.reverses == digest.claim_id]
    return found + [Link("corrected_by", of.claim_id, of) for of in others if of.corrects == digest.claim_id]


def _marked(claim: Claim, digest: ClaimDigest, patient: Patient, findings: Iterable[PlacedFinding]) -> list[MarkedLine]:
    """A claim's lines by their instants. Findings speak of claims that stand, and of the line that holds its id."""
    marks = _marks(findings) if patient.stands(digest) else {}
    encounter = trimmed(digest.encounter_id)
    held = {line.line_id for line in digest.lines if not patient.history.is_superseded(digest, line)}
    marked = []
    for line in sorted(claim.lines, key=lambda line: (line.at, line.line_id)):
        key = (claim.institution, encounter, line.line_id)
        mark, disputed = marks.get(key, ("other", None)) if line.line_id in held else ("other", None)
        marked.append(MarkedLine(key, line, day_of(line.at), mark, disputed))
    return marked


def _marks(findings: Iterable[PlacedFinding]) -> Marks:
    """What findings that stand say of lines: each with the greatest amount that one of them disputes."""
    marks: Marks = {}
    for placed in findings:
        if placed.version.change is not Change.WITHDRAWN:
            for key, mark in marks_of(placed.version.finding).items():
                marks[key] = max(marks.get(key, mark), mark, key=_weight)
    return marks


def _weight(mark: tuple[str, Amounts | None]) -> Decimal:
    _, disputed = mark
    return Decimal(-1) if disputed is None else disputed.in_question


def _touching(gaps: Iterable[OpenAnchor], digest: ClaimDigest, patient: Patient, shown: Shown) -> list[OpenAnchor]:
    """Those of a patient's open anchors, on the days of a claim, that are about it.

    Of each kind of name that an anchor holds (institution, encounter, item) it holds one of the claim's.
    """
    own = _names([digest], shown)
    every = _names(patient.claims, shown)
    return [gap for gap in gaps if all(_fits(gap, *kind) for kind in zip(every, own, strict=True))]


def _fits(gap: OpenAnchor, every: frozenset[str], own: frozenset[str]) -> bool:
    held = every.intersection(gap.occurrence[1:])
    return not held or not own.isdisjoint(held)


def _names(claims: Iterable[ClaimDigest], shown: Shown) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """By which names an anchor may hold one of some claims: institution, encounter, item (by code and by name)."""
    claims = list(claims)
    codes = {line.item_code for claim in claims for line in claim.lines if line.item_code is not None}
    return (
        frozenset(claim.institution for claim in claims),
        frozenset(claim.encounter_id for claim in claims),
        frozenset(codes | {shown.items[code] for code in codes if code in shown.items}),
    )
