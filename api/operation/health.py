"""Whether a process lives and can serve: two short answers for machines, of the desk and of workers alike."""

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api.access.callers import PUBLIC
from streams.handlers.rule_sets import RuleSets
from streams.store.operation import status
from streams.store.sessions import Pool, borrowed


class Health(BaseModel):
    """Whether the process answers, or why it cannot serve."""

    status: str = Field(description="`ok`, or `unready`", examples=["ok"])
    reason: str | None = Field(default=None, description="Why it cannot serve: database or migrations")
    suspended: list[str] = Field(default=[], description="Rules in force that do not load: file, field, fault")


def health_router(pool: Pool, rule_sets: RuleSets) -> APIRouter:
    """``GET /health`` and ``GET /ready``."""
    router = APIRouter(tags=["operation"], dependencies=[PUBLIC])

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
        suspended = [] if reason is not None else await _find_suspended(pool, rule_sets)
        answer = Health(status="ok" if reason is None else "unready", reason=reason, suspended=suspended)
        code = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(answer.model_dump(), code)

    return router


async def _find_suspended(pool: Pool, rule_sets: RuleSets) -> list[str]:
    """Rules that nothing new is judged by: that keeps nobody from being served, but it has to be said."""
    async with borrowed(pool) as connection:
        return [str(rule) for rule in (await rule_sets.in_force(connection)).suspended]
