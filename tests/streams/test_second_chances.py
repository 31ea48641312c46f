"""What goes wrong inside stays visible and is mended: a finding that no lead can take, a check that raises, a link
whose target belongs to somebody else until two patients are merged."""

import json
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.service import open_service
from streams.jobs.reconciling import reconcile
from streams.store.sessions import Connection, connect
from streams.topics import FINDINGS
from tests.reference import cases
from tests.reference.rules import DAILY_CAP
from tests.rules_lib.in_memory import Key, broken_check

from .disturbed import load_kept, message_of, take_in, unlike_reference
from .replay import VAULT, until_done

NURSED = cases.visit("1", cases.line("a", cases.NURSING, "03-01"), cases.line("b", cases.NURSING, "03-01"))
NURSED_TWICE: Key = (DAILY_CAP, ("p1", "A", cases.NURSING, "2026-03-01"))


@pytest.fixture
def rule_set() -> RuleSet:
    """The published rules over the few points of the reference judge's own cases; a test may break it."""
    return RuleSet(load_rule_set(load_facts()).rules, Facts(cases.POINTS))


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


async def take_in_all(connection: Connection, rule_set: RuleSet, *events: Event) -> None:
    """Takes in those of some events, in order, that were not taken in before."""
    messages = [message_of(event) for event in events]
    await take_in(connection, EventsHandler(RuleSets(rule_set), VAULT), messages, 1, 1, Random(0))


async def test_a_message_that_no_lead_can_take_is_a_dead_letter_and_stops_nothing(
    postgres_url: str, connection: Connection, rule_set: RuleSet
) -> None:
    async with open_service(postgres_url, rule_set, VAULT) as service:
        await service.bus.send(FINDINGS, [Message(b"k", b'{"finding_id": 5}', "judge")])
        await service.start()
        await service.bus.send("claims", [message_of(NURSED)])
        await until_done(service)
    (letter,) = await connection.fetch('select topic, "offset", outcome, reasons, body from dead_letters')
    assert (letter["topic"], letter["offset"], letter["outcome"]) == (FINDINGS, 0, "dead")
    assert json.loads(letter["reasons"]) == ["cannot be handled: ValidationError"]
    assert VAULT.open(letter["body"]) == b'{"finding_id": 5}'
    assert await connection.fetchval("select findings from leads") == 1
    assert (await reconcile(connection)).lost == 1, "a message of our own that has no outcome shows"


async def _failed(connection: Connection) -> set[str]:
    """Reasons of anchors that the broken check could not decide."""
    rows = await connection.fetch("select reason from not_evaluated where $1 = any(rules)", DAILY_CAP)
    return {row["reason"].split(" at ")[0] for row in rows}


async def test_a_check_that_raises_stays_listed_until_it_is_mended_and_then_judges_again(
    connection: Connection, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = cases.visit("2", cases.line("a", cases.PLAIN, "06-01"), cases.line("b", cases.NURSING, "06-01"))
    mended = cases.status("3", "06-30", "sex", sex="1")
    with monkeypatch.context() as broken:
        broken.setattr("rules_lib.engine.find_check", broken_check(rule_set.by_id[DAILY_CAP], ZeroDivisionError))
        await take_in_all(connection, rule_set, NURSED)
        assert await _failed(connection) == {"check failed: ZeroDivisionError"}
        listed = await connection.fetchval("select count(*) from not_evaluated")
        await take_in_all(connection, rule_set, NURSED, later)
        assert await connection.fetchval("select count(*) from not_evaluated") > listed, "the first one stays"
        kept = await load_kept(connection)
        assert unlike_reference(kept, rule_set) == {NURSED_TWICE: "only the reference finds it"}
    await take_in_all(connection, rule_set, NURSED, later, mended)
    assert await _failed(connection) == set()
    assert unlike_reference(await load_kept(connection), rule_set) == {}


async def test_a_finding_outlives_a_check_that_raises(
    connection: Connection, rule_set: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be judged again is neither confirmed nor withdrawn."""
    await take_in_all(connection, rule_set, NURSED)
    refund = cases.visit("2", cases.line("c", cases.NURSING, "03-01", "-1", refund_of="b"), encounter_id="visit-1")
    with monkeypatch.context() as broken:
        broken.setattr("rules_lib.engine.find_check", broken_check(rule_set.by_id[DAILY_CAP], ZeroDivisionError))
        await take_in_all(connection, rule_set, NURSED, refund)
        assert NURSED_TWICE in (await load_kept(connection)).findings["420281"]
    await take_in_all(connection, rule_set, NURSED, refund, cases.status("3", "06-30", "sex", sex="1"))
    assert NURSED_TWICE not in (await load_kept(connection)).findings["420281"]


@pytest.mark.parametrize(("of_target", "of_link"), [("p1", "p2"), ("p2", "p1")])
async def test_a_link_waits_until_its_patients_are_one(
    connection: Connection, rule_set: RuleSet, of_target: str, of_link: str
) -> None:
    target = replace(NURSED, patient=of_target)
    reversal = cases.visit("2", cases.line("a", cases.PLAIN, "03-02"), patient=of_link, reverses="1")
    merge = cases.status("3", "06-30", "merge", patient="p2", same_as="p1")
    waiting: list[int] = []
    events: Sequence[Event] = (target, reversal, merge)
    for number in range(1, len(events) + 1):
        await take_in_all(connection, rule_set, *events[:number])
        waiting.append((await reconcile(connection)).crossings.waiting_links)
        assert unlike_reference(await load_kept(connection), rule_set) == {}
    assert waiting == [0, 1, 0]
    assert not (await load_kept(connection)).findings["420281"], "the reversed claim accuses nobody"
