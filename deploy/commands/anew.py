"""Commands that do again what was done: rejudge, by the rules of today; redigest, from the bytes as they came."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.commands.output import Failure, Json, Opened, console, notes, print_json, print_table, run
from deploy.runtime import stop_on_signals
from streams.handlers.rule_sets import RuleSetUnusable
from streams.jobs.redigesting import Redigested, find_apart
from streams.jobs.redigesting import redigest as make_anew
from streams.jobs.rejudging import rejudge as judge_again
from streams.store.events import generations, wider
from streams.store.judgements import published
from streams.store.sessions import borrowed

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)
_NAMED = 20
"""Events that are named, of those that a command could do nothing for."""


def register(app: typer.Typer) -> None:
    app.command()(rejudge)
    app.command()(redigest)


class Rejudged(msgspec.Struct, frozen=True):
    """What ``rejudge --json`` prints: people judged again, and finding versions by rule and change."""

    people: int
    findings: dict[str, dict[str, int]]
    finished: bool


def rejudge(json: Json = False) -> None:
    """换规则之后重判, 可随时中断再继续 / judge again after a switch of rules; stop and go on at any time.

    Example: fundwatch rejudge
    """
    done = run(_rejudge())
    if json:
        print_json(done)
    else:
        print_table(
            f"重判 {done.people:,} 人 / people judged again",
            ("规则 rule", "新增 raised", "修订 revised", "撤回 withdrawn"),
            [
                (rule, *(changes.get(name, 0) for name in ("raised", "revised", "withdrawn")))
                for rule, changes in done.findings.items()
            ],
        )
    if not done.finished:
        raise Failure("已中断；再运行一次即可继续 / interrupted; run it again to go on")


async def _rejudge() -> Rejudged:
    people, changes = 0, Counter[tuple[str, str]]()
    async with Opened() as service, borrowed(service.pool) as connection:
        stop_on_signals(service.stop)
        with Progress(*_COLUMNS, console=notes) as progress:
            task = progress.add_task("重判 judging again", total=await published.count_outstanding(connection))
            while await published.find_outstanding(connection) or await wider.count_touched(connection):
                try:
                    async for judged, report in judge_again(connection, service.rule_sets):
                        people += judged
                        changes += report.findings
                        progress.update(task, completed=people)
                        if service.stop.is_set():
                            return Rejudged(people, _by_rule(changes), finished=False)
                except RuleSetUnusable as error:
                    raise Failure(f"生效的规则与本程序的检查逻辑不符 / {error}") from None
                # Another process is at what is left.
                await asyncio.sleep(0.5)
    return Rejudged(people, _by_rule(changes), finished=True)


def _by_rule(changes: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    by_rule: dict[str, dict[str, int]] = {}
    for (rule, change), count in sorted(changes.items()):
        by_rule.setdefault(rule, {})[change] = count
    return by_rule


def redigest(json: Json = False) -> None:
    """从原始报文重做旧摘要, 可随时中断再继续 / make old digests anew from received bytes; stop and go on at any time.

    Example: fundwatch redigest
    """
    done, apart, finished = run(_redigest())
    if json:
        print_json({**msgspec.to_builtins(done), "apart": apart, "finished": finished})
    else:
        console.print(f"重做摘要 digests made anew: {done.anew:,}", highlight=False)
        console.print(
            f"新查明与其他事件无关 events newly found to have to do with no other: {apart:,}", highlight=False
        )
        _say_left("无原始报文，保持原样 / left as they are, their bytes are not kept", done.without_bytes)
        _say_left("今日校验不通过，保持原样 / left as they are, today's checks refuse their bytes", done.refused)
    if not finished:
        raise Failure("已中断；再运行一次即可继续 / interrupted; run it again to go on")


def _say_left(says: str, event_ids: Sequence[str]) -> None:
    if event_ids:
        more = f" … +{len(event_ids) - _NAMED:,}" if len(event_ids) > _NAMED else ""
        named = ", ".join(event_ids[:_NAMED])
        console.print(f"{says}: {len(event_ids):,}: {named}{more}", highlight=False, markup=False)


async def _redigest() -> tuple[Redigested, int, bool]:
    """What became of digests, how many events are apart, and whether it came to the end."""
    done, apart = Redigested(), 0
    async with Opened() as service, borrowed(service.pool) as connection:
        stop_on_signals(service.stop)
        with Progress(*_COLUMNS, console=notes) as progress:
            task = progress.add_task("重做摘要 digests", total=await generations.count_old(connection))
            try:
                async for piece in make_anew(connection, service.rule_sets):
                    done.anew += piece.anew
                    done.without_bytes += piece.without_bytes
                    done.refused += piece.refused
                    progress.update(task, completed=done.events)
                    if service.stop.is_set():
                        return done, apart, False
                task = progress.add_task("查找关联 links", total=None)
                async for found in find_apart(connection):
                    apart += found
                    progress.update(task, completed=apart)
                    if service.stop.is_set():
                        return done, apart, False
                progress.update(task, total=apart)
            except RuleSetUnusable as error:
                raise Failure(f"生效的规则与本程序的检查逻辑不符 / {error}") from None
        if await published.find_outstanding(connection):
            notes.print("有待重判的，请运行 fundwatch rejudge / something is to be judged again: run fundwatch rejudge")
    return done, apart, True
