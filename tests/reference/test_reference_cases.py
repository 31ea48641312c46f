"""Rules 1 to 5 of docs/what-counts.md, section 5, by hand: small cases at each boundary, worked out from the page."""

from decimal import Decimal
from typing import Any

import pytest

from knowledge_base.events.claims import Claim, Diagnosis, Paid

from . import cases
from .cases import at, diagnosis, hits, ids, line, only, operation, status, stay, visit
from .rules import BED_DAYS, DAILY_CAP, PAIRS, PLACE, SEX_OF_DRUGS, SEX_OF_SERVICES


class TestBedDays:
    """1 · Bed days beyond the days of the stay."""

    def test_as_many_units_as_nights_are_within(self) -> None:
        assert hits(BED_DAYS, stay("1", "03-01", "03-04", line("a", cases.BED, "03-04", "3"))) == {}

    def test_half_a_unit_more_is_in_dispute_alone(self) -> None:
        found = hits(BED_DAYS, stay("1", "03-01", "03-04", line("a", cases.BED, "03-04", "3.5", amount=Decimal(70))))
        assert set(found) == {("p1", "A", "visit-1")}
        assert found["p1", "A", "visit-1"].in_question == Decimal("10.00")  # 0.5 of 3.5 units at 20

    def test_a_day_case_is_allowed_one_unit_and_not_two(self) -> None:
        assert hits(BED_DAYS, stay("1", "03-01", "03-01", line("a", cases.BED, "03-01"))) == {}
        assert only(BED_DAYS, stay("1", "03-01", "03-01", line("a", cases.BED, "03-01", "2"))).limit == 1

    def test_units_of_all_bed_items_add_up_and_the_last_in_line_order_is_guilty(self) -> None:
        beds = line("z", cases.BED, "03-01", clock="00:10"), line("a", cases.INTENSIVE_BED, "03-01", clock="07:00")
        found = only(BED_DAYS, stay("1", "03-01", "03-02", *beds))
        assert (ids(found.guilty), ids(found.involved), found.value) == ({"a"}, {"z"}, Decimal(2))

    def test_an_admission_before_eight_in_the_morning_lies_on_its_own_day_in_china(self) -> None:
        early = stay("1", "03-01", "03-03", line("a", cases.BED, "03-01", "2"), admitted_at=at("03-01", "00:30"))
        assert hits(BED_DAYS, early) == {}

    def test_mid_stay_and_final_claims_are_one_stay(self) -> None:
        mid = stay("m", "03-01", None, line("a", cases.BED, "03-02", "2"), encounter_id="v", mid_stay=True)
        end = stay("e", "03-01", "03-04", line("b", cases.BED, "03-03", "2"), encounter_id="v")
        assert ids(only(BED_DAYS, mid, end).guilty) == {"b"}
        assert hits(BED_DAYS, mid) == {}

    def test_open_unclear_and_unadmitted_stays_and_self_paid_beds_are_no_findings(self) -> None:
        bed = line("a", cases.BED, "03-01", "9")
        assert hits(BED_DAYS, stay("1", "03-01", None, bed)) == {}
        assert hits(BED_DAYS, stay("1", "03-01", "03-02", bed, admitted_at=None)) == {}
        assert hits(BED_DAYS, stay("1", "03-01", "03-02", bed, paid=Paid(Decimal(0), own=Decimal(100)))) == {}


