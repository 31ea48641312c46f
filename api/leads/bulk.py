"""What people do with many leads of the queue at once, and taking the next one that nobody has."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from msgspec.structs import replace
from pydantic import StringConstraints

from api.access.callers import MayByForm
from api.access.kept import forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session
from api.frame.addresses import Whole, as_day
from api.frame.desk import Desk, desk_of, snapshot
from api.leads import acts
from api.leads.days import days_held
from api.leads.filters import address_in, filter_of, unfit_words
from casework.accounts import LONGEST_LOGIN
from casework.rights import Right
from streams.acts.bulk import MOST, Wanted, Wish
from streams.store.casework import queue
from streams.store.casework.queue import Lead

router = APIRouter(include_in_schema=False, route_class=Route)

UNFIT = "list_unfit"
"""The problem of an address that is no queue's: its page cannot be shown."""

TRIED = 20
"""Leads that are tried where others take them at the same moment."""

Decider = Annotated[Session, Depends(MayByForm(Right.DECIDE, "/"))]
Place = Annotated[str, Form(max_length=1000)]
Tick = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{32}}:.{{0,{LONGEST_LOGIN}}}$")]
Ticks = Annotated[list[Tick], Form(default_factory=list)]
"""A lead and who had it when it was ticked."""


@router.post("/queue/bulk", max_body_size=64 * KB)
async def do(
    request: Request,
    session: Decider,
    wish: Annotated[Wish, Form()],
    ticked: Ticks,
    everything: Annotated[bool, Form()] = False,
    to: Annotated[str, Form(max_length=LONGEST_LOGIN)] = "",
    until: Annotated[str, Form(max_length=10)] = "",
    list: Place = "",
) -> Response:
    """Does the same to the leads that were ticked, or to all that the queue of an address holds."""
    day = as_day("until", until)
    wanted = Wanted(wish, to or None, None if day is None else day.toordinal())
    try:
        if everything:
            of = await _find_all(request, session, list)
        else:
            of = {lead_id: login or None for lead_id, _, login in (tick.partition(":") for tick in ticked)}
        number = await acts.do_bulk(desk_of(request), session, of, wanted)
    except acts.Refused as refused:
        await refuse(request, session, _queue("" if refused.problem == UNFIT else list), refused.problem)
    await forget(request, session)
    return RedirectResponse(_queue(list, number), HTTPStatus.SEE_OTHER)


@router.post("/queue/bulk/{number}/undo", max_body_size=KB)
async def undo(request: Request, session: Decider, number: Whole, list: Place = "") -> Response:
    try:
        await acts.undo_bulk(desk_of(request), session, number)
    except acts.Refused as refused:
        await refuse(request, session, _queue(list), refused.problem)
    return RedirectResponse(_queue(list, number), HTTPStatus.SEE_OTHER)


@router.post("/queue/next", max_body_size=KB)
async def take_next(request: Request, session: Decider, list: Place = "") -> Response:
    """Takes the first open lead of a queue that nobody has, and opens it."""
    try:
        free = await _find_leads(request, session, list, holder="", states=("open",), limit=TRIED)
    except acts.Refused as refused:
        await refuse(request, session, "/", refused.problem)
    taken = await _take_first(desk_of(request), session, free)
    if taken is None:
        await refuse(request, session, _queue(list), "nobody_free")
    return RedirectResponse(address_in(list, taken), HTTPStatus.SEE_OTHER)


async def _take_first(desk: Desk, session: Session, leads: Iterable[Lead]) -> Lead | None:
    """Takes the first of some leads that nobody else took meanwhile."""
    until = days_held(desk).until.toordinal()
    for lead in leads:
        try:
            await acts.assign(desk, session, lead.lead_id, None, session.login, until)
        except acts.Refused:
            continue
        return lead
    return None


def _queue(query: str, did: int | None = None) -> str:
    """The address of a queue, with the number of what was done on it."""
    words = [query] if query else []
    words += [f"did={did}"] if did is not None else []
    return f"/?{'&'.join(words)}" if words else "/"


async def _find_all(request: Request, session: Session, query: str) -> Mapping[str, str | None]:
    """All leads of a queue with whom they are seen: with nobody, unless they are one's own or the queue is somebody's.
    So those that colleagues have are left alone. One more than an act takes tells that there are too many."""
    leads = await _find_leads(request, session, query, limit=MOST + 1)
    named = {dict(parse_qsl(query)).get("who"), session.login}
    return {lead.lead_id: lead.assignee if lead.assignee in named else None for lead in leads}


async def _find_leads(request: Request, session: Session, query: str, **more: object) -> list[Lead]:
    """The leads of a queue. Raises ``Refused`` for an address that is none: nobody saw the list that it would show."""
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        if unfit_words(request, query, shown):
            raise acts.Refused(HTTPStatus.UNPROCESSABLE_ENTITY, UNFIT, "no queue has such an address")
        chosen = replace(filter_of(request, query, shown), after=None, **more)
        return await queue.find_leads(connection, chosen, shown.sight)
