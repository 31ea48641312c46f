"""The demo as a user runs it: one JSON object, nothing lost; data found again; Ctrl-C ends every process."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.patience import PATIENCE

SMALL = ("demo", "--scale", "0.002")


def _environment(home: Path, port: int = 0) -> dict[str, str]:
    return {**os.environ, "FUNDWATCH_HOME": str(home), "FUNDWATCH_PORT": str(port or 8470), "COLUMNS": "200"}


def _demo(home: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.commands", *SMALL, "--exit-after-replay", "--json"],
        env=_environment(home),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return json.loads(done.stdout)


def _listed(home: Path) -> list[dict[str, Any]]:
    """What ``fundwatch warnings`` says after it."""
    command = [sys.executable, "-m", "deploy.commands", "warnings", "--most", "1000", "--json"]
    done = subprocess.run(command, env=_environment(home), capture_output=True, timeout=PATIENCE, check=True)
    listed: list[dict[str, Any]] = json.loads(done.stdout)
    return listed


def test_the_replay_prints_one_object_and_a_second_run_finds_its_data(tmp_path: Path) -> None:
    first = _demo(tmp_path)
    closing, score = first["closing"], first["score"]
    assert closing["received"] == closing["accepted"] > 5_000
    assert (closing["lost"], closing["waiting"], closing["dead"]) == (0, 0, 0)
    assert closing["leads"] > 5
    assert len(closing["findings"]) >= 8
    unseen = [kind for kind in score["kinds"] if kind["guilty"] and not kind["seen_by_rules"]]
    assert len(unseen) == 2
    assert score["precision"]["value"] > 0.9
    assert first["coverage"]["claims"] > 1_000
    asked = first["asked"]
    assert asked["requests"] > 50
    assert asked["warnings"] >= asked["replies"] > 0
    assert asked["score"]["warned"]["hits"] > 0
    listed = _listed(tmp_path)
    assert len(listed) >= asked["warnings"]
    assert sum(warning["way"] is not None for warning in listed) == asked["replies"]
    again = _demo(tmp_path)
    assert again["coverage"] == first["coverage"]
    assert again["closing"]["findings"] == closing["findings"]
    assert again["score"] == score
    assert again["asked"] == asked
    assert again["closing"]["seconds"] == 0


def test_the_desk_answers_and_ctrl_c_ends_every_process(tmp_path: Path, free_port: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.commands", *SMALL],
        env=_environment(tmp_path, free_port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as demo:
        _wait_for(f"http://127.0.0.1:{free_port}/health")
        started = [psutil.Process(demo.pid), *psutil.Process(demo.pid).children(recursive=True)]
        assert len(started) > 2
        servers = [process for process in psutil.process_iter() if str(tmp_path) in _command(process)]
        assert any("postgres" in _command(process) for process in servers)
        demo.send_signal(signal.SIGINT)
        demo.wait(30)
    _, alive = psutil.wait_procs([*started, *servers], timeout=PATIENCE)
    assert alive == []


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                assert answer.status == 200
            return
        except OSError:
            if time.monotonic() > deadline:
                pytest.fail(f"{url} did not answer")
            time.sleep(0.2)
