"""What comes next in the queue that led to a lead, whatever became of that lead meanwhile."""

from typing import NamedTuple

from fastapi import Request
from msgspec.structs import replace

from api.frame.desk import Shown
from api.leads.choosing import Asked
from api.leads.filters import address_in, decode_cursor, filter_of
from streams.store.casework import queue
from streams.store.sessions import Connection

MOST_COUNTED = 1000
"""Leads of a queue that are counted: nobody who goes from lead to lead asks how many thousands there are."""


class Following(NamedTuple):
    """The address of the lead behind one (``None`` behind the last), and how many the queue holds: of a long one,
    that it holds ``MOST_COUNTED`` or more."""

    address: str | None
    left: int

    @property
    def is_long(self) -> bool:
        return self.left >= MOST_COUNTED


async def find_following(
    connection: Connection, request: Request, lead_id: str, asked: Asked, shown: Shown
) -> Following | None:
    """The lead behind the place that an address tells; ``None`` where it tells none."""
    try:
        place = decode_cursor(asked.at)
    except ValueError:
        return None
    chosen = replace(filter_of(request, asked.list, shown), after=place, limit=2)
    others = [lead for lead in await queue.find_leads(connection, chosen, shown.sight) if lead.lead_id != lead_id]
    left = await queue.count_leads(connection, chosen, shown.sight, MOST_COUNTED)
    if not others:
        return Following(None, left)
    return Following(address_in(asked.list, others[0]), left)
