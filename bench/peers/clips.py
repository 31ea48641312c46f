"""CLIPS (clipspy): the nine rules as production rules over facts of one claim at a time.

Done outside, in Python (``anchors``): the joins over windows of days, visits and courses, and the sums, for which CLIPS
has neither an index nor an accumulator. Done by the engine: units against limits, sexes with diagnoses that excuse,
kinds of visit, operations, dialysis. Facts are asserted for a claim and retracted by ``reset`` after it;
an environment that is driven from Python never gives them back and becomes ten times slower within a few thousand
claims, so it is made anew every 200 claims, which is part of the time.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import clips  # type: ignore[import-untyped]

from bench.peers.anchors import Anchor, Joiner
from bench.peers.plain import EXCUSING, EXCUSING_NAMES, Hit, Judge
from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.facts import Facts
from rules_lib.scope import Scope


def _quoted(words: Iterable[str]) -> str:
    return " ".join(f'"{word}"' for word in sorted(words))


_PROGRAM = (
    "(deftemplate anchor (slot number) (slot form) (slot limit) (slot known) (slot total))",
    """(deftemplate line (slot number) (slot id) (slot decided) (slot sex) (slot diagnoses) (slot visit)
         (slot known_visit) (slot admitted) (slot on_day_of_whole) (slot operated) (slot kind) (slot sent)
         (slot dialysis) (slot mid_stay) (slot newborn))""",
    "(deftemplate diagnosis (slot line) (slot code) (slot name))",
    "(deftemplate hit (slot number))",
    f"(deffunction excused-code (?code) (member$ ?code (create$ {' '.join(EXCUSING)})))",
    f"""(deffunction excused-name (?name) (or {" ".join(f'(str-index "{name}" ?name)' for name in EXCUSING_NAMES)}))""",
    '(deffunction known-sex (?sex) (or (eq ?sex "1") (eq ?sex "2")))',
    f"(deffunction in-hospital (?visit) (member$ ?visit (create$ {_quoted(INPATIENT_VISITS)})))",
    f"(deffunction emergency (?visit) (member$ ?visit (create$ {_quoted(EMERGENCY_VISITS)})))",
    """(defrule units-beyond
         (anchor (form sum) (number ?n) (known TRUE) (limit ?limit) (total ?total&:(> ?total ?limit)))
         => (assert (hit (number ?n))))""",
    """(defrule part-with-whole
         (anchor (form pair) (number ?n) (known TRUE)) (exists (line (number ?n) (decided TRUE)))
         => (assert (hit (number ?n))))""",
    """(defrule part-on-the-day-of-the-whole
         (anchor (form visit_pair) (number ?n)) (exists (line (number ?n) (decided TRUE) (on_day_of_whole TRUE)))
         => (assert (hit (number ?n))))""",
    """(defrule part-on-another-day
         (anchor (form visit_pair) (number ?n) (known TRUE)) (exists (line (number ?n) (decided TRUE) (operated FALSE)))
         => (assert (hit (number ?n))))""",
    """(defrule other-sex
         (anchor (form sex) (number ?n) (limit ?limit))
         (line (number ?n) (id ?line) (decided TRUE) (sex ?sex&~?limit&:(known-sex ?sex)) (diagnoses TRUE))
         (not (diagnosis (line ?line) (code ?code&:(excused-code ?code))))
         (not (diagnosis (line ?line) (name ?name&:(excused-name ?name))))
         => (assert (hit (number ?n))))""",
    """(defrule outside-hospital
         (anchor (form outside) (number ?n) (limit ?emergency-allowed))
         (line (number ?n) (decided TRUE) (known_visit TRUE) (admitted FALSE)
           (visit ?visit&:(not (in-hospital ?visit))&:(not (and ?emergency-allowed (emergency ?visit)))))
         => (assert (hit (number ?n))))""",
    """(defrule elsewhere
         (anchor (form elsewhere) (number ?n))
         (exists (line (number ?n) (kind "service") (sent FALSE) (dialysis FALSE)))
         => (assert (hit (number ?n))))""",
    """(defrule two-stays
         (anchor (form two_stays) (number ?n) (known TRUE)) (not (line (number ?n) (dialysis TRUE)))
         (not (line (number ?n) (mid_stay TRUE))) (not (line (number ?n) (newborn TRUE)))
         => (assert (hit (number ?n))))""",
)


_CLAIMS_AN_ENVIRONMENT = 200


def clips_judge(facts: Facts) -> Judge:
    """Joins in Python, decides in CLIPS."""
    joiner = Joiner(facts)
    engine, judged = _Engine(), 0

    def judge(digests: Sequence[ClaimDigest], scope: Scope) -> set[Hit]:
        nonlocal engine, judged
        judged += 1
        if judged % _CLAIMS_AN_ENVIRONMENT == 0:
            engine = _Engine()
        anchors = list(joiner.anchors(digests, scope))
        return {(anchors[number].rule, anchors[number].occurrence) for number in engine.hits(anchors)}

    return judge


class _Engine:
    """One environment with the rules, and its templates."""

    def __init__(self) -> None:
        self._environment = clips.Environment()
        for construct in _PROGRAM:
            self._environment.build(construct)
        self._anchor = self._environment.find_template("anchor")
        self._line = self._environment.find_template("line")
        self._diagnosis = self._environment.find_template("diagnosis")
        self._hit = self._environment.find_template("hit")

    def hits(self, anchors: Sequence[Anchor]) -> set[int]:
        """The numbers of the anchors that are hits."""
        for number, anchor in enumerate(anchors):
            self._assert(number, anchor)
        self._environment.run()
        found = {int(fact["number"]) for fact in self._hit.facts()}
        self._environment.reset()
        return found

    def _assert(self, number: int, anchor: Anchor) -> None:
        self._anchor.assert_fact(
            number=number,
            form=clips.Symbol(anchor.form),
            limit=_slot(anchor.limit),
            known=anchor.known,
            total=_total(anchor),
        )
        for line_number, line in enumerate(anchor.lines if anchor.form != "sum" else ()):
            name = f"{number}-{line_number}"
            self._line.assert_fact(number=number, id=name, **_slots(line))
            for diagnosis in line.get("diagnoses") or ():
                self._diagnosis.assert_fact(line=name, code=clips.Symbol(diagnosis["code"]), name=diagnosis["name"])


def _slots(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value is not None if name == "diagnoses" else _slot(value)
        for name, value in line.items()
        if name != "units"
    }


def _slot(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value if value is not None else clips.Symbol("nil")


def _total(anchor: Anchor) -> float:
    if anchor.form != "sum":
        return 0.0
    return float(sum(line["units"] for line in anchor.lines if line["decided"]))
