"""Commands that import: claims from JSON Lines, the US claims set."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from shlex import quote
from typing import Annotated, NamedTuple
from uuid import uuid4

import msgspec
import typer
from msgspec.structs import replace

from api.frame.formats import instant
from deploy.commands.output import (
    Failure,
    Json,
    Opened,
    counted,
    note,
    on_trial,
    print_json,
    print_table,
    print_unknown,
    run,
    say,
)
from deploy.commands.progress import follow, unless_stopped
from deploy.runtime import stop_on_signals
from deploy.settings import load_pseudonym_key
from knowledge_base.files.folders import look_into
from knowledge_base.files.yaml_files import FileFaults
from knowledge_base.signs import neutral
from rules_lib.rule_set import RuleSet
from streams.bus import LONGEST_SOURCE
from streams.buses.threads import in_thread
from streams.hosts.service import Service
from streams.importers import BrokenInput, ForeignInput, ImporterError, MostlyDead, UnreadableInput, UnusableTable
from streams.importers.jsonl import MessageReader, RawLine, read_messages, source_id
from streams.importers.naming import with_pseudonyms
from streams.importers.sampling import looked_at
from streams.importers.sending import send_messages
from streams.importers.us_claims import find_us_tables, read_us_claims
from streams.jobs.reconciling import reconcile
from streams.messages.codec import encode_event
from streams.messages.pseudonyms import Pseudonyms
from streams.pipeline.account import Tally
from streams.store.intake import imports, reconciliation
from streams.store.intake.unknown_fields import UnknownField, find_unknown_fields
from streams.store.operation import overview
from streams.store.sessions import borrowed

_UNNAMED = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/(?:self|[0-9]+)/fd/[0-9]+")
"""How the system and shells name pipes that have no name of their own."""
_TOLD = 8
"""Hex digits that tell apart what would have one name."""
_WAITING = 1.0
"""Seconds after which it is said that a pipe has nobody who writes to it."""


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="导入 / import")
    group.command()(claims)
    group.command()(us_claims)
    app.add_typer(group, name="import")


def claims(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="JSON Lines 文件 (可 gz, zst)、管道、目录, 或 - / files (gz, zst too), pipes, folders, or -",
        ),
    ],
    source: Annotated[str | None, typer.Option(help="台账中的来源名 / name in the ledger")] = None,
    most_dead: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="前一千条中无法入库的比例超过它就停下 / stops where more of the first thousand are dead"
        ),
    ] = 0.5,
    as_at_the_door: Annotated[
        bool,
        typer.Option(help="参保人为编号, 换成本机网关所用的假名 / people by number, renamed as the gateway does"),
    ] = False,
    json: Json = False,
) -> None:
    """导入结算并判断; 中断后重来即可继续 / import claims and judge them; can be interrupted and started again.

    Example: fundwatch import claims claims.jsonl.zst
    """
    sources = [found for file in files for found in _sources(file, source)]
    if len(sources) == 1 and isinstance(sources[0], NotImported):
        raise Failure(sources[0].refused)
    run(_claims(sources, most_dead, as_at_the_door, json))


class NotImported(msgspec.Struct, frozen=True):
    """A source of several that was not imported, and why."""

    source: str
    refused: str


class Source(NamedTuple):
    """A file or pipe (``None``: stdin) with its name in the ledger, which somebody gave or which is its own."""

    path: Path | None
    name: str
    is_given: bool


def _sources(file: str, given: str | None) -> Sequence[Source | NotImported]:
    try:
        paths = _paths(file)
    except OSError as error:
        return [NotImported(neutral(file), str(UnreadableInput(file, error)))]
    except (Failure, FileFaults) as error:
        return [NotImported(neutral(file), str(error))]
    return [Source(path, _source_of(path, given), given is not None) for path in paths]


def _paths(file: str) -> list[Path | None]:
    """What a word of the command line names: a file or pipe, all files of a folder, or stdin (``None``)."""
    if file == "-":
        return [None]
    path = Path(file)
    if not path.exists():
        raise Failure(f"没有这个文件 / no such file: {neutral(file)}")
    if not path.is_dir():
        return [path]
    inside: list[Path | None] = [*look_into(path).sound()]
    if not inside:
        raise Failure(f"目录中没有文件 / no file in the folder {neutral(file)}")
    return inside


def _source_of(path: Path | None, given: str | None) -> str:
    """The name of a source in the ledger: the one given, or its file's. Raises ``Failure`` where it is too long.

    A pipe without a name gets one that no other has: what it holds is known behind its end alone.
    """
    is_unnamed = _UNNAMED.fullmatch(str(path)) is not None
    name = neutral(given or (path.name if path and not is_unnamed else f"pipe-{uuid4().hex[:_TOLD]}"))
    if len(name.encode()) > LONGEST_SOURCE:
        raise Failure(
            f"--source: 来源名太长，不可见的字符写出后最多 {LONGEST_SOURCE:,} 字节 / a source's name has"
            f" {LONGEST_SOURCE:,} bytes at most, signs that cannot be seen spelled out"
        )
    return name


async def _own_name(service: Service, path: Path, name: str, content: str) -> str:
    """The name of a file, with the beginning of its content's hash where another content has that name already."""
    async with borrowed(service.pool) as connection:
        if not await imports.is_taken(connection, name, content):
            return name
    room = LONGEST_SOURCE - _TOLD - len("-")
    own = f"{name.encode()[:room].decode(errors='ignore')}-{content[:_TOLD]}"
    note(
        f"{path}: 另一份内容已用这个名称，这一份记作 {own} / another content has this name, this one is known as {own}"
    )
    return own


