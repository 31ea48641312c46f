"""Findings are decided one by one: what holds on each, what their leads then are, and what refuses a decision.

Held against a plain reading of all decisions and of the findings' own bodies, after any acts in any order.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from casework.decisions import GROUNDS, Decision, Ground, Verdict
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion, GuiltyPart, finding_id
from rules_lib.rule_set import RuleSet
from streams.acts.decide import GroundRefused, Said, decide, undo
from streams.handlers.rule_sets import RuleSets
from streams.jobs.summing import sum_all_marked
from streams.messages.versions import decode_version
from streams.store.casework import listing
from streams.store.casework.decisions import FindingsChanged, NothingChosen, NotHolding
from streams.store.casework.listing import Chosen, Listing
from streams.store.sessions import Connection, Pool
from tests.api.holding import agree, find_holding
from tests.api.story import AREA, COUNTY, TODAY, TOWN, next_version
from tests.streams.leads import apply_findings

BEDS = "FW10000001"
SIGHT = Sight(TODAY.toordinal())
CONFIRMED = Said(Verdict.CONFIRMED, Ground.RECORDS)
DISMISSED = Said(Verdict.DISMISSED, Ground.EXCUSED)
EVERYTHING = Chosen(everything=True)
BOTH = {Verdict.CONFIRMED: CONFIRMED, Verdict.DISMISSED: DISMISSED}


@pytest.fixture
def stays(versions: list[FindingVersion]) -> list[FindingVersion]:
    """The findings of one lead, which are stored."""
    return [version for version in versions if version.maker.id == BEDS]


def another(version: FindingVersion, name: str, **changed: Any) -> FindingVersion:
    """A new finding like one, of another stay."""
    occurrence = (version.subject.name, COUNTY, name)
    lines = tuple(GuiltyPart((COUNTY, name, part.part[2]), part.amounts) for part in version.finding.guilty)
    made = replace(next_version(version, Change.RAISED, occurrence=occurrence, guilty=lines, **changed), version=1)
    return replace(made, finding_id=finding_id(AREA, BEDS, occurrence))


async def _apply(connection: Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await apply_findings(connection, versions, rule_set)


async def _lead(connection: Connection, institution: str = COUNTY) -> asyncpg.Record:
    row = await connection.fetchrow(
        "select * from leads where area = $1 and institution = $2 and topic = 'stays' and service_year = 2026",
        AREA,
        institution,
    )
    assert row is not None
    return row


async def _decide(connection: Connection, chosen: Chosen, said: Said = CONFIRMED, seen: int | None = None) -> Decision:
    lead = await _lead(connection)
    return await decide(
        connection, lead["lead_id"], lead["version"] if seen is None else seen, chosen, said, "inspector", SIGHT
    )


def _of(*versions: FindingVersion) -> Chosen:
    return Chosen(findings=tuple(version.finding_id for version in versions))


def _cited(decision: Decision) -> set[str]:
    return {citation.finding_id for citation in decision.cites}


# --- against a plain reading


class _Story:
    """Chance acts on one lead and its neighbour: findings come, change and go, people decide and take back."""

    def __init__(self, connection: Connection, stays: list[FindingVersion], rule_set: RuleSet, chance: random.Random):
        self.connection = connection
        self.now = {version.finding_id: version for version in stays}
        self.rule_set = rule_set
        self.chance = chance
        self.done = 0

    async def act(self) -> None:
        acts = (self.come, self.change, self.go, self.go_on, self.decide, self.decide, self.decide, self.undo)
        await self.chance.choice(acts)()

    async def come(self) -> None:
        await self._apply([another(self._any(), f"new-{len(self.now)}-{self.chance.random()}")])

    async def change(self) -> None:
        institution = self.chance.choice([COUNTY, COUNTY, TOWN])
        changed = [next_version(self._any(), institution=institution) for _ in range(self.chance.randint(1, 3))]
        await self._apply({version.finding_id: version for version in changed}.values())

    async def go(self) -> None:
        await self._apply([next_version(self._any(), Change.WITHDRAWN)])

    async def go_on(self) -> None:
        """A finding's occurrence changes its name; the two versions come in any order, together or apart."""
        old = self._any()
        heir = another(old, f"heir-{len(self.now)}")
        both = [heir, replace(next_version(old, Change.WITHDRAWN), continued_by=heir.finding_id)]
        self.chance.shuffle(both)
        for batch in self.chance.choice(([both], [both[:1], both[1:]])):
            await self._apply(batch)

    async def decide(self) -> None:
        lead = await _lead(self.connection)
        rows = await self.connection.fetch(
            "select finding_id from lead_findings where lead_id = $1 and is_open", lead["lead_id"]
        )
        names = [row["finding_id"] for row in rows]
        some = tuple(self.chance.sample(names, min(len(names), self.chance.randint(1, 12))))
        said = BOTH[self.chance.choice(list(BOTH))]
        chosen = self.chance.choice([Chosen(findings=some), Chosen(everything=True, left_out=some)])
        try:
            decision = await _decide(self.connection, chosen, said)
        except NothingChosen:
            return
        self.done += 1
        assert bool(chosen.everything) != (_cited(decision) == set(some))

    async def undo(self) -> None:
        lead = await _lead(self.connection)
        numbers = await self.connection.fetch("select decision_id from decisions where decision <> 'undone'")
        if numbers:
            number = self.chance.choice(numbers)["decision_id"]
            held = {of[0] for of in (await find_holding(self.connection)).values() if of is not None}
            if number in held:
                assert (
                    await undo(self.connection, lead["lead_id"], number, "误判", "inspector", SIGHT)
                ).undoes == number
                self.done += 1
            else:
                with pytest.raises(NotHolding):
                    await undo(self.connection, lead["lead_id"], number, "误判", "inspector", SIGHT)

    def _any(self) -> FindingVersion:
        return self.now[self.chance.choice(sorted(self.now))]

    async def _apply(self, versions: Any) -> None:
        self.now |= {version.finding_id: version for version in versions}
        await _apply(self.connection, list(versions), self.rule_set)


