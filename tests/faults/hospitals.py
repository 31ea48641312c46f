"""Hospitals: systems that send messages over plain sockets and keep a book of what they were answered.

Nothing of the server is used here. Each does as it was told (docs/connecting-a-hospital.md): without an answer, or told
to send again, it sends the same message with the same number.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.patience import PATIENCE

SEND_AGAIN = "稍后重发"
AREA = "420281"
NAMED_TWICE = "002503020030000"
"""An examination that is paid once in 15 days."""

_CHINA = timezone(timedelta(hours=8))
_WAIT = 0.2
_LONGEST_IDLE = 1.0
"""Seconds after which a connection is not used again: the server may have closed it by then."""


class Broken(Exception):
    """The connection ended before there was an answer."""


class Line:
    """A connection over which one request follows another, unless it was idle for long."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = time.monotonic()

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer. Raises ``Broken``."""
        head = f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        try:
            return await asyncio.wait_for(
                self._exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body), PATIENCE
            )
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Broken from error

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if time.monotonic() - self._used_at > _LONGEST_IDLE:
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, body, is_last = await read_answer(reader)
        self._used_at = time.monotonic()
        if is_last:
            await self.close()
        return status, body

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status and body of the next answer, and whether the connection ends with it."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
    if headers.get("transfer-encoding") == "chunked":
        body = await _read_chunks(reader)
    return int(first.split()[1]), body, headers.get("connection") == "close"


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


@dataclass
class Sent:
    """A message, and all that was answered to it: refusals to send again first, then what it was answered for good."""

    infno: str
    msgid: str
    body: bytes
    answers: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    broken: int = 0

    @property
    def last(self) -> dict[str, Any]:
        return self.answers[-1]

    @property
    def is_settled(self) -> bool:
        return bool(self.answers) and SEND_AGAIN not in self.last["err_msg"]

    @property
    def is_taken(self) -> bool:
        return self.is_settled and self.last["infcode"] == 0

    @property
    def not_asked(self) -> set[str]:
        """Why rules were not asked, if they were not."""
        receipt = self._output.get("receipt", {})
        return {of["reason"] for of in receipt.get("not_evaluated", [])}

    @property
    def warnings(self) -> list[str]:
        """The names of the warnings in the answer."""
        return [of["jr_id"] for of in self._output.get("result", [])]

    @property
    def _output(self) -> dict[str, Any]:
        output: dict[str, Any] = self.last["output"] if self.answers else {}
        return output


def written(instant: datetime) -> str:
    return f"{instant.astimezone(_CHINA):%Y-%m-%d %H:%M:%S}"


def envelope(infno: str, msgid: str, code: str, now: datetime, **fields: Any) -> dict[str, Any]:
    """A message of an institution."""
    told = {"infno": infno, "msgid": msgid, "mdtrtarea_admvs": AREA, "insuplc_admdvs": AREA, "recer_sys_code": "YBXT"}
    operator = {"infver": "V1.0", "opter_type": "1", "opter": "0001", "opter_name": "测试员", "inf_time": written(now)}
    return {**told, **operator, "fixmedins_code": code, "fixmedins_name": "测试医院", **fields}


def asking(infno: str, msgid: str, code: str, now: datetime, patient: str, name: str = "测试甲") -> dict[str, Any]:
    """A 3101 or 3102 about somebody who had an examination three days ago and is to have it again."""
    orders = [
        {
            "rx_id": f"{msgid}-{number}",
            "rxno": msgid,
            "hilist_type": "201",
            "hilist_code": NAMED_TWICE,
            "hilist_name": "糖化血红蛋白测定",
            "hilist_lv": "01",
            "cnt": 1,
            "pric": 50,
            "sumamt": 50,
            "ownpay_amt": 0,
            "drord_begn_date": written(now - timedelta(days=days)),
            "curr_drord_flag": "0" if days else "1",
            "drord_dr_name": name,
        }
        for number, days in enumerate((3, 0))
    ]
    encounter = {
        "mdtrt_id": f"V-{msgid}",
        "medins_id": code,
        "medins_name": "测试医院",
        "adm_date": written(now - timedelta(days=4)),
        "med_type": "11",
        "reim_flag": "1",
        "dr_name": name,
        "fsi_diagnose_dtos": [{"dise_id": "1", "dise_codg": "E11.900", "dise_name": "2型糖尿病"}],
        "fsi_order_dtos": orders,
    }
    person = {
        "patn_id": patient,
        "patn_name": name,
        "gend": "1",
        "brdy": "1961-05-02",
        "poolarea": AREA,
        "curr_mdtrt_id": encounter["mdtrt_id"],
        "fsi_encounter_dtos": [encounter],
    }
    told = {"data": {"syscode": "HIS", "trig_scen": "2", "patient_dtos": [person]}}
    return envelope(infno, msgid, code, now, input=told)


def replying(msgid: str, code: str, now: datetime, warning: str, reason: str = "病情需要") -> dict[str, Any]:
    """A 3103 on a warning."""
    told = {"warn_rslt_id": warning, "dspo_way": "1", "dspo_way_rea": reason}
    return envelope("3103", msgid, code, now, input={"data": {"warn_type": "1", "warns": [told]}})


def body_of(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


class Hospital:
    """Sends one message after the other over one connection until it is told to stop: requests, of ten one with a
    fault, one reply to a warning, one that signs in."""

    def __init__(self, port: int, code: str) -> None:
        self.code = code
        self.book: list[Sent] = []
        self._line = Line(port)
        self._numbers = itertools.count()

    async def work(self, stop: asyncio.Event, pause: float) -> None:
        for make in itertools.cycle(self._kinds()):
            if stop.is_set():
                break
            sent = make()
            self.book.append(sent)
            await self.settle(sent)
            await asyncio.sleep(pause)
        await self._line.close()

    async def settle(self, sent: Sent) -> None:
        """Sends a message until it is taken in or refused for what it says."""
        while not sent.is_settled:
            began = time.monotonic()
            try:
                status, body = await self._line.call("POST", f"/{sent.infno}", sent.body)
            except Broken:
                sent.broken += 1
            else:
                sent.seconds.append(time.monotonic() - began)
                sent.answers.append(in_form(status, body))
            if not sent.is_settled:
                await asyncio.sleep(_WAIT)

    def _kinds(self) -> Iterator[Callable[[], Sent]]:
        yield from [self._ask, self._ask, self._reply, self._ask, self._ask_wrongly, self._ask, self._ask]
        yield from [self._sign_in, self._ask, self._ask]

    def _name(self) -> str:
        return f"{self.code}-{next(self._numbers):06}"

    def _ask(self) -> Sent:
        msgid = self._name()
        infno = "3102" if msgid.endswith("3") else "3101"
        message = asking(infno, msgid, self.code, datetime.now(UTC), f"P-{msgid}")
        return Sent(infno, msgid, body_of(message))

    def _ask_wrongly(self) -> Sent:
        sent = self._ask()
        return Sent(sent.infno, sent.msgid, sent.body.replace(b'"cnt": 1', b'"cnt": "many"'))

    def _reply(self) -> Sent:
        msgid = self._name()
        warned = next((of.warnings[0] for of in reversed(self.book) if of.is_settled and of.warnings), f"{AREA}-NONE-1")
        return Sent("3103", msgid, body_of(replying(msgid, self.code, datetime.now(UTC), warned)))

    def _sign_in(self) -> Sent:
        msgid = self._name()
        told = {"signIn": {"opter_no": "0001", "mac": "00-00-5E-00-53-01", "ip": "192.0.2.7"}}
        return Sent("9001", msgid, body_of(envelope("9001", msgid, self.code, datetime.now(UTC), input=told)))


def in_form(status: int, body: bytes) -> dict[str, Any]:
    """An answer as the interface has it, whatever it says."""
    assert status == 200, (status, body[:300])
    answer: dict[str, Any] = json.loads(body)
    assert isinstance(answer["output"], dict)
    assert len(answer["inf_refmsgid"]) == 30
    assert (answer["infcode"], bool(answer["err_msg"])) in ((0, False), (-1, True)), answer
    return answer


def counted(book: list[Sent]) -> Counter[str]:
    """How often what was answered, for a message that fails."""
    return Counter(f"{of.infno} {of.last['infcode'] if of.answers else 'open'} {len(of.answers)}" for of in book)
