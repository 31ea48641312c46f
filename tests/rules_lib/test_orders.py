"""Orders: which count, which are billed and by which line, and what is answered. Cases by hand, of the year 2026."""

from collections.abc import Sequence
from dataclasses import replace as with_facts
from itertools import permutations
from typing import Any

import pytest

from knowledge_base.days import microseconds
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.prescriptions import PrescriptionDigest, prescription_digest
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Order, Prescription
from knowledge_base.facts import Facts
from knowledge_base.subjects import patient
from rules_lib.asking import Known, Said, judge_orders
from rules_lib.histories.orders import Orders, Replied, orders_of
from rules_lib.rule import Phase
from rules_lib.rule_set import RuleSet
from rules_lib.rules_of import RulesOf
from streams.messages.kinds import digest_of
from tests.reference import cases
from tests.reference.cases import BED, HBA1C, NURSING, OZAGREL, PEPTIDE, PLAIN, PREGNANCY_TEST, at, line, stay, visit

EVENING = "20:00"


@pytest.fixture(scope="module")
def rules(rule_set: RuleSet) -> dict[str, RulesOf]:
    of_cases = with_facts(rule_set, facts=Facts(cases.POINTS))
    phases: list[Phase] = ["before", "during", "after"]
    return {phase: of_cases.of("patient", phase) for phase in phases}


def order(order_id: str, code: str | None, day: str, quantity: str = "1", **fields: Any) -> Order:
    """An order at noon, of 100 yuan, all of it in the fund's scope unless told."""
    told = {"amount": "100", "item_kind": "service", **fields}
    return Order(order_id=order_id, quantity=quantity, at=at(day, told.pop("clock", "12:00")), item_code=code, **told)


def request(name: str, asked: str, *orders: Order, **fields: Any) -> Prescription:
    """A request before, about an outpatient visit of a man at institution A, on a day at 13:00 unless told."""
    told: dict[str, Any] = {
        "encounter_id": "visit-v",
        "institution": "A",
        "patient": "p1",
        "phase": "before",
        "visit_type": "11",
        "happened_at": at(asked, fields.pop("clock", "13:00")),
        "sex": "1",
        "diagnoses": (),
        "operations": (),
        **fields,
    }
    return Prescription(
        event_id=f"asked-{name}", area="420281", kind="prescription", sender="s", orders=tuple(orders), **told
    )


def asked_in_hospital(name: str, asked: str, *orders: Order, **fields: Any) -> Prescription:
    """A request about a stay that began on 03-01."""
    told = {"encounter_id": "visit-s", "visit_type": "21", "admitted_at": at("03-01"), **fields}
    return request(name, asked, *orders, **told)


def said(rules: dict[str, RulesOf], asked: Prescription, *known: Claim | Prescription) -> Said:
    digests = [digest_of(event) for event in known if isinstance(event, Claim)]
    requests = [prescription_digest(event) for event in known if isinstance(event, Prescription)]
    before = Known(digests, requests, _order_ids(known))
    return judge_orders(patient("p1"), [prescription_digest(asked)], before, rules[asked.phase])


def _order_ids(events: Sequence[object]) -> dict[str, list[str | None]]:
    return {event.event_id: [line.order_id for line in event.lines] for event in events if isinstance(event, Claim)}


def accused(answer: Said) -> list[str]:
    return [key.order_id for warned in answer.warnings for key in warned.orders]


def placed(requests: Sequence[Prescription], claims: Sequence[Claim]) -> Orders:
    """The orders of some requests beside claims, which is the same in every order of arrival."""
    of_requests: list[PrescriptionDigest] = [prescription_digest(one) for one in requests]
    digests = [digest for claim in claims if isinstance(digest := digest_of(claim), ClaimDigest)]
    found = {
        str(orders_of(some, of_claims, _order_ids(claims)).places)
        for some in permutations(of_requests)
        for of_claims in permutations(digests)
    }
    orders = orders_of(of_requests, digests, _order_ids(claims))
    assert len(found) == 1, "the order of arrival changes which line took whose place"
    return orders


