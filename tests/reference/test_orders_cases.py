"""Cases of orders by hand, one for a sentence of section 7 of docs/what-counts.md; all in March 2026."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Order, Prescription

from .answers import Ordered, Warned, ordered
from .cases import (
    BED,
    MONITORING,
    NURSING,
    OZAGREL,
    PLAIN,
    POINTS,
    PREGNANCY_TEST,
    at,
    diagnosis,
    line,
    stay,
    visit,
)
from .knowledge import Knowledge
from .rules import BED_DAYS, DAILY_CAP, SEX_OF_SERVICES
from .two_houses import ELSEWHERE, TWO_STAYS

KNOWLEDGE = Knowledge(POINTS)


def order(order_id: str, code: str | None, day: str, quantity: str = "1", **fields: Any) -> Order:
    """An order of 100 yuan at noon."""
    told = {"amount": "100", "at": at(day), "item_code": code, "item_kind": "service", **fields}
    return Order(order_id=order_id, quantity=quantity, **told)


def request(name: str, asked: str | datetime, *orders: Order, **fields: Any) -> Prescription:
    """A request during a visit of a man to institution A, whose number is ``v`` unless told."""
    told: dict[str, Any] = {
        "phase": "during",
        "encounter_id": "v",
        "patient": "p1",
        "institution": "A",
        "visit_type": "11",
        "sex": "1",
        "diagnoses": (),
        "operations": (),
        **fields,
    }
    happened_at = at(asked) if isinstance(asked, str) else asked
    return Prescription(f"event-{name}", "420281", "prescription", happened_at, "s", orders=orders, **told)


def in_hospital(name: str, asked: str, *orders: Order, **fields: Any) -> Prescription:
    return request(name, asked, *orders, **{"visit_type": "21", "admitted_at": at("03-01"), **fields})


def settled(name: str, *lines: Any, **fields: Any) -> Claim:
    """A settlement of the visit ``v`` in the middle, before anything was asked unless told."""
    return visit(name, *lines, **{"encounter_id": "v", "mid_stay": True, "settled_at": at("02-01"), **fields})


def of(*events: Event) -> Ordered:
    (found,) = ordered(events, KNOWLEDGE).values()
    return found


def only(asked: Prescription, *others: Event) -> Warned:
    (warned,) = of(asked, *others).answer([asked])
    return warned


def counting(*events: Event) -> set[str]:
    return {held.order.order_id for held in of(*events).counting}


def taken(*events: Event) -> dict[str, tuple[str, str]]:
    """By rx_id: the line that took its place, and how."""
    return {key[2]: (billed[2], how) for key, (billed, how) in of(*events).places.items()}


def test_the_request_asked_last_holds_and_within_one_the_last_in_its_list() -> None:
    early = request("1", "03-01", order("a", MONITORING, "03-01", "99"))
    late = request("2", "03-02", order("a", MONITORING, "03-01", "99"), order("a", MONITORING, "03-01", "25"))
    assert only(late, early).value == 25
    assert of(late, early).answer([early]) == set()


def test_an_order_over_days_has_its_share_of_a_day_cut_after_the_sixth_place() -> None:
    over = {"stops_at": at("03-03")}
    assert only(request("1", "03-01", order("a", NURSING, "03-01", "4", **over))).value == Decimal("1.333333")
    assert of(request("1", "03-01", order("a", NURSING, "03-01", "3.000002", **over))).hits == ()


def test_a_run_has_at_most_366_days() -> None:
    year = request("1", "03-01", order("a", NURSING, "03-01", "366", stops_at=at("2027-03-01")))
    longer = request("1", "03-01", order("a", NURSING, "03-01", "366", stops_at=at("2027-03-02")))
    assert of(year).hits == ()
    assert only(longer).value == 366


def test_what_the_patient_pays_counts_for_nothing() -> None:
    for fields in ({"own_pay": "100"}, {"in_catalogue": False}):
        assert of(request("1", "03-01", order("a", NURSING, "03-01", "2", **fields))).hits == ()
    assert of(request("1", "03-01", order("a", NURSING, "03-01", "2"), reimbursed=False)).hits == ()
    assert only(request("1", "03-01", order("a", NURSING, "03-01", "2", own_pay="99.99"))).value == 2


def test_a_line_takes_the_place_that_it_names_and_else_one_on_whose_days_it_lies() -> None:
    asked = request(
        "1",
        "03-01",
        order("a", NURSING, "03-01"),
        order("b", NURSING, "03-01"),
        order("c", MONITORING, "03-01", prescription_id="rx"),
        order("d", PLAIN, "03-01", prescription_id="rx"),
        order("e", BED, "03-01", standing=True),
    )
    bill = settled(
        "bill",
        line("1", PLAIN, "03-02", order_id="b"),
        line("2", MONITORING, "03-03", order_id="rx"),
        line("3", NURSING, "03-01"),
        line("4", BED, "03-09"),
        line("5", PLAIN, "03-02"),
    )
    assert taken(asked, bill) == {
        "b": ("1", "order"),
        "c": ("2", "prescription"),
        "a": ("3", "item and day"),
        "e": ("4", "item and day"),
    }
    assert counting(asked, bill) == {"d"}


def test_an_order_without_units_is_no_line_and_one_without_a_day_takes_part_in_nothing() -> None:
    none = order("a", NURSING, "03-01", "0")
    assert counting(request("1", "03-01", none, order("b", NURSING, "03-01"))) == {"b"}
    nowhere = in_hospital("1", "03-01", order("a", NURSING, "2091-01-01"))
    bill = settled("bill", line("1", NURSING, "2091-01-01", order_id="a"))
    assert (counting(nowhere), taken(nowhere, bill), of(nowhere).person.stays) == (set(), {}, ())


def test_where_the_patient_pays_all_of_a_request_the_fund_pays_nothing_of_it() -> None:
    left = {"admitted_at": at("03-01"), "discharged_at": at("03-04")}
    other = in_hospital("1", "03-05", order("a", PLAIN, "03-02"), institution="B", **left)
    paid, half = order("b", PLAIN, "03-02", own_pay="100"), order("c", PLAIN, "03-02", own_pay="50")
    assert of(other, in_hospital("2", "03-05", paid, **left)).hits == ()
    assert [hit.rule_id for hit in of(other, in_hospital("2", "03-05", paid, half, **left)).hits] == [TWO_STAYS]


def test_a_line_reaches_what_it_names_30_days_before_its_first_day_and_after_its_last() -> None:
    def is_taken(day: str, number: str, **fields: Any) -> bool:
        told = order("a", NURSING, "03-01", **{"prescription_id": "rx", "stops_at": at("03-02"), **fields})
        bill = settled("bill", line("1", NURSING, day, order_id=number), encounter_id="w")
        return taken(request("1", "03-01", told), bill) != {}

    for number in ("a", "rx"):
        assert [is_taken(day, number) for day in ("01-29", "01-30", "04-01", "04-02")] == [False, True, True, False]
        assert is_taken("2027-03-01", number, standing=True, stops_at=None)
        assert not is_taken("1900-01-01", number)


def test_a_line_of_another_item_takes_the_place_of_an_order_that_has_its_number_alone() -> None:
    bill = settled("bill", line("1", PLAIN, "03-01", order_id="a"), line("2", PLAIN, "03-01", order_id="rx"))
    nursing = order("a", NURSING, "03-01", prescription_id="rx")
    watched = order("a", MONITORING, "03-01")
    assert taken(request("1", "03-01", nursing), bill) == {"a": ("1", "order")}
    assert taken(request("1", "03-01", nursing, watched), bill) == {}
    assert len(of(request("1", "03-01", nursing), request("2", "03-01", watched), bill).places) == 2


def test_a_line_takes_all_places_that_it_names_and_none_that_it_only_fits() -> None:
    asked = request(
        "1",
        "03-01",
        order("a", NURSING, "03-01", prescription_id="b"),
        order("b", NURSING, "03-05"),
        order("c", NURSING, "03-02"),
    )
    bill = settled("bill", line("1", NURSING, "03-02", order_id="b"))
    assert taken(asked, bill) == {"a": ("1", "prescription"), "b": ("1", "order")}
    by_number = settled("late", line("2", NURSING, "03-09", order_id="a"))
    assert taken(asked, bill, by_number)["a"] == ("2", "order")


def test_a_line_that_names_nothing_takes_an_order_of_its_day_alone_before_those_that_run() -> None:
    asked = request(
        "1",
        "03-01",
        order("runs", NURSING, "03-01", stops_at=at("03-03")),
        order("stands", NURSING, "02-20", standing=True),
        order("late", NURSING, "03-02", at=at("03-02", "13:00")),
        order("early", NURSING, "03-02"),
    )
    lines = [line(name, NURSING, "03-02") for name in ("1", "2", "3", "4")]
    alone = {"early": ("1", "item and day"), "late": ("2", "item and day")}
    running = {"runs": ("3", "item and day"), "stands": ("3", "item and day")}
    assert taken(asked, settled("bill", *lines[:2])) == alone
    assert taken(asked, settled("bill", *lines)) == alone | running
    assert taken(asked, settled("bill", line("1", NURSING, "03-04"))) == {"stands": ("1", "item and day")}


def test_a_correction_that_repeats_a_line_takes_no_second_place() -> None:
    asked = request("1", "03-01", order("a", NURSING, "03-01"), order("b", NURSING, "03-01"))
    bill = settled("b1", line("1", NURSING, "03-01"))
    again = settled("b2", line("1", NURSING, "03-01", order_id="b"), corrects="b1")
    other = settled("b2", line("1", NURSING, "03-01", order_id="b"), encounter_id="w")
    assert set(taken(asked, bill, again)) == {"a"}
    assert set(taken(asked, bill, other)) == {"a", "b"}


def test_what_was_taken_back_or_reversed_was_billed_and_what_takes_back_is_not_looked_at() -> None:
    asked = request("1", "03-01", order("a", NURSING, "03-01"), order("b", NURSING, "03-01"))
    bill = settled("bill", line("1", NURSING, "03-01"))
    reversal = settled("reversal", reverses="bill")
    back = settled("back", line("2", NURSING, "03-01", "-1", amount="-100", in_fund_scope="-100", order_id="b"))
    assert counting(asked, bill, reversal) == {"b"}
    assert counting(asked, back) == {"a", "b"}


def test_an_order_is_over_when_its_visit_was_settled_in_the_end_after_it_was_asked_about() -> None:
    asked = request("1", "03-01", order("a", NURSING, "03-01"))
    later = at("03-01") + timedelta(microseconds=1)
    assert counting(asked, settled("bill", settled_at=later)) == {"a"}
    assert counting(asked, settled("bill", settled_at=at("03-01"), mid_stay=False)) == {"a"}
    assert counting(asked, settled("bill", settled_at=later, mid_stay=False)) == set()


def test_a_settlement_of_more_than_30_days_before_an_order_ends_nothing() -> None:
    asked = request("1", "02-01", order("a", NURSING, "03-31", stops_at=at("04-02")))
    for day, left in (("03-01", set()), ("02-28", {"a"})):
        bill = settled("bill", line("1", PLAIN, day), settled_at=at("04-10"), mid_stay=False)
        assert counting(asked, bill) == left
    wrong_clock = settled("bill", line("1", PLAIN, "03-31"), settled_at=at("01-31"), mid_stay=False)
    assert counting(asked, replace(wrong_clock, happened_at=at("2091-01-01"))) == {"a"}


def test_an_order_that_nobody_bills_is_over_more_than_30_days_before_the_last_asking() -> None:
    asked = request("1", "03-01", order("a", NURSING, "03-01"), order("b", NURSING, "03-01", standing=True))
    assert counting(asked, request("2", "03-31", encounter_id="w")) == {"a", "b"}
    assert counting(asked, request("2", "04-01", encounter_id="w")) == {"b"}


def test_only_the_own_current_orders_are_accused_and_all_are_summed() -> None:
    early = request("1", "03-01", order("a", NURSING, "03-01"))
    told = order("b", NURSING, "03-01", at=at("03-01", "13:00"), current=False)
    late = request("2", "03-02", told, order("c", NURSING, "03-01", at=at("03-01", "14:00")))
    warned = only(late, early)
    assert (warned.rule_id, warned.value, warned.limit) == (DAILY_CAP, 3, 1)
    assert warned.guilty == {("A", "v", "c", NURSING)}
    assert of(early, late).answer([early]) == set()


def test_beds_of_a_running_stay_may_reach_to_the_day_after_the_last_one() -> None:
    def beds(quantity: str) -> Prescription:
        return in_hospital("1", "03-04", order("a", BED, "03-01", quantity), order("b", PLAIN, "03-04"))

    assert of(beds("4")).hits == ()
    assert (only(beds("5")).rule_id, only(beds("5")).limit) == (BED_DAYS, 4)


def test_a_running_stay_goes_from_the_admission_that_a_bill_tells_to_the_last_day_of_what_counts_or_not() -> None:
    beds = in_hospital("1", "03-04", order("a", BED, "03-04", "9", at=at("03-04")))
    early, unpaid = at("02-27"), line("1", PLAIN, "03-06", in_fund_scope="0")
    assert only(beds).limit == 4
    assert only(beds, settled("bill", unpaid, visit_type="21")).limit == 6
    assert only(beds, settled("bill", visit_type="21", admitted_at=early)).limit == 6
    assert only(beds, settled("bill", visit_type="21", admitted_at=early, mid_stay=False)).limit == 6
    mine = in_hospital("2", "03-04", order("b", PLAIN, "03-07", own_pay="100"))
    assert only(beds, mine).limit == 7
    assert of(mine).running == frozenset()


def test_an_order_makes_no_day_seen_elsewhere_unless_a_discharge_is_told() -> None:
    left = {"visit_type": "21", "admitted_at": at("03-01"), "discharged_at": at("03-05")}
    own = stay("own", "03-01", "03-05", line("1", PLAIN, "03-02"), institution="B")
    seen = order("a", PLAIN, "03-02")
    outpatient = request("1", "03-06", seen, institution="C")
    assert of(outpatient, own).hits == ()
    assert [
        hit.rule_id for hit in of(request("1", "03-06", seen, institution="C", discharged_at=at("03-02")), own).hits
    ]
    asked = request("1", "03-06", seen, **left)
    billed = visit("elsewhere", line("2", PLAIN, "03-02"), institution="C")
    assert only(asked, billed).rule_id == ELSEWHERE


def test_a_day_is_not_seen_elsewhere_where_orders_keep_a_stay_running() -> None:
    asked = in_hospital("1", "03-06", order("a", PLAIN, "03-02"), discharged_at=at("03-05"))
    there = {"institution": "C", "encounter_id": "w", "visit_type": "21", "admitted_at": at("03-01")}
    seen = settled("seen", line("1", PLAIN, "03-02"), mid_stay=False, **there)
    runs = request("2", "03-04", order("b", PLAIN, "03-04"), **there)
    assert of(asked, seen, runs).running == {("C", "w")}
    assert of(asked, seen, runs).hits == ()
    outpatient = {**there, "visit_type": "11"}
    assert only(asked, settled("seen", line("1", PLAIN, "03-02"), mid_stay=False, **outpatient)).rule_id == ELSEWHERE


def test_a_discharge_told_during_closes_the_stay_unless_it_lies_before_it_or_ahead() -> None:
    def limits(left: datetime, **fields: Any) -> list[int]:
        asked = in_hospital("1", "03-04", order("a", BED, "03-03", "9"), discharged_at=left, **fields)
        return [int(warned.limit) for warned in of(asked).answer([asked])]

    assert limits(at("03-02")) == [1]
    assert limits(at("03-02"), phase="before") == [3]
    assert limits(at("03-04")) == [3]
    assert limits(at("03-04") + timedelta(microseconds=1)) == [3]
    assert limits(at("03-01", "11:00")) == [1]
    assert limits(at("02-28")) == [3]


def test_two_stays_are_looked_at_during_alone() -> None:
    claim = stay("other", "03-01", "03-05", line("1", PLAIN, "03-02"), institution="B")
    fields = {"discharged_at": at("03-05"), "admitted_at": at("03-02")}
    during = in_hospital("1", "03-06", order("a", PLAIN, "03-03"), **fields, institution="C")
    before = in_hospital("1", "03-06", order("a", PLAIN, "03-03"), **fields, institution="C", phase="before")
    assert only(during, claim).rule_id == TWO_STAYS
    assert of(before, claim).answer([before]) == set()


def test_what_the_request_says_is_said_of_its_orders() -> None:
    assert only(request("1", "03-01", order("a", PREGNANCY_TEST, "03-01"))).rule_id == SEX_OF_SERVICES
    for fields in ({"sex": "2"}, {"diagnoses": diagnosis("Q56.300")}, {"diagnoses": None}):
        assert of(request("1", "03-01", order("a", PREGNANCY_TEST, "03-01"), **fields)).hits == ()


def test_a_drug_covers_all_days_over_which_it_runs() -> None:
    def drug(last: str, kind: str = "drug") -> Prescription:
        fields = {"item_kind": kind, "stops_at": at(last)}
        return request("1", "03-01", order("a", OZAGREL, "03-01", "30", **fields))

    assert of(drug("03-14")).hits == ()
    assert only(drug("03-15")).value == 15
    assert of(drug("03-15", "service")).hits == ()


def test_an_order_of_a_number_used_again_keeps_its_key_and_its_finding_names_the_encounter() -> None:
    old = settled("old", line("1", PLAIN, "2025-01-01"), settled_at=at("2025-01-01"))
    beds = in_hospital("1", "03-04", order("a", BED, "03-01", "9"))
    warned = only(beds, old)
    assert warned.occurrence == ("p1", "A", "v@2026-03-01")
    assert warned.guilty == {("A", "v", "a", BED)}
