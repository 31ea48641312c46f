"""The same done to many leads at once: given to somebody or shared out by load, given back, put off, taken up again;
and all of it undone. Nothing is decided that way: a decision is about findings that somebody looked at."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from casework.audit import Act
from casework.rights import Right
from casework.sight import Sight
from knowledge_base.days import Day, as_date
from streams.acts.assign import LONGEST_HELD, DayRefused
from streams.store.casework import bulk
from streams.store.casework.bulk import Bulk, Change, Locked, Standing
from streams.store.casework.holders import find_loads
from streams.store.people import audit, users
from streams.store.sessions import Connection

MOST = 500
"""Leads of one act."""


class Wish(StrEnum):
    """What is to be done. ``SHARE``: each lead to whoever may see it and has the fewest."""

    GIVE = "give"
    SHARE = "share"
    GIVE_BACK = "give_back"
    SNOOZE = "snooze"
    WAKE = "wake"


class Left(StrEnum):
    """Why a lead was left alone."""

    OUT_OF_SIGHT = "out_of_sight"
    HOLDER_CHANGED = "holder_changed"
    NOT_FOR_THEM = "not_for_them"
    NOT_OPEN = "not_open"
    SO_ALREADY = "so_already"


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants done: ``to`` whom leads are given, and until which day they are given or put off."""

    wish: Wish
    to: str | None = None
    until: Day | None = None


class NothingTicked(Exception):
    """No lead was chosen."""


class TooMany(Exception):
    """More leads were chosen than one act takes."""


class NotUndoable(Exception):
    """There is no such act of theirs, or it was undone."""


async def do(connection: Connection, ticked: Mapping[str, str | None], wanted: Wanted, by: str, sight: Sight) -> int:
    """Does the same to all leads that were ``ticked`` (by name, with whom each was seen) where it still fits, and gives
    the number of the act.

    Raises ``NothingTicked``, ``TooMany``, and ``DayRefused`` for a day before today, too far ahead, or not told.
    """
    if not ticked:
        raise NothingTicked
    if len(ticked) > MOST:
        raise TooMany
    has_end = wanted.wish in (Wish.GIVE, Wish.SHARE, Wish.SNOOZE)
    if has_end and (wanted.until is None or not sight.today <= wanted.until <= sight.today + LONGEST_HELD):
        raise DayRefused
    async with connection.transaction():
        leads = await bulk.lock_leads(connection, ticked, sight)
        sharing = _Sharing(connection, sight)
        changes, left = list[Change](), Counter[str]()
        if len(leads) < len(ticked):
            left[Left.OUT_OF_SIGHT] = len(ticked) - len(leads)
        for lead in leads:
            found = await _after(lead, ticked[lead.lead_id], wanted, sharing)
            if isinstance(found, Left):
                left[found] += 1
            else:
                changes.append(Change(lead.area, lead.lead_id, lead.standing, found))
        await bulk.save_standings(connection, [(of.area, of.lead_id, of.after) for of in changes])
        number = await bulk.save_bulk(connection, by, wanted.wish, changes, left)
        for of in changes:
            await _note(connection, by, of.lead_id, of.before, of.after, bulk=str(number))
        return number


async def undo(connection: Connection, number: int, by: str, sight: Sight) -> Bulk:
    """Puts all leads back where one's act found them; those that were changed since stay. Raises ``NotUndoable``."""
    async with connection.transaction():
        act = await bulk.find_bulk(connection, number, by, to_undo=True)
        if act is None or act.undone_at is not None:
            raise NotUndoable
        changes = await bulk.find_changes(connection, number)
        leads = await bulk.lock_leads(connection, changes, sight)
        back = [changes[lead.lead_id] for lead in leads if lead.standing == changes[lead.lead_id].after]
        await bulk.save_standings(connection, [(of.area, of.lead_id, of.before) for of in back])
        for of in back:
            await _note(connection, by, of.lead_id, of.after, of.before, undoes_bulk=str(number))
        await bulk.save_undone(connection, number, len(back))
    return act


class _Sharing:
    """Who may have which lead, and how many they have, those counted that were shared out meanwhile."""

    def __init__(self, connection: Connection, sight: Sight):
        self.connection = connection
        self.sight = sight
        self.able: dict[tuple[str, str], list[str]] = {}
        self.loads: dict[str, int] = {}

    async def find_able(self, lead: Locked) -> list[str]:
        place = (lead.area, lead.institution)
        if place not in self.able:
            self.able[place] = [of.login for of in await users.find_able(self.connection, Right.DECIDE, *place)]
        return self.able[place]

    async def next_for(self, lead: Locked) -> str | None:
        """Who of those who may have a lead has the fewest."""
        able = await self.find_able(lead)
        if new := set(able) - self.loads.keys():
            self.loads |= await find_loads(self.connection, new, self.sight)
        if not able:
            return None
        login = min(able, key=lambda one: (self.loads[one], one))
        self.loads[login] += 1
        return login


async def _after(lead: Locked, seen: str | None, wanted: Wanted, sharing: _Sharing) -> Standing | Left:
    """What is to hold on a lead, or why it stays as it is."""
    now = lead.standing
    until = None if wanted.until is None else as_date(wanted.until)
    if wanted.wish in (Wish.SNOOZE, Wish.WAKE):
        if lead.state != "open":
            return Left.NOT_OPEN
        after = msgspec.structs.replace(now, snoozed_until=until if wanted.wish is Wish.SNOOZE else None)
        return Left.SO_ALREADY if after == now else after
    if lead.holder != seen:
        return Left.HOLDER_CHANGED
    if wanted.wish is Wish.GIVE_BACK:
        return Left.SO_ALREADY if lead.holder is None else Standing(None, None, now.snoozed_until)
    to = await sharing.next_for(lead) if wanted.wish is Wish.SHARE else wanted.to
    if to is None or to not in await sharing.find_able(lead):
        return Left.NOT_FOR_THEM
    after = Standing(to, until, now.snoozed_until)
    return Left.SO_ALREADY if after == now else after


async def _note(connection: Connection, by: str, lead_id: str, before: Standing, after: Standing, **of: str) -> None:
    """An entry as for a single lead, with the act that it is ``of``."""
    if (before.holder, before.held_until) != (after.holder, after.held_until):
        end = {} if after.held_until is None else {"until": after.held_until.isoformat()}
        await audit.note(connection, by, Act.ASSIGNED, lead=lead_id, to=after.holder or "", **end, **of)
    if before.snoozed_until != after.snoozed_until:
        end = {} if after.snoozed_until is None else {"until": after.snoozed_until.isoformat()}
        await audit.note(connection, by, Act.SNOOZED if end else Act.WOKE, lead=lead_id, **end, **of)