def places(requests: Sequence[Prescription], *claims: Claim) -> dict[str, tuple[str, str]]:
    return {key.order_id: (place.line[2], place.how) for key, place in placed(requests, claims).places.items()}


# --- what is answered


def test_an_order_too_many_on_one_day(rules: dict[str, RulesOf]) -> None:
    asked = request("a", "03-02", order("o1", NURSING, "03-02"), order("o2", NURSING, "03-02", clock="12:30"))
    assert accused(said(rules, asked)) == ["o2"]


def test_an_order_after_a_billed_examination_within_its_period(rules: dict[str, RulesOf]) -> None:
    earlier = visit("c", line("l1", HBA1C, "03-01"), institution="B")
    assert accused(said(rules, request("a", "03-15", order("o1", HBA1C, "03-15")), earlier)) == ["o1"]
    assert accused(said(rules, request("a", "03-16", order("o1", HBA1C, "03-16")), earlier)) == []


def test_orders_of_earlier_requests_count_and_are_not_accused(rules: dict[str, RulesOf]) -> None:
    earlier = request("a", "03-01", order("o1", HBA1C, "03-01"), encounter_id="visit-u")
    answer = said(rules, request("b", "03-10", order("o2", HBA1C, "03-10")), earlier)
    assert accused(answer) == ["o2"]
    assert accused(said(rules, request("b", "03-10", order("o2", PLAIN, "03-10")), earlier)) == []


def test_context_counts_and_is_not_accused(rules: dict[str, RulesOf]) -> None:
    context = order("o1", NURSING, "03-02", clock="12:30", current=False)
    assert accused(said(rules, request("a", "03-02", context, order("o2", NURSING, "03-02")))) == []
    assert accused(said(rules, request("a", "03-02", context, order("o2", NURSING, "03-02", clock="12:45")))) == ["o2"]


def test_what_the_patient_pays_counts_for_nothing(rules: dict[str, RulesOf]) -> None:
    asked = order("o2", PREGNANCY_TEST, "03-02")
    assert accused(said(rules, request("a", "03-02", asked))) == ["o2"]
    for own in (
        request("a", "03-02", order("o2", PREGNANCY_TEST, "03-02", own_pay="100.00")),
        request("a", "03-02", order("o2", PREGNANCY_TEST, "03-02", in_catalogue=False)),
        request("a", "03-02", asked, reimbursed=False),
    ):
        assert accused(said(rules, own)) == []
    partly = request("a", "03-02", order("o2", PREGNANCY_TEST, "03-02", own_pay="40"))
    (warned,) = said(rules, partly).warnings
    assert (warned.finding.amounts.in_question, warned.finding.amounts.in_fund) == (100, 60)


def test_a_diagnosis_of_the_request_excuses_and_a_missing_list_leaves_it_open(rules: dict[str, RulesOf]) -> None:
    test = order("o1", PREGNANCY_TEST, "03-02")
    assert accused(said(rules, request("a", "03-02", test, diagnoses=cases.diagnosis("Q99.0")))) == []
    open_ = said(rules, request("a", "03-02", test, diagnoses=None))
    assert (accused(open_), [of.reason for of in open_.not_evaluated]) == ([], ["diagnoses missing"])


def test_what_was_billed_before_what_includes_it_is_guilty_itself(rules: dict[str, RulesOf]) -> None:
    billed = visit(
        "c", line("l1", cases.CONSULTATION, "03-02"), encounter_id="visit-v", settled_at=at("03-02", "12:30")
    )
    assert accused(said(rules, request("a", "03-02", order("o1", cases.WARD_WATCH, "03-02")), billed)) == []
    both = request("a", "03-02", order("o1", cases.WARD_WATCH, "03-02"), order("o2", cases.CONSULTATION, "03-02"))
    assert accused(said(rules, both)) == ["o2"]


# --- stays that go on


