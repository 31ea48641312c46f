"""The embedded PostgreSQL: who owns it, what is left behind by processes that were killed, what its log holds."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.embedded.folders import birth
from deploy.embedded.kafka import start_kafka
from deploy.embedded.postgres import find_running, start_postgres
from deploy.embedded.postgres_programs import EmbeddedError, find_server_user, run_program
from tests.deploy.names import ODD_NAMES
from tests.patience import PATIENCE

# Starts the server of folder argv[1], says whether it owns it, and waits for its input to end.
STARTER = """
import sys
from pathlib import Path
from deploy.embedded.postgres import start_postgres

server = start_postgres(Path(sys.argv[1]))
try:
    print("owner" if server.is_owner else "guest", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder outside pytest's own, whose path may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-embedded-") as name:
        yield Path(name) / "postgres"


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _role(starter: subprocess.Popen[str]) -> str:
    assert starter.stdout is not None
    return starter.stdout.readline().strip()


def _end(starter: subprocess.Popen[str], how: signal.Signals | None = None) -> int:
    if how is not None:
        starter.send_signal(how)
    starter.communicate(timeout=PATIENCE)
    return starter.returncode


def _server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split("\n")[0])


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def _fetch(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_second_run_finds_the_data(folder: Path) -> None:
    with start_postgres(folder) as server:
        await _fetch(server.dsn, "create table kept as select 7 as value")
    with start_postgres(folder) as server:
        assert await _fetch(server.dsn, "select value from kept") == 7


async def test_server_is_postgresql_18_ordered_as_python_orders(folder: Path) -> None:
    with start_postgres(folder) as server:
        assert str(await _fetch(server.dsn, "show server_version")).startswith("18.")
        assert await _fetch(server.dsn, "show timezone") == "UTC"
        assert await _fetch(server.dsn, "show shared_buffers") == "512MB"
        assert await _fetch(server.dsn, "show synchronous_commit") == "on"
        words = ["a", "B", "院", "é", "Z", "\U00020000", "\uffee"]
        query = (
            "select array_agg(word order by word) from unnest(array['a','B','院','é','Z','\U00020000','\uffee']) word"
        )
        assert await _fetch(server.dsn, query) == sorted(words)


async def test_guest_leaves_the_server_of_its_owner_alone(folder: Path) -> None:
    with start_postgres(folder) as owner:
        guest = _start(folder)
        assert _role(guest) == "guest"
        assert _end(guest) == 0
        with start_postgres(folder) as second:
            assert not second.is_owner
        assert await _fetch(owner.dsn, "select 1") == 1


async def test_the_server_outlives_its_owner_while_a_guest_uses_it(folder: Path) -> None:
    owner = start_postgres(folder)
    guest = start_postgres(folder)
    pid = _server_pid(folder)
    owner.stop()
    assert await _fetch(guest.dsn, "select 1") == 1
    guest.stop()
    assert not _lives(pid)


def test_of_two_first_starters_one_owns_the_server(folder: Path) -> None:
    starters = [_start(folder), _start(folder)]
    assert sorted(map(_role, starters)) == ["guest", "owner"]
    pid = _server_pid(folder)
    for starter in starters:
        assert _end(starter) == 0
    assert not _lives(pid)


@pytest.mark.parametrize("how", [None, signal.SIGINT], ids=["end", "ctrl-c"])
def test_owner_ends_the_server(folder: Path, how: signal.Signals | None) -> None:
    owner = _start(folder)
    assert _role(owner) == "owner"
    pid = _server_pid(folder)
    assert _end(owner, how) == 0
    assert not _lives(pid)
    assert not (folder / "data" / "postmaster.pid").exists()


def test_server_of_a_killed_owner_is_taken_on_and_ended(folder: Path) -> None:
    owner = _start(folder)
    assert _role(owner) == "owner"
    pid = _server_pid(folder)
    assert _end(owner, signal.SIGKILL) == -signal.SIGKILL
    assert _lives(pid)
    with start_postgres(folder) as server:
        assert server.is_owner
        assert _server_pid(folder) == pid
    assert not _lives(pid)


async def test_killed_server_recovers(folder: Path) -> None:
    with start_postgres(folder) as server:
        await _fetch(server.dsn, "create table kept as select 7 as value")
        pid = _server_pid(folder)
        os.kill(pid, signal.SIGKILL)
        while _lives(pid):
            time.sleep(0.01)
    with start_postgres(folder) as server:
        assert await _fetch(server.dsn, "select value from kept") == 7


async def test_process_id_that_another_program_uses_now_is_stale(folder: Path) -> None:
    with start_postgres(folder):
        pid_file = (folder / "data" / "postmaster.pid").read_text()
    # As the server's own user: PostgreSQL takes an id of anybody else's process for stale by itself.
    with subprocess.Popen(["sleep", "60"], **find_server_user().start_arguments()) as other:
        (folder / "data" / "postmaster.pid").write_text("\n".join([str(other.pid), *pid_file.split("\n")[1:]]))
        (folder / ".s.PGSQL.5432.lock").write_text(f"{other.pid}\n")
        try:
            with start_postgres(folder) as server:
                assert await _fetch(server.dsn, "select 1") == 1
        finally:
            other.kill()


async def test_the_server_of_another_folder_is_never_taken_for_this_ones(folder: Path) -> None:
    """After a loss of power postmaster.pid may name what by now is another folder's server, of the same user."""
    one, other = folder / "one", folder / "other"
    with start_postgres(other):
        pass
    with start_postgres(one) as running:
        mine = (one / "data" / "postmaster.pid").read_text()
        (other / "data" / "postmaster.pid").write_text(mine.replace(str(one), str(other)))
        assert find_running(other) is None
        with start_postgres(other) as server:
            assert await _fetch(server.dsn, "show data_directory") == str(other / "data")
        assert await _fetch(running.dsn, "show data_directory") == str(one / "data")


async def test_a_process_that_began_at_another_time_is_not_this_folders_server(folder: Path) -> None:
    """It is called as a server is, has the id of one that is gone, and works in its very data folder."""
    with start_postgres(folder):
        lines = (folder / "data" / "postmaster.pid").read_text().split("\n")
    lines[2] = str(int(lines[2]) - 3600)
    (folder / "postgres").symlink_to(shutil.which("sleep") or "sleep")
    place = find_server_user().start_arguments() | {"cwd": folder / "data"}
    with subprocess.Popen([str(folder / "postgres"), "1000"], **place) as other:
        try:
            for note in ("", f"{other.pid} {birth(other.pid) - 3600}\n"):
                (folder / "birth").write_text(note)
                (folder / "data" / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]))
                assert find_running(folder) is None
            with start_postgres(folder) as server:
                assert await _fetch(server.dsn, "select 1") == 1
            assert other.poll() is None
        finally:
            other.kill()


