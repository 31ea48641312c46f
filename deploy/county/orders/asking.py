"""Asking: what an institution asks about an encounter's orders, and when; what came of it is planned here.

Beside the orders that were billed it asks about some that never are: given up for reasons of their own, or ``heeded``,
which is an act that a doctor was about to commit, was warned of, and left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from deploy.county.care import prices as p
from deploy.county.care.contacts import Bill, BillLine
from deploy.county.care.institutions import Institution
from deploy.county.care.money import amount_of, scope_of, unit_price, yuan
from deploy.county.care.prices import Item
from deploy.county.care.reasons import SUGAR_CHECK, WALK_IN
from deploy.county.clock import instant, minute_of
from deploy.county.orders.habits import Asks, Ordering, Temper
from deploy.county.orders.traffic import AskedEncounter, Plan, WrittenOrder
from deploy.county.orders.writing import Fate, Order, order_number, prescription_number
from deploy.county.people.insured import MAN
from deploy.county.truth import Kind
from knowledge_base.days import Day
from knowledge_base.events.claims import Claim

_CANCELLED = 0.06
_TEMPTED = 0.12
"""Shares of the encounters that are asked about: with an order that is given up, with an act that is heeded."""

_ROUNDS = 420
"""The minute at which a ward's system collects the orders of the day, where it asks about all of them at once."""
_CHANGED_AFTER = 12
"""Minutes after which a changed order is asked about again."""
_LAST_MINUTE = 1439

