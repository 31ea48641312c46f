"""The page of a patient: one year over all institutions, as a timeline, findings, and claims by month."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from api.access.callers import Seer
from api.access.routes import Route
from api.access.sessions import frame_of, note
from api.frame.addresses import unknown_value
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render, texts_of
from api.frame.texts import Texts
from api.leads.timeline import Timeline, timeline_between
from api.leads.view import find_names
from api.records.seen import Patient, billed, days_of, find_patient
from casework.audit import Act, patient_name
from knowledge_base.days import Day, as_date
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.findings import Change
from rules_lib.wording import Names
from streams.store.casework.patients import PlacedFinding
from streams.store.casework.queue import find_institution_names
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)


@dataclass(frozen=True)
class Year:
    """What there is of a year: claims by their last day, findings by theirs."""

    year: int
    claims: int
    findings: int


@dataclass(frozen=True)
class Month:
    """The claims whose last day lies in a month; what those that stand bill, and what of it is in the fund's scope."""

    name: str
    claims: Sequence[ClaimDigest]
    amount: Decimal
    in_fund: Decimal


@dataclass(frozen=True)
class PatientView:
    """Everything that a patient's page says of one year."""

    patient: Patient
    year: int
    years: Sequence[Year]
    months: Sequence[Month]
    findings: Sequence[PlacedFinding]
    timeline: Timeline
    names: Names
    last: Day

    @property
    def open_findings(self) -> int:
        return sum(placed.version.change is not Change.WITHDRAWN for placed in self.findings)

    @property
    def standing(self) -> Sequence[ClaimDigest]:
        return [claim for month in self.months for claim in month.claims if self.patient.stands(claim)]

    @property
    def billed(self) -> tuple[Decimal, Decimal]:
        """What the year's standing claims bill, and what of it is in the fund's scope."""
        return billed(self.standing)

    def days(self, claim: ClaimDigest) -> tuple[Day, Day]:
        return days_of(claim)

    def amount(self, claim: ClaimDigest) -> Decimal:
        """What a claim bills, whether it stands or not."""
        return billed([claim])[0]

    @property
    def institutions(self) -> int:
        return len({claim.institution for claim in self.standing})

    @property
    def visits(self) -> int:
        return len({(claim.institution, claim.encounter_id) for claim in self.standing})


@router.get("/patients/{area}/{patient:name}")
async def show_patient(
    request: Request,
    session: Seer,
    area: str,
    patient: str,
    year: Annotated[str | None, Query(description="Service year", pattern=r"^(\d{4})?$")] = None,
) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        found = await find_patient(connection, area, patient, shown.sight)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        view = await _load(connection, shown, found, int(year) if year else None, texts_of(request))
        frame = await frame_of(connection, session)
    await note(request, session, Act.SAW_EVIDENCE, patient=patient_name(area, found.person), year=str(view.year))
    return render(request, "records/patient.html", frame, view=view, cards=shown.cards)


async def _load(connection: Connection, shown: Shown, patient: Patient, year: int | None, texts: Texts) -> PatientView:
    years = _years(patient)
    chosen = max(years) if year is None else year
    if chosen not in years:
        raise unknown_value("year", f"只能是 {_listed(years)} 之一 / expected one of {_listed(years)}")
    findings = [placed for placed in patient.findings if _year_of(placed.version.finding.last_day) == chosen]
    first, last = date(chosen, 1, 1).toordinal(), date(chosen, 12, 31).toordinal()
    open_ = [placed.version.finding for placed in findings if placed.version.change is not Change.WITHDRAWN]
    named = await find_names(connection, shown, [placed.version for placed in findings])
    places = await find_institution_names(connection, {claim.institution for claim in patient.claims})
    return PatientView(
        patient=patient,
        year=chosen,
        years=[years[name] for name in sorted(years, reverse=True)],
        months=_months(patient, chosen),
        findings=findings,
        timeline=timeline_between(first, last, open_, patient.history, places, texts),
        names=named._replace(institutions={**named.institutions, **places}),
        last=last,
    )


def _listed(years: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(years)))


def _year_of(day: Day) -> int:
    return as_date(day).year


def _years(patient: Patient) -> Mapping[int, Year]:
    """The years of which there is something to see."""
    claims = Counter(_year_of(days_of(claim)[1]) for claim in patient.claims)
    findings = Counter(
        _year_of(placed.version.finding.last_day)
        for placed in patient.findings
        if placed.version.change is not Change.WITHDRAWN
    )
    return {year: Year(year, claims[year], findings[year]) for year in claims.keys() | findings.keys()}


def _months(patient: Patient, year: int) -> list[Month]:
    """A year's claims by month, in their order."""
    months: dict[str, list[ClaimDigest]] = {}
    for claim in patient.claims:
        last = as_date(days_of(claim)[1])
        if last.year == year:
            months.setdefault(last.strftime("%Y-%m"), []).append(claim)
    return [Month(name, claims, *billed(filter(patient.stands, claims))) for name, claims in months.items()]
