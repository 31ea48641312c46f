"""Sections 1 to 4 and 6 of docs/what-counts.md by hand: who is one person, what stands, what counts, what it costs."""

from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest

from knowledge_base.catalogues.rows import DailyCap
from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.head import Event

from .cases import BED, NURSING, POINTS, at, hits, line, only, point, status, stay, visit
from .rules import BED_DAYS, DAILY_CAP
from .standing import Person, people

TWICE = (line("a", NURSING, "03-01"), line("b", NURSING, "03-01"))


def person(*events: Event) -> Person:
    (found,) = people(events)
    return found


def standing(*events: Event) -> set[str]:
    return {claim.claim_id for claim in person(*events).claims}


def claim(name: str, day: str = "03-01", *lines: ClaimLine, **fields: object) -> Claim:
    return visit(name, *lines, happened_at=at(day), **fields)


def test_a_chain_of_merges_names_the_least_pseudonym_whatever_the_order() -> None:
    merges = [
        status("m1", "05-01", "merge", patient="p3", same_as="p2"),
        status("m2", "05-02", "merge", patient="p0", same_as="p3"),
    ]
    one, other = visit("1", TWICE[0], patient="p2"), visit("2", TWICE[1], patient="p3")
    orders: tuple[list[Event], ...] = ([one, other, *merges], [*reversed(merges), other, one])
    for events in orders:
        assert set(hits(DAILY_CAP, *events)) == {("p0", "A", NURSING, "2026-03-01")}


def test_two_pseudonyms_without_a_merge_are_two_people() -> None:
    assert hits(DAILY_CAP, visit("1", TWICE[0], patient="p2"), visit("2", TWICE[1], patient="p3")) == {}


def test_of_one_claim_id_twice_the_greater_event_id_of_the_same_moment_holds() -> None:
    less, more = claim("1", event_id="e1"), claim("1", event_id="e2")
    assert [held.event_id for held in person(more, less).claims] == ["e2"]


def test_links_of_a_claim_that_does_not_hold_are_ignored() -> None:
    assert standing(claim("1"), claim("2", "03-01", reverses="1"), claim("2", "03-02")) == {"1", "2"}


def test_a_reversal_counts_for_nothing_and_so_does_its_target_even_when_it_came_before() -> None:
    assert standing(claim("1", "03-05"), claim("r", "03-01", reverses="1"), claim("2")) == {"2"}


def test_a_reversal_that_is_itself_reversed_brings_nothing_back() -> None:
    assert standing(claim("1"), claim("r", reverses="1"), claim("rr", reverses="r")) == set()


def test_a_reversal_takes_the_whole_chain_of_corrections_along_in_whatever_order_they_came() -> None:
    events = [claim("1"), claim("2", corrects="1"), claim("3", corrects="2"), claim("r", reverses="1")]
    for order in permutations(events):
        assert standing(*order) == set()
    early = claim("r", "02-01", reverses="1")
    assert standing(*events[:3], early) == set()


def test_a_reversal_takes_all_rivals_along_and_what_corrects_a_losing_one() -> None:
    rivals = [claim("1"), claim("2", "03-02", corrects="1"), claim("3", "03-03", corrects="1")]
    of_the_loser = claim("4", corrects="2")
    assert standing(*rivals, of_the_loser) == {"3", "4"}
    assert standing(*rivals, of_the_loser, claim("r", reverses="1")) == set()


def test_a_reversal_of_a_correction_takes_along_what_corrects_it_and_no_rival() -> None:
    rivals = [claim("1"), claim("2", "03-02", corrects="1"), claim("3", "03-03", corrects="1")]
    assert standing(*rivals, claim("4", corrects="3"), claim("r", reverses="3")) == set()
    assert standing(*rivals, claim("4", corrects="2"), claim("r", reverses="3")) == {"4"}


