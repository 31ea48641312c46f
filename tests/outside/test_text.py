"""Long and odd text: every stored field at its limit, and beyond it; whatever cannot be stored is buried without it."""

import json
from collections.abc import Collection, Iterator
from datetime import date
from random import Random
from typing import Any, Literal, get_args, get_origin

import pytest

from casework.decisions import Ground, Verdict
from casework.reasons import LONGEST_REASON
from casework.sight import Sight
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Instant, Money, Quantity, SupplyDays
from knowledge_base.events.persons import PatientStatus
from rules_lib.rule_files import load_rule_set
from streams.acts.decide import Said, decide
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.handlers import accepting
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.stations import create_topics
from streams.jobs.reconciling import reconcile
from streams.messages.codec import decode_event, encode_event
from streams.messages.faults import Undecodable
from streams.messages.kinds import KINDS
from streams.messages.numbers import has_fields, typed_fields
from streams.store.casework.listing import Chosen
from streams.store.events.stored import decompressed
from streams.store.sessions import borrowed, connect, open_pool
from streams.topics import CLAIMS
from tests.reference.cases import HBA1C, NURSING, line, visit
from tests.streams.replay import VAULT, replay
from tests.streams.test_worker import work_off

JUDGED = ("item_code", "visit_type", "sex", "payment_method", "item_kind")
"""Fields that stay as they are in some claims, so that there is something to find."""
NAMES_ANOTHER = ("reverses", "corrects")
"""Fields of which a claim has one at most."""


def _limit_of(kind: Any) -> int | None:
    """How many signs a field of this type takes, where it is a text with a bound."""
    return next((of.max_length for of in getattr(kind, "__metadata__", ()) if of.max_length is not None), None)