class TestDailyCap:
    """2 · Item over its official daily cap."""

    @pytest.mark.parametrize(("hours", "count"), [("23", 0), ("24", 0), ("24.001", 1), ("25", 1)])
    def test_twenty_four_hours_a_day_are_allowed_and_a_thousandth_more_is_not(self, hours: str, count: int) -> None:
        assert len(hits(DAILY_CAP, visit("1", line("a", cases.MONITORING, "03-01", hours)))) == count

    def test_units_of_two_visits_of_a_day_add_up_and_the_second_is_guilty(self) -> None:
        one = visit("1", line("a", cases.NURSING, "03-01", clock="00:00"))
        two = visit("2", line("b", cases.NURSING, "03-01", clock="23:59"))
        found = hits(DAILY_CAP, two, one)
        assert set(found) == {("p1", "A", cases.NURSING, "2026-03-01")}
        assert ids(only(DAILY_CAP, one, two).guilty) == {"b"}

    def test_lines_on_both_sides_of_midnight_in_china_are_two_days(self) -> None:
        one = line("a", cases.NURSING, "03-01", clock="23:59"), line("b", cases.NURSING, "03-02", clock="00:00")
        assert hits(DAILY_CAP, visit("1", *one)) == {}

    def test_two_institutions_each_have_their_own_day(self) -> None:
        one, two = visit("1", line("a", cases.NURSING, "03-01")), visit("2", line("b", cases.NURSING, "03-01"))
        assert hits(DAILY_CAP, one, visit("2", line("b", cases.NURSING, "03-01"), institution="B")) == {}
        assert len(hits(DAILY_CAP, one, two)) == 1

    @pytest.mark.parametrize(("units", "count"), [("3", 0), ("4", 0), ("4.5", 1)])
    def test_posted_at_discharge_four_days_allow_four_units(self, units: str, count: int) -> None:
        found = hits(DAILY_CAP, stay("1", "03-01", "03-04", line("a", cases.NURSING, "03-04", units)))
        assert set(found) == {("p1", "A", cases.NURSING, "visit-1")} if count else not found

    def test_a_unit_before_the_discharge_day_makes_it_no_batch(self) -> None:
        lines = line("a", cases.NURSING, "03-03"), line("b", cases.NURSING, "03-04", "2")
        assert set(hits(DAILY_CAP, stay("1", "03-01", "03-04", *lines))) == {("p1", "A", cases.NURSING, "2026-03-04")}

    def test_a_batch_leaves_the_sum_of_the_discharge_day(self) -> None:
        batch = stay("1", "03-01", "03-04", line("a", cases.NURSING, "03-04", "2"))
        assert hits(DAILY_CAP, batch, visit("2", line("b", cases.NURSING, "03-04"))) == {}

    def test_an_undecided_line_on_another_day_makes_it_no_batch(self) -> None:
        lines = line("u", cases.NURSING, "03-02", in_fund_scope=None), line("b", cases.NURSING, "03-04", "2")
        assert set(hits(DAILY_CAP, stay("1", "03-01", "03-04", *lines))) == {("p1", "A", cases.NURSING, "2026-03-04")}

    def test_a_day_with_lines_of_an_open_stay_is_not_evaluated(self) -> None:
        part = stay("1", "03-01", None, line("a", cases.NURSING, "03-02"), mid_stay=True)
        assert hits(DAILY_CAP, part, visit("2", line("b", cases.NURSING, "03-02"))) == {}
        assert len(hits(DAILY_CAP, part, visit("2", line("b", cases.NURSING, "03-02", "2"), institution="B"))) == 1


class TestPairs:
    """3 · One item billed with another that includes it."""

    WATCH, CONSULTATION = line("w", cases.WARD_WATCH, "03-01"), line("c", cases.CONSULTATION, "03-01", "2")

    def test_main_and_included_on_one_day_over_two_visits_are_a_finding(self) -> None:
        found = hits(PAIRS, visit("1", self.WATCH), visit("2", self.CONSULTATION))
        key = ("p1", "A", "day", "2026-03-01", cases.WARD_WATCH, cases.CONSULTATION)
        assert set(found) == {key}
        assert (ids(found[key].guilty), ids(found[key].involved), found[key].value) == ({"c"}, {"w"}, Decimal(2))

    def test_on_the_next_day_or_at_another_institution_they_are_none(self) -> None:
        assert hits(PAIRS, visit("1", self.WATCH), visit("2", line("c", cases.CONSULTATION, "03-02"))) == {}
        assert hits(PAIRS, visit("1", self.WATCH), visit("2", self.CONSULTATION, institution="B")) == {}

    def test_a_main_item_that_the_fund_did_not_pay_includes_nothing(self) -> None:
        free = line("w", cases.WARD_WATCH, "03-01", in_fund_scope=Decimal(0))
        assert hits(PAIRS, visit("1", free, self.CONSULTATION)) == {}
        unknown = line("w", cases.WARD_WATCH, "03-01", in_fund_scope=None)
        assert hits(PAIRS, visit("1", unknown, self.CONSULTATION)) == {}

    @staticmethod
    def operated(part_day: str, *days: str | None, **fields: Any) -> Claim:
        """A stay with the wide resection on 03-02, the part on some day, and operations on some days."""
        lines = line("w", cases.WIDE_RESECTION, "03-02"), line("p", cases.RESECTION, part_day)
        return stay("1", "03-01", "03-09", *lines, **{"operations": tuple(map(operation, days)), **fields})

    def test_of_one_visit_on_the_same_day_it_is_a_finding_whatever_was_operated(self) -> None:
        key = ("p1", "A", "visit", "visit-1", cases.WIDE_RESECTION, cases.RESECTION)
        assert set(hits(PAIRS, self.operated("03-02", "03-02"))) == {key}
        assert set(hits(PAIRS, self.operated("03-02", operations=None))) == {key}

    def test_on_another_day_it_is_a_finding_when_no_operation_that_day_is_known(self) -> None:
        assert ids(only(PAIRS, self.operated("03-05")).guilty) == {"p"}
        assert ids(only(PAIRS, self.operated("03-05", "03-02")).guilty) == {"p"}

    def test_a_second_operation_on_that_day_excuses(self) -> None:
        assert hits(PAIRS, self.operated("03-05", "03-02", "03-05")) == {}
        assert hits(PAIRS, self.operated("03-05", "03-05", None)) == {}

    def test_unknown_operations_are_not_evaluated(self) -> None:
        assert hits(PAIRS, self.operated("03-05", operations=None)) == {}
        assert hits(PAIRS, self.operated("03-05", "03-02", None)) == {}

    def test_one_claim_of_the_encounter_without_the_field_leaves_operations_unknown(self) -> None:
        silent = stay("2", "03-01", "03-09", encounter_id="visit-1", operations=None)
        assert hits(PAIRS, self.operated("03-05"), silent) == {}

    def test_two_encounters_are_two_visits(self) -> None:
        part = stay("2", "03-01", "03-09", line("p", cases.RESECTION, "03-02"))
        assert hits(PAIRS, stay("1", "03-01", "03-09", line("w", cases.WIDE_RESECTION, "03-02")), part) == {}


