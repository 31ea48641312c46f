"""What the console and the interface read: the queue, a lead with its findings, and what is not known of its people."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import asyncpg
import msgspec

from casework.precision import Expected
from casework.sight import Sight
from knowledge_base.findings import Lane
from streams.store.casework.holders import HOLDER
from streams.store.sights import SHOWN, gap_in_sight, in_sight, place_arguments, shown_of, sight_arguments

#: What the store raises for text that it cannot hold: PostgreSQL's text has no NUL.
TextRefused = asyncpg.CharacterNotInRepertoireError

#: Sorting by name: two expressions, both ascending. Names of the lead then settle the order, so paging by key is exact.
SORTS = {
    "expected": ("-coalesce(t.expected, 0)", "t.severity"),
    "severity": ("t.severity", "-t.in_fund"),
    "in_fund": ("-t.in_fund", "t.severity"),
    "in_question": ("-t.in_question", "t.severity"),
    "loss": ("-coalesce(t.loss, -1)", "t.severity"),
    "people": ("-t.people", "t.severity"),
    "newest": ("date '9999-12-31' - coalesce(t.newest_day, date '1900-01-01')", "t.severity"),
}


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of the queue ended: the two sorted values and the lead's name."""

    first: Decimal
    second: Decimal
    area: str
    lead_id: str


class LeadFilter(msgspec.Struct, frozen=True):
    """Which leads, in which order, from where on. Nothing given means all; ``states`` empty means every state; the
    ``holder`` that is no log-in but empty means those that nobody has. A lead comes to ``least`` yuan in question or
    more, and holds a finding of ``maker``, a rule or detector, that counts today; likewise one that names one of
    ``items``, the codes that ``item`` means. After ``new_since`` an undecided finding came into it that counts."""

    lane: str | None = None
    area: str | None = None
    institution: str | None = None
    topic: str | None = None
    year: int | None = None
    severity: int | None = None
    least: Decimal | None = None
    newest_from: date | None = None
    newest_to: date | None = None
    maker: str | None = None
    item: str | None = None
    items: tuple[str, ...] | None = None
    new_since: datetime | None = None
    holder: str | None = None
    states: tuple[str, ...] = ()
    sort: str = "expected"
    after: Cursor | None = None
    limit: int = 50


class Lead(msgspec.Struct, frozen=True):
    """A lead as it counts on a day, as ``casework.leads.Totals`` says it: ``findings``, people and amounts (yuan) are
    of its findings in the lead's own state. ``waiting`` findings count only when no excuse came in time.

    ``expected`` yuan are expected to be confirmed at least, ``expected_of`` says how that is reckoned
    (``casework.precision``), and ``makers`` are the rules and detectors of all findings that count; ``None`` until a
    lead of before is summed again."""

    area: str
    lead_id: str
    institution: str
    institution_name: str | None
    topic: str
    service_year: int
    lane: str
    version: int
    state: str
    assignee: str | None
    held_until: date | None
    snoozed_until: date | None
    updated_at: datetime
    findings: int
    people: int
    in_question: Decimal
    in_fund: Decimal
    loss: Decimal | None
    lines: int
    lines_without_loss: int
    newest_day: date | None
    severity: int
    waiting: int
    undecided: int
    decided: int
    fresh: int
    changed: int
    came_at: datetime | None
    at_stake: Decimal
    expected: Decimal | None
    expected_of: tuple[Expected, ...] | None
    makers: list[str] | None
    first: Decimal
    second: Decimal

    @property
    def all_findings(self) -> int:
        """Findings that count today, whatever was decided on them."""
        return self.undecided + self.decided

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.first, self.second, self.area, self.lead_id)


class Changes(msgspec.Struct, frozen=True):
    """How many findings of a lead changed after one of its versions; ``moved`` ones belong to another lead now."""

    raised: int
    revised: int
    withdrawn: int
    moved: int


class Neighbour(msgspec.Struct, frozen=True):
    """A lead of another institution with how many of its findings name lines of one's own, and one of them."""

    lead_id: str
    institution: str
    institution_name: str | None
    topic: str
    service_year: int
    findings: int
    finding_id: str


