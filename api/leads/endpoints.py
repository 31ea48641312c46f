"""The JSON interface: the same leads, findings and decisions as the console, for other systems.

Sign in with the form of ``/sign-in``; the session's cookie then serves here as well.
"""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Request

from api.access import sessions
from api.frame.addresses import PageNumber, Whole
from api.frame.desk import Desk, desk_of, snapshot
from api.frame.render import texts_of
from api.frame.sentences import lead_sentence
from api.frame.texts import Texts
from api.leads.filters import Chosen, encode_cursor
from api.leads.models import (
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
from api.leads.view import PAGE, find_institutions_of
from casework.decisions import Decision, Verdict
from knowledge_base.findings import FindingVersion
from rules_lib.wording import Names, finding_sentence
from streams.store.casework import decisions, queue
from streams.store.sessions import Connection, borrowed

Responses = dict[int | str, dict[str, Any]]
Signed = Annotated[sessions.Session, Depends(sessions.require_session)]

_PROBLEMS: Responses = {
    401: {"model": Problem, "description": "Nobody is signed in"},
    404: {"model": Problem, "description": "There is none of this name, or it may not be shown"},
}
_REFUSALS: Responses = {
    **_PROBLEMS,
    403: {"model": Problem, "description": "X-CSRF-Token is missing or wrong"},
    409: {"model": Problem, "description": "The lead changed after it was seen, or the decision does not hold"},
}

router = APIRouter(prefix="/api")


@router.get("/session", tags=["session"], summary="Who is signed in", responses={401: _PROBLEMS[401]})
async def get_session(session: Signed) -> SessionOut:
    return SessionOut(login=session.login, csrf=session.csrf)


@router.get("/leads", tags=["leads"], summary="One page of the queue", responses={401: _PROBLEMS[401]})
async def get_leads(request: Request, session: Signed, chosen: Chosen) -> LeadList:
    desk, texts = desk_of(request), texts_of(request)
    async with borrowed(desk.pool) as connection:
        leads = await queue.find_leads(connection, chosen, desk.today())
    more = encode_cursor(leads[-1].cursor) if len(leads) == chosen.limit else None
    return LeadList(leads=[LeadOut.of(lead, lead_sentence(lead, texts)) for lead in leads], next=more)


@router.get("/leads/{lead_id}", tags=["leads"], summary="A lead with a page of its findings", responses=_PROBLEMS)
async def get_lead(request: Request, session: Signed, lead_id: str, page: PageNumber = 1) -> LeadDetail:
    desk, texts = desk_of(request), texts_of(request)
    async with snapshot(desk.pool) as connection:
        lead = await queue.find_lead(connection, lead_id, desk.today())
        if lead is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        offset = (page - 1) * PAGE
        versions = await queue.find_lead_findings(connection, lead, desk.live, desk.today(), offset, PAGE)
        return LeadDetail(
            lead=LeadOut.of(lead, lead_sentence(lead, texts)),
            page=page,
            pages=max(1, -(-lead.findings // PAGE)),
            findings=await _findings_out(connection, desk, texts, lead_id, versions),
            decisions=[DecisionOut.of(d) for d in await decisions.find_decisions(connection, lead.area, lead.lead_id)],
        )


@router.get("/findings/{finding_id}", tags=["findings"], summary="A finding", responses=_PROBLEMS)
async def get_finding(request: Request, session: Signed, finding_id: str) -> FindingOut:
    desk = desk_of(request)
    async with borrowed(desk.pool) as connection:
        found = await queue.find_finding(connection, finding_id, desk.live, desk.today())
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        version, lead_id = found
        return (await _findings_out(connection, desk, texts_of(request), lead_id, [version]))[0]


async def _findings_out(
    connection: Connection, desk: Desk, texts: Texts, lead_id: str, versions: list[FindingVersion]
) -> list[FindingOut]:
    names = Names(await find_institutions_of(connection, [v.finding for v in versions]), desk.items)
    found = []
    for version in versions:
        rule = desk.rule_set.by_id[version.finding.rule_id]
        sentence = finding_sentence(rule, version.finding, names, texts.lang)
        found.append(FindingOut.of(version, lead_id, getattr(rule.title, texts.lang), sentence))
    return found


async def genuine_session(session: Signed, x_csrf_token: Annotated[str, Header()] = "") -> sessions.Session:
    """Who sent a request that changes something. Raises 403 where it lacks the session's token."""
    if not sessions.is_genuine(session, x_csrf_token):
        raise HTTPException(HTTPStatus.FORBIDDEN)
    return session


Genuine = Annotated[sessions.Session, Depends(genuine_session)]


@router.post(
    "/leads/{lead_id}/decisions",
    tags=["decisions"],
    summary="Decide on a lead as it was seen",
    status_code=HTTPStatus.CREATED,
    responses=_REFUSALS,
)
async def post_decision(request: Request, session: Genuine, lead_id: str, body: DecisionIn) -> DecisionOut:
    desk = desk_of(request)
    async with borrowed(desk.pool) as connection:
        return await _recorded(
            decisions.save_decision(
                connection,
                lead_id,
                body.version,
                Verdict(body.decision),
                body.reason,
                session.login,
                desk.live,
                desk.today(),
            )
        )


@router.post(
    "/leads/{lead_id}/decisions/{decision_id}/undo",
    tags=["decisions"],
    summary="Take back the decision that holds",
    status_code=HTTPStatus.CREATED,
    responses=_REFUSALS,
)
async def post_undo(
    request: Request,
    session: Genuine,
    lead_id: str,
    decision_id: Whole,
    body: UndoIn,
) -> DecisionOut:
    async with borrowed(desk_of(request).pool) as connection:
        return await _recorded(
            decisions.undo_decision(connection, lead_id, body.version, decision_id, body.reason, session.login)
        )


async def _recorded(recording: Awaitable[Decision]) -> DecisionOut:
    try:
        return DecisionOut.of(await recording)
    except decisions.LeadUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except (decisions.LeadChanged, decisions.NotHolding) as error:
        raise HTTPException(HTTPStatus.CONFLICT, type(error).__name__) from None
    except ValueError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
