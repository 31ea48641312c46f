"""The line: a hospital's connection to the gateway, one address a message, with a key shown in each.

A connection that breaks, or is not there yet, is opened again, and who is told to wait waits; so the same message may
be sent twice.
"""

import http.client
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_OFTEN = 120
"""Times that a message is sent again before its hospital gives it up."""
_PAUSE = 1.0
"""Seconds after which a message is sent again."""
_LONGEST = 60.0
"""Seconds after which a connection counts as broken."""
_AGAIN = frozenset({401, 429, 502, 503})
"""Answers after which the same message is sent again; a key that was just given is known a moment later."""


class NoAnswer(Exception):
    """A message was sent again and again and is not answered, or the line was closed meanwhile."""


class Line:
    """Sends messages to ``address`` (``http://host:port``) and reads what is answered.

    ``pause`` waits so long before a message is sent again, by default until the line is closed at most.
    """

    def __init__(self, address: str, key: str | None = None, pause: Callable[[float], object] | None = None):
        told = urlsplit(address)
        self._connection = http.client.HTTPConnection(told.hostname or "", told.port, timeout=_LONGEST)
        self._headers = {"Content-Type": "application/json;charset=UTF-8"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait

    def send(self, infno: str, body: bytes) -> dict[str, Any]:
        """What is answered to a message. Raises ``NoAnswer``."""
        for _ in range(_OFTEN):
            if self._closed.is_set():
                break
            try:
                self._connection.request("POST", f"/{infno}", body, self._headers)
                answer = self._connection.getresponse()
                read = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
            else:
                if answer.status not in _AGAIN:
                    told: dict[str, Any] = json.loads(read)
                    return told
            self._pause(_PAUSE)
        raise NoAnswer(f"{infno}: no answer from {self._connection.host}:{self._connection.port}")

    def close(self) -> None:
        """Ends the line; what is being sent, in whichever thread, is not sent again."""
        self._closed.set()
        self._connection.close()
