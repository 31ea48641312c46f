"""Bad input among good: each message has its one outcome, the good ones are as if alone, and no value leaks."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.stations import create_topics
from streams.hosts.worker import Worker
from streams.jobs.reconciling import reconcile
from streams.messages.codec import encode_event
from streams.messages.vault import Vault
from streams.store.sessions import connect, open_pool
from streams.topics import CLAIMS, JUDGES
from tests.reference.generators import mixed

from . import bad_messages
from .bad_messages import SECRETS, all_bad
from .disturbed import Kept, load_kept, unlike_reference, written_otherwise

OUTCOMES = ("accepted", "duplicate", "conflict", "dead")
PEOPLE = 60


@dataclass(frozen=True)
class Sent:
    """A message with what must become of it. Its source is a name of its own, so that the ledger tells of it alone."""

    message: Message
    outcome: str
    names: str = ""


@dataclass(frozen=True)
class Trial:
    """What was sent, and what the store holds afterwards."""

    sent: list[Sent]
    ledger: dict[str, asyncpg.Record]
    letters: dict[str, asyncpg.Record]
    kept: Kept
    vault: Vault
    lost: int
    received: int
    logged: str


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def trial(postgres_url: str, rule_set: RuleSet, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Trial]:
    sent, vault = _messages(Random(8)), Vault(b"a secret of this test")
    connection = await connect(postgres_url)
    with caplog.at_level(logging.DEBUG):
        await _work_off(postgres_url, EventsHandler(RuleSets(rule_set), vault), [one.message for one in sent])
    account = await reconcile(connection)
    yield Trial(
        sent,
        {row["source"]: row for row in await connection.fetch("select * from ledger")},
        {row["source"]: row for row in await connection.fetch("select * from dead_letters")},
        await load_kept(connection),
        vault,
        account.lost,
        account.received,
        caplog.text,
    )
    await connection.close()


async def _work_off(dsn: str, handler: EventsHandler, messages: list[Message]) -> None:
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, messages)
        worker = Worker(lambda: connect(dsn), handler, max_records=200)
        consumer = await bus.consumer(JUDGES, CLAIMS, "worker", await worker.open())
        await worker.run(consumer, asyncio.Event(), until_idle=True)
        await consumer.close()
        await worker.close()


def _messages(random: Random) -> list[Sent]:
    """Good ones and bad ones in any order; what repeats or contradicts comes after what it follows."""
    good = [event for seed in range(PEOPLE) for event in mixed(seed)]
    random.shuffle(good)
    first = [_sent(n, event.area, event.patient, _encoded(event), "accepted") for n, event in enumerate(good)]
    for number, data in enumerate(_odd_but_good()):
        first.append(_sent(10_000 + number, data["area"], data["patient"], _encoded(data), "accepted"))
    for number, bad in enumerate(all_bad()):
        message = Message(b"420281/pseudonym", bad.body(number), f"{bad.kind} #{number}")
        first.append(Sent(message, "dead", bad.names))
    random.shuffle(first)
    first.append(Sent(Message(None, _encoded(bad_messages.claim(9_999)), "no key"), "accepted"))
    again = [
        _sent(20_000 + number, event.area, event.patient, written_otherwise(event, random), "duplicate")
        for number, event in enumerate(good[:40])
    ]
    for number, event in enumerate(good[40:80]):
        other = replace(event, sender=event.sender + "x")
        again.append(_sent(30_000 + number, event.area, event.patient, _encoded(other), "conflict", "event_id"))
    random.shuffle(again)
    return first + again


def _sent(number: int, area: str, patient: str, body: bytes, outcome: str, names: str = "") -> Sent:
    return Sent(Message(f"{area}/{patient}".encode(), body, f"source {number}"), outcome, names)


def _encoded(event: Event | dict[str, Any]) -> bytes:
    return json.dumps(event).encode() if isinstance(event, dict) else encode_event(event)


def _odd_but_good() -> list[dict[str, Any]]:
    """What looks broken and is accepted: a bad code or link must not hide spending."""
    claims = [bad_messages.claim(9_000 + number) for number in range(12)]
    claims[0]["reverses"] = "C-of-nobody"
    claims[1]["corrects"] = "C-of-nobody"
    for number, corrected in ((2, 3), (3, 4), (4, 2)):
        claims[number] |= {"corrects": f"C{9_000 + corrected}", "patient": "pseudonym-cycle"}
    claims[5]["lines"] = []
    claims[6] = bad_messages.big_claim(9_006)
    claims[7] |= {"unknown": {"deep": [[["\0"]]]}, "lines": [{**claims[7]["lines"][0], "own": 5}]}
    claims[8] |= {"happened_at": "1900-01-01T00:00:00Z", "settled_at": "2199-12-31T23:59:59Z"}
    claims[9]["received_at"] = "0001-01-01T00:00:00+14:00"
    claims[10] |= {"visit_type": "", "area": "420281", "sex": "王"}
    claims[11]["discharged_at"] = "2199-12-31T20:00:00Z"
    return claims


async def test_each_message_has_its_one_outcome_and_the_good_are_as_if_alone(trial: Trial, rule_set: RuleSet) -> None:
    """One run, looked at from all sides: taking in a thousand messages is what costs."""
    _assert_outcomes(trial)
    _assert_letters(trial)
    _assert_money(trial)
    _assert_nothing_leaks(trial)
    accepted = [one.message.value for one in trial.sent if one.outcome == "accepted"]
    good = [_decoded(body) for body in accepted if body is not None]
    assert sorted(_ids(trial.kept.events["420281"])) == sorted(_ids(good))
    assert unlike_reference(trial.kept, rule_set) == {}
    assert len(trial.kept.findings["420281"]) > PEOPLE


def _decoded(body: bytes) -> Event:
    kinds: dict[str, Any] = {"claim": Claim, "patient_status": PatientStatus}
    return msgspec.json.decode(body, type=kinds[json.loads(body)["kind"]])  # type: ignore[no-any-return]


def _ids(events: list[Event]) -> list[str]:
    return [event.event_id for event in events]


def _assert_outcomes(trial: Trial) -> None:
    assert len({one.message.source for one in trial.sent}) == len(trial.sent)
    for one in trial.sent:
        row = trial.ledger[one.message.source]
        counts = {outcome: row[outcome] for outcome in OUTCOMES if row[outcome]}
        assert counts == {one.outcome: 1}, one.message.source
    assert trial.received == len(trial.sent)
    assert trial.lost == 0


def _assert_letters(trial: Trial) -> None:
    refused = {one.message.source: one for one in trial.sent if one.outcome in ("conflict", "dead")}
    assert trial.letters.keys() == refused.keys()
    for source, one in refused.items():
        letter = trial.letters[source]
        assert letter["outcome"] == one.outcome
        assert letter["key"] == one.message.key
        assert trial.vault.open(letter["body"]) == (one.message.value or b"")
        reasons = json.loads(letter["reasons"])
        assert any(reason.startswith(one.names) for reason in reasons), (source, reasons[:3])


def _assert_money(trial: Trial) -> None:
    """What each message's lines sum to stands under its outcome, and as unknown where nobody can say."""
    unknown = 0
    for one in trial.sent:
        row, money = trial.ledger[one.message.source], _readable_money(one.message.value or b"", one.outcome)
        unknown += money is None
        assert row["dead_money_unknown"] == (money is None), one.message.source
        assert sum(row[f"{outcome}_money"] for outcome in OUTCOMES) == (money or 0), one.message.source
        assert row[f"{one.outcome}_money"] == (money or 0), one.message.source
        letter = trial.letters.get(one.message.source)
        assert letter is None or letter["money"] == money
    assert 0 < unknown < len(all_bad())


def _readable_money(body: bytes, outcome: str) -> Decimal | None:
    """The sum of a message's lines by the standard library's own reading; a good status has none, which is 0."""
    try:
        data = json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)
        json.dumps(data, ensure_ascii=False, default=str).encode()  # half a surrogate pair is no text
        if outcome != "dead" and data["kind"] == "patient_status":
            return Decimal(0)
        total = sum((_amount(line["amount"]) for line in data["lines"]), Decimal(0))
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return None
    return total if total.is_finite() and abs(total) < 10**17 else None


def _amount(written: object) -> Decimal:
    """An amount as the published schema has it written, with quotes or without."""
    if re.fullmatch(r"-?[0-9]{1,14}(\.[0-9]{1,6})?", str(written)) is None:
        raise ValueError("no amount")
    return Decimal(str(written))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _assert_nothing_leaks(trial: Trial) -> None:
    reasons = "\n".join(reason for letter in trial.letters.values() for reason in json.loads(letter["reasons"]))
    patients = {event.patient for event in trial.kept.events["420281"]}
    for secret in (*SECRETS, *patients):
        assert secret not in reasons
        assert secret not in trial.logged
