"""Who has a lead: taking one, handing it to a colleague, and giving it back. None of it changes what a lead comes to,
so nobody's decision is refused because of it."""

from typing import NamedTuple

from casework.accounts import Account
from casework.audit import Act
from casework.rights import Right
from casework.sight import Sight
from knowledge_base.days import Day, as_date
from streams.store.casework import holders
from streams.store.people import audit, users
from streams.store.sessions import Connection

LONGEST_HELD = 90
"""Days for which a lead may be had at most, from today on: one that nobody gets to is anybody's again."""


class HolderChanged(Exception):
    """Somebody else has the lead by now, or nobody has it any more."""


class NotForThem(Exception):
    """There is no open account of that log-in that may see the lead and decide."""


class DayRefused(Exception):
    """The day until which somebody is to have the lead lies before today or too far ahead, or is not told."""


async def assign(
    connection: Connection, lead_id: str, seen: str | None, to: str | None, until: Day | None, by: str, sight: Sight
) -> None:
    """Gives a lead to somebody until a day, or to nobody, where it is still with whom it was ``seen``.

    Raises ``LeadUnknown`` (also for one out of sight), ``HolderChanged``, ``NotForThem``, and ``DayRefused``.
    """
    if to is not None and (until is None or not sight.today <= until <= sight.today + LONGEST_HELD):
        raise DayRefused
    async with connection.transaction():
        place = await holders.lock_lead(connection, lead_id, sight)
        if place.holder != seen:
            raise HolderChanged
        if to is not None and not await users.find_able(connection, Right.DECIDE, place.area, place.institution, to):
            raise NotForThem
        await holders.save_holder(connection, place, to, until if to is not None else None)
        end = {} if to is None or until is None else {"until": as_date(until).isoformat()}
        await audit.note(connection, by, Act.ASSIGNED, lead=lead_id, to=to or "", **end)


class Colleague(NamedTuple):
    """Somebody to whom leads may be given, and how many of theirs are to be decided."""

    login: str
    name: str
    leads: int


async def find_possible(connection: Connection, area: str, institution: str, sight: Sight) -> list[Colleague]:
    """Who may see a lead of an area and institution, and decide on it; who has the fewest leads comes first."""
    accounts = await users.find_able(connection, Right.DECIDE, area, institution)
    return await _by_load(connection, accounts, sight)


async def find_colleagues(connection: Connection, sight: Sight) -> list[Colleague]:
    """Who may decide on something that is in sight; who has the fewest leads comes first."""
    accounts = await users.find_overlapping(connection, Right.DECIDE, sight.areas, sight.institutions)
    return await _by_load(connection, accounts, sight)


async def _by_load(connection: Connection, accounts: list[Account], sight: Sight) -> list[Colleague]:
    loads = await holders.find_loads(connection, [account.login for account in accounts], sight)
    found = [Colleague(of.login, of.name, loads[of.login]) for of in accounts]
    return sorted(found, key=lambda of: (of.leads, of.login))