async def _claims(sources: Sequence[Source | NotImported], most_dead: float, as_at_the_door: bool, json: bool) -> None:
    """Imports one source after the other; one that cannot be is named, and the others are imported."""
    told: list[Imported | NotImported] = []
    opened = Opened()
    pseudonyms = Pseudonyms(load_pseudonym_key(opened.settings)) if as_at_the_door else None
    async with opened as service:
        await _start(service)
        for source in sources:
            report = await _import_one(service, source, most_dead, pseudonyms)
            told.append(report)
            if isinstance(report, NotImported):
                if len(sources) == 1:
                    raise Failure(report.refused)
                for line in report.refused.splitlines():
                    note(line)
            elif not json:
                _show(report, service.rule_set)
    if json:
        print_json(told if len(sources) > 1 else told[0])
    elif len(sources) > 1:
        _show_total([report for report in told if isinstance(report, Imported)])
    _fail_where_needed(told)


async def _import_one(
    service: Service, source: Source | NotImported, most_dead: float, pseudonyms: Pseudonyms | None
) -> "Imported | NotImported":
    if isinstance(source, NotImported):
        return source
    try:
        return await _import_file(service, source, most_dead, pseudonyms)
    except (ForeignInput, MostlyDead, UnreadableInput) as error:
        return NotImported(source.name, str(error))


async def _import_file(service: Service, source: Source, most_dead: float, pseudonyms: Pseudonyms | None) -> "Imported":
    path, name, is_given = source
    with await _opened(service, path) as reader:
        bodies = looked_at(name, reader, most_dead)
        if pseudonyms is not None:
            bodies = with_pseudonyms(bodies, pseudonyms)
        if path and path.is_file():
            content = _renamed_content(source_id(path), pseudonyms)
            name = name if is_given else await _own_name(service, path, name, content)
        else:
            content = f"stdin {uuid4().hex}"
        return await _import(
            service,
            name,
            content,
            bodies,
            reader.size,
            lambda: reader.position,
            lambda: None if reader.content is None else _renamed_content(reader.content, pseudonyms),
        )


def _renamed_content(content: str, pseudonyms: Pseudonyms | None) -> str:
    """What a content is known as: with people called otherwise it is another."""
    return content if pseudonyms is None else f"{content} as at the door"


async def _opened(service: Service, path: Path | None) -> MessageReader:
    """Opens a file, pipe or stdin; a named pipe once somebody writes to it, and where that takes a while it is said.

    Raises ``UnreadableInput``, and ``Interrupted`` where the command is told to stop.
    """
    waiting = asyncio.get_running_loop().call_later(_WAITING, note, f"{path}: 等待写入方 / waiting for a writer")
    try:
        return await unless_stopped(service, in_thread(lambda: read_messages(path)))
    finally:
        waiting.cancel()


def us_claims(
    folder: Annotated[Path, typer.Argument(help="数据目录 / folder with the zip files")],
    json: Json = False,
) -> None:
    """导入美国住院与门诊数据集, 见 docs/us-claims.md / import the US claims set.

    Example: fundwatch import us-claims DIR
    """
    if not any(find_us_tables(folder).values()):
        raise Failure(f"目录中没有数据集的文件 / no file of the data set in {folder}")
    run(_us_claims(folder, json))


async def _us_claims(folder: Path, json: bool) -> None:
    async with Opened() as service:
        await _start(service)
        bodies = map(encode_event, read_us_claims(folder))
        tables = sorted(path for path in find_us_tables(folder).values() if path is not None)
        content = f"us-claims {' '.join(map(source_id, tables))}"
        report = await _import(service, "us-claims", content, bodies, None, lambda: 0)
        if json:
            print_json(report)
        else:
            _show(report, service.rule_set)
    _fail_where_needed([report])


async def _start(service: Service) -> None:
    stop_on_signals(service.stop)
    await service.start()


