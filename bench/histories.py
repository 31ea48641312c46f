"""Histories: what a claim costs whose person has 5, 60 or 600 earlier ones, and what one long patient costs the others.

One process takes in one batch in one transaction, from messages to stored findings.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace

from bench.results import Reporter, Result, measure_interleaved
from bench.samples import LINES, people_with_history
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Record
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.messages.codec import encode_event
from streams.messages.vault import Vault
from streams.store.migrations import migrate
from streams.store.sessions import Connection, connect
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES

_PEOPLE = 40
_EARLIER = (5, 60, 600)
_MEMBER = "bench"
_LONG = 2_000
"""Claims in ten years of dialysis, three a week with gaps."""
_NEIGHBOURS = 400
_INFUSION = "XB01AXA223B002010100156"
"""Ozagrel of one maker, for which the published rules on courses hold."""


def run() -> list[Result]:
    """Batches of 40 people's newest claims, and a batch of 400 people with and without one of 2,000 claims."""
    rule_set = load_rule_set(load_facts())
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as name, start_postgres(Path(name)) as server:
        asyncio.run(migrate(server.dsn))
        contenders: dict[str, Callable[[], float]] = {}
        for earlier in _EARLIER:
            people = people_with_history(_PEOPLE, earlier)
            template = asyncio.run(prepared(server, rule_set, [claim for claims in people for claim in claims[:-1]]))
            newest = [claims[-1] for claims in people]
            contenders[f"{earlier}"] = _taking_in(server, rule_set, template, newest)
        people = people_with_history(_PEOPLE, max(_EARLIER), near=min(_EARLIER))
        template = asyncio.run(prepared(server, rule_set, [claim for claims in people for claim in claims[:-1]]))
        newest = [claims[-1] for claims in people]
        contenders["far"] = _taking_in(server, rule_set, template, newest)
        contenders["course"] = _taking_in(server, rule_set, template, [_with_infusion(claim) for claim in newest])
        (*others, long) = [*people_with_history(_NEIGHBOURS, 5), *people_with_history(1, _LONG)]
        past = [claim for claims in (*others, long) for claim in claims[:-1]]
        template = asyncio.run(prepared(server, rule_set, past))
        neighbours = [claims[-1] for claims in others]
        contenders["neighbours"] = _taking_in(server, rule_set, template, neighbours)
        contenders["with long"] = _taking_in(server, rule_set, template, [*neighbours, long[-1]])
        measured = measure_interleaved(contenders)
    return _results(Reporter("histories", measured))


def _results(report: Reporter) -> list[Result]:
    results = [
        report.result(
            f"take in and judge a claim of {LINES} lines, {earlier} earlier claims of its person, {_PEOPLE} a batch",
            f"{earlier}",
            "ms a batch",
            "less",
            floor=None if earlier == _EARLIER[0] else (f"{_EARLIER[0]}", f"with {_EARLIER[0]} earlier claims"),
        )
        for earlier in _EARLIER
    ]
    return [
        *results,
        report.result(
            f"the same with {max(_EARLIER)} earlier claims, all but {min(_EARLIER)} of them two years before",
            "far",
            "ms a batch",
            "less",
            floor=(f"{min(_EARLIER)}", f"with {min(_EARLIER)} earlier claims"),
        ),
        report.result(
            "the same, and each new claim bills an infusion whose course may be as long as the history",
            "course",
            "ms a batch",
            "less",
            floor=("far", "without an infusion"),
        ),
        report.result(
            f"a batch of {_NEIGHBOURS} people and one patient with {_LONG:,} earlier claims",
            "with long",
            "ms a batch",
            "less",
            floor=("neighbours", "the same batch without that patient"),
        ),
    ]


def _with_infusion(claim: Claim) -> Claim:
    first, *others = claim.lines
    return replace(claim, lines=(replace(first, item_code=_INFUSION), *others))


async def prepared(server: EmbeddedPostgres, rule_set: RuleSet, claims: Sequence[Claim]) -> str:
    """The name of a database that has judged some claims."""
    name = f"prepared_{uuid4().hex[:8]}"
    await _administer(server, f"create database {name} template fundwatch")
    connection = await connect(server.dsn_of(name))
    await _take_in(connection, EventsHandler(RuleSets(rule_set), Vault(b"bench")), claims)
    await offsets.leave(connection, JUDGES, CLAIMS, _MEMBER)
    await connection.execute("vacuum analyze")
    await connection.close()
    return name


def _taking_in(
    server: EmbeddedPostgres, rule_set: RuleSet, template: str, claims: Sequence[Claim]
) -> Callable[[], float]:
    """A contender: the milliseconds that one batch takes on a copy of a database."""

    async def measure() -> float:
        await _administer(server, f"create database measured template {template}")
        connection = await connect(server.dsn_of("measured"))
        handler = EventsHandler(RuleSets(rule_set), Vault(b"bench"))
        # The first batch of a session prepares its statements.
        await _take_in(connection, handler, [_as_another(claims[0])])
        began = time.perf_counter()
        await _take_in(connection, handler, claims)
        seconds = time.perf_counter() - began
        await connection.close()
        await _administer(server, "drop database measured")
        return seconds * 1000

    return lambda: asyncio.run(measure())


def _as_another(claim: Claim) -> Claim:
    name = f"{claim.event_id}-another"
    return replace(claim, event_id=name, claim_id=name, encounter_id=name, patient=name)


async def _take_in(connection: Connection, handler: EventsHandler, claims: Sequence[Claim]) -> None:
    taken = await offsets.take(connection, JUDGES, CLAIMS, 0, _MEMBER, None, timedelta(hours=1))
    if taken is None:
        raise RuntimeError("the partition is held by another")
    lease, start = taken
    for first in range(0, len(claims), 1000):
        bodies = [encode_event(claim) for claim in claims[first : first + 1000]]
        records = [Record(start + first + number, b"k", body, "bench") for number, body in enumerate(bodies)]
        await handler.handle(connection, Batch(lease, start + first, records))


async def _administer(server: EmbeddedPostgres, statement: str) -> None:
    admin = await connect(server.dsn_of("postgres"))
    await admin.execute(statement)
    await admin.close()
