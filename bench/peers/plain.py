"""Plain: the nine rules written straight down in Python, for hits alone.

No rule files, no reasons where nothing can be decided, no money, no evidence, no near misses; a person without changes
of sex on file, reversals of reversals, rival corrections, merges, or negative lines that name no other, as in the
sample.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from bench.peers.anchors import Anchor, Joiner
from knowledge_base.days import Day
from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.facts import Facts
from rules_lib.scope import Scope

Hit = tuple[str, tuple[str | Day, ...]]
"""The rule and the occurrence of a hit."""

Judge = Callable[[Sequence[ClaimDigest], Scope], set[Hit]]

EXCUSING = ["Q56", *(f"Q{number}" for number in range(90, 100))]
EXCUSING_NAMES = ["性别不清", "两性畸形", "染色体异常", "性发育异常"]


def plain_judge(facts: Facts) -> Judge:
    """Joins and decides in Python."""
    joiner = Joiner(facts)

    def judge(digests: Sequence[ClaimDigest], scope: Scope) -> set[Hit]:
        return {(a.rule, a.occurrence) for a in joiner.anchors(digests, scope) if _DECIDE[a.form](a)}

    return judge


def _sum_beyond(anchor: Anchor) -> bool:
    total: Decimal = sum((line["units"] for line in anchor.lines if line["decided"]), Decimal(0))
    return anchor.known and total > anchor.limit


def _pair_beyond(anchor: Anchor) -> bool:
    return anchor.known and any(line["decided"] for line in anchor.lines)


def _visit_pair_beyond(anchor: Anchor) -> bool:
    return any(
        line["decided"] and (line["on_day_of_whole"] or (anchor.known and not line["operated"]))
        for line in anchor.lines
    )


def _other_sex(anchor: Anchor) -> bool:
    return any(
        line["decided"]
        and line["sex"] in ("1", "2")
        and line["sex"] != anchor.limit
        and line["diagnoses"] is not None
        and not any(
            diagnosis["code"] in EXCUSING or any(name in diagnosis["name"] for name in EXCUSING_NAMES)
            for diagnosis in line["diagnoses"]
        )
        for line in anchor.lines
    )


def _outside_hospital(anchor: Anchor) -> bool:
    return any(
        line["decided"]
        and line["known_visit"]
        and line["visit"] not in INPATIENT_VISITS
        and not (anchor.limit and line["visit"] in EMERGENCY_VISITS)
        and not line["admitted"]
        for line in anchor.lines
    )


def _elsewhere(anchor: Anchor) -> bool:
    return any(line["kind"] == "service" and not line["sent"] and not line["dialysis"] for line in anchor.lines)


def _two_stays(anchor: Anchor) -> bool:
    return anchor.known and not any(
        claim["dialysis"] or claim["mid_stay"] or claim["newborn"] for claim in anchor.lines
    )


_DECIDE: dict[str, Callable[[Anchor], bool]] = {
    "sum": _sum_beyond,
    "pair": _pair_beyond,
    "visit_pair": _visit_pair_beyond,
    "sex": _other_sex,
    "outside": _outside_hospital,
    "elsewhere": _elsewhere,
    "two_stays": _two_stays,
}