async def _import(
    service: Service,
    source: str,
    content: str,
    bodies: Iterator[bytes | RawLine],
    size: int | None,
    position: Callable[[], int],
    learned: Callable[[], str | None] = lambda: None,
) -> "Imported":
    """Sends a source, judges it in this process (beside workers that run already), and says what came of it.

    Where the source cannot be read to its end, what comes before is imported. ``learned`` gives the content of a pipe,
    known behind its end.
    """
    before = await _standing(service, source)
    async with borrowed(service.pool) as connection:
        earlier = await imports.find_earlier(connection, content)
        sent_before = await imports.count_sent(connection, content)
    broken: list[ImporterError] = []
    sending = _until_broken(send_messages(service.pool, service.bus, source, content, bodies), broken)
    messages, seconds = await follow(service, sending, size, position)
    async with borrowed(service.pool) as connection:
        sent = await imports.count_sent(connection, content)
    if not broken and (known := learned()):
        async with borrowed(service.pool) as connection:
            earlier = await imports.name_by_content(connection, content, known)
    return await _report(service, source, before, sent_before, sent, messages, seconds, earlier, broken)


async def _until_broken(sending: AsyncIterator[int], broken: list[ImporterError]) -> AsyncIterator[int]:
    try:
        async for sent in sending:
            yield sent
    except (BrokenInput, UnusableTable) as error:
        broken.append(error)


def _fail_where_needed(told: Sequence["Imported | NotImported"]) -> None:
    """Ends the command with all that a person has to look after, a line each."""
    reports = [one for one in told if isinstance(one, Imported)]
    troubles = [
        f"没有读完, 之前的都已导入 / not read to its end; what came before is imported: {report.broken}"
        for report in reports
        if report.broken is not None
    ]
    lost = sum({report.source: report.lost for report in reports}.values())
    dead = sum(report.dead for report in reports)
    if lost:
        troubles.append(f"少了 {lost} 条 / {counted(lost, 'message is', 'messages are')} missing")
    troubles += [_mostly_dead(report) for report in reports if report.dead > report.received / 2]
    if dead:
        told_dead = counted(dead, "message is", "messages are")
        troubles.append(f"{dead:,} 条无法入库 / {told_dead} dead: fundwatch dead-letters list")
    conflicts = sum(report.conflict for report in reports)
    if conflicts:
        troubles.append(
            f"{conflicts:,} 条与已接收的不同 / {counted(conflicts, 'message differs', 'messages differ')} from what is"
            " known by the same id: fundwatch dead-letters list"
        )
    refused = len(told) - len(reports)
    if refused:
        troubles.append(f"{len(told)} 个来源中有 {refused} 个未导入 / of {len(told)} sources {refused} not imported")
    if troubles:
        raise Failure("\n".join(troubles))


def _mostly_dead(report: "Imported") -> str:
    """That most of a source died, and the command that takes its dead letters away."""
    purge = f"fundwatch dead-letters purge --import {quote(report.source)} --export FILE"
    return (
        f"{report.source}: {report.received:,} 条中有 {report.dead:,} 条无法入库，可能不是要导入的文件; 撤去这些死信"
        f" / most of it is dead, {report.dead:,} of {counted(report.received, 'message', 'messages')};"
        f" perhaps it is not the file that was meant; to take its dead letters away: {purge}"
    )


class Imported(msgspec.Struct, frozen=True):
    """What one import came to: its messages by outcome.

    ``sent`` counts the messages of its content that this run and earlier ones sent: none where it holds none.
    ``goes_on_from`` says how many an interrupted run had sent, where this one goes on: then the messages are those of
    the source in all runs.
    ``findings`` (by rule) and ``leads`` say by how much those of the whole store grew meanwhile, ``claims_a_second``
    how fast all messages were judged: where others import or judge beside it, theirs are among them.

    ``lost`` counts messages of this source that are missing in the store. ``earlier`` says where the same content was
    imported to its end before, ``broken`` why it could not be read to its end. ``unknown_fields`` are those of this
    import that no schema knows, as spot checks saw them.
    """

    source: str
    sent: int
    goes_on_from: int | None
    received: int
    accepted: int
    duplicate: int
    conflict: int
    dead: int
    accepted_money: Decimal
    lost: int
    findings: dict[str, int]
    leads: int
    unknown_fields: list[UnknownField]
    seconds: float
    claims_a_second: float
    earlier: imports.Earlier | None
    broken: str | None


class _Standing(msgspec.Struct, frozen=True):
    """How a source and the store stand at one moment."""

    tally: Tally
    findings: dict[str, int]
    leads: int
    unknown: list[UnknownField]


async def _standing(service: Service, source: str) -> _Standing:
    async with borrowed(service.pool) as connection:
        return _Standing(
            await reconciliation.find_tally(connection, source),
            await overview.count_findings(connection),
            await overview.count_leads(connection),
            await find_unknown_fields(connection, source),
        )


