"""``fundwatch up`` as a user runs it: its worker gives way to what answers; where it dies, all ends, and says so."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from deploy.commands.services import BEHIND_ANSWERS
from tests.patience import PATIENCE


def test_up_ends_when_its_worker_dies(tmp_path: Path, free_port: int) -> None:
    environment = {**os.environ, "FUNDWATCH_HOME": str(tmp_path), "FUNDWATCH_PORT": str(free_port), "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.commands", "up"], env=environment, stderr=subprocess.PIPE
    ) as command:
        try:
            worker = _worker_of(command.pid)
            _until_behind(worker, psutil.Process(command.pid).nice())
            worker.send_signal(signal.SIGKILL)
            _, said = command.communicate(timeout=PATIENCE)
        finally:
            command.kill()
    assert command.returncode == 1
    assert "the worker or the gateway ended unexpectedly" in said.decode()
    assert "Traceback" not in said.decode()
    left = [process for process in psutil.process_iter() if str(tmp_path) in _words(process)]
    _, alive = psutil.wait_procs(left, timeout=PATIENCE)
    assert alive == []


def _worker_of(command: int) -> psutil.Process:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        workers = [child for child in psutil.Process(command).children() if " worker --with-parent" in _words(child)]
        if workers:
            return workers[0]
        time.sleep(0.1)
    raise AssertionError("up started no worker")


def _until_behind(worker: psutil.Process, others: int) -> None:
    """Waits until a worker gives way to others, as far as the system lets it."""
    deadline = time.monotonic() + PATIENCE
    while worker.nice() != min(others + BEHIND_ANSWERS, 19):
        assert time.monotonic() < deadline, "the worker takes as much as whoever answers"
        time.sleep(0.1)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
