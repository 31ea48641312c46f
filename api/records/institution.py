"""The page of an institution: its leads by year, its months, and by topic what those of its level come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from api.access.callers import Seer
from api.access.routes import Route
from api.access.sessions import frame_of, note
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render
from casework.audit import Act
from streams.store.casework import institutions
from streams.store.casework.institutions import FindingMonth, TopicSum
from streams.store.casework.queue import Lead, LeadFilter, find_leads
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)

MOST_LEADS = 500
"""Leads of an institution that its page lists, those with most in question first; the queue shows them all."""


@dataclass(frozen=True)
class Compared:
    """A topic in which an institution has leads, and what others of its level come to there, where there are some."""

    topic: str
    own: TopicSum
    others: TopicSum | None


@router.get("/institutions/{code:name}")
async def show_institution(request: Request, session: Seer, code: str) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        institution = await institutions.find_institution(connection, code, shown.sight)
        if institution is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        every = LeadFilter(institution=code, sort="in_question", limit=MOST_LEADS)
        leads = await find_leads(connection, every, shown.sight)
        months = await _find_months(connection, shown, code)
        sums = await institutions.find_topic_sums(connection, code, institution.level, shown.sight)
        frame = await frame_of(connection, session)
    await note(request, session, Act.SAW_EVIDENCE, institution=code)
    return render(
        request,
        "records/institution.html",
        frame,
        institution=institution,
        leads=leads,
        years=_by_year(leads),
        months=months,
        compared=_compared(sums),
        topics=shown.topics,
        most=MOST_LEADS,
    )


async def _find_months(connection: Connection, shown: Shown, code: str) -> Sequence[FindingMonth]:
    """An institution's months. They are worked out again where something of its leads changed, as those of a large
    hospital take a second; whoever sees other leads, on another day or by other rules, has others."""
    mark = await institutions.find_mark(connection, code, shown.sight)
    key = ("months", code, shown.sight, shown.rule_set.hash, mark)
    return await shown.worked_out.get(key, lambda: institutions.find_months(connection, code, shown.sight))


def _by_year(leads: Iterable[Lead]) -> Sequence[tuple[int, Sequence[Lead]]]:
    """Leads by their service year, the latest first."""
    ordered = sorted(leads, key=lambda lead: -lead.service_year)
    return [(year, list(of_year)) for year, of_year in groupby(ordered, lambda lead: lead.service_year)]


def _compared(sums: Iterable[TopicSum]) -> list[Compared]:
    """The topics of an institution's own leads, those with most in question first."""
    others: Mapping[str, TopicSum] = {of.topic: of for of in sums if not of.own}
    return [Compared(own.topic, own, others.get(own.topic)) for own in sums if own.own]
