"""What commands print: tables for people, JSON for machines."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.runtime import open_runtime
from deploy.settings import load_settings
from streams.service import Service

Json = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]

Answer = TypeVar("Answer")

# Where nobody's window sets the width (a pipe, a file) rows are not to be broken.
console = Console(width=None if sys.stdout.isatty() else 200)
notes = Console(stderr=True, soft_wrap=True)


class Failure(Exception):
    """A command cannot do what was asked; the text is one sentence for the person who asked."""


def print_json(value: Any) -> None:
    """One JSON document on standard output; decimals in strings."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: int = 1) -> None:
    """A table whose columns from ``right`` on are figures."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= right else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs a command's coroutine to its end."""
    return asyncio.run(work)


class Opened:
    """``async with Opened() as service``: store and bus of this installation, by the environment's settings."""

    def __init__(self) -> None:
        self.settings = load_settings()
        self._runtime = open_runtime(self.settings)

    async def __aenter__(self) -> Service:
        return await self._runtime.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._runtime.__aexit__(*error)
