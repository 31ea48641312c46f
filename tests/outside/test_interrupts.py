"""Ctrl-C ends every command at any moment with 130 and without a traceback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE

from .files import GOOD, lines

LOADED_ON_THE_WAY = ("msgspec", "uvloop", "cryptography")
"""Libraries of which each is loaded later than the one before, and none last."""

NEVER_LOADED = """
import os, time
os.mkdir(os.environ["REACHED"])
time.sleep(3600)
"""
"""A library in whose loading a command stands still, so that it is interrupted there and nowhere else."""


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Ctrl-C is not ignored, as it is by what is started in the background of a shell, and by what that starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def _command(home: Path, *words: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FUNDWATCH_", "PG"))}
    command = subprocess.Popen(
        [sys.executable, "-m", "deploy.commands", *words],
        env={**known, "FUNDWATCH_HOME": str(home / "home"), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield command
    finally:
        command.kill()
        command.communicate()


@contextmanager
def _loading(home: Path, library: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that loads a library."""
    reached, shadows = home / "reached", home / "shadows"
    shadows.mkdir()
    (shadows / f"{library}.py").write_text(NEVER_LOADED)
    with _command(home, *words, PYTHONPATH=str(shadows), REACHED=str(reached)) as command:
        give_up = time.monotonic() + PATIENCE
        while not reached.exists():
            assert command.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.01)
        yield command


def _interrupted(command: "subprocess.Popen[bytes]") -> tuple[int, bytes, bytes]:
    command.send_signal(signal.SIGINT)
    printed, said = command.communicate(timeout=PATIENCE)
    return command.returncode, printed, said


@pytest.mark.parametrize("library", LOADED_ON_THE_WAY)
@pytest.mark.parametrize("words", [("up",), ("worker",), ("lag",), ("rules", "check"), ("--help",)], ids=" ".join)
def test_while_a_command_is_being_loaded(tmp_path: Path, words: tuple[str, ...], library: str) -> None:
    with _loading(tmp_path, library, *words) as command:
        assert _interrupted(command) == (130, b"", b"")


@pytest.mark.parametrize("words", [("up",), ("worker",), ("lag",), ("doctor",), ("migrate",)], ids=" ".join)
def test_while_a_command_waits_for_its_database(tmp_path: Path, words: tuple[str, ...]) -> None:
    """One that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        database = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x"
        with _command(tmp_path, *words, FUNDWATCH_DATABASE_URL=database) as command:
            taken, _ = silent.accept()
            with taken:
                code, _, said = _interrupted(command)
    assert (code, b"Traceback" in said) == (130, False), said.decode()


def test_while_an_import_waits_for_somebody_who_writes(tmp_path: Path, postgres_url: str) -> None:
    """Alone and behind another source; it says once what it waits for."""
    (tmp_path / "good.jsonl").write_bytes(lines(*GOOD))
    os.mkfifo(tmp_path / "pipe")
    for before in ((), (str(tmp_path / "good.jsonl"),)):
        words = ("import", "claims", *before, str(tmp_path / "pipe"))
        with _command(tmp_path / "home", *words, FUNDWATCH_DATABASE_URL=postgres_url) as command:
            assert command.stderr is not None
            said = next(line for line in command.stderr if b"waiting for a writer" in line)
            code, _, end = _interrupted(command)
        assert said.decode() == f"{tmp_path}/pipe: 等待写入方 / waiting for a writer\n"
        assert (code, end.count(b"waiting"), end.count(b"interrupted; run it again")) == (130, 0, 1), end.decode()


def test_a_command_in_the_background_of_a_shell_goes_on(tmp_path: Path) -> None:
    """There Ctrl-C is ignored, and stays so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _loading(tmp_path, LOADED_ON_THE_WAY[0], "rules", "list") as command:
        told = dict(line.split(":\t") for line in Path(f"/proc/{command.pid}/status").read_text().splitlines())
        assert int(told["SigIgn"], 16) >> (signal.SIGINT - 1) & 1
