"""Commands around the simulated county: demo, county, play, county-gateway."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Annotated, NamedTuple

import msgspec
import typer

from casework.rights import Right
from casework.tokens import Token
from deploy.commands.coverage import Coverage, find_coverage, show_coverage
from deploy.commands.output import (
    Failure,
    Json,
    Opened,
    acting,
    counted,
    note,
    on_trial,
    print_json,
    print_table,
    run,
    say,
)
from deploy.commands.playing import SOURCE, Played, count_played, play_traffic, wait_until_judged
from deploy.commands.progress import Closing, close_run, follow, note_unread, unless_stopped
from deploy.commands.publishing import publish_own
from deploy.commands.senders_time import by_senders_time, senders_now
from deploy.county import CountyPlan, write_county, write_traffic
from deploy.county.acts.scoring import FoundLines, Score, score, write_table
from deploy.county.care.register import register as institutions_of
from deploy.runtime import end_child, follow_parent, keep_child, run_child, stop_on_signals
from deploy.settings import Settings, load_pseudonym_key, load_settings
from rules_lib.rule_set import RuleSet
from streams.acts.tokens import give_token, revoke_token
from streams.hosts.service import Service
from streams.importers.jsonl import MessageReader, read_messages
from streams.importers.sending import send_messages
from streams.jobs.spelling import spell_institutions
from streams.journal.folder import look_into
from streams.messages.pseudonyms import Pseudonyms
from streams.store.intake import imports
from streams.store.intake.reconciliation import Reconciliation
from streams.store.operation import overview
from streams.store.sessions import borrowed
from streams.topics import CLAIMS

Scale = Annotated[float, typer.Option(min=0.0001, max=10, help="相对大冶的规模 / size relative to Daye")]
Seed = Annotated[int, typer.Option(help="随机种子 / seed")]

_DAYS_ASKED = 7
"""The last days of a demo's year, in which its hospitals are connected to the gateway."""


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(county)
    app.command()(play)
    app.command("county-gateway", hidden=True)(county_gateway)


def county(
    claims: Annotated[Path, typer.Argument(help="结算文件 (.zst 压缩) / file for the claims, compressed as .zst")],
    truth: Annotated[Path, typer.Argument(help="真相文件, 只供评分 / file for the truth, for scoring alone")],
    scale: Scale = 1 / 50,
    seed: Seed = 1,
    traffic: Annotated[
        Path | None,
        typer.Option(help="从 --asked-from 起医院发送的全部: 询问与结算 / file for all that is sent from that day on"),
    ] = None,
    asked_from: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="医院开始询问之日, 默认第一天 / when hospitals begin to ask"),
    ] = None,
    as_at_the_door: Annotated[
        bool,
        typer.Option(help="参保人用本机网关所用的假名 / people under the pseudonyms of this installation's gateway"),
    ] = False,
) -> None:
    """生成模拟县一年的结算, 以及医院的询问 / write a simulated county's year, and what its hospitals ask.

    Example: fundwatch county claims.jsonl truth.jsonl
    """
    plan = CountyPlan(scale=scale, seed=seed)
    name = Pseudonyms(load_pseudonym_key(load_settings(os.environ))).of if as_at_the_door else str
    if traffic is None:
        number = write_county(plan, claims, truth, name)
        note(f"{number} 条 / {counted(number, 'event', 'events')}")
        return
    first = plan.first if asked_from is None else asked_from.date()
    number, rows = write_traffic(plan, claims, truth, traffic, first, name)
    note(
        f"{number} 条，其后往来 {rows} 条 / {counted(number, 'event', 'events')},"
        f" then {counted(rows, 'row', 'rows')} of traffic"
    )


def play(
    traffic: Annotated[Path, typer.Argument(help="模拟医院的往来 / what fundwatch county --traffic wrote")],
    diary: Annotated[Path, typer.Argument(help="医院所做的记录 / file for what the hospitals did")],
    gateway: Annotated[
        str, typer.Option(help="网关地址 / address of the gateway, http://host:port")
    ] = "http://127.0.0.1:8471",
    key_file: Annotated[
        Path | None,
        typer.Option(help="存放密钥的文件 / file with a token of the right ask, for all institutions that ask"),
    ] = None,
    json: Json = False,
) -> None:
    """扮演模拟县的医院: 向网关询问, 反馈, 再结算 / be the county's hospitals: ask, reply, and bill.

    Example: fundwatch play traffic.jsonl diary.jsonl
    """
    key = None if key_file is None else key_file.read_text(encoding="ascii").strip()
    run(_play(traffic, diary, gateway, key, json))


async def _play(traffic: Path, diary: Path, gateway: str, key: str | None, json: bool) -> None:
    async with Opened() as service:
        stop_on_signals(service.stop)
        await note_unread(service, [CLAIMS])
        played = await play_traffic(service, gateway, key, traffic, diary)
    if json:
        print_json(played)
    else:
        _show_played(played)