def test_a_stay_that_goes_on_is_no_reason_for_silence(rules: dict[str, RulesOf]) -> None:
    two = (order("o1", NURSING, "03-02"), order("o2", NURSING, "03-02", clock="12:30"))
    assert accused(said(rules, asked_in_hospital("a", "03-02", *two))) == ["o2"]


def test_bed_days_so_far_and_the_next(rules: dict[str, RulesOf]) -> None:
    """From 03-01 to 03-03 there are two days, and a third for who leaves on the next."""
    beds = [order(f"o{day}", BED, f"03-0{day}") for day in (1, 2, 3)]
    assert accused(said(rules, asked_in_hospital("a", "03-03", *beds))) == []
    assert accused(said(rules, asked_in_hospital("a", "03-03", *beds, order("o4", BED, "03-03", clock="12:30")))) == [
        "o4"
    ]


def test_a_discharge_is_believed_during_and_when_it_is_over(rules: dict[str, RulesOf]) -> None:
    beds = [order(f"o{day}", BED, f"03-0{day}") for day in (1, 2, 3)]
    left = {"discharged_at": at("03-03", "10:00"), "phase": "during"}
    assert accused(said(rules, asked_in_hospital("a", "03-03", *beds, **left))) == ["o3"]
    for untold in (
        {**left, "phase": "before"},
        {**left, "discharged_at": at("03-03", EVENING)},
        {**left, "discharged_at": at("02-20")},
    ):
        assert accused(said(rules, asked_in_hospital("a", "03-03", *beds, **untold))) == []


def test_a_course_of_a_stay_is_judged_as_far_as_it_goes(rules: dict[str, RulesOf]) -> None:
    drugs = [order(f"o{day}", PEPTIDE, f"03-0{day}", item_kind="drug") for day in (1, 2, 3, 4)]
    assert accused(said(rules, asked_in_hospital("a", "03-04", *drugs))) == ["o4"]
    assert accused(said(rules, asked_in_hospital("a", "03-04", *drugs[:3]))) == []


def test_dates_that_are_unlikely_stay_undecided(rules: dict[str, RulesOf]) -> None:
    two = (order("o1", NURSING, "03-02"), order("o2", NURSING, "03-02", clock="12:30"))
    answer = said(rules, asked_in_hospital("a", "03-02", *two, admitted_at=at("1899-12-31")))
    assert (accused(answer), bool(answer.not_evaluated)) == ([], True)


# --- orders that run over several days


def test_an_order_of_several_days_has_one_days_share_on_its_first(rules: dict[str, RulesOf]) -> None:
    runs = order("o1", NURSING, "03-02", "5", stops_at=at("03-06"))
    assert accused(said(rules, request("a", "03-02", runs))) == []
    assert accused(said(rules, request("a", "03-02", order("o1", NURSING, "03-02", "10", stops_at=at("03-06"))))) == [
        "o1"
    ]
    longest = order("o1", NURSING, "03-02", "366", stops_at=at("2027-03-02"))
    assert accused(said(rules, request("a", "03-02", longest))) == []
    too_long = order("o1", NURSING, "03-02", "366", stops_at=at("2027-03-03"))
    assert accused(said(rules, request("a", "03-02", too_long))) == ["o1"]


def test_a_drug_covers_the_days_over_which_it_runs(rules: dict[str, RulesOf]) -> None:
    for last, guilty in (("03-15", []), ("03-16", ["o1"])):
        drug = order("o1", OZAGREL, "03-02", stops_at=at(last), item_kind="drug")
        assert accused(said(rules, request("a", "03-02", drug))) == guilty


# --- which orders hold, and which line took their place


def test_the_latest_word_on_an_order_holds_and_in_one_request_the_last(rules: dict[str, RulesOf]) -> None:
    first = request("a", "03-02", order("o1", NURSING, "03-02", "2"))
    changed = request("b", "03-02", order("o1", NURSING, "03-02", "1"), clock="14:00")
    assert accused(said(rules, first)) == ["o1"]
    assert accused(said(rules, changed, first)) == []
    assert (
        accused(said(rules, request("a", "03-02", order("o1", NURSING, "03-02", "2"), order("o1", NURSING, "03-02"))))
        == []
    )


