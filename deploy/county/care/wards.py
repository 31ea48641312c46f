"""What an honest ward bills for a stay: admission, every day, the operation, the way home."""

from random import Random

from deploy.county.care import prices as p
from deploy.county.care.contacts import Bill, Contact
from deploy.county.care.institutions import Institution
from deploy.county.care.visits import Charts, order_hba1c
from knowledge_base.days import Day

_LAST_MINUTE = 1439
_MONITORED_DAYS = 3
_REPEATED_TESTS = (p.BLOOD_COUNT, p.CRP, *p.ELECTROLYTES, *p.KIDNEY, *p.LIVER, *p.CLOTTING)
_EXAMINED_ELSEWHERE = 0.06
_FORGOTTEN = 0.003


def bill_stay(contact: Contact, chance: Random, charts: Charts, centre: Institution) -> Bill:
    """The bill of a stay; examinations that the hospital cannot do are sent out to ``centre``."""
    bill = Bill(contact, chance.randint(570, 990))
    _admit(bill, chance, charts, centre)
    for day in range(contact.day, contact.last_day):
        _keep(bill, day, chance)
    if contact.reason.surgery:
        _operate(bill, chance)
    if contact.moved_on:
        bill.add(p.NURSING_SECOND, 1, contact.last_day, bill.end_minute - 20)
    _send_home(bill, chance, charts)
    return bill


def _admit(bill: Bill, chance: Random, charts: Charts, centre: Institution) -> None:
    contact = bill.contact
    minute = min(contact.minute + 30, _LAST_MINUTE)
    # Small hospitals have no MRI; a scanner that is broken or busy sends anybody's patients to the centre.
    for item in contact.reason.tests:
        line = bill.add(item, 1, contact.day, minute)
        sent_out = item is p.MRI and contact.institution.level == 1
        if sent_out or (item is p.CT and chance.random() < _EXAMINED_ELSEWHERE and contact.institution is not centre):
            line.sent_to = centre.code
    if contact.person.diabetes:
        order_hba1c(bill, contact.day, minute, chance, charts)


def _posting_minute(contact: Contact, day: Day) -> int:
    """When the ward posts its daily items on a day: never before admission."""
    minute = contact.institution.posting_minute
    return min(max(minute, contact.minute + 10), _LAST_MINUTE) if day == contact.day else minute


def _keep(bill: Bill, day: Day, chance: Random) -> None:
    """One day on the ward."""
    contact = bill.contact
    minute = _posting_minute(contact, day)
    stayed = day - contact.day
    bill.add(p.BED_OF_THREE if contact.institution.level == 3 else p.BED, 1, day, minute)
    _nurse(bill, day, minute, chance)
    bill.add(p.WARD_ROUND, 1, day, minute)
    if contact.reason.severe and stayed < _MONITORED_DAYS:
        _monitor(bill, day, minute, chance)
    _infuse(bill, day, chance)
    bill.add(p.SYRINGE, 2, day, minute)
    if contact.person.diabetes:
        bill.add(p.GLUCOSE, 4, day, minute)
    if stayed and stayed % 3 == 0:
        for item in _REPEATED_TESTS:
            bill.add(item, 1, day, 395)


def _nurse(bill: Bill, day: Day, minute: int, chance: Random) -> None:
    """A day's nursing, posted that day; forgotten ones on the day after, small wards post it all at discharge."""
    contact = bill.contact
    item = p.NURSING_FIRST if contact.reason.severe and day - contact.day < 2 else p.NURSING_SECOND
    if contact.institution.role == "township":
        bill.add(item, 1, contact.last_day, bill.end_minute - 30)
    elif chance.random() < _FORGOTTEN and day + 1 < contact.last_day:
        bill.add(item, 1, day + 1, minute)
    else:
        bill.add(item, 1, day, minute)


def _monitor(bill: Bill, day: Day, minute: int, chance: Random) -> None:
    contact = bill.contact
    hours = 24 if day > contact.day else max(1, (1440 - contact.minute) // 60)
    bill.add(p.MONITORING, hours, day, minute)
    bill.add(p.SATURATION, hours, day, minute)
    bill.add(p.OXYGEN, min(hours, chance.randint(4, 20)), day, minute)
    bill.add(p.NEBULISER, 2, day, minute)
    bill.add(p.MOUTH_CARE, 2, day, minute)


def _infuse(bill: Bill, day: Day, chance: Random) -> None:
    contact = bill.contact
    reason = contact.reason
    minute = 515 if day > contact.day else min(contact.minute + 70, _LAST_MINUTE)
    if reason.infusions and day - contact.day < reason.infusion_days:
        for item in reason.infusions:
            bill.add(item, chance.randint(1, 2), day, minute).days = 1
        bill.add(p.INFUSION, 1, day, minute)
        bill.add(p.INTRAVENOUS, 1, day, minute)
        bill.add(p.INFUSION_SET, 1, day, minute)
        if (day - contact.day) % 3 == 0:
            bill.add(p.CANNULA, 1, day, minute)
            bill.add(p.DRESSING, 1, day, minute)
    for item in reason.treatments:
        bill.add(item, 1, day, minute).paid_by_fund = chance.random() < 0.95


def _operate(bill: Bill, chance: Random) -> None:
    contact = bill.contact
    surgery = contact.reason.surgery
    assert surgery is not None
    day = contact.day + min(chance.randint(1, 2), contact.nights - 1)
    bill.operation_day = day
    minute = chance.randint(540, 840) if day > contact.day else min(contact.minute + 90, _LAST_MINUTE)
    for item in surgery.items:
        bill.add(item, 1, day, minute)
    bill.add(p.ANAESTHESIA_MONITORING, chance.randint(1, 4), day, minute)
    for item in surgery.used:
        bill.add(item, 1, day, minute)


def _send_home(bill: Bill, chance: Random, charts: Charts) -> None:
    contact = bill.contact
    reason = contact.reason
    minute = bill.end_minute - 15
    for item in reason.drugs[: reason.drug_kinds]:
        line = bill.add(item, max(1, reason.supply // 7), contact.last_day, minute)
        line.days, line.discharge_drug = reason.supply, True
    if contact.person.diabetes and contact.nights > 2:
        order_hba1c(bill, contact.last_day, 400, chance, charts)
    bill.lines.sort(key=lambda line: (line.day, line.minute))
