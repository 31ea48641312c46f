"""The days that forms suggest, and the last ones that they take."""

from datetime import date
from typing import NamedTuple

from api.frame.desk import Desk
from knowledge_base.days import as_date
from streams.acts.assign import LONGEST_HELD
from streams.acts.snooze import LONGEST

HELD = 14
"""Days for which a lead is given unless somebody says another."""

SNOOZED = 10
"""Days for which a lead is put off unless somebody says another."""


class Days(NamedTuple):
    """The day ``until`` which something holds unless somebody says another, and the ``latest`` one."""

    until: date
    latest: date


def days_held(desk: Desk) -> Days:
    return Days(as_date(desk.today() + HELD), as_date(desk.today() + LONGEST_HELD))


def days_snoozed(desk: Desk) -> Days:
    return Days(as_date(desk.today() + SNOOZED), as_date(desk.today() + LONGEST))
