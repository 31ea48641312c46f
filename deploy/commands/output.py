"""What commands print: tables for people, JSON for machines."""

import io
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from getpass import getuser
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import typer
import uvloop
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from casework.sight import Sight
from deploy.logs import configure_logs
from deploy.runtime import open_runtime
from deploy.settings import PREFIX, load_settings
from knowledge_base.cards import Card
from knowledge_base.days import day_of
from knowledge_base.signs import neutral
from streams.hosts.service import Service
from streams.messages.unknown import MOST_NAMES
from streams.store.intake.unknown_fields import UnknownField
from streams.store.sessions import is_no_text

Json = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]

Answer = TypeVar("Answer")


def _open_streams() -> None:
    """Makes all three streams usable in any surroundings.

    One that was closed before the start, as by cron jobs, is empty or takes what is printed nowhere: otherwise the
    first file or socket that is opened would get its number. What an encoding does not have is spelled out.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            if not _is_open(number):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


_open_streams()
# Where nobody's window sets the width (a pipe, a file) rows are not to be broken.
console = Console(width=None if sys.stdout.isatty() else 200)
notes = Console(stderr=True, soft_wrap=True)

_NARROWEST = 12


class Failure(Exception):
    """A command cannot do what was asked; the text is one sentence for the person who asked."""


class Interrupted(Failure):
    """Ctrl-C or SIGTERM ended a command that goes on where it stopped when it is run again; the text says so."""


By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="谁 / who, else the system's user")]

LONGEST_NAME = 100
"""Signs of who does something."""


def acting(by: str | None) -> str:
    """Who does something, as it is kept: as told, or the user of the system. ``Failure`` where it is too long."""
    name = neutral(by or getuser())
    if len(name) > LONGEST_NAME:
        raise Failure(f"--by: 姓名太长，最多 {LONGEST_NAME} 字 / a name has {LONGEST_NAME} signs at most")
    return name


def whole_sight() -> Sight:
    """What commands show: whoever runs them holds the store, so they see all that counts today."""
    return Sight(day_of(datetime.now(UTC)))


def named(codes: Iterable[str] | None) -> frozenset[str] | None:
    """The codes that an option was given; ``None``, which means all, where it was not."""
    return frozenset(codes) if codes else None


def codes_told(codes: Iterable[str] | None) -> str:
    """Codes in a table."""
    return "全部 all" if codes is None else ", ".join(sorted(codes))


def say(text: str) -> None:
    """A line on standard output, as it stands but for what no eye can see: whatever it tells may come from outside."""
    _print_line(console, text)


def counted(number: int, one: str, many: str) -> str:
    """How many there are, in English: ``1 message is dead``, ``1,200 messages are dead``."""
    return f"{number:,} {one if number == 1 else many}"


def note(text: str) -> None:
    """The same on standard error: what is said beside the answer."""
    _print_line(notes, text)


def _print_line(to: Console, text: str) -> None:
    to.print(Text(neutral(text)), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output; decimals in strings."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: int = 1) -> None:
    """A table whose columns from ``right`` on are figures.

    Nothing is ever cut: words break, names and figures stay whole, and where the window is too narrow for that each
    row is written as lines.
    """
    cells = [[Text(neutral(str(cell))) for cell in row] for row in rows]
    widths = _widths(columns, cells, right, console.width - 3 * len(columns) - 1)
    if widths is None:
        _print_lines(title, columns, cells)
        return
    table = Table(title=Text(neutral(title)), title_justify="left")
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        justify: Literal["left", "right"] = "right" if index >= right else "left"
        table.add_column(Text(column), justify=justify, overflow="fold", width=width)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def print_unknown(fields: Iterable[UnknownField]) -> None:
    """The fields that no schema knows: their values were not used."""
    print_table(
        f"接口没有的字段（抽查所见，最多列 {MOST_NAMES} 个），其内容没有用到"
        f" / fields that no schema knows (spot checks, {MOST_NAMES} at most are named); they were not used",
        ("来源 source", "种类 kind", "字段 field", "是不是 did you mean", "所见 seen"),
        [(field.source, field.kind, field.field, field.meant or "", f"{field.seen:,}") for field in fields],
        right=4,
    )


def _widths(columns: Sequence[str], cells: Sequence[Sequence[Text]], right: int, room: int) -> list[int] | None:
    """How wide each column is to be, ``None`` where the room is too narrow for names and figures that stay whole."""
    longest = [max((row[index].cell_len for row in cells), default=0) for index in range(len(columns))]
    wanted = [max(width, cell_len(column)) for width, column in zip(longest, columns, strict=True)]
    if sum(wanted) <= room:
        return wanted
    words = [max(map(cell_len, column.split()), default=0) for column in columns]
    may_break = range(1, min(right, len(columns)))
    widths = [max(longest[index], words[index]) for index in range(len(columns))]
    for index in may_break:
        widths[index] = min(wanted[index], _NARROWEST)
    spare = room - sum(widths)
    if spare < 0:
        return None
    for index in sorted(may_break, key=lambda index: wanted[index]):
        more = min(wanted[index] - widths[index], spare)
        widths[index] += more
        spare -= more
    return widths


def _print_lines(title: str, columns: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
    console.print(Text(neutral(title)), style="italic")
    for row in cells:
        for column, cell in zip(columns, row, strict=True):
            console.print(Text.assemble(f"{column}: " if column else "", cell), soft_wrap=True)
        console.print()


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs a command's coroutine to its end. Raises ``Failure`` where a word of the command line is no text."""
    try:
        return uvloop.run(work)
    except Exception as error:
        if is_no_text(error):
            raise Failure("参数含有不是文字的字节 / an argument holds bytes that are no text (UTF-8)") from None
        raise


class Opened:
    """``async with Opened() as service``: store and bus of this installation, by the environment's settings.

    ``bus`` and ``brokers`` are those of the command line, where given. A store that ``may_be_away`` is taken up once it
    is there (``Service.is_prepared``).
    """

    def __init__(self, bus: str | None = None, brokers: str | None = None, may_be_away: bool = False) -> None:
        given = {f"{PREFIX}{name}": value for name, value in (("BUS", bus), ("BROKERS", brokers)) if value}
        self.settings = load_settings({**os.environ, **given})
        configure_logs(self.settings)
        self._runtime = open_runtime(self.settings, may_be_away)

    async def __aenter__(self) -> Service:
        self.settings, service = await self._runtime.__aenter__()
        return service

    async def __aexit__(self, *error: Any) -> None:
        await self._runtime.__aexit__(*error)


def on_trial(card: Card) -> str:
    """What stands before the words of a rule that is tried out, whose findings are shown to nobody outside."""
    return "" if card.is_live else "试运行 on trial: "
