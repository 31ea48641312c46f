"""Commands on dead letters: list, show, replay, purge."""

import sys
from datetime import datetime
from typing import Annotated

import typer
from msgspec.structs import replace

from api.frame.sentences import fault_words
from api.frame.texts import load_texts
from deploy.commands.output import Failure, Json, Opened, counted, note, print_json, print_table, run, say
from deploy.commands.progress import note_unread
from deploy.commands.purging import find_source, purge
from streams.acts.letters import begin_replay, go_on_replaying, open_letter
from streams.messages.faults import MOST_FAULTS
from streams.messages.vault import WrongKey
from streams.store.intake import dead_letters
from streams.store.intake.dead_letters import DeadLetter, LetterFilter
from streams.store.sessions import Connection, borrowed

_SHELL = "fundwatch"
_LISTED = 3
"""Reasons of a letter that a list tells."""
_KINDS = 12
"""Kinds of reasons that are counted, of all letters of a list."""

Name = Annotated[str, typer.Argument(help="主题/分区/位置 / topic/partition/offset, claims/0/12")]


def register(app: typer.Typer) -> None:
    letters = typer.Typer(no_args_is_help=True, help="死信 / dead letters")
    letters.command("list")(list_letters)
    letters.command()(show)
    letters.command()(replay)
    letters.command()(purge)
    app.add_typer(letters, name="dead-letters")


def list_letters(
    source: Annotated[
        str | None, typer.Option("--import", "--source", metavar="NAME", help="来源名 / the name in the ledger")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            help="原因, 其类别, 字段或其末段 / a reason, its kind, the field before its colon or its last part"
        ),
    ] = None,
    outcome: Annotated[dead_letters.Outcome | None, typer.Option(help="冲突或无法入库 / outcome")] = None,
    state: Annotated[dead_letters.State, typer.Option(help="待处理, 已重放, 全部 / state")] = "all",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="收到的日期 / day of receipt")] = None,
    before: Annotated[
        int, typer.Option(help="此序号之前 / older than this number", show_default=False)
    ] = dead_letters.NEWEST,
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 20,
    json: Json = False,
) -> None:
    """列出死信及原因 / list dead letters with their reasons.

    Example: fundwatch dead-letters list --import claims.jsonl --reason patient
    """
    replayed = dead_letters.STATES[state]
    chosen = LetterFilter(outcome, reason, source, day.date() if day else None, replayed)
    run(_list_letters(chosen, before, most, json))


async def _list_letters(chosen: LetterFilter, before: int, most: int, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        if chosen.source is not None:
            chosen = replace(chosen, source=await find_source(connection, chosen.source))
        found = await dead_letters.find_dead_letters(connection, chosen, before, most)
        count = await dead_letters.count_dead_letters(connection, chosen)
        reasons = await dead_letters.find_reasons(connection, chosen, _KINDS)
        if not count.letters and chosen != LetterFilter():
            _note_none(await dead_letters.find_reasons(connection, LetterFilter(), _KINDS))
    following = found[-1][0] if len(found) == most else None
    if json:
        letters = [{"seq": seq, "name": letter.name, "letter": letter} for seq, letter in found]
        print_json({"letters": letters, "next": following, "count": count.letters, "reasons": dict(reasons)})
        return
    print_table(
        "死信 / dead letters",
        ("名称 name", "结果 outcome", "来源 source", "行 line", "原因 reasons", "重放 replayed"),
        [
            (
                letter.name,
                f"{load_texts('zh').find('outcomes', letter.outcome)} / {letter.outcome}",
                letter.source,
                letter.line or "",
                _told(letter.reasons, _LISTED),
                letter.replayed_at or "",
            )
            for _, letter in found
        ],
        right=6,
    )
    if reasons:
        rows = [(_words(kind), f"{letters:,}") for kind, letters in reasons]
        print_table(f"最多的 {_KINDS} 种原因 / the commonest reasons", ("原因 reason", "死信 letters"), rows)
    say(f"本页 {len(found):,} 条，共 {count.letters:,} 条 / on this page {len(found):,}, in all {count.letters:,}")
    if following is not None:
        say(f"下一页 / next page: --before {following}")


def _note_none(reasons: list[tuple[str, int]]) -> None:
    """That no letter meets the filters, and what reasons those have that there are."""
    note("没有符合条件的死信 / no dead letter meets the filters")
    if reasons:
        note(f"现有死信最多的 {_KINDS} 种原因 / the commonest reasons of those that there are:")
    for kind, letters in reasons:
        note(f"  {_words(kind)} ({letters:,})")


def show(name: Name, json: Json = False) -> None:
    """显示一条死信的原始字节, 查看会被记下 / print a dead letter's bytes as they came; that is noted.

    Example: fundwatch dead-letters show claims/0/12
    """
    run(_show(name, json))


async def _show(name: str, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        seq, letter = await _find(connection, name)
        try:
            body = await open_letter(connection, service.vault, seq, _SHELL, "dead-letters show")
        except WrongKey:
            raise Failure(_WRONG_KEY) from None
    if json:
        print_json({"letter": letter, "body": body.decode("utf-8", "backslashreplace")})
        return
    note(_place(letter) + _told(letter.reasons, MOST_FAULTS))
    sys.stdout.buffer.write(body + b"\n")


def replay(name: Name) -> None:
    """修复后重新发送一条死信, 不能撤销 / send a dead letter again after a fix; that cannot be undone.

    Example: fundwatch dead-letters replay claims/0/12
    """
    run(_replay(name))


async def _replay(name: str) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        seq, letter = await _find(connection, name)
        number = await begin_replay(connection, LetterFilter(seq=seq), _SHELL)
        if number is None:
            raise Failure(f"已经重放过 / was replayed before: {name} {letter.replayed_at:%Y-%m-%d %H:%M} UTC")
        try:
            await go_on_replaying(connection, service.bus, service.vault, number)
        except WrongKey:
            raise Failure(_WRONG_KEY) from None
        await note_unread(service, [letter.topic])
    say(f"已重新发送 / sent again: {letter.name} (replay {number})")


def _place(letter: DeadLetter) -> str:
    """Which line of which file a letter was, where that is known."""
    return "" if letter.line is None else f"{letter.source}: 第 {letter.line} 行 / line {letter.line}: "


def _told(reasons: list[str], most: int) -> str:
    """Reasons in one line, the first ones alone where there are many."""
    more = len(reasons) - most
    rest = f"; 另有 {more:,} 个原因 / {counted(more, 'more reason', 'more reasons')}" if more > 0 else ""
    return "; ".join(map(_words, reasons[:most])) + rest


def _words(reason: str) -> str:
    """A reason in Chinese, then in English as it is kept, which a filter takes."""
    zh = fault_words(reason, load_texts("zh"))
    return reason if zh == reason else f"{zh} / {reason}"


_WRONG_KEY = "这条死信是用另一把密钥封存的 / this letter was sealed with another key"


async def _find(connection: Connection, name: str) -> tuple[int, DeadLetter]:
    topic, _, place = name.partition("/")
    partition, _, offset = place.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise Failure(f"要写成 claims/0/12 / expected a name like claims/0/12: {name}")
    found = None
    if int(partition) < 2**31 and int(offset) <= dead_letters.NEWEST:
        found = await dead_letters.find_dead_letter(connection, topic, int(partition), int(offset))
    if found is None:
        raise Failure(f"没有这条死信 / no such dead letter: {name}")
    return found
