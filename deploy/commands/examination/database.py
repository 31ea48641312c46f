"""The database: server, structure, what waits in it, its account, its rules, and the key of its dead letters."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from deploy.commands.examination.signs import Sign, State, fault, ok, warning
from deploy.settings import PREFIX, Settings, SettingsError, load_vault_key
from knowledge_base.digests.head import GENERATION
from rules_lib.publication import with_imported
from rules_lib.rule_set import RuleSet, Suspended
from streams.jobs.reconciling import event_places
from streams.messages.vault import Vault, WrongKey
from streams.store.events import generations
from streams.store.intake.senders import Silence, find_silence
from streams.store.judgements import published
from streams.store.judgements.published import PROGRAM
from streams.store.migrations import FOLDER, find_migrations
from streams.store.operation import condition
from streams.store.operation.condition import Condition, Server, Unsettled
from streams.store.sessions import Connection
from streams.store.transport.unreadable import Standing, find_standing

OLDEST_POSTGRES = 15
TESTED_POSTGRES = 18
OLD_OUTBOX = 60.0
"""Seconds after which a message should have left the outbox."""
LONG_UNJUDGED = 900.0
"""Seconds after which it should be known again who is silent."""
MIGRATE = "fundwatch migrate"
CLOCK_DIFFERS = 2.0
CLOCK_WRONG = 60.0
"""Seconds between this machine's clock and the database's."""


def examine_server(server: Server, asked: datetime, answered: datetime) -> Iterator[Sign]:
    """Version, text and clock of the server; ``asked`` and ``answered`` are this machine's times around its answer."""
    about = "数据库版本 / database version"
    version = f"PostgreSQL {server.major}"
    if server.major < OLDEST_POSTGRES:
        yield fault(about, version, f"升级到 {TESTED_POSTGRES} / upgrade to {TESTED_POSTGRES}")
    elif server.major < TESTED_POSTGRES:
        remedy = (
            f"未在此版本上测试，建议升级到 {TESTED_POSTGRES} / not tested on it, better upgrade to {TESTED_POSTGRES}"
        )
        yield warning(about, version, remedy)
    else:
        yield ok(about, version)
    about = "数据库文字 / database text"
    if server.encoding != "UTF8" or not server.sorts_by_code_point:
        says = f"{server.encoding}, {'' if server.sorts_by_code_point else '不'}按码位排序 / sorted otherwise"
        remedy = "新建数据库：encoding UTF8, collation C / make the database anew: encoding UTF8, collation C"
        yield fault(about, says, remedy)
    else:
        yield ok(about, "UTF8, C")
    yield _clock(server.now, asked, answered)


def _clock(now: datetime, asked: datetime, answered: datetime) -> Sign:
    about = "时钟 / clock"
    differs = max((asked - now).total_seconds(), (now - answered).total_seconds(), 0.0)
    says = f"与数据库相差 {differs:.1f} 秒 / seconds from the database's"
    remedy = "启用 NTP / keep both clocks by NTP"
    if differs > CLOCK_WRONG:
        return fault(about, says, remedy)
    return warning(about, says, remedy) if differs > CLOCK_DIFFERS else ok(about, says)


def examine_migrations(has: list[str]) -> Sign:
    """Whether the database's structure is this program's."""
    about = "数据库结构 / migrations"
    known = {path.stem for path in FOLDER.glob("*.sql")}
    missing, newer = sorted(known - set(has)), sorted(set(has) - known)
    if newer:
        remedy = "升级程序：数据库较新 / upgrade the program: the database is newer"
        return fault(about, ", ".join(newer), remedy)
    if missing:
        return fault(about, f"缺少 / missing: {', '.join(missing)}", MIGRATE)
    return ok(about, max(known))


def examine_condition(now: Condition, account: Unsettled) -> Iterator[Sign]:
    """What waits to be sent or judged again, and whether everything consumed is accounted for."""
    about = "待发箱 / outbox"
    says = f"{now.outbox} 条 messages, {now.outbox_oldest_seconds:.0f} 秒 s"
    if now.outbox_oldest_seconds > OLD_OUTBOX:
        yield fault(about, says, "worker 是否在运行？总线是否可达？/ does a worker run, is the bus reached?")
    else:
        yield ok(about, says)
    about = "死信 / dead letters"
    waiting = sum(account.letters.values())
    says = ", ".join(f"{outcome} {count}" for outcome, count in sorted(account.letters.items()))
    if waiting:
        yield warning(about, says, "fundwatch dead-letters list")
    else:
        yield ok(about, says)
    about = "对账 / reconciliation"
    if account.unaccounted:
        says = f"{account.unaccounted} 条无去向 / messages without an outcome: {account.unaccounted}"
        yield fault(about, says, "fundwatch reconcile, docs/monitoring.md")
    else:
        yield ok(about, "每条消息都有去向 / every message has its outcome")


