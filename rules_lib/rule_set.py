"""A rule set: rules and facts published together, with the indices that say which rule can speak of what."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from knowledge_base.facts import Facts
from rules_lib.rule import Reach, Rule, hash_of


@dataclass(frozen=True)
class RuleSet:
    """Rules and facts published together, immutable, known by a hash over both and over the checks.

    ``published_checks`` are the hashes of the checks that a set was published with, ``None`` for this program's.
    """

    rules: tuple[Rule, ...]
    facts: Facts
    published_checks: Mapping[str, str] | None = None

    @cached_property
    def checks(self) -> Mapping[str, str]:
        """The hash of each rule's check, by rule."""
        return self.published_checks or {rule.id: rule.check_hash for rule in self.rules}

    @cached_property
    def has_its_checks(self) -> bool:
        """Whether this program has the checks that the set was published with."""
        try:
            return all(self.checks[rule.id] == rule.check_hash for rule in self.rules)
        except ImportError:
            return False

    @cached_property
    def hash(self) -> str:
        parts = [f"{rule.id} {rule.topic} {rule.file_hash} {self.checks[rule.id]}" for rule in self.rules]
        parts += [repr(point) for point in self.facts.points]
        return hash_of("\n".join(sorted(parts)).encode())

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def by_code(self) -> dict[str, tuple[Rule, ...]]:
        """Which rules can speak of an item: the index that keeps cost with what is relevant."""
        rules_of: dict[str, tuple[Rule, ...]] = {}
        for rule in self.rules:
            for catalogue in rule.catalogues:
                rules_of[catalogue] = (*rules_of.get(catalogue, ()), rule)
        index: dict[str, tuple[Rule, ...]] = {}
        for catalogue, rules in rules_of.items():
            for code in self._codes(catalogue):
                before = index.get(code)
                index[code] = rules if before is None else _joined(before, rules)
        return index

    def _codes(self, catalogue: str) -> set[str]:
        """Every item that the points of a catalogue say something about."""
        points_of = self.facts.codes(catalogue)
        return {code for points in points_of.values() for point in points for code in point.row.all_codes}

    @cached_property
    def whole_item_codes(self) -> frozenset[str]:
        """Items of rules that read every event of an item (``reach.whole_item``)."""
        catalogues = {name for rule in self.rules if rule.reach.whole_item for name in rule.catalogues}
        return frozenset(code for catalogue in catalogues for code in self._codes(catalogue))

    @cached_property
    def needing_item_codes(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.rules if "lines.item_code" in rule.needs)

    @cached_property
    def encounter_rules(self) -> tuple[Rule, ...]:
        """The rules that are asked about every person, whatever its items."""
        return tuple(rule for rule in self.rules if rule.looks_at == "encounter")

    @cached_property
    def bounded_rules(self) -> tuple[Rule, ...]:
        """The rules whose reach is a number of days."""
        return tuple(rule for rule in self.rules if not rule.reach.whole_item)

    @cached_property
    def reach(self) -> Reach:
        """The widest reach in days of the rules that look at days."""
        return Reach(
            back=max((rule.reach.back for rule in self.bounded_rules), default=0),
            ahead=max((rule.reach.ahead for rule in self.bounded_rules), default=0),
        )


def _joined(rules: tuple[Rule, ...], others: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules with those others that are not among them."""
    known = {rule.id for rule in rules}
    return rules + tuple(rule for rule in others if rule.id not in known)
