"""Commands that import: claims from JSON Lines, the US claims set."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, console, print_json, print_table, run
from deploy.commands.progress import follow
from deploy.runtime import stop_on_signals
from rules_lib.rule_set import RuleSet
from streams.hosts.service import Service
from streams.importers.jsonl import read_messages, source_id
from streams.importers.sending import send_messages
from streams.importers.us_claims import find_us_tables, read_us_claims
from streams.jobs.reconciling import reconcile
from streams.messages.codec import encode_event
from streams.pipeline.account import Tally
from streams.store.intake import reconciliation
from streams.store.operation import overview
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="导入 / import")
    group.command()(claims)
    group.command()(us_claims)
    app.add_typer(group, name="import")


def claims(
    file: Annotated[str, typer.Argument(help="JSON Lines 文件 (可 gz, zst), 或 - / a file (gz, zst too), or -")],
    source: Annotated[str | None, typer.Option(help="台账中的来源名 / name in the ledger")] = None,
    json: Json = False,
) -> None:
    """导入结算并判断; 中断后重来即可继续 / import claims and judge them; can be interrupted and started again.

    Example: fundwatch import claims claims.jsonl.zst
    """
    path = None if file == "-" else Path(file)
    if path is not None and not path.is_file():
        raise Failure(f"没有这个文件 / no such file: {file}")
    name = source or (path.name if path else "stdin")
    run(_claims(path, name, json))


async def _claims(path: Path | None, name: str, json: bool) -> None:
    async with Opened() as service:
        with read_messages(path) as reader:
            content = source_id(path) if path else f"stdin {name} {service.started_at}"
            bodies = (message.raw for message in reader)
            await _import(service, name, content, bodies, reader.size, lambda: reader.position, json)


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
        bodies = map(encode_event, read_us_claims(folder))
        tables = sorted(path.stat().st_size for path in find_us_tables(folder).values() if path is not None)
        await _import(service, "us-claims", f"us-claims {tables}", bodies, None, lambda: 0, json)


async def _import(
    service: Service,
    source: str,
    content: str,
    bodies: Iterator[bytes],
    size: int | None,
    position: Callable[[], int],
    json: bool,
) -> None:
    """Sends a source, judges it in this process (beside workers that run already), and prints what came of it."""
    stop_on_signals(service.stop)
    await service.start()
    before = await _standing(service, source)
    sending = send_messages(service.pool, service.bus, source, content, bodies)
    messages, seconds = await follow(service, sending, size, position)
    report = await _report(service, source, before, messages, seconds)
    if json:
        print_json(report)
    else:
        _show(report, service.rule_set)
    if report.lost:
        raise Failure(f"少了 {report.lost} 条 / {report.lost} messages are missing")


class Imported(msgspec.Struct, frozen=True):
    """What one import came to: its messages by outcome, and by how much findings (by rule) and leads grew meanwhile.

    ``lost`` counts messages of this source that are missing in the store.
    """

    source: str
    received: int
    accepted: int
    duplicate: int
    conflict: int
    dead: int
    accepted_money: Decimal
    lost: int
    findings: dict[str, int]
    leads: int
    seconds: float
    claims_a_second: float


class _Standing(msgspec.Struct, frozen=True):
    """How a source and the store stand at one moment."""

    tally: Tally
    findings: dict[str, int]
    leads: int


async def _standing(service: Service, source: str) -> _Standing:
    async with borrowed(service.pool) as connection:
        return _Standing(
            await reconciliation.find_tally(connection, source),
            await overview.count_findings(connection),
            await overview.count_leads(connection),
        )


async def _report(service: Service, source: str, before: _Standing, messages: int, seconds: float) -> Imported:
    """The difference that an import made."""
    after = await _standing(service, source)
    async with borrowed(service.pool) as connection:
        account = await reconcile(connection, service.bus)
    more = {
        name: getattr(after.tally, name) - getattr(before.tally, name)
        for name in ("accepted", "duplicate", "conflict", "dead", "accepted_money")
    }
    rules = sorted(before.findings.keys() | after.findings.keys())
    grown = {rule: after.findings.get(rule, 0) - before.findings.get(rule, 0) for rule in rules}
    return Imported(
        source=source,
        received=more["accepted"] + more["duplicate"] + more["conflict"] + more["dead"],
        **more,
        lost=sum(row.lost + row.missing for row in account.store if row.source == source),
        findings={rule: number for rule, number in grown.items() if number},
        leads=after.leads - before.leads,
        seconds=round(seconds, 1),
        claims_a_second=round(messages / seconds) if seconds else 0,
    )


def _show(report: Imported, rule_set: RuleSet) -> None:
    print_table(
        "这次导入 / this import",
        ("来源 source", "收到 received", "接收 accepted", "重复 duplicate", "冲突 conflict", "无法入库 dead",
         "接收金额 accepted yuan"),
        [
            (report.source, f"{report.received:,}", f"{report.accepted:,}", f"{report.duplicate:,}",
             f"{report.conflict:,}", f"{report.dead:,}", f"{report.accepted_money:,.2f}")
        ],
    )  # fmt: skip
    if report.findings:
        names = {rule.id: f"{rule.title.zh} {rule.title.en}" for rule in rule_set.rules}
        print_table(
            "疑点变化 / findings that came or went",
            ("规则 rule", "名称 name", "疑点 findings"),
            [(rule, names.get(rule, ""), f"{number:+,}") for rule, number in report.findings.items()],
            right=2,
        )
    console.print(
        f"缺失 lost {report.lost}; 线索 leads {report.leads:+,}; "
        f"{report.seconds:.1f} s, {report.claims_a_second:,.0f}/s",
        highlight=False,
    )
