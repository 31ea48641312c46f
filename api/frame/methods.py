"""Methods of HTTP: HEAD is answered wherever GET is, and which methods an address has."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnswersHead:
    """Answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        if scope.get("method") == "HEAD":
            await self.app({**scope, "method": "GET"}, receive, send_head)
        else:
            await self.app(scope, receive, send)


def say_methods(request: Request, response: Response) -> None:
    """Says in an answer of 405 which methods the address has; of static files it is said already."""
    if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return
    if methods := _methods_of(request.app, request.scope["path"]):
        response.headers["Allow"] = ", ".join(sorted(methods))


def _methods_of(app: FastAPI, path: str) -> set[str]:
    """The methods that an application's routes have for a path."""
    contexts = [context for context in iter_route_contexts(app.routes) if context.methods]
    found = {method for of in contexts if of.path_regex.match(path) for method in of.methods or ()}
    return found | {"HEAD"} if "GET" in found else found