class Beside(msgspec.Struct, frozen=True):
    """How many open findings, in how many leads of other institutions, name lines of a lead's; the first such leads."""

    findings: int
    leads: int
    first: list[Neighbour]


class Gap(msgspec.Struct, frozen=True):
    """On how many anchors of a lead's people one of its rules could not decide, for one reason."""

    rule_id: str
    reason: str
    anchors: int


_SEEN_STATE = "case when t.state = 'open' and t.snoozed_until >= $1 then 'snoozed' else t.state end"
"""The state of a lead as people see it: an open one that is put off is in a state of its own until the day is over."""

_IN_STATE = {
    "open": "t.state = 'open' and (t.snoozed_until is null or t.snoozed_until < $1)",
    "snoozed": "t.state = 'open' and t.snoozed_until >= $1",
}
"""Conditions on these, said so that the store knows how many leads they leave; of others it is the state of the row."""

# What leads come to today. From counts_from on a lead's own row says it; before, a step of lead_totals does.
_SETTLED = f"""
    select l.area, l.lead_id, l.institution, l.topic, l.service_year, l.version, l.state,
        {HOLDER} as assignee, l.held_until, l.snoozed_until, l.updated_at,
        l.findings, l.people, l.in_question, l.in_fund, l.loss, l.newest_day, l.severity, 0 as waiting,
        l.undecided, l.decided, l.fresh, l.changed, l.came_at, l.at_stake, l.lane, l.expected, l.makers
    from leads l where l.counts_from <= $1
"""
_UNSETTLED = f"""
    select l.area, l.lead_id, l.institution, l.topic, l.service_year, l.version,
        coalesce(t.state, l.state) as state,
        {HOLDER} as assignee, l.held_until, l.snoozed_until, l.updated_at,
        t.findings, t.people, t.in_question, t.in_fund, t.loss, t.newest_day, t.severity,
        l.undecided + l.decided - t.undecided - t.decided as waiting,
        t.undecided, t.decided, t.fresh, t.changed, t.came_at, t.at_stake, t.lane, t.expected, t.makers
    from leads l
    join lateral (
        select * from lead_totals t where t.area = l.area and t.lead_id = l.lead_id and t.from_day <= $1
        order by t.from_day desc limit 1
    ) t on true
    where l.counts_from > $1
"""
TODAY = f"({_SETTLED} union all {_UNSETTLED})"

_LEADS = """
    select q.*, i.name as institution_name, t.lines, t.lines_without_loss, t.expected_of
    from chosen q
    join lateral (
        select t.lines, t.lines_without_loss, t.expected_of from lead_totals t
        where t.area = q.area and t.lead_id = q.lead_id and t.from_day <= $1 order by t.from_day desc limit 1
    ) t on true
    left join institutions i on i.institution = q.institution
"""

_OF_MAKER = """
    (t.makers @> array[{0}] or t.makers is null and exists (
        select from lead_findings f join makers m on m.id = f.rule_id and m.live
        where f.area = t.area and f.lead_id = t.lead_id and f.rule_id = {0} and f.is_open
            and (f.excuse_until is null or f.excuse_until < $1)))
"""
"""That a lead holds a finding of a maker that counts today. One that was not summed since its row tells its makers is
asked for its findings."""

# Fields of a filter by the condition that they are.
_NARROWING = {
    "lane": "t.lane = {}",
    "area": "t.area = {}",
    "institution": "t.institution = {}",
    "topic": "t.topic = {}",
    "year": "t.service_year = {}",
    "severity": "t.severity = {}",
    "least": "t.in_question >= {}",
    "newest_from": "t.newest_day >= {}",
    "newest_to": "t.newest_day <= {}",
    "maker": _OF_MAKER,
    "new_since": "t.came_at > {}",
    "holder": "coalesce(t.assignee, '') = {}",
}