@pytest.mark.parametrize("seed", range(6))
async def test_what_holds_is_what_the_decisions_say_whatever_happened_in_between(
    connection: Connection, pool: Pool, stays: list[FindingVersion], rule_set: RuleSet, seed: int
) -> None:
    story = _Story(connection, stays, rule_set, random.Random(seed))
    for _ in range(40):
        await story.act()
        await sum_all_marked(pool, RuleSets(rule_set))
        await agree(connection)
    assert story.done >= 8
    assert await connection.fetchval("select count(*) from leads_to_sum") == 0


# --- what comes later


async def test_what_comes_later_refuses_nothing_and_comes_back(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    seen = (await _lead(connection))["version"]
    new = [another(stays[0], f"new-{number}") for number in range(3)]
    await _apply(connection, new, rule_set)
    decision = await _decide(connection, EVERYTHING, seen=seen)
    assert _cited(decision) == {version.finding_id for version in stays}
    lead = await _lead(connection)
    assert (lead["state"], lead["undecided"], lead["decided"], lead["fresh"]) == ("open", 3, 34, 0)
    await _decide(connection, _of(*new), DISMISSED)
    assert ((await _lead(connection))["state"], (await _lead(connection))["fresh"]) == ("confirmed", 0)
    await _apply(connection, [another(stays[0], f"later-{number}") for number in range(3)], rule_set)
    lead = await _lead(connection)
    assert (lead["state"], lead["fresh"], lead["findings"]) == ("open", 3, 3)


async def test_what_was_left_open_is_not_new_for_being_revised(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _decide(connection, _of(stays[0]))
    await _apply(connection, [next_version(stays[1])], rule_set)
    assert (await _lead(connection))["fresh"] == 0
    gone = next_version(stays[2], Change.WITHDRAWN)
    await _apply(connection, [gone], rule_set)
    await _apply(connection, [next_version(gone)], rule_set)
    assert (await _lead(connection))["fresh"] == 1, "it went and came back"


async def test_a_finding_that_could_not_be_shown_yet_is_new_when_it_is(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    far = TODAY.toordinal() + 36_500
    await _apply(connection, [another(stays[0], "waiting", excuse_until=far)], rule_set)
    await _decide(connection, EVERYTHING)
    lead = await _lead(connection)
    steps = await connection.fetch(
        "select state, undecided, fresh from lead_totals where lead_id = $1 order by from_day", lead["lead_id"]
    )
    assert [tuple(step) for step in steps] == [("confirmed", 0, 0), ("open", 1, 1)]


async def test_only_what_was_chosen_and_changed_refuses(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    seen = (await _lead(connection))["version"]
    await _apply(connection, [next_version(stays[0]), next_version(stays[1], Change.WITHDRAWN)], rule_set)
    await _apply(connection, [next_version(stays[2], institution=TOWN)], rule_set)
    await _decide(connection, _of(stays[3]), seen=seen)
    for touched in stays[:4]:
        with pytest.raises(FindingsChanged):
            await _decide(connection, _of(touched, stays[9]), seen=seen)
    with pytest.raises(FindingsChanged):
        await _decide(connection, EVERYTHING, seen=seen)
    decision = await _decide(connection, Chosen(everything=True, left_out=_of(*stays[:4]).findings), seen=seen)
    assert _cited(decision) == {version.finding_id for version in stays[4:]}


async def test_what_is_decided_and_revised_refuses_nobody_who_decides_on_the_rest(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _decide(connection, _of(*stays[:2]))
    seen = (await _lead(connection))["version"]
    await _apply(connection, [next_version(stays[0]), next_version(stays[1], Change.WITHDRAWN)], rule_set)
    decision = await _decide(connection, EVERYTHING, seen=seen)
    assert _cited(decision) == {version.finding_id for version in stays[2:]}


async def test_a_decision_taken_back_meanwhile_refuses(connection: Connection, stays: list[FindingVersion]) -> None:
    lead = await _lead(connection)
    first = await _decide(connection, _of(stays[0]))
    seen = lead["version"] + 1
    await undo(connection, lead["lead_id"], first.decision_id, "误判", "inspector", SIGHT)
    with pytest.raises(FindingsChanged):
        await _decide(connection, EVERYTHING, seen=seen)


async def test_what_nobody_saw_cannot_be_decided(connection: Connection, stays: list[FindingVersion]) -> None:
    seen = (await _lead(connection))["version"]
    with pytest.raises(FindingsChanged):
        await _decide(connection, EVERYTHING, seen=seen + 1)
    with pytest.raises(NothingChosen):
        await _decide(connection, Chosen())
    with pytest.raises(FindingsChanged):
        await _decide(connection, Chosen(findings=("0" * 32,)))
    assert await connection.fetchval("select count(*) from decisions") == 0


@pytest.mark.parametrize("verdict", list(GROUNDS))
async def test_a_reason_fits_its_verdict(connection: Connection, stays: list[FindingVersion], verdict: Verdict) -> None:
    for ground in Ground:
        said = Said(verdict, ground, "与护理记录不符")
        if ground in GROUNDS[verdict]:
            assert (await _decide(connection, _of(stays[0]), said)).ground is ground
        else:
            with pytest.raises(GroundRefused):
                await _decide(connection, _of(stays[0]), said)
    with pytest.raises(ValueError, match="visible words"):
        await _decide(connection, _of(stays[0]), Said(verdict, Ground.OTHER, " "))


# --- choosing


async def test_groups_hold_what_their_findings_share(connection: Connection, versions: list[FindingVersion]) -> None:
    every = await connection.fetch("select * from lead_findings where is_open")
    for lead in {row["lead_id"] for row in every}:
        of_lead = [decode_version(row["body"]) for row in every if row["lead_id"] == lead]
        for fold in ("item", "patient"):
            groups = await listing.find_groups(connection, AREA, lead, Listing(fold=fold), SIGHT, 0, 100)
            for group in groups:
                chosen = Listing(fold=fold)
                listed = await listing.find_listed(connection, AREA, lead, chosen, group.group, SIGHT, 0, 100)
                assert len(listed) == group.findings
                shared = {
                    (of.version.maker.id, *sorted(set(of.version.finding.occurrence) & set(group.items)))
                    if fold == "item"
                    else of.version.subject
                    for of in listed
                }
                assert len(shared) == 1, group
                lines = {
                    guilty.part: guilty.amounts.in_question for of in listed for guilty in of.version.finding.guilty
                }
                assert group.in_question == sum(lines.values()), group
            shown = [version for version in of_lead if version.finding.excuse_until is None]
            assert sum(group.findings for group in groups) == len(shown)


@pytest.mark.parametrize("fold", ["item", "patient"])
async def test_a_ticked_group_takes_its_findings_but_for_those_left_out(
    connection: Connection, stays: list[FindingVersion], rule_set: RuleSet, fold: listing.Fold
) -> None:
    dear = [
        next_version(
            version, guilty=tuple(replace(part, amounts=_times(part.amounts, 10)) for part in version.finding.guilty)
        )
        for version in stays[:5]
    ]
    await _apply(connection, dear, rule_set)
    lead = await _lead(connection)
    at_least = Listing(fold=fold, least=Decimal(100))
    groups = await listing.find_groups(connection, AREA, lead["lead_id"], at_least, SIGHT, 0, 100)
    assert sum(group.findings for group in groups) == 5
    first, *others = groups
    left = dear[-1].finding_id
    ticked = Chosen(at_least, groups=(first.group, *(group.group for group in others)), left_out=(left,))
    decision = await _decide(connection, ticked)
    assert _cited(decision) == {version.finding_id for version in dear} - {left}
    rest = await _decide(connection, EVERYTHING, DISMISSED)
    assert _cited(rest) == {left, *(version.finding_id for version in stays[5:])}


def _times(amounts: Any, factor: int) -> Any:
    return replace(amounts, in_question=amounts.in_question * factor)


# --- two people, and a stream


async def test_two_people_and_a_stream_lose_no_decision_and_double_none(
    pool: Pool, connection: Connection, stays: list[FindingVersion], rule_set: RuleSet
) -> None:
    """A thousand decisions by two people on one lead while findings come and change."""
    lead_id = (await _lead(connection))["lead_id"]
    made: dict[str, list[int]] = {"a": [], "b": []}
    refused = 0

    async def person(name: str) -> None:
        nonlocal refused
        chance = random.Random(name)
        async with pool.acquire() as own:
            while sum(map(len, made.values())) < 1000:
                seen = await own.fetchval("select version from leads where lead_id = $1", lead_id)
                found = await listing.find_listed(own, AREA, lead_id, Listing(), None, SIGHT, 0, 40)
                if not found:
                    await asyncio.sleep(0)
                    continue
                some = chance.sample(found, min(len(found), chance.randint(1, 2)))
                chosen = Chosen(findings=tuple(of.version.finding_id for of in some))
                try:
                    decision = await decide(own, lead_id, seen, chosen, BOTH[chance.choice(list(BOTH))], name, SIGHT)
                except FindingsChanged:
                    refused += 1
                    continue
                made[name].append(decision.decision_id)

    async def stream() -> None:
        number = 0
        async with pool.acquire() as own:
            while sum(map(len, made.values())) < 1000:
                number += 1
                waiting = await own.fetchval("select undecided from leads where lead_id = $1", lead_id)
                new = [another(stays[0], f"streamed-{number}-{of}") for of in range(20 if waiting < 20 else 0)]
                await _apply(own, [*new, next_version(replace(stays[1], version=number))], rule_set)

    await asyncio.gather(person("a"), person("b"), stream())
    rows = await connection.fetch("select decision_id, decided_by, cites from decisions order by decision_id")
    assert {row["decision_id"] for row in rows if row["decided_by"] == "a"} == set(made["a"])
    assert {row["decision_id"] for row in rows if row["decided_by"] == "b"} == set(made["b"])
    assert len(rows) >= 1000
    cited = [citation["finding_id"] for row in rows for citation in json.loads(row["cites"])]
    assert len(cited) == len(set(cited)), "nobody decided on what the other had decided on"
    assert refused > 0
    await agree(connection)
