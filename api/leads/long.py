"""Leads of thousands of findings: what takes long to work out of all of them is kept until one of them changes."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

from api.frame.desk import Shown
from api.frame.worked_out import WorkedOut
from streams.store.casework import queue
from streams.store.casework.queue import Lead
from streams.store.sessions import Connection

T = TypeVar("T")

LONG = 500
"""Findings from which on a lead is long: those of others are read as fast as it is told whether they changed."""


@dataclass(frozen=True)
class Kept:
    """What a page works out of all findings of a lead; ``mark`` is ``None`` where nothing is kept."""

    worked_out: WorkedOut
    mark: Hashable | None

    async def get(self, what: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Something of the lead, worked out where it is not kept."""
        return await work() if self.mark is None else await self.worked_out.get((self.mark, what), work)


async def kept_of(connection: Connection, shown: Shown, lead: Lead) -> Kept:
    """What is kept of a lead as it is, by the rules in force and on this day; whoever may see it sees all of it."""
    mark = await queue.find_mark(connection, lead) if lead.all_findings >= LONG else None
    whole = (lead.area, lead.lead_id, mark, shown.sight.today, shown.rule_set.hash)
    return Kept(shown.worked_out, None if mark is None else whole)
