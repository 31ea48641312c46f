"""The sender's time: for the simulated county, whose year is not ours, a message's own time (inf_time) is now.

No hospital's gateway is served so: what a hospital says of the time decides nothing there.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

_CHINA = timezone(timedelta(hours=8))
_MOST = 4 * 2**20
"""Bytes of a message that is looked into; the server refuses what is longer."""

_told: ContextVar[datetime | None] = ContextVar("told", default=None)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Server = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Envelope(msgspec.Struct):
    inf_time: str


_decode = msgspec.json.Decoder(_Envelope).decode


def senders_now() -> datetime:
    """The time of the message that is being answered, of the machine where it tells none."""
    return _told.get() or datetime.now(UTC)


def by_senders_time(server: Server) -> Server:
    """A server within which ``senders_now`` is the time that each message tells."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await server(scope, receive, send)
            return
        parts = await _read(receive)
        _told.set(_time_of(b"".join(part.get("body", b"") for part in parts)))
        waiting = iter(parts)

        async def receive_again() -> MutableMapping[str, Any]:
            return next(waiting, None) or await receive()

        await server(scope, receive_again, send)

    return serve


async def _read(receive: Receive) -> list[MutableMapping[str, Any]]:
    parts: list[MutableMapping[str, Any]] = []
    size = 0
    while size <= _MOST:
        parts.append(await receive())
        size += len(parts[-1].get("body", b""))
        if not parts[-1].get("more_body", False):
            break
    return parts


def _time_of(body: bytes) -> datetime | None:
    try:
        told = datetime.fromisoformat(_decode(body).inf_time)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None
    return told.replace(tzinfo=_CHINA).astimezone(UTC)
