"""The page of the search: what was found, by kind; one thing of exactly that name is shown at once."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import Seer
from api.access.routes import Route
from api.access.sessions import frame_of
from api.frame.desk import desk_of, snapshot
from api.frame.render import render, texts_of
from api.search.finding import KINDS, MOST, Search
from streams.messages.identifiers import trimmed

router = APIRouter(include_in_schema=False, route_class=Route)

LONGEST = 200
"""Signs of what is searched: more than any name has."""

SHORTEST = 2


@router.get("/search")
async def show_search(request: Request, session: Seer, q: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    desk = desk_of(request)
    typed = trimmed(q) if q.strip() else ""
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        looking = Search(connection, shown, texts_of(request), typed)
        found = await looking.find_all() if len(typed) >= SHORTEST else {}
        frame = await frame_of(connection, session)
    exact = {hit.address for hits in found.values() for hit in hits if hit.exact}
    if len(exact) == 1:
        return RedirectResponse(exact.pop(), HTTPStatus.SEE_OTHER)
    return render(
        request,
        "search/search.html",
        frame,
        q=typed,
        found={kind: hits for kind, hits in found.items() if hits},
        is_short=0 < len(typed) < SHORTEST,
        kinds=KINDS,
        most=MOST,
        shortest=SHORTEST,
    )
