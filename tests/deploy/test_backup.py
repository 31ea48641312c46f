"""A backup taken while workers work, restored after the database is lost: work goes on, nothing is lost or doubled."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypedDict, Unpack

import msgspec
import pytest

from deploy.county import CountyPlan, simulate
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.postgres_programs import ServerUser, run_program
from knowledge_base.catalogues.files import load_facts
from knowledge_base.findings import Change
from rules_lib.rule_files import load_rule_set
from streams.bus import Bus, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.handlers.judging import finding_message
from streams.hosts.kafka import KafkaService
from streams.hosts.service import Service, open_service
from streams.importers.sending import send_messages
from streams.jobs.reconciling import reconcile
from streams.jobs.restoring import resend_findings
from streams.messages.codec import encode_event
from streams.messages.versions import unpack_version
from streams.store.sessions import Pool, connect
from streams.topics import CLAIMS, FINDINGS, JUDGES, LEADS
from tests.knowledge_base.workbooks import DAILY_CAPS, save_workbook
from tests.patience import PATIENCE
from tests.shell import Shell
from tests.streams.replay import VAULT, replay, until_done


class OnBus(TypedDict, total=False):
    make_bus: Callable[[Pool], Bus]
    host: type[Service]


RULE_SET = load_rule_set(load_facts())
EVENTS = list(simulate(CountyPlan(scale=0.0006)))
BODIES = [encode_event(event) for event in EVENTS]
SOURCE = "county"


LEADS_QUERY = """
    select area, lead_id, findings, people, in_question, in_fund, loss, newest_day, severity
    from leads where findings > 0 order by 1, 2
"""

#: Everything by which people would notice a difference; versions and what was withdrawn since depend on batches.
STANDING = (
    "select area, finding_id, person, rule_id, body from findings where is_open order by 1, 2",
    "select area, event_id, content_hash from event_ids order by 1, 2",
    LEADS_QUERY,
    "select sum(accepted), sum(duplicate), sum(conflict), sum(dead), sum(accepted_money) from ledger",
)

BEHIND = """
    select count(*) from findings f left join lead_findings l using (area, finding_id)
    where l.version is distinct from f.version
"""


@pytest.fixture(scope="module")
def undisturbed(new_database: Callable[[], str]) -> str:
    """The address of a database in which the same events were worked off and nothing happened."""
    dsn = new_database()
    asyncio.run(replay(dsn, EVENTS, SOURCE))
    return dsn


async def test_work_goes_on_from_a_backup_that_was_taken_under_way(
    postgres_server: EmbeddedPostgres, new_database: Callable[[], str], undisturbed: str, tmp_path: Path
) -> None:
    lost = new_database()
    sent = await _work_and_back_up(lost, tmp_path / "backup")
    restored = _lose_and_restore(postgres_server, lost, tmp_path / "backup")

    assert 0 < await _judged(restored) < sent < len(EVENTS), "the backup was to be taken in the middle of the work"
    await replay(restored, EVENTS, SOURCE)

    await _assert_alike(restored, undisturbed)


async def test_on_kafka_work_goes_on_from_the_offset_of_the_backup(
    postgres_server: EmbeddedPostgres,
    new_database: Callable[[], str],
    undisturbed: str,
    kafka_brokers: str,
    tmp_path: Path,
) -> None:
    """Nothing is sent again: the topic still holds what came after the backup, and findings of a time that is gone."""
    address = KafkaAddress(kafka_brokers, prefix=f"backup-{os.urandom(4).hex()}-")
    kafka: OnBus = {"make_bus": partial(KafkaBus, address=address), "host": KafkaService}
    lost = new_database()
    sent = await _work_and_back_up(lost, tmp_path / "backup", **kafka)
    restored = _lose_and_restore(postgres_server, lost, tmp_path / "backup")

    assert 0 < await _judged(restored) < sent < len(EVENTS), "the backup was to be taken in the middle of the work"
    async with open_service(restored, RULE_SET, VAULT, **kafka) as service:
        await service.bus.send(FINDINGS, [await _of_a_time_that_is_gone(undisturbed)])
        await resend_findings(service.pool, service.bus, "somebody")
        await service.start()
        await until_done(service)

    await _assert_alike(restored, undisturbed)


async def test_findings_are_sent_again_where_the_bus_was_not_set_back(postgres_url: str) -> None:
    """A version of the time that no longer is lies unread in the topic, higher than all to come: nobody keeps it."""
    async with open_service(postgres_url, RULE_SET, VAULT) as service:
        await service.start()
        async for _ in send_messages(service.pool, service.bus, SOURCE, SOURCE, BODIES[:1500]):
            pass
        await until_done(service)
    connection = await connect(postgres_url)
    before = await connection.fetch(LEADS_QUERY)
    gone = await _of_a_time_that_is_gone(postgres_url)

    async with open_service(postgres_url, RULE_SET, VAULT) as service:
        await service.bus.send(FINDINGS, [gone])
        sent, ends = await resend_findings(service.pool, service.bus, "somebody")
        await service.start()
        await until_done(service)
        (lag,) = [lag for lag in await service.bus.lags(LEADS) if lag.topic == FINDINGS]

    assert await connection.fetchval(BEHIND) == 0
    assert await connection.fetch(LEADS_QUERY) == before
    # Who begins where it says gets each finding once.
    assert [(end.topic, end.end) for end in ends] == [(FINDINGS, lag.end - sent)]
    assert sent == await connection.fetchval("select count(*) from findings") > 5
    await connection.close()
    assert await asyncio.to_thread(_command, postgres_url) == {"findings": sent, "from": {"findings/0": lag.end}}


def test_imported_knowledge_is_back_with_the_database_and_its_folder(
    postgres_server: EmbeddedPostgres, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The restored database alone keeps it in force; with the folder it can be listed and taken back as before."""
    lost, code = new_database(), "001201999990000"
    sheet = save_workbook(tmp_path / "频次.xlsx", {"Sheet1": [DAILY_CAPS, (1, "虚构护理", 1, "日", code)]})
    before = Shell(tmp_path / "home", lost)
    in_force = before.json("knowledge", "import", str(sheet))["switch"]["after"]
    _run("pg_dump", "--format=custom", f"--file={tmp_path / 'backup'}", lost)
    shutil.copytree(tmp_path / "home" / "knowledge", tmp_path / "restored" / "knowledge")
    shutil.rmtree(tmp_path / "home")
    restored = _lose_and_restore(postgres_server, lost, tmp_path / "backup")

    without = Shell(tmp_path / "elsewhere", restored)
    without("migrate")
    status = without.json("rules", "status")
    assert (status["in_force"], status["own"]) == (in_force, in_force)
    (sign,) = [s for s in json.loads(without.run("doctor", "--json").stdout) if s["about"] == "规则集 / rule set"]
    assert sign["state"] == "ok"
    assert without.json("knowledge", "imports") == []
    back = Shell(tmp_path / "restored", restored)
    back("migrate")
    status = back.json("rules", "status")
    assert (status["in_force"], status["own"]) == (in_force, in_force)
    assert [kept["number"] for kept in back.json("knowledge", "imports")] == [1]
    assert back.json("knowledge", "undo")["before"] == in_force
    assert back.json("knowledge", "list", "--code", code) == []


