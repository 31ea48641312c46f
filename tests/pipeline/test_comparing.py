"""What judging again changed of what is stored, and what stays because it was not judged."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from knowledge_base.days import Day
from knowledge_base.findings import (
    Amounts,
    Change,
    Finding,
    FindingVersion,
    GuiltyPart,
    Maker,
    NotEvaluated,
    finding_id,
)
from knowledge_base.subjects import patient
from streams.messages.versions import pack_finding
from streams.pipeline.comparing import Made, StoredFinding, anchor_id, compared, compared_anchors

from .made_up import AREA, DAY, PERSON, stored_finding, stored_not_evaluated

RULE, OTHER = "FW00000001", "FW00000002"


def money(yuan: str) -> Amounts:
    return Amounts(Decimal(yuan), Decimal(yuan), None, "payment_method DRG")


def finding(name: str = "a", *lines: str, maker: str = RULE, **words: Any) -> Finding:
    guilty = tuple(GuiltyPart(("H1", "e", line), money("1.50")) for line in lines)
    said: dict[str, Any] = {
        "maker_id": maker,
        "occurrence": ("p1", name),
        "value": Decimal("1.5"),
        "limit": Decimal(1),
        "first_day": DAY,
        "last_day": DAY + 2,
        "guilty": guilty,
        "involved": (),
        "evidence": {"first": 1, "second": ["x"]},
        "amounts": money("1.50"),
        "institution": "H1",
    }
    return Finding(**{**said, **words})


def made(maker: str) -> Made:
    return Made(Maker("rule", maker, "set", "file", "source"), "a topic")


def judged_all(makers: Sequence[str], first_day: Day, last_day: Day) -> bool:
    return True


def judged_nothing(makers: Sequence[str], first_day: Day, last_day: Day) -> bool:
    return False


def changes(found: list[Finding], stored: list[StoredFinding], was_judged: Any = judged_all) -> list[FindingVersion]:
    return compared(AREA, PERSON, ("event e", 7), found, stored, made, was_judged)


def name_of(finding: Finding) -> str:
    return finding_id(AREA, finding.maker_id, finding.occurrence)


def test_a_finding_that_is_new_is_raised_as_version_one_with_its_maker_and_cause() -> None:
    found = finding()
    topic, maker = "a topic", made(RULE).maker
    raised = FindingVersion(
        AREA, name_of(found), 1, Change.RAISED, PERSON, maker, topic, found, "event e", 7, continued_by=None
    )
    assert changes([found], []) == [raised]


def test_a_finding_that_is_found_as_it_is_stored_gives_no_version() -> None:
    assert changes([finding("a", "l")], [stored_finding(finding("a", "l"))]) == []


def test_a_finding_that_says_something_else_is_revised_with_the_next_number() -> None:
    (version,) = changes([finding(value=Decimal(3))], [stored_finding(finding(), version=4)])
    assert (version.change, version.version, version.finding.value) == (Change.REVISED, 5, 3)


@pytest.mark.parametrize(
    "words",
    [
        {"limit": Decimal(2)},
        {"first_day": DAY - 1},
        {"last_day": DAY + 3},
        {"evidence": {"first": 2, "second": ["x"]}},
        {"evidence": {"first": 1}},
        {"amounts": money("1.51")},
        {"institution": "H2"},
        {"points": ("periods/1",)},
        {"excuse_until": DAY + 9},
        {"year": 2025},
        {"at_stake": Decimal(0)},
        {"involved": (("H1", "e", "m"),)},
        {"guilty": (GuiltyPart(("H1", "e", "l"), money("1")),)},
    ],
)
def test_every_word_of_a_finding_counts_when_it_is_compared(words: dict[str, Any]) -> None:
    assert [version.change for version in changes([finding(**words)], [stored_finding(finding())])] == [Change.REVISED]


def test_a_finding_that_is_found_no_more_is_withdrawn_with_what_it_said_last() -> None:
    (version,) = changes([], [stored_finding(finding(), version=2)])
    assert (version.change, version.version, version.finding) == (Change.WITHDRAWN, 3, finding())


def test_a_finding_that_was_stored_under_another_pseudonym_is_withdrawn_there() -> None:
    (version,) = changes([], [stored_finding(finding(), subject=patient("p0"))])
    assert version.subject == patient("p0")


def test_a_finding_that_was_withdrawn_is_not_withdrawn_twice() -> None:
    assert changes([], [stored_finding(finding(), is_open=False)]) == []


def test_a_finding_that_comes_again_is_raised_with_the_next_number_though_it_says_the_same() -> None:
    (version,) = changes([finding()], [stored_finding(finding(), version=2, is_open=False)])
    assert (version.change, version.version) == (Change.RAISED, 3)


def test_a_finding_that_was_not_judged_again_stays() -> None:
    assert changes([], [stored_finding(finding())], judged_nothing) == []


def test_only_the_anchors_own_maker_and_days_decide_whether_it_was_judged() -> None:
    asked = []

    def was_judged(makers: Sequence[str], first_day: Day, last_day: Day) -> bool:
        asked.append((*makers, first_day, last_day))
        return False

    changes([finding("b")], [stored_finding(finding("a", maker=OTHER, last_day=DAY + 5))], was_judged)
    assert asked == [(OTHER, DAY, DAY + 5)]


def test_one_occurrence_of_two_makers_is_two_findings() -> None:
    versions = changes([finding(maker=OTHER)], [stored_finding(finding())])
    assert {(version.maker.id, version.change) for version in versions} == {
        (OTHER, Change.RAISED),
        (RULE, Change.WITHDRAWN),
    }


def written(finding: Finding, **other: Any) -> bytes:
    """A stored body that says the same in other bytes."""
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(pack_finding(finding)), **other})


def test_a_body_of_before_year_points_and_stake_is_equal() -> None:
    of_before = msgspec.msgpack.decode(pack_finding(finding()))
    assert not {"year", "at_stake"} & of_before.keys()
    del of_before["points"], of_before["excuse_until"]
    assert changes([finding()], [stored_finding(finding(), body=msgspec.msgpack.encode(of_before))]) == []


@pytest.mark.parametrize("spelled", ["1.50", "1.5", "1.500", "15e-1"])
def test_numbers_are_equal_however_they_are_spelled(spelled: str) -> None:
    amounts = {"in_question": spelled, "in_fund": spelled, "loss": None, "method": "payment_method DRG"}
    body = written(finding(), value=spelled, amounts=amounts)
    assert body != pack_finding(finding()) or spelled == "1.50"
    assert changes([finding()], [stored_finding(finding(), body=body)]) == []


def test_evidence_and_fields_in_another_order_are_equal() -> None:
    body = written(finding(), evidence={"second": ["x"], "first": 1})
    backwards = dict(reversed(msgspec.msgpack.decode(body).items()))
    for other in (body, msgspec.msgpack.encode(backwards)):
        assert changes([finding()], [stored_finding(finding(), body=other)]) == []


def test_days_in_evidence_are_equal_to_what_was_written_of_them() -> None:
    dated = finding(evidence={"admitted": date(2026, 3, 1), "days": (1, 2)})
    assert changes([dated], [stored_finding(dated)]) == []


def test_a_body_with_fields_that_come_later_is_equal() -> None:
    assert changes([finding()], [stored_finding(finding(), body=written(finding(), of_tomorrow=1))]) == []


def continued(withdrawn: Finding, *found: Finding, stored: Sequence[Finding] = ()) -> str | None:
    versions = changes(list(found), [stored_finding(entry) for entry in (withdrawn, *stored)])
    (end,) = [version for version in versions if version.change is Change.WITHDRAWN]
    assert all(version.continued_by is None for version in versions if version is not end)
    return end.continued_by


def test_a_withdrawal_names_the_finding_that_took_over_a_guilty_part() -> None:
    heir = finding("b", "m", "n")
    assert continued(finding("a", "l", "m"), heir) == name_of(heir)


def test_a_finding_that_was_revised_takes_over_too() -> None:
    heir = finding("b", "l", "m")
    assert continued(finding("a", "l"), heir, stored=[finding("b", "m")]) == name_of(heir)


def test_a_finding_without_a_guilty_part_in_common_takes_nothing_over() -> None:
    assert continued(finding("a", "l"), finding("b", "m", involved=(("H1", "e", "l"),))) is None


def test_a_finding_of_another_maker_takes_nothing_over() -> None:
    assert continued(finding("a", "l"), finding("b", "l", maker=OTHER)) is None


def test_a_finding_that_did_not_change_takes_nothing_over() -> None:
    unchanged = finding("b", "l")
    assert continued(finding("a", "l"), unchanged, stored=[unchanged]) is None


def test_of_two_heirs_the_same_is_named_whatever_their_order() -> None:
    one, other = finding("b", "l"), finding("c", "l")
    assert continued(finding("a", "l"), one, other) == min(name_of(one), name_of(other))
    assert continued(finding("a", "l"), other, one) == min(name_of(one), name_of(other))


def test_withdrawn_findings_inherit_from_no_other_withdrawn_one() -> None:
    versions = changes([], [stored_finding(finding("a", "l")), stored_finding(finding("b", "l"))])
    assert [version.continued_by for version in versions] == [None, None]


def undecided(reason: str = "paid missing", last_day: Day = DAY, rules: tuple[str, ...] = (RULE,)) -> NotEvaluated:
    return NotEvaluated(rules, ("p1", "a"), reason, DAY, last_day)


def test_an_anchor_that_cannot_be_decided_is_new_once() -> None:
    entry = undecided()
    assert compared_anchors([entry], [], judged_all) == ([(anchor_id(entry), entry)], [])
    assert compared_anchors([entry, entry], [stored_not_evaluated(anchor_id(entry), entry)], judged_all) == ([], [])


def test_an_anchor_that_can_be_decided_now_is_gone_from_where_it_was_stored() -> None:
    name = anchor_id(undecided())
    kept = [stored_not_evaluated(name, undecided(), patient("p0"))]
    assert compared_anchors([], kept, judged_all) == ([], [(patient("p0"), name)])


def test_an_anchor_that_was_not_judged_again_stays_undecided() -> None:
    assert compared_anchors([], [stored_not_evaluated(b"name", undecided())], judged_nothing) == ([], [])


@pytest.mark.parametrize("other", [undecided("sex unknown"), undecided(last_day=DAY + 1), undecided(rules=(OTHER,))])
def test_another_reason_other_days_or_rules_make_another_anchor(other: NotEvaluated) -> None:
    before = undecided()
    new, gone = compared_anchors([other], [stored_not_evaluated(anchor_id(before), before)], judged_all)
    assert ([entry for _, entry in new], gone) == ([other], [(PERSON, anchor_id(before))])
