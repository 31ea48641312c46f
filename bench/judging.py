"""Judging: one new claim of ten lines by all rules, with earlier claims in reach, from digests to findings.

Beside decoding alone, beside the same rules without our engine, with a full knowledge base, and how long that loads.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from bench import loading
from bench.generated import CODES, RULES, enlarged
from bench.peers import anchors
from bench.peers.clips import clips_judge
from bench.peers.plain import Hit, Judge, plain_judge
from bench.peers.zen import zen_judge
from bench.report import PART
from bench.results import Measured, Reporter, Result, measure_interleaved, stopwatch
from bench.samples import LINES, people_with_history
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from knowledge_base.facts import Facts
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.scope import Scope
from streams.messages.kinds import digest_of
from streams.messages.packing import decode_digest, encode_digest
from streams.pipeline.touching import Matter, head_of_digest, touched

_PEOPLE = {5: 20, 60: 20, 600: 5}
"""How many people are judged by how many earlier claims each has."""

_AIMED_AT = 5
_AIM = 30.0
_DIGESTS_A_RUN = 4_000
_UNIT = "µs a claim"


class _Judged(msgspec.Struct, frozen=True):
    """One person just before judging; ``stored`` are the digests as bytes, ``history`` is what is made of them."""

    digests: list[ClaimDigest]
    stored: list[bytes]
    scope: Scope
    history: PatientHistory


def run() -> list[Result]:
    """Microseconds a new claim, over several people with 5, 60 and 600 earlier claims in reach."""
    rule_set = load_rule_set(load_facts())
    people = {earlier: people_before_judging(rule_set, earlier) for earlier in _PEOPLE}
    results = [result for earlier in _PEOPLE for result in _alone(rule_set, people[earlier], earlier)]
    for earlier in (5, 60):
        results += _beside_peers(rule_set, people[earlier], earlier)
    large = enlarged(rule_set)
    return results + _with_many_rules(rule_set, large, people[5], 5) + loading.results(large)


def people_before_judging(rule_set: RuleSet, earlier: int) -> list[_Judged]:
    """People with so many earlier claims; the newest claim is new, the others are known."""
    claims = people_with_history(_PEOPLE[earlier], earlier)
    return [_judged(rule_set, [_digest(claim) for claim in together]) for together in claims]


def _judged(rule_set: RuleSet, digests: list[ClaimDigest]) -> _Judged:
    """What is touched is found as the pipeline finds it."""
    heads = [head_of_digest(seq, "claim", digest) for seq, digest in enumerate(digests)]
    scope, _ = touched(Matter("420281", Subject(PATIENT, digests[0].patient), heads, frozenset({len(heads) - 1})))
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


def _history(rule_set: RuleSet, digests: Sequence[ClaimDigest]) -> PatientHistory:
    return PatientHistory(Subject(PATIENT, digests[0].patient), digests, rule_set.of(PATIENT).by_code)


def _measure(work: Mapping[str, Callable[[_Judged], object]], people: Sequence[_Judged]) -> Measured:
    """Some work on each person, in microseconds a new claim."""

    def on_all(job: Callable[[_Judged], object]) -> None:
        for person in people:
            job(person)

    loops = max(1, _DIGESTS_A_RUN // (len(people) * len(people[0].digests)))
    return measure_interleaved(
        {name: stopwatch(partial(on_all, job), len(people), loops) for name, job in work.items()}
    )


def _by_engine(rule_set: RuleSet) -> Callable[[_Judged], object]:
    return lambda person: judge(_history(rule_set, person.digests), person.scope, rule_set.of(PATIENT))


def _decode(person: _Judged) -> None:
    for body in person.stored:
        decode_digest("claim", body)


def _alone(rule_set: RuleSet, people: Sequence[_Judged], earlier: int) -> list[Result]:
    """Judging alone beside decoding alone, and the parts of judging."""
    work: dict[str, Callable[[_Judged], object]] = {
        "whole": _by_engine(rule_set),
        "decode": _decode,
        "history": lambda person: _history(rule_set, person.digests),
        "checks": lambda person: judge(person.history, person.scope, rule_set.of(PATIENT)),
    }
    report = Reporter("judging", _measure(work, people))
    job = f"judge a claim of {LINES} lines by {len(rule_set.rules)} rule files, {earlier} earlier claims in reach"
    floor = ("decode", f"decoding the {earlier + 1} digests alone")
    aim = _AIM if earlier == _AIMED_AT else None
    return [
        report.result(job, "whole", _UNIT, "less", aim=aim, floor=floor),
        report.result(f"{PART}the History of {earlier + 1} claims", "history", _UNIT, "less", floor=floor),
        report.result(f"{PART}asking the checks and writing findings", "checks", _UNIT, "less", floor=floor),
    ]


def _beside_peers(published: RuleSet, people: Sequence[_Judged], earlier: int) -> list[Result]:
    """The rules that the peers have too, by the engine and by each peer. All must find the same."""
    rule_set = without_others(published)
    peers = {name: make(rule_set.facts) for name, make in PEERS.items()}
    for person in people:
        expected = hits_of(rule_set, person)
        for name, peer in peers.items():
            found = named(peer(person.digests, person.scope))
            assert found == expected, f"{name} finds something else: {found ^ expected}"
    work: dict[str, Callable[[_Judged], object]] = {"engine": _by_engine(rule_set), "decode": _decode}
    for name, peer in peers.items():
        work[name] = lambda person, peer=peer: peer(person.digests, person.scope)  # type: ignore[misc]
    report = Reporter("judging", _measure(work, people))
    floor = ("decode", f"decoding the {earlier + 1} digests alone")
    plain = ("plain", "plain Python without engine, hits alone (`peers/plain.py`)")
    job = f"{len(rule_set.rules)} rule files, {earlier} earlier claims, by"
    return [
        report.result(f"{job} the engine, with money and reasons", "engine", _UNIT, "less", floor=floor, peer=plain),
        report.result(f"{job} joins in Python and zen-engine", "zen-engine", _UNIT, "less", floor=floor, peer=plain),
        report.result(f"{job} joins in Python and CLIPS", "CLIPS", _UNIT, "less", floor=floor, peer=plain),
    ]


PEERS: dict[str, Callable[..., Judge]] = {"plain": plain_judge, "zen-engine": zen_judge, "CLIPS": clips_judge}


def without_others(published: RuleSet) -> RuleSet:
    """What the peers have of a set too: all rules but the one on odd settlement details, no pairs by the clock."""
    points = tuple(point for point in published.facts.points if point.catalogue not in BY_THE_CLOCK)
    return RuleSet(tuple(rule for rule in published.rules if rule.id in anchors.RULES), Facts(points))


BY_THE_CLOCK = ("pairs_of_hours", "pairs_of_the_same_hour")
"""Catalogues that no peer reads."""


def hits_of(rule_set: RuleSet, person: _Judged) -> set[Hit]:
    """What the engine finds, as rules and occurrences."""
    findings = judge(_history(rule_set, person.digests), person.scope, rule_set.of(PATIENT)).findings
    return {(finding.maker_id, finding.occurrence) for finding in findings}


def named(hits: set[Hit]) -> set[Hit]:
    """Hits of a peer with their days as the engine writes them."""
    return {
        (rule, tuple(as_date(word).isoformat() if isinstance(word, int) else word for word in words))
        for rule, words in hits
    }


def _with_many_rules(published: RuleSet, large: RuleSet, people: Sequence[_Judged], earlier: int) -> list[Result]:
    """The same claims by as many rules and facts as a full knowledge base has; what is relevant stays the same."""
    measured = dict(_measure({"few": _by_engine(published), "many": _by_engine(large)}, people))
    measured["times"] = [many / few for many, few in zip(measured["many"], measured["few"], strict=True)]
    report = Reporter("judging", measured)
    job = f"{RULES} generated rules and {CODES:,} code-level facts, {earlier} earlier claims"
    few = ("few", f"the {len(published.rules)} published rule files for the same items")
    return [
        report.result(job, "many", _UNIT, "less", peer=few),
        report.result("that beside the published rules in the same run", "times", "times", "less", aim=1.5),
    ]
