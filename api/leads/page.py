"""The page of a lead, and what people do on it: decide and undo, safe against two people at once."""

from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm, Seer
from api.access.kept import Kept, forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of, note
from api.frame.addresses import MOST_WHOLE, Links, Whole, as_day
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render, texts_of
from api.leads import acts
from api.leads.choosing import Asked, AskedOf, ChosenOf, asked_of
from api.leads.days import days_held, days_snoozed
from api.leads.following import find_following
from api.leads.view import LeadView, load_lead_view
from casework.accounts import LONGEST_LOGIN
from casework.audit import Act
from casework.decisions import GROUNDS, Decision, Entry, Ground, Verdict
from casework.reasons import LONGEST_REASON
from casework.rights import Right
from streams.acts.assign import find_possible
from streams.acts.decide import Said
from streams.store.casework.comments import find_comments
from streams.store.casework.queue import Changes, find_changes
from streams.store.people.kept_forms import KeptForm
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)

_GROUNDS = {verdict.value: [ground.value for ground in grounds] for verdict, grounds in GROUNDS.items()}
_SAYINGS = "|".join(f"{verdict}\\.{ground}" for verdict, grounds in _GROUNDS.items() for ground in grounds)

Done = TypeVar("Done")
Place = Annotated[str, Form(max_length=1000)]
Login = Annotated[str, Form(max_length=LONGEST_LOGIN)]
Decider = Annotated[Session, Depends(MayByForm(Right.DECIDE, "/leads/{lead_id}"))]


@dataclass(frozen=True)
class WhatChanged:
    """What happened to a lead after the version that somebody had seen."""

    decisions: list[Entry]
    findings: Changes

    @property
    def is_unknown(self) -> bool:
        findings = self.findings
        return not self.decisions and not any((findings.raised, findings.revised, findings.withdrawn, findings.moved))


@router.get("/leads/{lead_id}")
async def show_lead(request: Request, session: Seer, lead_id: str, kept: Kept, asked: AskedOf) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await load_lead_view(connection, shown, lead_id, asked, texts_of(request))
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        changed = await _what_changed(connection, shown, view, kept)
        lead, may = view.lead, session.rights
        comments = await find_comments(connection, lead.area, lead_id) if Right.SEE_COMMENTS in may else []
        colleagues = (
            await find_possible(connection, lead.area, lead.institution, shown.sight) if Right.DECIDE in may else []
        )
        following = await find_following(connection, request, lead_id, asked, shown)
        frame = await frame_of(connection, session)
    if view.evidence is not None:
        await note(request, session, Act.SAW_EVIDENCE, lead=lead_id, finding=view.evidence.version.finding_id)
    words: dict[str, Any] = {
        "view": view,
        "kept": kept,
        "changed": changed,
        "links": asked.links(lead_id),
        "asked": asked,
        "following": following,
    }
    words |= {"comments": comments, "snoozing": days_snoozed(desk)}
    words |= {"colleagues": colleagues, "held": days_held(desk), "grounds": _GROUNDS}
    words["done"] = next((entry for entry in view.decided.decisions if entry.decision_id == asked.done), None)
    return render(request, "leads/lead.html", frame, longest_reason=LONGEST_REASON, **words)


@router.post("/leads/{lead_id}/decisions", max_body_size=acts.MOST_DECISION)
async def decide(
    request: Request,
    session: Decider,
    lead_id: str,
    version: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    chosen: ChosenOf,
    said: Annotated[str, Form(pattern=f"^({_SAYINGS})$")],
    reason: Annotated[str, Form()] = "",
    opened: Annotated[str, Form(pattern="^([0-9a-f]{32})?$")] = "",
    list: Place = "",
    at: Place = "",
) -> Response:
    verdict, _, ground = said.partition(".")
    what = Said(Verdict(verdict), Ground(ground), reason)
    recording = acts.decide(desk_of(request), session, lead_id, version, chosen, what)
    return await _record(request, session, asked_of(chosen, list, at).links(lead_id), recording, opened)


@router.post("/leads/{lead_id}/undo", max_body_size=acts.MOST_DECISION)
async def undo(
    request: Request,
    session: Decider,
    lead_id: str,
    decision_id: Annotated[int, Form(ge=0, le=MOST_WHOLE)],
    reason: Annotated[str, Form()] = "",
    list: Place = "",
    at: Place = "",
) -> Response:
    recording = acts.undo(desk_of(request), session, lead_id, decision_id, reason)
    return await _record(request, session, Asked(list=list, at=at).links(lead_id), recording)


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
    await _taken(request, session, giving, f"/leads/{lead_id}")
    return RedirectResponse(f"/leads/{lead_id}", HTTPStatus.SEE_OTHER)


@router.post("/leads/{lead_id}/snooze", max_body_size=KB)
async def snooze(
    request: Request, session: Decider, lead_id: str, until: Annotated[str, Form(max_length=10)] = ""
) -> Response:
    """Puts a lead off until a day is over, or takes it up again (no day)."""
    day = as_day("until", until)
    putting_off = acts.snooze(desk_of(request), session, lead_id, None if day is None else day.toordinal())
    await _taken(request, session, putting_off, f"/leads/{lead_id}")
    return RedirectResponse(f"/leads/{lead_id}", HTTPStatus.SEE_OTHER)


@router.post("/leads/{lead_id}/comments", max_body_size=acts.MOST_DECISION)
async def comment(request: Request, session: Decider, lead_id: str, words: Annotated[str, Form()] = "") -> Response:
    writing = acts.comment(desk_of(request), session, lead_id, words)
    await _taken(request, session, writing, f"/leads/{lead_id}")
    return RedirectResponse(f"/leads/{lead_id}#comments", HTTPStatus.SEE_OTHER)


@router.post("/leads/{lead_id}/comments/{comment_id}/back", max_body_size=KB)
async def take_comment_back(request: Request, session: Decider, lead_id: str, comment_id: Whole) -> Response:
    taking = acts.take_comment_back(desk_of(request), session, lead_id, comment_id)
    await _taken(request, session, taking, f"/leads/{lead_id}")
    return RedirectResponse(f"/leads/{lead_id}#comments", HTTPStatus.SEE_OTHER)


async def _record(
    request: Request, session: Session, links: Links, recording: Awaitable[Decision], opened: str = ""
) -> Response:
    """Leads to the lead as it is after a decision, with what was done and the group that was open; where that was
    refused, with what was typed."""
    group = opened or None
    decision = await _taken(request, session, recording, links(group=group), links(show="all", group=group))
    return RedirectResponse(links(group=group, done=decision.decision_id), HTTPStatus.SEE_OTHER)


async def _taken(
    request: Request, session: Session, act: Awaitable[Done], page: str, changed: str | None = None
) -> Done:
    """What an act gives; where it was refused, its form is kept and its page shown again: where something ``changed``
    meanwhile, another one."""
    try:
        done = await act
    except acts.Refused as refused:
        back = changed if changed and refused.problem == "changed" else page
        await refuse(request, session, back, refused.problem)
    await forget(request, session)
    return done


async def _what_changed(
    connection: Connection, shown: Shown, view: LeadView, kept: KeptForm | None
) -> WhatChanged | None:
    """What happened since the version that a refused decision had seen."""
    if kept is None or kept.problem != "changed" or not kept.words.get("version", "").isdigit():
        return None
    lead, seen = view.lead, int(kept.words["version"])
    findings = await find_changes(connection, lead.area, lead.lead_id, seen, shown.sight)
    return WhatChanged([entry for entry in view.decided.decisions if entry.lead_version >= seen], findings)
