"""How the system is doing: a page for people, and two short answers for machines."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api.access import sessions
from api.frame.desk import desk_of, find_lags, snapshot
from api.frame.render import render
from streams.store.operation import status

router = APIRouter()


class Health(BaseModel):
    """Whether the process answers, or why it cannot serve."""

    status: str = Field(description="`ok`, or `unready`", examples=["ok"])
    reason: str | None = Field(default=None, description="Why it cannot serve: database or migrations")


@router.get("/health", tags=["operation"], summary="Is the process alive?")
async def health() -> Health:
    return Health(status="ok")


@router.get(
    "/ready",
    tags=["operation"],
    summary="Can it serve: is the database reached and at the newest migration?",
    response_model=Health,
    responses={503: {"model": Health, "description": "Not ready, with the reason"}},
)
async def ready(request: Request) -> Response:
    reason = await status.find_unready_reason(desk_of(request).pool)
    answer = Health(status="ok" if reason is None else "unready", reason=reason)
    code = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(answer.model_dump(), code)


@router.get("/status", include_in_schema=False)
async def show_status(request: Request) -> Response:
    session = await sessions.require_session(request)
    desk = desk_of(request)
    lags = await find_lags(desk)
    async with snapshot(desk.pool) as connection:
        return render(
            request,
            "operation/status.html",
            await sessions.frame_of(connection, session),
            letters=await status.find_letters(connection),
            activity=await status.find_activity(connection),
            behind=None if lags is None else sum(lag.behind for lag in lags),
            lags=lags,
            rule_set=desk.rule_set,
        )
