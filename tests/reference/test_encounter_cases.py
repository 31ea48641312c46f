"""Encounters by section 2 of docs/what-counts.md, by hand: a number that is used again is another encounter."""

from datetime import date, timedelta
from itertools import permutations

import pytest

from knowledge_base.catalogues.rows import BedItem
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event

from .cases import BED, NURSING, PLAIN, at, hits, line, point, stay, visit
from .oddities import ODD_DETAILS
from .rules import BED_DAYS
from .standing import Person, people

FIRST = date(2024, 3, 1)


def days_later(days: int) -> str:
    return (FIRST + timedelta(days=days)).isoformat()


def on(name: str, days: int, *lines: ClaimLine, **fields: object) -> Claim:
    """A claim under number v, settled and happened ``days`` after the first, with a line on that day unless told."""
    day = days_later(days)
    told = lines or (line(f"l{name}", PLAIN, day),)
    return visit(name, *told, **{"encounter_id": "v", "happened_at": at(day), **fields})


def person(*events: Event) -> Person:
    (found,) = people(events)
    return found


def places(*events: Event) -> dict[str, str]:
    """The name of the encounter of each event, by claim_id (or event_id where it is told)."""
    found = person(*events)
    return {event.claim_id: found.encounters.of[event.event_id][1] for event in events if isinstance(event, Claim)}


AGAIN = on("1", 0), on("2", 401)
ONE, TWO = f"v@{days_later(0)}", f"v@{days_later(401)}"


@pytest.mark.parametrize(("days", "names"), [(400, {"v"}), (401, {ONE, TWO})])
def test_401_days_later_it_is_another_encounter_and_400_days_later_the_same(days: int, names: set[str]) -> None:
    assert set(places(on("1", 0), on("2", days)).values()) == names


def test_the_days_are_counted_from_the_last_day_of_all_before() -> None:
    bridge = on("3", 300)
    assert set(places(*AGAIN, bridge).values()) == {"v"}
    long = stay("1", days_later(0), days_later(100), encounter_id="v", happened_at=at(days_later(100)))
    assert set(places(long, on("2", 500)).values()) == {"v"}
    assert len(set(places(long, on("2", 501)).values())) == 2
    within = on("3", 10)
    assert len(set(places(long, within, on("2", 500)).values())) == 1


def test_a_number_may_be_used_three_times() -> None:
    names = places(*AGAIN, on("3", 802))
    assert list(names.values()) == [ONE, TWO, f"v@{days_later(802)}"]


def test_the_days_of_two_institutions_have_nothing_to_do_with_one_another() -> None:
    assert set(places(on("1", 0), on("2", 401, institution="B")).values()) == {"v"}
    assert set(places(*AGAIN, on("3", 200, institution="B")).values()) == {ONE, "v", TWO}


def test_placeholders_are_no_days_of_a_claim() -> None:
    odd = on("1", 0, line("a", PLAIN, days_later(0)), line("b", PLAIN, "1900-01-01"), line("c", PLAIN, "2099-01-01"))
    assert places(odd, on("2", 401)) == {"1": ONE, "2": TWO}


def test_a_claim_without_days_lies_on_the_day_of_its_settlement() -> None:
    empty = visit("2", encounter_id="v", happened_at=at(days_later(401)))
    assert places(on("1", 0), empty) == {"1": ONE, "2": TWO}


def test_a_claim_without_any_day_belongs_to_the_first_encounter() -> None:
    lost = visit("3", line("a", PLAIN, "1900-01-01"), encounter_id="v", settled_at=at("1900-01-01"))
    assert places(*AGAIN, lost) == {"1": ONE, "2": TWO, "3": ONE}
    assert places(lost) == {"3": "v"}


def test_a_claim_that_does_not_stand_lays_encounters_too() -> None:
    """The middle one is reversed: it bridges none the less, and has a place."""
    bridge, reversal = on("3", 300), on("r", 310, reverses="3")
    assert set(places(*AGAIN, bridge, reversal).values()) == {"v"}


