"""Leads: what they are called, and that what they come to is a commutative function of their findings."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from casework.decisions import Verdict
from casework.leads import Dispute, LeadFinding, LeadKey, lead_id, lead_key, totals
from casework.precision import Backer, Expected, expected_money
from knowledge_base.days import FIRST_DAY, as_date
from knowledge_base.findings import Amounts, Change, Finding, FindingVersion, Lane, Maker, Severity
from knowledge_base.subjects import PATIENT, Subject, patient

DAY = 739_700

money = st.integers(0, 10_000).map(lambda cents: Decimal(cents) / 100)
disputes = st.builds(Dispute, st.sampled_from("abcd"), money, money, st.none() | money)
findings = st.builds(
    LeadFinding,
    subject=st.sampled_from([patient("p1"), patient("p2"), Subject("item", "p1")]),
    last_day=st.integers(DAY, DAY + 9),
    severity=st.sampled_from(Severity),
    excuse_until=st.none() | st.integers(DAY, DAY + 9),
    disputes=st.lists(disputes, max_size=3, unique_by=lambda dispute: dispute.line).map(tuple),
    backer=st.builds(Backer, st.sampled_from([Decimal("0.25"), Decimal("0.81")]), st.sampled_from(["r1", "r2"])),
    lane=st.sampled_from(Lane),
    counts=st.just(True),
    verdict=st.none() | st.sampled_from([Verdict.CONFIRMED, Verdict.DISMISSED, Verdict.RETURNED]),
    came_at=st.none() | st.sampled_from([datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)]),
)

BACKER = Backer(Decimal("0.25"), "FW10000001")
MAKER = Maker("rule", "FW10000001", "s", "r", "c")


def _finding(*disputed: Dispute, person: str = "p1", day: int = DAY, excuse_until: int | None = None) -> LeadFinding:
    return LeadFinding(patient(person), day, Severity.HIGH, excuse_until, disputed, BACKER)


def _dispute(line: str, in_question: str, in_fund: str, loss: str | None) -> Dispute:
    return Dispute(line, Decimal(in_question), Decimal(in_fund), None if loss is None else Decimal(loss))


def test_a_line_counts_once_with_the_greatest_of_each_amount() -> None:
    (total,) = totals([_finding(_dispute("a", "30", "10", "8")), _finding(_dispute("a", "20", "20", "9"), person="p2")])
    assert (total.in_question, total.in_fund, total.loss) == (Decimal(30), Decimal(20), Decimal(9))
    assert (total.findings, total.people, total.lines) == (2, 2, 1)


def test_different_lines_add_up() -> None:
    (total,) = totals([_finding(_dispute("a", "30", "10", "8"), _dispute("b", "5", "5", "4"))])
    assert (total.in_question, total.in_fund, total.loss) == (Decimal(35), Decimal(15), Decimal(12))


def test_loss_adds_up_what_is_known_and_says_how_much_is_not() -> None:
    (total,) = totals([_finding(_dispute("a", "30", "10", None), _dispute("b", "5", "5", "4"))])
    assert (total.loss, total.lines_without_loss) == (Decimal(4), 1)


def test_loss_is_unknown_only_where_no_line_has_one() -> None:
    (total,) = totals([_finding(_dispute("a", "30", "10", None))])
    assert (total.loss, total.lines_without_loss) == (None, 1)


def test_a_known_loss_of_a_line_holds_beside_an_unknown_one() -> None:
    (total,) = totals([_finding(_dispute("a", "30", "10", None)), _finding(_dispute("a", "30", "10", "8"))])
    assert (total.loss, total.lines_without_loss) == (Decimal(8), 0)


def test_no_findings_come_to_nothing() -> None:
    (total,) = totals([])
    assert (total.from_day, total.findings, total.loss, total.newest_day) == (FIRST_DAY, 0, None, None)


def test_a_finding_that_may_be_excused_counts_from_the_day_after() -> None:
    certain, waiting = _finding(_dispute("a", "1", "1", "1")), _finding(_dispute("b", "2", "2", "2"), excuse_until=DAY)
    before, after = totals([waiting, certain])
    assert (before.from_day, before.in_question) == (FIRST_DAY, Decimal(1))
    assert (after.from_day, after.in_question) == (DAY + 1, Decimal(3))


def test_a_lead_is_one_of_data_quality_while_it_holds_nothing_else() -> None:
    odd, waiting = replace(_finding(), lane=Lane.DATA_QUALITY), _finding(excuse_until=DAY)
    assert [total.lane for total in totals([odd])] == [Lane.DATA_QUALITY]
    assert [total.lane for total in totals([odd, waiting])] == [Lane.DATA_QUALITY, Lane.INSPECTION]
    assert [total.lane for total in totals([odd, _finding()])] == [Lane.INSPECTION]
    assert [total.lane for total in totals([])] == [Lane.INSPECTION]


def test_the_most_serious_rule_and_the_newest_day_hold() -> None:
    (total,) = totals([_finding(day=DAY + 3), LeadFinding(patient("p1"), DAY, Severity.CLEAR, None, (), BACKER)])
    assert (total.severity, total.newest_day) == (Severity.CLEAR, DAY + 3)


@given(st.lists(findings, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_order_does_not_matter(orders: tuple[list[LeadFinding], list[LeadFinding]]) -> None:
    assert totals(orders[0]) == totals(orders[1])


@given(st.lists(findings, max_size=8))
def test_each_step_comes_to_what_counts_by_then_in_its_state(found: list[LeadFinding]) -> None:
    for step in totals(found):
        counting = [finding for finding in found if finding.counts_from <= step.from_day]
        states = {"open" if finding.verdict is None else str(finding.verdict) for finding in counting}
        first = [state for state in ("open", "returned", "confirmed", "dismissed") if state in states]
        assert step.state == (first[0] if first else "open")
        in_state = [finding for finding in counting if (finding.verdict or "open") == step.state]
        greatest: dict[str, Decimal] = {}
        for dispute in (dispute for finding in in_state for dispute in finding.disputes):
            greatest[dispute.line] = max(greatest.get(dispute.line, Decimal(0)), dispute.in_question)
        assert step.in_question == sum(greatest.values())
        bounds: dict[str | Subject, Decimal] = {}
        for finding in in_state:
            for of in (dispute.line for dispute in finding.disputes):
                bounds[of] = max(bounds.get(of, Decimal(0)), finding.backer.bound)
        assert expected_money(step.expected) == sum(money * bounds[line] for line, money in greatest.items())
        assert sum(share.money for share in step.expected) == step.in_question
        assert step.findings == len(in_state)
        assert step.people == len({finding.subject for finding in in_state if finding.subject.kind == PATIENT})
        assert step.undecided == sum(finding.verdict is None for finding in counting)
        assert step.undecided + step.decided == len(counting)
        came = [finding.came_at for finding in counting if finding.verdict is None and finding.came_at is not None]
        assert step.came_at == (max(came) if came else None)
        assert step.makers == tuple(sorted({finding.backer.maker for finding in counting}))


def _decided(verdict: Verdict | None, amount: str, **more: Any) -> LeadFinding:
    return replace(_finding(_dispute(amount, amount, "0", "0")), verdict=verdict, **more)


def test_a_lead_speaks_of_what_is_still_to_be_decided_then_of_what_was_confirmed() -> None:
    confirmed, dismissed, open_one = (
        _decided(Verdict.CONFIRMED, "30"), _decided(Verdict.DISMISSED, "5"), _decided(None, "2"),
    )  # fmt: skip
    (total,) = totals([dismissed, open_one, confirmed])
    assert (total.state, total.in_question, total.undecided, total.decided) == ("open", Decimal(2), 1, 2)
    (total,) = totals([dismissed, confirmed])
    assert (total.state, total.in_question, total.findings) == ("confirmed", Decimal(30), 1)
    (total,) = totals([dismissed])
    assert (total.state, total.in_question) == ("dismissed", Decimal(5))


def test_what_was_decided_on_and_withdrawn_keeps_the_state_and_counts_no_more() -> None:
    gone = _decided(Verdict.CONFIRMED, "30", counts=False, is_changed=True)
    (total,) = totals([gone])
    assert (total.state, total.findings, total.in_question, total.changed) == ("confirmed", 0, Decimal(0), 1)
    (total,) = totals([gone, _decided(None, "2", is_new=True)])
    assert (total.state, total.findings, total.fresh) == ("open", 1, 1)


def test_a_lead_without_findings_is_as_it_was_decided() -> None:
    assert [step.state for step in totals([], "returned")] == ["returned"]
    assert [step.state for step in totals([])] == ["open"]


def _version(last_day: int, institution: str = "H1") -> FindingVersion:
    nothing = Amounts(Decimal(0), Decimal(0), None, "")
    occurrence = ("p1", institution, "v1")
    finding = Finding("FW10000001", occurrence, Decimal(2), Decimal(1), DAY, last_day, (), (), {}, nothing, institution)
    return FindingVersion("A", "f", 1, Change.RAISED, patient("p1"), MAKER, "stays", finding, "event", 1)


def test_the_service_year_is_that_of_the_last_day() -> None:
    new_year = 739_617  # 2026-01-01
    assert lead_key(_version(new_year), "stays") == LeadKey("A", "H1", "stays", 2026)
    assert lead_key(_version(new_year - 1), "stays").service_year == 2025


@pytest.mark.parametrize("other", [("B", "H", "t", 1), ("A", "I", "t", 1), ("A", "H", "u", 1), ("A", "H", "t", 2)])
def test_lead_id_tells_leads_apart(other: tuple[str, str, str, int]) -> None:
    assert lead_id(LeadKey("A", "H", "t", 1)) != lead_id(LeadKey(*other))
    assert lead_id(LeadKey("A", "H", "t", 1)) == lead_id(LeadKey("A", "H", "t", 1))


def test_money_at_stake_counts_once_a_subject_and_is_never_in_question() -> None:
    def suspicion(name: str, at_stake: str) -> LeadFinding:
        return LeadFinding(Subject("item", name), DAY, Severity.LOW, None, (), BACKER, Decimal(at_stake))

    billed = _finding(_dispute("a", "30", "10", "8"))
    (total,) = totals([suspicion("X", "5.00"), billed, suspicion("X", "7.00"), suspicion("Y", "1.00")])
    assert (total.at_stake, total.in_question, total.people) == (Decimal("8.00"), Decimal(30), 1)


def test_money_is_expected_of_the_maker_that_is_right_most_surely() -> None:
    sure, unsure = Backer(Decimal("0.81"), "a"), Backer(Decimal("0.25"), "b")
    lines = [_dispute("x", "30", "10", "8"), _dispute("y", "100", "10", "8")]
    doubted = replace(_finding(*lines), backer=unsure)
    at_stake = replace(_finding(), subject=Subject("item", "X"), at_stake=Decimal(9), backer=unsure)
    (total,) = totals([doubted, replace(_finding(_dispute("x", "20", "5", "4")), backer=sure), at_stake])
    assert total.expected == (
        Expected("b", Decimal("0.25"), Decimal(109)), Expected("a", Decimal("0.81"), Decimal(30)),
    )  # fmt: skip
    assert expected_money(total.expected) == Decimal("51.55")


def test_a_finding_without_guilty_parts_may_state_the_year_of_its_lead() -> None:
    version = _version(DAY)
    stated = replace(version, finding=replace(version.finding, year=2019))
    assert lead_key(stated, "stays").service_year == 2019
    assert lead_key(version, "stays").service_year == as_date(DAY).year
