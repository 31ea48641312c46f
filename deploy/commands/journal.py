"""Commands on journals: what the folder of a process holds, and sending what a lost process left in its own."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.frame.formats import instant
from deploy.commands.output import Failure, Json, Opened, counted, note, notes, print_json, print_table, run
from deploy.commands.progress import end_if_stopped
from deploy.runtime import stop_on_signals
from knowledge_base.signs import neutral
from streams.buses.endings import finished
from streams.hosts.service import Service
from streams.jobs.sending_journal import send_unsent
from streams.journal.folder import JournalState, is_journal, look_into
from streams.journal.journal import Journal, open_journal
from streams.store.sessions import passes_by_itself

_LAST_SECONDS = 4.0

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="日志目录 / the folder of a journal")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="网关日志 / journals of gateway processes")
    group.command()(status)
    group.command()(send)
    app.add_typer(group, name="journal")


def status(folder: Folder, json: Json = False) -> None:
    """日志中还有多少没有发出, 不改动任何内容 / what in a journal is not sent yet; changes nothing.

    Example: fundwatch journal status var/journals/gateway
    """
    state = look_into(_checked(folder))
    if json:
        print_json(_told(folder, state))
        return
    print_table(
        f"日志 / journal {folder}",
        ("进程 process", "最早 oldest", "未发 unsent", "字节 bytes", "损坏的段 damaged segments", "缺失 missing"),
        [
            (
                "在用 living" if state.is_held else "无 none",
                instant(state.oldest_at) if state.oldest_at else "",
                f"{state.records:,}",
                f"{state.size:,}",
                state.damaged,
                state.missing,
            )
        ],
        right=2,
    )


def send(folder: Folder, json: Json = False) -> None:
    """把已消失的进程留下的消息发到总线; 中断后重来即可继续 / send what a lost process left; can be started again.

    Refuses the folder of a living process. Readers drop what that process had sent already.

    Example: fundwatch journal send /mnt/lost/gateway
    """
    sent = run(_send(_checked(folder)))
    state = look_into(folder)
    if json:
        print_json({**_told(folder, state), "sent": sent})
    else:
        note(f"已发出 {sent:,} 条 / {counted(sent, 'message was', 'messages were')} sent from {folder}")
    if state.damaged:
        raise Failure(
            f"{state.damaged} 段有损坏，其中完好的已发出，文件留在 / what was whole in damaged segments is sent, their"
            f" files stay in {folder}/damaged: {state.damaged}"
        )


async def _send(folder: Path) -> int:
    async with open_journal(folder) as journal, Opened() as service:
        stop_on_signals(service.stop)
        sent = await _send_all(journal, service)
        end_if_stopped(service)
        return sent


async def _send_all(journal: Journal, service: Service) -> int:
    """Sends until nothing is left or the command is told to stop; returns how many messages there were."""
    sent = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes) as progress:
        sending = progress.add_task("发送 sending", total=journal.state.records)
        while not service.stop.is_set() and (count := await _send_some(journal, service)):
            sent += count
            progress.update(sending, completed=sent)
    return sent


async def _send_some(journal: Journal, service: Service) -> int:
    try:
        return await finished(send_unsent(journal, service.bus), service.stop, _LAST_SECONDS)
    except LookupError as error:
        raise Failure(f"总线上没有这个主题 / the bus does not have it: {error}") from None
    except Exception as error:
        end_if_stopped(service)
        if not passes_by_itself(error):
            raise
        raise Failure(
            "总线或数据库中断，其余仍在日志中，再运行一次即可继续 / bus or database went away; the rest is still in the"
            f" journal, run it again to go on: {type(error).__name__}"
        ) from None


def _checked(folder: Path) -> Path:
    if not is_journal(folder):
        raise Failure(f"这不是日志目录 / this is no folder of a journal: {neutral(str(folder))}")
    return folder


def _told(folder: Path, state: JournalState) -> dict[str, object]:
    return {"folder": str(folder), **msgspec.structs.asdict(state)}
