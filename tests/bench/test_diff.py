"""What a change does to the findings of the golden month is told by rule, against a revision, with examples."""

import re
import shutil
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from bench import golden
from bench.diff import Changes, changes_between
from bench.golden import Found, Month, judged_month
from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.persons import PatientStatus
from rules_lib.rule_files import load_rule_set
from streams.messages.codec import encode_event
from tests.rules_lib.in_memory import findings_of, judgements

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("knowledge_base", "rules_lib", "detectors", "casework", "streams", "api", "deploy", "bench")
COURSES = Path("rules_lib", "rules", "courses", "course_longer_than_paid.yaml")
SMALL = "scale=1 / 300"
RULES = load_rule_set(load_facts())


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of what judges, committed, with a smaller golden month."""
    folder = tmp_path / "checkout"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    rewrite(folder / "bench" / "golden.py", "scale=1 / 50", SMALL)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "as it was")
    return folder


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bench.diff", *words], cwd=folder, capture_output=True, text=True)


def figures(table: str, rule: str) -> list[str]:
    """What the table says of a rule behind its title: base, now, added, removed, revised, not evaluated."""
    (row,) = [line for line in table.splitlines() if line.startswith(f"│ {rule} ")]
    return [cell.strip() for cell in row.strip("│").split("│")][2:]


def test_a_limit_that_was_changed_shows_in_the_row_of_its_rule_and_in_no_other(checkout: Path) -> None:
    rewrite(checkout / COURSES, "gap_days: {1900-01-01: 7}", "gap_days: {1900-01-01: 1}")
    told = run(checkout)
    assert told.returncode == 0, told.stderr
    base, now, added, removed, revised, _ = figures(told.stdout, "GZ10000101010000")
    assert int(now) - int(base) == int(added) - int(removed) < 0
    for kind, number in (("added", added), ("removed", removed), ("revised", revised)):
        assert told.stdout.count(f"{kind} GZ10000101010000") == min(int(number), 2)
    beds = figures(told.stdout, "FW10000001")
    assert (beds[0] == beds[1] != "0", beds[2:5]) == (True, ["0", "0", "0"])
    assert "Paid in one course from 2026-" in told.stdout
    assert "at most 14 days." in told.stdout
    assert len(git(checkout, "worktree", "list").splitlines()) == 1


def test_a_revision_that_does_not_exist_is_one_sentence_and_a_tree_that_cannot_judge_says_why(checkout: Path) -> None:
    nowhere = run(checkout, "no-such-branch")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "no-such-branch" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
    rewrite(checkout / COURSES, "severity: 1", "severity: 9")
    faulty = run(checkout)
    assert faulty.returncode == 1
    assert re.search(r"course_longer_than_paid.yaml:\d+: severity: ", faulty.stderr)
    assert len(git(checkout, "worktree", "list").splitlines()) == 1


def test_people_are_judged_as_elsewhere(tmp_path: Path) -> None:
    """Merged ones too, in chains, and those whose merge was taken back: as the tests of the engine join them."""
    events = list(simulate(CountyPlan(scale=1 / 2000, last=golden.GOLDEN.last)))
    people = sorted({name for name, judged in judgements(events, RULES).items() if judged.findings})
    last = max(event.happened_at for event in events)
    for one, other in pairwise(people):
        told = {"event_id": f"m:{other}", "area": events[0].area, "kind": "patient_status", "sender": "t"}
        merge = {"patient": other, "change": "merge", "same_as": one, "happened_at": last}
        events.append(msgspec.convert({**told, **merge}, PatientStatus))
    events.append(replace(events[-3], event_id="u", change="unmerge", happened_at=last + timedelta(hours=1)))
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(map(encode_event, events)))
    expected = findings_of(judgements(events, RULES))
    assert {occurrence[0] for _, occurrence in expected} == {people[0], people[-3]}
    assert {(found.rule, found.occurrence) for found in judged_month(file).found} == expected.keys()


def test_findings_are_compared_by_rule_and_occurrence() -> None:
    def found(rule: str, name: str, value: str) -> Found:
        return Found(rule, (name,), {"value": value}, f"{value} 次", f"{value} times")

    base = Month({}, [found("A", "1", "2"), found("A", "2", "2"), found("B", "1", "2"), found("C", "1", "2")], {})
    now = Month({}, [found("A", "1", "3"), found("A", "3", "2"), found("B", "1", "2")], {})
    assert changes_between(base, now) == {
        "A": Changes([found("A", "3", "2")], [found("A", "2", "2")], [(found("A", "1", "2"), found("A", "1", "3"))]),
        "C": Changes(removed=[found("C", "1", "2")]),
    }
