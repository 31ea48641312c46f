"""Dead letters on the command line: chosen by the words of the desk, a page at a time, and short whatever they hold."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from streams.messages.kinds import KINDS
from streams.store.intake.dead_letters import NEWEST
from tests.shell import Shell

from .files import GOOD, lines

CONFLICT = GOOD[0].replace(b'"item_name"', b'"item_name":"other","x"')
NO_KIND = b'{"event_id": "a"}'
OF_NO_KIND = f"kind: expected one of {', '.join(KINDS)}"
MANY = 3 * 2**20


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


def take_in(shell: Shell, folder: Path, name: str, *bodies: bytes) -> None:
    (folder / name).write_bytes(lines(*bodies))
    assert shell.run("import", "claims", str(folder / name)).returncode == 1


def listed(shell: Shell, *words: str) -> Any:
    return shell.json("dead-letters", "list", *words)


def test_letters_are_chosen_by_the_words_of_the_desk(shell: Shell, tmp_path: Path) -> None:
    take_in(shell, tmp_path, "a.jsonl", NO_KIND, b"not JSON")
    take_in(shell, tmp_path, "b.jsonl", GOOD[0], CONFLICT, NO_KIND)
    everything = listed(shell)
    assert (everything["count"], len(everything["letters"])) == (4, 4)
    assert everything["reasons"][OF_NO_KIND] == 2
    (kind,) = [kind for kind in everything["reasons"] if kind.startswith("not JSON")]
    (reason,) = [
        letter["letter"]["reasons"][0]
        for letter in everything["letters"]
        if "not JSON" in letter["letter"]["reasons"][0]
    ]
    assert reason != kind
    chosen = {
        ("--import", "a.jsonl"): 2,
        ("--source", "b.jsonl"): 2,
        ("--reason", "kind"): 2,
        ("--reason", "kin"): 0,
        ("--reason", kind): 1,
        ("--reason", reason): 1,
        ("--reason", "kind", "--import", "a.jsonl"): 1,
        ("--outcome", "conflict"): 1,
        ("--state", "replayed"): 0,
        ("--state", "left"): 4,
        ("--day", "2020-01-01"): 0,
    }
    assert {words: listed(shell, *words)["count"] for words in chosen} == chosen
    name = listed(shell, "--import", "a.jsonl", "--reason", "kind")["letters"][0]["name"]
    shell("dead-letters", "replay", name)
    assert [letter["name"] for letter in listed(shell, "--state", "replayed")["letters"]] == [name]
    assert "near it: a.jsonl" in shell("dead-letters", "list", "--import", "a.json", code=1)


@pytest.mark.parametrize("bus", ["postgres", "kafka"])
def test_a_letter_names_the_line_of_its_file(
    shell: Shell, tmp_path: Path, bus: str, request: pytest.FixtureRequest
) -> None:
    """Counted in the unpacked text as an editor counts: empty lines too, whichever way lines end."""
    if bus == "kafka":
        shell.environment |= {
            "FUNDWATCH_BUS": "kafka",
            "FUNDWATCH_BROKERS": request.getfixturevalue("kafka_brokers"),
            "FUNDWATCH_KAFKA_PREFIX": f"{tmp_path.name}-{os.getpid()}-",
        }
    file = tmp_path / "claims.jsonl.gz"
    text = b"\xef\xbb\xbf" + b"\n".join([GOOD[0] + b"\r", b"", NO_KIND, GOOD[1], b"\r", b'{"event_id": 5}'])
    file.write_bytes(gzip.compress(text))
    assert shell.run("import", "claims", str(file)).returncode == 1
    letters = {letter["letter"]["line"]: letter["name"] for letter in listed(shell)["letters"]}
    assert letters.keys() == {3, 6}
    shown = shell.run("dead-letters", "show", letters[6])
    assert shown.stdout == b'{"event_id": 5}\n'
    assert shown.stderr.decode().startswith("claims.jsonl.gz: 第 6 行 / line 6: ")
    export = tmp_path / "letters.jsonl"
    shell("dead-letters", "purge", "--import", file.name, "--export", str(export), "--yes")
    assert {json.loads(line)["letter"]["line"] for line in export.read_bytes().splitlines()} == {3, 6}


def test_the_last_part_of_a_field_is_a_reason(shell: Shell, tmp_path: Path) -> None:
    faulty = json.loads(GOOD[0])
    del faulty["lines"][0]["amount"]
    take_in(shell, tmp_path, "a.jsonl", json.dumps(faulty).encode(), NO_KIND)
    chosen = {"amount": 1, "lines[0].amount": 1, "lines[#].amount": 1, "mount": 0, "lines": 0, "missing": 0, "kind": 1}
    assert {reason: listed(shell, "--reason", reason)["count"] for reason in chosen} == chosen


def test_where_no_letter_meets_the_filters_that_is_said_with_the_reasons_that_there_are(
    shell: Shell, tmp_path: Path
) -> None:
    assert "no dead letter meets" not in shell.run("dead-letters", "list").stderr.decode()
    take_in(shell, tmp_path, "a.jsonl", NO_KIND)
    for words in (("--reason", "amuont"), ("--outcome", "conflict")):
        told = shell.run("dead-letters", "list", *words)
        assert told.returncode == 0
        assert "没有符合条件的死信 / no dead letter meets the filters" in told.stderr.decode()
        assert f"{OF_NO_KIND} (1)" in told.stderr.decode()
    assert str(NEWEST) not in shell("dead-letters", "list", "--help")


def test_reasons_and_outcomes_are_told_in_chinese_first(shell: Shell, tmp_path: Path) -> None:
    take_in(shell, tmp_path, "a.jsonl", GOOD[0], CONFLICT, b"{")
    told = shell("dead-letters", "list")
    known = "event_id：同一编号先前已有不同内容 / event_id: known with other content"
    assert told.count(known) == 2, "of the letter and as a kind"
    assert "冲突 / conflict" in told
    assert "无法入库 / dead" in told
    assert "不是 JSON：内容不全，中途断了 / not JSON: Input data was truncated" in told
    (name,) = [letter["name"] for letter in listed(shell, "--outcome", "conflict")["letters"]]
    assert known in shell.run("dead-letters", "show", name).stderr.decode()


def test_a_page_says_how_many_there_are_and_where_the_next_begins(shell: Shell, tmp_path: Path) -> None:
    take_in(shell, tmp_path, "a.jsonl", *[NO_KIND] * 5)
    told = shell("dead-letters", "list", "--most", "2")
    assert "on this page 2, in all 5" in told
    following = told.partition("next page: --before ")[2].strip()
    seen = listed(shell, "--most", "3", "--before", following)
    assert len(seen["letters"]) == 3
    assert seen["count"] == 5


def test_letters_of_several_megabytes_are_listed_in_a_few_lines(shell: Shell, tmp_path: Path) -> None:
    faulty = json.loads(GOOD[0])
    faulty["lines"] = [{"line_id": 1}] * (MANY // 20)
    name = b'"%s"' % (b"n" * MANY)
    huge = (json.dumps(faulty).encode(), b"[" + b"x" * MANY, GOOD[1][:-1] + b",%s:1,%s:2}" % (name, name))
    take_in(shell, tmp_path, "huge.jsonl", *huge)
    told = shell("dead-letters", "list")
    assert "in all 3" in told
    assert len(told) < 20_000
    (most, *_) = sorted(listed(shell)["letters"], key=lambda one: -len(one["letter"]["reasons"]))
    assert len(most["letter"]["reasons"]) > 90
    shown = shell.run("dead-letters", "show", most["name"])
    assert shown.stdout == huge[0] + b"\n"
    assert len(shown.stderr) < 20_000