def test_the_number_stays_where_only_one_encounter_has_a_standing_claim() -> None:
    assert set(places(*AGAIN, on("r", 402, reverses="2")).values()) == {"v"}


def test_the_name_is_the_first_day_of_the_standing_claims() -> None:
    """The earliest claim of the second encounter is reversed."""
    events = [*AGAIN, on("3", 410), on("r", 420, reverses="2")]
    assert places(*events)["3"] == f"v@{days_later(410)}"


def test_a_correction_on_earlier_days_gives_its_encounter_its_first_day() -> None:
    moved = on("3", 350, corrects="2")
    assert places(*AGAIN, moved) == {"1": ONE, "2": f"v@{days_later(350)}", "3": f"v@{days_later(350)}"}


@pytest.mark.parametrize("link", ["reverses", "corrects"])
def test_what_reverses_or_corrects_belongs_where_its_target_is_though_it_lies_years_later(link: str) -> None:
    names = places(*AGAIN, on("3", 0), on("4", 900, **{link: "3"}))
    assert names["4"] == ONE


def test_what_corrects_a_correction_belongs_where_the_first_of_the_chain_is() -> None:
    events = [*AGAIN, on("3", 0), on("4", 900, corrects="3"), on("5", 950, corrects="4")]
    for order in permutations(events):
        assert places(*order) == {"1": ONE, "2": TWO, "3": ONE, "4": ONE, "5": ONE}


@pytest.mark.parametrize(
    ("days", "beside"), [(-5, "1"), (0, "1"), (1, "1"), (400, "1"), (401, "2"), (500, "2"), (2000, "2")]
)
@pytest.mark.parametrize("fields", [{"corrects": "gone"}, {"reverses": "gone"}])
def test_what_names_nothing_belongs_to_the_latest_encounter_that_began_by_its_first_day(
    days: int, beside: str, fields: dict[str, str]
) -> None:
    names = places(*AGAIN, on("3", days, **fields))
    assert names["3"] == names[beside]


def test_a_target_under_another_number_or_at_another_institution_is_none() -> None:
    far = visit("t", line("t", PLAIN, days_later(0)), encounter_id="w", happened_at=at(days_later(0)))
    assert places(*AGAIN, far, on("3", 500, corrects="t"))["3"] == TWO
    there = on("t", 0, institution="B")
    assert places(*AGAIN, there, on("3", 500, corrects="t"))["3"] == TWO


def test_corrections_on_a_cycle_name_nothing_and_one_from_outside_belongs_where_they_are() -> None:
    circle = [on("3", 20, corrects="4"), on("4", 700, corrects="3")]
    names = places(*AGAIN, *circle, on("5", 900, corrects="3"))
    assert (names["3"], names["4"], names["5"]) == (ONE, TWO, ONE)


def test_where_all_reverse_or_correct_they_are_one_encounter() -> None:
    assert places(on("1", 0, corrects="x"), on("2", 900, corrects="y")) == {"1": "v", "2": "v"}


def back(line_id: str, refund_of: str | None, days: int) -> ClaimLine:
    money = {"amount": "-100", "in_fund_scope": "-100"}
    return line(line_id, PLAIN, days_later(days), "-1", refund_of=refund_of, **money)


def test_what_only_takes_back_belongs_where_the_line_lies_that_it_names() -> None:
    assert places(*AGAIN, on("3", 900, back("r", "l1", 900)))["3"] == ONE
    assert places(*AGAIN, on("3", 900, back("r", "l2", 900)))["3"] == TWO


def test_the_first_refund_of_in_the_order_of_lines_tells_the_place() -> None:
    late, early = back("a", "l2", 901), back("b", "l1", 900)
    assert places(*AGAIN, on("3", 900, late, early))["3"] == ONE
    assert places(*AGAIN, on("3", 900, late, back("b", None, 900)))["3"] == TWO
    assert places(*AGAIN, on("3", 900, back("b", "gone", 900), late))["3"] == TWO  # names nothing, so by its day


