"""Coverage: how many of the published points a rule set holds, since when, and which of its rules read them."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from knowledge_base.catalogues.files import Head
from knowledge_base.days import as_date
from knowledge_base.facts import Facts
from rules_lib.rule_set import RuleSet


class Cover(msgspec.Struct, frozen=True):
    """One catalogue. ``published`` is ``None`` where its list is our own choice; ``since`` where no point is held.

    Points are counted as the row types do (``keys``): item codes, of pairs main and included. ``rules`` read them;
    ``unread`` says why none does.
    """

    catalogue: str
    title: str
    published: int | None
    held: int
    since: date | None
    rules: tuple[str, ...]
    unread: str | None


def covers(rule_set: RuleSet, heads: Iterable[Head]) -> tuple[Cover, ...]:
    """What a rule set holds of each catalogue, in the order of their heads."""
    return tuple(_cover(rule_set, head) for head in heads)


def _cover(rule_set: RuleSet, head: Head) -> Cover:
    points = [point for point in rule_set.facts.points if point.catalogue == head.catalogue]
    rules = tuple(rule.id for rule in rule_set.rules if head.catalogue in rule.catalogues)
    return Cover(
        head.catalogue,
        head.title,
        head.published,
        len({key for point in points for key in point.row.keys}),
        as_date(min(point.valid_from for point in points)) if points else None,
        rules,
        None if rules else head.unread,
    )


def money_under(facts: Facts, catalogues: Iterable[str], billed: Mapping[str, Decimal]) -> Decimal:
    """Of the money billed by item code what is billed for items that a point of some catalogues speaks of, in yuan."""
    items = {code for catalogue in catalogues for code in facts.items(catalogue)}
    return sum((amount for code, amount in billed.items() if code in items), Decimal(0))
