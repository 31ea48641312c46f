"""Items and rules by what people type: looked up among the beginnings of their names, never compared one by one."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from casework.spelling import folded, parts
from knowledge_base.cards import Card
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names


class Beginnings:
    """Names with the words that they are found by. A word is found by the beginning of any part of it."""

    def __init__(self, words: Mapping[str, Iterable[str]]):
        self.whole = {name: {folded(word) for word in of} for name, of in words.items()}
        pairs = sorted({(part, name) for name, of in self.whole.items() for word in of for part in parts(word)})
        self.parts = [part for part, _ in pairs]
        self.names = [name for _, name in pairs]

    def find(self, typed: str, most: int) -> list[str]:
        """At most so many names of which a word holds a folded text."""
        found: dict[str, None] = {}
        at = bisect_left(self.parts, typed)
        while at < len(self.parts) and self.parts[at].startswith(typed) and len(found) < most:
            found[self.names[at]] = None
            at += 1
        return list(found)

    def is_exact(self, name: str, typed: str) -> bool:
        """Whether a folded text is a whole word of a name."""
        return typed in self.whole[name]


class Known:
    """What a rule set knows: its items by code and name, and the rules that are live by id and title."""

    def __init__(self, rule_set: RuleSet):
        called = item_names(rule_set.facts)
        self.codes: dict[str, list[str]] = {}
        self._meant: dict[str, set[str]] = {}
        for code, name in called.items():
            self.codes.setdefault(name, []).append(code)
            for word in (code, name):
                self._meant.setdefault(folded(word), set()).add(code)
        self.items = Beginnings({name: [name, *codes] for name, codes in self.codes.items()})
        self.cards = {card.id: card for card in rule_set.cards.values() if card.is_live}
        self.rules = Beginnings({card.id: [card.id, card.title.zh, card.title.en] for card in self.cards.values()})
        self._speaking: dict[str, dict[str, Card]] = {}
        for kind in {rule.looks_at for rule in rule_set.rules}:
            for code, rules in rule_set.of(kind).by_code.items():
                self._speaking.setdefault(code, {}).update({rule.id: rule for rule in rules if rule.id in self.cards})

    def meant_by(self, typed: str) -> tuple[str, ...]:
        """The codes that an item's code or name means, in whatever spelling; none for a word that is neither."""
        return tuple(sorted(self._meant.get(folded(typed), ())))

    def speaking_of(self, item: str) -> list[Card]:
        """The live rules that can speak of an item, by its name."""
        found = {rule: card for code in self.codes[item] for rule, card in self._speaking.get(code, {}).items()}
        return [found[rule] for rule in sorted(found)]


_known: dict[str, Known] = {}


def known_of(rule_set: RuleSet) -> Known:
    """What a set knows, worked out once; that of another set gives way to it."""
    if rule_set.hash not in _known:
        known = Known(rule_set)
        _known.clear()
        _known[rule_set.hash] = known
    return _known[rule_set.hash]
