"""Rule 3 (c) and (d) of docs/what-counts.md, section 5, by hand: hours, one hour, what was posted in a batch."""

from decimal import Decimal
from typing import Any

import pytest

from knowledge_base.catalogues.rows import PairOfHours
from knowledge_base.events.claims import ClaimLine

from .cases import (
    COLD_PRESSOR,
    DELIVERY,
    HEART_OF_THE_UNBORN,
    NURSING,
    PLAIN,
    PRESSURE,
    at,
    hits,
    ids,
    line,
    only,
    point,
    stay,
    visit,
)
from .rules import PAIRS


def born(clock: str, day: str = "03-02", **fields: Any) -> ClaimLine:
    return line("m", DELIVERY, day, clock=clock, **fields)


def heard(clock: str, day: str = "03-02", quantity: str = "1", line_id: str = "p", **fields: Any) -> ClaimLine:
    return line(line_id, HEART_OF_THE_UNBORN, day, quantity, clock=clock, **fields)


def pressed(clock: str, day: str = "03-02") -> ClaimLine:
    return line("m", COLD_PRESSOR, day, clock=clock)


def measured(clock: str, day: str = "03-02", quantity: str = "1", line_id: str = "p") -> ClaimLine:
    return line(line_id, PRESSURE, day, quantity, clock=clock)


class TestHours:
    """(c) Pairs of hours; the case has six."""

    @pytest.mark.parametrize(
        ("clock", "count"),
        [("10:00:01", 1), ("16:00:00", 1), ("16:00:01", 0), ("16:00:00.000001", 0), ("04:00:00", 1), ("03:59:59", 0)],
    )
    def test_exactly_six_hours_are_near_and_a_second_more_is_not_whichever_came_first(
        self, clock: str, count: int
    ) -> None:
        assert len(hits(PAIRS, visit("1", born("10:00"), heard(clock)))) == count

    def test_midnight_between_them_changes_nothing_and_the_day_is_that_of_the_included(self) -> None:
        found = hits(PAIRS, visit("1", born("23:30"), heard("05:30", "03-03", "2.5")))
        assert set(found) == {("p1", "A", "hours", "2026-03-03", DELIVERY, HEART_OF_THE_UNBORN)}
        (one,) = found.values()
        assert (ids(one.guilty), ids(one.involved)) == ({"p"}, {"m"})
        assert (one.value, one.limit, one.in_question) == (Decimal("2.5"), 0, Decimal("100.00"))

    def test_the_day_of_the_included_line_says_whether_the_pair_is_in_force(self) -> None:
        row = PairOfHours(name="", codes=(DELIVERY,), included={HEART_OF_THE_UNBORN: ""}, why="", hours=6)
        begun = [point("pairs_of_hours", row, at("03-03").date())]
        assert len(hits(PAIRS, visit("1", born("23:30"), heard("01:00", "03-03")), points=begun)) == 1
        assert hits(PAIRS, visit("1", born("01:00", "03-03"), heard("23:30")), points=begun) == {}

    def test_lines_of_two_visits_are_held_together_and_of_two_institutions_not(self) -> None:
        one, two = visit("1", born("10:00")), visit("2", heard("11:00"))
        assert len(hits(PAIRS, one, two)) == 1
        assert hits(PAIRS, one, visit("2", heard("11:00"), institution="B")) == {}

    def test_near_lines_of_one_day_are_one_finding_and_distant_ones_are_in_none(self) -> None:
        parts = heard("04:00", line_id="a"), heard("16:00", line_id="b"), heard("16:01", line_id="c")
        far = line("far", DELIVERY, "03-02", clock="23:00")
        found = only(PAIRS, visit("1", born("10:00"), *parts), visit("2", far))
        assert (ids(found.guilty), ids(found.involved), found.value) == ({"a", "b"}, {"m"}, 2)

    @pytest.mark.parametrize("fields", [{"in_fund_scope": None}, {"in_fund_scope": Decimal(0)}])
    def test_a_main_that_does_not_count_makes_nobody_guilty(self, fields: dict[str, Any]) -> None:
        assert hits(PAIRS, visit("1", born("10:00", **fields), heard("11:00"))) == {}
        assert hits(PAIRS, visit("1", born("10:00"), heard("11:00", **fields))) == {}


