"""Every fault on each bus, with two workers and 20,000 claims of the county: ``make faults``. Writes docs/faults.md."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from rules_lib.rule_set import RuleSet
from streams.buses.kafka import SESSION
from streams.buses.postgres import LEASE

from .conftest import Trial
from .county import County, make_county
from .faults import BROKER_DISK_FULL, FAULTS, KAFKA, LOG_DISK_FULL, POSTGRES, Fault
from .grounds import KafkaGround, PostgresGround

pytestmark = pytest.mark.faults

SCALE = 0.0043
"""Some 20,000 claims and 450 findings."""

BATCH = 200


@pytest.fixture(scope="session")
def county(rule_set: RuleSet, new_database: Callable[[], str]) -> County:
    return make_county(SCALE, rule_set, new_database)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if POSTGRES in fault.buses], ids=lambda f: str(f.name))
async def test_on_the_postgresql_bus(fault: Fault, county: County, trial: Trial) -> None:
    await trial(fault, PostgresGround(LEASE), county, BATCH)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if KAFKA in fault.buses], ids=lambda f: str(f.name))
async def test_on_kafka(fault: Fault, county: County, trial: Trial, faults_broker: EmbeddedKafka) -> None:
    prefix = fault.name.replace(" ", "-") + "-"
    await trial(fault, KafkaGround(faults_broker, prefix, SESSION), county, BATCH)


async def test_log_disk_full(county: County, trial: Trial, small_disk: Path) -> None:
    await trial(LOG_DISK_FULL, PostgresGround(LEASE, small_disk), county, BATCH)


async def test_broker_disk_full(county: County, trial: Trial, small_disk: Path, kafka_jars: Path) -> None:
    with start_kafka(small_disk / "kafka", kafka_jars) as broker:
        await trial(BROKER_DISK_FULL, KafkaGround(broker, "disk-full-", SESSION, small_disk), county, BATCH)
