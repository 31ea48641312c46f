"""The doctor: what it finds amiss, that it goes on without a database, and that it changes nothing."""

import asyncio
import os
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.commands.examination import bus, database, machine
from deploy.commands.examination.signs import Sign, State
from deploy.embedded.postgres import EmbeddedPostgres, find_running, start_postgres
from deploy.embedded.postgres_programs import find_server_user, run_program
from deploy.settings import Settings, load_vault_key
from knowledge_base.facts import Facts
from rules_lib.rule_set import RuleSet
from streams.bus import Lag
from streams.messages.vault import Vault
from streams.store.intake.senders import Silence, StateCount
from streams.store.judgements.published import PROGRAM
from streams.store.operation import condition
from streams.store.operation.condition import Condition, Server, Unsettled, find_server
from streams.store.sessions import connect
from tests.patience import PATIENCE
from tests.pipeline.made_up import rule
from tests.shell import run_loaded

ROOT = Path(__file__).resolve().parents[2]
GIGABYTE = 1024**3
Usage = namedtuple("Usage", "total used free")
GOOD = Server(version=180004, now=datetime.now(UTC), encoding="UTF8", sorts_by_code_point=True, has_migrations=True)
QUIET = Condition(
    leases=[],
    outbox=0,
    outbox_oldest_seconds=0.0,
    segments=1,
    oldest_segment_seconds=0.0,
    touched=0,
    touched_oldest_seconds=0.0,
    orders=0,
    orders_oldest_seconds=0.0,
    rule_set="0123456789abcdef",
    outstanding=0,
    outstanding_oldest_seconds=0.0,
    unreadable=0,
    standing=0,
)


@dataclass
class Doctor:
    """Runs ``fundwatch doctor`` in an environment."""

    environment: dict[str, str]

    def __call__(self, *words: str, code: int = 0) -> list[Sign]:
        done = run_loaded(("doctor", "--json", *words), self.environment)
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        found: list[Sign] = msgspec.json.decode(done.stdout, type=list[Sign])
        return found


@pytest.fixture
def doctor(tmp_path: Path, postgres_url: str) -> Doctor:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    return Doctor({**ours, "FUNDWATCH_HOME": str(tmp_path / "home"), "FUNDWATCH_DATABASE_URL": postgres_url})


def about(found: list[Sign], word: str) -> Sign:
    """The one sign that is about something."""
    (sign,) = [sign for sign in found if word in sign.about]
    return sign


def states(found: Iterator[Sign]) -> list[State]:
    return [sign.state for sign in found]