def test_a_line_that_names_the_order_takes_its_place(rules: dict[str, RulesOf]) -> None:
    earlier = request("a", "03-01", order("o1", HBA1C, "03-01"), encounter_id="visit-u")
    billed = visit("c", line("l1", HBA1C, "03-01", order_id="o1"), encounter_id="elsewhere")
    own = visit("c", line("l1", HBA1C, "03-01", order_id="o1", in_fund_scope="0"), encounter_id="elsewhere")
    asked = request("b", "03-10", order("o2", HBA1C, "03-10"))
    assert accused(said(rules, asked, earlier, billed)) == ["o2"]
    assert accused(said(rules, asked, earlier, own)) == [], "the order was billed to the patient"
    assert places([earlier], billed) == {"o1": ("l1", "order")}


def test_a_line_takes_the_order_of_its_item_or_what_alone_was_ordered_so() -> None:
    two = request("a", "03-01", order("o1", HBA1C, "03-01"), order("o1", NURSING, "03-01"))
    taken = placed([two], [visit("c", line("l1", HBA1C, "03-02", order_id="o1"))]).places
    assert {key.item_code: place.how for key, place in taken.items()} == {HBA1C: "order"}
    substitute = visit("c", line("l1", PLAIN, "03-02", order_id="o1"))
    assert places([two], substitute) == {}
    assert places([request("a", "03-01", order("o1", HBA1C, "03-01"))], substitute) == {"o1": ("l1", "order")}


def test_the_number_of_the_prescription_takes_the_place_of_its_item_alone() -> None:
    asked = request(
        "a",
        "03-01",
        order("o1", HBA1C, "03-01", prescription_id="rx"),
        order("o2", NURSING, "03-01", prescription_id="rx"),
    )
    assert places([asked], visit("c", line("l1", HBA1C, "03-09", order_id="rx"))) == {"o1": ("l1", "prescription")}
    assert places([asked], visit("c", line("l1", PLAIN, "03-09", order_id="rx"))) == {}


def test_a_line_without_an_order_takes_the_first_of_its_encounter_item_and_day() -> None:
    asked = request("a", "03-01", order("o2", HBA1C, "03-01"), order("o1", HBA1C, "03-01"), order("o3", HBA1C, "03-02"))
    bill: dict[str, Any] = {"encounter_id": "visit-v"}
    assert places([asked], visit("c", line("l1", HBA1C, "03-01"), **bill)) == {"o1": ("l1", "item and day")}
    three: list[ClaimLine] = [line(f"l{n}", HBA1C, "03-01") for n in (1, 2, 3)]
    assert places([asked], visit("c", *three, **bill)) == {"o1": ("l1", "item and day"), "o2": ("l2", "item and day")}
    assert places([asked], visit("c", line("l1", HBA1C, "03-01"), encounter_id="visit-x")) == {}
    assert places([asked], visit("c", line("l1", HBA1C, "03-01"), institution="B", **bill)) == {}
    assert places([asked], visit("c", line("l1", None, "03-01"), **bill)) == {}


def test_lines_that_name_an_order_go_before_those_that_fit() -> None:
    asked = request("a", "03-01", order("o1", HBA1C, "03-01"), order("o2", HBA1C, "03-01"))
    fits, names = line("l1", HBA1C, "03-01"), line("l2", HBA1C, "03-01", order_id="o1")
    assert places([asked], visit("c", fits, names, encounter_id="visit-v")) == {
        "o1": ("l2", "order"),
        "o2": ("l1", "item and day"),
    }


def test_a_line_that_names_an_order_nobody_knows_is_matched_by_item_and_day() -> None:
    asked = request("a", "03-01", order("o1", HBA1C, "03-01"))
    billed = visit("c", line("l1", HBA1C, "03-01", order_id="another"), encounter_id="visit-v")
    assert places([asked], billed) == {"o1": ("l1", "item and day")}


