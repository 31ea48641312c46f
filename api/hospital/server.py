"""The server that hospitals call: raw ASGI over the gateway, one dialect a process.

Whatever comes to an address of the interface gets an answer in its form with status 200, as hospital systems expect;
other addresses get 404, other methods 405, who does not prove who sent it 401 and who sends too many 429, in form too.
``/receipts/CODE`` tells who asked what is kept of it (``api.hospital.receipts``).
``/health/live`` says that the process answers, ``/health/ready`` that what it is told can be kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from api.hospital.answering import envelope
from api.hospital.dialect import IN_PATH, Dialect
from api.hospital.gateway import FAILED, Gateway
from api.hospital.keys import Keys, NotKnown, NotProven
from api.hospital.rates import Rates
from api.hospital.receipts import Away
from api.hospital.sender import Sender

logger = logging.getLogger("fundwatch.gateway")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Tell = Callable[[bytes, Sender | None], Awaitable[None]]
"""Answers what somebody sent who has proven who they are."""

MOST_BODY = 2 * 1024 * 1024
"""Bytes of a message: a long stay with all of its orders has a fifth of that."""

LONGEST_BODY = 10.0
"""Seconds in which a message has to have come."""

NOT_PROVEN = "not proven"
"""What is told of an answer to somebody who has not proven who they are, beside the gateway's outcomes."""

TOO_LONG = "报文过长 / the message is too long"
TOO_MANY = "发送过快, 请稍后重发, 诊疗不受影响 / too many messages, please send again; care goes on"
TOO_SLOW = "报文未在时限内到达 / the message did not come in time"
RECEIPTS = "/receipts/"
NO_RECEIPT = "没有这个凭据, 或尚未入库, 或已过期 / no such receipt, or not stored yet, or too old to be told"
CANNOT_LOOK = "暂时无法查询, 请稍后再试 / it cannot be looked up at this moment, please try again"
JSON_TYPE = b"application/json;charset=UTF-8"


class Refused(Exception):
    """A request that is not read to its end; its text goes into ``err_msg``."""


class HospitalServer:
    """An ASGI application. ``is_ready`` tells whether what hospitals say can be kept at this moment."""

    def __init__(self, gateway: Gateway, dialect: Dialect, keys: Keys, rates: Rates, is_ready: Callable[[], bool]):
        self._gateway = gateway
        self._keys = keys
        self._rates = rates
        self._dialect = dialect
        self._is_ready = is_ready
        self._prefix, self._is_in_path = dialect.addresses.path.removesuffix(IN_PATH), IN_PATH in dialect.addresses.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        infno = path.removeprefix(self._prefix) if self._is_in_path else None
        if path.startswith("/health/"):
            await self._tell_health(method, path, send)
        elif path.startswith(RECEIPTS) and method == "GET":
            await self._hear(scope, receive, send, lambda _, by: self._tell_receipt(path, by, send), path.encode())
        elif path.startswith(RECEIPTS):
            await _respond(send, 405, self._in_form("只接受 GET / GET is due"), [(b"allow", b"GET")])
        elif not self._is_address(path):
            await _respond(send, 404, self._in_form("没有这个地址 / no such address"))
        elif method != "POST":
            await _respond(send, 405, self._in_form("只接受 POST / POST is due"), [(b"allow", b"POST")])
        else:
            await self._hear(scope, receive, send, lambda body, sender: self._tell_answer(body, infno, sender, send))

    async def _hear(self, scope: Scope, receive: Receive, send: Send, tell: Tell, signed: bytes | None = None) -> None:
        """Hears who sends something, and answers it. Who is not known by the head costs no more than the head.

        ``signed`` is what is signed along in place of the body, where that is not what is asked.
        """
        began = asyncio.get_running_loop().time()
        try:
            claim = self._keys.claim(scope["headers"])
            body = await _read(receive)
            sender = self._keys.prove(claim, body if signed is None else signed)
        except NotProven as not_proven:
            self._gateway.watch("?", NOT_PROVEN, asyncio.get_running_loop().time() - began)
            await _respond(send, 401, self._in_form(str(not_proven)), [(b"www-authenticate", b"Bearer")])
        except NotKnown as not_known:
            self._gateway.watch("?", "not kept", asyncio.get_running_loop().time() - began)
            await _respond(send, 200, self._in_form(str(not_known)))
        except Refused as refused:
            await _respond(send, 200, self._in_form(str(refused)))
        else:
            if self._rates.take(_counted(scope, sender), asyncio.get_running_loop().time()):
                await tell(body, sender)
            else:
                await _respond(send, 429, self._in_form(TOO_MANY), [(b"retry-after", b"1")])

    async def _tell_answer(self, body: bytes, infno: str | None, sender: Sender | None, send: Send) -> None:
        try:
            answer = await self._gateway.answer(body, self._dialect, infno, sender)
        except Exception:
            logger.exception("a message is not answered")
            answer = self._in_form(FAILED)
        await _respond(send, 200, answer)

    async def _tell_receipt(self, path: str, sender: Sender | None, send: Send) -> None:
        try:
            receipt = await self._gateway.receipt(path.removeprefix(RECEIPTS), sender)
        except Away:
            await _respond(send, 503, self._in_form(CANNOT_LOOK), [(b"retry-after", b"5")])
        else:
            await _respond(send, *((404, self._in_form(NO_RECEIPT)) if receipt is None else (200, receipt)))

    def _is_address(self, path: str) -> bool:
        if not self._is_in_path:
            return path == self._prefix
        return path.startswith(self._prefix) and path.removeprefix(self._prefix) in self._dialect.messages

    def _in_form(self, says: str) -> bytes:
        now = datetime.now(UTC)
        return envelope(self._dialect, None, now, now, err_msg=says)

    async def _tell_health(self, method: str, path: str, send: Send) -> None:
        if path == "/health/live":
            await _respond(send, 200, _state("live"))
        elif path == "/health/ready":
            ready = self._is_ready()
            await _respond(send, 200 if ready else 503, _state("ready" if ready else "not ready"))
        else:
            await _respond(send, 404, _state("no such check"))


def _counted(scope: Scope, sender: Sender | None) -> str:
    """Whose messages are counted together: those of the institutions of a key, else those of an address."""
    return " ".join(sorted(sender.institutions)) if sender else str((scope.get("client") or ("?",))[0])


def _state(says: str) -> bytes:
    return msgspec.json.encode({"state": says})


async def _read(receive: Receive) -> bytes:
    """The body of a request. Raises ``Refused``."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(LONGEST_BODY):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(TOO_SLOW)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MOST_BODY:
                    raise Refused(TOO_LONG)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(TOO_SLOW) from None


async def _respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = str(len(body)).encode()
    of_body = [(b"content-type", JSON_TYPE), (b"content-length", length), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*of_body, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
