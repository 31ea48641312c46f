"""Pairs of hours and of the same hour: how near is near, and what a line posted in a batch cannot tell."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from knowledge_base.findings import Finding
from knowledge_base.subjects import PATIENT, patient
from rules_lib.engine import Judgement, judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.publication import pack, renewed
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Scope
from streams.messages.kinds import digest_of
from tests.reference.cases import at, line, stay, visit

from .in_memory import judgements

PAIRS = "GZ10000102012000"
DELIVERY, FETAL_MONITORING = "003314000020000", "003112010260000"
COLD_TEST, BLOOD_PRESSURE = "003102070040000", "003107010210000"
PLAIN = "002503020030000"


def of_pairs(judgement: Judgement) -> list[Finding]:
    """The findings of the rule of pairs alone."""
    return [finding for finding in judgement.findings if finding.maker_id == PAIRS]


def said(rule_set: RuleSet, *events: Event) -> tuple[list[tuple[str, ...]], list[str]]:
    """Occurrences of findings without the person, and the reasons of what was not evaluated."""
    judgement = judgements(events, rule_set)["p1"]
    hits = [finding.occurrence[1:] for finding in of_pairs(judgement)]
    return hits, [entry.reason for entry in judgement.not_evaluated if PAIRS in entry.rules]


def delivery(clock: str, day: str = "03-02", **fields: object) -> Claim:
    return visit("d", line("whole", DELIVERY, day, clock=clock), sex="2", **fields)


def monitoring(clock: str, day: str = "03-02", **fields: object) -> Claim:
    return visit("m", line("part", FETAL_MONITORING, day, clock=clock), sex="2", **fields)


HOURS = [("A", "hours", "2026-03-02", DELIVERY, FETAL_MONITORING)]
HOUR = [("A", "hour", "2026-03-02", COLD_TEST, BLOOD_PRESSURE)]


@pytest.mark.parametrize(
    ("whole", "part", "hits"),
    [
        (("03-02", "10:00"), ("03-02", "04:00"), HOURS),
        (("03-02", "10:00"), ("03-02", "03:59:59.999999"), []),
        (("03-02", "10:00"), ("03-02", "16:00"), HOURS),
        (("03-02", "10:00"), ("03-02", "16:00:00.000001"), []),
        (("03-02", "10:00"), ("03-02", "10:00"), HOURS),
        (("03-01", "23:30"), ("03-02", "05:30"), HOURS),
        (("03-03", "02:00"), ("03-02", "20:00"), HOURS),
        (("03-03", "02:00"), ("03-02", "19:59"), []),
    ],
)
def test_at_most_six_hours_apart_whatever_the_day(
    whole: tuple[str, str], part: tuple[str, str], hits: list[tuple[str, ...]], rule_set: RuleSet
) -> None:
    events = [delivery(whole[1], whole[0]), monitoring(part[1], part[0])]
    assert said(rule_set, *events) == (hits, [])


@pytest.mark.parametrize(
    ("whole", "part", "hits"),
    [
        ("10:00", "10:59:59.999999", HOUR),
        ("10:59", "11:00", []),
        ("10:00", "09:59:59.999999", []),
        ("23:00", "23:59", HOUR),
        ("23:59", "00:00:00.000001", []),
        ("07:59", "08:00", []),
    ],
)
def test_one_hour_is_one_of_the_clock(whole: str, part: str, hits: list[tuple[str, ...]], rule_set: RuleSet) -> None:
    lines = [line("whole", COLD_TEST, "03-02", clock=whole), line("part", BLOOD_PRESSURE, "03-02", clock=part)]
    assert said(rule_set, visit("v", *lines)) == (hits, [])


def test_another_institution_is_another_thing(rule_set: RuleSet) -> None:
    assert said(rule_set, delivery("10:00"), monitoring("09:00", institution="B")) == ([], [])


def test_of_several_hours_one_is_in_dispute(rule_set: RuleSet) -> None:
    lines = [
        line("whole", COLD_TEST, "03-02", clock="10:00"),
        line("part", BLOOD_PRESSURE, "03-02", "4", clock="10:20"),
        line("less", BLOOD_PRESSURE, "03-02", "0.5", clock="10:40"),
    ]
    (finding,) = of_pairs(judgements([visit("v", *lines)], rule_set)["p1"])
    assert (finding.value, finding.limit) == (Decimal("1.5"), 0)
    assert {part.part[2]: part.amounts.in_question for part in finding.guilty} == {"part": 25, "less": 100}
    assert [key[2] for key in finding.involved] == ["whole"]


def test_only_what_is_near_is_guilty_and_involved(rule_set: RuleSet) -> None:
    lines = [
        line("early", DELIVERY, "03-02", clock="01:00"),
        line("whole", DELIVERY, "03-02", clock="12:00"),
        line("near", FETAL_MONITORING, "03-02", clock="17:00"),
        line("far", FETAL_MONITORING, "03-02", clock="18:01"),
    ]
    (finding,) = of_pairs(judgements([visit("v", *lines, sex="2")], rule_set)["p1"])
    assert [part.part[2] for part in finding.guilty] == ["near"]
    assert [key[2] for key in finding.involved] == ["whole"]


def test_the_points_of_a_finding_are_those_of_its_interval(rule_set: RuleSet) -> None:
    """A delivery is the whole of pairs of a visit too."""
    (finding,) = of_pairs(judgements([delivery("10:00"), monitoring("09:00")], rule_set)["p1"])
    assert finding.points == (f"pairs_of_hours/{DELIVERY}/2025-12-31",)


def test_before_the_point_is_in_force_there_is_no_finding(rule_set: RuleSet) -> None:
    assert said(rule_set, delivery("02:00", "2025-12-31"), monitoring("23:00", "2025-12-30")) == ([], [])
    assert said(rule_set, delivery("23:00", "2025-12-30"), monitoring("02:00", "2025-12-31"))[0] == [
        ("A", "hours", "2025-12-31", DELIVERY, FETAL_MONITORING)
    ]


# --- posted in a batch

BATCH = ["posted in a batch"]
UNDECIDED = ["paid or in_fund_scope missing"]


def others(clock: str, number: int) -> Sequence[ClaimLine]:
    """Lines of so many further items at one instant."""
    return [line(f"o{index}", f"00250302003{index:04}", "03-02", clock=clock) for index in range(number)]


@pytest.mark.parametrize(
    ("whole", "part", "reasons"),
    [
        ("00:00", "05:00", BATCH),
        ("05:00", "00:00", BATCH),
        ("00:00", "21:00", BATCH),
        ("00:00:00.000001", "05:00", []),
    ],
)
def test_midnight_sharp_tells_no_time(whole: str, part: str, reasons: list[str], rule_set: RuleSet) -> None:
    hits = [] if reasons else HOURS
    assert said(rule_set, delivery(whole), monitoring(part)) == (hits, reasons)


def test_midnight_of_the_next_day_is_near_and_tells_no_time(rule_set: RuleSet) -> None:
    assert said(rule_set, delivery("00:00", "03-03"), monitoring("20:00")) == ([], BATCH)
    assert said(rule_set, delivery("00:00", "03-03"), monitoring("17:00")) == ([], [])


@pytest.mark.parametrize(("number", "hits", "reasons"), [(1, HOURS, []), (2, [], BATCH)])
def test_three_items_at_one_instant_of_an_encounter_tell_no_time(
    number: int, hits: list[tuple[str, ...]], reasons: list[str], rule_set: RuleSet
) -> None:
    lines = [line("part", FETAL_MONITORING, "03-02", clock="09:00"), *others("09:00", number)]
    assert said(rule_set, delivery("10:00"), visit("m", *lines, sex="2")) == (hits, reasons)


def test_items_of_another_encounter_or_instant_one_item_twice_and_refunds_are_no_batch(rule_set: RuleSet) -> None:
    lines = [
        line("part", FETAL_MONITORING, "03-02", clock="09:00"),
        line("again", FETAL_MONITORING, "03-02", clock="09:00"),
        line("third", PLAIN, "03-02", clock="09:00"),
        line("refund", "003402000390000", "03-02", "-1", clock="09:00", refund_of="third"),
    ]
    elsewhere = [visit("o", *others("09:00", 3)), visit("l", *others("09:01", 3), encounter_id="visit-m")]
    assert said(rule_set, delivery("10:00"), visit("m", *lines, sex="2"), *elsewhere) == (HOURS, [])


def test_the_day_of_discharge_alone_tells_no_time(rule_set: RuleSet) -> None:
    part = line("part", FETAL_MONITORING, "03-02", clock="09:00")
    earlier = line("earlier", FETAL_MONITORING, "03-01", clock="09:00")
    discharged = stay("m", "02-28", "03-02", part, sex="2")
    assert said(rule_set, delivery("10:00"), discharged) == ([], BATCH)
    assert said(rule_set, delivery("20:00"), discharged) == ([], BATCH)
    assert said(rule_set, delivery("10:00"), stay("m", "02-28", "03-02", part, earlier, sex="2")) == (HOURS, [])
    assert said(rule_set, delivery("10:00"), stay("m", "03-02", "03-02", part, sex="2")) == (HOURS, [])
    assert said(rule_set, delivery("10:00"), stay("m", "02-28", "03-03", part, sex="2")) == (HOURS, [])
    assert said(rule_set, delivery("10:00"), stay("m", "02-28", None, part, sex="2", mid_stay=True)) == (HOURS, [])


def test_a_line_that_tells_its_time_is_enough(rule_set: RuleSet) -> None:
    lines = [
        line("midnight", FETAL_MONITORING, "03-02", clock="00:00"),
        line("timed", FETAL_MONITORING, "03-02", clock="11:00"),
    ]
    (finding,) = of_pairs(judgements([delivery("10:00"), visit("m", *lines, sex="2")], rule_set)["p1"])
    assert [part.part[2] for part in finding.guilty] == ["timed"]


# --- what is not known


def test_undecided_lines_that_are_near_are_not_evaluated(rule_set: RuleSet) -> None:
    assert said(rule_set, delivery("10:00", paid=None), monitoring("09:00")) == ([], UNDECIDED)
    assert said(rule_set, delivery("10:00"), monitoring("09:00", paid=None)) == ([], UNDECIDED)
    assert said(rule_set, delivery("10:00"), monitoring("03:00", paid=None)) == ([], [])
    assert said(rule_set, delivery("10:00"), monitoring("00:00", paid=None)) == ([], UNDECIDED)


@pytest.mark.parametrize("touched", ["2026-03-02", "2026-03-03"])
def test_either_day_judges_a_pair_over_midnight(touched: str, rule_set: RuleSet) -> None:
    """An event that comes later touches its own day alone."""
    rules = rule_set.of(PATIENT)
    events = [delivery("02:00", "03-03"), monitoring("21:00")]
    history = PatientHistory(patient("p1"), [digest_of(event) for event in events], rules.by_code)
    day = at(touched).date().toordinal()
    assert [finding.occurrence[1:] for finding in of_pairs(judge(history, Scope([(day, day)]), rules))] == HOURS


# --- sets of before


def test_a_set_of_before_judges_its_own_pairs_and_no_others(rule_set: RuleSet) -> None:
    """It names two catalogues and no limit, and its rows do not say where their sheets have them."""
    document = msgspec.json.decode(pack(rule_set))
    (words,) = [words for words in document["rules"] if words["id"] == PAIRS]
    words.update(catalogues=["pairs_of_a_day", "pairs_of_a_visit"], limits={}, reach={})
    document["points"] = [point for point in document["points"] if point["catalogue"] in words["catalogues"]]
    for point in document["points"]:
        del point["row"]["rows"]
    of_before = renewed(msgspec.json.encode(document))
    assert not of_before.suspended
    assert said(of_before, delivery("10:00"), monitoring("09:00")) == ([], [])
    glucose = [line("whole", "003102050010000", "03-02"), line("part", "002503020010000", "03-02")]
    assert said(of_before, visit("v", *glucose))[0] == [
        ("A", "day", "2026-03-02", "003102050010000", "002503020010000")
    ]
