"""Figures, list and labels of warnings are those in sight: a crowd of warnings, counted anew in plain Python."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import asyncpg
import pytest
from msgspec.structs import replace

from casework.overrides import Overrides
from casework.sight import Onlooker, Sight
from knowledge_base.events.claims import Department
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.findings import FindingVersion, finding_id
from streams.acts.decide import decide
from streams.store.casework.decisions import find_holding
from streams.store.events.overrides import Figures, count_overrides, find_figures, find_overrides
from streams.store.events.warned import WarningFilter, find_places, find_warning, find_warnings
from tests.api.story import AREA, COUNTY, TODAY, TOWN, at
from tests.api.test_sight import _FINDINGS, EVERYTHING, ONLOOKERS, OTHER, SAID, WHOLE, _seen, store
from tests.api.warned import (
    AGAIN,
    BEDS,
    REASON,
    advised,
    order,
    reply,
    request,
    save_asked,
    save_judged_late,
    unasked,
    warning,
)

__all__ = ["store"]

MANY = 240
WARDS = (Department("G01", "骨科"), Department("N02", "内科"), Department("N02", "大内科"), None)
FIRST = date(2026, 3, 1)


class Fact(NamedTuple):
    """One warning as the test knows it."""

    area: str
    warning_id: str
    institution: str
    department: str | None
    rule: str
    phase: str
    day: date
    hour: int
    money: Decimal
    finding: str
    repeats: bool
    late: bool
    way: str | None
    reasoned: bool
    billed: bool

    @property
    def told(self) -> bool:
        return not self.repeats and not self.late


async def _save_crowd(connection: asyncpg.Connection, versions: Sequence[FindingVersion]) -> list[Fact]:
    """Warnings of all kinds; some are of occurrences of which findings stand."""
    random = Random(31)
    found = [version for version in versions if version.maker.id in (BEDS, AGAIN)]
    facts = []
    for number in range(MANY):
        area, institution = random.choice((AREA, AREA, OTHER)), random.choice((COUNTY, COUNTY, TOWN))
        ward, phase = random.choice(WARDS), random.choice(("before", "during"))
        rule, occurrence = random.choice((BEDS, AGAIN)), (f"p{number}", "x", "y")
        if random.random() < 0.6:
            of = random.choice(found)
            area, rule, occurrence = of.area, of.maker.id, of.finding.occurrence
        day, hour = FIRST + timedelta(days=random.randrange(51)), random.randrange(24)
        money = Decimal(random.randrange(1, 9999)) / 100
        kind = random.choice(("told", "told", "told", "again", "late"))
        ordered = order(number, amount=str(money))
        name = f"c{number}"
        said = warning(
            f"{name}-1",
            occurrence,
            ordered,
            rule=rule,
            in_question=str(money),
            repeats="x" if kind == "again" else None,
        )
        when = at(day, hour)
        advice = unasked(name, when, rule) if kind == "late" else advised(name, when, said)
        where: dict[str, Any] = {"area": area, "institution": institution}
        asked = request(name, day, [ordered], advice=advice, department=ward, phase=phase, happened_at=when, **where)
        await save_asked(connection, [asked])
        if kind == "late":
            await save_judged_late(connection, asked, said)
        ways = [
            (random.choice(("continue", "change")), random.random() < 0.5) for _ in range(random.choice((0, 1, 1, 2)))
        ]
        if kind != "told":
            ways = []
        for index, (way, reasoned) in enumerate(ways):
            told = reply(f"{name}-{index}", said, way, when, REASON if reasoned else None, **where)
            await save_asked(connection, [told])
        stranger = {**where, "institution": TOWN if institution == COUNTY else COUNTY}
        await save_asked(connection, [reply(f"{name}-stranger", said, "continue", when, REASON, **stranger)])
        way, reasoned = ways[-1] if ways else (None, False)
        is_billed = random.random() < 0.5
        about = said.repeats or said.warning_id
        await _save_entry(connection, asked, about, is_billed)
        await _save_entry(connection, replace(asked, **stranger), about, is_billed=True)
        await _save_entry(connection, replace(asked, encounter_id="another"), f"{about}-x", is_billed=True)
        facts.append(
            Fact(
                *(area, said.warning_id, institution, ward.code if ward else None, rule, phase, day, hour, money),
                *(finding_id(area, rule, occurrence), kind == "again", kind == "late", way, reasoned),
                billed=is_billed,
            )
        )
    return facts


async def _save_entry(connection: asyncpg.Connection, of: Prescription, warning_id: str, is_billed: bool) -> None:
    """What the ledger says of an order that was warned of."""
    await connection.execute(
        """
        insert into order_entries (area, patient, institution, encounter_id, order_id, item_code, day, quantity, amount,
            holds, asked_by, answered, warnings, untold, billed_encounter, billed_line, how)
        values ($1, $2, $3, $4, 'o', 'i', '2026-01-01', 1, 1, 1, '{1}', 'in time', $5, '{}', $6, $6, $7)
        """,
        *(of.area, of.patient, of.institution, of.encounter_id, [warning_id]),
        *(("billed", "order") if is_billed else (None, None)),
    )


@pytest.fixture
async def facts(connection: asyncpg.Connection, store: list[FindingVersion]) -> list[Fact]:
    """The crowd, over findings of which some are decided on."""
    lead = await connection.fetchrow("select area, lead_id, version from leads where area = $1 and findings > 9", AREA)
    assert lead is not None
    await decide(connection, lead["lead_id"], lead["version"], EVERYTHING, SAID, "somebody", WHOLE)
    assert await find_holding(connection, lead["area"], lead["lead_id"])
    return await _save_crowd(connection, store)


def _sees(sight: Onlooker, fact: Fact) -> bool:
    return (sight.areas is None or fact.area in sight.areas) and (
        sight.institutions is None or fact.institution in sight.institutions
    )


async def _states(connection: asyncpg.Connection, sight: Sight) -> dict[str, str]:
    """What was decided on the findings that somebody may see and that stand."""
    rows = await _seen(connection, sight, _FINDINGS)
    verdicts = dict(await connection.fetch("select finding_id, coalesce(verdict, 'open') from lead_findings"))
    return {row["finding_id"]: verdicts[row["finding_id"]] for row in rows if row["is_open"]}


def _counted(facts: Iterable[Fact], states: dict[str, str]) -> Overrides:
    told = [fact for fact in facts if fact.told]
    went_on = [fact for fact in told if fact.way == "continue"]
    came = [states[fact.finding] for fact in went_on if fact.finding in states]
    return Overrides(
        told=len(told),
        changed=sum(fact.way == "change" for fact in told),
        continued=len(went_on),
        reasoned=sum(fact.reasoned for fact in went_on),
        found=len(came),
        confirmed=came.count("confirmed"),
        dismissed=came.count("dismissed"),
        in_question=sum((fact.money for fact in told), Decimal(0)),
        continued_in_question=sum((fact.money for fact in went_on), Decimal(0)),
        billed=sum(fact.billed for fact in told),
        billed_in_question=sum((fact.money for fact in told if fact.billed), Decimal(0)),
    )


FILTERS = [
    WarningFilter(),
    WarningFilter(institution=COUNTY),
    WarningFilter(institution=TOWN, department="N02"),
    WarningFilter(rule=AGAIN, phase="during"),
    WarningFilter(first=date(2026, 3, 10), last=date(2026, 4, 2)),
]


def _chosen(fact: Fact, chosen: WarningFilter) -> bool:
    return (
        chosen.institution in (None, fact.institution)
        and chosen.department in (None, fact.department)
        and chosen.rule in (None, fact.rule)
        and chosen.phase in (None, fact.phase)
        and (chosen.first or date.min) <= fact.day <= (chosen.last or date.max)
    )


def _told_of(figures: Figures) -> tuple[dict[tuple[str, str | None], Overrides], dict[str, Overrides]]:
    return {(ward.institution, ward.department): of for ward, of in figures.by_ward}, dict(figures.by_rule)


def _expected(facts: Iterable[Fact], states: dict[str, str], by: Sequence[str]) -> dict[Any, Overrides]:
    groups = defaultdict(list)
    for fact in facts:
        key = tuple(getattr(fact, name) for name in by)
        groups[key if len(by) > 1 else key[0]].append(fact)
    counted = {key: _counted(of, states) for key, of in groups.items()}
    return {key: of for key, of in counted.items() if of.told}


async def test_figures_are_those_of_what_is_in_sight(connection: asyncpg.Connection, facts: list[Fact]) -> None:
    for sight in ONLOOKERS:
        states = await _states(connection, sight)
        seen = [fact for fact in facts if _sees(sight, fact)]
        for chosen in FILTERS:
            of = [fact for fact in seen if _chosen(fact, chosen)]
            figures = await find_figures(connection, chosen, sight, 100)
            assert figures.total == _counted(of, states)
            assert figures.again == sum(fact.repeats for fact in of)
            assert figures.late == sum(fact.late for fact in of)
            wards, rules = _told_of(figures)
            assert wards == _expected(of, states, ("institution", "department"))
            assert rules == _expected(of, states, ("rule",))
    whole = (await find_figures(connection, WarningFilter(), WHOLE, 3)).total
    assert min(whole.changed, whole.reasoned, whole.found, whole.confirmed, whole.unanswered) > 5


async def test_departments_told_most_come_first_and_all_are_counted(
    connection: asyncpg.Connection, facts: list[Fact]
) -> None:
    figures = await find_figures(connection, WarningFilter(), WHOLE, 3)
    assert len(figures.by_ward) == 3
    assert figures.wards == len({(fact.institution, fact.department) for fact in facts if fact.told})
    told = [of.told for _, of in figures.by_ward]
    assert told == sorted(told, reverse=True)


async def test_the_list_holds_what_is_in_sight_page_by_page(connection: asyncpg.Connection, facts: list[Fact]) -> None:
    more = [WarningFilter(reply="continue"), WarningFilter(reply="change"), WarningFilter(reply="none")]
    more += [WarningFilter(found=True), WarningFilter(found=False, institution=COUNTY)]
    for sight in ONLOOKERS:
        states = await _states(connection, sight)
        for chosen in [*FILTERS, *more]:
            of = [fact for fact in facts if _sees(sight, fact) and _chosen(fact, chosen)]
            if chosen.reply is not None:
                of = [fact for fact in of if fact.told and (fact.way or "none") == chosen.reply]
            if chosen.found is not None:
                of = [fact for fact in of if (fact.finding in states) == chosen.found]
            ordered = sorted(of, key=lambda f: (f.day, f.hour, f.area, f.warning_id), reverse=True)
            found = []
            while page := await find_warnings(connection, chosen, sight, 7):
                found += page
                chosen = replace(chosen, after=page[-1].cursor)
            assert [row.warning_id for row in found] == [fact.warning_id for fact in ordered]
            assert [row.way for row in found] == [fact.way for fact in ordered]
            assert [row.billed for row in found] == [fact.billed for fact in ordered]
            assert [row.state for row in found] == [states.get(fact.finding) for fact in ordered]


async def test_one_warning_is_there_for_those_who_may_see_it(connection: asyncpg.Connection, facts: list[Fact]) -> None:
    for sight in ONLOOKERS:
        for fact in facts[:40]:
            row = await find_warning(connection, fact.area, fact.warning_id, sight)
            assert (row is not None) == _sees(sight, fact)
        places = {code for code, _ in await find_places(connection, sight)}
        assert places == {fact.institution for fact in facts if _sees(sight, fact)}


_OF_A_YEAR = ("told", "changed", "continued", "reasoned", "found", "confirmed", "dismissed")


async def test_labels_of_rules_are_counted_for_the_year_and_for_those_in_sight(
    connection: asyncpg.Connection, facts: list[Fact]
) -> None:
    old = order(1)
    said = warning("old-1", ("p", "x", "y"), old)
    day = TODAY - timedelta(days=366)
    await save_asked(connection, [request("old", day, [old], advice=advised("old", at(day), said))])
    today = Sight(TODAY.toordinal() + 1)
    assert await count_overrides(connection, today) == len({(f.area, f.institution, f.rule) for f in facts})
    assert await count_overrides(connection, today) == 0
    states = await _states(connection, WHOLE)
    for sight in ONLOOKERS:
        of = [fact for fact in facts if _sees(sight, fact)]
        expected = _expected(of, states, ("rule",))
        counted = await find_overrides(connection, [BEDS, AGAIN, "FW10000099"], sight)
        without = {name: Overrides._field_defaults[name] for name in Overrides._fields if name not in _OF_A_YEAR}
        assert counted == {rule: told._replace(**without) for rule, told in expected.items()}
    await connection.execute("delete from warnings where rule_id = $1", AGAIN)
    assert await count_overrides(connection, today) == len({(f.area, f.institution) for f in facts if f.rule == AGAIN})
    assert (await find_overrides(connection, [AGAIN], WHOLE)) == {}
