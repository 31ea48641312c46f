"""What the program does not know flows from the bus to a lead, with outcomes, reconciliation and explanation.

And is withdrawn when it no longer holds. The rooms are those that the program's own kinds live in: a row each.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casework.sight import Sight
from detectors.detector import DETECTORS
from knowledge_base.cards import Words
from knowledge_base.catalogues.files import load_facts
from knowledge_base.subjects import Subject
from rules_lib import checks
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule_files import load_rule_set
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.handlers.events import EventsHandler
from streams.hosts.kafka import KafkaService
from streams.hosts.service import Service, open_service
from streams.hosts.stations import STATIONS, Station
from streams.importers.sending import send_messages
from streams.jobs.detecting import detect
from streams.jobs.explaining import Reproduced, explain
from streams.jobs.reconciling import find_partitions, reconcile
from streams.messages.codec import encode_event
from streams.messages.kinds import KINDS
from streams.store.casework.queue import Lead, LeadFilter, find_leads
from streams.store.operation.overview import FindingRow, find_findings
from streams.store.sessions import borrowed
from streams.topics import TOPICS
from tests.streams.replay import VAULT, until_done

from .crowds import Crowds
from .swipes import SWIPE, TOPIC, Swipe
from .terminals import RULE, TerminalHistory

INSURED, TREATED = "A", "B"
TODAY = Sight(datetime(2026, 12, 1, tzinfo=UTC).toordinal())


def swipe(number: int, voids: int | None = None) -> Swipe:
    return Swipe(
        event_id=f"s{number}",
        area=INSURED,
        kind="swipe",
        happened_at=datetime(2026, 3, 2, 1, number, tzinfo=UTC),
        sender="test",
        swipe_id=f"{number}",
        terminal="T1",
        institution="H1",
        treated_in=TREATED,
        voids=None if voids is None else f"{voids}",
    )


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that somebody would add: a kind, a topic, a station, a history, a check, a detector."""
    monkeypatch.setitem(KINDS, "swipe", SWIPE)
    monkeypatch.setitem(TOPICS, TOPIC.name, TOPIC)
    monkeypatch.setattr("streams.hosts.service.STATIONS", [*STATIONS, Station(TOPIC.name, EventsHandler)])
    monkeypatch.setitem(HISTORIES, "terminal", TerminalHistory)
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(Path(__file__).parent / "checks")])
    monkeypatch.setitem(DETECTORS, Crowds.card.id, Crowds())


@dataclass
class Grown:
    """A service with the grown set in force."""

    service: Service

    async def send(self, *swipes: Swipe) -> None:
        bodies = [encode_event(event) for event in swipes]
        source = swipes[0].event_id
        async for _ in send_messages(self.service.pool, self.service.bus, source, source, bodies):
            pass
        await until_done(self.service)

    async def ask(self, question: Callable[..., Awaitable[Any]], *words: object) -> Any:
        async with borrowed(self.service.pool) as connection:
            return await question(connection, *words)

    async def finding(self, maker: str) -> FindingRow:
        (row,) = await self.ask(find_findings, maker, None, "", 10, True, TODAY)
        return row  # type: ignore[no-any-return]

    async def leads(self, sight: Sight = TODAY) -> list[Lead]:
        return await self.ask(find_leads, LeadFilter(), sight)  # type: ignore[no-any-return]

    async def detect(self, area: str) -> None:
        await self.ask(detect, area, DETECTORS[Crowds.card.id], self.service.rule_sets)
        await until_done(self.service)


@pytest.fixture(params=["postgres", "kafka"])
async def station(request: pytest.FixtureRequest, postgres_url: str, grown: None) -> AsyncIterator[Grown]:
    on_bus: dict[str, Any] = {}
    if request.param == "kafka":
        address = KafkaAddress(request.getfixturevalue("kafka_brokers"), prefix=f"growth-{os.urandom(4).hex()}-")
        on_bus = {"make_bus": partial(KafkaBus, address=address), "host": KafkaService}
    own = load_rule_set(load_facts())
    names = {"terminals": Words(zh="终端", en="Terminals"), "crowds": Words(zh="扎堆", en="Crowds")}
    rules = replace(own, rules=(*own.rules, RULE), topics={**own.topics, **names}, detectors=(Crowds.card,))
    async with open_service(postgres_url, rules, VAULT, **on_bus) as service:
        await service.start()
        yield Grown(service)


