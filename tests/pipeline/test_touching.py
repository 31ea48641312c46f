"""Which days and events new events touch, and who becomes one person."""

from itertools import permutations
from random import Random

from knowledge_base.days import FIRST_DAY, LAST_DAY
from knowledge_base.digests.head import Digest
from knowledge_base.subjects import patient
from rules_lib.scope import ALL_DAYS
from streams.pipeline.persons import merged_persons
from streams.pipeline.touching import Head, Matter, company_of, linked, touched

from .made_up import DAY, billed, claim, head, line, matter_of, status


def touching(digests: list[Digest], *new: str) -> tuple[set[str], list[tuple[int, int]]]:
    """The names of touched events, and the touched days from ``DAY`` on."""
    names = [digest.event_id.removeprefix("event ") for digest in digests]
    found = touched(matter_of(digests, [names.index(name) + 1 for name in new]))
    return {names[seq - 1] for seq in found.seqs}, [(a - DAY, b - DAY) for a, b in found.scope.intervals]


def test_an_event_touches_its_own_days_and_no_others() -> None:
    digests = [claim("new", line("l", DAY), line("m", DAY + 3)), billed("in between", DAY + 1), billed("far", DAY + 9)]
    assert touching(digests, "new") == ({"new"}, [(0, 3)])


def test_the_days_between_two_new_events_are_not_touched() -> None:
    digests = [billed("one", DAY), billed("between", DAY + 4), billed("two", DAY + 9)]
    assert touching(digests, "one", "two") == ({"one", "two"}, [(0, 0), (9, 9)])


def test_the_day_of_settlement_is_touched_only_by_what_has_no_other_days() -> None:
    digests = [billed("billed", DAY, settled_day=DAY + 90), claim("empty", settled_day=DAY + 50)]
    assert touching(digests, "billed", "empty")[1] == [(0, 0), (50, 50)]


def test_a_reversal_touches_the_days_of_its_target() -> None:
    digests = [billed("target", DAY), claim("new", reverses="target", settled_day=DAY + 90), billed("other", DAY + 1)]
    assert touching(digests, "new") == ({"target", "new"}, [(0, 0), (90, 90)])


def test_a_target_that_comes_after_its_correction_touches_the_correction() -> None:
    digests = [billed("correction", DAY + 90, corrects="new"), billed("new", DAY)]
    assert touching(digests, "new") == ({"correction", "new"}, [(0, 0), (90, 90)])


def test_links_are_followed_in_chains_and_to_rivals_either_way() -> None:
    digests = [
        billed("first", DAY),
        billed("second", DAY + 10, corrects="first"),
        billed("third", DAY + 20, corrects="second"),
        billed("rival", DAY + 30, corrects="first"),
        billed("apart", DAY + 40, corrects="somebody else's"),
    ]
    for new in ("first", "second", "third", "rival"):
        assert touching(digests, new) == ({"first", "second", "third", "rival"}, [(d, d) for d in (0, 10, 20, 30)])
    assert touching(digests, "apart") == ({"apart"}, [(40, 40)])


def test_two_corrections_of_an_absent_claim_touch_one_another() -> None:
    digests = [billed("one", DAY, corrects="absent"), billed("other", DAY + 9, corrects="absent")]
    assert touching(digests, "one")[0] == {"one", "other"}


def test_a_cycle_of_corrections_ends() -> None:
    digests = [billed("one", DAY, corrects="two"), billed("two", DAY + 9, corrects="one"), billed("far", DAY + 5)]
    assert touching(digests, "one")[0] == {"one", "two"}


def test_a_settlement_that_comes_again_touches_the_days_of_the_one_before() -> None:
    assert touching([billed("before", DAY, claim_id="c"), billed("new", DAY + 90, claim_id="c")], "new") == (
        {"before", "new"},
        [(0, 0), (90, 90)],
    )


def test_a_claim_touches_every_claim_of_its_encounter_but_not_the_days_between() -> None:
    digests = [billed("before", DAY, encounter="e"), billed("new", DAY + 9, encounter="e"), billed("gap", DAY + 5)]
    assert touching(digests, "new") == ({"before", "new"}, [(0, 0), (9, 9)])


def test_one_encounter_id_at_two_institutions_is_two_encounters() -> None:
    digests = [billed("here", DAY, encounter="e"), billed("there", DAY + 9, encounter="e", institution="H2")]
    assert touching(digests, "there")[0] == {"there"}


