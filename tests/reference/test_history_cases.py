"""Rules 6 to 9 of docs/what-counts.md, section 5, by hand: what looks over a person's history, and odd details."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.rows import Period
from knowledge_base.events.claims import Claim, ClaimLine, Paid

from . import cases
from .cases import at, hits, ids, line, only, point, stay, visit
from .courses import COURSE
from .oddities import ODD_DETAILS
from .rules import PERIOD

MARCH = date(2026, 3, 1)


def kinds(*claims: Claim) -> set[str]:
    """The kinds of oddity that are found."""
    return {occurrence[-1] for occurrence in hits(ODD_DETAILS, *claims)}


class TestPeriod:
    """6 · More often in a period than allowed."""

    @staticmethod
    def measured(*days: str, institution: str = "A") -> list[Claim]:
        return [visit(day, line(day, cases.HBA1C, day), institution=institution) for day in days]

    def test_a_gap_of_exactly_fifteen_days_is_allowed_and_fourteen_are_not(self) -> None:
        assert hits(PERIOD, *self.measured("03-01", "03-16")) == {}
        found = hits(PERIOD, *self.measured("03-01", "03-15"))
        assert set(found) == {("p1", cases.HBA1C, "2026-03-15")}
        assert ids(found["p1", cases.HBA1C, "2026-03-15"].involved) == {"03-01"}

    def test_two_institutions_count_together(self) -> None:
        found = only(PERIOD, *self.measured("03-01"), *self.measured("03-15", institution="B"))
        assert found.institution == "B"

    def test_a_guilty_line_still_counts_as_the_earlier_one_for_the_next(self) -> None:
        found = hits(PERIOD, *self.measured("03-01", "03-10", "03-20"))
        assert {occurrence[2] for occurrence in found} == {"2026-03-10", "2026-03-20"}

    def test_the_third_within_a_window_names_both_earlier_ones(self) -> None:
        found = hits(PERIOD, *self.measured("03-01", "03-05", "03-15"))["p1", cases.HBA1C, "2026-03-15"]
        assert (found.value, ids(found.involved)) == (Decimal(3), {"03-01", "03-05"})

    def test_of_two_on_one_day_the_second_in_line_order_is_guilty(self) -> None:
        lines = line("z", cases.HBA1C, "03-01", clock="00:00"), line("a", cases.HBA1C, "03-01", clock="07:59")
        assert ids(only(PERIOD, visit("1", *lines)).guilty) == {"a"}

    def test_of_one_and_a_half_units_a_third_is_in_dispute(self) -> None:
        assert hits(PERIOD, visit("1", line("a", cases.HBA1C, "03-01", "1"))) == {}
        found = only(PERIOD, visit("1", line("a", cases.HBA1C, "03-01", "1.5")))
        assert found.in_question == Decimal("33.33")

    def test_the_window_begins_at_the_first_day_of_the_point(self) -> None:
        assert hits(PERIOD, *self.measured("2025-12-31", "01-01")) == {}
        assert {occurrence[2] for occurrence in hits(PERIOD, *self.measured("01-01", "01-15"))} == {"2026-01-15"}
        assert {occurrence[2] for occurrence in hits(PERIOD, *self.measured("2025-12-31", "01-01", "01-02"))} == {
            "2026-01-02"
        }

    def test_the_window_begins_at_the_first_day_of_the_point_in_force_and_of_no_earlier_one(self) -> None:
        shorter = point("periods", Period(name="HbA1c", codes=(cases.HBA1C,), count=Decimal(1), days=10), MARCH)
        points = (*cases.POINTS, shorter)
        assert hits(PERIOD, *self.measured("02-28", "03-01"), points=points) == {}
        assert len(hits(PERIOD, *self.measured("03-01", "03-02"), points=points)) == 1


class TestCourse:
    """8 · Course of payment longer than allowed."""

    @staticmethod
    def sold(line_id: str, day: str, days: int | None, **fields: Any) -> ClaimLine:
        return line(line_id, fields.pop("code", cases.OZAGREL), day, days=days, **fields)

    def test_fourteen_covered_days_are_within_and_the_fifteenth_is_in_dispute(self) -> None:
        assert hits(COURSE, visit("1", self.sold("a", "03-01", 14))) == {}
        found = hits(COURSE, visit("1", self.sold("a", "03-01", 10), self.sold("b", "03-11", 5)))
        key = ("p1", "ozagrel", "2026-03-01")
        assert set(found) == {key}
        assert (ids(found[key].guilty), ids(found[key].involved), found[key].value) == ({"b"}, {"a"}, Decimal(15))
        assert found[key].in_question == Decimal("20.00")  # one of five days

    def test_a_day_covered_twice_counts_once(self) -> None:
        assert hits(COURSE, visit("1", self.sold("a", "03-01", 14), self.sold("b", "03-05", 10))) == {}

    def test_makers_of_one_drug_and_institutions_count_together(self) -> None:
        other = self.sold("b", "03-15", 1, code=cases.OZAGREL_OF_ANOTHER_MAKER)
        found = only(COURSE, visit("1", self.sold("a", "03-01", 14)), visit("2", other, institution="B"))
        assert (ids(found.guilty), found.institution) == ({"b"}, "B")

    @pytest.mark.parametrize(("day", "count"), [("03-22", 1), ("03-23", 0)])
    def test_a_pause_of_seven_days_goes_on_and_one_of_eight_begins_anew(self, day: str, count: int) -> None:
        lines = self.sold("a", "03-01", 14), self.sold("b", day, 1)
        assert len(hits(COURSE, visit("1", *lines))) == count

    @pytest.mark.parametrize(("count", "value"), [(14, []), (15, [Decimal(15)])])
    def test_single_days_with_pauses_of_seven_are_one_course_over_four_months(
        self, count: int, value: list[Decimal]
    ) -> None:
        days = [date(2026, 3, 1) + timedelta(days=8 * number) for number in range(count)]
        visits = [visit(str(day), self.sold(str(day), str(day), 1)) for day in days]
        found = hits(COURSE, *visits)
        assert [one.value for one in found.values()] == value
        assert all(occurrence == ("p1", "ozagrel", "2026-03-01") for occurrence in found)

    @pytest.mark.parametrize("days", [None, 0, -3, 1])
    def test_absent_zero_and_negative_days_cover_one_day(self, days: int | None) -> None:
        found = only(COURSE, visit("1", self.sold("a", "03-01", 14), self.sold("b", "03-15", days)))
        assert found.value == 15

    def test_every_line_that_covers_a_day_beyond_is_guilty_with_its_own_share(self) -> None:
        lines = self.sold("a", "03-01", 16), self.sold("b", "03-13", 4)
        found = only(COURSE, visit("1", *lines))
        assert (ids(found.guilty), found.in_question) == ({"a", "b"}, Decimal("62.50"))  # 2/16 and 2/4 of 100

    def test_a_line_that_does_not_count_neither_covers_nor_bridges(self) -> None:
        free = self.sold("f", "03-15", 7, in_fund_scope=Decimal(0))
        assert hits(COURSE, visit("1", self.sold("a", "03-01", 14), free, self.sold("b", "03-23", 1))) == {}

    def test_of_one_stay_each_stay_is_apart_and_nothing_counts_outside_stays(self) -> None:
        lines = [self.sold(day, day, 2, code=cases.PEPTIDE) for day in ("03-01", "03-03", "03-05")]
        stays = [stay(one.line_id, one.line_id, "03-09", one) for one in lines[:2]]
        assert hits(COURSE, *stays, visit("v", lines[2])) == {}
        whole = stay("1", "03-01", "03-09", *lines)
        assert set(hits(COURSE, whole)) == {("p1", "peptide", "2026-03-01", "A", "visit-1")}

    @pytest.mark.parametrize(("last", "count"), [("03-03", 0), ("03-04", 1)])
    def test_of_one_stay_days_after_discharge_do_not_count(self, last: str, count: int) -> None:
        taken = self.sold("a", "03-01", 10, code=cases.PEPTIDE, discharge_drug=True)
        found = hits(COURSE, stay("1", "03-01", last, taken))
        assert [one.in_question for one in found.values()] == [Decimal("10.00")] * count  # one of ten days


class TestOddDetails:
    """9 · Odd settlement details."""

    def test_a_line_on_the_settlement_day_is_fine_and_on_the_next_odd(self) -> None:
        settled_at = at("03-01", "00:10")
        on_the_day, after = line("a", cases.PLAIN, "03-01", clock="23:50"), line("b", cases.PLAIN, "03-02")
        assert hits(ODD_DETAILS, visit("1", on_the_day, settled_at=settled_at)) == {}
        found = hits(ODD_DETAILS, visit("1", on_the_day, after, settled_at=settled_at))
        assert set(found) == {("p1", "A", "visit-1", "line_after_settlement")}
        assert ids(only(ODD_DETAILS, visit("1", on_the_day, after, settled_at=settled_at)).guilty) == {"b"}

    def test_birth_on_the_day_of_the_line_is_fine_and_on_the_next_odd(self) -> None:
        item = line("a", cases.PLAIN, "03-01", clock="00:10")
        assert hits(ODD_DETAILS, visit("1", item, birth_date=at("03-01").date())) == {}
        found = hits(ODD_DETAILS, visit("1", item, birth_date=at("03-02").date()))
        assert set(found) == {("p1", "A", "visit-1", "born_after_line")}

    @pytest.mark.parametrize(
        ("born", "kinds"),
        [
            (date(1, 1, 1), {"unlikely_birth_date"}),
            (date(1899, 12, 30), {"unlikely_birth_date"}),
            (date(1900, 1, 1), {"unlikely_birth_date"}),
            (date(1900, 1, 2), set()),
            (date(2090, 12, 31), {"born_after_line"}),
            (date(2091, 1, 1), {"unlikely_birth_date"}),
            (date(9999, 12, 31), {"unlikely_birth_date"}),
        ],
    )
    def test_a_birth_that_stands_for_not_told_is_odd_and_counts_as_not_told(self, born: date, kinds: set[str]) -> None:
        found = hits(ODD_DETAILS, visit("1", line("a", cases.PLAIN, "03-01"), birth_date=born))
        assert {occurrence[-1] for occurrence in found} == kinds

    @pytest.mark.parametrize(
        "name",
        [
            "event_id",
            "patient",
            "claim_id",
            "encounter_id",
            "institution",
            "corrects",
            "line_id",
            "refund_of",
            "sent_to",
        ],
    )
    @pytest.mark.parametrize("sign", [" ", "\u3000", "\u200b", "\uff0d", "-", "\u4e00"], ids=ascii)
    def test_a_sign_that_nobody_sees_as_it_is_makes_an_identifier_odd(self, name: str, sign: str) -> None:
        item, inside = line("a", cases.PLAIN, "03-01"), {name: f"x{sign}y"}
        odd = visit("1", replace(item, **inside)) if hasattr(item, name) else replace(visit("1", item), **inside)
        found = {occurrence[-1] for occurrence in hits(ODD_DETAILS, odd)}
        found.discard("return_without_line")  # a refund of nothing
        assert found == (set() if sign in "-\u4e00" else {"odd_identifier"})

    def test_a_stored_identifier_that_is_not_trimmed_yet_is_not_odd(self) -> None:
        assert hits(ODD_DETAILS, visit("1", line("a ", cases.PLAIN, "03-01"))) == {}

    def test_discharge_on_the_day_of_admission_is_fine_and_the_day_before_odd(self) -> None:
        assert hits(ODD_DETAILS, stay("1", "03-02", "03-02", discharged_at=at("03-02", "00:10"))) == {}
        assert set(hits(ODD_DETAILS, stay("1", "03-02", "03-01"))) == {
            ("p1", "A", "visit-1", "discharged_before_admitted")
        }

    def test_one_line_id_in_two_standing_claims_is_odd_and_in_a_reversed_one_not(self) -> None:
        one = visit("1", line("a", cases.PLAIN, "03-01"), encounter_id="v")
        two = visit("2", line("a", cases.PLAIN, "03-01"), encounter_id="v")
        found = hits(ODD_DETAILS, one, two)["p1", "A", "v", "line_twice"]
        assert (found.value, ids(found.guilty), found.in_question) == (Decimal(1), {"a"}, Decimal(0))
        assert hits(ODD_DETAILS, one, two, visit("r", reverses="2")) == {}

    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            ({"visit_type": "9901"}, "unknown_visit_type"),
            ({"visit_type": "53"}, None),
            ({"sex": "3"}, "unknown_sex_code"),
            ({"sex": "0"}, None),
            ({"sex": None}, None),
        ],
    )
    def test_codes_outside_the_dictionaries_are_odd_and_absent_ones_not(
        self, fields: dict[str, str | None], kind: str | None
    ) -> None:
        found = hits(ODD_DETAILS, visit("1", line("a", cases.PLAIN, "03-01"), **fields))
        assert {occurrence[-1] for occurrence in found} == ({kind} if kind else set())

    @pytest.mark.parametrize(
        ("code", "odd"),
        [
            ("001109000010000", False),
            ("00110900001000", True),
            ("005109000010000", True),
            ("XB01AXA223B002010100156", False),
            ("XB01AXA223B00201010015", True),
            ("A123456789", False),
            (None, False),
            ("bed", True),
        ],
    )
    def test_an_item_code_of_no_official_format_is_odd(self, code: str | None, odd: bool) -> None:
        found = hits(ODD_DETAILS, visit("1", line("a", code, "03-01")))
        assert {occurrence[-1] for occurrence in found} == ({"unknown_item_code"} if odd else set())

    def test_days_of_no_meaning_are_odd_by_kind(self) -> None:
        item = line("a", cases.PLAIN, "03-01")
        assert kinds(visit("1", item, line("b", cases.PLAIN, "1900-01-01"))) == {"unlikely_line_day"}
        assert kinds(visit("1", item, line("b", cases.PLAIN, "1900-01-02"))) == set()
        assert kinds(visit("1", item, settled_at=at("2099-01-01"))) == {"unlikely_date", "wrong_clock"}
        assert kinds(stay("1", "1900-01-01", "03-05", item)) == {"unlikely_date"}
        assert kinds(stay("1", "03-01", "2099-01-01", item)) == {"unlikely_date"}
        assert kinds(stay("1", "2023-02-28", "03-05", item)) == {"unlikely_date"}
        assert kinds(stay("1", "2023-03-01", "03-05", item)) == set()

    def test_a_refund_or_negative_line_on_a_day_of_no_meaning_is_odd_too(self) -> None:
        item = line("a", cases.PLAIN, "03-01")
        refund = line("b", cases.PLAIN, "1900-01-01", "-1", refund_of="a")
        assert ids(hits(ODD_DETAILS, visit("1", item, refund))[self.odd("unlikely_line_day")].guilty) == {"b"}

    @staticmethod
    def odd(kind: str) -> tuple[str, ...]:
        return "p1", "A", "visit-1", kind

    def test_a_line_after_a_settlement_or_before_a_birth_that_is_not_told_is_fine(self) -> None:
        item = line("a", cases.PLAIN, "03-01")
        early = visit("1", item, settled_at=at("1900-01-01"), happened_at=at("03-01"))
        assert kinds(early) == {"unlikely_date"}
        late = line("a", cases.PLAIN, "2099-01-01")
        assert kinds(visit("1", late)) == {"unlikely_line_day"}

    def test_a_wrong_clock_is_odd_whether_its_claim_stands_or_not(self) -> None:
        wrong = visit("1", event_id="e1", settled_at=at("06-30"), happened_at=at("2099-01-01"))
        assert hits(ODD_DETAILS, wrong)[self.odd("wrong_clock")].value == 1
        held = visit("1", event_id="e2", happened_at=at("07-01"))
        assert hits(ODD_DETAILS, wrong, held)[self.odd("wrong_clock")].value == 1
        assert hits(ODD_DETAILS, wrong, visit("r", reverses="1"))[self.odd("wrong_clock")].value == 1
        assert hits(ODD_DETAILS, wrong, replace(wrong, event_id="e3"))[self.odd("wrong_clock")].value == 2

    def test_what_fell_with_what_it_corrects_is_odd_under_its_own_encounter(self) -> None:
        chain = visit("1"), visit("2", corrects="1"), visit("r", reverses="1")
        assert set(hits(ODD_DETAILS, *chain)) == {("p1", "A", "visit-2", "corrects_reversed")}

    def test_an_unknown_kind_of_item_is_odd_whoever_paid(self) -> None:
        item = line("a", cases.PLAIN, "03-01", item_kind="meal")
        found = hits(ODD_DETAILS, visit("1", item, paid=Paid(Decimal(0), own=Decimal(9))))
        assert {occurrence[-1] for occurrence in found} == {"unknown_item_kind"}
