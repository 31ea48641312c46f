"""The page of a lead, and what people do on it: decide and undo, safe against two people at once."""

import re
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm, Seer, Unrecorded
from api.access.rights import Right
from api.access.routes import Route
from api.access.sessions import Session, frame_of
from api.frame.addresses import MOST_WHOLE, PageNumber
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render, texts_of
from api.leads import acts
from api.leads.view import LeadView, load_lead_view
from casework.decisions import LONGEST_REASON, Decision, Verdict
from streams.store.casework.queue import Changes, find_changes
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)

_LEAD_PATH = re.compile(r"/leads/(?P<lead_id>[0-9a-f]{32})")

Decider = Annotated[Session, Depends(MayByForm(Right.DECIDE, "/leads/{lead_id}"))]


@dataclass(frozen=True)
class Kept:
    """What somebody typed, in which form, and why it was not recorded: a key of the texts ``problems``."""

    reason: str
    problem: str = ""
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


@router.get("/leads/{lead_id}")
async def show_lead(
    request: Request, session: Seer, lead_id: str, page: PageNumber = 1, finding: str | None = None
) -> Response:
    return await render_lead(request, session, lead_id, page=page, finding=finding)


@router.post("/leads/{lead_id}/decisions", max_body_size=acts.MOST_REASON)
async def decide(
    request: Request,
    session: Decider,
    lead_id: str,
    version: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    decision: Annotated[Literal["confirmed", "dismissed", "returned"], Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    recording = acts.decide(desk_of(request), session, lead_id, version, Verdict(decision), reason)
    return await _answer(request, session, lead_id, recording, Kept(reason, seen_version=version))


@router.post("/leads/{lead_id}/undo", max_body_size=acts.MOST_REASON)
async def undo(
    request: Request,
    session: Decider,
    lead_id: str,
    version: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    decision_id: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    reason: Annotated[str, Form()] = "",
) -> Response:
    recording = acts.undo(desk_of(request), session, lead_id, version, decision_id, reason)
    return await _answer(request, session, lead_id, recording, Kept(reason, undoing=True, seen_version=version))


async def _answer(
    request: Request, session: Session, lead_id: str, recording: Awaitable[Decision], typed: Kept
) -> Response:
    """The lead as it is after what a form asked for; where that was refused, with what was typed."""
    try:
        await recording
    except acts.Refused as refused:
        kept = replace(typed, problem=refused.problem)
        return await render_lead(request, session, lead_id, status=refused.status, kept=kept)
    return RedirectResponse(f"/leads/{lead_id}#decision", HTTPStatus.SEE_OTHER)


async def go_on(request: Request, session: Session, unrecorded: Unrecorded) -> Response | None:
    """The page of a lead with what was written on it and not taken; ``None`` where it was written elsewhere."""
    lead = _LEAD_PATH.fullmatch(unrecorded.back)
    if lead is None:
        return None
    kept = Kept(unrecorded.text, unrecorded.why, undoing=unrecorded.form.endswith("/undo"))
    status = HTTPStatus.FORBIDDEN if unrecorded.why == "forged" else HTTPStatus.OK
    return await render_lead(request, session, lead["lead_id"], status=status, kept=kept)


async def render_lead(
    request: Request,
    session: Session,
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
        shown = await desk.find_shown(connection)
        view = await load_lead_view(connection, shown, lead_id, page, finding, texts_of(request))
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        changed = await _what_changed(connection, shown, view, kept)
        frame = await frame_of(connection, session)
    words = {"view": view, "kept": kept, "changed": changed, "longest_reason": LONGEST_REASON}
    return render(request, "leads/lead.html", frame, status, **words)


async def _what_changed(connection: Connection, shown: Shown, view: LeadView, kept: Kept | None) -> WhatChanged | None:
    if kept is None or kept.problem != "changed" or kept.seen_version is None:
        return None
    lead, seen = view.lead, kept.seen_version
    findings = await find_changes(connection, lead.area, lead.lead_id, seen, shown.sight)
    return WhatChanged([entry for entry in view.decisions if entry.lead_version >= seen], findings)
