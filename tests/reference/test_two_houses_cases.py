"""Rules 7 and 10 of docs/what-counts.md, section 5, by hand: one person in two institutions at once."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from knowledge_base.events.claims import Claim, ClaimLine, Paid

from . import cases
from .cases import at, hits, ids, line, only, stay, visit
from .two_houses import ELSEWHERE, TWO_STAYS

UNPAID = Paid("0", own="9")


class TestSeenElsewhere:
    """7 · In hospital here, seen there."""

    OWN = tuple(line(f"o{day}", cases.PLAIN, f"03-0{day}") for day in range(1, 6))
    STAY = stay("1", "03-01", "03-05", *OWN)

    @staticmethod
    def seen(*days: str, **fields: Any) -> Claim:
        lines = [line(f"x{number}", cases.PLAIN, day) for number, day in enumerate(days)]
        return visit("2", *lines, **{"institution": "B", **fields})

    @pytest.mark.parametrize(
        ("day", "count"), [("02-28", 0), ("03-01", 0), ("03-02", 1), ("03-04", 1), ("03-05", 0), ("03-06", 0)]
    )
    def test_days_strictly_between_admission_and_discharge_count_and_transfer_days_do_not(
        self, day: str, count: int
    ) -> None:
        found = hits(ELSEWHERE, self.STAY, self.seen(day))
        assert set(found) == {("p1", "A", "visit-1")} if count else not found

    def test_the_institution_of_the_stay_is_in_question_with_its_own_lines_of_those_days(self) -> None:
        found = only(ELSEWHERE, self.STAY, self.seen("03-02", "03-02", "03-04", "03-05"))
        assert (found.institution, found.value, found.limit) == ("A", Decimal(2), Decimal(0))
        assert (ids(found.guilty), ids(found.involved)) == ({"o2", "o4"}, {"x0", "x1", "x2"})
        assert found.in_question == Decimal("200.00")

    def test_two_places_on_one_day_make_one_day(self) -> None:
        elsewhere = visit("3", line("y", cases.PLAIN, "03-03"), institution="C")
        found = only(ELSEWHERE, self.STAY, self.seen("03-03"), elsewhere)
        assert (found.value, ids(found.involved)) == (Decimal(1), {"x0", "y"})

    def test_where_all_was_posted_at_discharge_nothing_is_in_dispute_and_the_stay_is_named(self) -> None:
        posted = stay("1", "03-01", "03-05", line("o", cases.PLAIN, "03-05"))
        found = only(ELSEWHERE, posted, self.seen("03-03"))
        assert (found.institution, found.value, found.guilty) == ("A", Decimal(1), frozenset())
        assert (found.in_question, found.in_fund) == (Decimal("0.00"), Decimal("0.00"))

    @pytest.mark.parametrize(
        "fields", [{"item_kind": "drug"}, {"item_kind": None}, {"in_fund_scope": Decimal(0)}, {"in_fund_scope": None}]
    )
    def test_own_lines_that_are_no_service_or_do_not_count_are_not_guilty(self, fields: dict[str, Any]) -> None:
        own = line("o", cases.PLAIN, "03-03", **fields)
        assert only(ELSEWHERE, stay("1", "03-01", "03-05", own), self.seen("03-03")).guilty == frozenset()

    @pytest.mark.parametrize(
        ("kind", "count"),
        [("service", 1), ("drug", 0), ("consumable", 0), ("herb_piece", 0), ("meal", 0), (None, 0)],
    )
    def test_only_what_needs_the_body_proves_presence(self, kind: str | None, count: int) -> None:
        item = line("x", cases.PLAIN, "03-03", item_kind=kind)
        assert len(hits(ELSEWHERE, self.STAY, visit("2", item, institution="B"))) == count

    @pytest.mark.parametrize(
        ("institution", "count"), [("P42028100001", 0), ("H42028100001", 1), ("P1", 1), ("B", 1), ("P4202810000", 1)]
    )
    def test_a_code_of_the_official_format_that_begins_with_p_is_a_pharmacys(
        self, institution: str, count: int
    ) -> None:
        assert len(hits(ELSEWHERE, self.STAY, self.seen("03-03", institution=institution))) == count

    @pytest.mark.parametrize("fields", [{"paid": UNPAID}, {"paid": None}])
    def test_what_the_fund_did_not_pay_elsewhere_proves_nothing(self, fields: dict[str, Any]) -> None:
        assert hits(ELSEWHERE, self.STAY, self.seen("03-03", **fields)) == {}

    def test_one_day_decided_is_a_hit_whatever_is_open_on_another(self) -> None:
        open_day = line("y", cases.PLAIN, "03-03", item_kind=None)
        visited = visit("2", line("x", cases.PLAIN, "03-02"), open_day, institution="B")
        found = only(ELSEWHERE, self.STAY, visited)
        assert (found.value, ids(found.involved)) == (Decimal(1), {"x"})

    def test_the_same_institution_is_not_elsewhere(self) -> None:
        assert hits(ELSEWHERE, self.STAY, self.seen("03-03", institution="A")) == {}

    def test_dialysis_excuses_the_whole_claim_that_holds_it_and_no_other(self) -> None:
        dialysed = visit("2", line("x", cases.PLAIN, "03-03"), line("y", cases.DIALYSIS, "03-10"), institution="B")
        assert hits(ELSEWHERE, self.STAY, dialysed) == {}
        other = visit("3", line("z", cases.PLAIN, "03-03"), institution="B")
        assert ids(only(ELSEWHERE, self.STAY, dialysed, other).involved) == {"z"}

    @staticmethod
    def sending(day: str, to: str | None) -> Claim:
        return stay("1", "03-01", "03-05", line("s", cases.PLAIN, day, sent_out=True, sent_to=to))

    @pytest.mark.parametrize(
        ("day", "to", "count"), [("03-03", "B", 0), ("03-03", "C", 1), ("03-03", None, 0), ("03-02", "B", 1)]
    )
    def test_an_examination_sent_out_excuses_that_institution_on_that_day(
        self, day: str, to: str | None, count: int
    ) -> None:
        assert len(hits(ELSEWHERE, self.sending(day, to), self.seen("03-03"))) == count

    def test_sent_out_to_nobody_leaves_that_day_open_and_no_other(self) -> None:
        found = only(ELSEWHERE, self.sending("03-03", None), self.seen("03-03", "03-04"))
        assert (found.value, ids(found.involved)) == (Decimal(1), {"x1"})

    def test_a_line_flagged_as_sent_out_and_a_mid_stay_claim_are_excused(self) -> None:
        flagged = visit("2", line("x", cases.PLAIN, "03-03", sent_out=True), institution="B")
        assert hits(ELSEWHERE, self.STAY, flagged) == {}
        assert hits(ELSEWHERE, self.STAY, self.seen("03-03", mid_stay=True)) == {}

    def test_open_unclear_unpaid_and_undecided_stays_are_no_findings(self) -> None:
        for other in (
            stay("1", "03-01", "03-05", mid_stay=True),
            stay("1", "03-01", None),
            stay("1", "03-01", "03-05", paid=UNPAID),
            stay("1", "03-01", "03-05", paid=None),
        ):
            assert hits(ELSEWHERE, other, self.seen("03-03")) == {}

    @pytest.mark.parametrize(("first", "last", "count"), [("03-02", "03-03", 0), ("03-03", None, 0)])
    def test_a_line_of_another_stay_is_for_the_rule_of_two_stays_or_open(
        self, first: str, last: str | None, count: int
    ) -> None:
        there = stay("2", first, last, line("x", cases.PLAIN, "03-03"), institution="B")
        assert len(hits(ELSEWHERE, self.STAY, there)) == count

    def test_a_line_of_a_stay_that_only_touches_this_one_proves_presence(self) -> None:
        """Billed on 03-03 in a stay that begins on the day of discharge."""
        there = stay("2", "03-05", "03-09", line("x", cases.PLAIN, "03-03"), institution="B")
        assert ids(only(ELSEWHERE, self.STAY, there).involved) == {"x"}

    def test_an_inpatient_claim_without_admission_leaves_the_day_open(self) -> None:
        assert hits(ELSEWHERE, self.STAY, self.seen("03-03", visit_type="21")) == {}


class TestTwoStays:
    """10 · Two stays at once."""

    @staticmethod
    def days(letter: str, first: int, last: int) -> list[ClaimLine]:
        return [line(f"{letter}{day}", cases.PLAIN, f"03-{day:02}") for day in range(first, last + 1)]

    @classmethod
    def one(cls, first: int = 1, last: int = 5, **fields: Any) -> Claim:
        return stay("1", f"03-{first:02}", f"03-{last:02}", *cls.days("a", first, last), **fields)

    @classmethod
    def other(cls, first: int, last: int, *lines: ClaimLine, **fields: Any) -> Claim:
        told = {"institution": "B", **fields}
        return stay("2", f"03-{first:02}", f"03-{last:02}", *cls.days("b", first, last), *lines, **told)

    KEY = ("p1", "A", "visit-1", "B", "visit-2")

    def test_the_later_ones_lines_of_the_shared_days_are_guilty(self) -> None:
        found = hits(TWO_STAYS, self.one(), self.other(4, 8))
        assert set(found) == {self.KEY}
        assert (ids(found[self.KEY].guilty), ids(found[self.KEY].involved)) == ({"b4", "b5"}, {"a4", "a5"})
        assert (found[self.KEY].value, found[self.KEY].institution) == (Decimal(2), "B")
        assert found[self.KEY].in_question == Decimal("200.00")

    def test_the_lesser_institution_comes_first_though_it_is_the_later_one(self) -> None:
        found = hits(TWO_STAYS, self.one(3, 8), self.other(1, 4))
        assert set(found) == {self.KEY}
        assert (found[self.KEY].institution, ids(found[self.KEY].guilty)) == ("A", {"a3", "a4"})

    def test_of_equal_admissions_the_greater_institution_code_is_the_later_one(self) -> None:
        assert only(TWO_STAYS, self.one(), self.other(1, 2)).institution == "B"
        assert only(TWO_STAYS, self.one(institution="C"), self.other(1, 2)).institution == "C"

    @pytest.mark.parametrize(
        ("first", "last", "shared"), [(5, 9, 0), (6, 9, 0), (5, 5, 0), (1, 1, 0), (3, 3, 1), (1, 5, 5), (2, 3, 2)]
    )
    def test_a_single_day_on_which_one_ends_and_the_other_begins_is_a_transfer(
        self, first: int, last: int, shared: int
    ) -> None:
        found = hits(TWO_STAYS, self.one(), self.other(first, last))
        assert [one.value for one in found.values()] == ([Decimal(shared)] if shared else [])

    def test_two_day_cases_on_one_day_are_a_transfer(self) -> None:
        assert hits(TWO_STAYS, self.one(3, 3), self.other(3, 3)) == {}

    def test_two_encounters_of_one_institution_are_none(self) -> None:
        assert hits(TWO_STAYS, self.one(), self.other(3, 8, institution="A")) == {}

    def test_without_lines_on_the_shared_days_the_later_one_is_named_with_nothing_in_question(self) -> None:
        found = only(TWO_STAYS, self.one(), stay("2", "03-03", "03-08", institution="B"))
        assert (found.value, found.institution, found.guilty) == (Decimal(3), "B", frozenset())
        assert (found.in_question, ids(found.involved)) == (Decimal("0.00"), {"a3", "a4", "a5"})

    @pytest.mark.parametrize(
        ("day", "to", "count"),
        [("03-04", "A", 0), ("03-06", "A", 1), ("03-04", "C", 1), ("03-04", None, 0), ("03-06", None, 1)],
    )
    def test_sent_out_on_a_shared_day_excuses_or_leaves_it_open(self, day: str, to: str | None, count: int) -> None:
        sent = line("s", cases.PLAIN, day, sent_out=True, sent_to=to)
        assert len(hits(TWO_STAYS, self.one(), self.other(4, 8, sent))) == count

    def test_dialysis_and_mid_stay_in_either_encounter_excuse(self) -> None:
        assert hits(TWO_STAYS, self.one(), self.other(4, 8, line("d", cases.DIALYSIS, "03-08"))) == {}
        middle = stay("m", "03-01", None, encounter_id="visit-1", mid_stay=True)
        assert hits(TWO_STAYS, self.one(), middle, self.other(4, 8)) == {}
        dialysed = visit("d", line("d", cases.DIALYSIS, "03-20"), encounter_id="visit-1")
        assert hits(TWO_STAYS, self.one(), dialysed, self.other(4, 8)) == {}

    @pytest.mark.parametrize(
        ("born", "count"),
        [
            *[("2026-03-04", 0), ("2026-02-04", 0), ("2026-02-03", 1), ("2026-03-05", 0), ("2026-04-01", 0)],
            *[("1900-01-01", 1), ("2091-01-01", 1)],
        ],
    )
    def test_a_birth_at_most_28_days_before_the_admission_of_that_stay_or_after_it_excuses(
        self, born: str, count: int
    ) -> None:
        newborn = self.other(4, 8, birth_date=date.fromisoformat(born))
        assert len(hits(TWO_STAYS, self.one(), newborn)) == count

    @pytest.mark.parametrize("fields", [{"paid": UNPAID}, {"paid": None}, {"discharged_at": None}, {"mid_stay": True}])
    def test_both_stays_have_to_be_closed_and_in_the_fund(self, fields: dict[str, Any]) -> None:
        assert hits(TWO_STAYS, self.one(), self.other(4, 8, **fields)) == {}

    def test_the_shared_days_of_three_stays_are_three_findings(self) -> None:
        third = stay("3", "03-04", "03-09", institution="C")
        pairs = {occurrence[1::2] for occurrence in hits(TWO_STAYS, self.one(), self.other(4, 8), third)}
        assert pairs == {("A", "B"), ("A", "C"), ("B", "C")}

    def test_admission_late_at_night_lies_on_its_own_day(self) -> None:
        there = self.other(5, 8, admitted_at=at("03-05", "00:10"))
        assert hits(TWO_STAYS, self.one(), there) == {}
