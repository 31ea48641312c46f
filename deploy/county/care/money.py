"""Who pays a bill: the fund by its rates, then accounts, then the patient. Amounts are in fen (0.01 yuan)."""

from decimal import Decimal
from functools import cache
from random import Random

from deploy.county.care.contacts import BillLine, Contact
from deploy.county.care.prices import Item
from deploy.county.care.reasons import CHRONIC
from deploy.county.people.insured import EMPLOYEE
from knowledge_base.events.claims import Paid
from knowledge_base.numbers import written

# Deductible in fen and rate of payment in per cent by level; the figures are of the usual size, no county's own.
_STAY_TERMS = {1: (30_000, 85), 2: (60_000, 75), 3: (100_000, 62)}
_VISIT_TERMS = {0: (0, 50), 1: (0, 55), 2: (2_000, 50), 3: (5_000, 45)}
_CHRONIC_RATE = 75
_SERIOUS_ILLNESS_FROM = 1_500_000
_SERIOUS_ILLNESS_RATE = 60
_AID_RATE = 50
_EMPLOYEE_BONUS = 8


@cache
def yuan(fen: int) -> str:
    """Fen as yuan with two decimals."""
    return written(Decimal(fen).scaleb(-2))


# The price is rounded before it is multiplied: a line's amount is then exactly price times quantity.
@cache
def unit_price(item: Item, percent: int) -> int:
    """The price of a unit, in fen, at an institution that charges a percentage of the full price."""
    return max(1, item.fen * percent // 100)


def amount_of(line: BillLine, percent: int) -> int:
    """What a line costs, in fen."""
    return unit_price(line.item, percent) * line.quantity


def scope_of(line: BillLine, percent: int) -> int:
    """What of a line lies within the fund's scope, in fen."""
    return amount_of(line, percent) * line.item.scope // 100 if line.paid_by_fund else 0


def share_out(contact: Contact, total: int, in_scope: int, chance: Random) -> Paid:
    """Who pays how much; the parts sum to ``total``, the fund's to ``in_scope`` at most (both in fen)."""
    pooled = _pooled(contact, in_scope)
    serious = max(0, in_scope - pooled - _SERIOUS_ILLNESS_FROM) * _SERIOUS_ILLNESS_RATE // 100
    needs_aid = contact.person.poor and contact.reason.pooled
    aid = (in_scope - pooled - serious) * _AID_RATE // 100 if needs_aid else 0
    rest = total - pooled - serious - aid
    account, family = _from_accounts(contact, rest, chance)
    return Paid(yuan(pooled), yuan(serious), yuan(aid), yuan(account), yuan(family), yuan(rest - account - family))


def _pooled(contact: Contact, in_scope: int) -> int:
    if not contact.reason.pooled:
        return 0
    level = contact.institution.level
    deductible, rate = _STAY_TERMS[level] if contact.is_stay else _VISIT_TERMS[level]
    if contact.reason.visit_type == CHRONIC:
        deductible, rate = 0, _CHRONIC_RATE
    if contact.person.insurance_type == EMPLOYEE:
        rate += _EMPLOYEE_BONUS
    return max(0, in_scope - deductible) * rate // 100


def _from_accounts(contact: Contact, rest: int, chance: Random) -> tuple[int, int]:
    """What the personal account and the family's shared one pay; residents have no account of their own."""
    wallet = chance.randrange(40_000)
    if contact.person.insurance_type == EMPLOYEE:
        return min(rest, wallet), 0
    return 0, min(rest, wallet) if chance.random() < 0.3 else 0
