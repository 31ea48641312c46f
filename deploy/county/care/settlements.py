"""Settlements: bills become claims as institutions send them."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from random import Random

from deploy.county.care.contacts import Bill, BillLine, Contact
from deploy.county.care.mishaps import suffer_mishaps
from deploy.county.care.money import amount_of, scope_of, share_out, unit_price, yuan
from deploy.county.care.reasons import SHOP, WARD_AFTER_EMERGENCY, Reason, Surgery
from deploy.county.clock import instant, minute_of
from deploy.county.plan import AREA
from knowledge_base.days import Day
from knowledge_base.events.claims import Claim, ClaimLine, Department, Diagnosis, Operation, Paid

_LONG_STAY = 22
"""Nights from which a hospital settles once in the middle of a stay."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a bill that are settled together, and when; the settlement minute counts from the epoch."""

    bill: Bill
    number: int
    lines: tuple[tuple[str, BillLine], ...]
    settled: int
    mid_stay: bool = False


def settle(bill: Bill, chance: Random) -> list[Claim]:
    """The claims that come of one bill, in order of settlement; marks the planted lines as billed."""
    numbered = tuple((str(number), line) for number, line in enumerate(bill.lines, 1))
    _record_acts(bill, numbered)
    claims: list[Claim] = []
    for part in _parts(bill, numbered, chance):
        claims += suffer_mishaps(_claim(part, chance), chance)
    return claims


def _record_acts(bill: Bill, numbered: tuple[tuple[str, BillLine], ...]) -> None:
    contact = bill.contact
    ids = {id(line): line_id for line_id, line in numbered}
    if contact.act is not None:
        bill.planted += [(contact.act, line) for line in bill.lines if contact.is_act_line(line)]
    for act, line in bill.planted:
        key = (contact.institution.code, contact.encounter_id, ids[id(line)])
        act.add(contact.person.name_on(contact.day), key, date.fromordinal(line.day).isoformat())


def _parts(bill: Bill, numbered: tuple[tuple[str, BillLine], ...], chance: Random) -> list[Part]:
    contact = bill.contact
    end = minute_of(contact.last_day + contact.settled_after, bill.end_minute) + chance.randint(2, 45)
    if contact.nights < _LONG_STAY:
        return [Part(bill, 1, numbered, end)]
    middle = contact.day + contact.nights // 2
    first = tuple(pair for pair in numbered if pair[1].day < middle)
    second = tuple(pair for pair in numbered if pair[1].day >= middle)
    return [Part(bill, 1, first, minute_of(middle, 30), mid_stay=True), Part(bill, 2, second, end)]


def _claim(part: Part, chance: Random) -> Claim:
    contact = part.bill.contact
    person, place, reason = contact.person, contact.institution, contact.reason
    doctor = place.doctors[int(chance.random() * len(place.doctors))]
    claim_id = f"S{contact.encounter_id[1:]}-{part.number}"
    settled_at = instant(part.settled)
    department = _department(reason.department) if reason.department else None
    return Claim(
        event_id=f"{place.code}:{claim_id}",
        area=AREA,
        kind="claim",
        happened_at=settled_at,
        sender=place.code,
        claim_id=claim_id,
        encounter_id=contact.encounter_id,
        patient=person.name_on(contact.day),
        institution=place.code,
        visit_type=reason.visit_type,
        settled_at=settled_at,
        lines=_claim_lines(part, department, doctor),
        received_at=_received(place.kind, part.settled, chance),
        sex=person.sex_on_file(contact.day),
        birth_date=person.born,
        insurance_type=person.insurance_type,
        payment_method=place.stay_payment if contact.is_stay else "capitation" if place.kind == "village" else "item",
        institution_level=str(place.level) if place.level else None,
        institution_kind=place.kind,
        treated_in=AREA,
        department=department,
        practitioner=None if reason.visit_type == SHOP else doctor,
        admitted_at=instant(minute_of(contact.day, contact.minute)) if contact.is_stay else None,
        discharged_at=None if part.mid_stay or not contact.is_stay else _left_at(part.bill),
        mid_stay=part.mid_stay,
        admission_way=_admission_way(contact),
        discharge_way=_discharge_way(contact, part),
        diagnoses=None if place.kind == "village" else _diagnoses(reason),
        operations=_operations(part.bill, doctor),
        paid=_paid(part, chance),
    )


def _claim_lines(part: Part, department: Department | None, doctor: str) -> tuple[ClaimLine, ...]:
    percent = part.bill.contact.institution.price_percent
    return tuple(_claim_line(line_id, line, percent, department, doctor) for line_id, line in part.lines)


def _claim_line(line_id: str, line: BillLine, percent: int, department: Department | None, doctor: str) -> ClaimLine:
    item = line.item
    amount, in_scope = amount_of(line, percent), scope_of(line, percent)
    return ClaimLine(
        line_id=line_id,
        quantity=_count(line.quantity),
        amount=yuan(amount),
        at=instant(minute_of(line.day, line.minute)),
        item_code=item.code,
        item_name=item.name,
        item_kind=item.kind,
        unit_price=yuan(unit_price(item, percent)),
        in_fund_scope=yuan(in_scope),
        own_pay=yuan(amount - in_scope),
        sent_out=line.sent_to is not None,
        sent_to=line.sent_to,
        discharge_drug=line.discharge_drug,
        days=line.days,
        department=department,
        practitioner=doctor if department else None,
    )


def _paid(part: Part, chance: Random) -> Paid:
    percent = part.bill.contact.institution.price_percent
    total = sum(amount_of(line, percent) for _, line in part.lines)
    in_scope = sum(scope_of(line, percent) for _, line in part.lines)
    return share_out(part.bill.contact, total, in_scope, chance)


def _received(kind: str, settled: int, chance: Random) -> datetime:
    """Hospitals send at once; village rooms send the next evening, when the connection is good."""
    delay = chance.randint(1, 30)
    return instant(settled + (1440 + delay if kind == "village" else delay))


def _left_at(bill: Bill) -> datetime:
    return instant(minute_of(bill.contact.last_day, bill.end_minute))


def _admission_way(contact: Contact) -> str | None:
    """adm_way: 1 through the emergency room, 2 through a consulting room."""
    if not contact.is_stay:
        return None
    return "1" if contact.reason.visit_type == WARD_AFTER_EMERGENCY else "2"


def _discharge_way(contact: Contact, part: Part) -> str | None:
    """dscg_way: 1 home on the doctor's word, 2 to another hospital."""
    if not contact.is_stay or part.mid_stay:
        return None
    return "2" if contact.moved_on else "1"


def _operations(bill: Bill, doctor: str) -> tuple[Operation, ...] | None:
    contact = bill.contact
    if not contact.is_stay or not contact.institution.reports_operations:
        return None
    surgery = contact.reason.surgery
    return (_operation(surgery, bill.operation_day, doctor),) if surgery and bill.operation_day else ()


def _operation(surgery: Surgery, day: Day, doctor: str) -> Operation:
    return Operation(surgery.code, surgery.name, True, instant(minute_of(day, 720)), None, doctor)


@cache
def _count(quantity: int) -> str:
    return str(quantity)


@cache
def _department(name: str) -> Department:
    return Department(name=name)


@cache
def _diagnoses(reason: Reason) -> tuple[Diagnosis, ...]:
    return (Diagnosis(reason.diagnosis[0], reason.diagnosis[1], main=True),) if reason.diagnosis else ()