def _gathered(chosen: LeadFilter, arguments: list[object]) -> str:
    """The leads that hold a finding on one of the chosen items, gathered before all else, as a part of ``with``.

    A planner would ask for each lead in the order of the page, and pass over all that come before these.
    """
    if chosen.items is None:
        return ""
    arguments.append(chosen.items)
    return f"""
        of_items as materialized (
            select f.area, f.lead_id from lead_findings f join makers m on m.id = f.rule_id and m.live
            where f.is_open and f.items && ${len(arguments)}::text[]
                and (f.excuse_until is null or f.excuse_until < $1)
            group by f.area, f.lead_id),
    """


def _conditions(chosen: LeadFilter, arguments: list[object]) -> str:
    """The conditions that a filter gives, as SQL over ``t``; their values are added to the arguments.

    A lead whose findings are gone stays in the queue where somebody decided on it.
    """
    conditions = ["(t.findings > 0 or t.state <> 'open')", in_sight("t")]
    if chosen.items is not None:
        conditions.append("(t.area, t.lead_id) in (select area, lead_id from of_items)")
    for field, condition in _NARROWING.items():
        value = getattr(chosen, field)
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(f"${len(arguments)}"))
    return " and ".join(conditions)


def _further(chosen: LeadFilter, arguments: list[object]) -> str:
    """The conditions on the state, and on where the page before ended."""
    first, second = SORTS[chosen.sort]
    conditions = ""
    if chosen.states:
        of_states = []
        for state in chosen.states:
            if state not in _IN_STATE:
                arguments.append(state)
            of_states.append(_IN_STATE.get(state, f"t.state = ${len(arguments)}"))
        conditions += f" and ({' or '.join(f'({condition})' for condition in of_states)})"
    if chosen.after is not None:
        at = len(arguments)
        arguments += msgspec.structs.astuple(chosen.after)
        after = f"(${at + 1}::numeric, ${at + 2}::numeric, ${at + 3}, ${at + 4})"
        conditions += f" and ({first}, {second}, t.area, t.lead_id) > {after}"
    return conditions


async def find_leads(connection: asyncpg.Connection, chosen: LeadFilter, sight: Sight) -> list[Lead]:
    """One page of the queue as it counts today. Raises ``KeyError`` for an unknown sorting."""
    first, second = SORTS[chosen.sort]
    arguments = sight_arguments(sight)
    gathered = _gathered(chosen, arguments)
    conditions = _conditions(chosen, arguments) + _further(chosen, arguments)
    # Each part is sorted and cut by itself: the settled ones are read in the order of the index leads_by_expected.
    # Sorted are names alone, which is half the work; what the leads of the page come to is read then, one by one
    # ("offset 0"), lest a planner read all leads for it.
    parts = " union all ".join(
        f"""
        (select t.area, t.lead_id, {first} as first, {second} as second from ({part}) t where {conditions}
        order by {first}, {second}, t.area, t.lead_id limit {chosen.limit:d})
        """
        for part in (_SETTLED, _UNSETTLED)
    )
    rows = await connection.fetch(
        f"""
        with {gathered} picked as ({parts} order by first, second, area, lead_id limit {chosen.limit:d}),
        chosen as (
            select t.*, p.first::numeric as first, p.second::numeric as second from picked p
            join lateral (
                select * from {TODAY} t where t.area = p.area and t.lead_id = p.lead_id offset 0) t on true)
        {_LEADS} order by q.first, q.second, q.area, q.lead_id
        """,
        *arguments,
    )
    return [_lead(row, sight) for row in rows]


def _lead(row: asyncpg.Record, sight: Sight) -> Lead:
    of = row["expected_of"]
    expected = None if of is None else msgspec.json.decode(of, type=tuple[Expected, ...])
    lead = Lead(**{**row, "expected_of": expected})
    until = lead.snoozed_until
    is_snoozed = lead.state == "open" and until is not None and until.toordinal() >= sight.today
    return msgspec.structs.replace(lead, state="snoozed") if is_snoozed else lead