class TestSex:
    """4 · Item for one sex billed for the other."""

    TEST = line("t", cases.PREGNANCY_TEST, "03-01")

    def test_a_womans_test_on_a_man_is_a_finding_and_on_a_woman_none(self) -> None:
        found = hits(SEX_OF_SERVICES, visit("1", self.TEST, sex="1"))
        assert set(found) == {("p1", "A", "2026-03-01", cases.PREGNANCY_TEST)}
        assert hits(SEX_OF_SERVICES, visit("1", self.TEST, sex="2")) == {}

    def test_a_mans_drug_on_a_woman_is_a_finding_of_the_rule_on_drugs_alone(self) -> None:
        sold = visit("1", line("d", cases.PROSTATE_DRUG, "03-01"), sex="2")
        assert len(hits(SEX_OF_DRUGS, sold)) == 1
        assert hits(SEX_OF_SERVICES, sold) == {}

    @pytest.mark.parametrize("sex", [None, "0", "9", "3"])
    def test_an_unknown_sex_is_not_evaluated(self, sex: str | None) -> None:
        assert hits(SEX_OF_SERVICES, visit("1", self.TEST, sex=sex)) == {}

    def test_the_latest_status_decides_and_not_the_claim(self) -> None:
        first, second = status("s1", "05-01", "sex", sex="1"), status("s2", "05-02", "sex", sex="2")
        assert hits(SEX_OF_SERVICES, visit("1", self.TEST, sex="1"), second, first) == {}
        assert len(hits(SEX_OF_SERVICES, visit("1", self.TEST, sex="2"), first)) == 1

    @pytest.mark.parametrize(
        ("diagnoses", "count"),
        [
            (diagnosis("Q56"), 0),
            (diagnosis("Q90.900"), 0),
            (diagnosis("Q99.900x001"), 0),
            (diagnosis("Z00.000", "疑似性发育异常"), 0),
            (diagnosis("Q55.000"), 1),
            (diagnosis("Q89.900"), 1),
            (diagnosis("I10.x00") + diagnosis("Q91.300"), 0),
            ((), 1),
            (None, 0),
        ],
    )
    def test_q56_and_q90_to_q99_excuse_q55_and_q89_do_not(
        self, diagnoses: tuple[Diagnosis, ...] | None, count: int
    ) -> None:
        assert len(hits(SEX_OF_SERVICES, visit("1", self.TEST, diagnoses=diagnoses))) == count

    def test_a_diagnosis_on_another_claim_does_not_excuse(self) -> None:
        other = visit("2", encounter_id="visit-1", diagnoses=diagnosis("Q56.000"))
        assert len(hits(SEX_OF_SERVICES, visit("1", self.TEST), other)) == 1

    def test_of_two_lines_only_the_one_without_excuse_is_guilty(self) -> None:
        excused = visit("1", line("a", cases.PREGNANCY_TEST, "03-01"), diagnoses=diagnosis("Q97.000"))
        found = only(SEX_OF_SERVICES, excused, visit("2", line("b", cases.PREGNANCY_TEST, "03-01", "2")))
        assert (ids(found.guilty), found.value) == ({"b"}, Decimal(2))


