"""What goes wrong with settlements and is put right later: refunds, reversals, corrections."""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from msgspec.structs import astuple, replace

from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.numbers import written

_REFUNDED, _REVERSED, _CORRECTED = 0.006, 0.009, 0.013
"""Cumulative shares of settlements that are partly refunded, reversed and settled anew, or corrected."""


def suffer_mishaps(claim: Claim, chance: Random) -> list[Claim]:
    """A claim as it is first sent and, seldom, its refund, its reversal and second settlement, or its correction."""
    fate = chance.random()
    if fate < _REFUNDED:
        return [claim, _refund(claim, chance)]
    if fate < _REVERSED:
        reversal = _reversal(claim, claim.settled_at + timedelta(minutes=chance.randint(10, 3000)))
        return [claim, reversal, _again(claim, reversal.settled_at + timedelta(minutes=6), "c")]
    if fate < _CORRECTED:
        later = claim.settled_at + timedelta(minutes=chance.randint(2000, 9000))
        return [_mistyped(claim), _again(claim, later, "b", corrects=claim.claim_id)]
    return [claim]


def _refund(claim: Claim, chance: Random) -> Claim:
    """One line is given back some days later: a settlement of its own with negative amounts."""
    line = claim.lines[int(chance.random() * len(claim.lines))]
    back = replace(
        _negative(line),
        line_id=f"{line.line_id}r",
        at=claim.settled_at + timedelta(minutes=chance.randint(30, 8000)),
        refund_of=line.line_id,
    )
    # What the fund did not pay cannot go back to it.
    fund_paid = claim.paid is not None and Decimal(claim.paid.pooled_fund) > 0
    in_fund = back.in_fund_scope if fund_paid and back.in_fund_scope is not None else "0"
    paid = Paid(pooled_fund=in_fund, own=_sum(back.amount, _negated(in_fund)))
    return replace(_at(claim, back.at, "r"), lines=(back,), paid=paid)


def _reversal(claim: Claim, when: datetime) -> Claim:
    lines = tuple(map(_negative, claim.lines))
    return replace(_at(claim, when, "x"), lines=lines, paid=_negative_paid(claim), reverses=claim.claim_id)


def _again(claim: Claim, when: datetime, suffix: str, corrects: str | None = None) -> Claim:
    return replace(_at(claim, when, suffix), corrects=corrects)


def _at(claim: Claim, when: datetime, suffix: str) -> Claim:
    """The same encounter settled under another number at another time."""
    assert claim.received_at is not None
    claim_id = claim.claim_id + suffix
    return replace(
        claim,
        event_id=f"{claim.sender}:{claim_id}",
        claim_id=claim_id,
        happened_at=when,
        settled_at=when,
        received_at=claim.received_at + (when - claim.settled_at),
    )


def _mistyped(claim: Claim) -> Claim:
    """A settlement with the quantity of its first line typed twice; the patient pays the difference for a while."""
    line = claim.lines[0]
    assert line.own_pay is not None
    assert claim.paid is not None
    quantity, amount = _sum(line.quantity, line.quantity), _sum(line.amount, line.amount)
    wrong = replace(line, quantity=quantity, amount=amount, own_pay=_sum(line.own_pay, line.amount))
    paid = replace(claim.paid, own=_sum(claim.paid.own, line.amount))
    return replace(claim, lines=(wrong, *claim.lines[1:]), paid=paid)


def _negative(line: ClaimLine) -> ClaimLine:
    assert line.in_fund_scope is not None
    assert line.own_pay is not None
    return replace(
        line,
        quantity=_negated(line.quantity),
        amount=_negated(line.amount),
        in_fund_scope=_negated(line.in_fund_scope),
        own_pay=_negated(line.own_pay),
    )


def _negative_paid(claim: Claim) -> Paid:
    paid = claim.paid
    assert paid is not None
    return Paid(*map(_negated, astuple(paid)))


def _negated(number: str) -> str:
    return written(-Decimal(number))


def _sum(one: str, other: str) -> str:
    return written(Decimal(one) + Decimal(other))
