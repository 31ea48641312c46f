"""The JSON interface: the same leads, findings and decisions as the console, for other systems.

Sign in with the form of ``/sign-in``; the session's cookie then serves here as well.
"""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from api.access.callers import May, MayByHeader, Seer
from api.access.routes import Route
from api.access.sessions import Session, note
from api.frame.addresses import PageNumber, Whole
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import texts_of
from api.frame.sentences import lead_sentence
from api.frame.texts import Texts
from api.leads import acts
from api.leads.choosing import PAGE
from api.leads.filters import Chosen, encode_cursor, fully_checked
from api.leads.models import (
    BesideOut,
    DecisionIn,
    DecisionOut,
    FindingOut,
    LeadDetail,
    LeadList,
    LeadOut,
    Problem,
    SessionOut,
    UndoIn,
)
from api.leads.view import find_names
from casework.audit import Act
from casework.decisions import Verdict
from casework.rights import Right
from rules_lib.law import law_of
from rules_lib.wording import finding_sentence
from streams.acts.decide import Said
from streams.store.casework import decisions, listing, queue
from streams.store.casework.listing import Listed, Listing
from streams.store.sessions import Connection

Responses = dict[int | str, dict[str, Any]]
Signed = Annotated[Session, Depends(May(Right.ENTER))]
Decider = Annotated[Session, Depends(MayByHeader(Right.DECIDE))]

_CLOSED: Responses = {
    401: {"model": Problem, "description": "Nobody is signed in"},
    403: {"model": Problem, "description": "The right is lacking, or a password of one's own is to be chosen first"},
}
_PROBLEMS: Responses = {
    **_CLOSED,
    404: {"model": Problem, "description": "There is none of this name, or it may not be shown"},
}
_REFUSALS: Responses = {
    **_PROBLEMS,
    403: {"model": Problem, "description": "X-CSRF-Token is missing or wrong, or the right is lacking"},
    409: {
        "model": Problem,
        "description": "One of the findings changed after it was seen, or the decision does not hold",
    },
}

router = APIRouter(prefix="/api", route_class=Route)


@router.get("/session", tags=["session"], summary="Who is signed in", responses=_CLOSED)
async def get_session(session: Signed) -> SessionOut:
    return SessionOut(login=session.login, csrf=session.csrf)


@router.get("/leads", tags=["leads"], summary="One page of the queue", responses=_CLOSED)
async def get_leads(request: Request, session: Seer, chosen: Chosen) -> LeadList:
    desk, texts = desk_of(request), texts_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        chosen = fully_checked(chosen, shown)
        leads = await queue.find_leads(connection, chosen, shown.sight)
    more = encode_cursor(leads[-1].cursor) if len(leads) == chosen.limit else None
    return LeadList(leads=[LeadOut.of(lead, lead_sentence(lead, shown.topics, texts)) for lead in leads], next=more)


@router.get("/leads/{lead_id}", tags=["leads"], summary="A lead with a page of its findings", responses=_PROBLEMS)
async def get_lead(request: Request, session: Seer, lead_id: str, page: PageNumber = 1) -> LeadDetail:
    desk, texts = desk_of(request), texts_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        lead = await queue.find_lead(connection, lead_id, shown.sight)
        if lead is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        offset = (page - 1) * PAGE
        of_lead = (lead.area, lead.lead_id, Listing(show="all"), None)
        listed = await listing.find_listed(connection, *of_lead, shown.sight, offset, PAGE)
        detail = LeadDetail(
            lead=LeadOut.of(lead, lead_sentence(lead, shown.topics, texts)),
            page=page,
            pages=max(1, -(-lead.all_findings // PAGE)),
            findings=await _findings_out(connection, shown, texts, lead_id, listed),
            beside=BesideOut.of(await queue.find_beside(connection, lead, shown.sight)),
            decisions=[DecisionOut.of(d) for d in await decisions.find_decisions(connection, lead.area, lead.lead_id)],
        )
    await note(request, session, Act.SAW_EVIDENCE, lead=lead_id, page=str(page))
    return detail


@router.get("/findings/{finding_id}", tags=["findings"], summary="A finding", responses=_PROBLEMS)
async def get_finding(request: Request, session: Seer, finding_id: str) -> FindingOut:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        found = await listing.find_finding(connection, finding_id, shown.sight)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        of, lead_id = found
        (told,) = await _findings_out(connection, shown, texts_of(request), lead_id, [of])
    await note(request, session, Act.SAW_EVIDENCE, lead=lead_id, finding=finding_id)
    return told


async def _findings_out(
    connection: Connection, shown: Shown, texts: Texts, lead_id: str, listed: list[Listed]
) -> list[FindingOut]:
    names = await find_names(connection, shown, [of.version for of in listed])
    found = []
    for of in listed:
        finding = of.version.finding
        card = shown.cards[of.version.maker.id]
        sentence = finding_sentence(card, finding, names, texts.lang)
        law = law_of(finding, card, shown.points)
        found.append(FindingOut.of(of, lead_id, getattr(card.title, texts.lang), sentence, law))
    return found


@router.post(
    "/leads/{lead_id}/decisions",
    tags=["decisions"],
    summary="Decide on findings of a lead as it was seen",
    max_body_size=acts.MOST_DECISION,
    status_code=HTTPStatus.CREATED,
    responses=_REFUSALS,
)
async def post_decision(request: Request, session: Decider, lead_id: str, body: DecisionIn) -> DecisionOut:
    said = Said(Verdict(body.decision), body.ground, body.reason)
    return DecisionOut.of(await acts.decide(desk_of(request), session, lead_id, body.version, body.chosen, said))


@router.post(
    "/leads/{lead_id}/decisions/{decision_id}/undo",
    tags=["decisions"],
    summary="Take back a decision that holds",
    max_body_size=acts.MOST_DECISION,
    status_code=HTTPStatus.CREATED,
    responses=_REFUSALS,
)
async def post_undo(request: Request, session: Decider, lead_id: str, decision_id: Whole, body: UndoIn) -> DecisionOut:
    return DecisionOut.of(await acts.undo(desk_of(request), session, lead_id, decision_id, body.reason))
