"""Histories about time and identity, in every order of arrival and over both buses: the store equals the reference.

Each order of a history comes to an area of its own, so that one store takes them all in; the events of a person come
one a batch, or two.
"""

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random

import asyncpg
import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Bus, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.kafka import KafkaService
from streams.hosts.service import Service, open_service
from streams.store.sessions import Pool
from streams.topics import CLAIMS
from tests.reference.histories import SCENES, history
from tests.reference.judge import Expected, reference_findings
from tests.reference.persons import person_names
from tests.rules_lib.in_memory import Key, differences

from .disturbed import (
    assert_accepted,
    assert_equals_engine,
    disturbed,
    load_kept_in,
    load_open_findings,
    message_of,
    take_in,
    unlike_reference,
)
from .replay import VAULT, until_done

HISTORIES = 500
ALL_ORDERS_UP_TO, SOME_ORDERS = 5, 30
"""Of a history of up to so many events all orders come, of a longer one so many by chance."""
GREATEST_BATCH = 500
TOGETHER = 0.2
"""How often an event comes in one batch with the one before it."""


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


def some_histories(about: str) -> Iterator[list[Event]]:
    """Histories of which no two have a pseudonym in common."""
    known: set[str] = set()
    seeds = itertools.count()
    for _ in range(HISTORIES):
        events = next(
            events for events in (history(seed, about) for seed in seeds) if known.isdisjoint(person_names(events))
        )
        known.update(person_names(events))
        yield events


def orders(events: Sequence[Event], random: Random) -> Iterator[Sequence[Event]]:
    if len(events) <= ALL_ORDERS_UP_TO:
        yield from itertools.permutations(events)
    else:
        yield from (random.sample(events, k=len(events)) for _ in range(SOME_ORDERS))


def arrivals(about: str, rule_set: RuleSet, random: Random) -> tuple[list[Message], dict[str, dict[Key, Expected]]]:
    """All orders of all histories, first events first, area by area; and what has to be found, by area.

    Now and then an event comes with the one before it of the same history, in one batch.
    """
    rounds: dict[tuple[int, str], list[Message]] = defaultdict(list)
    expected: dict[str, dict[Key, Expected]] = defaultdict(dict)
    for events in some_histories(about):
        found = reference_findings(events, rule_set.facts.points)
        for turn, order in enumerate(orders(events, random)):
            area = f"42{turn:04}"
            expected[area] |= found
            number = 0
            for event in order:
                number += random.random() >= TOGETHER
                rounds[number, area].append(message_of(replace(event, area=area)))  # type: ignore[type-var]
    return [message for number in sorted(rounds) for message in rounds[number]], expected


@pytest.mark.parametrize("about", SCENES)
async def test_in_every_order_of_arrival(postgres_url: str, rule_set: RuleSet, about: str) -> None:
    random = Random(about)
    messages, expected = arrivals(about, rule_set, random)
    connection = await asyncpg.connect(postgres_url)
    try:
        handler = EventsHandler(RuleSets(rule_set), VAULT)
        await take_in(connection, handler, messages, 1, GREATEST_BATCH, random)
        found = await load_open_findings(connection)
    finally:
        await connection.close()
    unlike = {area: differences(found.get(area, {}), expected[area]) for area in expected}
    assert {area: told for area, told in unlike.items() if told} == {}
    assert sum(map(len, expected.values())) > HISTORIES


Making = tuple[Callable[[Pool], Bus], type[Service]]


@pytest.fixture(params=["postgres", "kafka"])
def making(request: pytest.FixtureRequest) -> Making:
    """How a bus is made, and the service that runs on it."""
    if request.param == "postgres":
        return PostgresBus, Service
    brokers: str = request.getfixturevalue("kafka_brokers")
    return lambda pool: KafkaBus(pool, KafkaAddress(brokers, f"histories-{os.getpid()}-")), KafkaService


async def test_over_both_buses(postgres_url: str, rule_set: RuleSet, making: Making) -> None:
    make_bus, host = making
    events = [
        replace(event, area=f"4205{number:02}")  # type: ignore[type-var]
        for number, about in enumerate(SCENES)
        for seed in range(HISTORIES)
        for event in history(seed, about)
    ]
    messages = disturbed(events, Random(13))
    async with open_service(postgres_url, rule_set, VAULT, make_bus, {CLAIMS: 3}, host) as service:
        await service.start()
        await service.bus.send(CLAIMS, messages)
        await until_done(service)
    kept = await load_kept_in(postgres_url)
    assert unlike_reference(kept, rule_set) == {}
    assert_accepted(kept, messages)
    assert_equals_engine(kept, rule_set)
