"""Stored findings always equal the reference judge, whatever the order, repeats, batch sizes and partitions.

People are generated for each rule and for several at once; a fresh database takes them in through the real handler.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random

import asyncpg
import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from knowledge_base.findings import Change
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.worker import Worker
from streams.messages.vault import Vault
from streams.store.sessions import connect, open_pool
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE
from tests.reference.generators import mixed, persons
from tests.reference.histories import SCENES, history, mixed_history
from tests.reference.judge import RULE_IDS

from .disturbed import (
    Kept,
    assert_accepted,
    assert_equals_engine,
    assert_versions,
    disturbed,
    load_kept_in,
    take_in,
    unlike_and_near_misses,
)

ENOUGH_HITS = ENOUGH_NEAR_MISSES = 500
ENOUGH_CHANGED = 100

#: People aimed at each rule, for the counts above; some rules are met more rarely than others.
PEOPLE = {
    "FW10000001": 700,
    "GZ10000102014000": 250,
    "GZ10000102012000": 1350,
    "GZ10000302004000": 400,
    "GZ10000301004000": 700,
    "FW10000002": 700,
    "FW10000003": 100,
    "FW10000005": 3700,
    "FW10000006": 1000,
    "GZ10000101010000": 1900,
    "GZ10000201002000": 100,
}
SEVERAL_AT_ONCE = 2000
AREAS = 2

Way = tuple[int, int]
"""(partitions, greatest batch)"""


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="module")
def handler(rule_set: RuleSet) -> EventsHandler:
    return EventsHandler(RuleSets(rule_set), Vault(b"tests"))


def in_area(number: int, events: Iterable[Event]) -> list[Event]:
    return [replace(event, area=f"4202{number:02}") for event in events]


def people_of_all_rules(seeds: range) -> list[Event]:
    """For each seed one person aimed at each rule, one history about each point and one about several, and one
    who meets several rules."""
    aimed = [event for seed in seeds for rule_id in RULE_IDS for event in persons(seed, rule_id)]
    aimed += [event for seed in seeds for about in SCENES for event in history(seed, about)]
    aimed += [event for seed in seeds for event in mixed_history(seed)]
    return aimed + [event for seed in seeds for event in mixed(seed)]


async def kept_in(url: str, messages: list[Message], rule_set: RuleSet) -> tuple[Kept, Counter[str]]:
    """What a store holds after some messages, once everything that must hold of it was found true, and the near misses
    of each rule."""
    kept = await load_kept_in(url)
    unlike, missed = unlike_and_near_misses(kept, rule_set)
    assert unlike == {}
    assert_accepted(kept, messages)
    assert_versions(kept)
    assert_equals_engine(kept, rule_set)
    return kept, missed


async def kept_after(
    url: str, events: list[Event], handler: EventsHandler, rule_set: RuleSet, way: Way
) -> tuple[Kept, Counter[str]]:
    """The same of a fresh store after the events came in disturbed on their way."""
    partitions, most = way
    random = Random(f"{partitions} {most}")
    messages = disturbed(events, random)
    connection = await asyncpg.connect(url)
    try:
        await take_in(connection, handler, messages, partitions, most, random)
    finally:
        await connection.close()
    return await kept_in(url, messages, rule_set)


@pytest.mark.parametrize("partitions", [1, 3, 8])
@pytest.mark.parametrize(("most", "people"), [(1, 4), (7, 25)])
async def test_in_small_batches(
    postgres_url: str, handler: EventsHandler, rule_set: RuleSet, partitions: int, most: int, people: int
) -> None:
    events = in_area(0, people_of_all_rules(range(people)))
    kept, _ = await kept_after(postgres_url, events, handler, rule_set, (partitions, most))
    assert changed_late(kept)


async def test_every_rule_is_met_often_enough(
    new_database: Callable[[], str], handler: EventsHandler, rule_set: RuleSet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints hits, near misses and findings changed by late events, by rule."""
    ways = list(itertools.product((1, 3, 8), (100, 500)))
    hits, missed, changed = Counter[str](), Counter[str](), Counter[str]()
    for way, events in zip(ways, shares(len(ways)), strict=True):
        kept, near = await kept_after(new_database(), events, handler, rule_set, way)
        hits.update(rule for findings in kept.findings.values() for rule, _ in findings)
        missed += near
        changed += changed_late(kept)
    with capsys.disabled():
        print(f"\n{'rule':18}{'hits':>8}{'near misses':>14}{'changed late':>14}")
        for rule in RULE_IDS:
            print(f"{rule:18}{hits[rule]:8}{missed[rule]:14}{changed[rule]:14}")
    assert min(hits[rule] for rule in RULE_IDS) >= ENOUGH_HITS
    assert min(missed[rule] for rule in RULE_IDS) >= ENOUGH_NEAR_MISSES
    assert min(changed[rule] for rule in RULE_IDS) >= ENOUGH_CHANGED


def shares(ways: int) -> Iterator[list[Event]]:
    """All people in equal shares, each person in one, each share in a few areas."""
    for way in range(ways):
        events: list[Event] = []
        for area in range(AREAS):
            first, step = way * AREAS + area, ways * AREAS
            for rule_id, people in PEOPLE.items():
                events += in_area(area, (e for seed in range(first, people, step) for e in persons(seed, rule_id)))
            events += in_area(area, (e for seed in range(first, SEVERAL_AT_ONCE, step) for e in mixed(seed)))
        yield events


def changed_late(kept: Kept) -> Counter[str]:
    """How many findings of each rule were revised or withdrawn by an event that came after they were raised."""
    return Counter(
        versions[0].finding.maker_id
        for versions in kept.versions.values()
        if any(version.change is not Change.RAISED for version in versions)
    )


async def test_two_workers_on_the_postgres_bus(postgres_url: str, handler: EventsHandler, rule_set: RuleSet) -> None:
    """Merges join pseudonyms whose claims two workers judge at the same time."""
    messages = disturbed(in_area(0, people_of_all_rules(range(30))), Random(2))
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await bus.create_topic(CLAIMS, 3)
        workers = [Worker(lambda: connect(postgres_url), handler, max_records=50) for _ in range(2)]
        consumers = [
            await bus.consumer(JUDGES, CLAIMS, f"worker {number}", await worker.open())
            for number, worker in enumerate(workers)
        ]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(w.run(c, stop)) for w, c in zip(workers, consumers, strict=True)]
        async with asyncio.timeout(PATIENCE):
            while len({lag.owner for lag in await bus.lags(JUDGES)}) < 2:
                await asyncio.sleep(0.1)
            await bus.send(CLAIMS, messages)
            while any(lag.behind for lag in await bus.lags(JUDGES)):
                await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*tasks)
        for consumer, worker in zip(consumers, workers, strict=True):
            await consumer.close()
            await worker.close()
    assert min(worker.records for worker in workers) > 0
    assert sum(worker.records for worker in workers) == len(messages)
    await kept_in(postgres_url, messages, rule_set)
