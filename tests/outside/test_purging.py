"""What a wrong file left in the dead letters is written out and taken away: nothing without its line, all counted."""

import asyncio
import base64
import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.acts import purging
from streams.acts.letters import go_on_replaying
from streams.acts.purging import STEP
from streams.jobs.reconciling import reconcile
from streams.messages.vault import Vault
from streams.store.intake import dead_letters, purges
from streams.store.intake.dead_letters import LetterFilter, begin_replay
from streams.store.sessions import Connection, connect
from tests.patience import PATIENCE
from tests.shell import Shell
from tests.streams.test_dead_letters import Outbound

from .files import GOOD, lines

BAD = (
    b'{"event_id": 5}',
    b'{"event_id": "\xff"}',
    "结算数据".encode(),
    b'{"kind": "letter", "event_id": "x:2"}',
    b"\0",
)
KEY = "the tests' own key of a vault" * 2
VAULT = Vault(KEY.encode())


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    shell = Shell(tmp_path / "home", postgres_url)
    shell.environment |= {"FUNDWATCH_VAULT_KEY": KEY}
    return shell


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Connection]:
    """Somebody else's."""
    other = await connect(postgres_url)
    yield other
    await other.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "letters.jsonl"


def take_in(shell: Shell, folder: Path, name: str, *bodies: bytes) -> None:
    path = folder / name
    path.write_bytes(lines(*bodies))
    assert shell.run("import", "claims", str(path), "--most-dead", "1").returncode == (1 if set(bodies) & {*BAD} else 0)


def purge(shell: Shell, name: str, file: Path, code: int = 0) -> Any:
    words = ("dead-letters", "purge", "--import", name, "--export", str(file), "--by", "somebody", "--yes")
    return shell.json(*words) if code == 0 else shell(*words, code=code)


def names(shell: Shell) -> set[str]:
    return {letter["name"] for letter in shell.json("dead-letters", "list", "--most", "1000")["letters"]}


