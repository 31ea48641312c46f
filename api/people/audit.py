"""The audit log: who did what, and to what. Its filter stands in the address."""

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.access.callers import May
from api.access.routes import Route
from api.access.sessions import Session, frame_of
from api.frame.addresses import MOST_WHOLE, Links, as_day
from api.frame.desk import desk_of, snapshot
from api.frame.render import render
from casework.audit import Act, Entry
from casework.rights import Right
from streams.store.casework.holders import find_held
from streams.store.people import audit
from streams.store.people.audit import EntryFilter

router = APIRouter(include_in_schema=False, route_class=Route)

PATH = "/audit"
PAGE = 100

Auditor = Annotated[Session, Depends(May(Right.SEE_AUDIT))]
CivilDay = Annotated[str, Query(max_length=10)]


def entry_filter(
    who: Annotated[str, Query(max_length=100)] = "",
    act: Annotated[str, Query(pattern=f"^({'|'.join(Act)})?$")] = "",
    first: CivilDay = "",
    last: CivilDay = "",
    lead: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
) -> EntryFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    return EntryFilter(who or None, act or None, as_day("first", first), as_day("last", last), lead or None)


Chosen = Annotated[EntryFilter, Depends(entry_filter)]


@router.get(PATH)
async def show_audit(
    request: Request,
    session: Auditor,
    chosen: Chosen,
    before: Annotated[int, Query(ge=1, le=MOST_WHOLE)] = MOST_WHOLE,
) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        entries = await audit.find_entries(connection, chosen, shown.sight, before, PAGE)
        held = await find_held(
            connection, {entry.about["lead"] for entry in entries if "lead" in entry.about}, shown.sight
        )
        frame = await frame_of(connection, session)
    links = links_of(chosen)
    return render(
        request,
        "people/audit.html",
        frame,
        entries=entries,
        runs=runs(entries),
        held=held,
        topics=shown.topics,
        chosen=chosen,
        acts=list(Act),
        links=links,
        next=links(before=entries[-1].seq) if len(entries) == PAGE else None,
        is_first=before == MOST_WHOLE,
    )


def runs(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries in their order, those together in which one person looked at evidence time after time."""
    together = groupby(entries, lambda entry: entry.by if entry.act == Act.SAW_EVIDENCE else entry.seq)
    return [list(run) for _, run in together]


def links_of(chosen: EntryFilter) -> Links:
    """Addresses of entries with the same filter."""
    words = {"who": chosen.by, "act": chosen.act, "first": chosen.first, "last": chosen.last, "lead": chosen.lead}
    return Links(PATH, words)
