"""Section 3 of docs/what-counts.md, sentences 2 to 5, by hand: refunds, negative lines, opposite signs."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from knowledge_base.events.claims import Claim, ClaimLine, Paid

from .cases import NURSING, PLAIN, hits, ids, line, only, visit
from .oddities import ODD_DETAILS
from .rules import DAILY_CAP
from .standing import people


def sold(line_id: str, day: str = "03-05", quantity: str = "1", price: str = "40", **fields: Any) -> ClaimLine:
    """Some units of nursing, all in the fund's scope."""
    amount = str(Decimal(quantity) * Decimal(price))
    return line(line_id, NURSING, day, quantity, **{"amount": amount, "in_fund_scope": amount, **fields})


def back(line_id: str, day: str = "03-05", quantity: str = "-1", price: str = "40", **fields: Any) -> ClaimLine:
    """The same with a negative quantity, without a reference."""
    return sold(line_id, day, quantity, price, **fields)


def bill(name: str, *lines: ClaimLine, **fields: Any) -> Claim:
    return visit(name, *lines, **{"encounter_id": "v", **fields})


def rest(*claims: Claim) -> dict[str, Decimal]:
    """What is left of the units of each line that stands for itself."""
    (person,) = people(claims)
    return {one.source.line_id: one.quantity for one in person.lines}


def money(*claims: Claim) -> dict[str, tuple[Fraction, Fraction | None]]:
    """Amount and scope that are left of each line, in yuan."""
    (person,) = people(claims)
    return {one.source.line_id: (one.amount, one.in_fund_scope) for one in person.lines}


def odd(*claims: Claim) -> dict[str, set[str]]:
    """The line ids concerned by each kind of oddity."""
    return {occurrence[-1]: ids(found.guilty) for occurrence, found in hits(ODD_DETAILS, *claims).items()}


