"""The page of a lead, and what people do on it: decide and undo, safe against two people at once."""

from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm, Seer
from api.access.kept import Kept, forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of, note
from api.frame.addresses import MOST_WHOLE, PageNumber, as_day
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render, texts_of
from api.leads import acts
from api.leads.view import LeadView, load_lead_view
from casework.accounts import LONGEST_LOGIN
from casework.audit import Act
from casework.decisions import Decision, Verdict
from casework.reasons import LONGEST_REASON
from casework.rights import Right
from knowledge_base.days import as_date
from streams.acts.assign import LONGEST_HELD, find_possible
from streams.store.casework.queue import Changes, find_changes
from streams.store.people.kept_forms import KeptForm
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)

HELD = 14
"""Days for which a lead is given unless somebody says another."""

Login = Annotated[str, Form(max_length=LONGEST_LOGIN)]
Decider = Annotated[Session, Depends(MayByForm(Right.DECIDE, "/leads/{lead_id}"))]


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
    request: Request, session: Seer, lead_id: str, kept: Kept, page: PageNumber = 1, finding: str | None = None
) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await load_lead_view(connection, shown, lead_id, page, finding, texts_of(request))
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        changed = await _what_changed(connection, shown, view, kept)
        may_decide = Right.DECIDE in session.rights
        colleagues = await find_possible(connection, view.lead.area, view.lead.institution) if may_decide else []
        frame = await frame_of(connection, session)
    if view.evidence is not None:
        await note(request, session, Act.SAW_EVIDENCE, lead=lead_id, finding=view.evidence.version.finding_id)
    undoing = kept is not None and kept.form.endswith("/undo")
    words: dict[str, Any] = {"view": view, "kept": kept, "undoing": undoing, "changed": changed}
    held = {"until": as_date(desk.today() + HELD), "latest": as_date(desk.today() + LONGEST_HELD)}
    words |= {"colleagues": colleagues, "may_decide": may_decide, "held": held}
    return render(request, "leads/lead.html", frame, longest_reason=LONGEST_REASON, **words)


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
    return await _answer(request, session, f"/leads/{lead_id}", recording)


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
    return await _answer(request, session, f"/leads/{lead_id}", recording)


@router.post("/leads/{lead_id}/holder", max_body_size=KB)
async def assign(
    request: Request,
    session: Decider,
    lead_id: str,
    seen: Login = "",
    to: Login = "",
    until: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Takes a lead, hands it to a colleague, or gives it back (``to`` nobody)."""
    day = as_day("until", until)
    giving = acts.assign(
        desk_of(request), session, lead_id, seen or None, to or None, None if day is None else day.toordinal()
    )
    return await _answer(request, session, f"/leads/{lead_id}", giving, at="")


async def _answer(
    request: Request, session: Session, page: str, recording: Awaitable[object], at: str = "#decision"
) -> Response:
    """Leads to the lead as it is after what a form asked for; where that was refused, with what was typed."""
    try:
        await recording
    except acts.Refused as refused:
        await refuse(request, session, page, refused.problem)
    await forget(request, session)
    return RedirectResponse(f"{page}{at}", HTTPStatus.SEE_OTHER)


async def _what_changed(
    connection: Connection, shown: Shown, view: LeadView, kept: KeptForm | None
) -> WhatChanged | None:
    """What happened since the version that a refused decision had seen."""
    if kept is None or kept.problem != "changed":
        return None
    lead, seen = view.lead, int(kept.words["version"])
    findings = await find_changes(connection, lead.area, lead.lead_id, seen, shown.sight)
    return WhatChanged([entry for entry in view.decisions if entry.lead_version >= seen], findings)
