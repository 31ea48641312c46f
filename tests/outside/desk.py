"""A desk that a process of its own serves, and how it is asked from outside."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import asyncpg

from api.access.sessions import ensure_first_user
from tests.patience import PATIENCE

LOGIN = "inspector"
TOKEN = "t" * 24
"""What a reader of the desk's metrics knows."""

PROXY = "127.0.0.2"
"""Where the proxy stands that the served desk trusts; nobody else may speak for others."""


class Answer(NamedTuple):
    """What came back: header names in small letters, the last of each name."""

    status: int
    headers: dict[str, str]
    body: bytes


class Served(NamedTuple):
    """A desk in a process of its own, with the password of its first log-in."""

    pid: int
    port: int
    password: str

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Answer:
        """One request; redirects are not followed."""
        there = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE, source_address=(source, 0))
        try:
            there.request(method, path, body, headers or {})
            got = there.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            there.close()

    def sign_in(self, source: str = "127.0.0.1", **headers: str) -> Answer:
        """The answer to the form of the page to sign in."""
        form = urlencode({"login": LOGIN, "password": self.password})
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.ask("POST", "/sign-in", form, headers, source)

    def cookie(self) -> str:
        """The cookie of somebody who signed in, as it is sent."""
        return self.sign_in().headers["set-cookie"].partition(";")[0]


@contextmanager
def serving(url: str, home: Path) -> Iterator[Served]:
    """The desk of a migrated store in which nobody can sign in yet, as ``fundwatch api`` serves it."""
    port, password = _free_port(), asyncio.run(_first_password(url))
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    environment = ours | {
        "FUNDWATCH_HOME": str(home),
        "FUNDWATCH_DATABASE_URL": url,
        "FUNDWATCH_PORT": str(port),
        "FUNDWATCH_TRUSTED_PROXIES": PROXY,
        "FUNDWATCH_METRICS_TOKEN": TOKEN,
    }
    command = [sys.executable, "-m", "deploy.commands", "api"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(port)
            yield Served(process.pid, port, password)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _first_password(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        created = await ensure_first_user(connection)
    finally:
        await connection.close()
    assert created is not None
    return created[1]


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("nobody listens")
