"""Judging: one new claim of ten lines by all rules, with earlier claims in reach, from digests to findings."""

from collections.abc import Sequence

import msgspec

from bench.results import Measured, Reporter, Result, measure_interleaved, stopwatch
from bench.samples import LINES, people_with_history
from knowledge_base.digests import ClaimDigest, span_of
from knowledge_base.events import Claim
from knowledge_base.facts import load_facts
from rules_lib.engine import judge
from rules_lib.history import History
from rules_lib.rules import RuleSet, load_rule_set
from rules_lib.scope import Scope
from streams.codec import decode_digest, digest_of, encode_digest
from streams.pipeline import Head, Person, touched

_PEOPLE = 20
_EARLIER = (5, 60)
_AIM = 30.0


class _Judged(msgspec.Struct, frozen=True):
    """One person just before judging; ``stored`` are the digests as bytes, ``history`` is what is made of them."""

    digests: list[ClaimDigest]
    stored: list[bytes]
    scope: Scope
    history: History


def run() -> list[Result]:
    """Microseconds a new claim, over several people with 5 and with 60 earlier claims in reach."""
    rule_set = load_rule_set(load_facts())
    results: list[Result] = []
    for earlier in _EARLIER:
        people = _people(rule_set, earlier)
        results += _results(Reporter("judging", _measure(rule_set, people)), rule_set, earlier)
    return results


def _people(rule_set: RuleSet, earlier: int) -> list[_Judged]:
    claims = people_with_history(_PEOPLE, earlier)
    return [_judged(rule_set, [_digest(claim) for claim in together]) for together in claims]


def _judged(rule_set: RuleSet, digests: list[ClaimDigest]) -> _Judged:
    """The newest claim is new, the others are known; what is touched is found as the pipeline finds it."""
    heads = [_head(seq, digest) for seq, digest in enumerate(digests)]
    scope, _ = touched(Person("420281", digests[0].patient, heads, frozenset({len(heads) - 1})))
    return _Judged(
        digests=digests,
        stored=[encode_digest(digest) for digest in digests],
        scope=scope,
        history=_history(rule_set, digests),
    )


def _digest(claim: Claim) -> ClaimDigest:
    digest = digest_of(claim)
    assert isinstance(digest, ClaimDigest)
    return digest


def _head(seq: int, digest: ClaimDigest) -> Head:
    encounter = (digest.institution, digest.encounter_id)
    return Head(seq, digest.event_id, "claim", digest.claim_id, encounter, *span_of(digest), None)


def _history(rule_set: RuleSet, digests: Sequence[ClaimDigest]) -> History:
    return History(digests[0].patient, digests, rule_set.by_code.keys())


def _measure(rule_set: RuleSet, people: Sequence[_Judged]) -> Measured:
    def decode() -> None:
        for person in people:
            for body in person.stored:
                decode_digest("claim", body)

    def make_histories() -> None:
        for person in people:
            _history(rule_set, person.digests)

    def ask(make: bool) -> None:
        for person in people:
            history = _history(rule_set, person.digests) if make else person.history
            judge(history, person.scope, rule_set.rules, rule_set)

    work = {
        "whole": lambda: ask(make=True),
        "decode": decode,
        "history": make_histories,
        "checks": lambda: ask(make=False),
    }
    loops = 4_000 // (len(people) * len(people[0].digests))
    return measure_interleaved({name: stopwatch(job, len(people), loops) for name, job in work.items()})


def _results(report: Reporter, rule_set: RuleSet, earlier: int) -> list[Result]:
    job = f"judge a claim of {LINES} lines by {len(rule_set.rules)} rule files, {earlier} earlier claims in reach"
    floor = ("decode", f"decoding the {earlier + 1} digests alone")
    unit = "µs a claim"
    return [
        report.result(job, "whole", unit, "less", aim=_AIM, floor=floor),
        report.result(f"of that: the History of {earlier + 1} claims", "history", unit, "less", floor=floor),
        report.result("of that: asking the checks", "checks", unit, "less", floor=floor),
    ]
