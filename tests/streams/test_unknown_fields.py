"""Fields that no schema knows: named in the store, few enough, and never with what they held."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import Message, Record
from streams.buses.postgres import PostgresBus
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.stations import create_topics
from streams.messages.unknown import MOST_NAMES
from streams.messages.vault import Vault
from streams.pipeline.account import Account, decode_records
from streams.store.intake.reconciliation import find_tally
from streams.store.intake.unknown_fields import UnknownField, find_unknown_fields
from streams.store.sessions import Connection, Pool, connect, open_pool
from streams.topics import CLAIMS

from .bad_messages import claim, status
from .test_worker import work_off

SECRET = "王某某"
WIDE = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}_x" for number in range(500)]


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as opened:
        await create_topics(PostgresBus(opened))
        yield opened


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    opened = await connect(postgres_url)
    yield opened
    await opened.close()


async def _take_in(dsn: str, pool: Pool, source: str, *data: dict[str, Any]) -> None:
    """Sends messages of one patient, so through one partition, and takes them in."""
    messages = [Message(b"one", json.dumps(one).encode(), source) for one in data]
    await PostgresBus(pool).send(CLAIMS, messages)
    handler = EventsHandler(RuleSets(load_rule_set(load_facts())), Vault(b"a secret of this test"), judging=False)
    await work_off(dsn, handler)


def _is_sampled(data: dict[str, Any]) -> bool:
    return hashlib.blake2b(json.dumps(data).encode(), digest_size=16).digest()[0] % 64 == 0


def _misspelt(number: int) -> dict[str, Any]:
    data = {**claim(number), "totl_amount": SECRET, SECRET: SECRET}
    data["lines"][1]["amout"] = SECRET
    return data


async def test_a_misspelt_field_is_named_from_the_first_message_of_its_source_on(
    postgres_url: str, pool: Pool, connection: Connection
) -> None:
    few = [data for data in map(_misspelt, range(100)) if not _is_sampled(data)][:3]
    await _take_in(postgres_url, pool, "few", *few)
    await _take_in(postgres_url, pool, "statuses", {**status(500), "patiant": SECRET})
    assert await find_unknown_fields(connection, "few") == [
        UnknownField("few", "claim", "lines.amout", 1, "lines.amount"),
        UnknownField("few", "claim", "totl_amount", 1, "lines.amount"),
    ]
    assert [row.meant for row in await find_unknown_fields(connection, "statuses")] == ["patient"]
    assert len(await find_unknown_fields(connection)) == 3
    assert (await find_tally(connection, "few")).unknown_fields == 3
    rows = await connection.fetch("select * from unknown_fields")
    assert SECRET not in str(rows)


async def test_what_spot_checks_see_adds_up_over_batches(postgres_url: str, pool: Pool, connection: Connection) -> None:
    seen = 0
    for first in (0, 400):
        batch = [_misspelt(number) for number in range(first, first + 400)]
        seen += 1 + sum(map(_is_sampled, batch[1:]))
        await _take_in(postgres_url, pool, "many", *batch)
    assert seen > 5
    assert {row.field: row.seen for row in await find_unknown_fields(connection)} == {
        "lines.amout": seen,
        "totl_amount": seen,
    }


async def test_no_source_has_more_than_a_few_names(postgres_url: str, pool: Pool, connection: Connection) -> None:
    await _take_in(postgres_url, pool, "wide", {**claim(1), **dict.fromkeys(WIDE, SECRET)})
    await _take_in(postgres_url, pool, "wide", {**claim(2), **dict.fromkeys(["later_x", WIDE[0]], SECRET)})
    rows = await connection.fetch("select field, seen from unknown_fields")
    assert len(rows) == MOST_NAMES
    assert Counter(row["seen"] for row in rows) == {1: MOST_NAMES - 1, 2: 1}
    assert (await find_tally(connection, "wide")).unknown_fields == 502


def test_a_message_of_many_unknown_names_leaves_few_of_them_in_memory() -> None:
    account = Account(Vault(b"a secret of this test"))
    wide = {**claim(1), **dict.fromkeys(WIDE, SECRET)}
    account.unknown_fields(Record(0, None, json.dumps(wide).encode(), "wide"), "claim")
    assert len(account.unknown["wide"]) == MOST_NAMES
    assert account.tallies["wide"].unknown_fields == len(WIDE)


def test_where_each_message_has_a_source_of_its_own_few_are_looked_at() -> None:
    """Looking is reading a second time: a batch of as many hospitals as messages is not to be read twice."""
    sent = [_misspelt(number) for number in range(300)]
    account = Account(Vault(b"a secret of this test"))
    decode_records(
        [Record(n, None, json.dumps(one).encode(), f"h{n:03}") for n, one in enumerate(sent)], account, CLAIMS
    )
    sampled = {f"h{n:03}" for n, one in enumerate(sent) if _is_sampled(one)}
    assert account.unknown.keys() == {f"h{n:03}" for n in range(16)} | sampled
