"""Commands around the simulated county: demo, county."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.commands.coverage import Coverage, find_coverage, show_coverage
from deploy.commands.output import Failure, Json, Opened, counted, note, on_trial, print_json, print_table, run, say
from deploy.commands.progress import Closing, close_run, follow
from deploy.commands.publishing import publish_own
from deploy.county import CountyPlan, write_county
from deploy.county.acts.scoring import FoundLines, Score, score, write_table
from deploy.county.care.register import register as institutions_of
from deploy.runtime import end_child, keep_child, run_child, stop_on_signals
from deploy.settings import Settings
from rules_lib.rule_set import RuleSet
from streams.hosts.service import Service
from streams.importers.jsonl import MessageReader, read_messages
from streams.importers.sending import send_messages
from streams.jobs.spelling import spell_institutions
from streams.store.intake import imports
from streams.store.intake.reconciliation import Reconciliation
from streams.store.operation import overview
from streams.store.sessions import borrowed

Scale = Annotated[float, typer.Option(min=0.0001, max=10, help="相对大冶的规模 / size relative to Daye")]
Seed = Annotated[int, typer.Option(help="随机种子 / seed")]


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(county)


def county(
    claims: Annotated[Path, typer.Argument(help="结算文件 (.zst 压缩) / file for the claims, compressed as .zst")],
    truth: Annotated[Path, typer.Argument(help="真相文件, 只供评分 / file for the truth, for scoring alone")],
    scale: Scale = 1 / 50,
    seed: Seed = 1,
) -> None:
    """生成模拟县一年的结算 / write a simulated county's year.

    Example: fundwatch county claims.jsonl truth.jsonl
    """
    number = write_county(CountyPlan(scale=scale, seed=seed), claims, truth)
    note(f"{number} 条 / {counted(number, 'event', 'events')}")


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
    """What ``demo --json`` prints: the closing of the run, what the rules know, and the score against the truth."""

    closing: Closing
    score: Score
    coverage: Coverage


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
    """Sends the county unless an earlier run did, waits until it is judged, and says what came of it."""
    source_id = f"county {plan}"
    truth = settings.home / f"county-{plan.seed}-{plan.scale:.6f}-truth.jsonl"
    async with borrowed(service.pool) as connection:
        await overview.save_institutions(connection, institutions_of(plan))
        await spell_institutions(connection)
        finished = await imports.is_finished(connection, source_id)
    if finished and truth.exists():
        note("数据已在，不再重放 / the data is there, nothing is replayed")
        messages, seconds = 0, 0.0
    else:
        with _simulated(settings, service, plan, truth) as reader:
            bodies = (message.raw for message in reader)
            sending = send_messages(service.pool, service.bus, "county", source_id, bodies)
            messages, seconds = await follow(service, sending, None, lambda: reader.position)
    closing, account = await close_run(service, messages, seconds)
    result = await _score(service, truth)
    known = await find_coverage(service)
    if json:
        print_json(DemoReport(closing, result, known))
    else:
        show_closing(closing, account, service.rule_set)
        show_coverage(known)
        for row in write_table(result).splitlines():
            say(row)
        note(
            "知识点多自 2025-12-31 起有效，此前的行为不会被查出 / "
            "most points are in force from 2025-12-31 on: what was done before is not found"
        )
    if closing.lost:
        raise Failure(f"少了 {closing.lost} 条 / {counted(closing.lost, 'message is', 'messages are')} missing")


@contextmanager
def _simulated(settings: Settings, service: Service, plan: CountyPlan, truth: Path) -> Iterator[MessageReader]:
    """The county's lines as a process of its own writes them into a pipe."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "claims"
        os.mkfifo(pipe)
        words = ("--scale", str(plan.scale), "--seed", str(plan.seed))
        simulator = run_child(settings, service.dsn, "county", str(pipe), str(truth), *words)
        try:
            with read_messages(pipe) as reader:
                yield reader
            if simulator.wait() != 0:
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
