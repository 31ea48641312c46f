"""Filters that people keep under a name. What somebody removed lies by for ``LIES_BY``, and can be put back."""

from datetime import timedelta

import asyncpg
import msgspec

LIES_BY = timedelta(days=7)

_SAVED = "filter_id, name, name_before, query, removed_at is not null as is_removed"


class SavedFilter(msgspec.Struct, frozen=True):
    """A filter under a name: ``query`` is what the queue's address says, ``name_before`` what a renamed one was called
    before."""

    filter_id: int
    name: str
    name_before: str | None
    query: str
    is_removed: bool


async def find_filters(connection: asyncpg.Connection, login: str) -> list[SavedFilter]:
    """The filters that somebody keeps, in the order in which they were saved."""
    rows = await connection.fetch(
        f"select {_SAVED} from saved_filters where login = $1 and removed_at is null order by filter_id", login
    )
    return [SavedFilter(**row) for row in rows]


async def find_filter(connection: asyncpg.Connection, login: str, filter_id: int) -> SavedFilter | None:
    """A filter that somebody keeps, or removed; ``None`` where there is none of theirs."""
    row = await connection.fetchrow(
        f"select {_SAVED} from saved_filters where login = $1 and filter_id = $2", login, filter_id
    )
    return None if row is None else SavedFilter(**row)


async def hold_filters(connection: asyncpg.Connection, login: str) -> None:
    """Nobody else changes somebody's filters until the caller's transaction ends."""
    await connection.execute("select from users where login = $1 for no key update", login)


async def save_filter(connection: asyncpg.Connection, login: str, name: str, look: str, query: str) -> int:
    """Keeps a filter, and returns its number."""
    number: int = await connection.fetchval(
        "insert into saved_filters (login, name, look, query) values ($1, $2, $3, $4) returning filter_id",
        login,
        name,
        look,
        query,
    )
    return number


async def rename_filter(connection: asyncpg.Connection, filter_id: int, name: str, look: str) -> None:
    await connection.execute(
        "update saved_filters set name = $2, look = $3, name_before = name where filter_id = $1", filter_id, name, look
    )


async def remove_filter(connection: asyncpg.Connection, login: str, filter_id: int) -> None:
    """Removes a filter, and forgets those that were removed long ago."""
    await connection.execute("update saved_filters set removed_at = now() where filter_id = $1", filter_id)
    await connection.execute(
        "delete from saved_filters where login = $1 and removed_at < now() - $2::interval", login, LIES_BY
    )


async def put_back(connection: asyncpg.Connection, filter_id: int) -> None:
    await connection.execute(
        "update saved_filters set removed_at = null, name_before = null where filter_id = $1", filter_id
    )
