"""Traps: a rule's own hits as they come in real life, to see whether the rule has thought of that.

Each trap changes the history of a case that is a hit, and says what in general becomes of the finding. A rule on which
it comes out otherwise has not thought of it, or its file says why (``traps``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from knowledge_base.cards import Words
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.details import ClaimDetails
from knowledge_base.digests.head import Digest
from knowledge_base.findings import Finding, LineKey, billed_lines
from rules_lib.case_words import EventWords
from rules_lib.cases import details_of, digests_of, judgement_of, what_was_measured
from rules_lib.engine import Judgement
from rules_lib.rule import Rule, TrapName
from rules_lib.rule_set import RuleSet
from rules_lib.variants import (
    Hit,
    as_it_is,
    on_transfer_day,
    payment_untold,
    posted_at_discharge,
    self_paid,
    settled_in_the_middle,
    settled_late,
    told,
    with_correction,
    with_negative_line,
    with_refund,
    with_reversal,
    with_the_same_again,
    without_fund,
)

Becomes = Literal["gone", "the same", "not evaluated", "each area's own"]
"""Of the finding; each area's own: with no line of the other area."""

Verdict = Literal["thought of", "excepted", "not thought of", "needless", "does not apply"]
"""``needless``: the file excepts what comes out as in general. ``does not apply``: it can happen to no hit."""

_OTHER_PSEUDONYM = "p9"


class Trap(NamedTuple):
    """What happens, what in general becomes of the finding, and how the history is changed (``None``: it cannot be)."""

    happens: Words
    becomes: Becomes
    change: Callable[[Hit], "list[EventWords] | None"]


class Answer(NamedTuple):
    """What became of a trap on one rule, over all its hits.

    ``case`` and ``came`` tell of the first hit of which something else came, ``reason`` is what the rule's file says
    of that.
    """

    rule: Rule
    trap: TrapName
    verdict: Verdict
    case: str = ""
    came: str = ""
    reason: Words | None = None


def _words(zh: str, en: str) -> Words:
    return Words(zh=zh, en=en)


TRAPS: Mapping[TrapName, Trap] = {
    "refund": Trap(_words("涉疑明细全部退费", "what is in dispute is refunded in full"), "gone", with_refund),
    "negative_line": Trap(
        _words("涉疑明细以负数冲回, 未写所退明细", "it is taken back by negative lines that name none"),
        "gone",
        with_negative_line,
    ),
    "reversal": Trap(_words("结算被冲正", "its claim is reversed"), "gone", with_reversal),
    "correction": Trap(
        _words("更正后的结算不含涉疑明细", "a corrected claim no longer holds it"), "gone", with_correction
    ),
    "sent_again": Trap(
        _words("更正后的结算内容相同", "a corrected claim says the same"), "the same", with_the_same_again
    ),
    "self_paid": Trap(_words("涉疑明细自费", "what is in dispute is outside the fund's scope"), "gone", self_paid),
    "no_fund": Trap(_words("基金未付", "the fund paid nothing of the claim"), "gone", without_fund),
    "payment_untold": Trap(
        _words("基金是否支付不明", "what the fund paid is not told"), "not evaluated", payment_untold
    ),
    "late_claim": Trap(_words("半年后才结算", "settled half a year later"), "the same", settled_late),
    "mid_stay": Trap(
        _words("住院中途结算一次", "the stay is settled once in its middle"), "the same", settled_in_the_middle
    ),
    "posted_at_discharge": Trap(_words("全部在出院日记账", "all is posted at discharge"), "gone", posted_at_discharge),
    "transfer_day": Trap(
        _words("转院当日, 另一家医院所做", "by the other hospital of a transfer"), "gone", on_transfer_day
    ),
    "merge": Trap(_words("一部分结算记在另一编号下", "some claims bear another pseudonym"), "the same", as_it_is),
    "two_areas": Trap(_words("一部分结算在另一统筹区", "some claims lie in another area"), "each area's own", as_it_is),
}


