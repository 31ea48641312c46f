"""Long and odd text: every stored field at its limit, and beyond it; whatever cannot be stored is buried without it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.handlers import events
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.stations import create_topics
from streams.jobs.reconciling import reconcile
from streams.messages.codec import decode_event, encode_event
from streams.messages.faults import Undecodable
from streams.store.sessions import borrowed, connect, open_pool
from streams.topics import CLAIMS
from tests.reference.cases import HBA1C, line, visit
from tests.streams.replay import VAULT, replay
from tests.streams.test_worker import work_off

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "schemas" / "claim.json").read_bytes())
WIDE = "\U00020000"
"""A sign of four bytes, as rare names hold it."""
JUDGED = ("item_code", "visit_type", "sex", "payment_method", "kind")
"""Fields that stay as they are, so that there is something to find."""
OF_ONE = ("event_id", "claim_id", "encounter_id", "line_id")
"""Fields that name one thing: their last sign tells them apart."""


def _limits(part: dict[str, Any], name: str) -> int | None:
    """How many signs a field takes, where it is a text with a bound."""
    said = part["properties"][name]
    return next((of["maxLength"] for of in (said, *said.get("anyOf", ())) if "maxLength" in of), None)


def _is_free(name: str) -> bool:
    """Whether a field may hold any text without changing what is found."""
    return name not in (*JUDGED, "reverses", "corrects", "refund_of")


def _definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["$defs"][name]
    return found


def _filled(number: int, more: int = 0, only: str | None = None) -> dict[str, Any]:
    """A claim with every bounded text at its limit, or one of them (``Type.field``) by ``more`` signs beyond it."""
    event = visit(f"{number}", line("1", HBA1C, f"03-0{number}"))
    message: dict[str, Any] = json.loads(encode_event(event))
    message |= {"department": {}, "diagnoses": [{}], "operations": [{}]}
    places = [("Claim", message), ("ClaimLine", message["lines"][0]), ("Department", message["department"])]
    places += [("Diagnosis", message["diagnoses"][0]), ("Operation", message["operations"][0])]
    for kind, part in places:
        for name in _definition(kind)["properties"]:
            limit = _limits(_definition(kind), name)
            if limit is not None and _is_free(name):
                length = limit + more if only == f"{kind}.{name}" else limit
                part[name] = WIDE * (length - 1) + (str(number) if name in OF_ONE else WIDE)
    message["lines"][0]["trace_codes"] = [WIDE * 60]
    return message


def _bounded() -> Iterator[str]:
    for kind in ("Claim", "ClaimLine", "Department", "Diagnosis", "Operation"):
        for name in _definition(kind)["properties"]:
            if _limits(_definition(kind), name) is not None and _is_free(name):
                yield f"{kind}.{name}"


async def test_every_text_at_its_limit_is_stored_judged_and_in_a_lead(postgres_url: str) -> None:
    claims = [decode_event(json.dumps(_filled(number)).encode()) for number in (1, 5)]
    await replay(postgres_url, claims, source="x" * 1024)
    connection = await connect(postgres_url)
    assert await connection.fetchval("select count(*) from events") == 2
    found = await connection.fetch("select rule_id from lead_findings where is_open")
    assert "FW10000003" in {row["rule_id"] for row in found}
    assert (await reconcile(connection)).lost == 0
    await connection.close()


@pytest.mark.parametrize("field", list(_bounded()))
def test_a_text_beyond_its_limit_is_a_fault_of_its_field(field: str) -> None:
    name = field.partition(".")[2]
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(_filled(1, 1, field)).encode())
    (fault,) = raised.value.faults
    assert fault.split(":")[0].endswith(name)
    assert "length <=" in fault


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
    works = events.ledger.save_account

    async def refuses(connection: Any, lease: Any, letters: Any, tallies: Any) -> None:
        if any(letter.key is not None for letter in letters):
            raise ValueError
        await works(connection, lease, letters, tallies)

    monkeypatch.setattr(events.ledger, "save_account", refuses)