def test_a_server_is_known_after_the_clock_was_set_and_where_its_owner_did_not_note_its_start(folder: Path) -> None:
    with start_postgres(folder) as server:
        pid_file, note = folder / "data" / "postmaster.pid", folder / "birth"
        as_written, noted = pid_file.read_text(), note.read_text()
        note.unlink()
        assert find_running(folder) == server.dsn
        note.write_text(noted)
        lines = as_written.split("\n")
        pid_file.write_text("\n".join([*lines[:2], str(int(lines[2]) - 86400), *lines[3:]]))
        assert find_running(folder) == server.dsn


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_folder_of_any_name_works(folder: Path, name: str) -> None:
    with start_postgres(folder / name) as server:
        assert await _fetch(server.dsn, "select 1") == 1
        assert find_running(folder / name) is not None
        assert await _fetch(find_running(folder / name) or "", "select 1") == 1


def test_a_folder_that_is_not_named_in_utf8_is_refused_in_one_sentence(folder: Path) -> None:
    name = folder / os.fsdecode(b"a\xffb")
    for start in (start_postgres, start_kafka):
        with pytest.raises(EmbeddedError, match=r"is not UTF-8: .*a\\xffb$"):
            start(name)
    assert not folder.exists()


async def test_first_start_that_was_cut_short_is_made_anew(folder: Path) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    with start_postgres(folder) as server:
        assert await _fetch(server.dsn, "select current_database()") == "fundwatch"


async def test_path_too_long_for_a_socket_and_full_of_odd_characters(folder: Path) -> None:
    with start_postgres(folder / "大冶, o'clock" / ("d" * 100)) as server:
        assert await _fetch(server.dsn, "select 1") == 1
    assert not server.sockets.exists()


def test_link_laid_where_the_short_socket_folder_would_be_is_refused(folder: Path) -> None:
    target = folder / ("d" * 100)
    with start_postgres(target) as server:
        short = server.sockets
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    short.symlink_to(elsewhere)
    try:
        with pytest.raises(EmbeddedError, match="belongs to somebody else"):
            start_postgres(target)
    finally:
        short.unlink()


async def test_log_repeats_no_row(folder: Path) -> None:
    with start_postgres(folder) as server:
        await _fetch(server.dsn, "create table patients (id text primary key)")
        await _fetch(server.dsn, "insert into patients values ('p-secret')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await _fetch(server.dsn, "insert into patients values ('p-secret')")
    log = (folder / "server.log").read_text()
    assert "duplicate key" in log
    assert "p-secret" not in log


def test_server_that_does_not_start_says_why_in_one_sentence(folder: Path) -> None:
    with start_postgres(folder):
        pass
    (folder / "data" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedError, match="pg_control") as raised:
        start_postgres(folder)
    assert "\n" not in str(raised.value)


def test_program_that_fails_is_named_in_one_sentence(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="pg_ctl failed") as raised:
        run_program(find_server_user(), "pg_ctl", "status", "-D", folder / "absent")
    assert "\n" not in str(raised.value)