def try_traps(rule: Rule, rule_set: RuleSet) -> list[Answer]:
    """Every trap on the hits among a rule's cases."""
    hits = [(str(case["name"]), hit) for case in rule.cases if (hit := _hit_of(case["events"], rule, rule_set))]
    return [_answer(rule, name, trap, hits, rule_set) for name, trap in TRAPS.items()]


def _hit_of(case: Sequence[Mapping[str, object]], rule: Rule, rule_set: RuleSet) -> Hit | None:
    events = told([EventWords.model_validate(words) for words in case])
    findings = judgement_of(digests_of(events), rule, rule_set, details_of(events)).findings
    if not findings:
        return None
    parts = [guilty.part for finding in findings for guilty in finding.guilty]
    guilty = frozenset(billed_lines(parts))
    involved = frozenset(billed_lines(part for finding in findings for part in finding.involved))
    return Hit(events, guilty, involved - guilty, findings[0].value - findings[0].limit)


def _answer(rule: Rule, name: TrapName, trap: Trap, hits: Sequence[tuple[str, Hit]], rule_set: RuleSet) -> Answer:
    reason = rule.traps.get(name)
    tried = 0
    for case, hit in hits:
        events = trap.change(hit)
        if events is None:
            continue
        tried += 1
        came = _came(name, trap, hit, events, rule, rule_set)
        if came is not None:
            return Answer(rule, name, "excepted" if reason else "not thought of", case, came, reason)
    if reason:
        return Answer(rule, name, "needless", reason=reason)
    return Answer(rule, name, "thought of" if tried else "does not apply")


def _came(name: TrapName, trap: Trap, hit: Hit, events: list[EventWords], rule: Rule, rule_set: RuleSet) -> str | None:
    """What came of a changed history where that is not what the trap says, else ``None``."""
    digests, details = digests_of(events), details_of(events)
    if name == "two_areas":
        return next((came for area in _dealt(hit, digests) if (came := _strange(area, rule, rule_set, details))), None)
    if name == "merge":
        digests = [_renamed(digest) if index % 2 == 0 else digest for index, digest in enumerate(digests)]
    judgement = judgement_of(digests, rule, rule_set, details)
    if trap.becomes == "the same":
        before = judgement_of(digests_of(hit.events), rule, rule_set, details_of(hit.events))
        return None if _prints(judgement) == _prints(before) else what_was_measured(judgement)
    if judgement.findings or (trap.becomes == "not evaluated" and not judgement.not_evaluated):
        return what_was_measured(judgement)
    return None


def _renamed(digest: Digest) -> Digest:
    return msgspec.structs.replace(digest, patient=_OTHER_PSEUDONYM)


def _dealt(hit: Hit, digests: list[Digest]) -> Iterator[list[Digest]]:
    """The events of two areas: those with lines in dispute in one, the others in the other."""
    for guilty in (True, False):
        yield [digest for event, digest in zip(hit.events, digests, strict=True) if hit.is_meant(event) is guilty]


def _strange(area: list[Digest], rule: Rule, rule_set: RuleSet, details: Mapping[str, ClaimDetails]) -> str | None:
    """What is found in an area on lines that do not lie in it."""
    own = {
        (claim.institution, claim.encounter_id, line.line_id)
        for claim in area
        if isinstance(claim, ClaimDigest)
        for line in claim.lines
    }
    judgement = judgement_of(area, rule, rule_set, details)
    named = {line for finding in judgement.findings for line in _lines_of(finding)}
    return None if named <= own else what_was_measured(judgement)


def _lines_of(finding: Finding) -> list[LineKey]:
    return billed_lines([*(guilty.part for guilty in finding.guilty), *finding.involved])


def _prints(judgement: Judgement) -> set[tuple[object, ...]]:
    return {
        (of.occurrence, of.value, of.limit, frozenset(guilty.part for guilty in of.guilty)) for of in judgement.findings
    }
