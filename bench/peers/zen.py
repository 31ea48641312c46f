"""zen-engine (GoRules): the nine rules as one decision, one expression a form of question.

Done outside, in Python (``anchors``): all joins, because its expressions see one document and no index. Done by the
engine: sums of units against limits, sexes with diagnoses that excuse, kinds of visit, operations, dialysis. One call a
claim; only forms that occur are sent. It knows no decimals of Python's, so units go as floats.
"""

import json
from collections.abc import Sequence
from typing import Any

import zen

from bench.peers.anchors import Anchor, Joiner
from bench.peers.plain import EXCUSING, EXCUSING_NAMES, Hit, Judge
from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.facts import Facts
from rules_lib.scope import Scope


def _words(values: object) -> str:
    return json.dumps(sorted(values) if isinstance(values, set | frozenset) else values, ensure_ascii=False)


_NAMED = " or ".join(f"contains(#.name, {_words(name)})" for name in EXCUSING_NAMES)
_EXCUSED = f"some(#.diagnoses, #.code in {_words(EXCUSING)} or {_NAMED})"
_IN_HOSPITAL = f"#.visit in {_words(list(INPATIENT_VISITS))}"
_EMERGENCY = f"#.visit in {_words(list(EMERGENCY_VISITS))}"

_LINE_IS_GUILTY = {
    "visit_pair": "#.decided and (#.on_day_of_whole or (#.known and not #.operated))",
    "sex": f"#.decided and #.sex in ['1', '2'] and #.sex != #.limit and #.diagnoses != null and not ({_EXCUSED})",
    "outside": "#.decided and #.known_visit and not #.admitted and "
    f"not ({_IN_HOSPITAL}) and not (#.limit and {_EMERGENCY})",
    "elsewhere": "#.kind == 'service' and not #.sent and not #.dialysis",
}
_BEYOND = "#.known and sum(map(filter(#.lines, #.decided), #.units)) > #.limit"
_EXPRESSIONS = {
    "sum": f"map(filter(sum ?? [], {_BEYOND}), #.number)",
    "pair": "map(filter(pair ?? [], #.known and some(#.lines, #.decided)), #.number)",
    "two_stays": "map(filter(two_stays ?? [], #.known and "
    "not some(#.lines, #.dialysis or #.mid_stay or #.newborn)), #.number)",
    **{form: f"map(filter({form} ?? [], {guilty}), #.number)" for form, guilty in _LINE_IS_GUILTY.items()},
}


def zen_judge(facts: Facts) -> Judge:
    """Joins in Python, decides in zen-engine."""
    joiner = Joiner(facts)
    decision = zen.ZenEngine().create_decision(json.dumps(_graph()))

    def judge(digests: Sequence[ClaimDigest], scope: Scope) -> set[Hit]:
        anchors = list(joiner.anchors(digests, scope))
        if not anchors:
            return set()
        found = decision.evaluate(_document(anchors))["result"]
        return {(anchors[int(n)].rule, anchors[int(n)].occurrence) for numbers in found.values() for n in numbers}

    return judge


def _document(anchors: Sequence[Anchor]) -> dict[str, list[dict[str, Any]]]:
    """Anchors by form; those whose lines are judged one by one are flat, because a closure sees one element only."""
    document: dict[str, list[dict[str, Any]]] = {}
    for number, anchor in enumerate(anchors):
        lines = [_without_decimals(line) for line in anchor.lines]
        limit = anchor.limit if isinstance(anchor.limit, str | bool) else float(anchor.limit)
        about: dict[str, Any] = {"number": number, "limit": limit, "known": anchor.known}
        if anchor.form in _LINE_IS_GUILTY:
            document.setdefault(anchor.form, []).extend({**about, **line} for line in lines)
        else:
            document.setdefault(anchor.form, []).append({**about, "lines": lines})
    return document


def _without_decimals(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "units": float(line["units"])} if "units" in line else line


def _graph() -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"id": "in", "type": "inputNode", "name": "anchors"},
        {"id": "rules", "type": "expressionNode", "name": "rules", "content": {"expressions": _listed()}},
        {"id": "out", "type": "outputNode", "name": "hits"},
    ]
    edges = [("in", "rules"), ("rules", "out")]
    return {
        "nodes": [{**node, "position": {"x": 0, "y": 0}} for node in nodes],
        "edges": [{"id": f"{a}-{b}", "type": "edge", "sourceId": a, "targetId": b} for a, b in edges],
    }


def _listed() -> list[dict[str, str]]:
    return [{"id": form, "key": form, "value": expression} for form, expression in _EXPRESSIONS.items()]
