"""The command line in processes of its own."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE


class Shell:
    """Runs ``fundwatch`` with the settings of one test."""

    def __init__(self, home: Path, database_url: str):
        self.environment = {**os.environ, "FUNDWATCH_HOME": str(home), "FUNDWATCH_DATABASE_URL": database_url}

    def run(
        self, *words: str | bytes, given: bytes = b"", terminal: int | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """One command, to its end, however it ends; ``terminal`` is the one that it reads from, where it has one."""
        return run_loaded(words, self.environment, given, terminal)

    def __call__(self, *words: str, code: int = 0, given: bytes = b"") -> str:
        """What a command printed, where it failed as expected what it said of that."""
        done = self.run(*words, given=given)
        assert done.returncode == code, done.stderr.decode()
        return (done.stdout if code == 0 else done.stderr).decode()

    def json(self, *words: str | bytes, code: int = 0, given: bytes = b"") -> Any:
        """The document that a command printed."""
        done = self.run(*words, "--json", given=given)
        assert done.returncode == code, done.stderr.decode()
        return json.loads(done.stdout)


def run_loaded(
    words: Sequence[str | bytes], environment: Mapping[str, str], given: bytes = b"", terminal: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    """One command as `subprocess.run` runs it, from where all is loaded (tests/loaded.py). Both streams that it writes
    to are files. Raises ``subprocess.TimeoutExpired`` after ``PATIENCE``."""
    told = json.dumps([[os.fsdecode(word) for word in words], dict(environment), str(Path.cwd())])
    reading = _pipe_of(given) if terminal is None else os.dup(terminal)
    answers, answer = os.pipe()
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        request.write(told.encode("utf-8", "surrogateescape"))
        request.seek(0)
        files = [request.fileno(), reading, output.fileno(), errors.fileno(), answer]
        socket.send_fds(_loaded(), [b"\n"], files)
        os.close(reading)
        os.close(answer)
        with os.fdopen(answers) as numbers:
            process = int(numbers.readline())
            if not select.select([numbers], [], [], PATIENCE)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), PATIENCE)
            code = int(numbers.readline())
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(list(words), code, output.read(), errors.read())


def _pipe_of(given: bytes) -> int:
    """The end to read from of a pipe that some bytes come through."""
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(given)

    threading.Thread(target=write).start()
    return reading


@cache
def _loaded() -> socket.socket:
    """Where the process that has all loaded is asked; it is started once for all tests of this process."""
    ours, its = socket.socketpair()
    command = [sys.executable, "-m", "tests.loaded", str(its.fileno())]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=nothing, stdout=nothing, stderr=nothing)
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
