"""Signing in and out. The page to sign in has one address, which says where it goes on to, also after a refusal."""

from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from api.access import sessions
from api.access.callers import PUBLIC, MayByForm, PasswordNeeded, SignInNeeded
from api.access.kept import FormRefused
from api.access.passwords import Crowded
from api.access.routes import KB, Route
from api.access.slowing import Slowing, Throttled
from api.frame.addresses import is_for_systems
from api.frame.render import Frame, render
from casework.rights import Right

router = APIRouter(include_in_schema=False, route_class=Route)

HOME = "/"
OWN_ACCOUNT = "/account"
AFTER_A_CROWD = 5.0  # seconds

Leaver = Annotated[sessions.Session, Depends(MayByForm(Right.ENTER, HOME, with_any_password=True))]


def mount(app: FastAPI) -> None:
    """The pages to sign in and out, and the answers to those whom no route lets in."""
    app.state.slowing = Slowing()
    app.include_router(router)
    app.exception_handler(SignInNeeded)(_ask_to_sign_in)
    app.exception_handler(PasswordNeeded)(_ask_for_password)
    app.exception_handler(FormRefused)(_show_form_again)


@router.get("/sign-in", dependencies=[PUBLIC])
async def show_sign_in(request: Request, next: str = HOME) -> Response:
    return _render(request, _own_path(next))


@router.post("/sign-in", dependencies=[PUBLIC], max_body_size=8 * KB)
async def sign_in(
    request: Request,
    login: Annotated[str, Form(max_length=100, pattern=r"^[^\x00]*$")],
    password: Annotated[str, Form(max_length=200)],
    next: str = HOME,
) -> Response:
    next = _own_path(next)
    try:
        token = await sessions.open_session(request, login, password)
    except Throttled as error:
        return _render(request, next, "sign_in.throttled", login, HTTPStatus.TOO_MANY_REQUESTS, error.seconds)
    except Crowded:
        return _render(request, next, "sign_in.throttled", login, HTTPStatus.TOO_MANY_REQUESTS, AFTER_A_CROWD)
    if token is None:
        return _render(request, next, "sign_in.refused", login, HTTPStatus.UNAUTHORIZED)
    to = await sessions.find_home(request, login) if next == HOME else next
    response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    sessions.set_session_cookie(request, response, token)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, session: Leaver) -> Response:
    await sessions.close_session(request)
    return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)


async def _ask_to_sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if is_for_systems(request):
        return JSONResponse({"detail": "sign in"}, HTTPStatus.UNAUTHORIZED)
    return RedirectResponse(f"/sign-in?{urlencode({'next': error.back})}", HTTPStatus.SEE_OTHER)


async def _ask_for_password(request: Request, error: Exception) -> Response:
    if is_for_systems(request):
        detail = f"请先在 {OWN_ACCOUNT} 换成自己的密码 / choose a password of your own first: {OWN_ACCOUNT}"
        return JSONResponse({"detail": detail}, HTTPStatus.FORBIDDEN)
    return RedirectResponse(OWN_ACCOUNT, HTTPStatus.SEE_OTHER)


async def _show_form_again(request: Request, error: Exception) -> Response:
    assert isinstance(error, FormRefused)
    return RedirectResponse(error.back, HTTPStatus.SEE_OTHER)


def _render(
    request: Request,
    next: str,
    problem: str | None = None,
    typed: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    seconds: float = 0,
) -> Response:
    """The page to sign in, which goes on to ``next``; after a refusal it may be tried again in so many ``seconds``."""
    if problem is None and "kept=" in next:
        problem = "sign_in.ended"
    action = f"/sign-in?{urlencode({'next': next})}"
    response = render(request, "access/sign_in.html", Frame(), status, action=action, problem=problem, typed=typed)
    if seconds:
        response.headers["Retry-After"] = str(ceil(seconds))
    return response


def _own_path(path: str) -> str:
    """A path on this site; anything else (another host, a scheme, signs that no address holds) leads home."""
    is_own = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if is_own and "\\" not in path else HOME
