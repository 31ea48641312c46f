"""The rules that look at one kind of subject, with the indices that say which of them can speak of what."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from knowledge_base.facts import Facts
from rules_lib.rule import Reach, Rule


@dataclass(frozen=True)
class RulesOf:
    """Rules of one kind of subject and their facts. Nothing of ``suspended`` ones may be withdrawn."""

    rules: tuple[Rule, ...]
    facts: Facts
    suspended: frozenset[str] = frozenset()

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def hinting(self) -> frozenset[str]:
        """The rules that say what is left of their limit."""
        return frozenset(rule.id for rule in self.rules if rule.hint is not None)

    @cached_property
    def by_code(self) -> dict[str, tuple[Rule, ...]]:
        """Which rules can speak of an item: the index that keeps cost with what is relevant."""
        rules_of: dict[str, tuple[Rule, ...]] = {}
        for rule in self.rules:
            for catalogue in rule.catalogues:
                rules_of[catalogue] = (*rules_of.get(catalogue, ()), rule)
        index: dict[str, tuple[Rule, ...]] = {}
        for catalogue, rules in rules_of.items():
            for code in self.facts.items(catalogue):
                before = index.get(code)
                index[code] = rules if before is None else _joined(before, rules)
        return index

    @cached_property
    def whole_item_codes(self) -> frozenset[str]:
        """Items of rules that read every event of an item (``reach.whole_item``): events that hold one are chained."""
        return self._codes_of(rule for rule in self.rules if rule.reach.whole_item)

    @cached_property
    def of_whole_items(self) -> tuple[str, ...]:
        """The rules that read every event of an item."""
        return tuple(rule.id for rule in self.rules if rule.reach.whole_item)

    @cached_property
    def detailed_codes(self) -> frozenset[str]:
        """Items of rules that need details (``knowledge_base.digests.details``)."""
        return self._codes_of(rule for rule in self.rules if rule.generation > 1)

    @cached_property
    def need_details(self) -> bool:
        """Whether any rule needs details."""
        return any(rule.generation > 1 for rule in self.rules)

    @cached_property
    def need_details_always(self) -> bool:
        """Whether one that is asked about every subject does."""
        return any(rule.generation > 1 for rule in self.always)

    def _codes_of(self, rules: Iterable[Rule]) -> frozenset[str]:
        catalogues = {name for rule in rules for name in rule.catalogues}
        return frozenset(code for catalogue in catalogues for code in self.facts.items(catalogue))

    @cached_property
    def needing_item_codes(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.rules if "lines.item_code" in rule.needs)

    @cached_property
    def always(self) -> tuple[Rule, ...]:
        """The rules that are asked about every subject, whatever its items."""
        return tuple(rule for rule in self.rules if rule.always)

    @cached_property
    def reach(self) -> Reach:
        """The widest reach in days of the rules whose reach is a number of days."""
        return _widest(rule.reach for rule in self.rules if not rule.reach.whole_item)

    @cached_property
    def widest(self) -> Reach:
        """The widest reach in days of all rules: of those that read whole items how far an anchor's own days reach."""
        return _widest(rule.reach for rule in self.rules)


def _widest(of: Iterable[Reach]) -> Reach:
    together = list(of)
    return Reach(
        back=max((reach.back for reach in together), default=0),
        ahead=max((reach.ahead for reach in together), default=0),
    )


def _joined(rules: tuple[Rule, ...], others: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules with those others that are not among them."""
    known = {rule.id for rule in rules}
    return rules + tuple(rule for rule in others if rule.id not in known)