def examine_silence(silence: Silence) -> Iterator[Sign]:
    """Who is unusually quiet, and whether that is known; nothing where nobody ever sent."""
    if silence.judged_seconds is None or not silence.counts:
        return
    about = "安静 / silence"
    quiet = sum(of.senders for of in silence.counts if of.state == "quiet")
    if silence.judged_seconds > LONG_UNJUDGED:
        says = f"已有 {silence.judged_seconds:,.0f} 秒不知道 / not known for so many seconds"
        yield warning(about, says, "worker 是否在运行？/ does a worker run? fundwatch lag")
    elif quiet:
        yield warning(about, f"{quiet} 路异常安静 / unusually quiet: {quiet}", "fundwatch silence --state quiet")
    else:
        yield ok(about, "没有谁异常安静 / nobody is unusually quiet")


def examine_rule_set(now: Condition, own: str | None, by: str | None) -> Sign:
    """Whether everything was judged by the set in force, and whose it is (``by``): the program's own or a person's."""
    about = "规则集 / rule set"
    if now.outstanding:
        says = f"{now.outstanding} 个统筹区待重判 / areas to be judged again: {now.outstanding}"
        return warning(about, says, "fundwatch rejudge")
    if now.rule_set is None:
        return ok(about, "尚未发布 / none in force yet")
    if now.rule_set != own and by in (PROGRAM, None):
        says = f"{now.rule_set[:12]} 在用，非本程序自带 / is in force, not the one that came with this program"
        return warning(about, says, "fundwatch migrate")
    return ok(about, now.rule_set[:12] if now.rule_set == own else f"{now.rule_set[:12]} 由 by {by}")


def examine_suspended(suspended: Sequence[Suspended]) -> Iterator[Sign]:
    """Rules in force that this program cannot load, each with its file and the field that is at fault."""
    for rule in suspended:
        remedy = "改正该字段后重新发布 / set the field right and publish again: fundwatch rules publish"
        yield fault("停用的规则 / suspended rule", str(rule), remedy)


def examine_digests(old: int, in_force: RuleSet | None) -> Sign:
    """Whether events have what the rules in force need of them; ``old`` have a digest of an earlier generation."""
    about = "摘要 / digests"
    if not old:
        return ok(about, f"均为第 {GENERATION} 代 / all of generation {GENERATION}")
    says = f"{old:,} 条为旧代 / of an earlier generation"
    if in_force is not None and any(rule.generation > 1 for rule in in_force.rules):
        return warning(about, f"{says}，有规则需要更新的 / a rule needs newer ones", "fundwatch redigest")
    # Those whose bytes are not kept stay so for good.
    return ok(about, f"{says}；升级后运行一次 / once after an upgrade: fundwatch redigest, then fundwatch rejudge")


def examine_standing(standing: Sequence[Standing]) -> Iterator[Sign]:
    """Batches that cannot be read and before which a group stands."""
    for one in standing:
        yield fault("读不出的批次 / unreadable batch", str(one), "docs/monitoring.md#batchunreadable")


def examine_sealed(settings: Settings, sealed: bytes | None) -> Iterator[Sign]:
    """Whether the key opens a dead letter, where there is one; its bytes are let go at once."""
    if sealed is None:
        return
    about = "死信密钥 / vault key"
    remedy = f"恢复原密钥（{PREFIX}VAULT_KEY 或 vault.key）/ bring back the key that sealed them"
    if settings.vault_key is None and not (settings.home / "vault.key").exists():
        yield fault(about, "有死信而无密钥 / there are dead letters and no key", remedy)
        return
    with suppress(OSError, SettingsError):  # a key that cannot be read is a sign of its own
        try:
            Vault(load_vault_key(settings)).open(sealed)
            yield ok(about, "能打开死信 / opens the dead letters")
        except WrongKey:
            yield fault(about, "打不开死信：密钥不同 / does not open the dead letters: another key", remedy)


async def examine_database(connection: Connection, settings: Settings, own: RuleSet | None) -> AsyncIterator[Sign]:
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
    account = await condition.find_unsettled(connection, event_places())
    sealed = await condition.find_newest_sealed(connection)
    in_force = None if now.rule_set is None else await published.load_rule_set(connection, now.rule_set)
    if own is not None and in_force is not None:
        own = with_imported(own, in_force)
    for sign in (
        *examine_condition(now, account),
        *examine_silence(await find_silence(connection, datetime.now(UTC))),
        examine_rule_set(now, own.hash if own is not None else None, await published.find_publisher(connection)),
        *examine_suspended(in_force.suspended if in_force is not None else ()),
        examine_digests(await generations.count_old(connection), in_force),
        *examine_standing(await find_standing(connection)),
        *examine_sealed(settings, sealed),
    ):
        yield sign