def test_a_reversal_takes_nothing_along_over_an_arrow_on_a_cycle() -> None:
    circle = [claim("1", corrects="2"), claim("2", corrects="1")]
    assert standing(*circle, claim("r", reverses="1")) == {"2"}
    assert standing(*circle, claim("3", corrects="1"), claim("r", reverses="1")) == {"2"}


def test_what_corrects_a_reversal_falls_only_when_that_reversal_is_reversed() -> None:
    events = [claim("1"), claim("r", reverses="1"), claim("c", corrects="r")]
    assert standing(*events) == {"c"}
    assert standing(*events, claim("rr", reverses="r")) == set()


def fallen(*events: Event) -> set[str]:
    return {found.claim_id for found in person(*events).fell_although_paid}


def test_what_would_stand_but_for_the_reversal_and_was_paid_is_told() -> None:
    chain = [claim("1"), claim("2", corrects="1"), claim("3", corrects="2"), claim("r", reverses="1")]
    assert fallen(*chain) == {"3"}
    assert fallen(*chain, claim("rr", reverses="3")) == set()
    rivals = [claim("1"), claim("2", "03-02", corrects="1"), claim("3", "03-03", corrects="1")]
    assert fallen(*rivals, claim("r", reverses="1")) == {"3"}


@pytest.mark.parametrize(
    ("paid", "told"),
    [(Paid("0.01"), True), (Paid("0", aid="1"), True), (Paid("0", own="9"), False), (Paid("-1"), False), (None, False)],
)
def test_what_fell_is_told_only_where_the_fund_paid(paid: Paid | None, told: bool) -> None:
    events = [claim("1"), claim("2", corrects="1", paid=paid), claim("r", reverses="1")]
    assert fallen(*events) == ({"2"} if told else set())


def test_one_claim_id_at_two_institutions_is_two_settlements() -> None:
    found = person(claim("1"), claim("1", "03-02", institution="B", event_id="e2")).claims
    assert {held.institution for held in found} == {"A", "B"}


@pytest.mark.parametrize("link", ["reverses", "corrects"])
def test_links_reach_claims_of_their_own_institution_alone(link: str) -> None:
    events = [claim("1"), claim("2", institution="B", **{link: "1"})]
    assert "1" in standing(*events)
    assert "1" not in standing(claim("1"), claim("2", **{link: "1"}))
    same_name = claim("1", institution="B", event_id="e2")
    assert [held.institution for held in person(*events, same_name).claims if held.claim_id == "1"] == ["A"]


def test_a_correction_is_a_claim_of_its_own_when_its_target_is_another_persons() -> None:
    other = claim("c", corrects="1", patient="p2")
    assert {held.claim_id for one in people([claim("1"), other]) for held in one.claims} == {"1", "c"}


def test_a_correction_of_a_reversal_brings_nothing_back_but_stands() -> None:
    assert standing(claim("1"), claim("r", reverses="1"), claim("c", corrects="r")) == {"c"}


def test_a_reversed_correction_brings_nothing_back() -> None:
    assert standing(claim("1"), claim("c", corrects="1"), claim("r", reverses="c")) == set()


def test_of_two_rival_corrections_the_later_stands() -> None:
    assert standing(claim("1"), claim("c", "03-03", corrects="1"), claim("d", "03-02", corrects="1")) == {"c"}


def test_of_a_chain_of_corrections_the_last_stands() -> None:
    assert standing(claim("1"), claim("2", corrects="1"), claim("3", corrects="2")) == {"3"}


def test_on_a_cycle_no_correction_applies_but_one_from_outside_does() -> None:
    circle = [claim("1", corrects="3"), claim("2", corrects="1"), claim("3", corrects="2")]
    assert standing(*circle) == {"1", "2", "3"}
    assert standing(*circle, claim("4", corrects="2")) == {"1", "3", "4"}


def test_a_correction_without_target_stands_and_a_reversal_without_target_does_not() -> None:
    assert standing(claim("c", corrects="9"), claim("r", reverses="9")) == {"c"}


def test_a_reversal_reaches_no_claim_of_another_person() -> None:
    other = claim("r", reverses="1", patient="p2")
    assert {held.claim_id for one in people([claim("1"), other]) for held in one.claims} == {"1"}


