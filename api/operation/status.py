"""How the system is doing, at a glance."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access.callers import Watcher
from api.access.routes import Route
from api.access.sessions import frame_of
from api.frame.desk import desk_of, find_lags, snapshot
from api.frame.render import render
from streams.messages.unknown import MOST_NAMES
from streams.store.intake.unknown_fields import find_unknown_fields
from streams.store.operation import status

router = APIRouter(include_in_schema=False, route_class=Route)


@router.get("/status")
async def show_status(request: Request, session: Watcher) -> Response:
    desk = desk_of(request)
    lags = await find_lags(desk)
    async with snapshot(desk.pool) as connection:
        return render(
            request,
            "operation/status.html",
            await frame_of(connection, session),
            letters=await status.find_letters(connection),
            activity=await status.find_activity(connection),
            unknown=await find_unknown_fields(connection),
            most_unknown=MOST_NAMES,
            behind=None if lags is None else sum(lag.behind for lag in lags),
            lags=lags,
            rule_set=(await desk.find_shown(connection, session)).rule_set,
        )