async def find_counts(connection: asyncpg.Connection, chosen: LeadFilter, sight: Sight) -> dict[str, dict[str, int]]:
    """How many leads there are in each state of each lane with the other conditions of a filter."""
    arguments = sight_arguments(sight)
    gathered = _gathered(chosen, arguments)
    conditions = _conditions(msgspec.structs.replace(chosen, lane=None), arguments)
    # Each part is grouped by itself: the settled ones are read in the order of the index leads_counted.
    parts = " union all ".join(
        f"""
        select t.lane, t.state, t.snoozed_until, count(*) as leads from ({part}) t where {conditions} group by 1, 2, 3
        """
        for part in (_SETTLED, _UNSETTLED)
    )
    rows = await connection.fetch(
        f"""
        with {gathered} counted as ({parts})
        select t.lane, {_SEEN_STATE} as state, sum(t.leads)::bigint as leads from counted t group by 1, 2
        """,
        *arguments,
    )
    counts: dict[str, dict[str, int]] = {lane.value: {} for lane in Lane}
    for row in rows:
        counts[row["lane"]][row["state"]] = row["leads"]
    return counts


async def count_leads(connection: asyncpg.Connection, chosen: LeadFilter, sight: Sight, most: int) -> int:
    """How many leads a filter holds, counted up to ``most``."""
    arguments = sight_arguments(sight)
    gathered = _gathered(chosen, arguments)
    conditions = _conditions(chosen, arguments) + _further(msgspec.structs.replace(chosen, after=None), arguments)
    parts = " union all ".join(f"(select 1 from ({part}) t where {conditions})" for part in (_SETTLED, _UNSETTLED))
    count: int = await connection.fetchval(
        f"with {gathered} held as ({parts} limit {most:d}) select count(*) from held", *arguments
    )
    return count


async def find_lead(connection: asyncpg.Connection, lead_id: str, sight: Sight) -> Lead | None:
    """A lead by its name, as it counts today."""
    first, second = SORTS["expected"]
    row = await connection.fetchrow(
        f"""
        with chosen as (
            select t.*, ({first})::numeric as first, ({second})::numeric as second from {TODAY} t
            where t.lead_id = $4 and {in_sight("t")})
        {_LEADS}
        """,
        *sight_arguments(sight),
        lead_id,
    )
    return None if row is None else _lead(row, sight)


async def find_mark(connection: asyncpg.Connection, lead: Lead) -> str | None:
    """What is another one whenever a finding of a lead, or what was decided on one, is; ``None`` while the lead is to
    be summed again, as its row does not say yet what changed."""
    mark: str | None = await connection.fetchval(
        """
        select l.xmin::text from leads l where l.area = $1 and l.lead_id = $2
            and not exists (select from leads_to_sum m where m.area = l.area and m.lead_id = l.lead_id)
        """,
        lead.area,
        lead.lead_id,
    )
    return mark


class Choices(NamedTuple):
    """What leads speak of, for the filters: areas, institutions (code, name), and years from the first to the last."""

    areas: list[str]
    institutions: list[tuple[str, str]]
    years: list[int]


async def find_choices(connection: asyncpg.Connection, sight: Sight) -> Choices:
    """All that the leads in sight speak of."""
    areas = await connection.fetch(
        f"""
        select area, min(service_year) as first, max(service_year) as last from lead_places p
        where {in_sight("p", 1)} group by area order by area
        """,
        *place_arguments(sight),
    )
    institutions = await connection.fetch(
        f"""
        select p.institution, coalesce(i.name, p.institution) as name
        from (select distinct institution from lead_places p where {in_sight("p", 1)}) p
        left join institutions i using (institution) order by name
        """,
        *place_arguments(sight),
    )
    first, last = min((row["first"] for row in areas), default=1), max((row["last"] for row in areas), default=0)
    named = [(row["institution"], row["name"]) for row in institutions]
    return Choices([row["area"] for row in areas], named, list(range(last, first - 1, -1)))


async def find_areas(connection: asyncpg.Connection) -> frozenset[str]:
    """The areas in which there are leads."""
    return frozenset(row["area"] for row in await connection.fetch("select distinct area from lead_places"))


