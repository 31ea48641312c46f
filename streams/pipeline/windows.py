"""Windows: which events may matter to an anchor that is judged again."""

from collections.abc import Iterable, Sequence

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Interval, Scope
from streams.pipeline.touching import Head, Matter, are_apart, in_company_of


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


def needs_everything(touched_digests: Iterable[Digest], rules: RulesOf) -> bool:
    """Whether a touched event holds an item of a rule that reads every event of its items."""
    codes = rules.whole_item_codes
    return bool(codes) and any(not codes.isdisjoint(digest.item_codes) for digest in touched_digests)
