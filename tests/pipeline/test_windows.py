"""Nothing outside the windows may matter to an anchor in the scope, whatever the rules' reach."""

from random import Random

import pytest
from msgspec.structs import replace

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from rules_lib.rule import Rule
from rules_lib.scope import Scope
from streams.pipeline.touching import touched
from streams.pipeline.windows import find_linked, needs_chains, window_of, windows

from .made_up import (
    DAY,
    about_chains,
    about_days,
    about_encounters,
    billed,
    claim,
    judged,
    line,
    matter_of,
    rules_of,
    some_history,
    some_rules,
    status,
    told,
)

HISTORIES = 300


def read(digests: list[Digest], scope: Scope, *rules: Rule) -> set[str]:
    """The names of the events in the windows."""
    seqs = windows(matter_of(digests), scope, rules_of(*rules)).seqs
    return {digests[seq - 1].event_id.removeprefix("event ") for seq in seqs}


def on(first: Day, last: Day | None = None) -> Scope:
    return Scope([(DAY + first, DAY + (first if last is None else last))])


def test_the_windows_give_what_the_whole_history_gives_in_any_scope() -> None:
    found = left_out = 0
    for seed in range(HISTORIES):
        random = Random(seed)
        rules, digests = rules_of(*some_rules(random)), some_history(random)
        near = [random.choice(digests).span[random.randrange(2)] for _ in range(random.randint(1, 2))]
        firsts = [random.randint(-9, 9) + day for day in near]
        scope = Scope((first, first + random.randrange(3)) for first in firsts)
        seqs = windows(matter_of(digests), scope, rules).seqs
        inside = [digest for seq, digest in enumerate(digests, 1) if seq in seqs]
        by_whole = judged(digests, scope, rules)
        assert told(judged(inside, scope, rules)) == told(by_whole), f"seed {seed}"
        found += len(by_whole.findings)
        left_out += len(inside) < len(digests)
    assert found > HISTORIES / 2, "hardly anything was found, so hardly anything was compared"
    assert left_out > HISTORIES / 2, "the windows were whole histories, so nothing was proven"


def test_the_windows_give_what_the_whole_history_gives_where_new_events_touch() -> None:
    found = left_out = 0
    for seed in range(HISTORIES):
        random = Random(f"touched {seed}")
        rules, digests = rules_of(*some_rules(random)), some_history(random)
        matter = matter_of(digests, random.sample(range(1, len(digests) + 1), random.randint(1, 2)))
        scope, touching = touched(matter)
        seqs = windows(matter, scope, rules).seqs | touching
        inside = [digest for seq, digest in enumerate(digests, 1) if seq in seqs]
        by_whole = judged(digests, scope, rules)
        assert told(judged(inside, scope, rules)) == told(by_whole), f"seed {seed}"
        found += len(by_whole.findings)
        left_out += len(inside) < len(digests)
    assert found > HISTORIES
    assert left_out > HISTORIES / 10


def test_what_lies_on_none_of_the_days_and_is_not_linked_may_stay_unread() -> None:
    """Read as the store is: what is near some days, and what is linked, again until the days are among those near."""
    found = unread = 0
    for seed in range(HISTORIES):
        random = Random(f"unread {seed}")
        rules, digests = rules_of(*some_rules(random)), some_history(random)
        whole = matter_of(digests, [random.randint(1, len(digests))])
        (new,) = [head for head in whole.heads if head.seq in whole.new]
        linked, near, window = find_linked(whole), (new.first_day, new.last_day), None
        while window is None or not near[0] <= window.days[0] <= window.days[1] <= near[1]:
            near = near if window is None else (min(near[0], window.days[0]), max(near[1], window.days[1]))
            heads = [
                head
                for head in whole.heads
                if head.seq in linked or (head.last_day >= near[0] and head.first_day <= near[1])
            ]
            window = window_of(replace(whole, heads=heads), rules)
        of_whole = window_of(whole, rules)
        assert (window.scope.intervals, window.touching) == (of_whole.scope.intervals, of_whole.touching)
        inside = [digest for seq, digest in enumerate(digests, 1) if seq in window.seqs]
        assert told(judged(inside, window.scope, rules)) == told(judged(digests, window.scope, rules)), f"seed {seed}"
        found += len(judged(inside, window.scope, rules).findings)
        unread += len(heads) < len(digests)
    assert found > HISTORIES / 2
    assert unread > HISTORIES / 10


@pytest.mark.parametrize(("back", "ahead"), [(0, 0), (5, 0), (0, 5), (7, 3), (3, 7)])
def test_a_day_in_the_scopes_reach_sees_as_far_as_its_own_reach_and_no_farther(back: int, ahead: int) -> None:
    far = back + ahead
    digests = [billed(f"{days:+}", DAY + days) for days in range(-far - 1, far + 2)]
    assert read(digests, on(0), about_days(1, back, ahead)) == {f"{days:+}" for days in range(-far, far + 1)}


