"""Signing in and out. What a form said that could not be taken is kept, and shown again where it was written."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from api.access import sessions
from api.access.callers import PUBLIC, Forged, MayByForm, SignInNeeded, Unrecorded
from api.access.rights import Right
from api.access.routes import KB, Route
from api.frame.addresses import is_for_systems
from api.frame.desk import desk_of
from api.frame.render import Frame, render, render_error

router = APIRouter(include_in_schema=False, route_class=Route)

HOME = "/"

Leaver = Annotated[sessions.Session, Depends(MayByForm(Right.ENTER, HOME))]

GoOn = Callable[[Request, sessions.Session, Unrecorded], Awaitable[Response | None]]
"""Shows the page that holds a form again, with what was written; ``None`` where no page keeps it."""


def mount(app: FastAPI, go_on: GoOn) -> None:
    """The pages to sign in and out, and the answers to those whom no route lets in."""
    app.state.go_on = go_on
    app.include_router(router)
    app.exception_handler(SignInNeeded)(_ask_to_sign_in)
    app.exception_handler(Forged)(_refuse_form)


@router.get("/sign-in", dependencies=[PUBLIC])
async def show_sign_in(request: Request, next: str = HOME) -> Response:
    return _render(request, _own_path(next))


@router.post("/sign-in", dependencies=[PUBLIC], max_body_size=64 * KB)
async def sign_in(
    request: Request,
    login: Annotated[str, Form(max_length=100, pattern=r"^[^\x00]*$")],
    password: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form()] = HOME,
    kept_reason: Annotated[str, Form()] = "",
) -> Response:
    next = _own_path(next)
    try:
        token = await sessions.open_session(desk_of(request).pool, login, password)
    except sessions.Throttled:
        return _render(request, next, kept_reason, "sign_in.throttled", login, HTTPStatus.TOO_MANY_REQUESTS)
    if token is None:
        return _render(request, next, kept_reason, "sign_in.refused", login, HTTPStatus.UNAUTHORIZED)
    response = await _after_sign_in(request, sessions.session_of(login, token), next, kept_reason)
    sessions.set_session_cookie(request, response, token)
    return response


async def _after_sign_in(request: Request, session: sessions.Session, next: str, kept: str) -> Response:
    unrecorded = Unrecorded(next, next, kept, "signed_in_again")
    response = await _go_on(request, session, unrecorded) if kept else None
    return response or RedirectResponse(next, HTTPStatus.SEE_OTHER)


@router.post("/sign-out")
async def sign_out(request: Request, session: Leaver) -> Response:
    await sessions.close_session(request)
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    sessions.delete_session_cookie(request, response)
    return response


async def _ask_to_sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if is_for_systems(request):
        return JSONResponse({"detail": "sign in"}, HTTPStatus.UNAUTHORIZED)
    if error.text:
        return _render(request, error.back, error.text, "sign_in.ended", status=HTTPStatus.UNAUTHORIZED)
    return RedirectResponse(f"/sign-in?next={quote(error.back)}", HTTPStatus.SEE_OTHER)


async def _refuse_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, Forged)
    response = await _go_on(request, error.session, error.unrecorded)
    return response or render_error(request, HTTPStatus.FORBIDDEN, "request")


async def _go_on(request: Request, session: sessions.Session, unrecorded: Unrecorded) -> Response | None:
    go_on: GoOn = request.app.state.go_on
    return await go_on(request, session, unrecorded)


def _render(
    request: Request,
    next: str,
    kept: str = "",
    problem: str | None = None,
    typed: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    words = {"next": next, "kept": kept, "problem": problem, "typed": typed}
    return render(request, "access/sign_in.html", Frame(), status, **words)


def _own_path(path: str) -> str:
    """A path on this site; anything else (another host, a scheme) leads home."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_own else HOME
