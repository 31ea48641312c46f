"""The player: sends a county's traffic in its order, replies to warnings as planned, and writes down what it did.

    traffic -> 3101, 3102 -> the gateway's answer -> 3103
            -> claims, in the ordinary way

What the gateway says decides whether a reply is sent and about which warning; what is billed was decided before.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from deploy.county.hospital.diary import Asked, AskedOrder, Billed, Deed, Replied, Warned
from deploy.county.hospital.messages import Reply, feedback, request
from deploy.county.orders.traffic import Asking, WrittenOrder, is_asking
from knowledge_base.events.claims import Claim

_REPLIES_AFTER = timedelta(minutes=2)
MOST_WAITING = 500
"""Events that are sent at once."""


class Sender(Protocol):
    """What sends a message and gives the answer."""

    def send(self, infno: str, body: bytes) -> dict[str, Any]: ...


SendEvents = Callable[[Sequence[bytes]], Awaitable[None]]
"""Sends events in the ordinary way, and returns once they are judged."""


class Refused(Exception):
    """The gateway refused a message of the hospital's: its text is the answer's."""


class _Concerned(msgspec.Struct):
    kind: str
    patient: str
    same_as: str | None = None


_decode_concerned = msgspec.json.Decoder(_Concerned).decode
_decode_asking = msgspec.json.Decoder(Asking).decode
_decode_claim = msgspec.json.Decoder(Claim).decode


class Player:
    """The hospitals of one traffic. ``sender`` is their line to the gateway, ``diary`` takes what they do."""

    def __init__(self, sender: Sender, send_events: SendEvents, diary: IO[bytes]):
        self._sender = sender
        self._send_events = send_events
        self._diary = diary
        self._encode = msgspec.json.Encoder().encode
        self._lines: dict[tuple[str, str], dict[str, str]] = {}
        self._waiting: list[bytes] = []
        self._concerned: set[str] = set()

    async def play(self, rows: Iterable[bytes]) -> AsyncGenerator[int, None]:
        """Sends one row after another; yields how many were sent so far. Raises ``Refused`` and what sending raises.

        Events wait for one another until somebody is asked about whom they concern: a request sees everything of its
        patients that was sent before it, however slow the way is that events take.
        """
        for number, row in enumerate(rows, 1):
            if is_asking(row):
                asking = _decode_asking(row)
                if not self._concerned.isdisjoint(of.patient for of in asking.encounters):
                    await self._send_waiting()
                await self._ask(asking)
            else:
                self._waiting.append(row.rstrip(b"\n"))
                event = _decode_concerned(row)
                self._concerned.update(filter(None, (event.patient, event.same_as)))
                if len(self._waiting) >= MOST_WAITING:
                    await self._send_waiting()
            yield number
        await self._send_waiting()

    async def _send_waiting(self) -> None:
        rows, self._waiting = self._waiting, []
        self._concerned.clear()
        if rows:
            await self._send_events(rows)
        for row in rows:
            if _decode_concerned(row).kind == "claim":
                self._note_bill(_decode_claim(row))

    def _note_bill(self, claim: Claim) -> None:
        came_from = self._lines.get((claim.institution, claim.encounter_id))
        if came_from is None:
            return
        lines = tuple((of.line_id, of.order_id, of.item_code, came_from.get(of.line_id)) for of in claim.lines)
        takes_back = claim.reverses is not None or any(of.refund_of for of in claim.lines)
        self._note(Billed(claim.settled_at, claim.institution, claim.encounter_id, claim.claim_id, lines, takes_back))

    async def _ask(self, asking: Asking) -> None:
        output = await self._send(asking.infno, request(asking))
        warnings = tuple(map(_warned, output["result"]))
        receipt = output["receipt"]
        silent = tuple(of["rule_id"] for of in receipt["not_evaluated"])
        orders = tuple(_asked_orders(asking))
        code = receipt["code"]
        self._note(
            Asked(asking.sent_at, asking.infno, asking.msgid, asking.institution, code, orders, warnings, silent)
        )
        for encounter in asking.encounters:
            lines = self._lines.setdefault((asking.institution, encounter.encounter), {})
            lines |= {line: order.order_id for order in encounter.orders for line in order.plan.lines}
        await self._reply(asking, warnings)

    async def _reply(self, asking: Asking, warnings: Sequence[Warned]) -> None:
        orders = {(of.encounter, order.order_id): order for of in asking.encounters for order in of.orders}
        replies = [reply for warning in warnings if (reply := _planned(warning, orders)) is not None]
        if not replies:
            return
        at, msgid = asking.sent_at + _REPLIES_AFTER, f"{asking.msgid}R"
        await self._send("3103", feedback(asking, replies, at, msgid))
        for reply in replies:
            self._note(Replied(at, msgid, asking.institution, reply.jr_id, reply.way, reply.reason is not None))

    async def _send(self, infno: str, body: bytes) -> dict[str, Any]:
        answer = await asyncio.to_thread(self._sender.send, infno, body)
        if str(answer["infcode"]) != "0":
            raise Refused(f"{infno}: {answer['err_msg']}")
        output: dict[str, Any] = answer["output"]
        return output

    def _note(self, deed: Deed) -> None:
        self._diary.write(self._encode(deed) + b"\n")


def _warned(result: Mapping[str, Any]) -> Warned:
    in_question = [of for of in result["judge_result_detail_dtos"] if of["vola_item_type"] == "1"]
    return Warned(result["jr_id"], result["rule_id"], tuple((of["mdtrt_id"], of["rx_id"]) for of in in_question))


def _asked_orders(asking: Asking) -> Iterable[AskedOrder]:
    for of in asking.encounters:
        for order in of.orders:
            item = order.item_code
            name = order.order_id, order.prescription, item
            yield AskedOrder(of.encounter, of.number, *name, order.quantity, order.current)


def _planned(warning: Warned, orders: Mapping[tuple[str, str], WrittenOrder]) -> Reply | None:
    """What is replied to a warning: where its doctor gives an order up the others of it may stay as they are."""
    plans = [orders[key].plan for key in warning.orders]
    for plan in sorted(plans, key=lambda plan: plan.way != "change"):
        if plan.way is not None:
            return Reply(warning.jr_id, plan.way, plan.reason)
    return None


def read_rows(path: Path) -> Iterable[bytes]:
    """The rows of a traffic."""
    with path.open("rb") as file:
        yield from file
