"""What is new to somebody since they were here last: how many leads, and from when on something counts as new."""

from dataclasses import dataclass
from datetime import datetime

from api.access.sessions import Session
from api.leads.filters import STILL_COMING, links_of
from casework.sight import Sight
from streams.store.casework import queue
from streams.store.casework.queue import Lead, LeadFilter
from streams.store.sessions import Connection


@dataclass(frozen=True)
class News:
    """``before_at`` (UTC) is when somebody was here last, ``leads`` how many open ones something came into since, and
    ``address`` the queue that holds these."""

    before_at: datetime
    leads: int
    address: str

    def are_in(self, lead: Lead) -> bool:
        """Whether something came into a lead since."""
        return lead.came_at is not None and lead.came_at > self.before_at - STILL_COMING


async def find_news(connection: Connection, session: Session, lane: str | None, sight: Sight) -> News | None:
    """What is new to somebody in a lane (``None``: in all); ``None`` for somebody who never was here before."""
    before = session.before_at
    if before is None:
        return None
    chosen = LeadFilter(lane=lane, new_since=before - STILL_COMING, states=("open",))
    counts = await queue.find_counts(connection, chosen, sight)
    leads = sum(of.get("open", 0) for name, of in counts.items() if lane in (None, name))
    return News(before, leads, links_of(chosen)())