def _command(dsn: str) -> Any:
    """What ``fundwatch resend-findings --json`` prints."""
    command = [sys.executable, "-m", "deploy.commands", "resend-findings", "--json"]
    environment = {**os.environ, "FUNDWATCH_DATABASE_URL": dsn, "FUNDWATCH_VAULT_KEY": "k" * 32}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=True)
    return json.loads(done.stdout)


async def _work_and_back_up(dsn: str, backup: Path, **on_bus: Unpack[OnBus]) -> int:
    """The backup is taken while two thirds of the events are worked on; the rest is lost with the database.

    Returns how many events had been sent when it was taken.
    """
    async with open_service(dsn, RULE_SET, VAULT, **on_bus) as service:
        worker_of = service.worker_of
        service.worker_of = lambda station: worker_of(msgspec.structs.replace(station, batch=20))  # type: ignore[method-assign]
        await service.start()
        sending = send_messages(service.pool, service.bus, SOURCE, SOURCE, BODIES)
        async for sent in sending:
            if sent * 3 >= len(EVENTS) * 2:
                break
        while await _judged(dsn) == 0:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(_run, "pg_dump", "--format=custom", f"--file={backup}", dsn)
        async for _ in sending:
            pass
        await until_done(service)
    return sent


def _lose_and_restore(server: EmbeddedPostgres, lost: str, backup: Path) -> str:
    """Drops the database, and makes a new one under another name from its backup."""
    name = lost.partition("@/")[2].partition("?")[0]
    for command in (f"drop database {name} with (force)", f"create database {name}_restored template template0"):
        _run("psql", "-qXd", server.dsn, "-c", command)
    dsn = server.dsn_of(f"{name}_restored")
    _run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={dsn}", str(backup))
    return dsn


def _run(program: str, *arguments: str) -> None:
    """A program of PostgreSQL as this user, who owns the folder of the backup."""
    run_program(ServerUser(os.geteuid(), os.getegid()), program, *arguments)


async def _of_a_time_that_is_gone(dsn: str) -> Message:
    """A version of a finding, higher than any to come, that says something else."""
    connection = await connect(dsn)
    body = await connection.fetchval(
        "select v.body from findings f join finding_versions v using (area, finding_id, version) where is_open limit 1"
    )
    await connection.close()
    return finding_message(msgspec.structs.replace(unpack_version(body), version=9, change=Change.WITHDRAWN))


async def _judged(dsn: str) -> int:
    """How many messages the judges have behind them."""
    connection = await connect(dsn)
    query = 'select coalesce(sum(next), 0)::bigint from group_offsets where "group" = $1 and topic = $2'
    judged: int = await connection.fetchval(query, JUDGES, CLAIMS)
    await connection.close()
    return judged


async def _assert_alike(restored: str, undisturbed: str) -> None:
    """The restored database says what one says that nobody disturbed, and accounts for everything."""
    for found, expected in zip(await _standing(restored), await _standing(undisturbed), strict=True):
        otherwise = [pair for pair in zip_longest(found, expected) if pair[0] != pair[1]]
        assert otherwise[:3] == []
    connection = await connect(restored)
    account = await reconcile(connection)
    assert (account.received, account.lost, account.money_differs) == (len(EVENTS), 0, 0)
    assert await connection.fetchval("select count(*) from findings") > 20
    assert await connection.fetchval(BEHIND) == 0
    await connection.close()


async def _standing(dsn: str) -> list[Any]:
    connection = await connect(dsn)
    found = [await connection.fetch(query) for query in STANDING]
    await connection.close()
    return found
