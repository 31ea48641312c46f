"""Deliberate breaks: with each of them in place, the comparison with the reference judge must fail.

Each test first runs its few events through the store unbroken, where everything is equal, then broken, and names the
occurrence that gives the break away. A comparison that misses one of them has gone blind.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.digests import making
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts, Point
from knowledge_base.subjects import PATIENT
from rules_lib.checks import stays
from rules_lib.histories import encounters, patient, refunds, standing
from rules_lib.histories.history import Line
from rules_lib.rule import Rule
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers import events as handling
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.pipeline import touching, windows
from streams.store.events import stored
from tests.reference import cases
from tests.reference.oddities import ODD_DETAILS
from tests.reference.rules import DAILY_CAP, PERIOD, PLACE
from tests.reference.two_houses import ELSEWHERE, TWO_STAYS
from tests.rules_lib.in_memory import Key

from .disturbed import Kept, assert_accepted, load_kept, message_of, take_in, unlike_reference

Compare = Callable[[Sequence[Event], RuleSet], Awaitable[dict[Key, str]]]
"""Sends events one by one, in order, into a fresh store and gives what is unlike the reference."""

MISSED = "only the reference finds it"
TOO_MUCH = "the reference does not find it"

NURSED = (cases.line("a", cases.NURSING, "03-01", clock="09:00"), cases.line("b", cases.NURSING, "03-01"))
NURSED_TWICE: Key = (DAILY_CAP, ("p1", "A", cases.NURSING, "2026-03-01"))


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    """The published rules over the few points of the reference judge's own cases."""
    return RuleSet(load_rule_set(load_facts()).rules, Facts(cases.POINTS))


@pytest.fixture
def compare(new_database: Callable[[], str]) -> Compare:
    async def run(events: Sequence[Event], rules: RuleSet) -> dict[Key, str]:
        return unlike_reference(await kept_after(new_database(), events, rules), rules)

    return run


async def kept_after(url: str, events: Sequence[Event], rule_set: RuleSet) -> Kept:
    connection = await asyncpg.connect(url)
    try:
        handler = EventsHandler(RuleSets(rule_set), Vault(b"tests"))
        await take_in(connection, handler, [message_of(event) for event in events], 1, 1, Random(0))
        return await load_kept(connection)
    finally:
        await connection.close()


def with_reach(rule_set: RuleSet, rule_id: str, **days: int) -> RuleSet:
    """The same rules, one of them with another reach."""

    def changed(rule: Rule) -> Rule:
        return rule.model_copy(update={"reach": rule.reach.model_copy(update=days)}) if rule.id == rule_id else rule

    return replace(rule_set, rules=tuple(map(changed, rule_set.rules)))


async def test_a_reach_back_one_day_short(compare: Compare, rule_set: RuleSet) -> None:
    """The second of two examinations 14 days apart arrives first."""
    first, second = (
        cases.visit(name, cases.line("a", cases.HBA1C, day), settled_at=cases.at(day))
        for name, day in (("1", "03-01"), ("2", "03-15"))
    )
    assert rule_set.by_id[PERIOD].reach.back == 14
    assert await compare([second, first], rule_set) == {}
    broken = await compare([second, first], with_reach(rule_set, PERIOD, back=13))
    assert broken == {(PERIOD, ("p1", cases.HBA1C, "2026-03-15")): MISSED}


async def test_a_reach_ahead_one_day_short(compare: Compare, rule_set: RuleSet) -> None:
    """An emergency visit turns into a stay on the next day, told later: the finding must go."""
    emergency = cases.visit("1", cases.line("a", cases.INFUSION, "03-01"), visit_type="13")
    events = [emergency, cases.stay("2", "03-02", "03-05", cases.line("b", cases.PLAIN, "03-03"))]
    assert rule_set.by_id[PLACE].reach.ahead == 1
    assert await compare(events, rule_set) == {}
    broken = await compare(events, with_reach(rule_set, PLACE, ahead=0))
    assert broken == {(PLACE, ("p1", "A", "2026-03-01", cases.INFUSION)): TOO_MUCH}


async def test_an_index_that_forgets_a_code(compare: Compare, rule_set: RuleSet) -> None:
    events = [cases.visit("1", *NURSED)]
    assert await compare(events, rule_set) == {}
    forgetful = replace(rule_set)
    index = {code: rules for code, rules in rule_set.of(PATIENT).by_code.items() if code != cases.NURSING}
    forgetful.of(PATIENT).__dict__["by_code"] = index  # where the cached property keeps it
    assert await compare(events, forgetful) == {NURSED_TWICE: MISSED}