def test_an_order_that_runs_is_billed_on_any_of_its_days_after_those_of_the_day() -> None:
    standing, of_the_day = order("o1", HBA1C, "03-01", standing=True), order("o2", HBA1C, "03-02")
    runs = order("o3", HBA1C, "03-02", stops_at=at("03-04"))
    asked = request("a", "03-02", standing, of_the_day, runs)
    bill: dict[str, Any] = {"encounter_id": "visit-v"}
    assert places([asked], visit("c", line("l1", HBA1C, "03-02"), **bill)) == {"o2": ("l1", "item and day")}
    two = visit("c", line("l1", HBA1C, "03-02"), line("l2", HBA1C, "03-02"), **bill)
    assert places([asked], two) == {key: (by, "item and day") for key, by in (("o1", "l2"), ("o2", "l1"), ("o3", "l2"))}
    assert places([asked], visit("c", line("l1", HBA1C, "03-20"), **bill)) == {"o1": ("l1", "item and day")}
    assert places([asked], visit("c", line("l1", HBA1C, "02-28"), **bill)) == {}


def test_a_line_that_names_another_order_fits_none() -> None:
    """What was billed on one order is not billed on a second one of the same day."""
    asked = request("a", "03-01", order("o1", HBA1C, "03-01"), order("o2", HBA1C, "03-01"))
    assert places([asked], visit("c", line("l1", HBA1C, "03-01", order_id="o2"), encounter_id="visit-v")).keys() == {
        "o2"
    }


def test_what_is_booked_may_be_paid_thirty_days_before_or_after() -> None:
    asked = request("a", "03-31", order("o1", HBA1C, "03-31", prescription_id="rx"))
    for name in ("o1", "rx"):
        for day in ("03-01", "04-30"):
            assert places([asked], visit("c", line("l1", HBA1C, day, order_id=name))).keys() == {"o1"}
        for day in ("02-28", "05-01"):
            assert places([asked], visit("c", line("l1", HBA1C, day, order_id=name))) == {}


def test_what_was_billed_and_taken_back_was_billed(rules: dict[str, RulesOf]) -> None:
    earlier = request("a", "03-01", order("o1", HBA1C, "03-01"), encounter_id="visit-u")
    billed = visit("c", line("l1", HBA1C, "03-01", order_id="o1"))
    reversal = visit("d", reverses="c")
    taken_back = visit("e", line("l2", HBA1C, "03-01", "-1", order_id="o1"))
    asked = request("b", "03-10", order("o2", HBA1C, "03-10"))
    assert accused(said(rules, asked, earlier, billed, reversal)) == []
    assert places([earlier], billed, reversal) == {"o1": ("l1", "order")}
    assert places([earlier], taken_back) == {}


# --- which orders count still


def test_what_a_settlement_does_not_hold_was_not_done(rules: dict[str, RulesOf]) -> None:
    earlier = request("a", "03-01", order("o1", HBA1C, "03-01"), encounter_id="visit-u")
    asked = request("b", "03-10", order("o2", HBA1C, "03-10"))
    settled: dict[str, Any] = {"encounter_id": "visit-u", "settled_at": at("03-02")}
    other = line("l1", PLAIN, "03-01")
    assert accused(said(rules, asked, earlier, visit("c", other, **settled))) == []
    assert accused(said(rules, asked, earlier, visit("c", other, mid_stay=True, **settled))) == ["o2"]
    assert accused(said(rules, asked, earlier, visit("c", other, encounter_id="visit-u", settled_at=at("02-28")))) == [
        "o2"
    ]
    assert accused(said(rules, asked, earlier, visit("c", other, **settled), visit("d", reverses="c"))) == ["o2"]


