"""Rule 9 of docs/what-counts.md, section 5, by hand: codes, sums, and lines far outside a stay."""

from decimal import Decimal
from typing import Any

import pytest

from knowledge_base.events.claims import Claim, Diagnosis, Operation

from .cases import PLAIN, ids, line, stay, visit
from .judge import reference_findings
from .oddities import ODD_DETAILS
from .scenes_of_details import DIAGNOSES, HOUSES, OPERATIONS

HOUSE = "H42028100001"


def odd(*claims: Claim) -> dict[str, set[str]]:
    """The kinds of what is odd, each with the ids of its lines."""
    found = reference_findings(claims, ())
    return {key[-1]: ids(expected.guilty) for (rule, key), expected in found.items() if rule == ODD_DETAILS}


def billed(quantity: str, amount: str, scope: str | None = "0", **fields: Any) -> Claim:
    told = {"amount": Decimal(amount), "in_fund_scope": None if scope is None else Decimal(scope), **fields}
    return visit("1", line("a", PLAIN, "03-01", quantity, **told), institution=HOUSE)


def lain(day: str, **fields: Any) -> list[Claim]:
    """A stay from 03-10 to 03-12, and another claim of its encounter with a line of some day."""
    of_line = {name: fields.pop(name) for name in ("refund_of", "quantity") if name in fields}
    other = line("a", PLAIN, day, **of_line)
    told = {"institution": HOUSE, "encounter_id": "v"}
    return [stay("1", "03-10", fields.pop("left", "03-12"), **told, **fields), visit("2", other, **told)]


class TestFarOutsideStay:
    @pytest.mark.parametrize(
        ("day", "far"), [("02-08", False), ("02-07", True), ("03-11", False), ("04-11", False), ("04-12", True)]
    )
    def test_thirty_days_before_admission_and_after_discharge_are_fine_and_a_day_more_is_odd(
        self, day: str, far: bool
    ) -> None:
        assert odd(*lain(day)) == ({"line_far_outside_stay": {"a"}} if far else {})

    def test_a_stay_that_is_not_closed_has_an_admission_and_no_end(self) -> None:
        for fields in ({"left": None}, {"left": None, "mid_stay": True}):
            assert odd(*lain("02-07", **fields)) == {"line_far_outside_stay": {"a"}}
            assert odd(*lain("06-01", **fields)) == {}

    def test_without_a_told_admission_there_is_no_stay_to_lie_outside_of(self) -> None:
        assert odd(*lain("02-07", admitted_at=None)) == {}

    def test_what_takes_back_is_never_far(self) -> None:
        assert odd(*lain("04-30", refund_of="x", quantity="-1")) == {"return_without_line": {"a"}}
        assert set(odd(*lain("04-30", quantity="-1"))) == {"opposite_signs", "return_without_line"}


class TestSums:
    @pytest.mark.parametrize(
        ("amount", "scope", "above"),
        [("10", "10", False), ("10", "10.01", True), ("10", None, False), ("0", "0.01", True), ("0", "-0.01", False)],
    )
    def test_a_scope_may_reach_its_amount_and_no_further(self, amount: str, scope: str | None, above: bool) -> None:
        assert odd(billed("1", amount, scope)) == ({"scope_above_amount": {"a"}} if above else {})

    @pytest.mark.parametrize(("scope", "above"), [("-5", False), ("0", False), ("0.01", True)])
    def test_where_the_amount_is_negative_a_scope_may_reach_nothing(self, scope: str, above: bool) -> None:
        assert ("scope_above_amount" in odd(billed("-1", "-10", scope))) == above

    def test_a_refund_has_no_scope_above_its_amount_and_no_wrong_price(self) -> None:
        refund = billed("-1", "-10", "99", refund_of="x", unit_price=Decimal(3))
        assert set(odd(refund)) == {"return_without_line"}

    @pytest.mark.parametrize(
        ("quantity", "amount", "wrong"),
        [
            ("3", "30.03", False),
            ("3", "30.0301", True),
            ("3", "29.97", False),
            ("3", "29.9699", True),
            ("0.5", "5.01", False),  # one cent is always allowed
            ("0.5", "5.0101", True),
            ("0", "0.01", False),
            ("0", "0.02", True),
        ],
    )
    def test_a_price_may_be_rounded_by_a_cent_a_unit_and_by_one_cent(
        self, quantity: str, amount: str, wrong: bool
    ) -> None:
        assert ("amount_not_price_by_quantity" in odd(billed(quantity, amount, unit_price=Decimal(10)))) == wrong

    @pytest.mark.parametrize(("amount", "wrong"), [("-30.03", False), ("-30.04", True), ("30", True)])
    def test_a_line_that_takes_back_without_a_reference_has_a_price_too(self, amount: str, wrong: bool) -> None:
        assert ("amount_not_price_by_quantity" in odd(billed("-3", amount, unit_price=Decimal(10)))) == wrong

    def test_a_price_that_is_not_told_is_none(self) -> None:
        assert odd(billed("3", "1")) == {}


class TestCodes:
    @pytest.mark.parametrize("right", [True, False])
    def test_a_code_of_no_format_makes_its_claim_odd_and_an_absent_field_does_not(self, right: bool) -> None:
        def kinds(kind: str) -> dict[str, set[str]]:
            return {} if right else {kind: set()}

        for code in DIAGNOSES[right]:
            claim = visit("1", institution=HOUSE, diagnoses=(Diagnosis("I10.x00"), Diagnosis(code)))
            assert odd(claim) == kinds("unknown_diagnosis_code"), code
        for code in OPERATIONS[right]:
            claim = visit("1", institution=HOUSE, operations=(Operation("06.4x00"), Operation(code)))
            assert odd(claim) == kinds("unknown_operation_code"), code

    def test_an_institution_of_no_format_is_told_once_for_the_house_and_makes_no_encounter_odd(self) -> None:
        for code in HOUSES[False]:
            assert odd(visit("1", institution=code)) == {}, code

    def test_absent_diagnoses_and_operations_are_no_odd_ones(self) -> None:
        assert odd(visit("1", institution=HOUSE, diagnoses=None, operations=None)) == {}

    def test_the_value_is_the_number_of_claims_of_the_encounter(self) -> None:
        claims = [visit(name, encounter_id="v", visit_type="0") for name in ("1", "2")]
        assert [found.value for found in reference_findings(claims, ()).values()] == [Decimal(2)]
