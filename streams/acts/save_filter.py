"""Filters of the queue under a name: saved, renamed, removed and put back by whoever keeps them.

Errors: ``NameRefused``, ``NameTaken``, ``TooMany``, ``FilterUnknown`` (also for another's filter).
"""

from casework.saved_filters import MOST_SAVED, look_of, tidied_name
from streams.store.casework import saved
from streams.store.casework.saved import SavedFilter
from streams.store.sessions import Connection


class NameTaken(Exception):
    """Another filter of theirs has a name that looks like this one."""


class TooMany(Exception):
    """They keep as many filters as anybody may."""


class FilterUnknown(Exception):
    """They keep no such filter."""


async def save(connection: Connection, login: str, name: str, query: str) -> int:
    """Keeps what a queue's address says under a name, and returns the filter's number."""
    name = tidied_name(name)
    async with connection.transaction():
        await saved.hold_filters(connection, login)
        await _check_room(connection, login, name)
        return await saved.save_filter(connection, login, name, look_of(name), query)


async def rename(connection: Connection, login: str, filter_id: int, name: str) -> None:
    """Gives a filter another name."""
    name = tidied_name(name)
    async with connection.transaction():
        await saved.hold_filters(connection, login)
        renamed = await _find(connection, login, filter_id, is_removed=False)
        await _check_name(connection, login, name, filter_id)
        if renamed.name != name:
            await saved.rename_filter(connection, filter_id, name, look_of(name))


async def remove(connection: Connection, login: str, filter_id: int) -> None:
    """Removes a filter; it lies by, and can be put back."""
    async with connection.transaction():
        await saved.hold_filters(connection, login)
        await _find(connection, login, filter_id, is_removed=False)
        await saved.remove_filter(connection, login, filter_id)


async def put_back(connection: Connection, login: str, filter_id: int) -> None:
    """Puts back a filter that was removed."""
    async with connection.transaction():
        await saved.hold_filters(connection, login)
        removed = await _find(connection, login, filter_id, is_removed=True)
        await _check_room(connection, login, removed.name)
        await saved.put_back(connection, filter_id)


async def _find(connection: Connection, login: str, filter_id: int, *, is_removed: bool) -> SavedFilter:
    found = await saved.find_filter(connection, login, filter_id)
    if found is None or found.is_removed != is_removed:
        raise FilterUnknown
    return found


async def _check_room(connection: Connection, login: str, name: str) -> None:
    """Raises ``TooMany``, ``NameTaken``."""
    if len(await saved.find_filters(connection, login)) >= MOST_SAVED:
        raise TooMany
    await _check_name(connection, login, name)


async def _check_name(connection: Connection, login: str, name: str, own: int | None = None) -> None:
    """Raises ``NameTaken`` where another filter than one's ``own`` is called so."""
    kept = await saved.find_filters(connection, login)
    if any(look_of(other.name) == look_of(name) for other in kept if other.filter_id != own):
        raise NameTaken
