"""Who may sign in, who is signed in, and who was. Time is the database's."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from casework.accounts import Account
from casework.rights import ALL_RIGHTS, Right, Role, rights_of
from streams.store.people.visits import USE_NOTED, begin_visit

SESSION_LASTS = timedelta(hours=12)
ENDED_REMEMBERED = timedelta(days=7)
"""Whoever comes back within it finds the form that the end of the session interrupted."""

MOST_SESSIONS = 10
"""Open sessions of one account; another one ends the oldest."""

_ACCOUNT = "login, name, roles, areas, institutions, disabled_at"


def _account(row: asyncpg.Record) -> Account:
    """Roles of a later release give nothing here."""
    roles = frozenset(Role(role) for role in row["roles"] if role in set(Role))
    return Account(
        row["login"], row["name"], roles, named(row["areas"]), named(row["institutions"]), row["disabled_at"]
    )


def named(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def listed(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


async def save_first_user(
    connection: asyncpg.Connection, login: str, password_hash: str, *, password_given: bool
) -> bool:
    """Creates an account with all rights where there is none yet and says whether it did; of two starters one does."""
    async with connection.transaction():
        if await hold_logins(connection):
            return False
        account = Account(login, "", frozenset(ALL_RIGHTS))
        return await save_account(connection, account, password_hash, password_given=password_given)


async def has_users(connection: asyncpg.Connection) -> bool:
    found: bool = await connection.fetchval("select exists (select from users)")
    return found


async def take_carried_over(connection: asyncpg.Connection) -> list[str]:
    """The log-ins of before accounts, which have all rights now; each is named once."""
    rows = await connection.fetch("update users set carried_over = false where carried_over returning login")
    return sorted(row["login"] for row in rows)


async def save_account(
    connection: asyncpg.Connection, account: Account, password_hash: str, *, password_given: bool
) -> bool:
    """Creates an account; false where there is one of that log-in, open or closed, in small or capital letters.

    Whoever was given their password by somebody else is to choose another.
    """
    status = await connection.execute(
        """
        insert into users (login, password_hash, name, roles, areas, institutions, password_given)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
        """,
        account.login,
        password_hash,
        account.name,
        sorted(account.roles),
        listed(account.areas),
        listed(account.institutions),
        password_given,
    )
    return bool(status == "INSERT 0 1")


async def hold_logins(connection: asyncpg.Connection) -> list[str]:
    """Every log-in, open or closed; none is added by others until the caller's transaction ends."""
    await connection.execute("lock table users in share row exclusive mode")
    return [row["login"] for row in await connection.fetch("select login from users")]


async def change_account(connection: asyncpg.Connection, account: Account) -> None:
    """Gives an account another name, roles, areas and institutions; its open sessions have them at once."""
    await connection.execute(
        "update users set name = $2, roles = $3, areas = $4, institutions = $5 where login = $1",
        account.login,
        account.name,
        sorted(account.roles),
        listed(account.areas),
        listed(account.institutions),
    )


async def close_account(connection: asyncpg.Connection, login: str) -> None:
    """Nobody signs in with an account any more, and its sessions end."""
    async with connection.transaction():
        await connection.execute("update users set disabled_at = coalesce(disabled_at, now()) where login = $1", login)
        await end_sessions(connection, login)


async def reopen_account(connection: asyncpg.Connection, login: str) -> None:
    await connection.execute("update users set disabled_at = null where login = $1", login)


async def find_accounts(connection: asyncpg.Connection) -> list[Account]:
    """Every account, the open ones first."""
    rows = await connection.fetch(f"select {_ACCOUNT} from users order by disabled_at is not null, login")
    return [_account(row) for row in rows]


async def find_names(connection: asyncpg.Connection) -> dict[str, str]:
    """What people with an account of a name are called, by log-in: their name, and the log-in where two have one."""
    rows = await connection.fetch(
        """
        select login, case count(*) over (partition by name) when 1 then name else name || ' · ' || login end as called
        from users where name <> ''
        """
    )
    return {row["login"]: row["called"] for row in rows}


async def find_able(
    connection: asyncpg.Connection, right: Right, area: str, institution: str, login: str | None = None
) -> list[Account]:
    """The open accounts that have a right and may see leads of an area and institution; or one of them, by its name."""
    rows = await connection.fetch(
        f"""
        select {_ACCOUNT} from users
        where disabled_at is null and roles && $1::text[] and ($4::text is null or login = $4)
            and (areas is null or $2 = any(areas)) and (institutions is null or $3 = any(institutions))
        order by login
        """,
        [role for role in Role if right in rights_of([role])],
        area,
        institution,
        login,
    )
    return [_account(row) for row in rows]


