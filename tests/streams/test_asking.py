"""An event that is not stored is judged as if it came now, by a read that locks and writes nothing."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import asyncpg
import pytest
from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.digests.head import Digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.subjects import PATIENT, patient
from rules_lib.engine import Judgement, judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Record
from streams.handlers.events import EventsHandler
from streams.handlers.reading import asked_about, find_with
from streams.handlers.rule_sets import RuleSets
from streams.messages.kinds import digest_of
from streams.messages.vault import Vault
from streams.pipeline.windows import Window
from streams.store.sessions import connect
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES
from tests.pipeline.made_up import told
from tests.reference import cases
from tests.reference.generators import mixed
from tests.reference.persons import person_names

from .disturbed import message_of, take_in

PEOPLE = 120
CALLERS = 16
BATCHES = 30


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="module")
def handler(rule_set: RuleSet) -> EventsHandler:
    return EventsHandler(RuleSets(rule_set), Vault(b"tests"))


def _people() -> Iterator[list[Event]]:
    """Some with much that went astray, each in an area of its own, and those of a county, with a year each."""
    for seed in range(PEOPLE):
        yield [replace(event, area=f"42{seed:04}") for event in mixed(seed)]
    county = list(simulate(CountyPlan(scale=1 / 2000)))
    names = person_names(county)
    by_person: dict[str, list[Event]] = defaultdict(list)
    for event in county:
        by_person[names[event.patient]].append(event)
    yield from by_person.values()


def _asked_last(events: list[Event]) -> tuple[list[Event], Claim] | None:
    """A person's events, and the last of its claims, which is not sent but asked about."""
    asked = next((event for event in reversed(events) if isinstance(event, Claim)), None)
    if asked is None or [event.event_id for event in events].count(asked.event_id) > 1:
        return None
    return [event for event in events if event is not asked], asked


def _whole_history(events: list[Event], asked: Claim) -> list[Digest]:
    """The digests of everything that was told of the person whom an event is about, in any order."""
    known = {event.event_id: event for event in events}
    names = person_names([*known.values(), asked])
    return [digest_of(event) for event in (*known.values(), asked) if names[event.patient] == names[asked.patient]]


def _judged(window: Window, digests: list[Digest], rule_set: RuleSet) -> Judgement:
    rules = rule_set.of(PATIENT)
    history = PatientHistory(window.matter.subject, digests, rules.by_code)
    return judge(history, window.scope, rules, window.supplement, chains=window.chains)


async def test_an_event_that_is_not_stored_is_judged_as_by_the_whole_history(
    postgres_url: str, handler: EventsHandler, rule_set: RuleSet
) -> None:
    people = [asked for events in _people() if (asked := _asked_last(events)) is not None]
    connection = await connect(postgres_url)
    messages = [message_of(event) for events, _ in people for event in events]
    await take_in(connection, handler, messages, 1, 500, Random(0))
    found = left_out = of_courses = passed_over = in_part = 0
    for events, asked in people:
        async with connection.transaction(readonly=True):
            window, digests, _ = await find_with(connection, asked_about(asked), rule_set.of(PATIENT))
        whole = _whole_history(events, asked)
        assert window.matter.subject == patient(person_names([*events, asked])[asked.patient])
        assert {head.event_id for head in window.matter.heads} <= {digest.event_id for digest in whole}
        holds_course = any(line.item_code in rule_set.of(PATIENT).whole_item_codes for line in asked.lines)
        assert window.chains or not holds_course
        passed_over += len(window.matter.heads) < len(whole)
        of_courses += holds_course
        in_part += holds_course and len(window.seqs) < len(whole)
        by_read = _judged(window, [digests[seq] for seq in window.seqs], rule_set)
        assert told(by_read) == told(_judged(window, whole, rule_set))
        found += len(by_read.findings)
        left_out += len(window.seqs) < len(whole)
    await connection.close()
    assert found > PEOPLE / 4, "hardly anything was found, so hardly anything was compared"
    assert of_courses > 3
    assert in_part > 3
    assert passed_over > PEOPLE / 2, "all that is known was read, so nothing was proven"
    assert left_out > PEOPLE, "whole histories were read, so nothing was proven"


