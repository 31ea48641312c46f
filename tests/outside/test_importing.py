"""Files from outside on the command line: what a person reads, what is stored, and how the command ends."""

import gzip
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from streams.bus import LONGEST_SOURCE
from streams.importers.jsonl import source_id
from streams.messages.codec import encode_event
from streams.messages.parts import LINE_LIMIT
from streams.store.migrations import migrate
from streams.store.sessions import connect
from tests.patience import PATIENCE
from tests.reference import cases
from tests.shell import Shell

from .files import FOREIGN, GOOD, lines, skippable

LATER = encode_event(cases.visit("later", cases.line("l", cases.NURSING, "03-02")))


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "claims.jsonl"
    path.write_bytes(lines(*GOOD))
    return path


@pytest.mark.parametrize("kind", ["zip", "UTF-16 with a mark", "GBK", "table", "JSON array, indented"])
def test_a_wrong_file_is_refused_in_one_sentence_and_leaves_nothing(shell: Shell, tmp_path: Path, kind: str) -> None:
    says, content = FOREIGN[kind]
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)
    error = shell("import", "claims", str(wrong), code=1)
    (sentence,) = error.splitlines()
    assert sentence.startswith("fundwatch: ")
    assert f"this is {says}" in sentence
    assert shell.json("reconcile")["received"] == 0
    assert shell.json("dead-letters", "list")["letters"] == []


