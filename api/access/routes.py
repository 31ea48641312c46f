"""How a route of ours is reached: who is there is asked before a body is read, and bodies and addresses have limits.

``Route`` is the class of every route (``APIRouter(route_class=Route)``). One that reads a body says how many bytes it
takes at most, in the parameter that FastAPI has for it; FastAPI itself would answer before anybody is asked to sign in.

    @router.post("/sign-in", max_body_size=4 * KB)

One that takes a form with a file says so too (``form_limits={"max_files": 1}``): such a form comes in parts.

Errors: those of the route's caller, 408 and 413 for a body, 422 for what an address or a body says that no page knows.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from api.access.callers import May
from api.access.kept import FORM_LIMITS
from api.access.schemes import taken_by
from api.frame.addresses import LANGUAGE
from api.frame.texts import LANGUAGES

KB = 1024
MOST_BODY = 4 * KB
"""Bytes of a body where a route does not say: a token, a number, a word."""

LONGEST_BODY = 20.0
"""Seconds in which a body has to have come."""

DEEPEST = 8
"""Lists and objects in one another in a JSON body; ours have one."""

LONGEST_NAME = 40
"""Signs of an unknown parameter's name that are repeated."""


class Route(APIRoute):
    """A route that asks before it reads."""

    def __init__(self, *arguments: Any, max_body_size: int | None = None, form_limits: Any = None, **more: Any):
        self.most = MOST_BODY if max_body_size is None else max_body_size
        self.of_form = FORM_LIMITS | (form_limits or {})
        super().__init__(*arguments, form_limits=self.of_form, **more)
        self.callers = [of.call for of in self.dependant.dependencies if isinstance(of.call, May)]
        if taken := taken_by(self.callers):
            self.openapi_extra = {"security": taken}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = {field.alias for field in get_flat_params(self.dependant) if isinstance(field.field_info, params.Query)}

        async def ask_then_handle(request: Request) -> Response:
            limited = _Limited(request, self.most, self.of_form)
            for caller in self.callers:
                await caller.meet(limited)
            _check_query(request, known | {LANGUAGE})
            return await handle(limited)

        return ask_then_handle


class _Limited(Request):
    """A request whose body ends in an answer where it is too long, too late, too deep, or says a name twice."""

    def __init__(self, request: Request, most: int, of_form: Any):
        super().__init__(request.scope, _limited(request.receive, most))
        self.of_form = of_form

    def form(self, **_: Any) -> Any:
        """Our forms are urlencoded, but for those with a file, which browsers send without naming an encoding: the
        other kind would be read in one of the sender's choice. Whoever reads a form first does so within its limits."""
        said = self.headers.get("content-type", "").lstrip().lower()
        if said.startswith("multipart/") and (not self.of_form["max_files"] or "charset" in said):
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "正文不是网页表单 / body: no urlencoded form")
        return super().form(**self.of_form)

    async def json(self) -> Any:
        said = json.loads(await self.body(), object_pairs_hook=_named_once)
        if _depth_of(said) > DEEPEST:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"正文嵌套超过 {DEEPEST} 层 / body: deeper than {DEEPEST}"
            )
        return said


def _limited(receive: Receive, most: int) -> Receive:
    """What receives a body of so many bytes at most, from the first call on within ``LONGEST_BODY``."""
    got = 0
    ends: float | None = None

    async def receive_within() -> Message:
        nonlocal got, ends
        if ends is None:
            ends = asyncio.get_running_loop().time() + LONGEST_BODY
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT, f"{LONGEST_BODY:g} 秒内没有收完 / body: not there after {LONGEST_BODY:g} s"
            ) from None
        got += len(message.get("body", b""))
        if got > most:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"正文超过 {most} 字节 / body: more than {most} bytes"
            )
        return message

    return receive_within


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "正文中有名称出现两次 / body: a name twice")
    return dict(pairs)


def _depth_of(said: Any) -> int:
    """How many lists and objects are in one another."""
    depth, level = 0, [said]
    while level := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    return depth


def _check_query(request: Request, known: set[str]) -> None:
    """Raises where an address says what its route does not know, or one thing twice."""
    said = [name for name, _ in request.query_params.multi_items()]
    faults = [(name, "不认识 / unknown") for name in said if name not in known]
    faults += [(name, "出现两次 / twice") for name in known if said.count(name) > 1]
    if request.query_params.get(LANGUAGE, next(iter(LANGUAGES))) not in LANGUAGES:
        faults.append((LANGUAGE, f"只能是 {', '.join(LANGUAGES)} 之一 / expected one of {', '.join(LANGUAGES)}"))
    if faults:
        raise RequestValidationError([{"loc": ("query", name[:LONGEST_NAME]), "msg": why} for name, why in faults])
