"""Metrics for Prometheus: at ``/metrics`` of the API for readers who know the token, and on a worker's own port."""

import secrets
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from api.access.callers import PUBLIC
from api.access.routes import Route
from api.frame.methods import AnswersHead, say_methods
from api.operation.health import health_router
from streams.handlers.rule_sets import RuleSets
from streams.hosts.metrics import REGISTRY
from streams.store.sessions import Pool


def metrics_router(token: str | None) -> APIRouter:
    """``GET /metrics``; 401 without ``Authorization: Bearer TOKEN`` where there is a token."""
    router = APIRouter(route_class=Route)

    @router.get("/metrics", include_in_schema=False, dependencies=[PUBLIC])
    async def metrics(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if token is not None and not secrets.compare_digest(given, f"Bearer {token}".encode()):
            headers = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"detail": "token"}, HTTPStatus.UNAUTHORIZED, headers)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


def create_metrics_app(pool: Pool, rule_sets: RuleSets, token: str | None) -> FastAPI:
    """What a worker serves on its metrics port: metrics, ``/health`` (its loop turns), ``/ready`` (it has a store)."""
    app = FastAPI(title="Fundwatch", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(AnswersHead)
    app.add_exception_handler(HTTPException, _explain)
    app.include_router(metrics_router(token))
    app.include_router(health_router(pool, rule_sets))
    return app


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = await http_exception_handler(request, error)
    say_methods(request, response)
    return response
