"""Digests of an earlier generation: what rules say of them, and how they become new beside the workers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import zstandard

from deploy.county import CountyPlan, simulate
from knowledge_base.digests.details import SINCE, ClaimDetails, LineDetails, OperationDetails, claim_details
from knowledge_base.digests.head import GENERATION
from knowledge_base.events.claims import Department, Operation
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts
from knowledge_base.subjects import PATIENT
from rules_lib import checks
from rules_lib.cases import run_case
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule import Needed, Rule
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Record
from streams.handlers.events import EventsHandler
from streams.handlers.reading import asked_about, find_with
from streams.handlers.rule_sets import RuleSets, publish_first
from streams.jobs.explaining import Reproduced, explain
from streams.jobs.redigesting import Redigested, redigest
from streams.jobs.rejudging import rejudge
from streams.messages.codec import encode_event
from streams.messages.packing import decode_details, encode_details
from streams.store.events import generations, stored
from streams.store.judgements import published
from streams.store.operation.overview import find_findings
from streams.store.sessions import Connection, connect, through_deadlocks
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES
from tests.pipeline.made_up import rule
from tests.reference import cases

from .disturbed import load_kept
from .replay import EVERYTHING, VAULT

RULE = "FW00000077"


def line(name: str, day: str, who: str | None, code: str = cases.NURSING, **fields: Any) -> Any:
    return cases.line(name, code, day, practitioner=who, **fields)


@pytest.fixture
def detailed(monkeypatch: pytest.MonkeyPatch) -> Rule:
    """A rule that needs details, with its check."""
    folder = str(Path(__file__).parents[1] / "growth" / "checks")
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, folder])
    of_days = rule(77, "bills_alone", catalogues=["daily_caps"], needs=["lines.practitioner"])
    return of_days.model_copy(update={"check": "practitioners.bills_alone"})


@pytest.fixture
def rule_set(detailed: Rule) -> RuleSet:
    whole = RuleSet((detailed,), Facts(cases.POINTS))
    return replace(whole, topics={"made_up": detailed.title})


@pytest.fixture
async def connection(postgres_url: str, rule_set: RuleSet) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    await publish_first(connection, rule_set)
    yield connection
    await connection.close()


@pytest.fixture
async def others(postgres_url: str) -> AsyncIterator[list[Connection]]:
    """Three sessions beside the first."""
    async with AsyncExitStack() as stack:
        connections = [await connect(postgres_url) for _ in range(3)]
        for other in connections:
            stack.push_async_callback(other.close)
        yield connections


async def take(connection: Connection, rule_set: RuleSet, *events: Event, most: int = 50) -> None:
    await take_bodies(connection, rule_set, [encode_event(event) for event in events], most)


async def take_bodies(connection: Connection, rule_set: RuleSet, bodies: Sequence[bytes], most: int = 50) -> None:
    handler = EventsHandler(RuleSets(rule_set), VAULT)
    for first in range(0, len(bodies), most):
        taken = await offsets.take(connection, JUDGES, CLAIMS, 0, "tests", None, timedelta(minutes=5))
        assert taken is not None
        lease, start = taken
        together = bodies[first : first + most]
        records = [Record(start + number, b"k", body, "tests") for number, body in enumerate(together)]
        await handler.handle(connection, Batch(lease, start, records))


async def made_by_the_release_before(connection: Connection, *event_ids: str) -> None:
    """What a worker of before would have written of some events."""
    await connection.execute(
        "update events set generation = 1, details = null where event_id = any($1::text[])", list(event_ids)
    )


async def found(connection: Connection) -> set[tuple[str, ...]]:
    rows = await find_findings(connection, RULE, None, "", 100, withdrawn=False, sight=EVERYTHING)
    return {row.finding.occurrence for row in rows}


async def reasons(connection: Connection) -> set[tuple[str, date]]:
    rows = await connection.fetch("select reason, first_day from not_evaluated")
    return {(row["reason"], row["first_day"]) for row in rows}


async def all_anew(connection: Connection, rule_set: RuleSet, most: int = 200) -> Redigested:
    done = Redigested()
    async for piece in redigest(connection, RuleSets(rule_set), most):
        done.anew += piece.anew
        done.without_bytes += piece.without_bytes
        done.unreadable += piece.unreadable
    return done


async def judge_outstanding(connection: Connection, rule_set: RuleSet) -> int:
    return sum([report.findings.total() async for _, report in rejudge(connection, RuleSets(rule_set))])


ONE = cases.visit("1", line("a", "03-01", "D1"), line("b", "03-01", "D1"), line("c", "03-01", "D2"))
TWO = cases.visit("2", line("d", "06-01", "D1"), line("e", "06-01", "D1"))


async def test_a_rule_that_needs_details_finds_by_them(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, ONE, TWO)
    assert await found(connection) == {("p1", "D1", "2026-03-01"), ("p1", "D1", "2026-06-01")}
    (row, _) = await find_findings(connection, RULE, None, "", 100, withdrawn=False, sight=EVERYTHING)
    answer = await explain(connection, row.area, row.finding_id)
    assert answer is not None
    assert answer.verdict is Reproduced.SAME


async def test_details_are_read_where_an_item_asks_for_them_alone(
    connection: Connection, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[tuple[str, int]]] = []
    load_details = stored.load_details

    async def load(connection: Connection, area: str, wanted: Any) -> Any:
        wanted = list(wanted)
        asked.append(set(wanted))
        return await load_details(connection, area, wanted)

    monkeypatch.setattr(stored, "load_details", load)
    other = cases.visit("3", line("f", "03-01", "D1", cases.PLAIN))
    await take(connection, rule_set, other)
    assert asked == []
    await take(connection, rule_set, ONE)
    assert len(asked) == 1
    assert len(asked[0]) == 1, "the earlier claim's; those of the new one are at hand"


async def test_an_older_digest_says_so_and_its_finding_stays(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, ONE)
    await made_by_the_release_before(connection, ONE.event_id)
    again = cases.visit("4", line("g", "03-01", "D2"), line("h", "03-01", "D2"))
    await take(connection, rule_set, again)
    assert await reasons(connection) == {("digest of generation 1", date(2026, 3, 1))}
    assert await found(connection) == {("p1", "D1", "2026-03-01")}, "neither withdrawn nor found anew beside it"
    done = await all_anew(connection, rule_set)
    assert (done.anew, done.without_bytes, done.unreadable) == (1, [], [])
    assert (await published.find_outstanding(connection))[0].rules == [RULE]
    assert await judge_outstanding(connection, rule_set) == 1
    assert await reasons(connection) == set()
    assert await found(connection) == {("p1", "D1", "2026-03-01"), ("p1", "D2", "2026-03-01")}


async def test_days_far_from_an_older_digest_are_judged(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, ONE)
    await made_by_the_release_before(connection, ONE.event_id)
    await take(connection, rule_set, TWO)
    assert ("p1", "D1", "2026-06-01") in await found(connection)
    assert await reasons(connection) == set(), "the old one is not judged again, and nothing is said of it"


async def test_an_older_digest_without_an_item_of_the_rule_does_not_matter(
    connection: Connection, rule_set: RuleSet
) -> None:
    other = cases.visit("3", line("f", "03-01", "D1", cases.PLAIN))
    await take(connection, rule_set, other)
    await made_by_the_release_before(connection, other.event_id)
    await take(connection, rule_set, ONE)
    assert await found(connection) == {("p1", "D1", "2026-03-01")}


async def test_an_event_that_is_asked_about_has_its_details(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, cases.visit("1", line("a", "03-01", "D1")))
    asked = cases.visit("asked", line("b", "03-01", "D1"))
    rules = rule_set.of(PATIENT)
    window, digests, _ = await find_with(connection, asked_about(asked), rules)
    history = PatientHistory(window.matter.subject, [digests[seq] for seq in window.seqs], rules.by_code)
    (finding,) = judge(history, window.scope, rules, window.supplement, chains=window.chains).findings
    assert finding.occurrence == ("p1", "D1", "2026-03-01")


async def test_what_cannot_be_made_anew_is_named_and_stays(connection: Connection, rule_set: RuleSet) -> None:
    await take(connection, rule_set, ONE, TWO)
    await made_by_the_release_before(connection, ONE.event_id, TWO.event_id)
    await connection.execute(
        "delete from received r using events e where e.area = r.area and e.seq = r.seq and e.event_id = $1",
        ONE.event_id,
    )
    await _keep_other_bytes(connection, TWO.event_id, encode_event(TWO).replace(b'"claim"', b'"invoice"'))
    for _ in range(2):
        done = await all_anew(connection, rule_set)
        assert (done.anew, done.without_bytes, done.unreadable) == (0, [ONE.event_id], [TWO.event_id])
    assert await generations.count_old(connection) == 2
    assert not await published.find_outstanding(connection)


async def _keep_other_bytes(connection: Connection, event_id: str, body: bytes) -> None:
    await connection.execute(
        "update received r set body = $2 from events e where e.area = r.area and e.seq = r.seq and e.event_id = $1",
        event_id,
        zstandard.compress(body),
    )


async def test_a_county_made_anew_by_several_beside_a_worker_is_what_it_was(
    connection: Connection, others: list[Connection], rule_set: RuleSet
) -> None:
    events = list(simulate(CountyPlan(scale=1 / 3000, seed=5)))
    first, rest = events[: len(events) // 2], events[len(events) // 2 :]
    await take(connection, rule_set, *first)
    kept = await _digests(connection)
    await connection.execute("update events set generation = 1, details = null")
    pieces, more, _ = await asyncio.gather(
        all_anew(others[0], rule_set, 3),
        all_anew(others[1], rule_set, 4),
        take(others[2], rule_set, *rest),
    )
    assert pieces.anew + more.anew == len(kept), "each once, whoever did it"
    assert (await _digests(connection))[: len(kept)] == kept
    assert await generations.count_old(connection) == 0
    await judge_outstanding(connection, rule_set)
    await _is_as_judged_afresh(connection, others[2], rule_set, events)


async def _digests(connection: Connection) -> list[tuple[int, bytes, bytes]]:
    rows = await connection.fetch("select seq, digest, details from events order by seq")
    return [(row["seq"], row["digest"], row["details"]) for row in rows]


async def _is_as_judged_afresh(connection: Connection, other: Connection, rule_set: RuleSet, events: list[Any]) -> None:
    """The open findings of the store are those of one that took in everything by this program."""
    by_digest = await load_kept(connection)
    await other.execute("truncate events, event_ids, received, findings, finding_versions, not_evaluated, outbox")
    await take(other, rule_set, *events)
    afresh = await load_kept(other)
    assert afresh.findings
    assert by_digest.findings == afresh.findings


# --- what details are


def test_details_hold_what_was_told() -> None:
    at = cases.at("03-01", "08:30")
    told = cases.visit(
        "1",
        line("a", "03-01", "D1", unit_price=Decimal("2.50"), order_id="O1", trace_codes=("T1", "T2")),
        cases.line("b", cases.PLAIN, "03-02", department=Department("C1", "ward")),
        practitioner="D2",
        department=Department("C2"),
        institution_level="3",
        institution_kind="hospital",
        admission_way="1",
        discharge_way="2",
        operations=(Operation("06.4x00", at=at, incision="II", practitioner="D3"),),
        settled_at=at,
    )
    microseconds = int(at.timestamp()) * 1_000_000
    assert claim_details(told) == ClaimDetails(
        settled_at=microseconds,
        practitioner="D2",
        department="C2",
        institution_level="3",
        institution_kind="hospital",
        admission_way="1",
        discharge_way="2",
        operations=(OperationDetails("06.4x00", microseconds, "II", "D3"),),
        unit_prices=("2.50", None),
        practitioners=("D1", None),
        departments=(None, "C1"),
        order_ids=("O1", None),
        trace_codes=(("T1", "T2"), ()),
    )
    by_line = [claim_details(told).line(index) for index in range(2)]
    assert by_line == [LineDetails("2.50", "D1", None, "O1", ("T1", "T2")), LineDetails(department="C1")]
    assert claim_details(cases.visit("2", cases.line("a", cases.PLAIN, "03-02"))).unit_prices == ()
    assert decode_details("claim", encode_details(claim_details(told))) == claim_details(told)


def test_every_field_of_details_is_one_that_rules_may_need() -> None:
    columns = [field.name for field in msgspec.structs.fields(ClaimDetails) if field.default == ()]
    own = [name for name in ClaimDetails.__struct_fields__ if name not in ("operations", *columns)]
    inside = [f"operations.{name}" for name in OperationDetails.__struct_fields__]
    inside += [f"lines.{name}" for name in LineDetails._fields]
    assert set(SINCE) == {*own, *inside} <= set(get_args(Needed))
    assert max(SINCE.values()) <= GENERATION


def test_cases_of_rule_files_may_tell_details(detailed: Rule, rule_set: RuleSet) -> None:
    def said(*who: str | None) -> str:
        lines = [{"item": cases.NURSING, "day": date(2026, 3, 1), "practitioner": of} for of in who]
        return run_case({"events": [{"lines": lines}]}, detailed, rule_set)[0]

    assert [said("D1", "D1"), said("D1", "D2"), said("D1", None)] == ["hit", "near_miss", "not_evaluated"]


async def test_a_transaction_that_the_database_ended_for_another_is_done_again(others: list[Connection]) -> None:
    both_hold_one, tries = asyncio.Barrier(2), []

    async def take_both(connection: Connection, first: int, second: int) -> int:
        tries.append(first)
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", first)
            if len(tries) <= 2:
                await both_hold_one.wait()
            await connection.execute("select pg_advisory_xact_lock($1)", second)
        return first

    one, other, _ = others
    works = [partial(take_both, one, 7, 8), partial(take_both, other, 8, 7)]
    assert await asyncio.gather(*map(through_deadlocks, works)) == [7, 8]
    assert len(tries) == 3
