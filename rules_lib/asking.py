"""Asking: what the rules of a phase say of orders, over the same history, by the same ``judge``. What-counts section 7.

Only what an order of the request is guilty of is a warning; other orders and what is billed count, and are not accused.
"""

from collections.abc import Container, Mapping, Sequence

import msgspec

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.head import Digest
from knowledge_base.digests.prescriptions import PrescriptionDigest
from knowledge_base.findings import Finding, NotEvaluated, Part
from knowledge_base.subjects import Subject
from rules_lib.engine import judge
from rules_lib.histories.orders import Held, OrderIds, OrderKey, Orders, Replied, is_order, orders_of
from rules_lib.histories.patient import PatientHistory
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Scope
from rules_lib.supplement import NO_SUPPLEMENT, Supplement


class Known(msgspec.Struct, frozen=True):
    """What is known of a patient: claims and statuses, requests of before, what claims say they were ordered as, and
    what was done about warnings.

    ``chains`` says that every event is there with an item of a rule that reads whole items.
    """

    digests: Sequence[Digest] = ()
    requests: Sequence[PrescriptionDigest] = ()
    order_ids: OrderIds = {}
    replied: Sequence[Replied] = ()
    supplement: Supplement = NO_SUPPLEMENT
    chains: bool = True


class Warned(msgspec.Struct, frozen=True):
    """A finding, and which orders of the request are guilty in it, or count for it, in line order."""

    finding: Finding
    orders: Sequence[OrderKey]


class Said(msgspec.Struct, frozen=True):
    """What the rules say of a request: warnings, anchors that they could not decide, and all orders as they count.

    ``hints`` are what stays within the limit of a rule that hints, with the orders that count for it. ``by_line`` gives
    the order of a line of the history, by the name that the line has there.
    """

    warnings: Sequence[Warned]
    hints: Sequence[Warned]
    not_evaluated: Sequence[NotEvaluated]
    orders: Orders
    by_line: Mapping[Part, OrderKey]
    history: PatientHistory


def judge_orders(subject: Subject, asked: Sequence[PrescriptionDigest], known: Known, rules: RulesOf) -> Said:
    """What the rules say of the orders that a request asks about, which may name several encounters of the patient."""
    claims = [digest for digest in known.digests if isinstance(digest, ClaimDigest)]
    orders = orders_of([*known.requests, *asked], claims, known.order_ids, known.replied)
    history = PatientHistory(subject, [*known.digests, *orders.claims], rules.by_code)
    names = {prescription.event_id for prescription in asked}
    by_line: dict[Part, OrderKey] = {
        (claim.institution, claim.encounter_id, line.line_id): orders.by_line[claim.event_id, line.line_id]
        for claim in history.claims
        if is_order(claim)
        for line in claim.lines
    }
    accused = {line: key for line, key in by_line.items() if _is_asked(orders.held[key], names)}
    scope = Scope(_days(orders.held[key]) for key in accused.values())
    if not scope.intervals:
        return Said((), (), (), orders, by_line, history)
    judgement = judge(history, scope, rules, known.supplement, chains=known.chains, near_misses=rules.hinting)
    warnings = [Warned(finding, guilty) for finding in judgement.findings if (guilty := _guilty(finding, accused))]
    hints = [Warned(finding, own) for finding in judgement.near_misses if (own := _involved(finding, accused))]
    return Said(warnings, hints, judgement.not_evaluated, orders, by_line, history)


def _is_asked(held: Held, names: Container[str]) -> bool:
    return held.order.current and held.prescription.event_id in names


def _days(held: Held) -> tuple[int, int]:
    line = held.order.line
    return line.day, line.day + max(1, line.days or 1) - 1


def _guilty(finding: Finding, accused: Mapping[Part, OrderKey]) -> list[OrderKey]:
    return [accused[guilty.part] for guilty in finding.guilty if guilty.part in accused]


def _involved(finding: Finding, accused: Mapping[Part, OrderKey]) -> list[OrderKey]:
    return [accused[line] for line in finding.involved if line in accused]
