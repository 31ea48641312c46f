"""What findings are worth, whatever their claims say: loss to the fund ≤ inside its scope ≤ in question."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.findings import Finding
from rules_lib.cases import run_case
from rules_lib.rule_set import RuleSet

BED = "001109000010000"
STAY = [date(2026, 3, 1), date(2026, 3, 3)]
money = st.decimals(0, 200, places=2).map(str)


def billed(name: str, amount: str, scope: str | None, quantity: str = "2") -> dict[str, Any]:
    return {"id": name, "item": BED, "day": STAY[0], "quantity": quantity, "amount": amount, "in_fund": scope}


def refund(name: str, of: str, quantity: str, amount: str, scope: str | None) -> dict[str, Any]:
    return {**billed(name, f"-{amount}", scope and f"-{scope}", f"-{quantity}"), "refund_of": of}


def found_on(rule_set: RuleSet, lines: Iterable[dict[str, Any]], paid: str = "100") -> list[Finding]:
    """What the rule of bed days finds on a stay of two days."""
    case = {"events": [{"stay": STAY, "paid": paid, "lines": list(lines)}]}
    return run_case(case, rule_set.by_id["FW10000001"], rule_set)[1].findings


def only(rule_set: RuleSet, *lines: dict[str, Any], paid: str = "100") -> tuple[Decimal, Decimal, Decimal | None]:
    """Its amounts: in question, in scope, loss."""
    (finding,) = found_on(rule_set, lines, paid)
    return finding.amounts.in_question, finding.amounts.in_fund, finding.amounts.loss


lines = st.lists(st.builds(billed, st.sampled_from("abcd"), money, st.none() | money), min_size=2, max_size=4)
refunds = st.lists(
    st.builds(refund, st.sampled_from("xyz"), st.sampled_from("abcd"), st.sampled_from("01"), money, st.none() | money),
    max_size=2,
)


@given(lines, refunds, money)
def test_loss_is_at_most_what_is_in_scope_and_that_at_most_what_is_in_question(
    rule_set: RuleSet, lines: list[dict[str, Any]], refunds: list[dict[str, Any]], paid: str
) -> None:
    for finding in found_on(rule_set, lines + refunds, paid):
        for amounts in (finding.amounts, *(part.amounts for part in finding.guilty)):
            assert 0 <= (amounts.loss or 0) <= amounts.in_fund <= amounts.in_question


def test_a_scope_above_the_amount_is_worth_the_amount(rule_set: RuleSet) -> None:
    odd = billed("b", "10.00", "99999.00")
    assert only(rule_set, billed("a", "90", "90"), odd) == (Decimal("10.00"), Decimal("10.00"), Decimal("10.00"))


def test_the_share_that_the_fund_paid_follows(rule_set: RuleSet) -> None:
    """Of 100 yuan in scope, 90 and 10 for 99,999, the fund paid half."""
    odd = billed("b", "10.00", "99999.00")
    assert only(rule_set, billed("a", "90", "90"), odd, paid="50") == (Decimal(10), Decimal(10), Decimal(5))


def test_a_refund_that_takes_nothing_off_the_scope_leaves_no_more_than_the_amount(rule_set: RuleSet) -> None:
    lines = billed("a", "90", "90"), billed("b", "40", "40", "4"), refund("c", "b", "2", "30", "0")
    assert only(rule_set, *lines) == (Decimal(10), Decimal(10), Decimal(10))


def test_a_scope_above_an_amount_of_nothing_still_counts_its_units(rule_set: RuleSet) -> None:
    assert only(rule_set, billed("a", "90", "90"), billed("b", "0.00", "5")) == (0, 0, 0)
