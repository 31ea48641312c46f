"""Signing in and out. A form that was on its way when the session ended is kept and shown again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.access import sessions
from api.frame.desk import desk_of
from api.frame.render import Frame, render
from api.leads.page import Kept, is_lead_path, render_lead

router = APIRouter(include_in_schema=False)

HOME = "/"


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = HOME) -> Response:
    return render(request, "access/sign_in.html", Frame(), next=_own_path(next), kept=None, problem=None, typed="")


@router.post("/sign-in")
async def sign_in(
    request: Request,
    login: Annotated[str, Form(max_length=100, pattern=r"^[^\x00]*$")],
    password: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form()] = HOME,
    kept_reason: Annotated[str, Form()] = "",
) -> Response:
    next = _own_path(next)
    kept = Kept(kept_reason, "signed_in_again") if kept_reason else None
    try:
        token = await sessions.open_session(desk_of(request).pool, login, password)
    except sessions.Throttled:
        words = {"next": next, "kept": kept, "problem": "sign_in.throttled", "typed": login}
        return render(request, "access/sign_in.html", Frame(), HTTPStatus.TOO_MANY_REQUESTS, **words)
    if token is None:
        words = {"next": next, "kept": kept, "problem": "sign_in.refused", "typed": login}
        return render(request, "access/sign_in.html", Frame(), HTTPStatus.UNAUTHORIZED, **words)
    response = await _after_sign_in(request, login, token, next, kept)
    sessions.set_session_cookie(request, response, token)
    return response


async def _after_sign_in(request: Request, login: str, token: str, next: str, kept: Kept | None) -> Response:
    if kept is not None and is_lead_path(next):
        session = sessions.Session(login, sessions.csrf_token(token))
        return await render_lead(request, session, next.rsplit("/", 1)[-1], kept=kept)
    return RedirectResponse(next, HTTPStatus.SEE_OTHER)


@router.post("/sign-out")
async def sign_out(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
    await sessions.require_form(request, csrf, HOME)
    await sessions.close_session(request)
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    response.delete_cookie(sessions.SESSION_COOKIE)
    return response


def _own_path(path: str) -> str:
    """A path on this site; anything else (another host, a scheme) leads home."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_own else HOME