async def _report(
    service: Service,
    source: str,
    before: _Standing,
    sent_before: int,
    sent: int,
    messages: int,
    seconds: float,
    earlier: imports.Earlier | None,
    broken: Sequence[ImporterError],
) -> Imported:
    """The difference that an import made; of one that goes on where it was interrupted, what all its runs made."""
    after = await _standing(service, source)
    goes_on = sent_before > 0 and _received(after.tally) > _received(before.tally)
    if goes_on:
        earlier, before = None, replace(before, tally=Tally(), unknown=[])
    async with borrowed(service.pool) as connection:
        account = await reconcile(connection, service.bus)
    more = {
        name: getattr(after.tally, name) - getattr(before.tally, name)
        for name in ("accepted", "duplicate", "conflict", "dead", "accepted_money")
    }
    seen = {(field.kind, field.field): field.seen for field in before.unknown}
    unknown = [(field, field.seen - seen.get((field.kind, field.field), 0)) for field in after.unknown]
    rules = sorted(before.findings.keys() | after.findings.keys())
    grown = {rule: after.findings.get(rule, 0) - before.findings.get(rule, 0) for rule in rules}
    return Imported(
        source=source,
        sent=sent,
        goes_on_from=sent_before if goes_on else None,
        received=_received(after.tally) - _received(before.tally),
        **more,
        lost=sum(row.lost + row.missing for row in account.store if row.source == source),
        findings={rule: number for rule, number in grown.items() if number},
        leads=after.leads - before.leads,
        unknown_fields=[replace(field, seen=number) for field, number in unknown if number],
        seconds=round(seconds, 1),
        claims_a_second=round(messages / seconds) if seconds else 0,
        earlier=earlier,
        broken=str(broken[0]) if broken else None,
    )


def _received(tally: Tally) -> int:
    return tally.accepted + tally.duplicate + tally.conflict + tally.dead


def _show_total(reports: Sequence[Imported]) -> None:
    """What all sources came to, those that were imported."""
    received, accepted, duplicate, conflict, dead, money = (
        sum(getattr(report, name) for report in reports)
        for name in ("received", "accepted", "duplicate", "conflict", "dead", "accepted_money")
    )
    say(
        f"合计 total: 来源 sources {len(reports):,}; 收到 received {received:,}; 接收 accepted {accepted:,}; "
        f"重复 duplicate {duplicate:,}; 冲突 conflict {conflict:,}; 无法入库 dead {dead:,}; "
        f"接收金额 accepted yuan {money:,.2f}"
    )


def _show(report: Imported, rule_set: RuleSet) -> None:
    if not report.sent and report.broken is None:
        say(f"{report.source}: 其中没有消息 / it holds no message")
        return
    if report.earlier is not None:
        ended = instant(report.earlier.ended_at)
        zh, en = (
            ("又发送了一次", "it was sent once more") if report.received else ("没有再发送", "it was not sent again")
        )
        say(
            f"相同内容已于北京时间 {ended} 导入 (来源 {report.earlier.source}), {zh} / "
            f"the same content was imported on {ended} Beijing time as {report.earlier.source}; {en}"
        )
    if report.goes_on_from is not None:
        sent = counted(report.goes_on_from, "message", "messages")
        say(
            f"接着上次中断处: 之前已发送 {report.goes_on_from:,} 条; 以下为该来源历次合计"
            f" / goes on where it was interrupted, {sent} had been sent before; what follows is of all its runs"
        )
    elif report.received and report.duplicate == report.received:
        say("每一条以前都已收到 / every message had been received before")
    print_table(
        "这次导入 / this import" if report.goes_on_from is None else "该来源历次合计 / all its runs",
        ("来源 source", "收到 received", "接收 accepted", "重复 duplicate", "冲突 conflict", "无法入库 dead",
         "接收金额 accepted yuan"),
        [
            (report.source, f"{report.received:,}", f"{report.accepted:,}", f"{report.duplicate:,}",
             f"{report.conflict:,}", f"{report.dead:,}", f"{report.accepted_money:,.2f}")
        ],
    )  # fmt: skip
    if report.findings:
        names = {rule.id: f"{on_trial(rule)}{rule.title.zh} {rule.title.en}" for rule in rule_set.rules}
        print_table(
            "同期全库的疑点变化 / findings that came or went in the whole store meanwhile",
            ("规则 rule", "名称 name", "疑点 findings"),
            [(rule, names.get(rule, ""), f"{number:+,}") for rule, number in report.findings.items()],
            right=2,
        )
    if report.unknown_fields:
        print_unknown(report.unknown_fields)
    say(
        f"缺失 lost {report.lost}; {report.seconds:.1f} s; 同期全库 in the whole store meanwhile:"
        f" 线索 leads {report.leads:+,}, 判断 judged {report.claims_a_second:,.0f}/s"
    )