def test_of_one_line_in_two_claims_of_an_encounter_the_later_claims_line_holds() -> None:
    early = claim("1", "03-01", line("a", NURSING, "03-01", "5"), encounter_id="v")
    late = claim("2", "03-02", line("a", NURSING, "03-01", "1"), encounter_id="v")
    assert [held.quantity for held in person(late, early).lines] == [Decimal(1)]
    assert hits(DAILY_CAP, late, early) == {}


def test_refunds_add_up_and_take_off_the_line_on_its_own_day_however_late() -> None:
    sold = visit("1", line("a", NURSING, "03-01", "3"), encounter_id="v")
    backs = [
        line(f"r{number}", NURSING, "05-20", "-0.5", refund_of="a", amount=Decimal(-10), in_fund_scope=Decimal(-10))
        for number in (1, 2)
    ]
    found = hits(DAILY_CAP, sold, visit("2", *backs, encounter_id="v"))
    assert found["p1", "A", NURSING, "2026-03-01"].value == 2
    assert found["p1", "A", NURSING, "2026-03-01"].in_question == Decimal("40.00")  # half of 100 - 20


def test_a_refund_beyond_the_line_leaves_nothing_and_no_debt() -> None:
    back = line("r", NURSING, "03-01", "-9", refund_of="a", amount=Decimal(-900), in_fund_scope=Decimal(-900))
    (rest,) = person(visit("1", TWICE[0], back)).lines
    assert [rest.quantity, rest.amount, rest.in_fund_scope] == [Decimal(0)] * 3
    assert (rest.counts, rest.undecided) == (False, False)


def test_a_refund_without_scope_makes_the_line_undecided() -> None:
    back = line("r", NURSING, "03-01", "-0.5", refund_of="a", in_fund_scope=None)
    (rest,) = person(visit("1", TWICE[0], back)).lines
    assert (rest.counts, rest.undecided, rest.in_fund_scope) == (False, True, None)


def test_a_refund_of_a_refund_or_in_another_encounter_does_nothing() -> None:
    back = line("r", NURSING, "03-01", "-1", refund_of="x")
    lost = visit("2", line("s", NURSING, "03-01", "-1", refund_of="a"), encounter_id="elsewhere")
    of_refund = line("t", NURSING, "03-01", "-1", refund_of="r")
    assert [rest.quantity for rest in person(visit("1", TWICE[0], back, of_refund), lost).lines] == [Decimal(1)]


@pytest.mark.parametrize(
    ("paid", "scope", "counts", "undecided"),
    [
        (Paid(Decimal("0.01")), Decimal("0.01"), True, False),
        (Paid(Decimal(0), aid=Decimal(1)), Decimal(1), True, False),
        (Paid(Decimal(0), shared_family_account=Decimal(9)), Decimal(1), False, False),
        (Paid(Decimal(0), shared_family_account=Decimal(9)), None, False, False),
        (None, Decimal(1), False, True),
        (None, None, False, True),
        (None, Decimal(0), False, False),
        (Paid(Decimal(1)), None, False, True),
        (Paid(Decimal(1)), Decimal(0), False, False),
    ],
)
def test_a_line_counts_when_the_fund_paid_and_it_is_in_scope(
    paid: Paid | None, scope: Decimal | None, counts: bool, undecided: bool
) -> None:
    (found,) = person(visit("1", line("a", NURSING, "03-01", in_fund_scope=scope), paid=paid)).lines
    assert (found.counts, found.undecided) == (counts, undecided)


def test_the_day_of_a_line_is_the_day_in_china_also_before_eight_and_at_midnight() -> None:
    lines = [line("a", NURSING, "03-02", clock=clock) for clock in ("00:00", "07:59", "08:00", "23:59")]
    assert {found.day for one in lines for found in person(visit("1", one)).lines} == {date(2026, 3, 2)}