def test_of_several_claims_with_that_line_the_one_of_the_greatest_rank_tells_the_place() -> None:
    one, other = on("1", 0, line("a", PLAIN, days_later(0))), on("2", 401, line("a", PLAIN, days_later(401)))
    taking = on("3", 450, back("r", "a", 450))
    assert places(one, other, taking)["3"] == TWO
    later = on("1", 0, line("a", PLAIN, days_later(0)), happened_at=at(days_later(402)), settled_at=at(days_later(402)))
    assert places(later, other, taking)["3"] == ONE


def test_what_only_takes_back_and_names_nothing_belongs_by_its_own_first_day() -> None:
    assert places(*AGAIN, on("3", 450, back("r", None, 450)))["3"] == TWO
    assert places(*AGAIN, on("3", 300, back("r", "gone", 300)))["3"] == ONE
    assert places(on("3", 0, back("r", "x", 0)), on("4", 900, back("s", "y", 900))) == {"3": "v", "4": "v"}


def test_a_line_of_its_own_makes_it_a_claim_that_is_laid() -> None:
    mixed = on("3", 802, back("r", "l1", 802), line("z", PLAIN, days_later(802), "0"))
    assert places(*AGAIN, mixed)["3"] == f"v@{days_later(802)}"


def test_a_refund_years_later_takes_off_the_line_of_its_own_encounter() -> None:
    """Both encounters have a line x."""
    first = on("1", 0, line("x", NURSING, days_later(0), "2"), settled_at=at(days_later(0)))
    second = on("2", 401, line("x", NURSING, days_later(401), "2"))
    taking = on("3", 450, back("r", "x", 450))
    quantities = {one.key[1]: one.quantity for one in person(first, second, taking).lines}
    assert quantities == {ONE: 2, TWO: 1}


def test_an_event_that_does_not_hold_belongs_where_the_holder_is_if_that_has_the_same_number() -> None:
    old, new = on("3", 5, event_id="e-old"), on("3", 500, event_id="e-new")
    found = person(*AGAIN, old, new).encounters.of
    assert found["e-old"] == found["e-new"] == ("A", TWO)
    moved = on("3", 600, event_id="e-new", encounter_id="w")
    found = person(*AGAIN, old, moved).encounters.of
    assert (found["e-old"], found["e-new"]) == (("A", ONE), ("A", "w"))


def test_each_encounter_of_a_number_is_odd_with_its_standing_claims_and_others_are_not() -> None:
    found = hits(ODD_DETAILS, *AGAIN, on("3", 402), on("w", 0, encounter_id="w"))
    assert {occurrence: one.value for occurrence, one in found.items()} == {
        ("p1", "A", ONE, "encounter_used_again"): 1,
        ("p1", "A", TWO, "encounter_used_again"): 2,
    }


def test_occurrences_and_line_names_carry_the_day() -> None:
    lines = line("a", BED, days_later(401), "9"), line("b", NURSING, days_later(401), "1")
    second = stay("2", days_later(401), days_later(405), *lines, encounter_id="v", happened_at=at(days_later(405)))
    beds = [point("bed_items", BedItem(name="bed", codes=(BED,)), FIRST)]
    found = hits(BED_DAYS, on("1", 0), second, points=beds)
    assert set(found) == {("p1", "A", TWO)}
    assert found["p1", "A", TWO].guilty == {("A", TWO, "a")}


def test_the_same_line_id_in_two_encounters_of_a_number_is_no_line_twice() -> None:
    one, other = on("1", 0, line("a", PLAIN, days_later(0))), on("2", 401, line("a", PLAIN, days_later(401)))
    kinds = {occurrence[-1] for occurrence in hits(ODD_DETAILS, one, other)}
    assert kinds == {"encounter_used_again"}
    assert len(person(one, other).lines) == 2


def test_two_stays_of_one_number_are_two_stays() -> None:
    one = stay("1", days_later(0), days_later(4), encounter_id="v", happened_at=at(days_later(4)))
    two = stay("2", days_later(405), days_later(409), encounter_id="v", happened_at=at(days_later(409)))
    assert [found.span[0].isoformat() for found in person(one, two).stays] == [days_later(0), days_later(405)]