async def test_a_patient_nobody_knows_has_a_window_of_the_event_alone(postgres_url: str, rule_set: RuleSet) -> None:
    connection = await connect(postgres_url)
    asked = cases.visit("1", cases.line("a", cases.NURSING, "03-01"))
    window, digests, _ = await find_with(connection, asked_about(asked), rule_set.of(PATIENT))
    await connection.close()
    assert [head.event_id for head in window.matter.heads] == [asked.event_id]
    assert list(digests.values()) == [digest_of(asked)]


async def test_callers_see_whole_batches_and_hold_up_no_worker(
    new_database: Callable[[], str], handler: EventsHandler, rule_set: RuleSet
) -> None:
    """Each batch holds two claims of everybody: nobody may ever see one of the two alone."""
    url = new_database()
    asked = cases.visit("asked", cases.line("a", cases.NURSING, "03-01"))
    seen: set[int] = set()
    done = asyncio.Event()

    async def ask(who: int) -> None:
        connection = await connect(url)
        before = 0
        while not done.is_set():
            async with connection.transaction(readonly=True):
                window, *_ = await find_with(
                    connection, asked_about(replace(asked, patient=f"p{who}")), rule_set.of(PATIENT)
                )
                locks = await _strong_locks(connection)
            stored = len(window.matter.heads) - 1
            assert stored % 2 == 0
            assert stored >= before
            assert locks == []
            before = stored
            seen.add(stored)
        await connection.close()

    async def write() -> None:
        connection = await connect(url)
        try:
            await _take_in_two_at_once(connection, handler)
        finally:
            done.set()
            await connection.close()

    await asyncio.gather(write(), *map(ask, range(CALLERS)))
    assert len(seen) > 3, "the callers saw hardly any batch come"


async def _take_in_two_at_once(connection: asyncpg.Connection, handler: EventsHandler) -> None:
    taken = await offsets.take(connection, JUDGES, CLAIMS, 0, "tests", None, timedelta(hours=1))
    assert taken is not None
    lease, _ = taken
    for batch in range(BATCHES):
        claims = [
            cases.visit(f"{batch}-{who}-{one}", cases.line("a", cases.NURSING, "03-01"), patient=f"p{who}")
            for who in range(CALLERS)
            for one in range(2)
        ]
        start = batch * len(claims)
        sent = map(message_of, claims)
        records = [Record(start + number, of.key, of.value, of.source) for number, of in enumerate(sent)]
        await handler.handle(connection, Batch(lease, start, records))


async def _strong_locks(connection: asyncpg.Connection) -> list[str]:
    """What a session holds beyond the right to read tables, which waits for nobody but a change of their form."""
    rows = await connection.fetch(
        """
        select mode, locktype from pg_locks
        where pid = pg_backend_pid() and mode <> 'AccessShareLock' and locktype <> 'virtualxid'
        """
    )
    return [f"{row['mode']} on {row['locktype']}" for row in rows]


async def test_the_lines_in_the_docs_ask_so(postgres_url: str, handler: EventsHandler, rule_set: RuleSet) -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "concepts.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", docs, re.DOTALL)
    known = {"find_with": find_with, "asked_about": asked_about, "PatientHistory": PatientHistory, "judge": judge}
    known["PATIENT"] = PATIENT
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    exec(f"async def ask(rule_set, connection, event):\n{body}    return judgement", known)
    lines = [(str(n), cases.line(str(n), cases.HBA1C, f"03-0{n}")) for n in (1, 2)]
    first, asked = (cases.visit(name, of, institution="H42028100001") for name, of in lines)
    connection = await connect(postgres_url)
    try:
        await take_in(connection, handler, [message_of(first)], 1, 1, Random(0))
        judgement: Judgement = await known["ask"](rule_set, connection, asked)  # type: ignore[operator]
    finally:
        await connection.close()
    assert [finding.maker_id for finding in judgement.findings] == ["FW10000003"]
