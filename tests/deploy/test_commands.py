"""The commands as a user runs them, each in a process of its own, on a store of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.county import CountyPlan, write_county

GOOD = b'{"kind":"patient_status","event_id":"t:1","area":"a","patient":"p1","happened_at":"2026-03-01T00:00:00Z",'


class Shell:
    """Runs ``fundwatch`` with the settings of one test."""

    def __init__(self, home: Path, database_url: str):
        self.environment = {**os.environ, "FUNDWATCH_HOME": str(home), "FUNDWATCH_DATABASE_URL": database_url}

    def __call__(self, *words: str, code: int = 0, given: bytes = b"") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.commands", *words],
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr.decode()
        return (done.stdout if code == 0 else done.stderr).decode()

    def json(self, *words: str, given: bytes = b"") -> Any:
        return json.loads(self(*words, "--json", given=given))


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path, postgres_url)


def test_an_import_is_accounted_for_and_a_second_run_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl.zst"
    events = write_county(CountyPlan(scale=1 / 1000), claims, tmp_path / "truth.jsonl")
    first = shell.json("import", "claims", str(claims))
    again = shell.json("import", "claims", str(claims))
    assert first["received"] == first["accepted"] == events
    assert first["lost"] == 0
    assert again["received"] == events
    assert again["findings"] == first["findings"]
    assert shell.json("reconcile")["lost"] == 0
    assert all(lag["behind"] == 0 for lag in shell.json("lag"))


def test_the_same_events_from_another_file_are_duplicates(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    events = write_county(CountyPlan(scale=1 / 5000), claims, tmp_path / "truth.jsonl")
    shell.json("import", "claims", str(claims))
    again = shell.json("import", "claims", "-", given=claims.read_bytes())
    assert again["duplicate"] == events
    assert again["lost"] == 0


def test_a_bad_line_becomes_a_dead_letter_that_can_be_shown_and_replayed(shell: Shell) -> None:
    lines = GOOD + b'"sender":"t","change":"death"}\n{"kind":"claim","event_id":5}\n'
    closing = shell.json("import", "claims", "-", given=lines)
    assert (closing["accepted"], closing["dead"], closing["lost"]) == (1, 1, 0)
    (letter,) = shell.json("dead-letters", "list")
    assert any(reason.startswith("event_id:") for reason in letter["letter"]["reasons"])
    assert any(reason.startswith("patient:") for reason in letter["letter"]["reasons"])
    assert shell.json("dead-letters", "show", letter["name"])["body"] == '{"kind":"claim","event_id":5}'
    shell("dead-letters", "replay", letter["name"])
    assert shell.json("lag") != []


def test_findings_page_through_and_explain_says_same(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 500), claims, tmp_path / "truth.jsonl")
    counted = sum(shell.json("import", "claims", str(claims))["findings"].values())
    seen: list[str] = []
    while page := shell.json("findings", "--most", "100", "--after", seen[-1] if seen else ""):
        seen += [row["finding_id"] for row in page]
    assert len(seen) == len(set(seen)) == counted
    assert shell.json("explain", seen[0])["verdict"] == "same"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explain", "0000"), "no such finding"),
        (("dead-letters", "show", "claims"), "expected a name like claims/0/12"),
        (("dead-letters", "show", "claims/0/7"), "no such dead letter"),
        (("import", "claims", "/nowhere.jsonl"), "no such file"),
        (("knowledge", "list", "--on", "yesterday"), "expected a day like 2026-03-01"),
        (("rules", "check", "/nowhere"), "no rule files in the folder"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(shell: Shell, words: tuple[str, ...], says: str) -> None:
    error = shell(*words, code=1)
    assert says in error
    assert "Traceback" not in error


def test_rules_and_knowledge_can_be_listed_and_checked(shell: Shell) -> None:
    checked = shell.json("rules", "check")
    assert checked["rules"] == len(shell.json("rules", "list"))
    assert checked["failed"] == []
    assert shell.json("knowledge", "list", "--code", "002503020030000", "--on", "2026-03-01")[0]["days"] == 15
    assert shell.json("knowledge", "list", "--catalogue", "periods", "--on", "2010-01-01") == []


def test_a_faulty_rule_folder_is_told_with_line_and_field(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "stays"
    folder.mkdir()
    (folder / "broken.yaml").write_text("id: X1\nname: n\nseverity: 9\n")
    error = shell("rules", "check", str(tmp_path), code=1)
    assert "broken.yaml:1: id:" in error
    assert "broken.yaml:3: severity:" in error
    assert "check: Field required" in error


def test_a_port_in_use_is_told_before_a_log_in_is_made(shell: Shell, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        shell.environment["FUNDWATCH_PORT"] = str(free_port)
        error = shell("api", code=1)
    assert "cannot serve on" in error
    assert "Traceback" not in error
    assert "log-in" not in error


def test_ctrl_c_ends_an_import_from_a_pipe_that_says_nothing(shell: Shell) -> None:
    words = [sys.executable, "-m", "deploy.commands", "import", "claims", "-"]
    reading, writing = os.pipe()
    with subprocess.Popen(words, env=shell.environment, stdin=reading, stderr=subprocess.PIPE) as importing:
        time.sleep(5)
        importing.send_signal(signal.SIGINT)
        try:
            _, errors = importing.communicate(timeout=10)
        finally:
            importing.kill()
            os.close(writing)
            os.close(reading)
    assert importing.returncode == 1
    assert "interrupted" in errors.decode()
