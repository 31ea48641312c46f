"""Windows: which events may matter to an anchor that is judged again."""

from collections.abc import Iterable, Sequence

from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.kinds import Digest
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Scope
from streams.pipeline.touching import Head, Person, linked_events


def windows(person: Person, scope: Scope, rule_set: RuleSet) -> frozenset[int]:
    """The events that may matter to an anchor whose reach meets the scope.

    An anchor may run over the whole of an encounter, so encounters are looked at from their first day to their last,
    with the gaps between their claims.
    """
    spans = _encounter_spans(person.heads)
    width = rule_set.reach.back + rule_set.reach.ahead
    near = scope.widened(width, width)
    met = Scope(span for span in spans.values() if near.meets(*span))
    wide = near.with_intervals(met.widened(rule_set.reach.ahead, rule_set.reach.ahead).intervals)
    inside = [head for head in person.heads if head.kind != "claim" or wide.meets(*spans[head.encounter])]
    encounters = {head.encounter for head in linked_events(inside, person.heads)} | {head.encounter for head in inside}
    return frozenset(head.seq for head in person.heads if head.encounter in encounters)


def _encounter_spans(heads: Sequence[Head]) -> dict[tuple[str, str], tuple[Day, Day]]:
    spans: dict[tuple[str, str], tuple[Day, Day]] = {}
    for head in heads:
        first, last = spans.get(head.encounter, (head.first_day, head.last_day))
        spans[head.encounter] = (min(first, head.first_day), max(last, head.last_day))
    return spans


def needs_everything(touched_digests: Iterable[Digest], rule_set: RuleSet) -> bool:
    """Whether a touched event holds an item of a rule that reads every event of its items."""
    codes = rule_set.whole_item_codes
    return any(
        not codes.isdisjoint([line.item_code for line in digest.lines])
        for digest in touched_digests
        if isinstance(digest, ClaimDigest)
    )