class TestNegativeLines:
    """3 · Without refund_of."""

    def test_one_and_one_less_one_is_one(self) -> None:
        claim = bill("1", sold("a"), sold("b"), back("r"))
        assert rest(claim) == {"a": 1, "b": 0}
        assert hits(DAILY_CAP, claim) == {}
        assert odd(claim) == {}

    def test_over_claims_of_the_encounter_in_any_order_of_arrival(self) -> None:
        claims = [bill("1", sold("a")), bill("2", sold("b")), bill("3", back("r"))]
        for order in permutations(claims):
            assert hits(DAILY_CAP, *order) == {}

    @pytest.mark.parametrize(
        "fields", [{"encounter_id": "w"}, {"institution": "B"}, {"patient": "p2"}], ids=["encounter", "place", "person"]
    )
    def test_it_takes_nothing_off_another_encounter_institution_or_person(self, fields: dict[str, str]) -> None:
        assert len(hits(DAILY_CAP, bill("1", sold("a"), sold("b")), bill("2", back("r"), **fields))) == 1

    def test_it_takes_nothing_off_another_item_and_a_line_without_code_finds_none(self) -> None:
        for code in (PLAIN, None):
            claim = bill("1", sold("a"), line("r", code, "03-05", "-1", amount="-40", in_fund_scope="-40"))
            assert rest(claim) == {"a": 1}
            assert odd(claim) == {"return_without_line": {"r"}}
        codeless = bill("1", line("a", None, "03-05"), line("r", None, "03-05", "-1"))
        assert rest(codeless) == {"a": 1}

    def test_first_its_own_day_then_earlier_ones_the_latest_first_then_later_ones_the_earliest_first(self) -> None:
        days = ["03-03", "03-04", "03-05", "03-06", "03-07"]
        lines = [sold(day, day) for day in days]
        turn = ["03-05", "03-04", "03-03", "03-06", "03-07"]
        for count in range(1, 6):
            left = rest(bill("1", *lines, back("r", "03-05", f"-{count}")))
            assert {day for day, units in left.items() if units == 0} == set(turn[:count])

    def test_within_a_day_first_the_same_amount_a_unit_then_the_others_of_either_the_last_in_line_order(self) -> None:
        lines = [
            sold("a", price="40", clock="08:00"),
            sold("b", price="40", clock="09:00"),
            sold("c", price="50", clock="10:00"),
            sold("d", price="30", clock="11:00"),
        ]
        for count, turn in enumerate(("b", "ba", "bad", "badc"), start=1):
            left = rest(bill("1", *lines, back("r", quantity=f"-{count}")))
            assert {line_id for line_id, units in left.items() if units == 0} == set(turn)

    def test_an_earlier_day_with_the_same_amount_comes_after_its_own_day_with_another(self) -> None:
        assert rest(bill("1", sold("a", "03-04"), sold("b", price="50"), back("r"))) == {"a": 1, "b": 0}

    @pytest.mark.parametrize(("near", "far"), [("03-04", "03-03"), ("03-06", "03-07")])
    def test_of_other_days_the_nearer_comes_first_whatever_its_amount(self, near: str, far: str) -> None:
        assert rest(bill("1", sold("n", near, price="50"), sold("f", far), back("r"))) == {"n": 0, "f": 1}

    def test_the_amount_a_unit_is_as_billed_and_not_what_refunds_left(self) -> None:
        dear = sold("a", quantity="2", price="50", clock="08:00")
        taken = sold("x", quantity="-1", price="60", refund_of="a")  # leaves one unit of 40
        assert rest(bill("1", dear, sold("b", price="41", clock="09:00"), taken, back("r"))) == {"a": 1, "b": 0}
        same = sold("a", quantity="2", price="40", clock="08:00")
        assert rest(bill("1", same, sold("b", price="41", clock="09:00"), taken, back("r"))) == {"a": 0, "b": 1}

    def test_refunds_with_a_reference_are_applied_first_though_they_come_later(self) -> None:
        claim = bill("1", sold("a", clock="08:00"), sold("b", clock="09:00"), back("r", clock="10:00"))
        late = bill("2", sold("x", "03-20", "-1", refund_of="b"))
        assert rest(claim, late) == {"a": 0, "b": 0}

    def test_negative_lines_take_in_line_order(self) -> None:
        """The first in line order finds its own day, the second an earlier one."""
        first, second = back("r1", clock="08:00"), back("r2", clock="09:00", price="50")
        left = money(bill("1", sold("a", "03-04"), sold("b"), second, first))
        assert left == {"a": (0, 0), "b": (0, 0)}
        left = money(bill("1", sold("a", "03-04", price="60"), sold("b"), second, first))
        assert left == {"a": (10, 10), "b": (0, 0)}

    def test_it_takes_part_of_a_line_with_the_share_of_its_money(self) -> None:
        left = money(bill("1", sold("a", quantity="3"), back("r", quantity="-1.5")))
        assert left == {"a": (60, 60)}

    def test_what_is_left_goes_on_to_the_next_line_with_its_share(self) -> None:
        claim = bill("1", sold("a", "03-04"), sold("b", quantity="0.5"), back("r", quantity="-1.5", price="30"))
        assert rest(claim) == {"a": 0, "b": 0}
        assert money(claim) == {"a": (10, 10), "b": (5, 5)}

    def test_thirds_are_exact_and_rounded_once(self) -> None:
        """-3 units at 100 yuan: two thirds of it off the one line, one third finds none."""
        claim = bill(
            "1", sold("a", quantity="2", price="100"), back("r", quantity="-3", amount="-100", in_fund_scope=None)
        )
        assert money(claim) == {"a": (200 - Fraction(200, 3), None)}

    def test_too_many_units_leave_nothing_below_zero_and_are_told(self) -> None:
        claim = bill("1", sold("a", quantity="2"), back("r", quantity="-3"))
        assert (rest(claim), odd(claim)) == ({"a": 0}, {"return_without_line": {"r"}})
        assert odd(bill("1", sold("a", quantity="2"), back("r", quantity="-2"))) == {}

    def test_more_money_than_the_line_has_leaves_nothing_and_no_debt(self) -> None:
        assert money(bill("1", sold("a", quantity="2"), back("r", price="90"))) == {"a": (0, 0)}

    def test_a_positive_amount_or_scope_on_a_negative_quantity_takes_units_and_no_money(self) -> None:
        claim = bill("1", sold("a", quantity="2"), back("r", amount="40", in_fund_scope="-40"))
        assert (rest(claim), money(claim)) == ({"a": 1}, {"a": (80, 40)})
        claim = bill("1", sold("a", quantity="2"), back("r", amount="-40", in_fund_scope="40"))
        assert money(claim) == {"a": (40, 80)}
        assert odd(bill("1", sold("a", quantity="2"), back("r", amount="40"))) == {"opposite_signs": {"r"}}

    def test_without_its_scope_the_lines_become_unknown(self) -> None:
        claim = bill("1", sold("a", quantity="2"), sold("b", "03-04"), back("r", in_fund_scope=None))
        assert [scope for _, scope in money(claim).values()] == [40, None]
        (person,) = people([claim])
        assert [(one.counts, one.undecided) for one in person.lines] == [(True, False), (False, True)]

    def test_lines_of_which_nothing_is_left_are_passed_over(self) -> None:
        gone = sold("a", clock="09:00"), sold("x", quantity="-1", refund_of="a")
        empty = sold("e", quantity="0", amount="0", clock="10:00")
        claim = bill("1", sold("b", clock="08:00"), *gone, empty, back("r", quantity="-0.5", in_fund_scope=None))
        assert rest(claim) == {"a": 0, "b": Decimal("0.5"), "e": 0}
        assert {line_id: scope for line_id, (_, scope) in money(claim).items()} == {"a": 0, "b": None, "e": 0}

    def test_it_takes_off_lines_that_nobody_paid_and_an_unpaid_one_takes_off_paid_lines(self) -> None:
        free = Paid("0", own="40")
        assert rest(bill("1", sold("a"), paid=free), bill("2", back("r"))) == {"a": 0}
        assert rest(bill("1", sold("a")), bill("2", back("r"), paid=free)) == {"a": 0}

    def test_it_takes_nothing_off_a_claim_that_does_not_stand_and_does_not_when_its_own_does_not(self) -> None:
        claims = bill("1", sold("a"), sold("b")), bill("2", back("r"))
        assert len(hits(DAILY_CAP, *claims, visit("3", reverses="2"))) == 1
        gone = bill("4", sold("c", clock="23:00"))
        assert hits(DAILY_CAP, *claims, gone, visit("5", reverses="4")) == {}

    def test_it_finds_no_line_without_a_day_and_none_when_it_has_none_itself(self) -> None:
        assert rest(bill("1", sold("a", "2099-01-01"), back("r", "2099-01-01"))) == {"a": 1}
        assert rest(bill("1", sold("a", "2099-01-01"), back("r"))) == {"a": 1}
        claim = bill("1", sold("a"), back("r", "1900-01-01"))
        assert (rest(claim), odd(claim)["return_without_line"]) == ({"a": 1}, {"r"})

    def test_a_refund_of_a_negative_line_names_no_line(self) -> None:
        claim = bill("1", sold("a"), back("r"), sold("x", quantity="1", refund_of="r"))
        assert (rest(claim), odd(claim)) == ({"a": 0}, {"return_without_line": {"x"}})

    def test_it_is_no_line_of_its_own(self) -> None:
        (person,) = people([bill("1", back("r"))])
        assert person.lines == ()
        assert [one.counts for one in person.all_lines.negative] == [False]