class TestSameHour:
    """(d) Pairs of the same hour."""

    @pytest.mark.parametrize(
        ("main", "part", "count"),
        [
            ("10:59:00", "11:01:00", 0),
            ("10:00:00", "10:59:59.999999", 1),
            ("10:59:59", "11:00:00", 0),
            ("10:59:00", "10:00:00", 1),
        ],
    )
    def test_an_hour_of_the_clock_is_shared_or_not(self, main: str, part: str, count: int) -> None:
        found = hits(PAIRS, visit("1", pressed(main), measured(part)))
        assert set(found) == ({("p1", "A", "hour", "2026-03-02", COLD_PRESSOR, PRESSURE)} if count else set())

    def test_the_same_hour_of_another_day_is_another_hour(self) -> None:
        assert hits(PAIRS, visit("1", pressed("10:10"), measured("10:10", "03-03"))) == {}

    def test_of_each_line_one_unit_at_most_is_in_dispute(self) -> None:
        parts = measured("10:20", "03-02", "4", "a"), measured("10:30", "03-02", "0.5", "b")
        found = only(PAIRS, visit("1", pressed("10:10"), *parts))
        assert (found.value, found.in_question) == (Decimal("1.5"), Decimal("125.00"))  # 100 / 4 and all of 100


class TestPostedInABatch:
    """Lines whose time tells when they were written make nobody guilty."""

    def test_midnight_exactly_is_no_time_of_day_and_a_microsecond_later_is_one(self) -> None:
        assert hits(PAIRS, visit("1", born("00:00:00"), heard("01:00"))) == {}
        assert hits(PAIRS, visit("1", born("01:00"), heard("00:00:00"))) == {}
        assert len(hits(PAIRS, visit("1", born("00:00:00.000001"), heard("01:00")))) == 1

    def test_three_items_at_one_instant_are_a_batch_and_two_are_not(self) -> None:
        two = born("10:00"), heard("10:00")
        assert len(hits(PAIRS, visit("1", *two))) == 1
        assert hits(PAIRS, visit("1", *two, line("x", PLAIN, "03-02", clock="10:00"))) == {}
        assert len(hits(PAIRS, visit("1", *two, line("x", PLAIN, "03-02", clock="10:00:01")))) == 1

    def test_two_lines_of_one_item_and_one_without_a_code_are_no_third_item(self) -> None:
        lines = born("10:00"), heard("10:00"), heard("10:00", line_id="q"), line("x", None, "03-02", clock="10:00")
        assert ids(only(PAIRS, visit("1", *lines)).guilty) == {"p", "q"}

    def test_items_of_another_visit_at_that_instant_are_no_batch(self) -> None:
        third = visit("2", line("x", PLAIN, "03-02", clock="10:00"))
        assert len(hits(PAIRS, visit("1", born("10:00"), heard("10:00")), third)) == 1

    def test_of_a_batch_lines_that_do_not_count_are_part_and_refunds_are_not(self) -> None:
        two = born("10:00"), heard("10:00")
        assert hits(PAIRS, visit("1", *two, line("x", PLAIN, "03-02", clock="10:00", in_fund_scope=Decimal(0)))) == {}
        back = line("x", PLAIN, "03-02", "-1", clock="10:00", refund_of="y")
        assert len(hits(PAIRS, visit("1", *two, back))) == 1

    def test_a_batch_makes_no_other_line_guilty_and_is_involved_where_it_is_near_one(self) -> None:
        batch = born("10:00"), line("x", PLAIN, "03-02", clock="10:00"), line("y", NURSING, "03-02", clock="10:00")
        assert hits(PAIRS, visit("1", *batch, heard("11:00"))) == {}
        another = line("n", DELIVERY, "03-02", clock="12:00")
        assert ids(only(PAIRS, visit("1", *batch, another, heard("11:00"))).involved) == {"m", "n"}

    def test_all_lines_of_an_item_on_the_day_of_discharge_were_posted_there(self) -> None:
        assert hits(PAIRS, stay("1", "03-01", "03-02", born("10:00"), heard("11:00"))) == {}

    def test_a_stay_that_began_that_day_or_ends_later_is_no_batch(self) -> None:
        assert len(hits(PAIRS, stay("1", "03-02", "03-02", born("10:00"), heard("11:00")))) == 1
        assert len(hits(PAIRS, stay("1", "03-01", "03-03", born("10:00"), heard("11:00")))) == 1

    @pytest.mark.parametrize(("scope", "count"), [(Decimal(100), 1), (None, 1), (Decimal(0), 0)])
    def test_an_earlier_line_of_the_item_makes_it_no_batch_unless_the_fund_pays_nothing_of_it(
        self, scope: Decimal | None, count: int
    ) -> None:
        earlier = heard("08:00", "03-01", line_id="e", in_fund_scope=scope)
        # The delivery itself is billed to another visit, so that it is in no batch.
        lines = stay("1", "03-01", "03-02", heard("11:00"), earlier), visit("2", born("10:00"))
        assert len(hits(PAIRS, *lines)) == count
