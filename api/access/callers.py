"""Who may call a route: the one way to ask who is there.

Every route names it in its signature, pages and interface alike. What is only read asks for a session (``May``); what
changes something also for the session's token, in a form of ours (``MayByForm``) or in a header (``MayByHeader``); and
what anybody may call says so (``PUBLIC``).

    Seer = Annotated[Session, Depends(May(Right.SEE))]

Errors: ``SignInNeeded``, ``Forged``, and 403 for somebody who lacks the right.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Depends, Form, Header, HTTPException, Request

from api.access.rights import Right
from api.access.sessions import Session, find_session, has_session_cookie, is_genuine
from api.frame.addresses import path_of, query_of


@dataclass(frozen=True)
class Unrecorded:
    """A form that was not taken: ``form`` is where it was sent, ``back`` the page that holds it.

    ``text`` is what somebody wrote in its field ``reason``, ``why`` the key of the text that tells why (``problems``).
    """

    form: str
    back: str
    text: str
    why: Literal["signed_in_again", "forged"]


class SignInNeeded(Exception):
    """Nobody is signed in, or the session ended: ``back`` is the page to go on with, ``text`` what a form held."""

    def __init__(self, back: str, text: str = ""):
        super().__init__(back)
        self.back = back
        self.text = text


class Forged(HTTPException):
    """A form came without the token of its sender's session: 403."""

    def __init__(self, session: Session, unrecorded: Unrecorded):
        super().__init__(HTTPStatus.FORBIDDEN)
        self.session = session
        self.unrecorded = unrecorded


@dataclass(frozen=True)
class May:
    """Whoever is signed in and has a right."""

    right: Right

    async def meet(self, request: Request) -> None:
        """Asks who is there, before anything else of a request is read. Raises 403 where the right is lacking."""
        session = await find_session(request)
        if session is None:
            self.turn_away(request)
        elif self.right not in session.rights:
            raise HTTPException(HTTPStatus.FORBIDDEN)
        request.state.session = session

    def turn_away(self, request: Request) -> None:
        """Raises ``SignInNeeded``."""
        raise SignInNeeded(path_of(request))

    async def __call__(self, request: Request) -> Session:
        session: Session = request.state.session
        return session


@dataclass(frozen=True)
class MayByForm(May):
    """Whoever has a right and sends a form of ours.

    ``back`` is the page that holds the form, with names of parts of the form's path in braces; the form's query goes
    with it. What somebody wrote in its field ``reason`` goes on with the errors, so that it is not lost: the form of
    somebody whose session ended is read, that of a stranger is not.
    """

    back: str

    def turn_away(self, request: Request) -> None:
        if not has_session_cookie(request):
            raise SignInNeeded(self.back_of(request))

    def back_of(self, request: Request) -> str:
        """The page that holds the form."""
        back = self.back.format_map({name: quote(str(part), safe="") for name, part in request.path_params.items()})
        query = query_of(request)
        return f"{back}?{query}" if query else back

    async def __call__(
        self,
        request: Request,
        csrf: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
    ) -> Session:
        session: Session | None = request.state.session
        back = self.back_of(request)
        if session is None:
            raise SignInNeeded(back, reason)
        if not is_genuine(session, csrf):
            raise Forged(session, Unrecorded(request.scope["path"], back, reason, "forged"))
        return session


@dataclass(frozen=True)
class MayByHeader(May):
    """Whoever has a right and sends the session's token in ``X-CSRF-Token``; 403 without it."""

    async def __call__(self, request: Request, x_csrf_token: Annotated[str, Header()] = "") -> Session:
        session = await super().__call__(request)
        if not is_genuine(session, x_csrf_token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        return session


async def anybody() -> None:
    """Asks nothing of whoever calls."""


PUBLIC = Depends(anybody)
"""Stands among the ``dependencies`` of a route that anybody may call."""

Seer = Annotated[Session, Depends(May(Right.SEE))]
"""Somebody who reads."""
