"""A process that appends to a journal, for tests that kill it: ``python -m tests.streams.journal_process FOLDER ...``.

It says on standard output, a line each: ``a 7`` before number 7 is appended, ``c 7`` once it is confirmed, ``r 7 full``
where it is refused, with the reason. Several appenders work at once, and what is written goes to the disk in small
pieces, so that a kill finds it in the middle.
"""

import argparse
import asyncio
import itertools
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from streams.bus import Message
from streams.journal import JournalError, writer
from streams.journal.journal import Journal, Limits, open_journal

TOPIC = "prescriptions"
LIMITS = Limits(segment_bytes=100_000)
LARGEST_FILE = 50_000
"""Bytes, where the disk is to be full."""

_PIECE = 700
_write = os.write


def message_of(number: int) -> Message:
    """The message of a number: its content and length follow from it."""
    value = Random(number).randbytes(number * 7919 % 5_000)
    return Message(f"k{number}".encode(), value, f"number {number}")


def number_of(message: Message) -> int:
    return int(message.source.removeprefix("number "))


def _say(word: str, number: int, reason: str = "") -> None:
    _write(1, f"{word} {number} {reason}\n".encode())


async def _append(journal: Journal, number: int) -> None:
    _say("a", number)
    try:
        await journal.append(TOPIC, [message_of(number)])
    except JournalError as error:
        _say("r", number, error.reason)
    else:
        _say("c", number)


async def run(folder: Path, first: int) -> None:
    """Appends from a number on, without end."""
    numbers = itertools.count(first)

    async def appender() -> None:
        while True:
            await _append(journal, next(numbers))

    async with open_journal(folder, LIMITS) as journal:
        await asyncio.gather(*(appender() for _ in range(8)))


async def run_full(folder: Path) -> None:
    """Appends twenty numbers one by one where files may not grow, says so, and twenty more once they may."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with open_journal(folder, LIMITS) as journal:
        for limit, numbers in ((LARGEST_FILE, range(20)), (1_000, range(20, 40)), (most, range(40, 60))):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
            for number in numbers:
                await _append(journal, number)


def _in_pieces(strike: int) -> Callable[[int, bytes], int]:
    """Writes small pieces, and ends the process by SIGKILL behind so many of them."""
    pieces = itertools.count(1)

    def write(descriptor: int, data: bytes) -> int:
        written = _write(descriptor, data[:_PIECE])
        if next(pieces) == strike:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    return write


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--strike", type=int, default=0, help="piece behind which the process kills itself")
    options = parser.parse_args()
    writer.os.write = _in_pieces(options.strike)
    sys.exit(asyncio.run(run_full(options.folder) if options.full else run(options.folder, options.first)))