def test_an_order_that_nobody_bills_counts_for_thirty_days(rules: dict[str, RulesOf]) -> None:
    earlier = request("a", "03-01", order("o1", HBA1C, "03-01"), encounter_id="visit-u")
    runs = request("a", "03-01", order("o1", HBA1C, "03-01", stops_at=at("03-02")), encounter_id="visit-u")
    asked = request("b", "03-31", order("o2", HBA1C, "03-14"))
    late = request("b", "04-01", order("o2", HBA1C, "03-14"))
    assert accused(said(rules, asked, earlier)) == ["o2"]
    assert accused(said(rules, late, earlier)) == []
    assert accused(said(rules, late, runs)) == ["o2"], (
        "half a unit of the first day, until thirty days after the second"
    )


def test_a_claim_tells_a_stay_closed_although_orders_are_left(rules: dict[str, RulesOf]) -> None:
    closed = stay(
        "s", "03-01", "03-05", line("l1", PLAIN, "03-02"), settled_at=at("03-01", "18:00"), encounter_id="visit-s"
    )
    two = (order("o1", NURSING, "03-05"), order("o2", NURSING, "03-05", clock="12:30"))
    answer = said(rules, asked_in_hospital("a", "03-05", *two), closed)
    assert answer.history.stays["A", "visit-s"].days is not None
    assert answer.history.running == {}


def test_after_the_settlement_no_order_is_seen(rules: dict[str, RulesOf]) -> None:
    """Rules of the phase after see claims alone: a history without requests holds none."""
    claim = visit("c", line("l1", NURSING, "03-02"), encounter_id="visit-v")
    answer = said(rules, request("a", "03-02", order("o1", NURSING, "03-02", clock="12:30")), claim)
    assert accused(answer) == []
    assert answer.orders.places
    assert not answer.orders.claims


# --- what a reference by another hand found


def test_a_number_that_is_used_again_hides_no_order(rules: dict[str, RulesOf]) -> None:
    old = visit("c", line("l1", PLAIN, "2025-01-01"), encounter_id="visit-v", settled_at=at("2025-01-01"))
    answer = said(rules, request("a", "03-02", order("o1", NURSING, "03-02", "2")), old)
    assert accused(answer) == ["o1"]
    assert answer.history.used_again


def test_a_running_stay_elsewhere_shows_nobody_there(rules: dict[str, RulesOf]) -> None:
    """Rule 7: who lies in a stay that is not closed may have been anywhere."""
    here = asked_in_hospital(
        "a", "03-06", order("o1", PLAIN, "03-03"), phase="during", discharged_at=at("03-05", "10:00")
    )
    elsewhere = asked_in_hospital(
        "b", "03-06", order("o2", PLAIN, "03-03"), institution="B", encounter_id="w", phase="during"
    )
    assert accused(said(rules, here, elsewhere)) == []


def test_a_standing_order_without_a_told_day_takes_no_line() -> None:
    asked = request("a", "03-02", order("o1", NURSING, "1900-01-01", standing=True), order("o2", NURSING, "03-01"))
    assert places([asked], visit("c", line("l1", NURSING, "03-01"), encounter_id="visit-v")).keys() == {"o2"}


def test_a_stay_whose_orders_the_patient_pays_is_not_in_the_fund(rules: dict[str, RulesOf]) -> None:
    left: dict[str, Any] = {"phase": "during", "discharged_at": at("03-05", "10:00")}
    here = asked_in_hospital("a", "03-06", order("o1", PLAIN, "03-04"), admitted_at=at("03-02"), **left)
    own = order("o2", PLAIN, "03-03", own_pay="100")
    elsewhere = asked_in_hospital("b", "03-06", own, institution="B", encounter_id="w", **left)
    assert accused(said(rules, here, elsewhere)) == []
    paid = asked_in_hospital("b", "03-06", order("o2", PLAIN, "03-03"), institution="B", encounter_id="w", **left)
    assert accused(said(rules, here, paid)) == ["o1"]


