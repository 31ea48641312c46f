"""What people do with the filters that they keep: save, rename, remove, put back. Each leads back to the queue."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm
from api.access.kept import forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session
from api.frame.addresses import Whole
from api.frame.desk import desk_of
from api.leads.filters import Chosen, fully_checked, links_of, query_of
from casework.rights import Right
from casework.saved_filters import NameRefused
from streams.acts import save_filter as acts
from streams.store.casework.queue import LeadFilter
from streams.store.sessions import Connection, borrowed

router = APIRouter(include_in_schema=False, route_class=Route)

PROBLEMS: dict[type[Exception], str] = {
    NameRefused: "filter_name",
    acts.NameTaken: "filter_taken",
    acts.TooMany: "filter_many",
}
"""Why nothing was done: texts ``problems``."""

Done = TypeVar("Done")
Keeper = Annotated[Session, Depends(MayByForm(Right.SEE, "/"))]
Name = Annotated[str, Form(max_length=200)]


@router.post("/filters", max_body_size=KB)
async def save(request: Request, session: Keeper, chosen: Chosen, name: Name = "") -> Response:
    """Keeps the filter that the address says."""

    async def act(connection: Connection) -> int:
        fully_checked(chosen, await desk_of(request).find_shown(connection, session))
        return await acts.save(connection, session.login, name, query_of(chosen))

    return _back(chosen, await _taken(request, session, chosen, act))


@router.post("/filters/{filter_id}", max_body_size=KB)
async def rename(request: Request, session: Keeper, chosen: Chosen, filter_id: Whole, name: Name = "") -> Response:
    await _taken(request, session, chosen, lambda c: acts.rename(c, session.login, filter_id, name))
    return _back(chosen, filter_id)


@router.post("/filters/{filter_id}/remove", max_body_size=KB)
async def remove(request: Request, session: Keeper, chosen: Chosen, filter_id: Whole) -> Response:
    await _taken(request, session, chosen, lambda c: acts.remove(c, session.login, filter_id))
    return _back(chosen, filter_id)


@router.post("/filters/{filter_id}/back", max_body_size=KB)
async def put_back(request: Request, session: Keeper, chosen: Chosen, filter_id: Whole) -> Response:
    await _taken(request, session, chosen, lambda c: acts.put_back(c, session.login, filter_id))
    return _back(chosen, filter_id)


def _back(chosen: LeadFilter, filter_id: int) -> Response:
    """To the queue as it was, which says what was done with a filter."""
    return RedirectResponse(links_of(chosen)(done=filter_id), HTTPStatus.SEE_OTHER)


async def _taken(
    request: Request, session: Session, chosen: LeadFilter, act: Callable[[Connection], Awaitable[Done]]
) -> Done:
    """What an act gives; where it was refused, its form is kept and the queue shown again."""
    try:
        async with borrowed(desk_of(request).pool) as connection:
            done = await act(connection)
    except acts.FilterUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except (NameRefused, acts.NameTaken, acts.TooMany) as error:
        await refuse(request, session, links_of(chosen)(), PROBLEMS[type(error)])
    await forget(request, session)
    return done