def written(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def body_of(line: dict[str, Any]) -> bytes:
    return base64.b64decode(line["body_base64"]) if "body_base64" in line else line["body"].encode()


async def bury(
    connection: Connection, number: int, source: str = "many.jsonl", offset: int = 0, partition: int = 0
) -> None:
    """Letters as a worker buries them, counted in the ledger."""
    await connection.executemany(
        'insert into dead_letters (topic, partition, "offset", outcome, source, reasons, key, body, money)'
        " values ('claims', $5, $1, 'dead', $2, '[]', $3, $4, 1)",
        [(offset + n, source, b"k%d" % n, VAULT.seal(b"body %d" % n), partition) for n in range(number)],
    )
    await connection.execute(
        "insert into ledger (topic, partition, source, day, dead) values ('claims', $3, $1, '2026-03-01', $2)"
        " on conflict (topic, partition, source, day) do update set dead = ledger.dead + excluded.dead",
        source,
        number,
        partition,
    )


async def troubles(connection: Connection) -> list[str]:
    """What of the letters does not add up. The offsets of these tests are made up."""
    account = await reconcile(connection)
    assert sum(row.lost for row in account.store) == 0
    return [f"{trouble.kind} {trouble.where}" for trouble in account.troubles if trouble.kind != "outcomes"]


# --- the whole way, as a person goes it


def test_what_a_wrong_file_left_is_written_out_and_gone_and_everything_adds_up(
    shell: Shell, tmp_path: Path, file: Path
) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", GOOD[0], *BAD)
    take_in(shell, tmp_path, "other.jsonl", GOOD[1], BAD[0], BAD[2])
    before, listed = shell.json("reconcile"), shell.json("dead-letters", "list")["letters"]
    done = purge(shell, "wrong.jsonl", file)
    assert (done["purge"]["purged"], done["purge"]["letters"], done["left"]) == (len(BAD), len(BAD), 0)
    assert (done["purge"]["asked_by"], done["purge"]["file"]) == ("somebody", file.name)
    assert done["purge"]["export_hash"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o777 == 0o600
    found = written(file)
    assert sorted(map(body_of, found)) == sorted(BAD)
    of_wrong = [letter for letter in listed if letter["letter"]["source"] == "wrong.jsonl"]
    shared = [{key: line[key] for key in ("seq", "name", "letter")} for line in found]
    assert sorted(shared, key=lambda line: -line["seq"]) == of_wrong
    assert {line["name"] for line in found}.isdisjoint(names(shell))
    assert len(names(shell)) == 2
    after = shell.json("reconcile")
    assert (after["lost"], after["troubles"], after["purged"]) == (0, [], len(BAD))
    assert (after["sources"], after["received"]) == (before["sources"], before["received"])
    assert f"dead letters purged {len(BAD)}" in shell("reconcile")
    (gone,) = [row["purged"] for row in after["store"] if row["source"] == "wrong.jsonl"]
    assert gone == len(BAD)


def test_a_second_time_there_is_nothing_and_no_file_is_made(shell: Shell, tmp_path: Path, file: Path) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", *BAD)
    purge(shell, "wrong.jsonl", file)
    again = tmp_path / "again.jsonl"
    assert purge(shell, "wrong.jsonl", again) == {"source": "wrong.jsonl", "purge": None, "left": 0}
    assert "no dead letters of wrong.jsonl" in shell(
        *("dead-letters", "purge", "--import", "wrong.jsonl", "--export", str(again), "--yes")
    )
    assert not again.exists()


def test_an_unknown_name_is_told_with_those_near_it(shell: Shell, tmp_path: Path, file: Path) -> None:
    take_in(shell, tmp_path, "wrong-march.jsonl", *BAD)
    take_in(shell, tmp_path, "good.jsonl", GOOD[0])
    error = purge(shell, "wrong-mrach.jsonl", file, code=1)
    assert "no such import: wrong-mrach.jsonl; 相近的有 / near it: wrong-march.jsonl" in error
    assert "fundwatch reconcile" in purge(shell, "某某", file, code=1)
    assert not file.exists()
    assert purge(shell, "good.jsonl", file)["purge"] is None


@pytest.mark.parametrize("there", ["a file", "a link to nothing", "a folder", "no folder"])
def test_nothing_is_overwritten_and_nothing_purged_where_nothing_can_be_written(
    shell: Shell, tmp_path: Path, file: Path, there: str
) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", *BAD)
    if there == "a file":
        file.write_bytes(b"precious")
    elif there == "a link to nothing":
        file.symlink_to("elsewhere")
    elif there == "a folder":
        file.mkdir()
    else:
        file = tmp_path / "nowhere" / "letters.jsonl"
    error = purge(shell, "wrong.jsonl", file, code=1)
    assert ("cannot be written" if there == "no folder" else "this file exists") in error
    assert "Errno" not in error
    assert there != "a file" or file.read_bytes() == b"precious"
    assert len(names(shell)) == len(BAD)


def test_a_disk_that_is_full_leaves_the_letters_and_no_file(shell: Shell, tmp_path: Path, file: Path) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", b'{"event_id": 5, "more": "' + b"x" * 200_000 + b'"}', BAD[0])
    words = f"trap '' XFSZ; ulimit -f 100; {sys.executable} -m deploy.commands dead-letters purge --import wrong.jsonl"
    done = subprocess.run(
        ["bash", "-c", f"{words} --yes --export {file}"],
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, b"cannot be written: File too large" in done.stderr) == (1, True), done.stderr
    assert not file.exists()
    assert len(names(shell)) == 2


def test_a_letter_that_was_sealed_with_another_key_keeps_all_of_them(shell: Shell, tmp_path: Path, file: Path) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", *BAD)
    shell.environment["FUNDWATCH_VAULT_KEY"] = "another key, " * 5
    error = purge(shell, "wrong.jsonl", file, code=1)
    assert "nothing was purged: letter claims/" in error
    assert "another key" in error
    assert not file.exists()
    assert len(names(shell)) == len(BAD)


# --- asking


def test_without_a_terminal_it_has_to_be_said(shell: Shell, tmp_path: Path, file: Path) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", *BAD)
    words = ("dead-letters", "purge", "--import", "wrong.jsonl", "--export", str(file))
    assert "--yes" in shell(*words, code=1, given=b"y\n")
    assert not file.exists()
    assert len(names(shell)) == len(BAD)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_it_is_asked(shell: Shell, tmp_path: Path, file: Path, answer: str) -> None:
    take_in(shell, tmp_path, "wrong.jsonl", *BAD)
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        words = ("dead-letters", "purge", "--import", "wrong.jsonl", "--export", str(file))
        done = shell.run(*words, terminal=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    asked = done.stderr.decode()
    assert f"imported under this name {len(BAD)} dead letters are written" in asked
    assert (done.returncode, file.exists(), len(names(shell))) == ((0, True, 0) if answer == "y" else (1, False, 5))


async def test_who_purged_stands_in_the_audit_log_also_where_it_was_stopped(
    connection: Connection, shell: Shell, file: Path
) -> None:
    await bury(connection, 3)
    await connection.execute("update dead_letters set body = 'sealed by nobody' where \"offset\" = 2")
    assert "another key" in await asyncio.to_thread(purge, shell, "many.jsonl", file, 1)
    await connection.execute('delete from dead_letters where "offset" = 2')
    await asyncio.to_thread(purge, shell, "many.jsonl", file)
    rows = await connection.fetch("select by, act, about::text from audit_log where act like '%purge%' order by seq")
    assert [(row["by"], row["act"], json.loads(row["about"])) for row in rows] == [
        ("somebody", "began_purge", {"purge": "1"}),
        ("somebody", "began_purge", {"purge": "2"}),
        ("somebody", "purged", {"purge": "2", "letters": "2"}),
    ]


# --- beside others, and interrupted


async def test_a_letter_that_comes_meanwhile_stays(connection: Connection, other: Connection) -> None:
    """Also one whose number was drawn before the export and that is committed after it."""
    await bury(connection, 10)
    late = other.transaction()
    await late.start()
    await bury(other, 1, offset=500, partition=1)
    await bury(connection, 10, source="another.jsonl", offset=200)
    await bury(connection, 10, offset=100)
    number = await purges.begin_purge(connection, "many.jsonl", "somebody", "f")
    found = [json.loads(line) async for line in purging.export(connection, VAULT, "many.jsonl")]
    await late.commit()
    await bury(other, 3, offset=600, partition=1)
    await purges.save_export(connection, number, len(found), "hash")
    done = await purging.take_away(connection, number, [line["seq"] for line in found], "somebody")
    assert (len(found), done.purged) == (20, 20)
    left = await dead_letters.find_dead_letters(connection, LetterFilter(source="many.jsonl"), dead_letters.NEWEST, 99)
    assert sorted(letter.offset for _, letter in left) == [500, 600, 601, 602]
    assert await troubles(connection) == []


async def test_a_file_that_names_letters_of_others_takes_none_of_them_away(connection: Connection) -> None:
    await bury(connection, 3)
    await bury(connection, 3, source="another.jsonl", offset=100)
    number = await purges.begin_purge(connection, "many.jsonl", "somebody", "f")
    seqs = [row["seq"] for row in await connection.fetch("select seq from dead_letters")]
    assert (await purging.take_away(connection, number, seqs, "somebody")).purged == 3


async def test_our_own_messages_are_missing_until_they_are_replayed_and_stay(connection: Connection) -> None:
    await bury(connection, 2)
    await connection.execute("update dead_letters set topic = 'findings' where \"offset\" = 0")
    found = [json.loads(line) async for line in purging.export(connection, VAULT, "many.jsonl")]
    assert [line["name"] for line in found] == ["claims/0/1"]
    assert (await purging.count_of(connection, "many.jsonl")).letters == 1


async def test_what_was_replayed_goes_too_and_the_replay_still_adds_up(connection: Connection) -> None:
    await bury(connection, 6)
    replay = await begin_replay(connection, LetterFilter(source="many.jsonl", reason=None), "somebody")
    assert replay is not None
    await go_on_replaying(connection, Outbound(), VAULT, replay)  # type: ignore[arg-type]
    await bury(connection, 4, offset=100)
    before = await dead_letters.find_replay(connection, replay, ["claims"])
    assert await troubles(connection) == ["sent replay 1"], "a bus that keeps what it is given"
    number = await purges.begin_purge(connection, "many.jsonl", "somebody", "f")
    found = [json.loads(line) async for line in purging.export(connection, VAULT, "many.jsonl")]
    done = await purging.take_away(connection, number, [line["seq"] for line in found], "somebody")
    assert (done.purged, done.replayed) == (10, 6)
    assert await dead_letters.find_replay(connection, replay, ["claims"]) == before
    assert await troubles(connection) == ["sent replay 1"], "what it sent is missing still"


async def test_a_replay_goes_on_with_what_a_purge_left(connection: Connection) -> None:
    await bury(connection, 5)
    await bury(connection, 5, source="another.jsonl", offset=100)
    replay = await begin_replay(connection, LetterFilter(), "somebody")
    assert replay is not None
    number = await purges.begin_purge(connection, "many.jsonl", "somebody", "f")
    found = [json.loads(line) async for line in purging.export(connection, VAULT, "many.jsonl")]
    await purging.take_away(connection, number, [line["seq"] for line in found], "somebody")
    bus = Outbound()
    assert await go_on_replaying(connection, bus, VAULT, replay) is False  # type: ignore[arg-type]
    assert len(bus.sent) == 5
    found_replay = await dead_letters.find_replay(connection, replay, ["claims"])
    assert found_replay is not None
    assert found_replay.finished_at is not None


async def test_two_who_purge_at_once_take_each_letter_away_once(connection: Connection, other: Connection) -> None:
    await bury(connection, 2 * STEP + 50)
    numbers = [await purges.begin_purge(of, "many.jsonl", "somebody", "f") for of in (connection, other)]
    seqs = [row["seq"] for row in await connection.fetch("select seq from dead_letters order by seq")]
    done = await asyncio.gather(
        purging.take_away(connection, numbers[0], seqs, "somebody"),
        purging.take_away(other, numbers[1], seqs[::-1], "somebody"),
    )
    assert sum(purge.purged for purge in done) == 2 * STEP + 50
    assert await troubles(connection) == []


async def _purged(connection: Connection) -> int:
    return int(await connection.fetchval("select coalesce(sum(letters), 0) from purged_letters"))


async def _end_sessions_but(connection: Connection, other: Connection) -> None:
    """Ends what a killed command left waiting: its server process would go on with the statement once it may."""
    await connection.execute(
        """
        select pg_terminate_backend(pid, $1) from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> all($2::int[])
        """,
        int(PATIENCE * 1000),
        [connection.get_server_pid(), other.get_server_pid()],
    )


async def test_one_that_was_killed_goes_on_by_the_same_command(
    connection: Connection, other: Connection, shell: Shell, tmp_path: Path, file: Path
) -> None:
    number = 3 * STEP + 10
    await bury(connection, number)
    held = other.transaction()
    await held.start()
    await other.execute('select from dead_letters where "offset" = $1 for update', 2 * STEP + 5)
    words = ["dead-letters", "purge", "--import", "many.jsonl", "--export", str(file), "--yes"]
    process = subprocess.Popen([sys.executable, "-m", "deploy.commands", *words], env=shell.environment)
    try:
        until = time.monotonic() + PATIENCE
        while await _purged(connection) < 2 * STEP and time.monotonic() < until:
            assert process.poll() is None
            await asyncio.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    await _end_sessions_but(connection, other)
    await held.rollback()
    before = file.read_bytes()
    assert await _purged(connection) == 2 * STEP
    assert await troubles(connection) == []
    elsewhere = tmp_path / "other.jsonl"
    elsewhere.write_bytes(before + b'{"seq": 1}\n')
    assert "this file exists" in await asyncio.to_thread(purge, shell, "many.jsonl", elsewhere, 1)
    done = await asyncio.to_thread(purge, shell, "many.jsonl", file)
    assert (done["purge"]["purged"], done["purge"]["letters"], done["left"]) == (number, number, 0)
    assert file.read_bytes() == before
    assert len(written(file)) == number
    assert (await _purged(connection), await troubles(connection)) == (number, [])
    assert "this file exists" in await asyncio.to_thread(purge, shell, "many.jsonl", file, 1)


async def test_one_that_was_killed_may_begin_again_with_another_file(
    connection: Connection, shell: Shell, tmp_path: Path
) -> None:
    await bury(connection, 20)
    number = await purges.begin_purge(connection, "many.jsonl", "somebody", "first.jsonl")
    await purges.save_export(connection, number, 20, "hash of the first file")
    first = [row["seq"] for row in await connection.fetch("select seq from dead_letters order by seq limit 8")]
    await purges.take_away(connection, number, first)
    done = await asyncio.to_thread(purge, shell, "many.jsonl", tmp_path / "second.jsonl")
    assert (done["purge"]["purged"], done["purge"]["letters"]) == (12, 12)
    assert await purges.find_unfinished(connection, "many.jsonl", "hash of the first file") is None
    assert [(of.purged, of.finished_at is None) for of in await purges.find_purges(connection, 9)] == [
        (12, False),
        (8, False),
    ]
    assert await troubles(connection) == []