def test_orders_that_count_for_nothing_keep_no_stay_running(rules: dict[str, RulesOf]) -> None:
    bill = visit(
        "c",
        line("l1", NURSING, "03-01"),
        visit_type="21",
        admitted_at=at("03-01"),
        encounter_id="visit-s",
        settled_at=at("03-02", "08:00"),
    )
    asked = request("a", "03-02", order("o1", NURSING, "03-01", clock="13:00"), encounter_id="w")
    own = asked_in_hospital("b", "03-02", order("o2", PLAIN, "03-01", own_pay="100"))
    assert accused(said(rules, asked, bill, own)) == []
    counting = asked_in_hospital("b", "03-02", order("o2", PLAIN, "03-01"))
    assert accused(said(rules, asked, bill, counting)) == ["o1"]


def test_a_correction_bills_nothing_twice() -> None:
    asked = request("a", "03-01", order("o1", HBA1C, "03-01"), order("o2", HBA1C, "03-01"))
    bill: dict[str, Any] = {"encounter_id": "visit-v"}
    billed = visit("c", line("l1", HBA1C, "03-01"), **bill)
    correction = visit("d", line("l1", HBA1C, "03-01"), corrects="c", **bill)
    assert places([asked], billed, correction).keys() == {"o1"}


def test_of_lines_of_one_name_the_first_bills_in_whatever_claim_it_stands() -> None:
    asked = request("a", "03-01", order("o1", HBA1C, "03-01"))
    first = visit("c", line("l1", HBA1C, "03-01", clock="08:00"), encounter_id="elsewhere")
    same = visit("d", line("l1", HBA1C, "03-01", order_id="o1"), encounter_id="elsewhere")
    assert places([asked], same).keys() == {"o1"}
    assert places([asked], first, same) == {}


def test_an_earlier_admission_told_by_a_bill_begins_the_stay(rules: dict[str, RulesOf]) -> None:
    """From 03-01 to 03-03 there are three days with a bed, from 03-03 on one."""
    bill = visit(
        "c", line("l1", BED, "03-01"), visit_type="21", admitted_at=at("03-01"), encounter_id="visit-s", mid_stay=True
    )
    beds = [order(f"o{n}", BED, "03-03", clock=f"12:0{n}") for n in (1, 2)]
    assert accused(said(rules, asked_in_hospital("a", "03-03", *beds, admitted_at=at("03-03")), bill)) == []


def test_an_order_without_units_is_no_line(rules: dict[str, RulesOf]) -> None:
    asked = request("a", "03-02", order("o1", NURSING, "03-02", "2"), order("o2", NURSING, "03-02", "-1"))
    assert accused(said(rules, asked)) == ["o1"]


def test_an_order_that_its_doctor_takes_back_counts_no_more_until_it_is_asked_about_again(
    rules: dict[str, RulesOf],
) -> None:
    first = request("a", "03-02", order("o1", HBA1C, "03-02"))
    other = request("b", "03-04", order("o2", HBA1C, "03-04"))

    def replied(way: str, day: str, **told: Any) -> Replied:
        fields = {"institution": "A", "orders": frozenset({("o1", HBA1C)}), **told}
        return Replied("w", changes=way == "change", at=microseconds(at(day)), event_id=f"{way} {day}", **fields)

    def warned(*replies: Replied, of: Prescription = first) -> list[str]:
        known = Known([], [prescription_digest(of)], {}, replies)
        return accused(judge_orders(patient("p1"), [prescription_digest(other)], known, rules["before"]))

    assert warned() == ["o2"]
    assert warned(replied("change", "03-03")) == []
    assert warned(replied("continue", "03-03")) == ["o2"]
    assert warned(replied("change", "03-03"), replied("continue", "03-04")) == ["o2"]
    assert warned(replied("continue", "03-03"), replied("change", "03-04")) == []
    assert warned(replied("change", "03-03", institution="B")) == ["o2"]
    assert warned(replied("change", "03-03", orders=frozenset({("o1", NURSING)}))) == ["o2"]
    again = request("c", "03-03", order("o1", HBA1C, "03-02"), clock="12:01")
    assert warned(replied("change", "03-03"), of=again) == ["o2"]