class TestPlace:
    """5 · Drug paid only in hospital, billed outside."""

    DRIP = line("d", cases.INFUSION, "03-02")

    @pytest.mark.parametrize(
        ("visit_type", "count"), [("11", 1), ("13", 1), ("41", 1), ("21", 0), ("52", 0), ("99", 0)]
    )
    def test_any_known_visit_but_an_inpatient_one_is_a_finding(self, visit_type: str, count: int) -> None:
        found = hits(PLACE, visit("1", self.DRIP, visit_type=visit_type))
        assert set(found) == {("p1", "A", "2026-03-02", cases.INFUSION)} if count else not found

    def test_where_the_point_allows_emergency_an_emergency_visit_is_none_and_a_plain_one_is(self) -> None:
        drip = line("d", cases.EMERGENCY_INFUSION, "03-02")
        assert hits(PLACE, visit("1", drip, visit_type="13")) == {}
        assert len(hits(PLACE, visit("1", drip, visit_type="11"))) == 1

    @pytest.mark.parametrize(
        ("admitted", "count"), [("03-01", 1), ("03-02", 1), ("03-03", 0), ("03-04", 0), ("03-05", 1)]
    )
    def test_a_stay_excuses_on_the_day_on_which_the_emergency_visit_ends_and_the_next(
        self, admitted: str, count: int
    ) -> None:
        emergency = visit("1", self.DRIP, visit_type="13", discharged_at=at("03-03", "00:30"))
        assert len(hits(PLACE, emergency, stay("2", admitted, "03-09", paid=None))) == count

    def test_the_last_line_ends_an_emergency_visit_without_discharge(self) -> None:
        emergency = visit("1", self.DRIP, line("e", cases.PLAIN, "03-04"), visit_type="13")
        assert hits(PLACE, emergency, stay("2", "03-05", None, mid_stay=True)) == {}
        assert len(hits(PLACE, emergency, stay("2", "03-03", "03-09"))) == 1

    def test_a_late_refund_does_not_lengthen_the_emergency_visit(self) -> None:
        back = line("r", cases.PLAIN, "03-20", "-1", refund_of="none")
        assert hits(PLACE, visit("1", self.DRIP, back, visit_type="13"), stay("2", "03-03", "03-09")) == {}

    def test_a_stay_at_another_institution_or_after_a_plain_visit_excuses_nothing(self) -> None:
        emergency = visit("1", self.DRIP, visit_type="13")
        assert len(hits(PLACE, emergency, stay("2", "03-02", "03-09", institution="B"))) == 1
        assert len(hits(PLACE, visit("1", self.DRIP), stay("2", "03-02", "03-09"))) == 1

    def test_a_reversed_stay_excuses_nothing(self) -> None:
        emergency, admitted = visit("1", self.DRIP, visit_type="13"), stay("2", "03-02", "03-09")
        assert hits(PLACE, emergency, admitted) == {}
        assert len(hits(PLACE, emergency, admitted, visit("3", reverses="2"))) == 1


class TestMoney:
    """Section 6."""

    @pytest.mark.parametrize(
        ("quantity", "amount", "scope", "loss"),
        [
            ("1", "200", "200", "37.50"),  # 100 × 150 / 400
            ("1", "200", "9999", "37.50"),
            ("1", "-9", "5", "75.00"),  # 100 × 150 / 200
            ("0", "-9", "5", "75.00"),
            ("0", "-9", "-9", "78.53"),  # 100 × 150 / 191
        ],
    )
    def test_a_scope_above_its_amount_is_worth_the_amount_and_nothing_where_that_is_negative(
        self, quantity: str, amount: str, scope: str, loss: str
    ) -> None:
        nursed = [line(name, cases.NURSING, "03-01") for name in "ab"]
        odd = line("z", cases.PLAIN, "03-01", quantity, amount=Decimal(amount), in_fund_scope=Decimal(scope))
        assert only(DAILY_CAP, visit("1", *nursed, odd)).loss == Decimal(loss)