def test_of_encounters_of_one_claim_the_windows_are_those_of_sets_of_days() -> None:
    left_out = 0
    for seed in range(HISTORIES):
        random = Random(f"apart {seed}")
        firsts = [DAY + random.randint(-40, 40) for _ in range(random.randint(1, 12))]
        spans = [(first, first + random.randint(0, 6)) for first in firsts]
        digests = [claim(f"{n}", line("l", days[0]), line("m", days[1])) for n, days in enumerate(spans)]
        scope = Scope((DAY + at, DAY + at + random.randint(0, 3)) for at in random.sample(range(-40, 40), 1 + seed % 2))
        back, ahead = random.randint(0, 9), random.randint(0, 9)
        judged_days = {
            day + off for first, last in scope.intervals for day in _days(first, last) for off in _days(-ahead, back)
        }
        met = {day for days in spans if judged_days & _days(*days) for day in _days(*days)}
        seen = {day + off for day in judged_days | met for off in _days(-back, ahead)}
        expected = {f"{n}" for n, days in enumerate(spans) if seen & _days(*days)}
        assert read(digests, scope, about_days(1, back, ahead)) == expected, f"seed {seed}"
        left_out += len(expected) < len(spans)
    assert HISTORIES / 10 < left_out < HISTORIES


def _days(first: Day, last: Day) -> set[Day]:
    return set(range(first, last + 1))


def test_of_several_rules_the_farthest_looks_count_both_ways() -> None:
    digests = [billed(f"{days:+}", DAY + days) for days in (-14, -9, 9, 14)]
    assert read(digests, on(0), about_days(1, 9), about_days(2, 0, 5)) == {"-14", "-9", "+9", "+14"}


def test_a_rule_that_reads_whole_items_widens_no_window() -> None:
    digests = [billed("near", DAY), billed("far", DAY + 3)]
    assert read(digests, on(0), about_chains(1, gap=9)) == {"near"}


def test_without_rules_only_what_meets_the_scope_is_read() -> None:
    assert read([billed("on it", DAY), billed("beside it", DAY + 1)], on(0)) == {"on it"}


@pytest.mark.parametrize(("day", "met"), [(4, {"covers"}), (5, set())])
def test_a_line_that_covers_days_is_met_on_the_last_of_them(day: int, met: set[str]) -> None:
    assert read([claim("covers", line("l", DAY, days=5))], on(day)) == met


def test_an_encounter_met_in_the_gap_between_its_claims_is_read_with_all_of_them() -> None:
    digests = [billed("before", DAY - 20, encounter="e"), billed("after", DAY + 20, encounter="e")]
    assert read(digests, on(0)) == {"before", "after"}


def test_an_encounter_looks_back_from_its_first_day_however_far_the_scope_lies() -> None:
    stay = [billed("begins", DAY, encounter="e"), billed("ends", DAY + 50, encounter="e")]
    digests = [*stay, billed("in sight", DAY - 5), billed("out of sight", DAY - 6)]
    assert read(digests, on(50), about_encounters(1, back=5)) == {"begins", "ends", "in sight"}


def test_an_encounter_looks_ahead_from_its_last_day_however_far_the_scope_lies() -> None:
    stay = [billed("begins", DAY, encounter="e"), billed("ends", DAY + 50, encounter="e")]
    digests = [*stay, billed("in sight", DAY + 55), billed("out of sight", DAY + 56)]
    assert read(digests, on(0), about_encounters(1, ahead=5)) == {"begins", "ends", "in sight"}


def test_what_takes_a_claim_in_sight_back_is_read_however_far_off() -> None:
    digests = [billed("target", DAY), claim("reversal", reverses="target", settled_day=DAY + 90)]
    assert read(digests, on(0)) == {"target", "reversal"}


def test_what_a_claim_in_sight_takes_back_is_read_however_far_off() -> None:
    digests = [billed("target", DAY - 90), billed("correction", DAY, corrects="target")]
    assert read(digests, on(0)) == {"target", "correction"}


def test_what_takes_back_another_claim_of_an_encounter_in_sight_is_read() -> None:
    digests = [
        billed("in sight", DAY - 5, encounter="e"),
        billed("target", DAY - 60, encounter="e"),
        claim("reversal", reverses="target", settled_day=DAY + 90),
    ]
    assert read(digests, on(0), about_days(1, back=5)) == {"in sight", "target", "reversal"}


def test_rivals_and_chains_of_corrections_are_read_together() -> None:
    digests = [
        billed("target", DAY),
        billed("first", DAY + 90, corrects="target"),
        billed("rival", DAY + 180, corrects="target"),
        billed("chained", DAY + 270, corrects="rival"),
        billed("again", DAY + 360, claim_id="first"),
        billed("elsewhere", DAY + 90),
    ]
    assert read(digests, on(0)) == {"target", "first", "rival", "chained", "again"}


def test_a_refund_in_another_claim_of_the_encounter_is_read_however_late() -> None:
    refund = claim("refund", line("r", DAY + 200, None, refund_of="l"), encounter="e")
    assert read([claim("bill", line("l", DAY), encounter="e"), refund], on(0)) == {"bill", "refund"}


def test_a_status_is_read_from_every_day() -> None:
    assert "s" in read([status("s", "1"), billed("far", DAY + 90)], on(0))


@pytest.mark.parametrize(("code", "asked"), [("C", True), ("A", False), (None, False)])
def test_chains_are_needed_where_a_touched_event_holds_an_item_that_is_read_whole(code: str, asked: bool) -> None:
    rules = rules_of(about_days(1), about_chains(2, gap=1))
    assert needs_chains([billed("other", DAY, "B"), billed("new", DAY, code)], rules) is asked


def test_nothing_needs_chains_where_no_rule_reads_whole_items() -> None:
    assert not needs_chains([billed("new", DAY, "C")], rules_of(about_days(1, 9, 9)))