def _show_played(played: Played) -> None:
    say(
        f"医院询问 asked {played.requests:,}; 提示 warned {played.warnings:,}; 反馈 replied {played.replies:,};"
        f" 未及时判断 not judged in time {played.not_judged:,} (fundwatch warnings)"
    )
    heeded = played.score.warned
    say(f"医生本要做、得到提示而作罢的 / left because of a warning: {heeded.hits:,} / {heeded.of:,}")


def county_gateway(
    with_parent: Annotated[bool, typer.Option(help="父进程结束即结束 / end with the parent process")] = False,
) -> None:
    """模拟县的网关: 以报文的交易时间为现在 / the gateway of the simulated county, in the time of its messages.

    Example: fundwatch county-gateway
    """
    run(_county_gateway(with_parent))


async def _county_gateway(with_parent: bool) -> None:
    from deploy.commands.serving import find_dialect, serve_hospitals

    opened = Opened()
    dialect = find_dialect(opened.settings)
    async with opened as service:
        stop_on_signals(service.stop)
        if with_parent:
            service.add(follow_parent(service.stop))
        await serve_hospitals(opened.settings, service, dialect, senders_now, by_senders_time)
    if service.failed:
        raise Failure("网关中止，见上面的日志 / the gateway stopped, see the log above")


def demo(
    scale: Scale = 1 / 50,
    seed: Seed = 1,
    exit_after_replay: Annotated[
        bool, typer.Option(help="判断完即退出, 不开工作台 / end when all is judged, without the desk")
    ] = False,
    json: Json = False,
) -> None:
    """模拟一个县的一年, 判断, 打开工作台 / simulate a county's year, judge it, open the desk.

    Example: fundwatch demo
    """
    run(_demo(CountyPlan(scale=scale, seed=seed), exit_after_replay, json))


class DemoReport(msgspec.Struct, frozen=True):
    """What ``demo --json`` prints: the closing of the run, what hospitals asked (``None`` where they did not), what the
    rules know, and the score against the truth."""

    closing: Closing
    asked: Played | None
    score: Score
    coverage: Coverage


class _Files(NamedTuple):
    """What a county leaves beside the database: its truth, its traffic, and the diary of its hospitals."""

    truth: Path
    traffic: Path
    diary: Path


def _files(settings: Settings, plan: CountyPlan) -> _Files:
    name = f"county-{plan.seed}-{plan.scale:.6f}"
    return _Files(*(settings.home / f"{name}-{what}.jsonl" for what in ("truth", "traffic", "diary")))


def _first_asked(plan: CountyPlan) -> date:
    """The day from which on a demo's hospitals are connected, and what they send is played."""
    return max(plan.first, plan.last - timedelta(days=_DAYS_ASKED - 1))


async def _demo(plan: CountyPlan, exit_after_replay: bool, json: bool) -> None:
    opened = Opened()
    async with opened as service:
        stop_on_signals(service.stop)
        await publish_own(service)
        service.add(
            keep_child(lambda: run_child(opened.settings, service.dsn, "worker", "--with-parent"), service.stop)
        )
        if exit_after_replay:
            await _replay(opened.settings, service, plan, json)
            return
        from deploy.commands.serving import announce, serve

        await announce(opened.settings, service, password_given=False)
        serving = asyncio.create_task(serve(opened.settings, service))
        await _replay(opened.settings, service, plan, json)
        note("Ctrl-C 结束 / ends everything")
        await serving


async def _replay(settings: Settings, service: Service, plan: CountyPlan, json: bool) -> None:
    """Sends the county unless an earlier run did, lets its hospitals ask, and says what came of it."""
    source_id = f"county {plan}"
    files = _files(settings, plan)
    async with borrowed(service.pool) as connection:
        await overview.save_institutions(connection, institutions_of(plan))
        await spell_institutions(connection)
        finished = await imports.is_finished(connection, source_id)
    if finished and files.truth.exists():
        note("数据已在，不再重放 / the data is there, nothing is replayed")
        messages, seconds = 0, 0.0
    else:
        async with _simulated(settings, service, plan, files) as reader:
            bodies = (message.raw for message in reader)
            sending = send_messages(service.pool, service.bus, SOURCE, source_id, bodies)
            messages, seconds = await follow(service, sending, None, lambda: reader.position)
    asked = await _let_hospitals_ask(settings, service, plan, files)
    closing, account = await close_run(service, messages, seconds)
    result = await _score(service, files.truth)
    known = await find_coverage(service)
    if json:
        print_json(DemoReport(closing, asked, result, known))
    else:
        show_closing(closing, account, service.rule_set)
        if asked is not None:
            _show_played(asked)
        show_coverage(known)
        for row in write_table(result).splitlines():
            say(row)
        note(
            "知识点多自 2025-12-31 起有效，此前的行为不会被查出 / "
            "most points are in force from 2025-12-31 on: what was done before is not found"
        )
    if closing.lost:
        raise Failure(f"少了 {closing.lost} 条 / {counted(closing.lost, 'message is', 'messages are')} missing")


