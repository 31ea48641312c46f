"""The desk in processes of its own, as ``fundwatch up`` runs it, and how much memory it has at most."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from deploy.runtime import end_child
from deploy.settings import PREFIX

T = TypeVar("T")

_STARTING = 120.0
_LOOK_EVERY = 0.02


class Served(NamedTuple):
    """A desk that listens on a port of the loopback."""

    port: int
    process: psutil.Process


@contextmanager
def served(dsn: str, home: Path) -> Iterator[Served]:
    """A desk with its worker over a database, ended at the end. Raises ``RuntimeError`` where it does not start."""
    port = _free_port()
    environment = {**os.environ, f"{PREFIX}DATABASE_URL": dsn, f"{PREFIX}HOME": str(home), f"{PREFIX}PORT": str(port)}
    environment[f"{PREFIX}GATEWAY_PORT"] = str(_free_port())
    child = subprocess.Popen([sys.executable, "-m", "deploy.commands", "up"], env=environment)
    try:
        _wait_for(port, child)
        yield Served(port, psutil.Process(child.pid))
    finally:
        end_child(child)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _STARTING
    while child.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the desk did not start")


def memory(of: Served) -> float:
    """Resident memory of the desk's process, in MiB."""
    return float(of.process.memory_info().rss) / 2**20


async def most_memory(of: Served, work: Awaitable[T]) -> tuple[T, float]:
    """What some work gives, and how much memory the desk had at most meanwhile, in MiB."""
    working, most = asyncio.ensure_future(work), memory(of)
    while not working.done():
        most = max(most, memory(of))
        await asyncio.sleep(_LOOK_EVERY)
    return working.result(), most
