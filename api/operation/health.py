"""Whether a process lives and can serve: two short answers for machines, of the desk and of workers alike."""

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api.access.callers import PUBLIC
from api.access.routes import Route
from streams.handlers.rule_sets import RuleSets
from streams.store.operation import status
from streams.store.sessions import Pool, borrowed
from streams.store.transport.unreadable import find_standing


class Health(BaseModel):
    """Whether the process answers, or why it cannot serve."""

    status: str = Field(description="`ok`, or `unready`", examples=["ok"])
    reason: str | None = Field(default=None, description="Why it cannot serve: database or migrations")
    suspended: list[str] = Field(default=[], description="Rules in force that do not load: file, field, fault")
    unreadable: list[str] = Field(default=[], description="Batches of the bus that cannot be read and are waited for")


def health_router(pool: Pool, rule_sets: RuleSets) -> APIRouter:
    """``GET /health`` and ``GET /ready``."""
    router = APIRouter(tags=["operation"], dependencies=[PUBLIC], route_class=Route)

    @router.get("/health", summary="Is the process alive?")
    async def health() -> Health:
        return Health(status="ok")

    @router.get(
        "/ready",
        summary="Can it serve: is the database reached and at the newest migration?",
        response_model=Health,
        responses={503: {"model": Health, "description": "Not ready, with the reason"}},
    )
    async def ready() -> Response:
        reason = await status.find_unready_reason(pool)
        answer = Health(status="unready", reason=reason) if reason is not None else await _ready(pool, rule_sets)
        code = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(answer.model_dump(), code)

    return router


async def _ready(pool: Pool, rule_sets: RuleSets) -> Health:
    """Ready, with what keeps nobody from being served but has to be said: what nothing new is judged by, what waits."""
    async with borrowed(pool) as connection:
        suspended = (await rule_sets.in_force(connection)).suspended
        standing = await find_standing(connection)
    return Health(status="ok", suspended=list(map(str, suspended)), unreadable=list(map(str, standing)))
