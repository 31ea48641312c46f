"""Windows: which events may matter to an anchor that is judged again."""

from collections.abc import Container, Iterable, Sequence

import msgspec

from knowledge_base.days import Day
from knowledge_base.digests.head import GENERATION, Digest
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Interval, Scope
from rules_lib.supplement import NO_SUPPLEMENT, Old, Supplement
from streams.pipeline.touching import Head, Matter, are_apart, in_company_of


class Window(msgspec.Struct):
    """A subject with what is touched and the events that are read; ``everything`` says that those are all.

    ``supplement`` is what its rules need beside the digests.
    """

    matter: Matter
    scope: Scope
    touching: frozenset[int]
    seqs: frozenset[int]
    everything: bool = False
    supplement: Supplement = NO_SUPPLEMENT


def windows(matter: Matter, scope: Scope, rules: RulesOf) -> frozenset[int]:
    """The events that may matter to an anchor whose reach meets the scope.

    An anchor may run over the whole of an encounter, so encounters are looked at from their first day to their last,
    with the gaps between their claims, and from there as far back and ahead as the rules reach.
    """
    back, ahead = rules.reach.back, rules.reach.ahead
    if len(scope.intervals) == 1 and are_apart(matter.heads):
        return _around(scope.hull, matter.heads, back, ahead)
    spans = _spans_together(matter.heads)
    judged = scope.widened(ahead, back)
    met = [span for span in spans.values() if judged.meets(*span)]
    wide = judged.with_intervals(met).widened(back, ahead)
    inside = [head for head in matter.heads if wide.meets(*spans[head.company])]
    return frozenset(head.seq for head in in_company_of(inside, matter.heads))


def _around(days: Interval, heads: Sequence[Head], back: Day, ahead: Day) -> frozenset[int]:
    """The same where each event is its own encounter, linked to none, and few days are judged again: most calls."""
    first, last = days[0] - ahead, days[1] + back
    met = [head for head in heads if head.last_day >= first and head.first_day <= last]
    first = min([first, *[head.first_day for head in met]]) - back
    last = max([last, *[head.last_day for head in met]]) + ahead
    return frozenset([head.seq for head in heads if head.last_day >= first and head.first_day <= last])


def _spans_together(heads: Sequence[Head]) -> dict[tuple[str, str], tuple[Day, Day]]:
    """First and last day of each encounter, and of each event that stands alone."""
    spans: dict[tuple[str, str], tuple[Day, Day]] = {}
    for head in heads:
        first, last = spans.get(head.company, (head.first_day, head.last_day))
        spans[head.company] = (min(first, head.first_day), max(last, head.last_day))
    return spans


def needs_details(digests: Iterable[Digest], rules: RulesOf) -> bool:
    """Whether some events of a window hold an item of a rule that needs details."""
    if not rules.need_details:
        return False
    codes = rules.detailed_codes
    return rules.need_details_always or any(not codes.isdisjoint(digest.item_codes) for digest in digests)


def find_old(heads: Sequence[Head], seqs: Container[int]) -> tuple[Old, ...]:
    """Those events of a window whose digests are of an earlier generation, with the days of their encounters."""
    old = [head for head in heads if head.generation < GENERATION and head.seq in seqs]
    spans = _spans_together(heads) if old else {}
    return tuple([Old(head.generation, head.company, *spans[head.company]) for head in old])


def needs_everything(touched_digests: Iterable[Digest], rules: RulesOf) -> bool:
    """Whether a touched event holds an item of a rule that reads every event of its items."""
    codes = rules.whole_item_codes
    return bool(codes) and any(not codes.isdisjoint(digest.item_codes) for digest in touched_digests)