async def test_an_event_of_another_kind_about_another_subject_leads_to_a_lead_and_is_withdrawn(station: Grown) -> None:
    await station.send(*map(swipe, range(1, 4)))
    row = await station.finding(RULE.id)
    assert (row.area, row.is_open, row.finding.value) == (TREATED, True, Decimal(3)), "the terminal's area"
    assert row.finding.guilty[0].part == ("swipe", "3")
    (lead,) = await station.leads()
    assert (lead.area, lead.institution, lead.topic, lead.findings, lead.people) == (TREATED, "H1", "terminals", 1, 0)
    for areas, institutions, found in (
        ({TREATED}, {"H1"}, [lead]),
        ({INSURED}, None, []),
        (None, {"H2"}, []),
        (None, set(), []),
    ):
        sight = msgspec.structs.replace(TODAY, areas=areas, institutions=institutions)
        assert await station.leads(sight) == found
    answer = await station.ask(explain, TREATED, row.finding_id)
    assert (answer.verdict, answer.events, answer.stored.subject) == (Reproduced.SAME, 3, Subject("terminal", "T1"))
    await station.send(swipe(4, voids=1))
    assert not (await station.finding(RULE.id)).is_open
    assert await station.leads() == []
    assert (await station.ask(explain, TREATED, row.finding_id)).verdict is Reproduced.SAME


async def test_outcomes_reconciliation_and_lag_follow_a_new_topic(station: Grown) -> None:
    bad = msgspec.structs.replace(swipe(2), voids="2")
    await station.send(swipe(1), bad, swipe(1))
    account = await station.ask(reconcile, station.service.bus)
    assert (account.received, account.lost) == (3, 0)
    (source,) = account.sources
    assert (source.accepted, source.duplicate, source.dead) == (1, 1, 1)
    lags = await station.service.bus.lags()
    assert {lag.behind for lag in lags if lag.topic == TOPIC.name} == {0}
    assert TOPIC.name in {row.topic for row in await station.ask(find_partitions, lags)}


async def test_a_detector_suspects_what_it_says_again_and_withdraws_it(station: Grown) -> None:
    await station.send(*map(swipe, range(1, 4)))
    await asyncio.gather(station.detect(INSURED), station.detect(INSURED))
    row = await station.finding(Crowds.card.id)
    assert (row.version, row.is_open, row.finding.at_stake) == (1, True, Decimal(300)), "two runs at once find it once"
    (lead,) = [lead for lead in await station.leads() if lead.topic == "crowds"]
    assert (lead.area, lead.at_stake, lead.in_question, lead.service_year) == (INSURED, Decimal(300), 0, 2026)
    answer = await station.ask(explain, INSURED, row.finding_id)
    assert (answer.verdict, answer.stored.maker.kind) == (Reproduced.SAME, "detector")
    await station.send(swipe(4, voids=1))
    assert (await station.finding(Crowds.card.id)).is_open, "rules do not withdraw what a detector found"
    await station.detect(INSURED)
    assert not (await station.finding(Crowds.card.id)).is_open
    assert "crowds" not in {lead.topic for lead in await station.leads()}


def test_growth_is_small() -> None:
    """What somebody would write for each is under sixty lines, and no file of the program is among it."""
    files = ("swipes.py", "terminals.py", "checks/terminals.py", "crowds.py")
    texts = {name: (Path(__file__).parent / name).read_text(encoding="utf-8") for name in files}
    assert all(sum(1 for line in text.splitlines() if line.strip()) < 60 for text in texts.values())
