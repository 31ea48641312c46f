"""Commands on the hospital gateway: gateway, try."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.commands.output import Failure, Opened, note, print_json, run, say
from deploy.runtime import follow_parent, stop_on_signals
from streams.bus import Message


def register(app: typer.Typer) -> None:
    app.command()(gateway)
    app.command("try")(try_message)


def gateway(
    with_parent: Annotated[bool, typer.Option(help="父进程结束即结束 / end with the parent process")] = False,
) -> None:
    """回答医院系统的 3101、3102、3103、9001, 直到 Ctrl-C / answer hospital systems.

    Example: fundwatch gateway
    """
    run(_gateway(with_parent))


async def _gateway(with_parent: bool) -> None:
    from deploy.commands.serving import add_metrics, find_dialect, serve_hospitals

    opened = Opened(may_be_away=True)
    dialect = find_dialect(opened.settings)
    async with opened as service:
        stop_on_signals(service.stop)
        if with_parent:
            service.add(follow_parent(service.stop))
        elif opened.settings.metrics_port is not None:
            add_metrics(opened.settings, service, opened.settings.metrics_port)
        await serve_hospitals(opened.settings, service, dialect)
    if service.failed:
        raise Failure("网关中止，见上面的日志 / the gateway stopped, see the log above")


class _NothingKept:
    """In place of a journal: what is tried leaves no trace."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Keeps nothing."""


def try_message(
    infno: Annotated[str, typer.Argument(help="交易编号 / number of the message: 3101, 3102, 3103, 9001, 9002")],
    file: Annotated[
        Path | None, typer.Argument(help="报文文件, - 为标准输入 / file with the message, - for standard input")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="输出一条示例报文 / print an example of the message")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="只输出回答报文 / print the answer alone")] = False,
) -> None:
    """试一条医院报文: 输出医院会看到的回答, 不保存 / what a hospital would be answered; nothing is kept.

    Example: fundwatch try 3101 request.json
    """
    if example:
        _print_example(infno)
        return
    if file is None:
        raise Failure("要给出报文文件, 或用 --example / a file with the message is due, or --example")
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Failure(f"读不出文件 / cannot read the file: {file}: {error.strerror}") from None
    told = run(_try(infno, body))
    answer = msgspec.json.decode(told)
    if json:
        print_json(answer)
        return
    for line in msgspec.json.format(told, indent=2).decode().splitlines():
        say(line)
    if str(answer["infcode"]) != "0":
        raise Failure(f"报文被拒绝 / the message is refused: {answer['err_msg']}")
    output = answer["output"]
    if "result" in output:
        warned = output["result"]
        note(f"{len(warned)} 条提示 / reminders: {len(warned)}")
        for one in warned if isinstance(warned, list) else [warned]:
            note(f"  {one['vola_cont']}")
        hints = output["hints"]
        for one in hints if isinstance(hints, list) else [hints] * bool(hints):
            note(f"  {one['hint_cont']}")


def _print_example(infno: str) -> None:
    from api.hospital.example import example_request
    from deploy.commands.serving import find_dialect

    dialect = find_dialect(Opened().settings, infno)
    body = msgspec.json.encode(example_request(infno, datetime.now(UTC), dialect))
    for line in msgspec.json.format(body, indent=1).decode().splitlines():
        say(line)


async def _try(infno: str, body: bytes) -> bytes:
    from deploy.commands.serving import find_dialect, gateway_of

    opened = Opened()
    dialect = find_dialect(opened.settings, infno)
    async with opened as service:
        tried = await gateway_of(opened.settings, service, service.pool, _NothingKept(), budget=30.0)
        return await tried.answer(body, dialect, infno=infno)
