"""What honest people bill for a visit: a consultation, tests, drugs, treatments. Wards are in wards.py."""

from random import Random

from deploy.county.care import prices as p
from deploy.county.care.contacts import Bill, Contact
from deploy.county.care.institutions import Habit
from deploy.county.care.reasons import EMERGENCY, SHOP, SUGAR, Reason
from deploy.county.truth import Kind, plant
from knowledge_base.days import Day

Charts = dict[str, Day]
"""The day of each person's last HbA1c, by pseudonym: the shared record that careful doctors look at."""

RESULT_HOLDS = 85
"""Days for which a careful doctor regards an HbA1c as still telling (it mirrors two to three months)."""

REPEATED_FOR_NOTHING = 30
"""Days within which nobody believes that a second HbA1c tells anything new."""

_FORGETFUL = 0.01
_ASKED_BY_PATIENT = 0.03


def bill_visit(contact: Contact, chance: Random, charts: Charts) -> Bill:
    """The bill of a visit to a consulting room or a shop."""
    reason = contact.reason
    bill = Bill(contact, contact.minute + chance.randint(15, 75))
    if reason.visit_type == SHOP:
        _sell(bill, chance)
        return bill
    bill.add(
        p.EMERGENCY_CONSULTATION if reason.visit_type == EMERGENCY else p.CONSULTATION, 1, contact.day, contact.minute
    )
    if reason.tests and chance.random() < reason.tested:
        _test(bill, chance)
    _treat(bill, chance)
    _sell(bill, chance)
    if reason is SUGAR:
        order_hba1c(bill, contact.day, contact.minute + 8, chance, charts)
    return bill


def order_hba1c(bill: Bill, day: Day, minute: int, chance: Random, charts: Charts) -> None:
    """One HbA1c where the last no longer tells; somebody paid by the test orders it every time."""
    contact = bill.contact
    last = charts.get(contact.person.pseudonym)
    stale = last is None or day - last > RESULT_HOLDS
    greedy = Habit.HBA1C_EVERY_TIME in contact.institution.habits and chance.random() < 0.85
    if not (stale or greedy or chance.random() < _FORGETFUL):
        return
    line = bill.add(p.HBA1C, 1, day, minute)
    charts[contact.person.pseudonym] = day
    if greedy and last is not None and day - last < REPEATED_FOR_NOTHING:
        bill.add_act(plant(Kind.HBA1C_AGAIN, contact.person.pseudonym, contact.key, str(day)), line)


def _test(bill: Bill, chance: Random) -> None:
    contact = bill.contact
    minute = contact.minute + 5
    by_request = chance.random() < _ASKED_BY_PATIENT
    for item in contact.reason.tests:
        bill.add(item, 1, contact.day, minute).paid_by_fund = not by_request


def _treat(bill: Bill, chance: Random) -> None:
    contact = bill.contact
    for item in contact.reason.treatments:
        if item is p.CANNULA and chance.random() < 0.6:
            continue
        quantity = chance.randint(2, 6) if item is p.OXYGEN else 1
        bill.add(item, quantity, contact.day, contact.minute + 10)


def _sell(bill: Bill, chance: Random) -> None:
    contact = bill.contact
    reason = contact.reason
    number = chance.randint(1, 3) if reason.visit_type == SHOP else reason.drug_kinds
    for item in _some(reason.drugs, number, chance):
        line = bill.add(item, _packs(reason, item, chance), contact.day, contact.minute + 12)
        line.days = reason.supply


def _some(items: tuple[p.Item, ...], number: int, chance: Random) -> list[p.Item]:
    return list(items) if len(items) <= number else chance.sample(items, number)


def _packs(reason: Reason, item: p.Item, chance: Random) -> int:
    """Packs of a drug; herb pieces are counted in grams, 9 to 15 g a day."""
    if item.kind == "herb_piece":
        return reason.supply * chance.choice((9, 10, 12, 15))
    return max(1, reason.supply // 7) if reason.supply > 7 else chance.randint(1, 2)
