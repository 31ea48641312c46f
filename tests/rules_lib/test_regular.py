"""Claims that are told regular are judged as if nobody had told it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.head import Digest
from knowledge_base.events.claims import Claim, Operation
from knowledge_base.events.head import Event
from knowledge_base.subjects import PATIENT, patient
from rules_lib.engine import Judgement, judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.messages.kinds import digest_of
from tests.reference import cases
from tests.reference.generators import mixed, persons
from tests.reference.histories import SCENES, history
from tests.reference.judge import RULE_IDS


def as_told(events: list[Event]) -> list[Digest]:
    return [digest_of(event) for event in events]


def untold(digests: list[Digest]) -> list[Digest]:
    return [replace(digest, regular=False) if isinstance(digest, ClaimDigest) else digest for digest in digests]


def judged(digests: list[Digest], rule_set: RuleSet) -> Judgement:
    """What is said of claims as if they were one person's."""
    rules = rule_set.of(PATIENT)
    return judge(PatientHistory(patient("p"), digests, rules.by_code), ALL_DAYS, rules)


def assert_told_rightly(histories: list[list[Event]], rule_set: RuleSet) -> None:
    shares = []
    for events in histories:
        digests = as_told(events)
        assert judged(digests, rule_set) == judged(untold(digests), rule_set)
        shares += [digest.regular for digest in digests if isinstance(digest, ClaimDigest)]
    assert {True, False} == set(shares), "one kind alone, so nothing was compared"


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_people_aimed_at_a_rule(rule_id: str, rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_told_rightly([persons(seed, rule_id) for seed in range(samples(200))], rule_set)


@pytest.mark.parametrize("about", SCENES)
def test_histories_about_a_point(about: str, rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_told_rightly([history(seed, about) for seed in range(samples(200))], rule_set)


def test_people_who_meet_several_rules(rule_set: RuleSet, samples: Callable[[int], int]) -> None:
    assert_told_rightly([mixed(seed) for seed in range(samples(400))], rule_set)


ITEM = cases.line("a", cases.PLAIN, "03-01")

ODD = {
    "settled on a day that stands for nothing": cases.visit("1", ITEM, settled_at=cases.at("2099-01-01")),
    "born on such a day": cases.visit("1", ITEM, birth_date=date(1899, 12, 31)),
    "born after a line": cases.visit("1", ITEM, birth_date=date(2026, 3, 2)),
    "admitted on such a day": cases.stay("1", "1900-01-01", "03-05", ITEM),
    "settled before a line": cases.visit("1", ITEM, settled_at=cases.at("02-28")),
    "another visit type": cases.visit("1", ITEM, visit_type="99"),
    "another sex": cases.visit("1", ITEM, sex="3"),
    "another operation": cases.visit("1", ITEM, operations=(Operation("3607"),)),
    "a blank inside a line_id": cases.visit("1", cases.line("a b", cases.PLAIN, "03-01")),
    "a negative amount": cases.visit(
        "1", cases.line("a", cases.PLAIN, "03-01", amount=Decimal(-1), in_fund_scope=None)
    ),
}


def test_a_claim_that_says_little_is_regular() -> None:
    assert told(cases.visit("1", ITEM))


@pytest.mark.parametrize("why", ODD)
def test_one_with_an_oddity_is_not(why: str) -> None:
    assert not told(ODD[why])


def told(claim: Claim) -> bool:
    digest = digest_of(claim)
    assert isinstance(digest, ClaimDigest)
    return digest.regular


def test_nearly_every_claim_of_a_county_is_regular() -> None:
    """Else each is looked at twice: when its digest is made, and by those who look for oddities."""
    all_told = [told(event) for event in simulate(CountyPlan(scale=1 / 5000)) if isinstance(event, Claim)]
    assert sum(all_told) / len(all_told) > 0.95
