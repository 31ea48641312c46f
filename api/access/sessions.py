"""Who is at the desk: the first account, sessions, and the token of forms.

A session is a random token in a cookie, stored as its hash, for 12 hours. The token of forms is derived from it, so
whoever cannot read the cookie cannot write a form. Cookie and row stay a week longer than the session is open: by them
a form that comes too late is kept for its sender, and somebody who comes back is not taken for a stranger.

Errors: ``Throttled``, ``Crowded``.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request, Response

from api.access.bearers import bearer_of, token_hash
from api.access.passwords import hash_of, is_right
from api.access.slowing import Slowing, sender_of
from api.frame.addresses import is_for_systems
from api.frame.desk import desk_of
from api.frame.render import Frame, home_of, set_cookie
from casework.accounts import Account
from casework.audit import Act
from casework.rights import Right
from streams.store.judgements.published import PROGRAM
from streams.store.operation.status import find_received
from streams.store.people import audit, kept_forms, tokens, users, visits
from streams.store.sessions import Connection, borrowed

FIRST_LOGIN = "inspector"


@dataclass(frozen=True)
class Session:
    """Who is signed in, and the token that forms of this session carry. A machine has no roles, but the rights of its
    token (``granted``), and no forms. Whose password was given by somebody else (``password_given``) may enter, and
    nothing more, until they chose another. ``before_at`` (UTC) is when they were here last before this visit, ``None``
    where they never were."""

    account: Account
    csrf: str
    granted: frozenset[Right] = frozenset()
    password_given: bool = False
    before_at: datetime | None = None

    @property
    def login(self) -> str:
        return self.account.login

    @property
    def rights(self) -> frozenset[Right]:
        """What whoever it is may do."""
        if self.password_given:
            return frozenset({Right.ENTER})
        return self.account.rights | self.granted

    @property
    def areas(self) -> frozenset[str] | None:
        """The pooling areas whose leads they see, ``None`` for all."""
        return self.account.areas

    @property
    def institutions(self) -> frozenset[str] | None:
        """The institutions whose leads they see, ``None`` for all."""
        return self.account.institutions


@dataclass(frozen=True)
class Ended:
    """Who was signed in, and is not any more."""

    login: str


async def ensure_first_user(connection: Connection, *, password_given: bool = False) -> tuple[str, str] | None:
    """Creates the first account and returns (login, password), to be shown once; ``None`` where there is one.

    Where others may read what is shown, its password counts as given by somebody else.
    """
    if await users.has_users(connection):
        return None
    password = new_password()
    hashed = await hash_of(password)
    async with connection.transaction():
        created = await users.save_first_user(connection, FIRST_LOGIN, hashed, password_given=password_given)
        if created:
            await audit.note(connection, PROGRAM, Act.GAVE_ACCOUNT, login=FIRST_LOGIN)
    return (FIRST_LOGIN, password) if created else None


def new_password() -> str:
    """A password that nobody guesses, of 16 signs."""
    return secrets.token_urlsafe(12)


async def open_session(request: Request, login: str, password: str) -> str | None:
    """The token of a new session, ``None`` where log-in or password is wrong. Raises ``Throttled``, ``Crowded``.

    No connection is held while somebody waits or a password is verified.
    """
    slowing: Slowing = request.app.state.slowing
    visitor, pool = await find_visitor(request), desk_of(request).pool
    known = visitor is not None and visitor.login == login
    sender = f"browser {_token_of(request)}" if known else sender_of(request)
    await slowing.wait(sender, login, known)
    async with borrowed(pool) as connection:
        stored = await users.find_password_hash(connection, login)
    if not await is_right(stored, password, known):
        return None
    slowing.forgive(sender, login)
    token = secrets.token_urlsafe(32)
    async with borrowed(pool) as connection:
        is_open = await users.save_session(connection, _token_hash(token), login)
        await kept_forms.delete_old_forms(connection)
    return token if is_open else None


async def find_home(request: Request, login: str) -> str:
    """The first page of an account."""
    async with borrowed(desk_of(request).pool) as connection:
        account = await users.find_account(connection, login)
    return home_of(account.rights if account is not None else ())


async def is_own_password(request: Request, session: Session, password: str) -> bool:
    """Whether somebody who is signed in knows their password. Raises ``Throttled``, ``Crowded``."""
    slowing: Slowing = request.app.state.slowing
    await slowing.wait(sender_of(request), session.login, known=False)
    async with borrowed(desk_of(request).pool) as connection:
        stored = await users.find_password_hash(connection, session.login)
    if not await is_right(stored, password, known=True):
        return False
    slowing.forgive(sender_of(request), session.login)
    return True


async def close_session(request: Request) -> None:
    token = _token_of(request)
    if token is not None:
        async with borrowed(desk_of(request).pool) as connection:
            await users.end_session(connection, _token_hash(token))


async def find_visitor(request: Request) -> Session | Ended | None:
    """Who sent a request, as its cookie says, or a machine's token at the interface; ``None`` for a stranger."""
    bearer = bearer_of(request) if is_for_systems(request) else None
    if bearer is not None:
        return await _find_machine(request, bearer)
    token = _token_of(request)
    if not token:
        return None
    async with borrowed(desk_of(request).pool) as connection:
        found = await users.find_session(connection, _token_hash(token))
        if found is None:
            return None
        login, before_at = found.account.login, found.before_at
        if not found.is_open:
            return Ended(login)
        if found.is_to_note:
            before_at = await visits.note_use(connection, login)
    return Session(found.account, csrf_token(token), password_given=found.password_given, before_at=before_at)


async def _find_machine(request: Request, bearer: str) -> Session | None:
    async with borrowed(desk_of(request).pool) as connection:
        token = await tokens.use_token(connection, token_hash(bearer))
    if token is None:
        return None
    machine = Account(f"token {token.name}", "", frozenset(), token.areas, token.institutions)
    return Session(machine, csrf_token(bearer), token.rights | {Right.ENTER})


async def frame_of(connection: Connection, session: Session) -> Frame:
    """What the frame around a page shows to somebody, read in the same snapshot as the page."""
    names = await users.find_names(connection) if Right.SEE_COMMENTS in session.rights else {}
    return Frame(session.login, session.csrf, await find_received(connection), session.rights, names)


async def note(request: Request, session: Session, act: Act, **about: str) -> None:
    """Keeps in the audit log what somebody at the desk did."""
    async with borrowed(desk_of(request).pool) as connection, connection.transaction():
        await audit.note(connection, session.login, act, **about)


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    lasts = users.SESSION_LASTS + users.ENDED_REMEMBERED
    set_cookie(request, response, desk_of(request).site.session_cookie, token, int(lasts.total_seconds()), "strict")


def own_hash(request: Request) -> bytes:
    """What is stored of the token of a request's session."""
    return _token_hash(_token_of(request) or "")


def csrf_token(token: str) -> str:
    """The token that forms of a session carry."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"form").hexdigest()


def is_genuine(session: Session, csrf: str) -> bool:
    """Whether a form was made for this session."""
    return hmac.compare_digest(session.csrf.encode(), csrf.encode())


def _token_of(request: Request) -> str | None:
    return request.cookies.get(desk_of(request).site.session_cookie)


def _token_hash(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32).digest()
