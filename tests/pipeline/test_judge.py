"""What a batch makes of what is stored, and that in the end it is the same whatever the batches were."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from knowledge_base.findings import Change, NotEvaluated
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.checks import find_check
from rules_lib.engine import Judgement
from rules_lib.histories.history import History
from rules_lib.histories.kinds import HISTORIES
from rules_lib.questions import Question
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS, Scope
from streams.pipeline.comparing import Changed
from streams.pipeline.judge import concerned_by
from streams.pipeline.touching import Matter
from streams.pipeline.windows import Window

from . import made_up
from .made_up import (
    AREA,
    DAY,
    Store,
    about_chains,
    about_days,
    about_encounters,
    as_read_back,
    billed,
    claim,
    everything_judged,
    finding_id,
    line,
    matter_of,
    rule,
    set_of,
    some_history,
    some_rules,
    status,
)

PEOPLE = 200


def test_what_is_stored_in_the_end_is_what_the_whole_history_gives_whatever_the_batches() -> None:
    found = 0
    for seed in range(PEOPLE):
        random = Random(f"batches {seed}")
        rule_set, digests = set_of(*some_rules(random)), some_history(random)
        store = Store(rule_set)
        while len(store.digests) < len(digests):
            first = len(store.digests)
            store.take_in(*digests[first : first + random.randint(1, 3)])
        expected = everything_judged(digests, rule_set.of(PATIENT))
        by_name = {finding_id(AREA, of.maker_id, of.occurrence): as_read_back(of) for of in expected.findings}
        assert store.open_findings == by_name, f"seed {seed}"
        assert store.undecided == {(e.rules, e.first_day, e.last_day) for e in expected.not_evaluated}, f"seed {seed}"
        found += len(by_name)
    assert found > PEOPLE, "hardly anything was found, so hardly anything was compared"


def told(changed: Changed) -> list[tuple[str, str]]:
    """The changes with the words that name the finding, without the person."""
    return sorted((version.change.value, str(version.finding.occurrence[1])) for version in changed.versions)


def seen(rule_set: RuleSet, *digests: Digest) -> Store:
    """A store that knows some events and their findings."""
    store = Store(rule_set)
    store.take_in(*digests)
    return store


def judge_on(store: Store, first: Day, last: Day, chains: bool = True) -> Changed:
    """Judges again on some days without any event, so that every finding there is lost."""
    return store.judge_again(matter_of(store.digests), [], chains, Scope([(DAY + first, DAY + last)]))


def test_versions_name_the_newest_event_and_its_number() -> None:
    store = seen(set_of(about_days(1)), billed("before", DAY + 9, "X"))
    (version,) = store.take_in(billed("one", DAY), billed("two", DAY + 1, "X")).versions
    assert (version.cause, version.as_of) == ("event event two", 3)


def test_versions_name_the_cause_that_is_said_instead_of_the_newest_event() -> None:
    store = seen(set_of(about_days(1)), billed("c", DAY))
    matter = Matter(AREA, made_up.PERSON, matter_of(store.digests).heads, frozenset(), "re-audit")
    (version,) = store.judge_again(matter, [], True, ALL_DAYS).versions
    assert (version.cause, version.as_of) == ("re-audit", 1)


def test_a_late_event_judges_the_anchors_that_look_ahead_to_it_and_no_others() -> None:
    store = seen(set_of(about_days(1, ahead=3)), billed("a", DAY - 4), billed("b", DAY - 3), billed("c", DAY + 1))
    assert [version.finding.first_day - DAY for version in store.take_in(billed("new", DAY, "X")).versions] == [-3]


def test_a_late_event_judges_the_anchors_that_look_back_to_it_and_no_others() -> None:
    store = seen(set_of(about_days(1, back=3)), billed("a", DAY - 1), billed("b", DAY + 3), billed("c", DAY + 4))
    assert [version.finding.first_day - DAY for version in store.take_in(billed("new", DAY, "X")).versions] == [3]


def test_a_reversal_withdraws_what_was_found_on_its_target_however_late() -> None:
    store = seen(set_of(about_days(1)), billed("target", DAY), billed("other", DAY + 1))
    changed = store.take_in(claim("reversal", reverses="target", settled_day=DAY + 200))
    assert [(version.change, version.finding.first_day) for version in changed.versions] == [(Change.WITHDRAWN, DAY)]
    assert len(store.open_findings) == 1


@pytest.mark.parametrize(
    ("back", "ahead", "scope"), [(0, 0, -1), (0, 0, 3), (2, 0, -3), (0, 2, 5), (2, 0, 3), (0, 2, -1)]
)
def test_a_finding_whose_reach_does_not_meet_the_scope_is_kept(back: int, ahead: int, scope: Day) -> None:
    store = seen(set_of(about_encounters(1, back, ahead)), claim("c", line("l", DAY), line("m", DAY + 2)))
    assert told(judge_on(store, scope, scope)) == []


@pytest.mark.parametrize(("back", "ahead", "scope"), [(0, 0, 0), (0, 0, 2), (2, 0, -2), (0, 2, 4)])
def test_a_finding_whose_reach_meets_the_scope_is_withdrawn(back: int, ahead: int, scope: Day) -> None:
    store = seen(set_of(about_encounters(1, back, ahead)), claim("c", line("l", DAY), line("m", DAY + 2)))
    assert told(judge_on(store, scope, scope)) == [("withdrawn", "H1")]


def test_a_finding_made_from_whole_items_is_withdrawn_only_where_all_chained_events_were_read() -> None:
    store = seen(set_of(about_chains(1, gap=0)), billed("one", DAY, "C"), billed("two", DAY + 1, "C"))
    assert len(store.open_findings) == 1
    assert told(judge_on(store, 0, 0, chains=False)) == []
    assert [change for change, _ in told(judge_on(store, 0, 0, chains=True))] == ["withdrawn"]


def test_a_rule_that_reads_whole_items_is_not_asked_about_a_part_of_the_history() -> None:
    store = seen(set_of(about_chains(1, gap=0)), *(billed(f"{day}", DAY + day, "C") for day in range(3)))
    matter = matter_of(store.digests)
    assert told(store.judge_again(matter, store.digests[:2], False, ALL_DAYS)) == []
    assert told(store.judge_again(matter, store.digests[:2], True, ALL_DAYS)) != []


def test_a_chain_joined_by_a_late_day_is_one_finding_and_the_other_is_continued_by_it() -> None:
    store = seen(set_of(about_chains(1, gap=0)), *(billed(f"{day}", DAY + day, "C") for day in (0, 1, 3, 4)))
    changed = {version.change: version for version in store.take_in(billed("2", DAY + 2, "C")).versions}
    assert changed[Change.REVISED].finding.value == 5
    assert changed[Change.WITHDRAWN].continued_by == changed[Change.REVISED].finding_id


def test_what_is_undecided_far_from_the_scope_is_compared_with_what_is_stored_there() -> None:
    """Or an anchor whose days are wider than a check's answer for the scope would be entered twice."""
    window = Window(matter_of([billed("c", DAY)]), Scope([(DAY, DAY)]), frozenset(), frozenset())
    far = NotEvaluated(("FW00000001",), ("p1",), "stay unclear", DAY - 90, DAY + 80)
    concerned = concerned_by(Judgement([], [], [far], {}), window, set_of(about_days(1, 2, 3)).of(PATIENT))
    assert concerned == ((DAY - 90, DAY + 80), [])
    assert concerned_by(Judgement([], [], [], {}), window, set_of(about_days(1, 2, 3)).of(PATIENT)).days == (
        DAY - 3,
        DAY + 2,
    )