def test_a_stay_runs_from_the_least_admission_to_the_greatest_discharge_of_final_claims() -> None:
    mid = stay("m", "02-27", "04-01", encounter_id="v", mid_stay=True)
    one, two = stay("1", "03-02", "03-05", encounter_id="v"), stay("2", "03-01", "03-04", encounter_id="v")
    (found,) = person(mid, one, two).stays
    assert (found.admitted, found.discharged) == (date(2026, 3, 1), date(2026, 3, 5))


@pytest.mark.parametrize(
    ("claims", "state"),
    [
        ([stay("1", "03-01", "03-05", mid_stay=True)], "open"),
        ([stay("1", "03-01", None)], "unclear"),
        ([stay("1", "03-02", "03-01")], "unclear"),
        ([stay("1", "03-01", "03-01")], "closed"),
    ],
)
def test_a_stay_without_final_claim_is_open_and_one_that_ends_before_it_begins_unclear(
    claims: list[Claim], state: str
) -> None:
    assert [found.state for found in person(*claims).stays] == [state]


def test_the_point_that_began_last_holds_from_its_own_first_day_and_none_before_the_first() -> None:
    revised = DailyCap(name="nursing", codes=(NURSING,), limit=Decimal(3), unit="日")
    points = (*POINTS, point("daily_caps", revised, date(2026, 3, 2)))
    for day, expected in (("2025-12-31", 0), ("01-01", 1), ("03-01", 1), ("03-02", 0)):
        two = line("a", NURSING, day, "2")
        assert len(hits(DAILY_CAP, visit("1", two), points=points)) == expected, day


def test_a_point_holds_on_its_last_day_and_not_after() -> None:
    cap = DailyCap(name="nursing", codes=(NURSING,), limit=Decimal(1), unit="日")
    points = [point("daily_caps", cap, valid_to=date(2026, 3, 1))]
    assert len(hits(DAILY_CAP, visit("1", line("a", NURSING, "03-01", "2")), points=points)) == 1
    assert hits(DAILY_CAP, visit("1", line("a", NURSING, "03-02", "2")), points=points) == {}


def test_money_is_rounded_half_up_for_each_line_and_the_loss_is_the_part_that_the_fund_paid() -> None:
    """Three units, one allowed: shares 1/2 of 0.01 and 1 of 0.03, both in scope; the fund paid a quarter of 0.04."""
    fields = {"amount": Decimal("0.01"), "in_fund_scope": Decimal("0.01")}
    lines = (
        line("a", NURSING, "03-01", "2", **fields, clock="01:00"),
        line("b", NURSING, "03-01", "1", amount=Decimal("0.03"), in_fund_scope=Decimal("0.03")),
    )
    found = only(DAILY_CAP, visit("1", *lines, paid=Paid(Decimal("0.01"))))
    assert (found.in_question, found.in_fund) == (Decimal("0.04"), Decimal("0.04"))
    assert found.loss == Decimal("0.01")  # 0.00125 and 0.0075


def test_the_fund_never_loses_more_than_what_is_in_its_scope() -> None:
    assert only(DAILY_CAP, visit("1", *TWICE, paid=Paid(Decimal(900)))).loss == Decimal("100.00")


@pytest.mark.parametrize("method", ["drg", "dip", "bed_day", None])
def test_the_loss_is_not_computable_unless_the_claim_is_paid_by_item(method: str | None) -> None:
    found = only(DAILY_CAP, visit("1", *TWICE, payment_method=method))
    assert (found.in_question, found.loss) == (Decimal("100.00"), None)


def test_the_loss_is_not_computable_where_the_scope_of_some_line_is_unknown() -> None:
    unknown = line("c", BED, "03-01", in_fund_scope=None)
    assert only(DAILY_CAP, visit("1", *TWICE, unknown)).loss is None


def test_the_finding_belongs_to_the_institution_of_the_last_guilty_line() -> None:
    found = only(BED_DAYS, stay("1", "03-01", "03-02", line("a", BED, "03-01", "2"), institution="B"))
    assert found.institution == "B"