def execute(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def dumped(dsn: str) -> str:
    """Everything in a database, as text; psql keeps no random token in it."""
    return run_program(find_server_user(), "pg_dump", "--no-owner", "--restrict-key=doctor", dsn)


# --- the command


def test_a_sound_installation_has_no_fault_and_nothing_is_changed(
    doctor: Doctor, postgres_url: str, free_port: int
) -> None:
    doctor.environment["FUNDWATCH_PORT"] = str(free_port)
    before = dumped(postgres_url)
    found = doctor()
    assert [sign for sign in found if sign.state is State.FAULT] == []
    for word in ("settings", "disk", "vault key", "FUNDWATCH_PORT", "rules", "migrations", "clock", "outbox"):
        assert about(found, word).state is State.OK, word
    assert about(found, "lag").state is State.WARNING  # nobody has read anything yet
    assert all(sign.remedy for sign in found if sign.state is not State.OK)
    assert dumped(postgres_url) == before
    assert not Path(doctor.environment["FUNDWATCH_HOME"]).exists()


def test_without_a_database_it_says_so_and_goes_on(doctor: Doctor, free_port: int) -> None:
    doctor.environment["FUNDWATCH_DATABASE_URL"] = f"postgresql://u:hidden-word@127.0.0.1:{free_port}/x"
    found = doctor(code=1)
    away = about(found, "database")
    assert away.state is State.FAULT
    assert away.says.startswith(f"127.0.0.1:{free_port}: ")
    assert "no server answers" in away.says
    assert "hidden-word" not in msgspec.json.encode(found).decode()
    assert about(found, "rules").state is State.OK


def test_each_faulty_variable_is_named_and_the_others_hold(doctor: Doctor, free_port: int) -> None:
    doctor.environment |= {
        "FUNDWATCH_METRICS_PORT": "x",
        "FUNDWATCH_VAULT_KEY": "short",
        "FUNDWATCH_PORT": str(free_port),
    }
    found = doctor(code=1)
    faults = [sign for sign in found if sign.state is State.FAULT]
    assert [sign.says.partition(":")[0] for sign in faults] == ["FUNDWATCH_VAULT_KEY", "FUNDWATCH_METRICS_PORT"]
    assert str(free_port) in about(found, "FUNDWATCH_PORT").says
    assert about(found, "migrations").state is State.OK


def test_an_empty_database_is_told_from_one_that_is_away(doctor: Doctor, postgres_server: EmbeddedPostgres) -> None:
    execute(postgres_server.dsn_of("postgres"), "drop database if exists empty", "create database empty")
    doctor.environment["FUNDWATCH_DATABASE_URL"] = postgres_server.dsn_of("empty")
    found = doctor(code=1)
    (fault,) = [sign for sign in found if sign.state is State.FAULT]
    assert "0001_start" in fault.says
    assert fault.remedy == "fundwatch migrate"
    assert "CREATE TABLE" not in dumped(doctor.environment["FUNDWATCH_DATABASE_URL"])


def test_what_is_amiss_in_the_store_is_found(doctor: Doctor, postgres_url: str) -> None:
    sealed = Vault(b"another key, not the one in the settings").seal(b"pseudonym-1").hex()
    execute(
        postgres_url,
        "insert into log_heads (topic, partition, next) values ('claims', 0, 9)",
        "insert into group_offsets (\"group\", topic, partition, next) values ('judges', 'claims', 0, 4)",
        "insert into outbox (topic, value, recorded_at) values ('findings', 'v', now() - interval '5 minutes')",
        'insert into dead_letters (topic, partition, "offset", outcome, source, reasons, body)'
        f" values ('claims', 0, 3, 'dead', 's', '[]', '\\x{sealed}')",
        "insert into outstanding (area, rules) values ('a', '{FW10000001}')",
    )
    doctor.environment["FUNDWATCH_VAULT_KEY"] = "k" * 32
    found = doctor(code=1)
    faults = {sign.about.partition(" / ")[2] for sign in found if sign.state is State.FAULT}
    assert faults == {"lag", "outbox", "reconciliation", "vault key"}
    assert about(found, "dead letters").state is State.WARNING
    assert about(found, "rule set").state is State.WARNING
    assert "5 条 behind" in about(found, "lag").says
    assert "pseudonym" not in msgspec.json.encode(found).decode()


def test_where_the_address_is_faulty_no_other_database_is_examined(doctor: Doctor) -> None:
    doctor.environment["FUNDWATCH_DATABASE_URL"] = "mysql://127.0.0.1/x"
    found = doctor(code=1)
    assert about(found, "settings").state is State.FAULT
    assert not [sign for sign in found if "database" in sign.about]


def test_a_person_gets_a_table_with_what_to_do(doctor: Doctor, free_port: int) -> None:
    doctor.environment["FUNDWATCH_DATABASE_URL"] = f"postgresql://127.0.0.1:{free_port}/x"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.commands", "doctor"],
        env={**doctor.environment, "FUNDWATCH_PORT": str(free_port)},  # a desk that runs here would widen the table
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "故障 fault" in done.stdout
    assert "no server answers" in done.stdout
    assert done.stderr.strip() == "fundwatch: 1 处故障 / faults: 1"


def test_the_embedded_database_is_found_running_and_never_started_unasked(doctor: Doctor, tmp_path: Path) -> None:
    del doctor.environment["FUNDWATCH_DATABASE_URL"]
    folder = tmp_path / "home" / "postgres"
    assert "does not run" in about(doctor(), "database").says
    assert not folder.exists()
    with start_postgres(folder) as server:
        assert find_running(folder) == server.dsn
        assert "reached" in about_reached(doctor(code=1)).says
    assert find_running(folder) is None
    assert "reached" in about_reached(doctor("--start", code=1)).says
    assert find_running(folder) is None


def about_reached(found: list[Sign]) -> Sign:
    return next(sign for sign in found if sign.about == "数据库 / database")


# --- single signs


@pytest.mark.parametrize(
    ("free", "state"), [(0.5, State.FAULT), (1.5, State.WARNING), (4.9, State.WARNING), (5.1, State.OK)]
)
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, state: State) -> None:
    asked: list[Path] = []

    def disk_usage(path: Path) -> Any:
        asked.append(path)
        return Usage(100 * GIGABYTE, 0, int(free * GIGABYTE))

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    assert machine.examine_disk(Settings(home=tmp_path / "not" / "yet")).state is state
    assert asked == [tmp_path]


