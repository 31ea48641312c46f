"""The accounts: the list, one of them, and what whoever manages people may do to it."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import May, MayByForm
from api.access.kept import Kept, forget, refuse, words_of
from api.access.passwords import hash_of
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of, new_password
from api.frame.desk import desk_of, snapshot
from api.frame.render import Frame, render
from casework.accounts import LONGEST_LOGIN, LONGEST_NAME, Account, AccountRefused, checked_new
from casework.rights import Right, Role, rights_of
from streams.acts import accounts
from streams.acts.accounts import AccountUnknown, NotYours
from streams.store.casework.queue import find_areas, find_institution_names
from streams.store.people import users
from streams.store.people.kept_forms import KeptForm
from streams.store.sessions import Connection, borrowed

router = APIRouter(include_in_schema=False, route_class=Route)

PATH, NEW = "/people", "/people/new"
PERSON = "/people/of/{login}"

LONGEST_FORM = 16 * KB

Onlooker = Annotated[Session, Depends(May(Right.SEE_PEOPLE))]
Manager = Annotated[Session, Depends(May(Right.MANAGE_PEOPLE))]
Opener = Annotated[Session, Depends(MayByForm(Right.MANAGE_PEOPLE, NEW))]
Changer = Annotated[Session, Depends(MayByForm(Right.MANAGE_PEOPLE, PERSON))]


@router.get(PATH)
async def show_people(request: Request, session: Onlooker) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        found = await users.find_accounts(connection)
        names = await _institution_names(connection, *found)
        frame = await frame_of(connection, session)
    return render(request, "people/people.html", frame, accounts=found, names=names, link=address_of, roles=list(Role))


@router.get(NEW)
async def show_new(request: Request, session: Manager, kept: Kept) -> Response:
    """The form for another account, with what was typed where it was not taken."""
    async with snapshot(desk_of(request).pool) as connection:
        frame = await frame_of(connection, session)
    blank = Account("", "", frozenset(), session.areas, session.institutions)
    return _render_form(request, session, frame, blank, kept, is_new=True)


@router.post(PATH, max_body_size=LONGEST_FORM)
async def open_account(request: Request, session: Opener) -> Response:
    """Opens an account and shows its password, once."""
    words = await words_of(request)
    account = _account_in(words, words.get("login", ""))
    password = new_password()
    try:
        account = checked_new(account)
        hashed = await hash_of(password)
        async with borrowed(desk_of(request).pool) as connection:
            account = await accounts.open_account(connection, account, hashed, session.account)
    except (AccountRefused, NotYours) as refused:
        await refuse(request, session, NEW, _problem(refused))
    return await _render_password(request, session, account.login, password)


@router.get(PERSON)
async def show_person(
    request: Request, session: Onlooker, login: str, kept: Kept, saved: Literal["", "1"] = ""
) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        account = await users.find_account(connection, login)
        if account is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        names = await _institution_names(connection, account)
        empty = (account.areas or frozenset()) - await find_areas(connection)
        frame = await frame_of(connection, session)
    return _render_form(request, session, frame, account, kept, names=names, empty=empty, saved=bool(saved))


@router.post(PERSON, max_body_size=LONGEST_FORM)
async def change(request: Request, session: Changer, login: str) -> Response:
    account = _account_in(await words_of(request), login)
    return await _answer(request, session, login, lambda to: accounts.change_account(to, account, session.account))


@router.post(f"{PERSON}/close", max_body_size=KB)
async def close(request: Request, session: Changer, login: str) -> Response:
    return await _answer(request, session, login, lambda to: accounts.close_account(to, login, session.account))


@router.post(f"{PERSON}/reopen", max_body_size=KB)
async def reopen(request: Request, session: Changer, login: str) -> Response:
    return await _answer(request, session, login, lambda to: accounts.reopen_account(to, login, session.account))


@router.post(f"{PERSON}/sign-out", max_body_size=KB)
async def sign_out(request: Request, session: Changer, login: str) -> Response:
    """Signs somebody out everywhere."""
    return await _answer(request, session, login, lambda to: accounts.sign_out_everywhere(to, login, session.account))


@router.post(f"{PERSON}/password", max_body_size=KB)
async def give_password(request: Request, session: Changer, login: str) -> Response:
    """Gives somebody another password, shown once."""
    password = new_password()
    hashed = await hash_of(password)
    await _act(request, session, login, lambda to: accounts.set_password(to, login, hashed, session.account))
    return await _render_password(request, session, login, password)


def address_of(login: str) -> str:
    """The page of an account."""
    return PERSON.format(login=quote(login, safe=""))


Act = Callable[[Connection], Awaitable[object]]


async def _answer(request: Request, session: Session, login: str, act: Act) -> Response:
    await _act(request, session, login, act)
    await forget(request, session)
    return RedirectResponse(f"{address_of(login)}?saved=1", HTTPStatus.SEE_OTHER)


async def _act(request: Request, session: Session, login: str, act: Act) -> None:
    """Acts on an account; what was refused leads to its page, which says why."""
    try:
        async with borrowed(desk_of(request).pool) as connection:
            await act(connection)
    except AccountUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except (AccountRefused, NotYours) as refused:
        await refuse(request, session, address_of(login), _problem(refused))


def _problem(refused: AccountRefused | NotYours) -> str:
    return f"account_{refused.why}" if isinstance(refused, AccountRefused) else "account_not_yours"


def _account_in(words: Mapping[str, str], login: str) -> Account:
    """What a form says of an account; no area, or no institution, means all."""
    return Account(
        login,
        words.get("name", ""),
        frozenset(role for role in Role if f"role_{role}" in words),
        _listed(words.get("areas", "")),
        _listed(words.get("institutions", "")),
    )


def _listed(text: str) -> frozenset[str] | None:
    """Codes as people type them, one after another; ``None`` where there is none."""
    return frozenset(re.split(r"[\s,;，、；]+", text)) - {""} or None


def _render_form(
    request: Request,
    session: Session,
    frame: Frame,
    account: Account,
    kept: KeptForm | None,
    *,
    names: Mapping[str, str] | None = None,
    empty: Collection[str] = (),
    is_new: bool = False,
    saved: bool = False,
) -> Response:
    """An account, as a form for whoever may change it; with what was typed there where that was not taken. ``empty``
    are those of its areas in which there is no lead."""
    typed = kept if kept is not None and kept.form in (PATH, address_of(account.login)) else None
    shown = account if typed is None else _account_in(typed.words, typed.words.get("login", account.login))
    may = Right.MANAGE_PEOPLE in session.rights and session.account.covers(account) and session.login != account.login
    givable = [role for role in Role if rights_of([role]) <= session.rights]
    return render(
        request,
        "people/person.html",
        frame,
        account=account,
        shown=shown,
        kept=kept,
        action=PATH if is_new else address_of(account.login),
        is_new=is_new,
        saved=saved and kept is None,
        may_change=is_new or may,
        is_own=session.login == account.login,
        givable=givable,
        roles=list(Role),
        names=names or {},
        empty=sorted(empty),
        longest_login=LONGEST_LOGIN,
        longest_name=LONGEST_NAME,
    )


async def _render_password(request: Request, session: Session, login: str, password: str) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        frame = await frame_of(connection, session)
    return render(request, "people/password.html", frame, login=login, password=password, link=address_of(login))


async def _institution_names(connection: Connection, *found: Account) -> Mapping[str, str]:
    codes = frozenset[str]().union(*(account.institutions or () for account in found))
    return await find_institution_names(connection, codes)
