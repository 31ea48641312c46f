"""Who is at the desk: the first log-in, passwords (argon2), sessions, the token of forms, and throttling.

A session is a random token in a cookie, stored as its hash, for 12 hours. The token of forms is derived from it, so
whoever cannot read the cookie cannot write a form. Errors: ``Throttled``.
"""

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from fastapi import Request, Response

from api.access.rights import Right, rights_of
from api.frame.desk import desk_of
from api.frame.render import Frame, set_cookie
from streams.store.operation.status import find_received
from streams.store.people import users
from streams.store.sessions import Connection, Pool, borrowed

FIRST_LOGIN = "inspector"
MOST_ATTEMPTS = 5
SHORTEST_PASSWORD = 12
COOKIE_LASTS = timedelta(days=7)
MOST_HASHING = 2


# Each hash takes 64 MiB and some of the processor: a crowd at the door waits here, in nobody's way.
_hashing = ThreadPoolExecutor(MOST_HASHING, "hashing")


class Throttled(Exception):
    """Too many attempts for this log-in in the last quarter of an hour."""


@dataclass(frozen=True)
class Session:
    """Who is signed in, the token that forms of this session carry, and what whoever it is may do."""

    login: str
    csrf: str
    rights: frozenset[Right]


async def ensure_first_user(connection: Connection) -> tuple[str, str] | None:
    """Creates the first log-in and returns (login, password), to be shown once; ``None`` where there is one."""
    if await users.has_users(connection):
        return None
    password = secrets.token_urlsafe(12)
    password_hash = await asyncio.to_thread(_hasher().hash, password)
    created = await users.save_first_user(connection, FIRST_LOGIN, password_hash)
    return (FIRST_LOGIN, password) if created else None


async def set_password(connection: Connection, login: str, password: str) -> bool:
    """Gives a log-in another password, ends its sessions and forgets its attempts; false where there is none."""
    password_hash = await asyncio.to_thread(_hasher().hash, password)
    return await users.save_password(connection, login, password_hash)


async def open_session(pool: Pool, login: str, password: str) -> str | None:
    """The token of a new session, ``None`` where log-in or password is wrong. Raises ``Throttled``.

    No connection is held while the password is verified.
    """
    async with borrowed(pool) as connection:
        if not await users.save_attempt(connection, login, MOST_ATTEMPTS):
            raise Throttled
        stored = await users.find_password_hash(connection, login)
    if not await asyncio.get_running_loop().run_in_executor(_hashing, _verifies, stored, password):
        return None
    token = secrets.token_urlsafe(32)
    async with borrowed(pool) as connection:
        await users.delete_attempts(connection, login)
        await users.save_session(connection, _token_hash(token), login)
    return token


async def close_session(request: Request) -> None:
    token = _token_of(request)
    if token is not None:
        async with borrowed(desk_of(request).pool) as connection:
            await users.delete_session(connection, _token_hash(token))


async def find_session(request: Request) -> Session | None:
    """Who sent a request."""
    token = _token_of(request)
    if not token:
        return None
    async with borrowed(desk_of(request).pool) as connection:
        login = await users.find_session(connection, _token_hash(token))
    return None if login is None else session_of(login, token)


def has_session_cookie(request: Request) -> bool:
    """Whether somebody was signed in here, as a browser tells that keeps cookies; nothing is proved by it."""
    return bool(_token_of(request))


def session_of(login: str, token: str) -> Session:
    """The session that a token opens."""
    return Session(login, csrf_token(token), rights_of(login))


async def frame_of(connection: Connection, session: Session) -> Frame:
    """What the frame around a page shows to somebody, read in the same snapshot as the page."""
    return Frame(session.login, session.csrf, await find_received(connection))


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """The cookie stays longer than the session that it opens: who comes back with it finds the form that was kept."""
    name = desk_of(request).site.session_cookie
    set_cookie(request, response, name, token, int(COOKIE_LASTS.total_seconds()), "strict")


def delete_session_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(desk_of(request).site.session_cookie)


def _token_of(request: Request) -> str | None:
    return request.cookies.get(desk_of(request).site.session_cookie)


def csrf_token(token: str) -> str:
    """The token that forms of a session carry."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"form").hexdigest()


def is_genuine(session: Session, csrf: str) -> bool:
    """Whether a form was made for this session."""
    return hmac.compare_digest(session.csrf.encode(), csrf.encode())


def _token_hash(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32).digest()


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe(12))


def _verifies(password_hash: str | None, password: str) -> bool:
    """An unknown log-in costs as long as a wrong password, so that neither can be told from the time."""
    try:
        return _hasher().verify(password_hash or _hash_of_nobody(), password) and password_hash is not None
    except VerificationError:
        return False
