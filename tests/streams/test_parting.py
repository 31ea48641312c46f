"""Merges and unmerges that come in one batch with other events of the same persons."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from knowledge_base.facts import Facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Record
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES
from tests.reference import cases
from tests.reference.rules import DAILY_CAP

from .disturbed import Kept, assert_equals_engine, assert_versions, load_kept, message_of, unlike_reference

NURSED = (cases.line("a", cases.NURSING, "03-01"), cases.line("b", cases.NURSING, "03-01"))
BEFORE = [cases.visit("1", NURSED[0]), cases.visit("2", *NURSED, patient="p2")]
MERGE = cases.status("m", "07-01", "merge", patient="p2", same_as="p1")
UNMERGE = cases.status("u", "07-02", "unmerge", patient="p1", same_as="p2")
LATER = [
    cases.visit(f"{name} {day}", cases.line("c", cases.PLAIN, day), patient=name)
    for day in ("09-01", "12-01")
    for name in ("p1", "p2")
]


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return RuleSet(load_rule_set(load_facts()).rules, Facts(cases.POINTS))


async def kept_after(url: str, rule_set: RuleSet, *batches: Sequence[Event]) -> Kept:
    """What a store holds after some batches, each taken in at once; everything that must hold of it was found true."""
    handler = EventsHandler(RuleSets(rule_set), Vault(b"tests"))
    connection = await asyncpg.connect(url)
    try:
        taken = await offsets.take(connection, JUDGES, CLAIMS, 0, "tests", None, timedelta(hours=1))
        assert taken is not None
        lease, start = taken
        for events in batches:
            sent = enumerate(map(message_of, events), start)
            records = [Record(offset, message.key, message.value, message.source, None) for offset, message in sent]
            await handler.handle(connection, Batch(lease, start, records))
            start += len(records)
        kept = await load_kept(connection)
    finally:
        await connection.close()
    assert unlike_reference(kept, rule_set) == {}
    assert_equals_engine(kept, rule_set)
    assert_versions(kept)
    return kept


def found_of(kept: Kept) -> dict[str, set[str]]:
    """What was said why, by whose day was over its cap and what became of that: raised, withdrawn."""
    said: dict[str, set[str]] = {}
    for versions in kept.versions.values():
        for version in versions:
            if version.finding.maker_id == DAILY_CAP:
                said.setdefault(f"{version.subject.name} {version.change.value}", set()).add(version.cause)
    return said


@pytest.mark.parametrize("turn", [list, reversed], ids=["status first", "claims first"])
async def test_who_is_joined_or_parted_in_a_batch_with_a_claim_is_judged_over_all_days(
    postgres_url: str, rule_set: RuleSet, turn: Callable[[list[Event]], Iterable[Event]]
) -> None:
    """The claims are far from what is found: windows around them would not find it under the other name."""
    batches = [turn([MERGE, *LATER[:2]]), turn([UNMERGE, *LATER[2:]])]
    kept = await kept_after(postgres_url, rule_set, BEFORE, *map(list, batches))
    assert found_of(kept) == {
        "p2 raised": {"event event-2", "event event-u"},
        "p2 withdrawn": {"event event-m"},
        "p1 raised": {"event event-m"},
        "p1 withdrawn": {"event event-u"},
    }


async def test_a_merge_that_comes_twice_in_a_batch_with_other_names_joins_those_of_the_first(
    postgres_url: str, rule_set: RuleSet
) -> None:
    other = replace(MERGE, patient="p3", same_as="p4")
    kept = await kept_after(postgres_url, rule_set, BEFORE, [MERGE, other])
    assert found_of(kept)["p1 raised"] == {"event event-m"}
    assert kept.outcomes["conflict"] == 1