def test_key_that_others_may_read_and_key_that_is_damaged(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert machine.examine_key(settings).state is State.OK
    assert list(tmp_path.iterdir()) == []  # the doctor makes no key
    load_vault_key(settings)
    path = tmp_path / "vault.key"
    assert machine.examine_key(settings).state is State.OK
    path.chmod(0o640)
    assert machine.examine_key(settings).remedy == f"chmod 600 {path}"
    path.write_text("short")
    damaged = machine.examine_key(settings)
    assert (damaged.state, "short" in damaged.says) == (State.FAULT, False)


def test_key_and_dead_letters_belong_together(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    sealed = Vault(b"k" * 32).seal(b"a message")
    assert states(database.examine_sealed(settings, None)) == []
    assert states(database.examine_sealed(settings, sealed)) == [State.FAULT]  # letters without a key
    assert states(database.examine_sealed(Settings(vault_key=b"k" * 32), sealed)) == [State.OK]
    assert states(database.examine_sealed(Settings(vault_key=b"x" * 32), sealed)) == [State.FAULT]


def test_a_port_in_use_is_said(free_port: int) -> None:
    settings = Settings(port=free_port)
    assert states(machine.examine_ports(settings)) == [State.OK]
    with socket.create_server(("127.0.0.1", free_port)):
        (sign,) = machine.examine_ports(settings)
    assert sign.state is State.WARNING
    assert "in use" in sign.says


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.OK),
        ({"version": 170002}, State.WARNING),
        ({"version": 150000}, State.WARNING),
        ({"version": 140010}, State.FAULT),
        ({"encoding": "SQL_ASCII"}, State.FAULT),
        ({"sorts_by_code_point": False}, State.FAULT),
    ],
)
def test_server(changes: dict[str, Any], state: State) -> None:
    server = msgspec.structs.replace(GOOD, **changes)
    assert max(states(database.examine_server(server, server.now, server.now)), key=list(State).index) is state


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, State.OK), (1.5, State.OK), (-3, State.WARNING), (3, State.WARNING), (61, State.FAULT), (-61, State.FAULT)],
)
def test_clock_is_compared_with_the_databases_beyond_the_time_of_the_answer(seconds: float, state: State) -> None:
    asked = GOOD.now + timedelta(seconds=seconds)
    took = timedelta(seconds=0)
    assert states(database.examine_server(GOOD, asked, asked + took))[-1] is state
    slow = database.examine_server(GOOD, GOOD.now - timedelta(seconds=30), GOOD.now + timedelta(seconds=30))
    assert states(slow)[-1] is State.OK


async def test_the_time_zone_of_the_session_does_not_matter(postgres_url: str) -> None:
    connection = await connect(postgres_url)
    await connection.execute("set timezone = 'Asia/Shanghai'")
    server = await find_server(connection)
    await connection.close()
    assert abs(server.now - datetime.now(UTC)) < timedelta(seconds=30)
    assert server.major >= 15
    assert server.sorts_by_code_point


