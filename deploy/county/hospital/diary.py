"""The diary: what the hospitals did, as they did it, one row a deed; and what that comes to, order by order.

It tells what was sent and answered and nothing that was only planned, so that whatever is said of orders elsewhere can
be compared with it: by institution, encounter, order and item, as the gateway knows orders.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct


class Warned(Struct, frozen=True):
    """A warning as it was answered: its name, its rule, and the orders in question, (encounter, order)."""

    jr_id: str
    rule_id: str
    orders: tuple[tuple[str, str], ...]


class AskedOrder(Struct, frozen=True):
    """An order as it was asked about: what it was, and whether it was only told beside the others."""

    encounter: str
    number: str
    order_id: str
    prescription: str
    item_code: str
    quantity: str
    current: bool


class Asked(Struct, frozen=True, tag_field="did", tag="asked"):
    """A request that was answered. ``at`` is the hospital's own time, ``not_evaluated`` the rules not asked."""

    at: datetime
    infno: str
    msgid: str
    institution: str
    receipt: str
    orders: tuple[AskedOrder, ...]
    warnings: tuple[Warned, ...]
    not_evaluated: tuple[str, ...] = ()


class Replied(Struct, frozen=True, tag_field="did", tag="replied"):
    """What was replied to a warning, in which message."""

    at: datetime
    msgid: str
    institution: str
    jr_id: str
    way: str
    reasoned: bool


class Billed(Struct, frozen=True, tag_field="did", tag="billed"):
    """A claim that was sent of an encounter that had been asked about, and which lines it has.

    Each with the order that it names, its item, and the order that it came from, where the hospital knows one.
    """

    at: datetime
    institution: str
    encounter: str
    claim_id: str
    lines: tuple[tuple[str, str | None, str | None, str | None], ...]
    takes_back: bool = False


Deed = Asked | Replied | Billed


class OrderKey(NamedTuple):
    """An order as the gateway knows it."""

    institution: str
    encounter: str
    order_id: str
    item_code: str


class Naming(NamedTuple):
    """One request that named an order: when, in which message, how much of it, and whether it was asked about."""

    at: datetime
    infno: str
    msgid: str
    quantity: str
    current: bool


class Done(Struct):
    """What a hospital did about one order: the requests that named it, the warnings that it is in question in, the
    replies to these (warning, way), and the lines that it was billed by (claim, line), in the order of the deeds.

    The same message is never told twice, so a warning that says again what was said before is not among them.
    """

    named: list[Naming]
    warned: list[str]
    replied: list[tuple[str, str]]
    billed: list[tuple[str, str]]


def read_deeds(path: Path) -> Iterable[Deed]:
    """The rows of a diary in their order. Raises ``msgspec.DecodeError`` where it is none."""
    decode = msgspec.json.Decoder(Deed).decode
    with path.open("rb") as file:
        yield from map(decode, file)


def by_order(deeds: Iterable[Deed]) -> dict[OrderKey, Done]:
    """What was done about each order that a request ever named."""
    done: defaultdict[OrderKey, Done] = defaultdict(lambda: Done([], [], [], []))
    warned: dict[str, list[OrderKey]] = {}
    items: defaultdict[tuple[str, str, str], list[OrderKey]] = defaultdict(list)
    for deed in deeds:
        if isinstance(deed, Asked):
            for order in deed.orders:
                key = OrderKey(deed.institution, order.encounter, order.order_id, order.item_code)
                done[key].named.append(Naming(deed.at, deed.infno, deed.msgid, order.quantity, order.current))
                if key not in items[key[:3]]:
                    items[key[:3]].append(key)
            for warning in deed.warnings:
                warned[warning.jr_id] = [key for of in warning.orders for key in items[deed.institution, *of]]
                for key in warned[warning.jr_id]:
                    done[key].warned.append(warning.jr_id)
        elif isinstance(deed, Replied):
            for key in warned.get(deed.jr_id, ()):
                done[key].replied.append((deed.jr_id, deed.way))
        else:
            for line_id, _, _, came_from in deed.lines:
                for key in items.get((deed.institution, deed.encounter, came_from or ""), ()):
                    done[key].billed.append((deed.claim_id, line_id))
    return dict(done)
