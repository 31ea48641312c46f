"""Commands that import: claims from JSON Lines, the US claims set."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.county import show_closing
from deploy.commands.output import Failure, Json, Opened, print_json, run
from deploy.commands.progress import close_run, follow
from deploy.runtime import stop_on_signals
from streams.codec import encode_event
from streams.importers.jsonl import read_messages, source_id
from streams.importers.us_claims import find_us_tables, read_us_claims
from streams.importing import send_messages
from streams.service import Service


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
    sending = send_messages(service.pool, service.bus, source, content, bodies)
    messages, seconds = await follow(service, sending, size, position)
    closing, account = await close_run(service, messages, seconds)
    if json:
        print_json(closing)
    else:
        show_closing(closing, account, service.rule_set)
    if closing.lost:
        raise Failure(f"少了 {closing.lost} 条 / {closing.lost} messages are missing")