async def _let_hospitals_ask(settings: Settings, service: Service, plan: CountyPlan, files: _Files) -> Played | None:
    """Plays the county's last days to a gateway of its own, unless an earlier run did.

    ``None`` where there is nothing to play, as in data of an earlier release, or no port for the gateway.
    """
    from deploy.commands.serving import is_free, journal_of

    if files.diary.exists():
        return await asyncio.to_thread(count_played, files.traffic, files.diary)
    if not files.traffic.exists():
        return None
    if not is_free(settings.host, settings.gateway_port):
        note(
            f"端口 {settings.gateway_port} 已被占用，这次医院不询问，可用 FUNDWATCH_GATEWAY_PORT 换端口"
            " / the gateway's port is in use: no hospital asks this time"
        )
        return None
    address = f"http://{settings.host}:{settings.gateway_port}"
    async with _key_of_hospitals(service, plan) as key:
        child = run_child(settings, service.dsn, "county-gateway", "--with-parent")
        try:
            played = await play_traffic(service, address, key, files.traffic, files.diary)
            await unless_stopped(service, _wait_until_stored(journal_of(settings), service))
        finally:
            await asyncio.to_thread(end_child, child)
    return played


async def _wait_until_stored(journal: Path, service: Service) -> None:
    """Waits until what the gateway was told has left its journal, and is stored."""
    while (await asyncio.to_thread(look_into, journal)).records:
        await asyncio.sleep(0.1)
    await wait_until_judged(service)


@asynccontextmanager
async def _key_of_hospitals(service: Service, plan: CountyPlan) -> AsyncIterator[str]:
    """A key by which the county's hospitals may ask, for a day at most; it ends with its use."""
    from api.access.bearers import new_token, token_hash

    secret, name, by = new_token(), f"county-{token_hex(4)}", acting(None)
    ends_at = datetime.now(UTC) + timedelta(days=1)
    codes = frozenset(place.code for place in institutions_of(plan))
    token = Token(name, frozenset({Right.ASK}), ends_at, by, None, codes)
    async with borrowed(service.pool) as connection:
        await give_token(connection, token, token_hash(secret))
    try:
        yield secret
    finally:
        async with borrowed(service.pool) as connection:
            await revoke_token(connection, name, by)


@asynccontextmanager
async def _simulated(
    settings: Settings, service: Service, plan: CountyPlan, files: _Files
) -> AsyncIterator[MessageReader]:
    """The county's lines as a process of its own writes them into a pipe, up to the days that are played."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "claims"
        os.mkfifo(pipe)
        words = ["county", str(pipe), str(files.truth), "--scale", str(plan.scale), "--seed", str(plan.seed)]
        words += ["--traffic", str(files.traffic), "--asked-from", f"{_first_asked(plan)}", "--as-at-the-door"]
        simulator = run_child(settings, service.dsn, *words)
        try:
            with read_messages(pipe) as reader:
                yield reader
            if await asyncio.to_thread(simulator.wait) != 0:
                raise Failure("模拟县未能生成 / the county could not be simulated")
        finally:
            end_child(simulator)


async def _score(service: Service, truth: Path) -> Score:
    async with borrowed(service.pool) as connection:
        cards = (await service.rule_sets.in_force(connection)).cards
        found = [FoundLines(*entry) async for entry in overview.read_guilty_lines(connection)]
    return score(truth, [entry for entry in found if entry.rule_id in cards and cards[entry.rule_id].is_live])


def show_closing(closing: Closing, account: Reconciliation, rule_set: RuleSet) -> None:
    """The closing tables of a run: outcomes by source, findings by rule."""
    print_table(
        "收到与结果 / received and its outcomes",
        ("来源 source", "接收 accepted", "重复 duplicate", "冲突 conflict", "无法入库 dead", "金额 yuan"),
        [
            (row.source, row.accepted, row.duplicate, row.conflict, row.dead, f"{row.accepted_money:,.2f}")
            for row in account.sources
        ],
    )
    rules = {rule.id: rule for rule in rule_set.rules}
    print_table(
        "疑点 / findings by rule",
        ("规则 rule", "名称 name", "疑点 findings"),
        [
            (rule, f"{on_trial(rules[rule])}{rules[rule].title.zh} {rules[rule].title.en}", f"{n:,}")
            for rule, n in closing.findings.items()
            if rule in rules
        ],
        right=2,
    )
    say(
        f"收到 received {closing.received:,}; 缺失 lost {closing.lost}; 线索 leads {closing.leads:,}; "
        f"{closing.seconds:.1f} s, {closing.claims_a_second:,.0f}/s"
    )
