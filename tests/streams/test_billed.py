"""What was billed by item: of claims that nothing takes back or renews, net of refunds; a sample of a large store."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from random import Random

import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from rules_lib.rule_files import load_rule_set
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.store.events.billed import load_billed
from streams.store.sessions import Connection, connect
from tests.reference.cases import at, line, visit

from .disturbed import message_of, take_in
from .replay import EVERYTHING, VAULT

CHECK, TEST = "002503020030000", "002501010010000"


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


async def take(connection: Connection, claims: Sequence[Claim]) -> None:
    handler = EventsHandler(RuleSets(load_rule_set(load_facts())), VAULT)
    await take_in(connection, handler, [message_of(claim) for claim in claims], 1, 60, Random(1))


async def test_an_empty_store_billed_nothing(connection: Connection) -> None:
    billed = await load_billed(connection, EVERYTHING)
    assert not billed.by_item
    assert (billed.claims, billed.is_sample, billed.total) == (0, False, Decimal(0))


async def test_claims_add_up_by_item_whoever_paid(connection: Connection) -> None:
    await take(
        connection,
        [
            visit("1", line("a", CHECK, "03-01"), line("b", TEST, "03-01"), line("c", None, "03-01")),
            visit("2", line("a", CHECK, "03-02"), patient="p2", paid=None),
        ],
    )
    billed = await load_billed(connection, EVERYTHING)
    assert billed.by_item == {CHECK: 200, TEST: 100, "": 100}
    assert (billed.claims, billed.is_sample, billed.total) == (2, False, Decimal(400))


async def test_what_is_taken_back_corrected_or_renewed_was_not_billed(connection: Connection) -> None:
    def of_the_check(name: str, amount: int, **fields: object) -> Claim:
        return visit(name, line("a", CHECK, "03-01", amount=Decimal(amount)), **fields)

    await take(
        connection,
        [
            of_the_check("reversed", 1),
            of_the_check("reversal", 2, reverses="reversed"),
            of_the_check("corrected", 4),
            of_the_check("correction", 8, corrects="corrected"),
            of_the_check("renewed", 16),
            of_the_check("renewed", 32, event_id="event-renewed-later", happened_at=at("07-01")),
            of_the_check("elsewhere", 64, corrects="none"),
            of_the_check("elsewhere", 128, event_id="event-elsewhere-b", institution="B"),
        ],
    )
    billed = await load_billed(connection, EVERYTHING)
    assert billed.total == 8 + 32 + 64 + 128
    assert billed.claims == 4


@pytest.mark.parametrize("written", [Decimal(30), Decimal(-30)])
async def test_a_refund_takes_off_what_it_names_however_its_sign_is_written(
    connection: Connection, written: Decimal
) -> None:
    refund = line("back", CHECK, "03-02", "-1", amount=written, refund_of="a")
    await take(connection, [visit("v", line("a", CHECK, "03-01"), refund)])
    assert (await load_billed(connection, EVERYTHING)).by_item == {CHECK: 70}


async def test_of_a_large_store_some_pages_are_read_and_each_time_the_same(connection: Connection) -> None:
    claims = [visit(f"{number}", line("a", CHECK, "03-01"), patient=f"p{number}") for number in range(600)]
    await take(connection, claims)
    whole, some, again = [await load_billed(connection, EVERYTHING, pages) for pages in (10_000, 4, 4)]
    assert (whole.claims, whole.is_sample) == (600, False)
    assert some.is_sample
    assert 0 < some.claims < 600
    assert some == again
    assert some.total == 100 * some.claims
