"""Six faults that stand for the rest, on a smaller county and with short sessions: part of ``make test``."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from rules_lib.rule_set import RuleSet

from .conftest import Trial
from .county import County, make_county
from .faults import Fault, broker_killed, postgres_killed, struck, struck_in_relay, zombie
from .grounds import KafkaGround, PostgresGround

pytestmark = pytest.mark.representative

SCALE = 0.0008
"""Some 4,000 claims and 100 findings."""

SESSION = timedelta(seconds=1.5)
BATCH = 50
RATE = 300

ON_POSTGRES = [
    Fault("rebalance", "", struck("rebalance", 1, 1, RATE)),
    Fault("zombie", "", zombie("before commit", 3, RATE)),
    Fault("postgres killed", "", postgres_killed()),
]
ON_KAFKA = [
    Fault("after commit", "", struck("after commit", 3, 1, RATE)),
    Fault("relay", "", struck_in_relay(1, 1, RATE)),
    Fault("broker killed", "", broker_killed()),
]


@pytest.fixture(scope="module")
def small_county(rule_set: RuleSet, new_database: Callable[[], str]) -> County:
    return make_county(SCALE, rule_set, new_database)


@pytest.mark.parametrize("fault", ON_POSTGRES, ids=lambda fault: str(fault.name))
async def test_on_the_postgresql_bus(fault: Fault, small_county: County, trial: Trial) -> None:
    await trial(fault, PostgresGround(SESSION), small_county, BATCH)


@pytest.mark.parametrize("fault", ON_KAFKA, ids=lambda fault: str(fault.name))
async def test_on_kafka(fault: Fault, small_county: County, trial: Trial, faults_broker: EmbeddedKafka) -> None:
    prefix = f"small-{fault.name}-".replace(" ", "-")
    await trial(fault, KafkaGround(faults_broker, prefix, SESSION), small_county, BATCH)