def test_a_suspended_rule_loses_no_finding() -> None:
    store = seen(set_of(about_days(1)), billed("c", DAY))
    store.rule_set = set_of(suspended=["FW00000001"])
    assert told(judge_on(store, 0, 0)) == []


def test_a_finding_of_a_rule_that_is_in_the_set_no_more_is_withdrawn_where_it_meets_the_scope() -> None:
    store = seen(set_of(about_days(1, 9, 9)), billed("c", DAY))
    store.rule_set = set_of()
    assert told(judge_on(store, 1, 9)) == []
    (version,) = judge_on(store, 0, 0).versions
    assert (version.change, version.topic) == (Change.WITHDRAWN, "")


def broken(question: Question[Any]) -> Iterator[Any]:
    yield from made_up.seen_from_a_day(question)
    raise ValueError("Zhang San")


@pytest.fixture
def store_with_a_check_that_raises(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two days found by each of two rules; the first one's check raises from now on."""
    monkeypatch.setattr(made_up, "first", made_up.seen_from_a_day, raising=False)
    rules = [rule(1, "first", back=1, catalogues=["of_days"]), about_days(2, back=1)]
    store = seen(set_of(*rules), billed("c", DAY), billed("d", DAY + 1))
    monkeypatch.setattr(
        "rules_lib.engine.find_check", lambda name: broken if name == rules[0].check else find_check(name)
    )
    return store


def test_a_check_that_raises_withdraws_nothing_and_stops_no_other(store_with_a_check_that_raises: Store) -> None:
    changed = store_with_a_check_that_raises.take_in(claim("reversal", reverses="c", settled_day=DAY))
    assert {version.maker.id for version in changed.versions} == {"FW00000002"}
    assert [version.change for version in changed.versions] == [Change.REVISED, Change.WITHDRAWN]


def test_a_check_that_raises_is_undecided_and_named_by_its_place_without_its_words(
    store_with_a_check_that_raises: Store,
) -> None:
    ((_, entry),) = store_with_a_check_that_raises.take_in(billed("e", DAY)).now_not_evaluated
    assert (entry.rules, entry.reason.partition(" at ")[0]) == (("FW00000001",), "check failed: ValueError")
    assert "Zhang" not in entry.reason


def test_a_check_that_raises_no_more_is_undecided_no_more(
    store_with_a_check_that_raises: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with_a_check_that_raises
    store.take_in(billed("e", DAY))
    monkeypatch.setattr("rules_lib.engine.find_check", find_check)
    store.take_in(status("s", "1"))
    assert store.undecided == set()
    assert len(store.open_findings) == 4


ITEM = Subject("item", "H1|A")


def never(_question: Question[Any]) -> Iterator[Any]:
    raise AssertionError("asked about a subject that it does not look at")


@pytest.fixture
def other_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items are subjects too, with an empty history."""
    monkeypatch.setitem(HISTORIES, "item", lambda subject, _digests, _codes: History(subject))
    monkeypatch.setattr(made_up, "never", never, raising=False)


@pytest.mark.usefixtures("other_kind")
@pytest.mark.parametrize(("looks_at", "subject"), [("item", made_up.PERSON), (PATIENT, ITEM)])
def test_only_rules_that_look_at_the_subjects_kind_are_asked(looks_at: str, subject: Subject) -> None:
    store = Store(set_of(rule(1, "never", always=True, looks_at=looks_at)))
    store.digests = [billed("c", DAY)]
    changed = store.judge_again(matter_of(store.digests, [1], subject), store.digests, True, ALL_DAYS)
    assert changed == Changed([], [], [])


@pytest.mark.usefixtures("other_kind")
@pytest.mark.parametrize("looks_at", [PATIENT, "item"])
def test_a_rule_that_looks_at_the_subjects_kind_is_asked(looks_at: str) -> None:
    store = Store(set_of(rule(1, "never", always=True, looks_at=looks_at)))
    store.digests = [billed("c", DAY)]
    matter = matter_of(store.digests, [1], Subject(looks_at, "x"))
    ((_, entry),) = store.judge_again(matter, store.digests, True, ALL_DAYS).now_not_evaluated
    assert entry.reason.startswith("check failed: AssertionError")


def test_a_rule_of_another_phase_is_not_asked_after_the_event() -> None:
    assert told(Store(set_of(about_days(1, phases=["before"]))).take_in(billed("c", DAY))) == []


@pytest.mark.parametrize("needing", [1, 2])
def test_lines_without_a_code_stay_undecided_where_they_were_not_judged_again(needing: int) -> None:
    rules = [about_days(number, 5, 5, needs=["lines.item_code"]) for number in range(needing)]
    store = seen(set_of(*rules), billed("without", DAY, None))
    assert len(store.undecided) == 1
    store.take_in(billed("near", DAY + 2, "X"))
    assert len(store.undecided) == 1