async def test_lines_in_order_of_arrival(compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second nursing of the day arrives first, so that by arrival the first one would be guilty."""
    earlier, later = NURSED
    events = [cases.visit("2", later), cases.visit("1", earlier)]
    assert await compare(events, rule_set) == {}
    arrival = [event.event_id for event in events]

    def by_arrival(line: Line) -> tuple[int, str, str]:
        return (arrival.index(line.claim.event_id), line.claim.event_id, line.digest.line_id)

    monkeypatch.setattr(patient, "line_order", by_arrival)
    broken = await compare(events, rule_set)
    assert list(broken) == [NURSED_TWICE]
    assert (
        "guilty is frozenset({('A', 'visit-1', 'a')}), not frozenset({('A', 'visit-2', 'b')})" in broken[NURSED_TWICE]
    )


async def test_a_duplicate_accepted_again(
    new_database: Callable[[], str], rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unique id is not used. One claim_id is still one settlement, so that findings stay right: intake tells."""
    events = [cases.visit("1", NURSED[0]), cases.visit("1", NURSED[0])]
    messages = [message_of(event) for event in events]
    assert_accepted(await kept_after(new_database(), events, rule_set), messages)
    monkeypatch.setattr(stored, "save_event_ids", accept_everything)
    broken = await kept_after(new_database(), events, rule_set)
    assert unlike_reference(broken, rule_set) == {}
    with pytest.raises(AssertionError):
        assert_accepted(broken, messages)


async def test_a_duplicate_counted_twice(compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the unique id nor the claim_id is used: the line would stand in two claims of its encounter."""
    events = [cases.visit("1", NURSED[0]), cases.visit("1", NURSED[0])]
    assert await compare(events, rule_set) == {}
    monkeypatch.setattr(stored, "save_event_ids", accept_everything)
    monkeypatch.setattr(patient, "standing_of", lambda claims: standing.Standing(claims, claims))
    assert await compare(events, rule_set) == {(ODD_DETAILS, ("p1", "A", "visit-1", "line_twice")): TOO_MUCH}


async def accept_everything(
    connection: asyncpg.Connection, area: str, hashes: Mapping[str, bytes]
) -> tuple[dict[str, int], dict[str, bytes]]:
    """Numbers for every event, known or not."""
    return {event_id: await connection.fetchval("select nextval('arrivals')") for event_id in hashes}, {}


async def test_a_fact_looked_up_by_todays_date(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the day before the cap was in force nothing is wrong; today it is in force."""
    events = [cases.visit("1", *(msgspec.structs.replace(line, at=cases.at("2025-12-31")) for line in NURSED))]
    assert await compare(events, rule_set) == {}
    in_force, today = Facts.in_force, cases.at("06-30").toordinal()

    def in_force_today(facts: Facts, catalogue: str, code: str, day: int) -> Point | None:
        return in_force(facts, catalogue, code, today)

    monkeypatch.setattr(Facts, "in_force", in_force_today)
    assert await compare(events, rule_set) == {(DAILY_CAP, ("p1", "A", cases.NURSING, "2025-12-31")): TOO_MUCH}


async def test_an_encounter_without_the_gap_between_its_claims(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit of March with a claim of June, and another visit in April, on no day of the first one's claims."""
    march = cases.visit("1", cases.line("a", "odd code", "03-01"))
    june = cases.visit("2", cases.line("b", cases.HBA1C, "06-01"), encounter_id=march.encounter_id)
    april = cases.visit("3", cases.line("c", cases.HBA1C, "04-15"))
    odd: Key = (ODD_DETAILS, ("p1", "A", march.encounter_id, "unknown_item_code"))
    assert await compare([march, june, april], rule_set) == {}

    def of_the_last_claim(heads: Sequence[touching.Head]) -> dict[tuple[str, str], tuple[int, int]]:
        return {head.company: (head.first_day, head.last_day) for head in heads}

    monkeypatch.setattr(windows, "_spans_together", of_the_last_claim)
    assert await compare([march, june, april], rule_set) == {odd: MISSED}


def odd(*words: str) -> Key:
    return (ODD_DETAILS, ("p1", *words))


async def test_a_reversal_that_takes_no_correction_along(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = cases.visit("c", *NURSED, corrects="1", encounter_id="visit-1")
    events = [cases.visit("1", *NURSED), corrected, cases.visit("r", reverses="1")]
    assert await compare(events, rule_set) == {}
    monkeypatch.setattr(standing, "_leading_to", lambda targets, corrections: set())
    broken = await compare(events, rule_set)
    assert broken == {NURSED_TWICE: TOO_MUCH, odd("A", "visit-1", "corrects_reversed"): MISSED}


async def test_a_number_that_is_never_used_again(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        cases.visit(name, cases.line(name, cases.PLAIN, day), settled_at=cases.at(day), encounter_id="v")
        for name, day in (("1", "2024-03-01"), ("2", "2026-03-01"))
    ]
    assert await compare(events, rule_set) == {}
    monkeypatch.setattr(encounters, "AGAIN", 10_000)
    broken = await compare(events, rule_set)
    days = ("v@2024-03-01", "v@2026-03-01")
    assert {key: broken[key] for key in broken if key[1][-1] == "encounter_used_again"} == {
        odd("A", day, "encounter_used_again"): MISSED for day in days
    }


async def test_a_negative_line_that_takes_nothing(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = cases.line("c", cases.NURSING, "03-01", "-1", amount="-100", in_fund_scope="-100")
    events = [cases.visit("1", *NURSED), cases.visit("2", back, encounter_id="visit-1")]
    assert await compare(events, rule_set) == {}
    monkeypatch.setattr(refunds.TakenBack, "_take", lambda *_: None)
    assert await compare(events, rule_set) == {NURSED_TWICE: TOO_MUCH}


async def test_a_wrong_clock_that_wins(compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    late = cases.visit("1", *NURSED, event_id="e1", settled_at=cases.at("06-30"), happened_at=cases.at("2099-01-01"))
    right = cases.visit("1", NURSED[0], event_id="e2", happened_at=cases.at("07-01"))
    assert await compare([late, right], rule_set) == {}
    monkeypatch.setattr(making, "ranked", lambda happened_at, settled_at: happened_at)
    broken = await compare([late, right], rule_set)
    assert broken == {NURSED_TWICE: TOO_MUCH, odd("A", "visit-1", "wrong_clock"): MISSED}


TWO_PERSONS = [
    cases.visit("1", NURSED[0]),
    cases.visit("2", *NURSED, patient="p2"),
    cases.status("m", "07-01", "merge", patient="p2", same_as="p1"),
    cases.status("u", "07-02", "unmerge", patient="p1", same_as="p2"),
]


async def test_an_unmerge_that_parts_nobody(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await compare(TWO_PERSONS, rule_set) == {}
    joined = handling.joined_pairs
    monkeypatch.setattr(
        handling, "joined_pairs", lambda statuses: joined(of for of in statuses if of.change != "unmerge")
    )
    assert NURSED_TWICE in await compare(TWO_PERSONS, rule_set)


async def test_a_person_who_was_parted_and_is_not_judged_again(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unmerge is an event of p1; what p2 alone did has to be found under the own name again."""
    join_and_part = handling._join_and_part

    async def nobody_changed(*told: Any) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
        members, _ = await join_and_part(*told)
        return members, ()

    assert await compare(TWO_PERSONS, rule_set) == {}
    monkeypatch.setattr(handling, "_join_and_part", nobody_changed)
    broken = await compare(TWO_PERSONS, rule_set)
    assert broken[DAILY_CAP, ("p2", "A", cases.NURSING, "2026-03-01")] == MISSED


async def test_a_transfer_day_that_counts(compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared by two stays in the one rule; in the other the visits of the second stay are no others' any more."""
    first = cases.stay("1", "03-01", "03-05")
    moved = cases.stay("2", "03-05", "03-09", cases.line("a", cases.PLAIN, "03-05"), institution="B")
    assert await compare([first, moved], rule_set) == {}

    def any_day(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int] | None:
        days = max(one[0], other[0]), min(one[1], other[1])
        return days if days[0] <= days[1] else None

    monkeypatch.setattr(stays, "_shared", any_day)
    assert await compare([first, moved], rule_set) == {(TWO_STAYS, ("p1", "A", "visit-1", "B", "visit-2")): TOO_MUCH}


async def test_the_day_of_discharge_counts_as_one_in_hospital(
    compare: Compare, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted = cases.stay("1", "03-01", "03-05")
    seen = cases.visit("2", cases.line("a", cases.PLAIN, "03-05"), institution="B")
    assert await compare([admitted, seen], rule_set) == {}
    billed = stays._billed_inside
    monkeypatch.setattr(
        stays, "_billed_inside", lambda question, stay, first, last: billed(question, stay, first, last + 1)
    )
    assert await compare([admitted, seen], rule_set) == {(ELSEWHERE, ("p1", "A", "visit-1")): TOO_MUCH}
