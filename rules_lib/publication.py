"""Publication: a rule set as one document of bytes, and back, so that a finding can be judged again as it was.

And what tells two sets apart: the rules whose judgements may differ. Documents of before are read for good: rules whose
``looks_at`` said what the anchor is, sets without topics or detectors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from sys import intern
from typing import Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from knowledge_base.cards import Card, Words
from knowledge_base.catalogues.rows import ROWS, AnyRow
from knowledge_base.days import Day
from knowledge_base.facts import Facts, Point
from knowledge_base.files.loading import uncollected
from rules_lib.rule import Rule
from rules_lib.rule_files import load_topics, missing_names
from rules_lib.rule_set import Published, RuleSet, Suspended

_POINT_FIELDS = ("catalogue", "codes", "name", "valid_from", "valid_to", "recorded_on", "source", "localised", "note")


def pack(rule_set: RuleSet) -> bytes:
    """Rules, facts and cards as JSON."""
    points = [
        {
            **{name: getattr(point, name) for name in _POINT_FIELDS},
            **({"imported": True} if point.imported else {}),
            "row": _packed_row(point.row),
        }
        for point in rule_set.facts.points
    ]
    document = {
        "rules": [rule.model_dump(mode="json") for rule in rule_set.rules],
        "points": [*points, *rule_set.unread],
        "checks": rule_set.sources,
        "topics": {name: words.model_dump() for name, words in rule_set.topics.items()},
        "detectors": [card.model_dump(mode="json") for card in rule_set.detectors],
        "suspended": [rule.document for rule in rule_set.suspended],
    }
    return msgspec.json.encode(document)


def _packed_row(row: AnyRow) -> dict[str, Any]:
    """A row without what it does not say, which would take most of the room."""
    return row.model_dump(mode="json", exclude_defaults=True)


class _PackedPoint(msgspec.Struct, gc=False):
    catalogue: str
    valid_from: Day
    valid_to: Day | None
    recorded_on: Day
    source: str
    localised: bool
    note: str | None
    row: msgspec.Raw
    imported: bool = False


class _Document(msgspec.Struct):
    rules: list[dict[str, Any]]
    points: list[_PackedPoint]
    checks: dict[str, str] = {}
    topics: dict[str, Words] = {}
    detectors: list[dict[str, Any]] = []
    suspended: list[dict[str, Any]] = []


def unpack(hash: str, body: bytes) -> RuleSet:
    """The rule set of a document that ``pack`` made, under the name that it was published by.

    A rule that this program cannot load is ``suspended`` in it, with the field that is at fault.
    """
    loaded = _loaded(body)
    return _set_of(loaded, Published(hash, loaded.checks))


def renewed(body: bytes) -> RuleSet:
    """A person's set of before as this program judges by it: its own rules and facts, today's source code."""
    return _set_of(_loaded(body), None)


def _loaded(body: bytes) -> _Document:
    return msgspec.json.decode(body, type=_Document, dec_hook=_decoded)


def _decoded(kind: type, value: Any) -> Any:
    return kind.model_validate(value) if issubclass(kind, Words) else value


def _set_of(document: _Document, published: Published | None) -> RuleSet:
    with uncollected():
        points, bad = _points(document.points)
        unread = tuple(_document_of(point) for point in document.points if point.catalogue in bad)
        rules: list[Rule] = []
        suspended: list[Suspended] = []
        for words in (*document.rules, *document.suspended):
            rule = _rule(words, bad)
            if isinstance(rule, Rule):
                rules.append(rule)
            else:
                suspended.append(rule)
        detectors = tuple(Card.model_validate(words) for words in document.detectors)
        topics = document.topics or load_topics()
        return RuleSet(tuple(rules), Facts(tuple(points)), topics, detectors, tuple(suspended), unread, published)


def _rule(words: Mapping[str, Any], bad: Mapping[str, str]) -> Rule | Suspended:
    """A rule of a document, or what keeps this program from judging by it."""
    try:
        rule = Rule.model_validate(words)
    except ValidationError as error:
        fault = error.errors()[0]
        return _suspended(words, ".".join(map(str, fault["loc"])), fault["msg"])
    for place, says in missing_names(rule):
        return _suspended(words, ".".join(map(str, place)), says)
    for catalogue in rule.catalogues:
        if catalogue in bad:
            return _suspended(words, f"catalogues: {catalogue}", bad[catalogue])
    return rule


def _suspended(words: Mapping[str, Any], field: str, fault: str) -> Suspended:
    name, topic, file = (str(words.get(key, "")) for key in ("id", "topic", "file"))
    return Suspended(name, topic, file, field, fault, words)


def _points(packed: Sequence[_PackedPoint]) -> tuple[list[Point], dict[str, str]]:
    """Points in their order, and what is wrong with catalogues that this program cannot read."""
    raw: dict[str, list[msgspec.Raw]] = {}
    for point in packed:
        raw.setdefault(point.catalogue, []).append(point.row)
    rows: dict[str, Iterator[AnyRow]] = {}
    bad: dict[str, str] = {}
    for name, of_catalogue in raw.items():
        try:
            rows[name] = iter(_rows(name, of_catalogue))
        except KeyError:
            bad[name] = "unknown catalogue"
        except ValidationError as error:
            bad[name] = f"{error.errors()[0]['loc'][-1]}: {error.errors()[0]['msg']}"
    return [_point(point, next(rows[point.catalogue])) for point in packed if point.catalogue in rows], bad


def _document_of(point: _PackedPoint) -> dict[str, Any]:
    """A point of a catalogue that does not load, as it was written."""
    return {**msgspec.structs.asdict(point), "row": msgspec.json.decode(point.row)}


def _point(point: _PackedPoint, row: AnyRow) -> Point:
    return Point(
        catalogue=intern(point.catalogue),
        row=row,
        codes=row.codes,
        name=row.name,
        valid_from=point.valid_from,
        valid_to=point.valid_to,
        recorded_on=point.recorded_on,
        source=intern(point.source),
        localised=point.localised,
        note=point.note,
        imported=point.imported,
    )


def _rows(catalogue: str, raw: Sequence[msgspec.Raw]) -> list[AnyRow]:
    """The rows of a catalogue, read together, which is many times faster."""
    row_type: Any = ROWS[catalogue]
    rows: list[AnyRow] = TypeAdapter(list[row_type]).validate_json(b"[" + b",".join(raw) + b"]")
    return rows


def with_imported(rule_set: RuleSet, other: RuleSet, undone: Iterable[Point] = ()) -> RuleSet:
    """A set with the points that another one holds by imports and it does not, but for those ``undone``."""
    held = {repr(point) for point in (*rule_set.facts.points, *undone)}
    more = [point for point in other.facts.points if point.imported and repr(point) not in held]
    return replace(rule_set, facts=Facts((*more, *rule_set.facts.points)), published=None) if more else rule_set


def without_imported(rule_set: RuleSet, undone: Iterable[Point]) -> RuleSet:
    """A set without what came into it by an import."""
    gone = {repr(point) for point in undone}
    kept = tuple(point for point in rule_set.facts.points if not (point.imported and repr(point) in gone))
    return replace(rule_set, facts=Facts(kept), published=None) if len(kept) < len(rule_set.facts.points) else rule_set


def changed_rules(old: RuleSet | None, new: RuleSet) -> list[str]:
    """The rules that may say something else: new, gone, or with another file, source code or catalogue."""
    before = {} if old is None else _prints(old)
    after = _prints(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _prints(rule_set: RuleSet) -> dict[str, object]:
    """All that each rule's judgements follow from."""
    points: dict[str, set[str]] = {}
    for point in rule_set.facts.points:
        points.setdefault(point.catalogue, set()).add(repr(point))
    return {
        rule.id: (rule.topic, rule.file_hash, rule_set.sources[rule.id], [points.get(name) for name in rule.catalogues])
        for rule in rule_set.rules
    }
