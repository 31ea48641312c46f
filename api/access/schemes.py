"""How a request to the interface says who sent it, as /openapi.json describes it: by route what is taken."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from api.access.callers import May, MayByForm, MayByHeader
from api.frame.desk import Desk
from casework.rights import Right
from casework.tokens import SCOPES

Taken = list[dict[str, list[str]]]
"""What a route takes, one or the other; of one all together."""

_SESSION, _TOKEN_OF_FORMS, _BEARER = "session", "csrf", "token"


class Described(FastAPI):
    """An application whose description names how its callers say who they are."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        desk: Desk = self.state.desk
        described["components"]["securitySchemes"] = {
            _SESSION: {
                "type": "apiKey",
                "in": "cookie",
                "name": desk.site.session_cookie,
                "description": "The session of somebody who signed in at /sign-in",
            },
            _TOKEN_OF_FORMS: {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRF-Token",
                "description": "The session's token, which GET /api/session tells",
            },
            _BEARER: {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of a machine (fundwatch tokens add), which reads and decides nothing",
            },
        }
        return described


def taken_by(callers: Iterable[May]) -> Taken:
    """What a route takes; nothing where anybody may call it, or where a form of ours is asked for."""
    for caller in callers:
        if isinstance(caller, MayByHeader):
            return [{_SESSION: [], _TOKEN_OF_FORMS: []}]
        if not isinstance(caller, MayByForm):
            machines: Taken = [{_BEARER: []}] if caller.right in (Right.ENTER, *SCOPES) else []
            return [{_SESSION: []}, *machines]
    return []
