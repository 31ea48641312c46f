"""The peers of judging find what the engine finds, and generated rules leave what is relevant as it is."""

from collections import Counter
from decimal import Decimal

import pytest

from bench.generated import as_published, enlarged
from bench.judging import PEERS, named, without_others
from bench.peers.anchors import RULES
from knowledge_base.catalogues.files import load_facts
from knowledge_base.catalogues.rows import ROWS
from knowledge_base.codes import is_item_code
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from knowledge_base.facts import Facts
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.publication import pack, unpack
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.messages.kinds import digest_of
from tests.reference.generators import persons
from tests.reference.judge import RULE_IDS

PEOPLE = 60


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="module")
def large(rule_set: RuleSet) -> RuleSet:
    return enlarged(rule_set, rules=40, codes=8_000)


def plain_people() -> list[list[ClaimDigest]]:
    """Claims of one person each, of those whom the peers know (``bench.peers.plain``)."""
    people = [persons(seed, rule_id) for seed in range(PEOPLE) for rule_id in RULE_IDS]
    return [
        [digest for event in events if isinstance(digest := digest_of(event), ClaimDigest)]
        for events in people
        if all(isinstance(event, Claim) and _is_plain(event) for event in events)
        and len({event.patient for event in events}) == 1
        and len({event.claim_id for event in events if isinstance(event, Claim)}) == len(events)
    ]


def _is_plain(claim: Claim) -> bool:
    returns = any(Decimal(line.quantity) < 0 and line.refund_of is None for line in claim.lines)
    return not (claim.reverses or claim.corrects or returns)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_finds_what_the_engine_finds(name: str, rule_set: RuleSet) -> None:
    known = without_others(rule_set)
    peer = PEERS[name](rule_set.facts)
    compared: Counter[str] = Counter()
    for digests in plain_people():
        history = PatientHistory(Subject(PATIENT, digests[0].patient), digests, known.of(PATIENT).by_code)
        expected = {(f.maker_id, f.occurrence) for f in judge(history, ALL_DAYS, known.of(PATIENT)).findings}
        assert named(peer(digests, ALL_DAYS)) == expected
        compared.update(rule for rule, _ in expected)
    assert compared.keys() == RULES


def test_generated_facts_have_the_size_and_codes_that_are_asked_for(rule_set: RuleSet, large: RuleSet) -> None:
    assert len(large.rules) == 40
    assert sum(len(point.codes) for point in large.facts.points) == 8_000
    added = large.facts.points[len(rule_set.facts.points) :]
    assert all(is_item_code(code) for point in added for code in point.codes)
    assert {point.catalogue for point in as_published(large.facts.points)} <= set(ROWS)
    assert enlarged(rule_set, rules=40, codes=8_000) == large


def test_generated_rules_speak_of_their_own_items_alone(rule_set: RuleSet, large: RuleSet) -> None:
    assert {code: large.of(PATIENT).by_code[code] for code in rule_set.of(PATIENT).by_code} == rule_set.of(
        PATIENT
    ).by_code
    assert len(large.of(PATIENT).by_code) > len(rule_set.of(PATIENT).by_code) + 1_000


def test_a_large_set_is_published_and_read_back_as_it_was(large: RuleSet) -> None:
    published = RuleSet(large.rules, Facts(as_published(large.facts.points)))
    again = unpack(published.hash, pack(published))
    assert again.facts.points == published.facts.points
    assert again.hash == published.hash
    assert again.of(PATIENT).by_code.keys() == published.of(PATIENT).by_code.keys()