def test_what_a_wrong_file_is_answered_with_imports_what_it_holds(shell: Shell, tmp_path: Path) -> None:
    wrong = tmp_path / "claims.txt.gz"
    wrong.write_bytes(gzip.compress(lines(*GOOD).decode().encode("utf-16")))
    error = shell("import", "claims", str(wrong), code=1)
    command = error.rpartition("turn it into UTF-8 first: ")[2].strip()
    mended = command.replace("FILE", str(wrong)).replace("fundwatch", f"{sys.executable} -m deploy.commands")
    done = subprocess.run(
        ["bash", "-c", f"{mended} --json"],
        env=shell.environment,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert (report["source"], report["accepted"]) == ("NAME", len(GOOD))


def _plain(folder: Path, content: bytes) -> str:
    (folder / "a.jsonl").write_bytes(content)
    return str(folder / "a.jsonl")


def _gzip(folder: Path, content: bytes) -> str:
    return _plain(folder, gzip.compress(content))


def _frames(folder: Path, content: bytes) -> str:
    half = len(content) // 2
    return _plain(folder, skippable(b"i") + zstandard.compress(content[:half]) + zstandard.compress(content[half:]))


def _folder(folder: Path, content: bytes) -> str:
    (folder / "day").mkdir()
    (folder / "day" / ".hidden").write_bytes(b"no events")
    _plain(folder / "day", content)
    return str(folder / "day")


def _fifo(folder: Path, content: bytes) -> str:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    return str(pipe)


@pytest.mark.parametrize("way", [_plain, _gzip, _frames, _folder, _fifo])
def test_a_good_file_is_imported_however_it_comes(
    shell: Shell, tmp_path: Path, way: Callable[[Path, bytes], str]
) -> None:
    assert shell.json("import", "claims", way(tmp_path, lines(*GOOD)))["accepted"] == len(GOOD)


@pytest.mark.parametrize("words", ["-", "/dev/stdin", "<(cat)"])
def test_a_pipe_of_the_shell_is_imported(shell: Shell, words: str) -> None:
    program = f"{sys.executable} -m deploy.commands import claims {words} --json"
    done = subprocess.run(
        ["bash", "-c", program],
        env=shell.environment,
        input=lines(*GOOD),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["accepted"] == len(GOOD)
    assert re.fullmatch("pipe-[0-9a-f]{8}", report["source"])


def test_contents_of_one_name_are_told_apart(shell: Shell, tmp_path: Path) -> None:
    """In one call and in several, whichever comes again; a name that is given is kept."""
    paths = []
    for folder, body in (("jan", GOOD[0]), ("feb", GOOD[1]), ("mar", GOOD[2])):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "claims.jsonl")
        paths[-1].write_bytes(lines(body, b'{"event_id": "%s"}' % folder.encode()))
    reports = json.loads(shell.run("import", "claims", *map(str, paths[:2]), "--json").stdout)
    second = f"claims.jsonl-{source_id(paths[1])[:8]}"
    assert [(report["source"], report["accepted"]) for report in reports] == [("claims.jsonl", 1), (second, 1)]
    again = json.loads(shell.run("import", "claims", *map(str, reversed(paths[:2])), "--json").stdout)
    assert [report["source"] for report in again] == [second, "claims.jsonl"]
    done = shell.run("import", "claims", str(paths[2]))
    assert f"{paths[2]}: 另一份内容已用这个名称，这一份记作 claims.jsonl-" in done.stderr.decode()
    words = ("dead-letters", "purge", "--import", "claims.jsonl", "--export", str(tmp_path / "letters"), "--yes")
    assert shell.json(*words)["purge"]["purged"] == 1
    paths[2].write_bytes(lines(LATER))
    assert shell.json("import", "claims", str(paths[2]), "--source", "claims.jsonl")["source"] == "claims.jsonl"


def test_the_longest_name_is_cut_where_it_is_told_apart(shell: Shell, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/" + b"\xff" * 255
    for body in GOOD[:2]:
        Path(os.fsdecode(path)).write_bytes(lines(body))
        name = shell.json("import", "claims", path)["source"]
    assert len(name) == LONGEST_SOURCE
    assert re.fullmatch(r".*-[0-9a-f]{8}", name)


def test_several_sources_are_imported_in_one_call(shell: Shell, tmp_path: Path) -> None:
    for number, body in enumerate(GOOD):
        (tmp_path / f"{number}.jsonl").write_bytes(lines(body))
    (tmp_path / "both").mkdir()
    (tmp_path / "1.jsonl").rename(tmp_path / "both" / "1.jsonl")
    (tmp_path / "2.jsonl").rename(tmp_path / "both" / "2.jsonl")
    reports = shell.json("import", "claims", str(tmp_path / "0.jsonl"), str(tmp_path / "both"))
    assert [(report["source"], report["accepted"]) for report in reports] == [
        ("0.jsonl", 1),
        ("1.jsonl", 1),
        ("2.jsonl", 1),
    ]


def test_of_several_sources_the_total_is_told(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    for name, bodies in (("a", GOOD[:1]), ("b", (GOOD[1], b'{"event_id": 5}'))):
        (folder / f"{name}.jsonl").write_bytes(lines(*bodies))
    (folder / "c.csv").write_bytes(b"name,age\nsomebody,40\n" * 40)
    told = shell.run("import", "claims", str(folder)).stdout.decode()
    counts = "收到 received 3; 接收 accepted 2; 重复 duplicate 0; 冲突 conflict 0; 无法入库 dead 1"
    assert f"合计 total: 来源 sources 2; {counts}; 接收金额 accepted yuan 200.00\n" in told
    assert "total: " not in shell("import", "claims", str(folder / "a.jsonl"))


def test_of_several_sources_a_wrong_one_is_named_and_the_others_are_imported(shell: Shell, tmp_path: Path) -> None:
    for number, body in enumerate(GOOD[:2]):
        (tmp_path / f"{number}.jsonl").write_bytes(lines(body))
    (tmp_path / "0b.csv").write_bytes(b"name,age\nsomebody,40\n" * 40)
    done = shell.run("import", "claims", str(tmp_path), "--json")
    first, wrong, last = json.loads(done.stdout)
    assert (done.returncode, first["accepted"], last["accepted"]) == (1, 1, 1)
    assert wrong["source"] == "0b.csv"
    assert "nothing was imported" in wrong["refused"]
    assert "of 3 sources 1 not imported" in done.stderr.decode()


def test_of_several_sources_those_that_cannot_be_read_are_named(shell: Shell, tmp_path: Path) -> None:
    """A file whose bytes the system refuses, a socket, a folder that holds a folder, and nothing at all."""
    for number, body in enumerate(GOOD[:2]):
        (tmp_path / f"{number}.jsonl").write_bytes(lines(body))
    (tmp_path / "refused").symlink_to("/proc/self/mem")
    (tmp_path / "folder" / "within").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        names = ["0.jsonl", "refused", "socket", "folder", "nowhere", "1.jsonl"]
        done = shell.run("import", "claims", *(str(tmp_path / name) for name in names), "--json")
    first, *wrong, last = json.loads(done.stdout)
    assert (done.returncode, first["accepted"], last["accepted"]) == (1, 1, 1)
    for one, name, says in zip(
        wrong, names[1:], ("cannot be read", "cannot be read", "folder", "no such"), strict=False
    ):
        assert name in one["source"]
        assert says in one["refused"]
        assert one["refused"] in done.stderr.decode()
    assert len(wrong) == 4
    assert "of 6 sources 4 not imported" in done.stderr.decode()
    assert "Errno" not in done.stderr.decode()


def test_one_source_that_cannot_be_read_is_refused_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "refused").symlink_to("/proc/self/mem")
    error = shell("import", "claims", str(tmp_path / "refused"), code=1)
    assert f"fundwatch: {tmp_path}/refused: 无法读取 / cannot be read: Input/output error" in error.splitlines()


def test_what_others_may_have_brought_is_told_as_the_whole_stores(shell: Shell, file: Path) -> None:
    told = shell("import", "claims", str(file))
    assert re.search(r"in the whole store meanwhile: 线索 leads \+[0-9]+, 判断 judged [0-9,]+/s\n", told), told


@pytest.mark.parametrize("content", [b"", b"\n\r\n\n", gzip.compress(b"")], ids=["nothing", "empty lines", "gzip"])
def test_a_source_without_a_message_is_told_so_each_time(shell: Shell, tmp_path: Path, content: bytes) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(content)
    told = "empty.jsonl: 其中没有消息 / it holds no message\n"
    assert [shell("import", "claims", str(empty)) for _ in range(2)] == [told] * 2
    assert "it holds no message" in shell("import", "claims", "-", given=content)


def test_several_troubles_are_all_told(shell: Shell, tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        (tmp_path / name).write_bytes(gzip.compress(lines(*GOOD, name.encode())) + b"garbage")
    error = shell("import", "claims", str(tmp_path), code=1)
    assert error.count("what came before is imported: ") == 2
    assert "2 messages are dead" in error


def test_the_same_content_again_says_so_whatever_its_name(shell: Shell, file: Path, tmp_path: Path) -> None:
    assert shell.json("import", "claims", str(file))["earlier"] is None
    other = tmp_path / "other.jsonl"
    other.write_bytes(file.read_bytes())
    again = shell.json("import", "claims", str(other))
    assert (again["received"], again["earlier"]["source"]) == (0, "claims.jsonl")
    assert "was not sent again" in shell("import", "claims", str(other))


def test_the_same_content_again_says_when_it_was_imported_not_when_that_was_last_tried(
    shell: Shell, file: Path
) -> None:
    shell("import", "claims", str(file))
    first, second = (shell.json("import", "claims", str(file))["earlier"] for _ in range(2))
    assert first == second


def test_the_same_content_through_a_pipe_says_so(shell: Shell, file: Path) -> None:
    """After a pipe and after a file, and a file after a pipe."""
    content = file.read_bytes()
    assert shell.json("import", "claims", "-", "--source", "first", given=content)["earlier"] is None
    again = shell.json("import", "claims", "-", given=content)
    assert (again["duplicate"], again["earlier"]["source"]) == (len(GOOD), "first")
    told = shell("import", "claims", "-", given=content)
    assert "as first; it was sent once more" in told
    assert "every message had been received before" in told
    assert "as first; it was not sent again" in shell("import", "claims", str(file))
    account = shell.json("reconcile")
    assert (account["lost"], account["received"]) == (0, 3 * len(GOOD))


def test_the_same_messages_packed_otherwise_are_told_to_be_received_before(shell: Shell, file: Path) -> None:
    shell("import", "claims", str(file))
    packed = file.with_suffix(".gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    told = shell("import", "claims", str(packed))
    assert "every message had been received before" in told
    assert "the same content" not in told
    more = shell.run("import", "claims", "-", given=lines(GOOD[0], b'{"event_id": 5}'))
    assert "received before" not in more.stdout.decode()


def test_pipes_of_one_name_are_each_read_whole(shell: Shell, file: Path, tmp_path: Path) -> None:
    shell("import", "claims", str(file))
    pipes = []
    for number, content in enumerate((file.read_bytes(), lines(LATER))):
        (tmp_path / str(number)).mkdir()
        pipes.append(_fifo(tmp_path / str(number), content))
    first, second = shell.json("import", "claims", *pipes, "--source", "pipes")
    assert (first["duplicate"], second["accepted"]) == (len(GOOD), 1)


def test_what_comes_before_damage_is_imported_and_said(shell: Shell, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(gzip.compress(lines(*GOOD)) + b"garbage")
    done = shell.run("import", "claims", str(damaged), "--json")
    assert done.returncode == 1
    assert f'"accepted":{len(GOOD)}'.encode() in done.stdout
    assert f"last good line: {len(GOOD)}" in done.stderr.decode()


def test_an_import_of_which_anything_died_ends_with_1(shell: Shell, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(lines(GOOD[0], b'{"event_id": 5}'))
    error = shell("import", "claims", str(mixed), code=1)
    assert "1 message is dead: fundwatch dead-letters list" in error


def test_each_part_of_a_line_that_is_too_long_says_so_and_no_byte_is_lost(shell: Shell, tmp_path: Path) -> None:
    line = GOOD[1][:-1] + b',"note":"' + b"x" * LINE_LIMIT + b'"}'
    (tmp_path / "long.jsonl").write_bytes(lines(GOOD[0], line))
    report = shell.json("import", "claims", str(tmp_path / "long.jsonl"), code=1)
    assert (report["accepted"], report["dead"]) == (1, 2)
    letters = shell.json("dead-letters", "list")["letters"]
    assert sorted((one["letter"]["reasons"], one["letter"]["line"]) for one in letters) == [
        ([f"message: longer than {LINE_LIMIT:,} bytes, part {part} of line 2"], 2) for part in (1, 2)
    ]
    shell("dead-letters", "purge", "--import", "long.jsonl", "--export", str(tmp_path / "letters"), "--yes")
    kept = [json.loads(one) for one in (tmp_path / "letters").read_bytes().splitlines()]
    assert "".join(one["body"] for one in sorted(kept, key=lambda one: one["letter"]["reasons"])) == line.decode()


def test_of_a_short_file_that_mostly_died_it_is_said_how_to_take_its_letters_away(shell: Shell, tmp_path: Path) -> None:
    short = tmp_path / "short file.jsonl"
    short.write_bytes(lines(GOOD[0], b'{"event_id": 5}', b'{"event_id": 6}'))
    error = shell("import", "claims", str(short), code=1)
    assert "short file.jsonl: 3 条中有 2 条无法入库" in error
    assert "most of it is dead, 2 of 3 messages" in error
    command = error.partition("to take its dead letters away: fundwatch ")[2].partition("\n")[0]
    words = shlex.split(command.replace("FILE", str(tmp_path / "letters.jsonl")))
    assert shell.json(*words, "--yes")["purge"]["purged"] == 2
    assert "most of it" not in shell.run("import", "claims", "-", given=lines(GOOD[1], b"{}")).stderr.decode()


def test_a_mostly_dead_file_stops_before_anything_is_sent_unless_it_is_wanted(shell: Shell, tmp_path: Path) -> None:
    dead = tmp_path / "dead.jsonl"
    dead.write_bytes(lines(*[b'{"event_id": 5, "kind": "claim"}'] * 1000))
    assert "--most-dead 1 imports it all the same" in shell("import", "claims", str(dead), code=1)
    assert shell.json("reconcile")["received"] == 0
    assert shell.json("import", "claims", str(dead), "--most-dead", "1", code=1)["dead"] == 1000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("结算 数据\"'.jsonl".encode(), "结算 数据\"'.jsonl"),
        ("结算.jsonl".encode("gbk"), "\\xbd\\xe1\\xcb\\xe3.jsonl"),
        (b"\x1b[31mred\n.jsonl", "\\x1b[31mred\\x0a.jsonl"),
    ],
    ids=["Chinese and quotes", "GBK", "a sign of control"],
)
def test_a_file_of_any_name_is_imported_and_its_name_is_harmless(
    shell: Shell, tmp_path: Path, name: bytes, shown: str
) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(path)).write_bytes(lines(*GOOD))
    assert shell.json("import", "claims", path)["source"] == shown
    printed = shell("reconcile")
    assert "\x1b" not in printed
    assert shown.split("\\")[0] in printed


def test_a_name_in_the_ledger_that_is_too_long_is_refused_at_the_door(shell: Shell, file: Path) -> None:
    for name in ("源" * LONGEST_SOURCE, "\x07" * (LONGEST_SOURCE // 4 + 1)):
        error = shell("import", "claims", str(file), "--source", name, code=1)
        assert f"{LONGEST_SOURCE:,} bytes at most" in error
    assert shell.json("import", "claims", str(file), "--source", "源" * (LONGEST_SOURCE // 3))["accepted"] == len(GOOD)


@pytest.mark.parametrize("name", ["源" * (LONGEST_SOURCE // 3), None], ids=["--source", "a file's name in GBK"])
def test_on_kafka_the_longest_name_is_the_same_everywhere(
    shell: Shell, tmp_path: Path, kafka_brokers: str, name: str | None
) -> None:
    shell.environment |= {
        "FUNDWATCH_BUS": "kafka",
        "FUNDWATCH_BROKERS": kafka_brokers,
        "FUNDWATCH_KAFKA_PREFIX": f"{tmp_path.name}-{os.getpid()}-",
    }
    path = os.fsencode(tmp_path) + b"/" + "结".encode("gbk") * 127 + b"1"
    Path(os.fsdecode(path)).write_bytes(lines(*GOOD))
    report = shell.json("import", "claims", path, *([] if name is None else ["--source", name]))
    assert (report["accepted"], report["lost"]) == (len(GOOD), 0)
    account = shell.json("reconcile")
    assert account["lost"] == 0
    assert [row["source"] for row in account["sources"]] == [name or "\\xbd\\xe1" * 127 + "1"]


async def test_imports_whose_names_kafka_had_cut_are_found_again(postgres_url: str) -> None:
    connection = await connect(postgres_url)
    try:
        await connection.execute("delete from migrations where name = '0023_names_of_sources'")
        await connection.execute(
            "insert into imports (source_id, source) select n, repeat(n, 300) from unnest($1::text[]) n",
            ["cut", "kept", "alone"],
        )
        for source in (("cut" * 300)[:200], "kept" * 300, ("kept" * 300)[:200]):
            await connection.execute(
                "insert into ledger (topic, partition, source, day) values ('claims', 0, $1, '2026-03-01')", source
            )
        assert await migrate(postgres_url) == ["0023_names_of_sources"]
        names = dict(await connection.fetch("select source_id, source from imports"))
    finally:
        await connection.close()
    assert names == {"cut": ("cut" * 300)[:200], "kept": "kept" * 300, "alone": "alone" * 300}
