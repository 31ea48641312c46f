"""Traffic: what hospitals send of orders, in rows of one file, in the order in which it is sent.

A row is a request with its orders, or an event (a claim, a status) as the file of claims has it; ``kind`` tells which.
What a hospital plans to do stands with each order: it is no part of what is sent.
"""

from datetime import date
from typing import Literal

import msgspec
from msgspec import Struct

from knowledge_base.events.head import Instant


class Plan(Struct, frozen=True, omit_defaults=True):
    """What becomes of an order, and what is answered to a warning of it.

    ``fate`` says whether it is billed as it stands, asked again with another quantity, billed on a later day, billed as
    another item, given up although nobody said a word, or ``heeded``: given up because of a warning that is due. Then
    ``act`` is the kind of act that it would have been. ``lines`` are the lines of its encounter that bill it.
    ``way`` is ``None`` where no reply is sent.
    """

    fate: Literal["billed", "changed", "late", "otherwise", "cancelled", "heeded"]
    lines: tuple[str, ...] = ()
    act: str | None = None
    way: Literal["continue", "change"] | None = None
    reason: str | None = None


class WrittenOrder(Struct, frozen=True, omit_defaults=True):
    """An order as it is sent; money in yuan, instants UTC. ``current`` says that it is asked about, not only told."""

    order_id: str
    prescription: str
    item_code: str
    item_name: str
    item_kind: str
    quantity: str
    unit_price: str
    amount: str
    own_pay: str
    scope: int
    begins: Instant
    doctor: str
    plan: Plan
    stops: Instant | None = None
    standing: bool = False
    discharge_drug: bool = False
    current: bool = True


class AskedEncounter(Struct, frozen=True, omit_defaults=True):
    """One encounter of a request. ``number`` is the made-up psn_no of whoever is asked about, ``patient`` the name that
    claims have for the same person: it is no part of what is sent."""

    number: str
    patient: str
    sex: str
    born: date
    insurance_type: str
    encounter: str
    visit_type: str
    begins: Instant
    department: str
    doctor: str
    orders: tuple[WrittenOrder, ...]
    ended: Instant | None = None
    diagnosis: tuple[str, str] | None = None
    operation: tuple[str, str, Instant] | None = None


class Asking(Struct, frozen=True, tag_field="kind", tag="asking"):
    """One 3101 or 3102. ``sent_at`` is when its hospital sends it, ``msgid`` its name among that one's messages."""

    sent_at: Instant
    infno: Literal["3101", "3102"]
    msgid: str
    institution: str
    level: int
    encounters: tuple[AskedEncounter, ...]


class _Head(Struct):
    kind: str


_decode_head = msgspec.json.Decoder(_Head).decode


def is_asking(row: bytes) -> bool:
    """Whether a row is a request and no event. Raises ``msgspec.DecodeError`` where it is neither."""
    return _decode_head(row).kind == "asking"
