"""The page of a lead, and what people do on it: decide and undo, safe against two people at once."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access import sessions
from api.frame.addresses import MOST_WHOLE, PageNumber
from api.frame.desk import desk_of, snapshot
from api.frame.render import Frame, render, texts_of
from api.leads.view import LeadView, load_lead_view
from casework.decisions import LONGEST_REASON, Decision, Verdict
from streams.store.casework import decisions
from streams.store.casework.queue import Changes, find_changes
from streams.store.sessions import Connection, borrowed

router = APIRouter(include_in_schema=False)

_LEAD_PATH = re.compile(r"/leads/[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """What somebody typed and why it was not recorded (a key of the texts ``problems``), in which form."""

    reason: str
    problem: str
    undoing: bool = False
    seen_version: int | None = None


@dataclass(frozen=True)
class WhatChanged:
    """What happened to a lead after the version that somebody had seen."""

    decisions: list[Decision]
    findings: Changes

    @property
    def is_unknown(self) -> bool:
        findings = self.findings
        return not self.decisions and not any((findings.raised, findings.revised, findings.withdrawn, findings.moved))


def is_lead_path(path: str) -> bool:
    return _LEAD_PATH.fullmatch(path) is not None


@router.get("/leads/{lead_id}")
async def show_lead(request: Request, lead_id: str, page: PageNumber = 1, finding: str | None = None) -> Response:
    session = await sessions.require_session(request)
    return await render_lead(request, session, lead_id, page=page, finding=finding)


@router.post("/leads/{lead_id}/decisions")
async def decide(
    request: Request,
    lead_id: str,
    version: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    decision: Annotated[Literal["confirmed", "dismissed", "returned"], Form()],
    reason: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    desk = desk_of(request)

    async def act(connection: Connection, login: str) -> None:
        await decisions.save_decision(
            connection, lead_id, version, Verdict(decision), reason, login, desk.live, desk.today()
        )

    return await _act(request, lead_id, Kept(reason, "changed", seen_version=version), csrf, act)


@router.post("/leads/{lead_id}/undo")
async def undo(
    request: Request,
    lead_id: str,
    version: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    decision_id: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    reason: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    async def act(connection: Connection, login: str) -> None:
        await decisions.undo_decision(connection, lead_id, version, decision_id, reason, login)

    return await _act(request, lead_id, Kept(reason, "changed", True, version), csrf, act)


async def _act(
    request: Request,
    lead_id: str,
    typed: Kept,
    csrf: str,
    act: Callable[[Connection, str], Awaitable[None]],
) -> Response:
    """Does what a form asks for; whatever keeps it from being done shows the page again with what was typed."""
    session = await sessions.find_session(request)
    if session is None:
        words = {"next": f"/leads/{lead_id}", "kept": typed, "problem": "sign_in.ended", "typed": ""}
        return render(request, "access/sign_in.html", Frame(), HTTPStatus.UNAUTHORIZED, **words)

    async def refuse(status: HTTPStatus, problem: str) -> Response:
        kept = Kept(typed.reason, problem, typed.undoing, typed.seen_version)
        return await render_lead(request, session, lead_id, status=status, kept=kept)

    if not sessions.is_genuine(session, csrf):
        return await refuse(HTTPStatus.FORBIDDEN, "forged")
    try:
        async with borrowed(desk_of(request).pool) as connection:
            await act(connection, session.login)
    except ValueError:
        return await refuse(HTTPStatus.UNPROCESSABLE_ENTITY, "reason")
    except decisions.LeadUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except decisions.LeadChanged:
        return await refuse(HTTPStatus.CONFLICT, "changed")
    except decisions.NotHolding:
        return await refuse(HTTPStatus.CONFLICT, "not_holding")
    return RedirectResponse(f"/leads/{lead_id}#decision", HTTPStatus.SEE_OTHER)


async def render_lead(
    request: Request,
    session: sessions.Session,
    lead_id: str,
    *,
    page: int = 1,
    finding: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    kept: Kept | None = None,
) -> Response:
    """A lead's page, with what was typed where it was not recorded."""
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        view = await load_lead_view(connection, desk, lead_id, page, finding, texts_of(request))
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        changed = await _what_changed(request, connection, view, kept)
        frame = await sessions.frame_of(connection, session)
    words = {"view": view, "kept": kept, "changed": changed, "longest_reason": LONGEST_REASON}
    return render(request, "leads/lead.html", frame, status, **words)


async def _what_changed(
    request: Request, connection: Connection, view: LeadView, kept: Kept | None
) -> WhatChanged | None:
    if kept is None or kept.problem != "changed" or kept.seen_version is None:
        return None
    desk, lead, seen = desk_of(request), view.lead, kept.seen_version
    findings = await find_changes(connection, lead.area, lead.lead_id, seen, desk.live, desk.today())
    return WhatChanged([entry for entry in view.decisions if entry.lead_version >= seen], findings)
