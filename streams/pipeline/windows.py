"""Windows: which events may matter to an anchor that is judged again."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from knowledge_base.days import Day
from knowledge_base.digests.head import GENERATION, Digest
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS, Interval, Scope
from rules_lib.supplement import NO_SUPPLEMENT, Old, Supplement
from streams.pipeline.touching import Head, Matter, in_company_of, touched


class Window(msgspec.Struct):
    """A subject with what is touched and the events that are read; ``chains`` says that every chained one is
    among them, that is every event with an item of a rule that reads whole items (``RulesOf.whole_item_codes``).

    An event on none of ``days`` that nothing links to others cannot matter. ``supplement`` is what its rules need
    beside the digests.
    """

    matter: Matter
    scope: Scope
    touching: frozenset[int]
    seqs: frozenset[int]
    chains: bool = False
    days: Interval = ALL_DAYS.hull
    supplement: Supplement = NO_SUPPLEMENT


def window_of(matter: Matter, rules: RulesOf) -> Window:
    """The window of a subject with new events, as far as heads tell."""
    scope, touching = touched(matter)
    seqs, days = windows(matter, scope, rules)
    return Window(matter, scope, touching, seqs | touching, days=days)


def whole_window(matter: Matter) -> Window:
    """The window over all that is known of a subject, every day of it judged again."""
    seqs = frozenset(head.seq for head in matter.heads)
    return Window(matter, ALL_DAYS, seqs, seqs, chains=True)


class InSight(NamedTuple):
    """The events that may matter, by number, and the days from the first to the last on which one may lie."""

    seqs: frozenset[int]
    days: Interval


def windows(matter: Matter, scope: Scope, rules: RulesOf) -> InSight:
    """What may matter to an anchor whose reach meets the scope.

    An anchor may run over the whole of an encounter, so encounters are looked at from their first day to their last,
    with the gaps between their claims, and from there as far back and ahead as the rules reach.
    """
    back, ahead = rules.reach.back, rules.reach.ahead
    if len(scope.intervals) == 1 and matter.is_apart:
        return _around(scope.hull, matter.heads, back, ahead)
    spans = _spans_together(matter.heads)
    judged = scope.widened(ahead, back)
    met = [span for span in spans.values() if judged.meets(*span)]
    wide = judged.with_intervals(met).widened(back, ahead)
    inside = [head for head in matter.heads if wide.meets(*spans[head.company])]
    return InSight(frozenset(head.seq for head in in_company_of(inside, matter.heads)), wide.hull)


def _around(days: Interval, heads: Sequence[Head], back: Day, ahead: Day) -> InSight:
    """The same where each event is its own encounter, linked to none, and few days are judged again: most calls."""
    first, last = days[0] - ahead, days[1] + back
    met = [head for head in heads if head.last_day >= first and head.first_day <= last]
    first = min([first, *[head.first_day for head in met]]) - back
    last = max([last, *[head.last_day for head in met]]) + ahead
    seqs = frozenset([head.seq for head in heads if head.last_day >= first and head.first_day <= last])
    return InSight(seqs, (first, last))


def find_linked(matter: Matter) -> frozenset[int]:
    """The events that share an encounter or a settlement with another, or that one takes back, and those that do."""
    if matter.is_apart:
        return frozenset()
    heads = matter.heads
    companies = Counter(head.company for head in heads)
    names = Counter(head.claim_id for head in heads if head.claim_id)
    targets = {head.target for head in heads}
    return frozenset(
        head.seq
        for head in heads
        if companies[head.company] > 1
        or names[head.claim_id] > 1
        or head.target is not None
        or (head.claim_id and head.claim_id in targets)
    )


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
    return rules.need_details_always or any(digest.holds_any(codes) for digest in digests)


def find_old(heads: Sequence[Head], seqs: Container[int]) -> tuple[Old, ...]:
    """Those events of a window whose digests are of an earlier generation, with the days of their encounters."""
    old = [head for head in heads if head.generation < GENERATION and head.seq in seqs]
    spans = _spans_together(heads) if old else {}
    return tuple([Old(head.generation, head.company, *spans[head.company]) for head in old])


def needs_chains(touched_digests: Iterable[Digest], rules: RulesOf) -> bool:
    """Whether a touched event is chained."""
    codes = rules.whole_item_codes
    return bool(codes) and any(digest.holds_any(codes) for digest in touched_digests)


def with_chains(window: Window, heads: Sequence[Head], chained: Container[int]) -> Window:
    """The same window with all chained events, each with what it is looked at together with."""
    seqs = frozenset(head.seq for head in in_company_of([head for head in heads if head.seq in chained], heads))
    return replace(window, matter=replace(window.matter, heads=heads), seqs=window.seqs | seqs, chains=True)