def _bounded(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The bounded texts of an event's type and of its parts."""
    item = get_args(kind)[0] if get_origin(kind) is tuple else kind
    if has_fields(item):
        for name, of in typed_fields(item):
            yield from _bounded(of, (*path, name))
    elif _limit_of(item) is not None:
        yield path


def _signs(count: int, random: Random) -> str:
    """Signs of three and four bytes that nothing packs, as rare names hold them."""
    return "".join(
        chr(random.choice((random.randint(0x4E00, 0x9FFF), random.randint(0x20000, 0x2A6DF)))) for _ in range(count)
    )


def _filled(kind: Any, random: Random, beyond: tuple[str, ...] = (), path: tuple[str, ...] = ()) -> Any:
    """A value of a type with every text at its limit, or the one at the path ``beyond`` by one sign more."""
    if get_origin(kind) is tuple:
        return [_filled(get_args(kind)[0], random, beyond, path)]
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if has_fields(kind):
        return {name: _filled(of, random, beyond, (*path, name)) for name, of in typed_fields(kind)}
    limit = _limit_of(kind)
    if limit is not None:
        return _signs(limit + (path == beyond), random)
    return _OTHERS[kind]


_OTHERS: dict[Any, Any] = {
    Money: "1", Quantity: "2", SupplyDays: 1, int: 1, bool: False, date: "2026-03-01", Instant: "2026-03-01T04:00:00Z",
}  # fmt: skip


def _message(kind: str, seed: int, beyond: tuple[str, ...] = (), without: Collection[str] = NAMES_ANOTHER) -> Any:
    """A message of a kind with every field but some."""
    message = _filled(KINDS[kind].event, Random(seed), beyond)
    return {name: value for name, value in message.items() if name not in without}


def _messages() -> Iterator[dict[str, Any]]:
    """Claims of one patient that are found; one of codes that no rule knows, its reversal, its correction; statuses."""
    first = _message("claim", 1)
    shared = {name: first[name] for name in ("area", "patient", "institution", "encounter_id")}
    judged = json.loads(encode_event(visit("1", line("1", NURSING, "03-01", quantity="2"))))
    for seed in (1, 2):
        message = _message("claim", seed) | shared | {name: judged[name] for name in JUDGED if name in judged}
        message["lines"][0] |= {name: judged["lines"][0][name] for name in JUDGED if name in judged["lines"][0]}
        yield message | {"lines": [*message["lines"], _refunding(message["lines"][0])]}
    alone = _message("claim", 3)
    yield alone
    for seed, name in enumerate(NAMES_ANOTHER, 4):
        yield _message("claim", seed) | {of: alone[of] for of in shared} | {name: alone["claim_id"]}
    for seed, change in enumerate(get_args(dict(typed_fields(PatientStatus))["change"]), 10):
        yield _message("patient_status", seed) | {"area": first["area"], "patient": first["patient"], "change": change}


def _refunding(line: dict[str, Any]) -> dict[str, Any]:
    """A line that takes half of another back."""
    numbers = {"quantity": "-1", "amount": "-0.5", "in_fund_scope": "-0.5", "own_pay": "0"}
    return {**line, **numbers, "line_id": _signs(len(line["line_id"]), Random(20)), "refund_of": line["line_id"]}


async def test_every_text_at_its_limit_is_stored_judged_in_a_lead_and_decided_on(postgres_url: str) -> None:
    events = [decode_event(json.dumps(message).encode()) for message in _messages()]
    await replay(postgres_url, events, source=_signs(256, Random(30)))
    reason, by = _signs(LONGEST_REASON, Random(31)), _signs(200, Random(32))
    connection = await connect(postgres_url)
    try:
        rows = await connection.fetch("select body from received order by seq")
        assert {decode_event(decompressed(row["body"])).event_id for row in rows} == {of.event_id for of in events}
        assert all(decode_event(decompressed(row["body"])) in events for row in rows)
        (lead, *_) = await connection.fetch("select lead_id, version from leads where findings > 0")
        assert (await reconcile(connection)).lost == 0
        day = Sight(date(2026, 12, 1).toordinal())
        words = Chosen(everything=True), Said(Verdict.CONFIRMED, Ground.OTHER, reason)
        await decide(connection, lead["lead_id"], lead["version"], *words, by, day)
        (kept,) = await connection.fetch("select reason, decided_by from decisions")
        assert tuple(kept) == (reason, by)
    finally:
        await connection.close()


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, of in KINDS.items() for path in _bounded(of.event)])
def test_a_text_beyond_its_limit_is_a_fault_of_its_field(kind: str, path: tuple[str, ...]) -> None:
    """Whatever fields a kind of event has: they are found by its type."""
    without = [name for name in NAMES_ANOTHER if name != path[0]]
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(_message(kind, 1, path, without)).encode())
    (fault,) = raised.value.faults
    where, _, says = fault.partition(": ")
    assert tuple(where.replace("[0]", "").split(".")) == path
    assert "length <=" in says


@pytest.mark.parametrize("culprit", ["source", "key"])
async def test_a_record_whose_key_or_source_cannot_be_stored_is_buried_without_it(
    postgres_url: str, culprit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that no index takes comes by other senders than ``import``; of keys nothing is known that fails."""
    long = "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(4_000))
    odd = Message(b"odd", b"{", long if culprit == "source" else "s")
    good = [Message(b"k", encode_event(visit(str(n), line("1", HBA1C, "03-01"))), "s") for n in range(3)]
    if culprit == "key":
        _refuse_key(monkeypatch)
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, [good[0], odd, *good[1:]])
    await work_off(postgres_url, EventsHandler(RuleSets(load_rule_set(load_facts())), VAULT, judging=False))
    async with open_pool(postgres_url) as pool, borrowed(pool) as connection:
        (letter,) = await connection.fetch("select source, key, reasons, body from dead_letters")
        assert (letter["source"], letter["key"]) == ("", None)
        assert "key and source left out" in letter["reasons"]
        assert VAULT.open(letter["body"]) == b"{"
        assert await connection.fetchval("select count(*) from events") == 3
        assert (await reconcile(connection)).lost == 0


def _refuse_key(monkeypatch: pytest.MonkeyPatch) -> None:
    works = accepting.ledger.save_account

    async def refuses(connection: Any, lease: Any, letters: Any, tallies: Any) -> None:
        if any(letter.key is not None for letter in letters):
            raise ValueError
        await works(connection, lease, letters, tallies)

    monkeypatch.setattr(accepting.ledger, "save_account", refuses)
