"""Who has a lead: taking one, handing it to a colleague, and giving it back. None of it changes what a lead comes to,
so nobody's decision is refused because of it."""

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


async def find_possible(connection: Connection, area: str, institution: str) -> list[Account]:
    """The open accounts that may see a lead of an area and institution, and decide on it."""
    return await users.find_able(connection, Right.DECIDE, area, institution)
