"""Putting a lead off until a day, and taking it up again. What it comes to, and its version, stay."""

from casework.audit import Act
from casework.sight import Sight
from knowledge_base.days import Day, as_date
from streams.store.casework import holders
from streams.store.people import audit
from streams.store.sessions import Connection

LONGEST = 90
"""Days for which a lead may be put off at most: what nobody looks at for longer is dismissed, with a reason."""


class DayRefused(Exception):
    """The day until which a lead is to be put off is not after today, or too far ahead."""


async def snooze(connection: Connection, lead_id: str, until: Day | None, by: str, sight: Sight) -> None:
    """Puts a lead off until a day is over, or takes it up again (``None``).

    Raises ``DayRefused``, ``LeadUnknown`` (also for a lead out of sight).
    """
    if until is not None and not sight.today <= until <= sight.today + LONGEST:
        raise DayRefused
    async with connection.transaction():
        place = await holders.lock_lead(connection, lead_id, sight)
        await holders.save_snoozed(connection, place, until)
        end = {} if until is None else {"until": as_date(until).isoformat()}
        await audit.note(connection, by, Act.SNOOZED if end else Act.WOKE, lead=lead_id, **end)
