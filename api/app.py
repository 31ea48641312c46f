"""The application: console, JSON interface, health. It is served on the address that its caller chooses.

Faults are caught once, here: people get a page that says what happened, the log gets the kind of fault and where it
arose, and neither gets what was sent.
"""

import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api.access import page as signing
from api.access.schemes import Described
from api.frame.addresses import is_for_systems, path_of
from api.frame.desk import STATIC, Desk, desk_of
from api.frame.formats import today_in_china
from api.frame.methods import AnswersHead, say_methods
from api.frame.render import render_error, texts_of
from api.frame.site import HERE, Site
from api.frame.texts import half_of
from api.leads import answers, bulk, endpoints, lists, queue, saving, trials
from api.leads import page as lead
from api.operation import lag, letters, reconciliation, silence, status
from api.operation.health import health_router
from api.people import account, audit
from api.people import page as people
from api.records import claim, institution, patient
from api.search import page as search
from api.warnings import endpoints as warnings_interface
from api.warnings import page as warnings
from knowledge_base.days import Day
from rules_lib.rule_set import RuleSet
from streams.bus import Bus
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.store.casework.queue import TextRefused
from streams.store.sessions import Pool

log = logging.getLogger(__name__)

Handle = Callable[[Request], Awaitable[Response]]

#: Nothing is fetched from another host, no script or style stands in a page, nobody frames it.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


#: The pages and the interface, by what they are about.
_LEADS = (queue, bulk, saving, lead, lists, answers, trials, endpoints)
_RECORDS = (search, claim, patient, institution)
_WARNINGS = (warnings, warnings_interface)
_OPERATION = (status, reconciliation, letters, lag, silence)
_PEOPLE = (people, account, audit)

#: What keeps a request from being done, by status: texts ``error``.
KINDS = {
    HTTPStatus.FORBIDDEN: "not_yours",
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.METHOD_NOT_ALLOWED: "method",
    HTTPStatus.REQUEST_TIMEOUT: "too_slow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_long",
}


def create_app(
    pool: Pool,
    rule_set: RuleSet,
    bus: Bus,
    vault: Vault,
    today: Callable[[], Day] = today_in_china,
    site: Site = HERE,
) -> FastAPI:
    """Console and interface over a migrated store and its bus. ``today`` gives the civil day in China.

    ``rule_set`` is shown where the store names none as in force; ``site`` is where browsers find the desk.
    """
    app = Described(
        title="Fundwatch",
        summary="医保基金监管: 线索, 疑点, 决定 / leads, findings and decisions of fund supervision",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = Desk(pool, RuleSets(rule_set), bus, vault, today, site)
    signing.mount(app)
    for part in (*_LEADS, *_RECORDS, *_WARNINGS, *_OPERATION, *_PEOPLE):
        app.include_router(part.router)
    app.include_router(health_router(pool, app.state.desk.rule_sets))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.middleware("http")(_answer)
    app.add_middleware(AnswersHead)
    app.exception_handler(HTTPException)(_explain)
    app.exception_handler(TextRefused)(_explain_text)
    app.exception_handler(RequestValidationError)(_explain_request)
    return app


async def _answer(request: Request, handle: Handle) -> Response:
    """Every answer: refuses what other sites send, catches faults, adds headers."""
    try:
        own = desk_of(request).site.sent(request)
        response = await handle(request) if own else render_error(request, HTTPStatus.FORBIDDEN, "request")
    except Exception as error:  # noqa: BLE001 - the one place where faults of pages end
        response = _fail(request, error)
    if "hx-request" in request.headers and response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        # A part of a page cannot hold a fault or the sign-in page: the browser goes there as a whole.
        response = Response(headers={"HX-Redirect": path_of(request)})
    response.headers.update(SECURITY_HEADERS)
    # Pages hold personal data: no shared machine keeps them.
    if not request.scope["path"].startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _fail(request: Request, error: Exception) -> Response:
    """The fault's kind and place go to the log, without its text: that may quote rows or forms."""
    number = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    log.error("fault %s: %s at %s", number, type(error).__name__, place)
    return render_error(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", number)


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if is_for_systems(request):
        response: Response = JSONResponse({"detail": error.detail}, status)
    else:
        detail = half_of(error.detail, texts_of(request).lang)
        response = render_error(request, status, KINDS.get(status, "request"), detail)
    response.headers.update(error.headers or {})
    say_methods(request, response)
    return response


async def _explain_text(request: Request, error: Exception) -> Response:
    """Text that the store cannot hold names nothing in it."""
    return render_error(request, HTTPStatus.NOT_FOUND, "missing")


#: What is wrong with a value, by the library's kind of fault; what it says of the value itself is English alone.
_REFUSED = {
    "missing": "缺少 / missing",
    "string_pattern_mismatch": "写法应为 {pattern} / expected the form {pattern}",
    "literal_error": "只能是 {expected} 之一 / expected one of {expected}",
    "string_too_long": "超过 {max_length} 字 / more than {max_length} signs",
    "int_parsing": "不是整数 / expected a whole number",
    "int_parsing_size": "数字太大 / too great a number",
    "greater_than_equal": "应不小于 {ge} / expected {ge} or more",
    "less_than_equal": "应不大于 {le} / expected {le} or less",
    "bool_parsing": "只能是 1 或 0 / expected 1 or 0",
}


def _fault_words(fault: Mapping[str, Any], lang: str | None = None) -> str:
    """What is wrong with a field, without the value: Chinese first, or in one language alone."""
    kind = fault.get("type")
    form = str(fault["msg"]) if kind is None else _REFUSED.get(kind, "值无效 / invalid: {msg}")
    if lang is not None:
        form = half_of(form, lang)
    if kind is None:
        return form
    words = {**fault.get("ctx", {}), "msg": fault["msg"]}
    if kind == "literal_error":
        words["expected"] = words["expected"].replace(" or ", ", ")
    return form.format(**words)


async def _explain_request(request: Request, error: Exception) -> Response:
    """What is wrong with a request, field by field, without repeating what it said. A page does not say where in the
    request a field stands."""
    assert isinstance(error, RequestValidationError)
    if is_for_systems(request):
        faults = [f"{'.'.join(map(str, fault['loc']))}: {_fault_words(fault)}" for fault in error.errors()]
        return JSONResponse({"detail": "; ".join(faults)}, HTTPStatus.UNPROCESSABLE_ENTITY)
    lang = texts_of(request).lang
    told = [f"{'.'.join(map(str, fault['loc'][1:]))}: {_fault_words(fault, lang)}" for fault in error.errors()]
    return render_error(request, HTTPStatus.UNPROCESSABLE_ENTITY, "unknown", "; ".join(told))