async def find_institution_names(connection: asyncpg.Connection, codes: Collection[str]) -> dict[str, str]:
    """Names of the institutions that have one."""
    rows = await connection.fetch(
        "select institution, name from institutions where institution = any($1::text[])", list(codes)
    )
    return {row["institution"]: row["name"] for row in rows}


async def find_maker_counts(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> list[tuple[str, int]]:
    """(rule or detector, findings that count today), the most serious first."""
    rows = await connection.fetch(
        f"""
        select f.rule_id, count(*) as findings from {SHOWN} where f.area = $4 and f.lead_id = $5 and f.is_open
        group by f.rule_id order by min(f.severity), 2 desc, 1
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    return [(row["rule_id"], row["findings"]) for row in rows]


MOST_NEIGHBOURS = 5
"""Leads of other institutions that are named; all are counted."""


async def find_beside(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> Beside:
    """The findings of other institutions' leads that count today and name lines of a lead's institution.

    Leads with most of them come first. What names the institution is found by its index alone, before all else.
    """
    rows = await connection.fetch(
        f"""
        with named as materialized (
            select area, lead_id, finding_id, rule_id, excuse_until from lead_findings
            where is_open and institutions_beside(body) @> array[$5::text]
        ),
        counted as (
            select f.area, f.lead_id, count(*) as findings, min(f.finding_id) as finding_id,
                sum(count(*)) over ()::bigint as all_findings, count(*) over () as all_leads
            from {shown_of("named")} where f.area = $4
            group by f.area, f.lead_id order by 3 desc, f.lead_id limit $6
        )
        select c.*, l.institution, i.name as institution_name, l.topic, l.service_year
        from counted c join leads l using (area, lead_id) left join institutions i using (institution)
        order by c.findings desc, c.lead_id
        """,
        *sight_arguments(sight),
        lead.area,
        lead.institution,
        MOST_NEIGHBOURS,
    )
    if not rows:
        return Beside(0, 0, [])
    first = [Neighbour(**{name: row[name] for name in Neighbour.__struct_fields__}) for row in rows]
    return Beside(rows[0]["all_findings"], rows[0]["all_leads"], first)


async def find_changes(
    connection: asyncpg.Connection, area: str, lead_id: str, after_version: int, sight: Sight
) -> Changes:
    """What happened to findings of a lead after one of its versions."""
    row = await connection.fetchrow(
        f"""
        select count(*) filter (where f.is_open and f.version = 1) as raised,
            count(*) filter (where f.is_open and f.version > 1) as revised,
            count(*) filter (where not f.is_open) as withdrawn,
            (
                select count(*) from {SHOWN} join lead_departures d using (area, finding_id)
                where d.area = $4 and d.lead_id = $5 and d.lead_version > $6 and f.lead_id <> $5
            ) as moved
        from {SHOWN} where f.area = $4 and f.lead_id = $5 and f.lead_version > $6
        """,
        *sight_arguments(sight),
        area,
        lead_id,
        after_version,
    )
    assert row is not None
    return Changes(**row)


async def find_gaps(connection: asyncpg.Connection, lead: Lead, rules: Sequence[str], sight: Sight) -> list[Gap]:
    """Why rules could not decide on other things of a lead's subjects in its year, the most frequent first."""
    rows = await connection.fetch(
        f"""
        select rule_id, n.reason, count(*) as anchors
        from not_evaluated n, unnest(n.rules) as rule_id
        where n.area = $1 and rule_id = any($3::text[]) and n.first_day < make_date($4 + 1, 1, 1)
            and n.last_day >= make_date($4, 1, 1)
            and (n.subject_kind, n.subject) in (
                select subject_kind, subject from lead_findings where area = $1 and lead_id = $2 and is_open)
            and {gap_in_sight(5)}
        group by rule_id, n.reason order by anchors desc, rule_id, n.reason
        """,
        lead.area,
        lead.lead_id,
        list(rules),
        lead.service_year,
        place_arguments(sight)[1],
    )
    return [Gap(**row) for row in rows]