async def find_overlapping(
    connection: asyncpg.Connection, right: Right, areas: Iterable[str] | None, institutions: Iterable[str] | None
) -> list[Account]:
    """The open accounts that have a right and may see something of some areas and institutions (``None``: of all)."""
    rows = await connection.fetch(
        f"""
        select {_ACCOUNT} from users
        where disabled_at is null and roles && $1::text[]
            and (areas is null or $2::text[] is null or areas && $2)
            and (institutions is null or $3::text[] is null or institutions && $3)
        order by login
        """,
        [role for role in Role if right in rights_of([role])],
        listed(areas),
        listed(institutions),
    )
    return [_account(row) for row in rows]


async def find_account(connection: asyncpg.Connection, login: str, *, to_change: bool = False) -> Account | None:
    """An account, locked until the transaction ends where it is found ``to_change`` it."""
    lock = "for update" if to_change else ""
    row = await connection.fetchrow(f"select {_ACCOUNT} from users where login = $1 {lock}", login)
    return None if row is None else _account(row)


async def find_password_hash(connection: asyncpg.Connection, login: str) -> str | None:
    """What is stored of the password of an open account; ``None`` where there is none of that log-in."""
    found: str | None = await connection.fetchval(
        "select password_hash from users where login = $1 and disabled_at is null", login
    )
    return found


async def save_password(
    connection: asyncpg.Connection, login: str, password_hash: str, *, password_given: bool
) -> None:
    """Replaces a password, by one of the account's own choice or a given one, and ends the sessions of the old one."""
    async with connection.transaction():
        await connection.execute(
            "update users set password_hash = $2, password_given = $3 where login = $1",
            login,
            password_hash,
            password_given,
        )
        await end_sessions(connection, login)


async def save_session(connection: asyncpg.Connection, token_hash: bytes, login: str) -> bool:
    """Opens a session; false where the account was closed meanwhile. Ends the oldest where there are too many, and
    sweeps those that ended long ago. Where it is the only one, another visit begins."""
    async with connection.transaction():
        await connection.execute("delete from sessions where expires_at < now() - $1::interval", ENDED_REMEMBERED)
        if not await connection.fetchval(
            "select true from users where login = $1 and disabled_at is null for share", login
        ):
            return False
        if not await connection.fetchval(
            "select exists (select from sessions where login = $1 and expires_at > now())", login
        ):
            await begin_visit(connection, login)
        await connection.execute(
            "insert into sessions (token_hash, login, expires_at) values ($1, $2, now() + $3::interval)",
            token_hash,
            login,
            SESSION_LASTS,
        )
        await connection.execute(
            """
            update sessions set expires_at = now() where login = $1 and expires_at > now() and token_hash not in (
                select token_hash from sessions where login = $1 and expires_at > now()
                order by token_hash = $3 desc, created_at desc, token_hash limit $2)
            """,
            login,
            MOST_SESSIONS,
            token_hash,
        )
    return True


class Visit(NamedTuple):
    """Whose session there is, whether it is open or ended lately, whether its password was given by another, when its
    account was used last in the visit before this one (UTC), and whether that it is used now is yet to be noted."""

    account: Account
    is_open: bool
    password_given: bool
    before_at: datetime | None
    is_to_note: bool


async def find_session(connection: asyncpg.Connection, token_hash: bytes) -> Visit | None:
    """The account of a session as it is now; that of a closed account is not open."""
    row = await connection.fetchrow(
        f"""
        select {_ACCOUNT}, expires_at > now() and disabled_at is null as is_open, password_given, before_at,
            coalesce(used_at < now() - $2::interval, true) as is_to_note
        from sessions join users using (login) left join visits using (login) where token_hash = $1
        """,
        token_hash,
        USE_NOTED,
    )
    return None if row is None else Visit(_account(row), **{name: row[name] for name in Visit._fields[1:]})


class OpenSession(NamedTuple):
    """Where somebody is signed in: since when, until when (UTC), and whether it is the one that asks."""

    created_at: datetime
    expires_at: datetime
    is_own: bool


async def find_open_sessions(connection: asyncpg.Connection, login: str, own_hash: bytes) -> list[OpenSession]:
    """The open sessions of an account, the newest first."""
    rows = await connection.fetch(
        """
        select created_at, expires_at, token_hash = $2 as is_own from sessions
        where login = $1 and expires_at > now() order by created_at desc
        """,
        login,
        own_hash,
    )
    return [OpenSession(**row) for row in rows]


async def end_session(connection: asyncpg.Connection, token_hash: bytes) -> None:
    await connection.execute(
        "update sessions set expires_at = now() where token_hash = $1 and expires_at > now()", token_hash
    )


async def end_sessions(connection: asyncpg.Connection, login: str) -> None:
    """Signs somebody out everywhere."""
    await connection.execute("update sessions set expires_at = now() where login = $1 and expires_at > now()", login)
