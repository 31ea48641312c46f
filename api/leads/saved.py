"""The filters that somebody keeps, as the queue shows them: which one holds now, and which fit no queue any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import Request

from api.access.sessions import Session
from api.frame.desk import Shown
from api.leads.filters import query_of, unfit_words
from casework.saved_filters import LONGEST_NAME, MOST_SAVED
from streams.store.casework import saved
from streams.store.casework.queue import LeadFilter
from streams.store.casework.saved import SavedFilter
from streams.store.sessions import Connection


@dataclass(frozen=True)
class Saved:
    """Filters of somebody, and ``done`` the one with which they just did something. ``unfit`` names the parameters that
    nobody knows today, by filter; ``query`` is what the present address says."""

    filters: list[SavedFilter]
    unfit: Mapping[int, list[str]]
    query: str
    done: SavedFilter | None
    most: int = MOST_SAVED
    longest: int = LONGEST_NAME

    def is_current(self, of: SavedFilter) -> bool:
        """Whether a filter is the one that holds now."""
        return dict(parse_qsl(of.query)) == dict(parse_qsl(self.query))

    def action(self, path: str = "") -> str:
        """Where a form sends what is done with filters: the present address goes with it."""
        return f"/filters{path}?{self.query}" if self.query else f"/filters{path}"


async def find_saved(
    connection: Connection, request: Request, session: Session, shown: Shown, chosen: LeadFilter, done: int | None
) -> Saved:
    """The filters of whoever asks; ``done`` is the number of the one with which they just did something."""
    filters = await saved.find_filters(connection, session.login)
    unfit = {of.filter_id: unfit_words(request, of.query, shown) for of in filters}
    last = None if done is None else await saved.find_filter(connection, session.login, done)
    return Saved(filters, unfit, query_of(chosen), last)
