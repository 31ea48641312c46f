"""How far every group of workers is behind, by partition, and what waits in the outbox."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access.callers import Watcher
from api.access.routes import Route
from api.access.sessions import frame_of
from api.frame.desk import desk_of, find_lags, snapshot
from api.frame.render import render
from streams.store.operation import status

router = APIRouter(include_in_schema=False, route_class=Route)


@router.get("/status/lag")
async def show_lag(request: Request, session: Watcher) -> Response:
    desk = desk_of(request)
    lags = await find_lags(desk)
    async with snapshot(desk.pool) as connection:
        activity = await status.find_activity(connection)
        frame = await frame_of(connection, session)
    waiting = [lag.waiting_since for lag in lags or () if lag.waiting_since is not None]
    return render(
        request,
        "operation/lag.html",
        frame,
        lags=lags,
        behind=sum(lag.behind for lag in lags or ()),
        since=min(waiting, default=None),
        unheld=sum(lag.owner is None for lag in lags or ()),
        activity=activity,
        now=datetime.now(UTC),
    )
