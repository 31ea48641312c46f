"""Section 1 of docs/what-counts.md by hand: who is one person, which event ranks before which, dates of no meaning."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import permutations

import pytest

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus

from .cases import NURSING, PREGNANCY_TEST, RESECTION, WIDE_RESECTION, at, hits, line, operation, status, stay, visit
from .dates import admission_and_discharge, civil_day, days_of, told
from .persons import has_wrong_clock, person_names, rank
from .rules import DAILY_CAP, PAIRS, SEX_OF_SERVICES
from .standing import people

NURSED = line("a", NURSING, "03-01"), line("b", NURSING, "03-01")


def merge(name: str, day: str, one: str, other: str) -> PatientStatus:
    return status(name, day, "merge", patient=one, same_as=other)


def unmerge(name: str, day: str, one: str, other: str) -> PatientStatus:
    return status(name, day, "unmerge", patient=one, same_as=other)


def together(events: Sequence[Event]) -> set[frozenset[str]]:
    """Which pseudonyms are one person."""
    names = person_names(events)
    return {frozenset(p for p, name in names.items() if name == person) for person in set(names.values())}


class TestMerges:
    """Whom merges join, and unmerges part."""

    def test_an_unmerge_parts_what_a_merge_joined_whatever_the_order_of_arrival(self) -> None:
        events = [merge("m", "05-01", "p1", "p2"), unmerge("u", "05-02", "p1", "p2")]
        for order in permutations(events):
            assert together(order) == {frozenset({"p1"}), frozenset({"p2"})}

    def test_whichever_of_the_two_names_the_other(self) -> None:
        assert len(together([merge("m", "05-01", "p1", "p2"), unmerge("u", "05-02", "p2", "p1")])) == 2
        assert len(together([unmerge("u", "05-01", "p1", "p2"), merge("m", "05-02", "p2", "p1")])) == 1

    def test_of_one_moment_the_greater_event_id_holds(self) -> None:
        assert len(together([merge("1", "05-01", "p1", "p2"), unmerge("2", "05-01", "p1", "p2")])) == 2
        assert len(together([merge("2", "05-01", "p1", "p2"), unmerge("1", "05-01", "p1", "p2")])) == 1

    def test_merged_parted_and_merged_again_they_are_one_person(self) -> None:
        events = [merge("1", "05-01", "p1", "p2"), unmerge("2", "05-02", "p1", "p2"), merge("3", "05-03", "p2", "p1")]
        for order in permutations(events):
            assert together(order) == {frozenset({"p1", "p2"})}

    def test_an_unmerge_touches_its_own_pair_and_no_other_link_of_a_chain(self) -> None:
        chain = [merge("1", "05-01", "p1", "p2"), merge("2", "05-01", "p2", "p3"), merge("3", "05-01", "p3", "p4")]
        assert together([*chain, unmerge("u", "05-02", "p2", "p3")]) == {
            frozenset({"p1", "p2"}),
            frozenset({"p3", "p4"}),
        }

    def test_who_is_joined_in_a_ring_stays_joined_when_one_link_is_taken_back(self) -> None:
        ring = [merge("1", "05-01", "p1", "p2"), merge("2", "05-01", "p2", "p3"), merge("3", "05-01", "p3", "p1")]
        assert len(together([*ring, unmerge("u", "05-02", "p1", "p2")])) == 1

    def test_an_unmerge_of_a_pair_that_no_merge_joined_changes_nothing(self) -> None:
        chain = [merge("1", "05-01", "p1", "p2"), merge("2", "05-01", "p2", "p3")]
        assert len(together([*chain, unmerge("u", "05-02", "p1", "p3")])) == 1

    def test_parted_each_person_has_a_name_of_its_own_again(self) -> None:
        joined = [merge("m", "05-01", "p5", "p1")]
        assert person_names(joined)["p5"] == "p1"
        assert person_names([*joined, unmerge("u", "05-02", "p5", "p1")])["p5"] == "p5"

    def test_findings_follow_the_unmerge(self) -> None:
        one, other = visit("1", NURSED[0], patient="p1"), visit("2", NURSED[1], patient="p2")
        joined = [one, other, merge("m", "05-01", "p2", "p1")]
        assert len(hits(DAILY_CAP, *joined)) == 1
        assert hits(DAILY_CAP, *joined, unmerge("u", "05-02", "p1", "p2")) == {}

    def test_a_merge_of_2099_ranks_before_all_others(self) -> None:
        events = [merge("m", "2099-05-01", "p1", "p2"), unmerge("u", "05-02", "p1", "p2")]
        assert len(together(events)) == 2
        assert len(together([merge("m", "2090-12-31", "p1", "p2"), unmerge("u", "05-02", "p1", "p2")])) == 1

    def test_a_merge_of_2099_holds_where_there_is_no_other(self) -> None:
        assert len(together([merge("m", "2099-05-01", "p1", "p2")])) == 1


class TestRank:
    """(happened_at, event_id), and wrong clocks."""

    @pytest.mark.parametrize(
        ("early", "wrong"),
        [(timedelta(0), False), (timedelta(days=1), False), (timedelta(days=1, microseconds=1), True)],
    )
    def test_a_day_before_its_settlement_is_no_wrong_clock_and_a_microsecond_more_is(
        self, early: timedelta, wrong: bool
    ) -> None:
        claim = visit("1", settled_at=at("06-30"), happened_at=at("06-30") - early)
        assert has_wrong_clock(claim) is wrong
        assert rank(claim)[1] == (claim.settled_at if wrong else claim.happened_at)

    @pytest.mark.parametrize(
        ("happened", "wrong"),
        [(at("2090-12-31", "23:59"), False), (at("2091-01-01", "00:00"), True), (at("06-30"), False)],
    )
    def test_the_last_day_of_2090_is_no_wrong_clock_and_the_next_is(self, happened: datetime, wrong: bool) -> None:
        assert has_wrong_clock(visit("1", settled_at=at("06-30"), happened_at=happened)) is wrong

    def test_a_wrong_clock_does_not_win_over_what_happened_after_its_settlement(self) -> None:
        wrong = visit("1", *NURSED, event_id="e9", happened_at=at("2099-01-01"), settled_at=at("06-30"))
        right = visit("1", NURSED[0], event_id="e1", happened_at=at("07-01"), settled_at=at("06-30"))
        for order in permutations([wrong, right]):
            assert hits(DAILY_CAP, *order) == {}

    def test_a_wrong_clock_that_is_early_ranks_as_its_settlement(self) -> None:
        """Seen alone by happened_at the second would hold."""
        wrong = visit("1", NURSED[0], event_id="e1", happened_at=at("06-01"), settled_at=at("06-30"))
        other = visit("1", *NURSED, event_id="e2", happened_at=at("06-20"), settled_at=at("06-20"))
        assert hits(DAILY_CAP, wrong, other) == {}

    def test_a_placeholder_of_a_settlement_tells_nothing_of_the_clock(self) -> None:
        claim = visit("1", settled_at=at("2099-12-31"), happened_at=at("06-30"))
        assert not has_wrong_clock(claim)
        assert rank(claim) < rank(visit("2", happened_at=at("07-01")))

    def test_a_clock_without_any_likely_time_ranks_before_all_others(self) -> None:
        claim = visit("1", settled_at=at("2099-12-31"), happened_at=at("2099-12-31"))
        assert has_wrong_clock(claim)
        assert rank(claim) < rank(visit("2", happened_at=at("1990-01-01")))

    def test_the_sex_of_a_status_with_a_wrong_clock_gives_way(self) -> None:
        item = line("a", PREGNANCY_TEST, "03-01")
        wrong, right = status("9", "2099-05-01", "sex", sex="1"), status("1", "05-01", "sex", sex="2")
        assert len(hits(SEX_OF_SERVICES, visit("1", item), wrong)) == 1
        assert hits(SEX_OF_SERVICES, visit("1", item), wrong, right) == {}


class TestDates:
    """Dates that stand for nothing."""

    @pytest.mark.parametrize(
        ("day", "is_told"),
        [
            (date(1, 1, 1), False),
            (date(1900, 1, 1), False),
            (date(1900, 1, 2), True),
            (date(2090, 12, 31), True),
            (date(2091, 1, 1), False),
            (date(9999, 12, 31), False),
        ],
    )
    def test_told_is_what_lies_from_1900_01_02_to_2090_12_31(self, day: date, is_told: bool) -> None:
        assert told(day) == (day if is_told else None)

    @pytest.mark.parametrize(
        ("instant", "day"),
        [
            (datetime(1900, 1, 1, 15, 59, tzinfo=UTC), date(1900, 1, 1)),
            (datetime(1900, 1, 1, 16, 0, tzinfo=UTC), date(1900, 1, 2)),
            (datetime(2090, 12, 31, 15, 59, 59, 999999, tzinfo=UTC), date(2090, 12, 31)),
            (datetime(2090, 12, 31, 16, 0, tzinfo=UTC), date(2091, 1, 1)),
            (datetime(9999, 12, 31, 23, 0, tzinfo=UTC), date(9999, 12, 31)),
            (datetime(1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=14))), date(1, 1, 1)),
        ],
    )
    def test_the_day_is_that_of_china_and_never_beyond_the_calendar(self, instant: datetime, day: date) -> None:
        assert civil_day(instant) == day

    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            ("2023-03-01", "2026-03-05", (date(2023, 3, 1), date(2026, 3, 5))),  # 1,100 days
            ("2023-02-28", "2026-03-05", (None, date(2026, 3, 5))),  # 1,101 days
            ("1900-01-01", "2026-03-05", (None, date(2026, 3, 5))),
            ("2026-03-01", "2099-12-31", (date(2026, 3, 1), None)),
            ("2026-03-05", "2026-03-05", (date(2026, 3, 5), date(2026, 3, 5))),
            ("2026-03-06", "2026-03-05", (None, None)),
            ("2026-03-06", "1900-01-01", (date(2026, 3, 6), None)),
        ],
    )
    def test_an_admission_1101_days_before_its_discharge_or_after_it_is_not_told(
        self, first: str, last: str, expected: tuple[date | None, date | None]
    ) -> None:
        assert admission_and_discharge(stay("1", first, last)) == expected

    @pytest.mark.parametrize(
        ("claim", "days"),
        [
            (visit("1", settled_at=at("06-30")), ["2026-06-30"]),
            (visit("1", line("a", NURSING, "03-02"), line("b", NURSING, "03-01")), ["2026-03-01", "2026-03-02"]),
            (stay("1", "03-01", "03-05", line("a", NURSING, "03-09")), ["2026-03-01", "2026-03-05", "2026-03-09"]),
            (stay("1", "1900-01-01", "03-05", line("a", NURSING, "2099-01-01")), ["2026-03-05"]),
            (visit("1", line("a", NURSING, "2099-01-01"), settled_at=at("1900-01-01")), []),
        ],
    )
    def test_a_claim_has_the_days_that_it_tells_or_that_of_its_settlement(self, claim: Claim, days: list[str]) -> None:
        assert [day.isoformat() for day in days_of(claim)] == days

    def test_a_line_of_1900_never_counts(self) -> None:
        lines = line("a", NURSING, "1900-01-01"), line("b", NURSING, "1900-01-02")
        (person,) = people([visit("1", *lines)])
        assert [(one.source.line_id, one.counts) for one in person.lines] == [("a", False), ("b", True)]

    def test_an_operation_on_a_day_of_no_meaning_has_no_day(self) -> None:
        lines = line("w", WIDE_RESECTION, "03-02"), line("p", RESECTION, "03-05")
        known = stay("1", "03-01", "03-09", *lines, operations=(operation("03-02"),))
        unknown = stay("1", "03-01", "03-09", *lines, operations=(operation("1900-01-01"),))
        assert (len(hits(PAIRS, known)), len(hits(PAIRS, unknown))) == (1, 0)
