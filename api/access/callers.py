"""Who may call a route: the one way to ask who is there.

Every route names it in its signature, pages and interface alike. What is only read asks for a session (``May``); what
changes something also for the session's token, in a form of ours (``MayByForm``) or in a header (``MayByHeader``); and
what anybody may call says so (``PUBLIC``).

    Seer = Annotated[Session, Depends(May(Right.SEE))]

Errors: ``SignInNeeded``, ``PasswordNeeded``, ``FormRefused``, and 403 for somebody who lacks the right.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, NoReturn
from urllib.parse import quote

from fastapi import Depends, Form, Header, HTTPException, Request

from api.access.kept import keep, refuse, words_of
from api.access.sessions import Ended, Session, find_visitor, is_genuine
from api.frame.addresses import path_of, query_of
from api.frame.render import Frame
from casework.rights import Right


class SignInNeeded(Exception):
    """Nobody is signed in, or the session ended: ``back`` is the page to go on with."""

    def __init__(self, back: str):
        super().__init__(back)
        self.back = back


class PasswordNeeded(Exception):
    """Somebody signed in with a password that another gave them, and is to choose one before anything else."""


@dataclass(frozen=True)
class May:
    """Whoever is signed in and has a right; ``with_any_password`` also where another gave them theirs."""

    right: Right
    with_any_password: bool = field(default=False, kw_only=True)

    async def meet(self, request: Request) -> None:
        """Asks who is there, before anything else of a request is read. Raises 403 where the right is lacking."""
        visitor = await find_visitor(request)
        if not isinstance(visitor, Session):
            await self.turn_away(request, visitor)
        else:
            request.state.frame = Frame(visitor.login, visitor.csrf, None, visitor.rights)
            if visitor.password_given and not self.with_any_password:
                raise PasswordNeeded
            if self.right not in visitor.rights:
                raise HTTPException(HTTPStatus.FORBIDDEN)
        request.state.session = visitor

    async def turn_away(self, request: Request, visitor: Ended | None) -> NoReturn:
        """Raises ``SignInNeeded``."""
        raise SignInNeeded(path_of(request))

    async def __call__(self, request: Request) -> Session:
        session: Session = request.state.session
        return session


@dataclass(frozen=True)
class MayByForm(May):
    """Whoever has a right and sends a form of ours.

    ``back`` is the page that holds the form, with names of parts of the form's path in braces; the form's query goes
    with it. A form without the token of its sender's session is kept, and so is that of somebody whose session ended;
    that of a stranger is not read.
    """

    back: str

    async def turn_away(self, request: Request, visitor: Ended | None) -> NoReturn:
        back = self.back_of(request)
        if visitor is not None and await words_of(request):
            back = await keep(request, visitor.login, back, "signed_in_again")
        raise SignInNeeded(back)

    def back_of(self, request: Request) -> str:
        """The page that holds the form."""
        back = self.back.format_map({name: quote(str(part), safe="") for name, part in request.path_params.items()})
        query = query_of(request)
        return f"{back}?{query}" if query else back

    async def __call__(self, request: Request, csrf: Annotated[str, Form()] = "") -> Session:
        session: Session = request.state.session
        if not is_genuine(session, csrf):
            await refuse(request, session, self.back_of(request), "forged")
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

Watcher = Annotated[Session, Depends(May(Right.SEE_OPERATION))]
"""Somebody who looks at how the system is doing."""
