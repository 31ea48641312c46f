"""A rule set: rules, facts and the cards of detectors, published together, with the indices that judging asks.

A set is immutable and known by a hash over rules, facts, cards and the source code that judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from knowledge_base.cards import Card, Words
from knowledge_base.facts import Facts
from knowledge_base.findings import Maker, Severity
from knowledge_base.subjects import SubjectKind
from rules_lib.judging_source import source_hash
from rules_lib.rule import Phase, Rule, hash_of
from rules_lib.rules_of import RulesOf


@dataclass(frozen=True)
class Suspended:
    """A rule of a person's set whose file this program cannot load: nothing new is judged by it.

    ``place`` and ``fault`` say what is wrong where in ``file``; ``document`` is the rule as it was published.
    """

    id: str
    topic: str
    file: str
    place: str
    fault: str
    document: Mapping[str, object] = field(repr=False)

    @property
    def card(self) -> Card:
        """What people are told of it: its findings stay as they are. Where its words do not load, its id."""
        try:
            return Card.model_validate(
                {name: self.document[name] for name in Card.model_fields if name in self.document}
            )
        except ValidationError:
            words = {"zh": self.id, "en": self.id}
            shown = dict.fromkeys(("title", "definition", "message"), words)
            advice = dict.fromkeys(("assumed", "evaded", "check_next"), words)
            severity, status = self.document.get("severity"), self.document.get("status")
            return Card.model_validate(
                {
                    "id": self.id,
                    "topic": self.topic,
                    "severity": severity if severity in list(Severity) else Severity.WATCH,
                    "status": "live" if status == "live" else "shadow",
                    "advice": advice,
                    "file_hash": "",
                    **shown,
                }
            )

    def __str__(self) -> str:
        return f"{self.id}: {self.topic}/{self.file}: {self.place}: {self.fault}"


@dataclass(frozen=True)
class Published:
    """What a set was called when it was published, and the hashes of the sources that then judged, by rule."""

    hash: str
    sources: Mapping[str, str]


@dataclass(frozen=True)
class RuleSet:
    """Rules and facts published together. ``published`` is ``None`` for what this program has in its files.

    ``topics`` are the names of the topics; ``detectors`` are the cards of those whose findings are shown;
    ``unread`` are points of catalogues that this program cannot load, as they were written.
    """

    rules: tuple[Rule, ...]
    facts: Facts
    topics: Mapping[str, Words] = field(default_factory=dict)
    detectors: tuple[Card, ...] = ()
    suspended: tuple[Suspended, ...] = ()
    unread: tuple[Mapping[str, object], ...] = ()
    published: Published | None = None

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The hash of the source code that judges by each rule."""
        if self.published is not None:
            return self.published.sources
        return {rule.id: source_hash(rule.check, rule.looks_at) for rule in self.rules}

    @cached_property
    def has_its_sources(self) -> bool:
        """Whether this program judges by exactly the rules and the source code that the set was published with."""
        return dict(self.sources) == {rule.id: source_hash(rule.check, rule.looks_at) for rule in self.rules}

    @cached_property
    def hash(self) -> str:
        if self.published is not None:
            return self.published.hash
        parts = [f"{rule.id} {rule.topic} {rule.file_hash} {self.sources[rule.id]}" for rule in self.rules]
        parts += [repr(point) for point in self.facts.points]
        parts += [f"topic {name} {words.zh} {words.en}" for name, words in self.topics.items()]
        parts += [f"detector {card.id} {card.topic} {card.file_hash}" for card in self.detectors]
        parts += [f"unread {point}" for point in self.unread]
        parts += [f"suspended {rule.id} {rule.document.get('file_hash')}" for rule in self.suspended]
        return hash_of("\n".join(sorted(parts)).encode())

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def cards(self) -> dict[str, Card]:
        """Every maker of the set by its id, rules and detectors alike, suspended rules too."""
        suspended = [rule.card for rule in self.suspended]
        return {card.id: card for card in (*suspended, *self.rules, *self.detectors)}

    def maker(self, rule_id: str) -> Maker:
        """A rule of the set as the maker of a version; without file and source where the set does not hold it."""
        rule = self.by_id.get(rule_id)
        file, source = (rule.file_hash, self.sources[rule_id]) if rule else ("", "")
        return Maker("rule", rule_id, self.hash, file, source)

    def of(self, kind: SubjectKind, phase: Phase = "after") -> RulesOf:
        """The rules that look at one kind of subject in a phase."""
        if (kind, phase) not in self._of:
            rules = tuple(rule for rule in self.rules if rule.looks_at == kind and phase in rule.phases)
            self._of[kind, phase] = RulesOf(rules, self.facts, frozenset(rule.id for rule in self.suspended))
        return self._of[kind, phase]

    @cached_property
    def _of(self) -> dict[tuple[SubjectKind, Phase], RulesOf]:
        return {}