async def test_an_order_that_the_database_does_not_keep_is_found(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dictionary sorts; a server whose collation does so is not at hand everywhere."""
    monkeypatch.setattr(condition, "_ORDERED", ["_", "a", "A", "B", "é"])
    connection = await connect(postgres_url)
    server = await find_server(connection)
    await connection.close()
    assert not server.sorts_by_code_point


def test_migrations_missing_and_newer() -> None:
    known = sorted(path.stem for path in (ROOT / "streams" / "store" / "migrations").glob("*.sql"))
    assert database.examine_migrations(known).state is State.OK
    assert database.examine_migrations(known[:-1]).remedy == "fundwatch migrate"
    assert "upgrade the program" in database.examine_migrations([*known, "9999_later"]).remedy


@pytest.mark.parametrize(
    ("behind", "owner", "state"),
    [
        (0, "w", State.OK),
        (9_999, "w", State.OK),
        (10_001, "w", State.WARNING),
        (0, None, State.WARNING),
        (1, None, State.FAULT),
    ],
)
def test_groups(behind: int, owner: str | None, state: State) -> None:
    assert states(bus.examine_groups([Lag("judges", "claims", 0, 5, 5 + behind, owner)])) == [state]


def test_a_quiet_store_is_sound() -> None:
    assert set(states(database.examine_condition(QUIET, Unsettled({"dead": 0}, 0)))) == {State.OK}


@pytest.mark.parametrize(
    ("silence", "found"),
    [
        (Silence([], None), []),
        (Silence([], 5.0), []),
        (Silence([StateCount("claim", "usual", 9)], 900.0), [State.OK]),
        (Silence([StateCount("claim", "usual", 9)], 901.0), [State.WARNING]),
        (Silence([StateCount("3101", "quiet", 1), StateCount("claim", "usual", 9)], 5.0), [State.WARNING]),
    ],
)
def test_who_is_quiet_is_said_and_that_nobody_knows(silence: Silence, found: list[State]) -> None:
    assert list(states(database.examine_silence(silence))) == found


@pytest.mark.parametrize(
    ("in_force", "outstanding", "state"),
    [("mine", 0, State.OK), (None, 0, State.OK), ("another", 0, State.WARNING), ("mine", 2, State.WARNING)],
)
def test_rule_set_in_force(in_force: str | None, outstanding: int, state: State) -> None:
    now = msgspec.structs.replace(QUIET, rule_set=in_force, outstanding=outstanding)
    assert database.examine_rule_set(now, "mine", PROGRAM).state is state


def test_old_digests_are_amiss_only_where_a_rule_needs_newer_ones() -> None:
    plain, detailed = (RuleSet((rule(1, "of", needs=needs),), Facts(())) for needs in ([], ["practitioner"]))
    assert database.examine_digests(0, detailed).state is State.OK
    assert database.examine_digests(3, plain).state is State.OK
    assert "3" in database.examine_digests(3, plain).says
    sign = database.examine_digests(3, detailed)
    assert (sign.state, sign.remedy) == (State.WARNING, "fundwatch redigest")


def test_a_broker_that_is_away_is_told_at_once(doctor: Doctor, free_port: int) -> None:
    doctor.environment |= {"FUNDWATCH_BUS": "kafka", "FUNDWATCH_BROKERS": f"127.0.0.1:{free_port}"}
    found = doctor(code=1)
    away = about(found, "bus")
    assert away.state is State.FAULT
    assert "ConnectionRefusedError" in away.says
    assert about(found, "migrations").state is State.OK


def test_embedded_kafka_needs_maven_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = list(machine.examine_programs(Settings(home=tmp_path, bus="kafka")))
    assert about(found, "Kafka").state is State.FAULT
    assert about(found, "Chromium").state is State.WARNING
    assert about(list(machine.examine_programs(Settings(home=tmp_path))), "PostgreSQL").state is State.OK


def test_a_broker_that_answers_is_asked(doctor: Doctor, kafka_brokers: str) -> None:
    doctor.environment |= {"FUNDWATCH_BUS": "kafka", "FUNDWATCH_BROKERS": kafka_brokers}
    found = doctor()
    assert [sign for sign in found if sign.state is State.FAULT] == []
    assert about(found, "bus") == Sign("总线 / bus", State.OK, "Kafka 4.1")
    assert "nobody has read" in about(found, "lag").says


def test_an_older_broker_is_said() -> None:
    assert bus.examine_broker((3, 9)).state is State.WARNING
    assert bus.examine_broker((4, 2)).state is State.OK
