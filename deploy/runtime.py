"""What a command runs on: the database (embedded or yours) with a service on it, orderly ends, child processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from subprocess import Popen, TimeoutExpired

from deploy.embedded import start_postgres
from deploy.settings import PREFIX, Settings, load_vault_key
from knowledge_base.facts import load_facts
from rules_lib.rules import load_rule_set
from streams.service import Service, open_service
from streams.store.migrations import migrate
from streams.vault import Vault


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Service]:
    """Starts the embedded database where none is set, migrates it, and opens a service on it that is not started."""
    rule_set = load_rule_set(load_facts())
    with _database(settings) as dsn:
        await migrate(dsn)
        async with open_service(dsn, rule_set, Vault(load_vault_key(settings))) as service:
            yield service


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
        return
    with start_postgres(settings.postgres_folder) as server:
        yield server.dsn


def run_child(settings: Settings, dsn: str, *words: str) -> "Popen[bytes]":
    """Starts another command of ours as a process of its own, on the same database; ended with ``end_child``."""
    environment: Mapping[str, str] = {
        **os.environ,
        f"{PREFIX}DATABASE_URL": dsn,
        f"{PREFIX}HOME": str(settings.home),
    }
    return Popen([sys.executable, "-m", "deploy.commands", *words], env=environment, start_new_session=True)


def end_child(child: "Popen[bytes]") -> None:
    """Asks a child to end, and ends it after 8 seconds."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(TimeoutExpired):
            child.wait(8)
    if child.poll() is None:
        child.kill()
        child.wait()


async def watch_child(child: "Popen[bytes]", stop: asyncio.Event) -> None:
    """Fails when a child ends before it was told to. Raises ``ChildEnded``."""
    while not stop.is_set():
        if child.poll() is not None:
            raise ChildEnded
        await asyncio.sleep(0.5)


class ChildEnded(Exception):
    """A process that this command started ended by itself."""


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets an event on Ctrl-C and SIGTERM instead of ending at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def follow_parent(stop: asyncio.Event) -> None:
    """Sets an event when the process that started this one is gone."""
    parent = os.getppid()
    while not stop.is_set():
        if os.getppid() != parent:
            stop.set()
        await asyncio.sleep(0.5)
