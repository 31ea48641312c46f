"""How honest bills grow in dishonest hands: what clerks, shifts, laboratories and surgeons add to them."""

from collections.abc import Callable
from random import Random

from deploy.county.care import prices as p
from deploy.county.care.contacts import Bill, BillLine
from deploy.county.care.institutions import Habit
from deploy.county.care.prices import Item
from deploy.county.care.reasons import OVARY, STENT, SUGAR_CHECK
from deploy.county.truth import Kind, plant

_LAST_MINUTE = 1439


def pad(bill: Bill, chance: Random) -> None:
    """Add to a bill what the habits of its institution add."""
    # Sorted, because the order of a set of strings differs from process to process.
    for habit in sorted(bill.contact.institution.habits & HABITS.keys()):
        HABITS[habit](bill, chance)


def _count_day_of_leaving(bill: Bill, chance: Random) -> None:
    """One of two clerks counts the day of leaving as a bed day: the bed, she says, was not free before noon."""
    contact = bill.contact
    if contact.nights > 0 and chance.random() < 0.4:
        line = bill.add(p.BED, 1, contact.last_day, bill.end_minute - 5)
        _plant(bill, Kind.LEAVING_DAY_BED, [line])


def _nurse_twice(bill: Bill, chance: Random) -> None:
    """On short-staffed days the night shift posts the nursing that the day shift has posted already."""
    if bill.contact.is_stay and chance.random() < 0.12:
        _post_again(bill, Kind.NURSING_TWICE, p.NURSING_SECOND, 1, chance)


def _monitor_twice(bill: Bill, chance: Random) -> None:
    """The night shift adds its hours to a day that the monitor has already counted in full."""
    if bill.contact.is_stay and bill.contact.reason.severe and chance.random() < 0.2:
        _post_again(bill, Kind.MONITORING_BEYOND_DAY, p.MONITORING, chance.randint(8, 12), chance)


def _post_again(bill: Bill, kind: Kind, item: Item, quantity: int, chance: Random) -> None:
    posted = [line for line in bill.lines_of(item) if line.day > bill.contact.day]
    again = [
        bill.add(item, quantity, line.day, min(max(line.minute, 1200) + 5, _LAST_MINUTE))
        for line in chance.sample(posted, min(len(posted), 3))
    ]
    _plant(bill, kind, again)


def _bill_glucose_too(bill: Bill, chance: Random) -> None:
    """The laboratory bills every tube of the tolerance test as a glucose of its own."""
    if bill.contact.reason is SUGAR_CHECK and bill.lines_of(p.TOLERANCE_TEST) and chance.random() < 0.7:
        line = bill.add(p.GLUCOSE, chance.randint(3, 5), bill.contact.day, bill.contact.minute + 7)
        _plant(bill, Kind.GLUCOSE_BESIDE_TOLERANCE, [line])


def _bill_angiography_too(bill: Bill, chance: Random) -> None:
    """The catheter laboratory bills a stent in full, and the pictures that belong to it as an examination."""
    if bill.contact.reason is STENT and chance.random() < 0.6:
        for line in bill.lines_of(p.STENTING_AFTER_ANGIOGRAPHY):
            line.item = p.STENTING
        _plant(bill, Kind.ANGIOGRAPHY_BESIDE_STENT, bill.lines_of(p.ANGIOGRAPHY))


def _bill_appendix_too(bill: Bill, chance: Random) -> None:
    """The surgeon takes the appendix along in the radical operation and bills it apart."""
    for line in bill.lines_of(p.OVARY_RADICAL):
        if bill.contact.reason is OVARY and chance.random() < 0.7:
            added = bill.add(p.APPENDECTOMY, 1, line.day, line.minute)
            _plant(bill, Kind.APPENDIX_BESIDE_OVARY, [added])


def _swap_albumin(bill: Bill, chance: Random) -> None:
    """The ward bills albumin, hangs up saline and sells the bottles on; the bill itself is in order."""
    if bill.contact.is_stay and chance.random() < 0.5:
        _plant(bill, Kind.DEAR_BILLED_CHEAP_GIVEN, bill.lines_of(p.ALBUMIN))


def _plant(bill: Bill, kind: Kind, lines: list[BillLine]) -> None:
    act = plant(kind, bill.contact.person.pseudonym, bill.contact.key)
    for line in lines:
        bill.add_act(act, line)


HABITS: dict[Habit, Callable[[Bill, Random], None]] = {
    Habit.LEAVING_DAY_BED: _count_day_of_leaving,
    Habit.NURSING_BY_SHIFT: _nurse_twice,
    Habit.MONITORING_BY_SHIFT: _monitor_twice,
    Habit.GLUCOSE_BESIDE_TOLERANCE: _bill_glucose_too,
    Habit.ANGIOGRAPHY_BESIDE_STENT: _bill_angiography_too,
    Habit.APPENDIX_BESIDE_OVARY: _bill_appendix_too,
    Habit.DEAR_BILLED_CHEAP_GIVEN: _swap_albumin,
}
