"""Commands that do again what was done: rejudge, by the rules of today; redigest, from the bytes as they came."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from json import dumps
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from casework.audit import Act
from deploy.commands.output import (
    By,
    Failure,
    Interrupted,
    Json,
    Opened,
    acting,
    note,
    notes,
    print_json,
    print_table,
    run,
    say,
)
from deploy.commands.progress import note_unread
from deploy.runtime import stop_on_signals
from knowledge_base.signs import neutral
from streams.acts.anew import begin
from streams.handlers.rule_sets import RuleSetUnusable
from streams.hosts.service import Service
from streams.jobs.redigesting import Redigested, find_apart, trim
from streams.jobs.redigesting import redigest as make_anew
from streams.jobs.rejudging import rejudge as judge_again
from streams.store.events import generations, padded, wider
from streams.store.judgements import published
from streams.store.sessions import Connection, borrowed
from streams.topics import FINDINGS

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


def rejudge(by: By = None, json: Json = False) -> None:
    """换规则之后重判, 可随时中断再继续 / judge again after a switch of rules; stop and go on at any time.

    Example: fundwatch rejudge
    """
    done = run(_rejudge(acting(by)))
    if json:
        print_json(done)
    else:
        print_table(
            f"重判人数 people judged again: {done.people:,}",
            ("规则 rule", "新增 raised", "修订 revised", "撤回 withdrawn"),
            [
                (rule, *(changes.get(name, 0) for name in ("raised", "revised", "withdrawn")))
                for rule, changes in done.findings.items()
            ],
        )
    if not done.finished:
        raise Interrupted("已中断；再运行一次即可继续 / interrupted; run it again to go on")


async def _rejudge(by: str) -> Rejudged:
    people, changes = 0, Counter[tuple[str, str]]()
    async with Opened() as service, borrowed(service.pool) as connection:
        stop_on_signals(service.stop)
        if old := await generations.count_old(connection):
            note(
                f"{old:,} 条事件是旧代摘要，请先运行 fundwatch redigest，否则之后须再重判 /"
                " digests of an earlier generation: run fundwatch redigest first, or judge again after it"
            )
        outstanding, subjects = await published.count_outstanding(connection), await wider.count_touched(connection)
        if await published.find_outstanding(connection) or subjects:
            await begin(connection, Act.BEGAN_REJUDGE, by, people=str(outstanding), subjects=str(subjects))
        with Progress(*_COLUMNS, console=notes) as progress:
            task = progress.add_task("重判 judging again", total=outstanding)
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
        if changes:
            await note_unread(service, [FINDINGS])
    return Rejudged(people, _by_rule(changes), finished=True)


def _by_rule(changes: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    by_rule: dict[str, dict[str, int]] = {}
    for (rule, change), count in sorted(changes.items()):
        by_rule.setdefault(rule, {})[change] = count
    return by_rule


class Anew(msgspec.Struct, frozen=True):
    """What came of ``redigest``; ``padded`` counts what became of identifiers in this store, by their kind."""

    digests: Redigested
    apart: int
    padded: dict[str, dict[str, int]]
    finished: bool


def redigest(
    json: Json = False,
    report: Annotated[
        Path | None,
        typer.Option(help="首尾有空白的标识符去向, 写入新文件 / a new file: what became of padded identifiers"),
    ] = None,
    by: By = None,
) -> None:
    """去除旧标识符首尾空白, 重做旧摘要, 可中断再继续 / trim old identifiers, make old digests anew; go on at any time.

    Example: fundwatch redigest --report identifiers.jsonl
    """
    with nullcontext() if report is None else _new_file(report) as file:
        done = run(_redigest(file, acting(by)))
    if json:
        said = msgspec.to_builtins(done)
        print_json({**said.pop("digests"), **said})
    else:
        say(f"重做摘要 digests made anew: {done.digests.anew:,}")
        say(f"新查明与其他事件无关 events newly found to have to do with no other: {done.apart:,}")
        for what, outcomes in done.padded.items():
            for outcome, count in outcomes.items():
                says = f"{_WHAT[what]} {what}, {_OUTCOMES[outcome]} {outcome}: {count:,}"
                say(f"首尾有空白的标识符, 本库累计 padded identifiers, in this store so far: {says}")
        if report is not None and not done.padded:
            say("没有首尾有空白的标识符，没有写文件 / no identifiers were padded, so no file was written")
        _say_left("无原始报文，保持原样 / left as they are, their bytes are not kept", done.digests.without_bytes)
        _say_left("原始报文无法读取，保持原样 / left as they are, their bytes cannot be read", done.digests.unreadable)
    if not done.finished:
        raise Interrupted("已中断；再运行一次即可继续 / interrupted; run it again to go on")


_WHAT = {"patient": "患者", "event": "事件", "claim": "结算", "institution": "机构", "encounter": "就诊"}
_OUTCOMES = {"joined": "已合并", "renamed": "已改名", "known twice": "两种写法都已收到，未动"}


def _say_left(says: str, event_ids: Sequence[str]) -> None:
    if event_ids:
        more = f" … +{len(event_ids) - _NAMED:,}" if len(event_ids) > _NAMED else ""
        named = ", ".join(event_ids[:_NAMED])
        say(f"{says}: {len(event_ids):,}: {named}{more}")


async def _redigest(file: IO[bytes] | None, by: str) -> Anew:
    done = Redigested()
    async with Opened() as service, borrowed(service.pool) as connection:
        stop_on_signals(service.stop)
        await begin(connection, Act.BEGAN_REDIGEST, by, digests=str(await generations.count_old(connection)))
        apart, finished = 0, False
        try:
            with Progress(*_COLUMNS, console=notes) as progress:
                finished = await _make_anew(connection, service, progress, done)
                if finished:
                    apart, finished = await _find_apart(connection, service, progress)
        except RuleSetUnusable as error:
            raise Failure(f"生效的规则与本程序的检查逻辑不符 / {error}") from None
        if await published.find_outstanding(connection):
            note("有待重判的，请运行 fundwatch rejudge / something is to be judged again: run fundwatch rejudge")
        if file is not None:
            rows = await padded.load_report(connection)
            file.writelines(dumps(msgspec.structs.asdict(row)).encode() + b"\n" for row in rows)
        return Anew(done, apart, await padded.count_report(connection), finished)


async def _make_anew(connection: Connection, service: Service, progress: Progress, done: Redigested) -> bool:
    """Trims padded identifiers and makes old digests anew: whether it came to the end."""
    parts = (
        ("去除标识符空白 identifiers", None, trim(connection, service.rule_sets)),
        ("重做摘要 digests", await generations.count_old(connection), make_anew(connection, service.rule_sets)),
    )
    for says, total, pieces in parts:
        task, before = progress.add_task(says, total=total), done.events
        async for piece in pieces:
            done.add(piece)
            progress.update(task, completed=done.events - before)
            if service.stop.is_set():
                return False
        progress.update(task, total=done.events - before)
    return True


async def _find_apart(connection: Connection, service: Service, progress: Progress) -> tuple[int, bool]:
    """Finds events that have to do with no other: how many, and whether it came to the end."""
    apart, task = 0, progress.add_task("查找关联 links", total=None)
    async for found in find_apart(connection):
        apart += found
        progress.update(task, completed=apart)
        if service.stop.is_set():
            return apart, False
    progress.update(task, total=apart)
    return apart, True


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there, for this user alone, because it tells pseudonyms; gone where anything fails.

    One that nothing is written to is gone as well.
    """
    try:
        with open(path, "xb", opener=partial(os.open, mode=0o600)) as file:
            try:
                yield file
                if not file.tell():
                    path.unlink()
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Failure(f"无法写入 / cannot write {neutral(str(path))}: {error.strerror}") from None
