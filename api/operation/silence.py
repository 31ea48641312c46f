"""Silence: who is unusually quiet, what is usual of everybody who sends, and muting whose silence is known of."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm, Watcher
from api.access.kept import Kept, forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of
from api.frame.addresses import Links, PageNumber, as_day
from api.frame.desk import desk_of, snapshot
from api.frame.render import render
from casework.reasons import LONGEST_PURPOSE
from casework.rights import Right
from casework.sight import Sight
from casework.silence import STATES, State
from knowledge_base.days import as_date
from streams.acts.silences import LONGEST, MuteRefused, SenderUnknown, mute, unmute
from streams.store.intake import senders
from streams.store.intake.senders import Sender, SenderFilter
from streams.store.sessions import borrowed

router = APIRouter(include_in_schema=False, route_class=Route)

PATH = "/silence"
PAGE = 50
MOST_SAID = 10
"""Of whom a sentence is said."""
TOGETHER = 0.25
LEAST_TOGETHER = 5
"""Quiet ones, and their share of those who are known, from which on the fault is likely not theirs."""
STALE = timedelta(minutes=10)

_LONGEST_FORM = 8 * KB

Muter = Annotated[Session, Depends(MayByForm(Right.MUTE_SENDERS, PATH))]
Word = Annotated[str, Query(max_length=100)]
Told = Annotated[str, Form(max_length=200)]


def now() -> datetime:
    """The clock by which what was judged is out of date."""
    return datetime.now(UTC)


def sender_filter(state: Literal[State, ""] = "", kind: Word = "", institution: Word = "") -> SenderFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    return SenderFilter(state or None, kind or None, institution.strip() or None)


Chosen = Annotated[SenderFilter, Depends(sender_filter)]


def links_of(chosen: SenderFilter) -> Links:
    """Addresses of senders with the same filter."""
    return Links(PATH, {"state": chosen.state, "kind": chosen.kind, "institution": chosen.institution})


@router.get(PATH)
async def show_silence(
    request: Request, session: Watcher, chosen: Chosen, kept: Kept, page: PageNumber = 1
) -> Response:
    desk = desk_of(request)
    sight = sight_of(request, session)
    async with snapshot(desk.pool) as connection:
        counts = await senders.count_states(connection, sight.today, sight)
        rows = await senders.find_senders(connection, chosen, sight, (page - 1) * PAGE, PAGE + 1)
        quiet = await senders.find_senders(connection, SenderFilter("quiet"), sight, 0, MOST_SAID)
        as_of = await senders.find_as_of(connection)
        frame = await frame_of(connection, session)
    states = Counter[str]()
    for of in counts:
        states[of.state] += of.senders
    known = states["quiet"] + states["usual"]
    links = links_of(chosen)
    return render(
        request,
        "operation/silence.html",
        frame,
        rows=rows[:PAGE],
        quiet=quiet,
        counts=states,
        known=known,
        senders=sum(states.values()),
        states=STATES,
        kinds=sorted({of.kind for of in counts}),
        chosen=chosen,
        links=links,
        page=page,
        has_more=len(rows) > PAGE,
        as_of=as_of,
        is_stale=as_of is not None and now() - as_of > STALE,
        together=states["quiet"] >= LEAST_TOGETHER and states["quiet"] > TOGETHER * known,
        kept=kept,
        longest_reason=LONGEST_PURPOSE,
        latest=as_date(sight.today + LONGEST),
        a_week=as_date(sight.today + 7),
    )


@router.post(f"{PATH}/mute", max_body_size=_LONGEST_FORM)
async def mute_sender(
    request: Request,
    session: Muter,
    chosen: Chosen,
    area: Told = "",
    institution: Told = "",
    kind: Told = "",
    until: Annotated[str, Form(max_length=10)] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Has nobody told of a sender until a day."""
    back = links_of(chosen)()
    try:
        day = as_day("until", until)
        if day is None:
            raise MuteRefused("day")
        async with borrowed(desk_of(request).pool) as connection:
            sight = sight_of(request, session)
            await mute(connection, Sender(area, institution, kind), day, reason, session.login, sight)
    except SenderUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except MuteRefused as refused:
        await refuse(request, session, back, f"mute_{refused.why}")
    await forget(request, session)
    return RedirectResponse(back, HTTPStatus.SEE_OTHER)


@router.post(f"{PATH}/unmute", max_body_size=_LONGEST_FORM)
async def unmute_sender(
    request: Request, session: Muter, chosen: Chosen, area: Told = "", institution: Told = "", kind: Told = ""
) -> Response:
    """Takes that back."""
    try:
        async with borrowed(desk_of(request).pool) as connection:
            sight = sight_of(request, session)
            await unmute(connection, Sender(area, institution, kind), session.login, sight)
    except SenderUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    return RedirectResponse(links_of(chosen)(), HTTPStatus.SEE_OTHER)


def sight_of(request: Request, session: Session) -> Sight:
    """What somebody may see today."""
    return Sight(desk_of(request).today(), session.areas, session.institutions)
