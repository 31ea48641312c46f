"""Giving, changing and closing accounts. At the desk nobody gives or takes what they do not have themselves."""

from collections.abc import Awaitable, Callable

from casework.accounts import Account, AccountRefused, checked
from streams.store.people import users
from streams.store.sessions import Connection


class AccountUnknown(Exception):
    """There is no account of that log-in."""


class NotYours(Exception):
    """The account may do or see more than whoever wants to give, change or close it; or it is their own."""


async def open_account(
    connection: Connection, account: Account, password_hash: str, by: Account | None = None
) -> Account:
    """Creates an account, for somebody at the desk or, without ``by``, at the command line.

    Raises ``AccountRefused`` (also where the log-in was ever given), ``NotYours``.
    """
    account = checked(account)
    if by is not None and not by.covers(account):
        raise NotYours
    if not await users.save_account(connection, account, password_hash):
        raise AccountRefused("known")
    return account


async def change_account(connection: Connection, account: Account, by: Account | None = None) -> Account:
    """Gives an account other words, roles, areas or institutions. Raises ``AccountUnknown``, ``AccountRefused``,
    ``NotYours``."""
    account = checked(account)

    async def change() -> None:
        await users.change_account(connection, account)

    await _do(connection, account.login, by, change, also=account)
    return account


async def close_account(connection: Connection, login: str, by: Account | None = None) -> None:
    """Ends an account and its sessions. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, lambda: users.close_account(connection, login))


async def reopen_account(connection: Connection, login: str, by: Account | None = None) -> None:
    """Lets somebody sign in again, with the password of before. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, lambda: users.reopen_account(connection, login))


async def set_password(connection: Connection, login: str, password_hash: str, by: Account | None = None) -> None:
    """Gives an account another password and signs it out everywhere. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, lambda: users.save_password(connection, login, password_hash))


async def sign_out_everywhere(connection: Connection, login: str, by: Account | None = None) -> None:
    """Ends every session of an account. Raises ``AccountUnknown``, ``NotYours``."""
    await _do(connection, login, by, lambda: users.end_sessions(connection, login))


async def _do(
    connection: Connection,
    login: str,
    by: Account | None,
    act: Callable[[], Awaitable[object]],
    also: Account | None = None,
) -> None:
    """Acts on an account, locked, where whoever does it covers what it is and what it is to be."""
    async with connection.transaction():
        account = await users.find_account(connection, login, to_change=True)
        if account is None:
            raise AccountUnknown
        if by is not None and (by.login == login or not all(by.covers(of) for of in (account, also or account))):
            raise NotYours
        await act()