class TestOppositeSigns:
    """4 · A positive quantity with a negative amount counts with amount 0."""

    def test_it_counts_and_lowers_nobodys_sum(self) -> None:
        claim = bill("1", sold("a", clock="08:00"), sold("b", amount="-40", in_fund_scope="40"))
        found = only(DAILY_CAP, claim)
        assert (ids(found.guilty), found.in_question) == ({"b"}, Decimal("0.00"))
        assert odd(claim) == {"opposite_signs": {"b"}, "scope_above_amount": {"b"}}

    def test_a_refund_is_never_of_opposite_signs(self) -> None:
        claim = bill("1", sold("a"), sold("r", quantity="1", amount="-40", refund_of="a"))
        assert "opposite_signs" not in odd(claim)

    def test_zero_units_with_money_are_odd_and_with_none_are_not(self) -> None:
        assert odd(bill("1", sold("a", quantity="0", amount="40"))) == {"no_units": {"a"}}
        assert odd(bill("1", sold("a", quantity="0", amount="-40"))) == {"no_units": {"a"}}
        assert odd(bill("1", sold("a", quantity="0", amount="0"))) == {}


class TestRefunds:
    """2 · With refund_of, and what is odd about it."""

    def test_a_refund_of_all_is_fine_and_a_thousandth_or_a_cent_more_is_odd(self) -> None:
        whole = sold("r", quantity="-1", refund_of="a")
        assert odd(bill("1", sold("a"), whole)) == {}
        more = sold("r", quantity="-1.001", price="0", refund_of="a")
        assert odd(bill("1", sold("a"), more)) == {"over_refund": {"a"}}
        dearer = sold("r", quantity="-1", amount="-40.01", refund_of="a")
        assert odd(bill("1", sold("a"), dearer)) == {"over_refund": {"a"}}

    def test_refunds_add_up_beyond_the_line(self) -> None:
        halves = [sold(f"r{number}", quantity="-0.5", refund_of="a") for number in range(3)]
        assert odd(bill("1", sold("a"), *halves[:2])) == {}
        assert odd(bill("1", sold("a")), bill("2", *halves)) == {"over_refund": {"a"}}

    def test_what_a_negative_line_takes_is_no_over_refund(self) -> None:
        assert odd(bill("1", sold("a"), sold("x", quantity="-1", refund_of="a"), back("r"))) == {
            "return_without_line": {"r"}
        }

    def test_a_refund_under_another_encounter_is_told_apart_from_one_of_nothing(self) -> None:
        elsewhere = bill("2", sold("r", quantity="-1", refund_of="a"), encounter_id="w")
        assert odd(bill("1", sold("a")), elsewhere) == {"refund_elsewhere": {"r"}}
        assert odd(elsewhere) == {"return_without_line": {"r"}}
        assert odd(bill("1", sold("a"), institution="B"), elsewhere) == {"return_without_line": {"r"}}
        assert odd(bill("1", sold("a"), patient="p2"), elsewhere) == {"return_without_line": {"r"}}

    def test_a_line_of_the_own_encounter_comes_before_one_elsewhere(self) -> None:
        claims = bill("1", sold("a")), bill("2", sold("a"), sold("r", quantity="-1", refund_of="a"), encounter_id="w")
        assert (odd(*claims), len(rest(*claims))) == ({}, 1)

    def test_a_refund_of_a_refund_is_a_return_without_line(self) -> None:
        claim = bill("1", sold("a"), sold("r", quantity="-1", refund_of="a"), sold("s", quantity="1", refund_of="r"))
        assert (rest(claim), odd(claim)) == ({"a": 0}, {"return_without_line": {"s"}})
