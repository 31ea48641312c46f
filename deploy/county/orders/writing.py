"""Writing: the orders that a bill came from, and the bill's lines that name them.

A bill is read backwards: nearly every line was ordered, what a ward does every day by one standing order. What was
planted in it a doctor ordered who does not heed warnings; where the doctor heeds them, others added it to the bill.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from msgspec.structs import replace

from deploy.county.care import prices as p
from deploy.county.care.contacts import Bill, BillLine, Contact
from deploy.county.care.prices import Item
from deploy.county.orders.habits import Ordering, Temper
from knowledge_base.days import Day
from knowledge_base.events.claims import Claim, ClaimLine

Fate = Literal["billed", "changed", "late", "otherwise", "cancelled", "heeded"]

_SPOKEN = 0.06
"""Share of orders that nobody wrote down."""
_UNNAMED = 0.05
"""Share of lines whose order is known, and not named by the bill."""
_CHANGED, _LATE, _OTHERWISE = 0.03, 0.06, 0.11
"""Cumulative shares of orders with that fate, where it is possible."""
_STOP_TOLD = 0.5

_TAKEN_FOR = {
    p.BED: p.BED_OF_THREE,
    p.INFUSION_SET: p.CANNULA,
    p.SALVIA: p.SHENMAI,
    p.CHILD_COUGH: p.CHILD_ASTHMA,
    p.PRESSURE: p.PRESSURE_FOLIC,
    p.XRAY: p.ULTRASOUND,
    p.DIGESTION: p.STOMACH,
}
"""What else is ordered where in the end something is billed."""


@dataclass(slots=True)
class Order:
    """An order as its doctor wrote it, with the ids of the lines that bill it.

    A standing one runs until ``last_day``, with ``total`` units in all; whether the doctor knew it beforehand says
    ``stop_told``. ``first_asked`` is the quantity of the first request about an order that was changed.
    """

    order_id: str
    prescription: str
    item: Item
    quantity: int
    day: Day
    minute: int
    doctor: str
    lines: tuple[str, ...]
    fate: Fate = "billed"
    standing: bool = False
    last_day: Day | None = None
    total: int = 0
    stop_told: bool = False
    paid_by_fund: bool = True
    discharge_drug: bool = False
    first_asked: int | None = None
    act: str | None = None


@dataclass(slots=True)
class Written:
    """The orders of one encounter, and how its lines name them, by line id."""

    orders: list[Order] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)


def write_orders(
    bill: Bill,
    claims: Sequence[Claim],
    ordering: Ordering,
    tempers: Mapping[str, Temper],
    chance: Random,
    *,
    names_alone: bool,
) -> Written:
    """The orders behind the claims of a bill that was settled; of those that nobody will ask about the names alone."""
    doctors = _doctors(claims)
    guilty = {id(line) for act, line in bill.planted if act.guilty}
    written, number, random = Written(), 0, chance.random
    for lines in _ordered_together(bill, guilty):
        first_id, first = lines[0]
        doctor = doctors[first_id]
        if doctor is None or (id(first) in guilty and tempers[doctor] is Temper.HEEDS) or random() < _SPOKEN:
            continue
        number += 1
        fate = random()
        name = (
            prescription_number(bill.contact, first.day)
            if ordering.by_prescription
            else order_number(bill.contact, number)
        )
        for line_id, _ in lines:
            if random() >= _UNNAMED:
                written.named[line_id] = name
        if not names_alone:
            written.orders.append(_order(bill, lines, doctor, number, fate))
    return written


def _doctors(claims: Sequence[Claim]) -> Mapping[str, str | None]:
    """Who ordered each line: the doctor of the settlement that bills it."""
    return {line.line_id: claim.practitioner for claim in reversed(claims) for line in claim.lines}


def order_number(contact: Contact, number: int) -> str:
    """rx_id: what an institution calls the ``number``-th order of an encounter."""
    return f"R{contact.encounter_id[1:]}{number:03d}"


def prescription_number(contact: Contact, day: Day) -> str:
    """rxno: what it calls all orders of an encounter's day."""
    return f"P{contact.encounter_id[1:]}{day - contact.day:02d}"


def named(claims: Iterable[Claim], written: Written) -> Iterator[Claim]:
    """The claims with the orders that their lines name; also what takes a line back names its order."""
    for claim in claims:
        yield replace(claim, lines=tuple([_named(line, written.named) for line in claim.lines]))


def _named(line: ClaimLine, names: Mapping[str, str]) -> ClaimLine:
    name = names.get(line.refund_of or line.line_id)
    return line if name is None else replace(line, order_id=name)


_Lines = list[tuple[str, BillLine]]


def _ordered_together(bill: Bill, guilty: Collection[int]) -> Iterator[_Lines]:
    """Lines with their numbers, those that one order covers together: an item of the ward's, day after day."""
    daily: defaultdict[int, _Lines] = defaultdict(list)
    is_stay = bill.contact.is_stay
    for number, line in enumerate(bill.lines, 1):
        if line.item.code is None:
            continue
        if not is_stay or id(line) in guilty:
            yield [(str(number), line)]
        else:
            daily[id(line.item)].append((str(number), line))
    for lines in daily.values():
        days = [line.day for _, line in lines]
        if len(days) > 1 and days == list(range(days[0], days[0] + len(days))):
            yield lines
        else:
            yield from ([line] for line in lines)


def _order(bill: Bill, lines: _Lines, doctor: str, number: int, fate: float) -> Order:
    """An order; ``fate`` decides what becomes of it, and whether it is known when it ends, where it goes on."""
    (_, first), (_, last) = lines[0], lines[-1]
    order = Order(
        order_id=order_number(bill.contact, number),
        prescription=prescription_number(bill.contact, first.day),
        item=first.item,
        quantity=first.quantity,
        day=first.day,
        minute=first.minute,
        doctor=doctor,
        lines=tuple(line_id for line_id, _ in lines),
        paid_by_fund=first.paid_by_fund,
        discharge_drug=first.discharge_drug,
    )
    if len(lines) > 1:
        order.standing, order.last_day, order.stop_told = True, last.day, fate < _STOP_TOLD
        order.total = sum(line.quantity for _, line in lines)
    elif fate < _CHANGED:
        order.fate, order.first_asked = "changed", order.quantity + 1 + int(fate * 10_000) % 3
    elif fate < _LATE and order.day - 1 > bill.contact.day:
        order.fate, order.day = "late", order.day - 1
    elif _LATE <= fate < _OTHERWISE and order.item in _TAKEN_FOR:
        order.fate, order.item = "otherwise", _TAKEN_FOR[order.item]
    return order