_GIVEN_UP = (p.URINE, p.ECG, p.XRAY, p.ULTRASOUND)
_REASONS = {
    Temper.HEEDS: "已核对病情，确需执行",
    Temper.ARGUES: "病情需要，已与家属沟通",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one encounter; ``minute`` counts from the epoch, ``together`` with others of that minute."""

    minute: int
    infno: str
    place: Institution
    encounter: AskedEncounter
    together: bool = False


def ask(
    bill: Bill,
    claims: Sequence[Claim],
    orders: Sequence[Order],
    ordering: Ordering,
    tempers: Mapping[str, Temper],
    chance: Random,
) -> Iterator[Question]:
    """All questions about one encounter, in order of time; none where the institution does not ask about it."""
    doctor = claims[0].practitioner
    if ordering.asks is Asks.NEVER or doctor is None or chance.random() >= ordering.share:
        return
    last = len(orders)
    given_up = _given_up(bill, doctor, last + 1, chance)
    heeded = _heeded(bill, doctor, orders, last + 2, chance) if tempers[doctor] is Temper.HEEDS else []
    sheet = _Sheet(bill, doctor, tempers)
    if ordering.asks is Asks.DURING:
        yield _before_settlement(sheet, claims, [*orders, *heeded])
        return
    yield from _as_written(sheet, [*orders, *given_up, *heeded], together=ordering.asks is Asks.DAILY)
    if ordering.asks is Asks.BOTH:
        yield _before_settlement(sheet, claims, orders)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is said of an encounter in each question about it."""

    bill: Bill
    doctor: str
    tempers: Mapping[str, Temper]

    def question(self, minute: int, infno: str, orders: Sequence[WrittenOrder], *, together: bool = False) -> Question:
        bill, contact = self.bill, self.bill.contact
        person, reason = contact.person, contact.reason
        is_over = infno == "3102"
        surgery = reason.surgery if is_over and contact.institution.reports_operations else None
        encounter = AskedEncounter(
            number=person.name_on(contact.day),
            patient=person.name_on(contact.day),
            sex=person.sex_on_file(contact.day),
            born=person.born,
            insurance_type=person.insurance_type,
            encounter=contact.encounter_id,
            visit_type=reason.visit_type,
            begins=instant(minute_of(contact.day, contact.minute)),
            department=reason.department,
            doctor=self.doctor,
            orders=tuple(orders),
            ended=instant(minute_of(contact.last_day, bill.end_minute)) if is_over else None,
            diagnosis=reason.diagnosis,
            operation=(surgery.code, surgery.name, instant(minute_of(bill.operation_day, 720)))
            if surgery and bill.operation_day
            else None,
        )
        return Question(minute, infno, contact.institution, encounter, together)

    def written(self, order: Order, quantity: int, *, stops: Day | None, current: bool = True) -> WrittenOrder:
        percent = self.bill.contact.institution.price_percent
        line = BillLine(order.item, quantity, order.day, order.minute, order.paid_by_fund)
        amount = amount_of(line, percent)
        assert order.item.code is not None
        return WrittenOrder(
            order_id=order.order_id,
            prescription=order.prescription,
            item_code=order.item.code,
            item_name=order.item.name,
            item_kind=order.item.kind,
            quantity=str(quantity),
            unit_price=yuan(unit_price(order.item, percent)),
            amount=yuan(amount),
            own_pay=yuan(amount - scope_of(line, percent)),
            scope=order.item.scope,
            begins=instant(minute_of(order.day, order.minute)),
            doctor=order.doctor,
            plan=_plan(order, self.tempers[order.doctor]),
            stops=None if stops is None else instant(minute_of(stops, order.minute)),
            standing=order.standing,
            discharge_drug=order.discharge_drug,
            current=current,
        )

    def first_written(self, order: Order, *, current: bool = True) -> WrittenOrder:
        """An order as it is asked about first: of a standing one without a stop the quantity of a day."""
        if order.standing and order.stop_told:
            return self.written(order, order.total, stops=order.last_day, current=current)
        return self.written(order, order.first_asked or order.quantity, stops=None, current=current)

    def finally_written(self, order: Order) -> WrittenOrder:
        """An order as it is known before settlement."""
        if order.standing:
            return self.written(order, order.total, stops=order.last_day)
        return self.written(order, order.quantity, stops=None)


def _plan(order: Order, temper: Temper) -> Plan:
    if order.fate == "heeded" or (order.fate == "cancelled" and temper is Temper.HEEDS):
        return Plan(order.fate, act=order.act, way="change")
    reason = None if order.fate == "cancelled" else _REASONS.get(temper)
    return Plan(order.fate, order.lines, way="continue" if reason else None, reason=reason)


def _as_written(sheet: _Sheet, orders: Sequence[Order], *, together: bool) -> Iterator[Question]:
    """Day by day what was ordered that day, beside standing orders that run, and what was changed a little later."""
    contact = sheet.bill.contact
    for day in sorted({order.day for order in orders}):
        new = [order for order in orders if order.day == day]
        running = [order for order in orders if order.standing and order.day < day and _runs_on(order, day)]
        in_rounds = together and contact.is_stay and day > contact.day
        minute = _ROUNDS if in_rounds else max(min(order.minute for order in new) - 3, 0)
        if day == contact.day:
            minute = max(minute, contact.minute + 1)
        at = minute_of(day, min(minute, _LAST_MINUTE))
        told = [sheet.first_written(order, current=False) for order in running]
        yield sheet.question(at, "3101", [*told, *(sheet.first_written(order) for order in new)], together=in_rounds)
        if changed := [order for order in new if order.fate == "changed"]:
            again = [sheet.written(order, order.quantity, stops=None) for order in changed]
            yield sheet.question(at + _CHANGED_AFTER, "3101", again)


def _runs_on(order: Order, day: Day) -> bool:
    return order.last_day is not None and day <= order.last_day


def _before_settlement(sheet: _Sheet, claims: Sequence[Claim], orders: Sequence[Order]) -> Question:
    """All orders once more, when the patient has left and a minute before the bill is settled."""
    final = next(claim for claim in claims if not claim.mid_stay)
    at = int(final.settled_at.timestamp()) // 60 - 1
    return sheet.question(at, "3102", [sheet.finally_written(order) for order in orders])


def _given_up(bill: Bill, doctor: str, number: int, chance: Random) -> list[Order]:
    """An examination that is ordered and never done: the patient goes home, or does not want it."""
    item = chance.choice(_GIVEN_UP)
    if chance.random() >= _CANCELLED or bill.lines_of(item):
        return []
    return [_extra(bill, number, item, 1, doctor, "cancelled")]


def _heeded(bill: Bill, doctor: str, orders: Sequence[Order], number: int, chance: Random) -> list[Order]:
    """An act that the doctor is warned of and leaves, where the encounter gives the occasion to one."""
    occasions = list(_occasions(bill, orders))
    if chance.random() >= _TEMPTED or not occasions:
        return []
    kind, item, quantity = chance.choice(occasions)
    order = _extra(bill, number, item, quantity, doctor, "heeded")
    # It comes on top of what was ordered before, and so is what a warning is about.
    before = max([other.minute for other in orders if other.day == order.day], default=order.minute)
    order.minute = min(before + 1, _LAST_MINUTE)
    order.act = kind
    return [order]


def _occasions(bill: Bill, orders: Sequence[Order]) -> Iterator[tuple[Kind, Item, int]]:
    """Which acts an encounter gives the occasion to: of what, and how much of it."""
    contact = bill.contact
    first_day = {order.item for order in orders if order.day == contact.day}
    if contact.is_stay:
        for item in (p.NURSING_FIRST, p.NURSING_SECOND):
            if item in first_day:
                yield Kind.NURSING_TWICE, item, 1
        if p.MONITORING in first_day:
            yield Kind.MONITORING_BEYOND_DAY, p.MONITORING, 24
    elif contact.reason is SUGAR_CHECK and p.TOLERANCE_TEST in first_day and not bill.lines_of(p.GLUCOSE):
        yield Kind.GLUCOSE_BESIDE_TOLERANCE, p.GLUCOSE, 3
    elif contact.reason.visit_type == WALK_IN and not bill.lines_of(p.LIPID_EMULSION):
        yield Kind.WARD_DRUG_TO_WALK_IN, p.LIPID_EMULSION, 1
        if contact.person.sex == MAN and not contact.person.sex_wrong_until:
            yield Kind.WOMENS_KIT_ON_MENS_CARD, p.VAGINAL_WASH, 1


def _extra(bill: Bill, number: int, item: Item, quantity: int, doctor: str, fate: Fate) -> Order:
    """An order that no line bills, of the encounter's first minutes."""
    contact = bill.contact
    minute = min(contact.minute + 9, _LAST_MINUTE)
    order_id, prescription = order_number(contact, number), prescription_number(contact, contact.day)
    return Order(order_id, prescription, item, quantity, contact.day, minute, doctor, (), fate)
