"""One's own account: what it may do, where it is signed in, and another password."""

from datetime import datetime, time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import May, MayByForm
from api.access.kept import Kept, refuse
from api.access.passwords import SHORTEST_PASSWORD, Crowded, hash_of, normal
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of, is_own_password, own_hash
from api.access.slowing import Throttled
from api.frame.addresses import MOST_WHOLE
from api.frame.desk import desk_of, snapshot
from api.frame.formats import CHINA
from api.frame.render import render
from casework.rights import Right, Role
from knowledge_base.days import as_date
from streams.acts.accounts import set_own_password, sign_out_own
from streams.store.people import audit, users
from streams.store.sessions import borrowed

router = APIRouter(include_in_schema=False, route_class=Route)

PATH = "/account"
PAGE = 100

Owner = Annotated[Session, Depends(May(Right.ENTER))]
Newcomer = Annotated[Session, Depends(May(Right.ENTER, with_any_password=True))]
Changer = Annotated[Session, Depends(MayByForm(Right.ENTER, PATH, with_any_password=True))]
Word = Annotated[str, Form(max_length=200)]


@router.get(PATH)
async def show_account(request: Request, session: Newcomer, kept: Kept) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        sessions = await users.find_open_sessions(connection, session.login, own_hash(request))
        frame = await frame_of(connection, session)
    return render(
        request,
        "people/account.html",
        frame,
        account=session.account,
        roles=list(Role),
        sessions=sessions,
        most=users.MOST_SESSIONS,
        kept=kept,
        shortest=SHORTEST_PASSWORD,
        password_given=session.password_given,
    )


@router.get(f"{PATH}/today")
async def show_today(
    request: Request, session: Owner, before: Annotated[int, Query(ge=1, le=MOST_WHOLE)] = MOST_WHOLE
) -> Response:
    """What somebody did today, as the audit log has it, the latest first."""
    desk = desk_of(request)
    began = datetime.combine(as_date(desk.today()), time(), CHINA)
    async with snapshot(desk.pool) as connection:
        done = await audit.find_done(connection, session.login, began, before, PAGE)
        frame = await frame_of(connection, session)
    next = f"{PATH}/today?before={done[-1].seq}" if len(done) == PAGE else None
    return render(request, "people/today.html", frame, done=done, next=next, is_first=before == MOST_WHOLE)


@router.post(f"{PATH}/sign-out", max_body_size=KB)
async def sign_out_everywhere(request: Request, session: Changer) -> Response:
    """Ends every session of the account, this one too."""
    async with borrowed(desk_of(request).pool) as connection:
        await sign_out_own(connection, session.account)
    return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)


@router.post(f"{PATH}/password", max_body_size=4 * KB)
async def change_password(
    request: Request, session: Changer, password: Word = "", new_password: Word = "", new_password_again: Word = ""
) -> Response:
    """Takes another password in place of the one that is known, and signs out everywhere."""
    problem = None
    if len(normal(new_password).strip()) < SHORTEST_PASSWORD:
        problem = "password_short"
    elif normal(new_password) != normal(new_password_again):
        problem = "password_differs"
    elif normal(new_password) == normal(password):
        problem = "password_same"
    else:
        try:
            problem = None if await is_own_password(request, session, password) else "password_wrong"
        except (Throttled, Crowded):
            problem = "password_throttled"
    if problem is not None:
        await refuse(request, session, PATH, problem)
    hashed = await hash_of(new_password)
    async with borrowed(desk_of(request).pool) as connection:
        await set_own_password(connection, session.account, hashed)
    return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
