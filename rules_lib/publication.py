"""Publication: a rule set as one document of bytes, and back, so that a finding can be judged again as it was.

And what tells two sets apart: the rules whose judgements may differ.
"""

from collections.abc import Iterator, Sequence
from sys import intern
from typing import Any

import msgspec
from pydantic import TypeAdapter

from knowledge_base.catalogues.rows import ROWS, Row
from knowledge_base.days import Day
from knowledge_base.facts import Facts, Point
from knowledge_base.files.loading import uncollected
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet

_POINT_FIELDS = ("catalogue", "codes", "name", "valid_from", "valid_to", "recorded_on", "source", "localised", "note")


def pack(rule_set: RuleSet) -> bytes:
    """Rules and facts as JSON."""
    points = [
        {**{name: getattr(point, name) for name in _POINT_FIELDS}, "row": _packed_row(point.row)}
        for point in rule_set.facts.points
    ]
    rules = [rule.model_dump(mode="json") for rule in rule_set.rules]
    document = {"rules": rules, "points": points, "checks": rule_set.checks}
    return msgspec.json.encode(document)


def _packed_row(row: Row) -> dict[str, Any]:
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


class _Document(msgspec.Struct):
    rules: list[dict[str, Any]]
    points: list[_PackedPoint]
    checks: dict[str, str] | None = None


def unpack(body: bytes) -> RuleSet:
    """The rule set of a document that ``pack`` made."""
    with uncollected():
        document = msgspec.json.decode(body, type=_Document)
        rules = tuple(Rule.model_validate(rule) for rule in document.rules)
        return RuleSet(rules, Facts(tuple(_points(document.points))), document.checks)


def _points(packed: Sequence[_PackedPoint]) -> Iterator[Point]:
    """Points in their order; the rows of a catalogue are read together, which is many times faster."""
    raw: dict[str, list[msgspec.Raw]] = {}
    for point in packed:
        raw.setdefault(point.catalogue, []).append(point.row)
    rows = {name: iter(_rows(name, of_catalogue)) for name, of_catalogue in raw.items()}
    for point in packed:
        row = next(rows[point.catalogue])
        yield Point(
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
        )


def _rows(catalogue: str, raw: Sequence[msgspec.Raw]) -> list[Row]:
    row_type: Any = ROWS[catalogue]
    rows: list[Row] = TypeAdapter(list[row_type]).validate_json(b"[" + b",".join(raw) + b"]")
    return rows


def changed_rules(old: RuleSet | None, new: RuleSet) -> list[str]:
    """The rules that may say something else: new, gone, or with another file, check or catalogue."""
    before = {} if old is None else _prints(old)
    after = _prints(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _prints(rule_set: RuleSet) -> dict[str, object]:
    """All that each rule's judgements follow from."""
    points: dict[str, set[str]] = {}
    for point in rule_set.facts.points:
        points.setdefault(point.catalogue, set()).add(repr(point))
    return {
        rule.id: (rule.topic, rule.file_hash, rule_set.checks[rule.id], [points.get(name) for name in rule.catalogues])
        for rule in rule_set.rules
    }
