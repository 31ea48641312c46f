"""Publication: a rule set as one document of bytes, and back, so that a finding can be judged again as it was."""

import json
from typing import Any

from knowledge_base.facts import ROWS, Facts, Point
from rules_lib.rules import Rule, RuleSet

_POINT_FIELDS = ("catalogue", "codes", "name", "valid_from", "valid_to", "recorded_on", "source", "localised", "note")


def pack(rule_set: RuleSet) -> bytes:
    """Rules and facts as JSON."""
    points = [
        {**{name: getattr(point, name) for name in _POINT_FIELDS}, "row": point.row.model_dump(mode="json")}
        for point in rule_set.facts.points
    ]
    rules = [rule.model_dump(mode="json") for rule in rule_set.rules]
    return json.dumps({"rules": rules, "points": points}, ensure_ascii=False).encode()


def unpack(body: bytes) -> RuleSet:
    """The rule set of a document that ``pack`` made."""
    document = json.loads(body)
    rules = tuple(Rule.model_validate(rule) for rule in document["rules"])
    return RuleSet(rules, Facts(tuple(map(_point, document["points"]))))


def _point(words: dict[str, Any]) -> Point:
    row = ROWS[words["catalogue"]].model_validate_json(json.dumps(words.pop("row")))
    return Point(row=row, **{**words, "codes": tuple(words["codes"])})