def test_a_claim_that_is_linked_to_brings_the_rest_of_its_encounter() -> None:
    digests = [
        billed("target", DAY, encounter="e"),
        billed("of the same encounter", DAY + 9, encounter="e"),
        claim("new", reverses="target", settled_day=DAY + 90),
    ]
    assert touching(digests, "new")[0] == {"target", "of the same encounter", "new"}


def test_events_without_encounter_stand_alone() -> None:
    names = {seq: company_of(f"e{seq}", ("", "")) for seq in (1, 2)}
    heads = [Head(seq, f"e{seq}", "movement", "", names[seq], DAY + seq, DAY + seq, None) for seq in names]
    assert heads[0].company != heads[1].company
    matter = matter_of([])
    of_wider = type(matter)(matter.area, matter.subject, heads, frozenset({2}))
    assert touched(of_wider).seqs == {2}
    assert touched(of_wider).scope.intervals == [(DAY + 2, DAY + 2)]


def test_an_event_without_claim_id_touches_the_claim_that_it_takes_back() -> None:
    of_claim = head(1, billed("target", DAY))
    of_new = Head(2, "new", "reply", "", ("", ""), DAY + 9, DAY + 9, "target")
    assert linked([of_new], [of_claim, of_new])[0] == of_claim


def test_a_status_touches_all_days_and_all_events() -> None:
    found = touched(matter_of([billed("claim", DAY), status("new", "1")], [2]))
    assert (found.scope, found.seqs) == (ALL_DAYS, {1, 2})


def test_a_status_that_is_known_is_not_touched_by_a_claim() -> None:
    assert touching([status("known", "1"), billed("new", DAY)], "new") == ({"new"}, [(0, 0)])


def test_an_event_concerns_all_days_only_from_the_first_to_the_last() -> None:
    def of_days(first: int, last: int) -> Head:
        return Head(1, "e", "claim", "", ("", ""), first, last, None)

    assert of_days(FIRST_DAY, LAST_DAY).concerns_all_days
    assert not of_days(FIRST_DAY + 1, LAST_DAY).concerns_all_days
    assert not of_days(FIRST_DAY, LAST_DAY - 1).concerns_all_days


def test_linked_events_are_those_that_a_walk_from_one_to_the_next_reaches() -> None:
    for seed in range(500):
        random = Random(seed)
        heads = [
            head(
                seq,
                billed(f"{seq}", DAY, claim_id=random.choice("abcdefgh"), corrects=random.choice([None, *"abcdeghx"])),
            )
            for seq in range(random.randint(1, 9))
        ]
        start = random.sample(heads, random.randint(0, min(2, len(heads))))
        assert {head.seq for head in linked(start, heads)} == _walked(start, heads), f"seed {seed}"


def _walked(start: list[Head], heads: list[Head]) -> set[int]:
    reached = {head.seq for head in start}
    before: set[int] = set()
    while reached != before:
        before = reached
        names = {name for head in heads if head.seq in reached for name in (head.claim_id, head.target) if name}
        reached = before | {head.seq for head in heads if {head.claim_id, head.target} & names}
    return reached


def test_two_pseudonyms_become_one_person_with_the_lesser_name() -> None:
    assert merged_persons({}, [("b", "a")]) == {"a": ["a", "b"]}


def test_merges_go_on_in_chains_whatever_their_order() -> None:
    for joined in permutations([("d", "c"), ("b", "c"), ("a", "b")]):
        assert merged_persons({}, joined) == {"a": ["a", "b", "c", "d"]}


def test_who_is_joined_brings_all_that_belonged_before() -> None:
    known = {"b": ["b", "x"], "c": ["c", "y"], "f": ["f", "g"]}
    assert merged_persons(known, [("y", "x")]) == {"b": ["b", "c", "x", "y"]}


def test_a_lesser_pseudonym_gives_a_known_person_a_new_name() -> None:
    assert merged_persons({"b": ["b", "c"]}, [("c", "a")]) == {"a": ["a", "b", "c"]}


def test_two_merges_apart_make_two_persons() -> None:
    assert merged_persons({}, [("a", "b"), ("c", "d")]) == {"a": ["a", "b"], "c": ["c", "d"]}


def test_a_merge_that_is_known_or_with_oneself_changes_nobody() -> None:
    assert merged_persons({"a": ["a", "b"]}, [("b", "a"), ("c", "c")]) == {"a": ["a", "b"], "c": ["c"]}
    assert merged_persons({"a": ["a", "b"]}, []) == {}


def test_a_person_to_whom_no_event_is_left_is_judged_for_the_cause_that_is_given() -> None:
    alone = Matter("420281", patient("p2"), [], frozenset(), "event e9")
    assert alone.because == ("event e9", 0)
