"""Section 4 of docs/what-counts.md by hand: what a stay is, and why one is unclear."""

from datetime import date, timedelta
from typing import Any

import pytest

from knowledge_base.events.claims import Claim, Paid
from knowledge_base.events.head import Event

from .cases import BED, INFUSION, at, hits, line, only, stay, visit
from .rules import BED_DAYS, PLACE
from .standing import people
from .stays import DATES_UNLIKELY, DISCHARGE_MISSING, NUMBER_USED_AGAIN, Stay

LAST = date(2026, 3, 5)
UNPAID = Paid("0", own="9")


def part(name: str, first: str | None, last: str | None, **fields: Any) -> Claim:
    """One of the claims of one stay; ``first`` may be absent."""
    admitted_at = at(first) if first else None
    return stay(name, "03-01", last, **{"encounter_id": "v", "admitted_at": admitted_at, **fields})


def the_stay(*claims: Event) -> Stay:
    (person,) = people(claims)
    (found,) = person.stays
    return found


@pytest.mark.parametrize(
    ("days", "reason"),
    [(0, None), (1100, None), (1101, DATES_UNLIKELY), (10_000, DATES_UNLIKELY), (-1, DATES_UNLIKELY)],
)
def test_a_stay_of_1100_days_is_closed_and_one_of_1101_or_less_than_none_unclear(days: int, reason: str | None) -> None:
    found = the_stay(part("1", (LAST - timedelta(days=days)).isoformat(), "03-05"))
    assert (found.state, found.reason) == ("unclear" if reason else "closed", reason)


@pytest.mark.parametrize(("last", "reason"), [(None, DISCHARGE_MISSING), ("2099-12-31", DATES_UNLIKELY)])
def test_a_discharge_that_is_not_told_is_missing_or_unlikely(last: str | None, reason: str) -> None:
    found = the_stay(part("1", "03-01", last))
    assert (found.state, found.reason, found.discharged) == ("unclear", reason, None)


def test_a_discharge_before_its_admission_is_unlikely_and_not_missing() -> None:
    assert the_stay(part("1", "03-05", "03-04")).reason == DATES_UNLIKELY
    assert the_stay(part("1", "03-05", None), part("2", "03-05", "03-04")).reason == DATES_UNLIKELY


def test_another_claim_that_tells_the_date_clears_the_stay() -> None:
    placeholder = part("1", "1900-01-01", "03-05")
    assert the_stay(placeholder).reason == DATES_UNLIKELY
    found = the_stay(placeholder, part("2", "03-01", "03-04"))
    assert (found.state, found.span) == ("closed", (date(2026, 3, 1), LAST))
    found = the_stay(part("1", "03-01", "2099-12-31"), part("2", "03-02", "03-05"))
    assert found.span == (date(2026, 3, 1), LAST)


def test_a_claim_that_leaves_before_it_comes_shapes_nothing() -> None:
    assert the_stay(part("1", "03-09", "02-01"), part("2", "03-01", "03-05")).span == (date(2026, 3, 1), LAST)


def test_the_span_over_several_claims_is_held_against_the_same_limits() -> None:
    first, last = part("1", "2023-02-27", None), part("2", "2025-01-01", "03-05")
    assert the_stay(first, part("3", "2024-01-01", "2024-02-01"), last).reason == DATES_UNLIKELY
    assert the_stay(part("1", "03-06", None), part("2", None, "03-05"), part("3", "2099-01-01", "03-05")).reason == (
        DATES_UNLIKELY
    )


def test_only_mid_stay_claims_are_open_and_their_dates_shape_nothing_beside_final_ones() -> None:
    middle = part("m", "02-01", None, mid_stay=True)
    assert (the_stay(middle).state, the_stay(middle).admitted) == ("open", date(2026, 2, 1))
    assert the_stay(part("m", "1900-01-01", None, mid_stay=True)).admitted is None
    assert the_stay(middle, part("1", "03-01", "03-05")).span == (date(2026, 3, 1), LAST)


def test_a_claim_without_admission_shapes_nothing_and_a_placeholder_makes_a_stay() -> None:
    (person,) = people([part("1", None, "03-05")])
    assert person.stays == ()
    assert the_stay(part("1", "1900-01-01", None)).state == "unclear"
    assert the_stay(part("1", "03-01", "03-04"), part("2", None, "03-05")).span[1] == date(2026, 3, 4)


@pytest.mark.parametrize(("gap", "reason"), [(29, None), (30, NUMBER_USED_AGAIN), (31, NUMBER_USED_AGAIN)])
def test_thirty_days_after_the_last_discharge_the_number_was_used_again(gap: int, reason: str | None) -> None:
    again = LAST + timedelta(days=gap)
    later = part("2", again.isoformat(), (again + timedelta(days=3)).isoformat(), happened_at=at("12-01"))
    assert the_stay(part("1", "03-01", "03-05"), later).reason == reason


def test_the_gap_is_counted_from_the_greatest_discharge_before() -> None:
    """The last begins 30 days after the one before it ends, but 15 after the longer one that began before both."""
    claims = part("2", "03-02", "03-05"), part("3", "04-04", "04-09")
    assert the_stay(*claims).reason == NUMBER_USED_AGAIN
    assert the_stay(*claims, part("1", "03-01", "03-20")).state == "closed"
    assert the_stay(*claims, part("1", "03-03", "03-20")).state == "closed"


def test_a_claim_that_tells_only_one_of_its_dates_is_no_stay_of_its_own() -> None:
    assert (
        the_stay(part("1", "03-01", "03-05"), part("2", "04-20", None), part("3", "03-01", "04-22")).state == "closed"
    )
    assert the_stay(part("1", "03-01", "03-05"), part("2", "1900-01-01", "04-22")).state == "closed"


@pytest.mark.parametrize(
    ("paid", "in_fund"),
    [([UNPAID, Paid("1")], True), ([None, Paid("1")], True), ([None, UNPAID], None), ([UNPAID, UNPAID], False)],
)
def test_one_claim_that_the_fund_paid_is_enough_and_one_unknown_leaves_it_undecided(
    paid: list[Paid | None], in_fund: bool | None
) -> None:
    claims = [part(str(number), "03-01", "03-05", paid=one) for number, one in enumerate(paid)]
    assert the_stay(*claims).in_fund is in_fund


@pytest.mark.parametrize("first", ["1900-01-01", "2023-02-28", "03-06"])
def test_a_stay_of_unlikely_dates_is_not_evaluated(first: str) -> None:
    bed = line("a", BED, "03-01", "9")
    assert hits(BED_DAYS, stay("1", first, "03-05", bed)) == {}
    assert only(BED_DAYS, stay("1", "03-01", "03-05", bed)).limit == 4


def test_an_emergency_visit_that_ends_on_a_day_of_no_meaning_ends_with_its_lines() -> None:
    drip = line("d", INFUSION, "03-02")
    emergency = visit("1", drip, visit_type="13", discharged_at=at("2099-01-01"))
    assert hits(PLACE, emergency, stay("2", "03-03", "03-09")) == {}
    assert len(hits(PLACE, emergency, stay("2", "03-04", "03-09"))) == 1
    undated = visit("1", drip, line("x", BED, "2099-01-01"), visit_type="13")
    assert hits(PLACE, undated, stay("2", "03-03", "03-09")) == {}
