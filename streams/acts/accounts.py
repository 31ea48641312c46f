"""Giving, changing and closing accounts. At the desk nobody gives or takes what they do not have themselves."""

from collections.abc import Awaitable, Callable

from casework.accounts import Account, AccountRefused, checked, checked_new, look_of
from casework.audit import Act
from streams.store.people import audit, users
from streams.store.sessions import Connection

By = Account | str
"""Who does something: somebody at the desk, or, by a name, at the command line, which is bound by nothing."""


class AccountUnknown(Exception):
    """There is no account of that log-in."""


class NotYours(Exception):
    """The account may do or see more than whoever wants to give, change or close it; or it is their own."""


async def open_account(connection: Connection, account: Account, password_hash: str, by: By) -> Account:
    """Creates an account. Raises ``AccountRefused`` (also where the log-in, or one that looks like it, was ever given),
    ``NotYours``."""
    account = checked_new(account)
    if isinstance(by, Account) and not by.covers(account):
        raise NotYours
    async with connection.transaction():
        like = [login for login in await users.hold_logins(connection) if look_of(login) == look_of(account.login)]
        if like and account.login.lower() not in map(str.lower, like):
            raise AccountRefused("alike")
        if not await users.save_account(connection, account, password_hash, password_given=True):
            raise AccountRefused("known")
        await audit.note(connection, _name(by), Act.GAVE_ACCOUNT, **_said(account))
    return account


async def change_account(connection: Connection, account: Account, by: By) -> Account:
    """Gives an account other words, roles, areas or institutions. Raises ``AccountUnknown``, ``AccountRefused``,
    ``NotYours``."""
    account = checked(account)

    async def change() -> None:
        await users.change_account(connection, account)

    await _do(connection, account.login, by, Act.CHANGED_ACCOUNT, change, becomes=account)
    return account


async def close_account(connection: Connection, login: str, by: By) -> None:
    """Ends an account and its sessions. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, Act.CLOSED_ACCOUNT, lambda: users.close_account(connection, login))


async def reopen_account(connection: Connection, login: str, by: By) -> None:
    """Lets somebody sign in again, with the password of before. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, Act.REOPENED_ACCOUNT, lambda: users.reopen_account(connection, login))


async def set_password(connection: Connection, login: str, password_hash: str, by: By) -> None:
    """Gives an account another password, to be replaced at its first use, and signs it out everywhere.

    Raises ``AccountUnknown``, ``NotYours``.
    """

    async def give() -> None:
        await users.save_password(connection, login, password_hash, password_given=True)

    await _do(connection, login, by, Act.SET_PASSWORD, give)


async def set_own_password(connection: Connection, account: Account, password_hash: str) -> None:
    """Another password of whoever knows the present one; signs them out everywhere."""
    async with connection.transaction():
        await users.save_password(connection, account.login, password_hash, password_given=False)
        await audit.note(connection, account.login, Act.SET_PASSWORD, login=account.login)


async def sign_out_own(connection: Connection, account: Account) -> None:
    """Signs somebody out everywhere who asks for it."""
    async with connection.transaction():
        await users.end_sessions(connection, account.login)
        await audit.note(connection, account.login, Act.SIGNED_OUT, login=account.login)


async def sign_out_everywhere(connection: Connection, login: str, by: By) -> None:
    """Ends every session of an account. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, Act.SIGNED_OUT, lambda: users.end_sessions(connection, login))


async def _do(
    connection: Connection,
    login: str,
    by: By,
    act: Act,
    do: Callable[[], Awaitable[object]],
    becomes: Account | None = None,
) -> None:
    """Does something to an account, locked, where whoever does it covers what it is and what it is to be."""
    async with connection.transaction():
        account = await users.find_account(connection, login, to_change=True)
        if account is None:
            raise AccountUnknown
        if isinstance(by, Account) and (by.login == login or not all(map(by.covers, (account, becomes or account)))):
            raise NotYours
        await do()
        said = {"login": login} if becomes is None else _said(becomes)
        await audit.note(connection, _name(by), act, **said)


def _name(by: By) -> str:
    return by if isinstance(by, str) else by.login


def _said(account: Account) -> dict[str, str]:
    """What the log says of an account: as what it may sign in and where it may look; not what somebody is called."""
    return {
        "login": account.login,
        "roles": " ".join(sorted(account.roles)),
        "areas": "all" if account.areas is None else " ".join(sorted(account.areas)),
        "institutions": "all" if account.institutions is None else " ".join(sorted(account.institutions)),
    }
