"""What a lost process left in its journal, told and sent by commands, as the drill in docs/operations.md says."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.commands.examination.journals import OLD, examine_journal, examine_journals
from deploy.commands.examination.signs import State
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.journal.folder import JournalState, look_into
from streams.journal.journal import open_journal
from streams.store.sessions import open_pool
from streams.topics import DECISIONS
from tests.patience import PATIENCE
from tests.shell import Shell

HOLDER = """
import asyncio, sys
from pathlib import Path
from streams.bus import Message
from streams.journal.journal import open_journal

async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        for number in range(int(sys.argv[2])):
            await journal.append("decisions", [Message(b"k", b"%d" % number, "a hospital")])
        print("kept", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journals" / "gateway"


def keep(folder: Path, *values: bytes, topic: str = DECISIONS) -> None:
    async def run() -> None:
        async with open_journal(folder) as journal:
            for value in values:
                await journal.append(topic, [Message(b"k", value, "a hospital")])

    asyncio.run(run())


def on_the_bus(dsn: str, topic: str) -> list[bytes | None]:
    async def read() -> list[bytes | None]:
        async with open_pool(dsn) as pool:
            bus = PostgresBus(pool)
            consumer = await bus.consumer("looking", topic, "m", None)
            batch = await consumer.fetch(10_000, 100_000_000, wait=0.1)
            await consumer.close()
            return [] if batch is None else [record.value for record in batch.records]

    return asyncio.run(read())


def test_what_a_killed_process_left_is_sent_once_and_a_living_one_keeps_its_own(
    shell: Shell, folder: Path, tmp_path: Path, postgres_url: str
) -> None:
    command = [sys.executable, "-c", HOLDER, folder, "700"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"kept\n"
        told = shell.json("journal", "status", str(folder))
        assert (told["records"], told["is_held"], told["damaged"]) == (700, True, 0)
        assert str(folder) in shell("journal", "send", str(folder), code=1)
        holder.kill()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    told = shell.json("journal", "status", str(copy))
    assert (told["records"], told["is_held"]) == (700, False)
    assert "700" in shell("journal", "status", str(copy))
    assert shell.json("journal", "send", str(copy))["sent"] == 700
    again = shell.json("journal", "send", str(copy))
    assert (again["sent"], again["records"], again["oldest_at"], again["is_held"]) == (0, 0, None, False)
    assert on_the_bus(postgres_url, DECISIONS) == [b"%d" % number for number in range(700)]


def test_a_sending_that_is_interrupted_is_gone_on_with(shell: Shell, folder: Path, postgres_url: str) -> None:
    keep(folder, *(b"%d" % number for number in range(3_000)))
    words = [sys.executable, "-m", "deploy.commands", "journal", "send", str(folder)]
    with subprocess.Popen(words, env=shell.environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and look_into(folder).records == 3_000:
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)
    assert code in (0, 130)
    left = look_into(folder).records
    assert left < 3_000
    assert shell.json("journal", "send", str(folder))["sent"] == left
    assert on_the_bus(postgres_url, DECISIONS) == [b"%d" % number for number in range(3_000)]


def test_damage_is_told_and_what_is_whole_is_sent(shell: Shell, folder: Path, postgres_url: str) -> None:
    keep(folder, b"1", b"2", b"3")
    (segment,) = folder.glob("*.records")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    told = shell.json("journal", "status", str(folder))
    assert (told["records"], told["damaged"], told["missing"]) == (2, 1, 1)
    said = shell("journal", "send", str(folder), code=1)
    assert f"{folder}/damaged: 1" in said
    assert on_the_bus(postgres_url, DECISIONS) == [b"1", b"3"]
    assert [path.name for path in (folder / "damaged").iterdir()] == [segment.name]
    (folder / "damaged" / segment.name).unlink()
    assert shell.json("journal", "send", str(folder))["sent"] == 0


def test_a_topic_that_the_bus_does_not_have_is_named_and_nothing_is_lost(shell: Shell, folder: Path) -> None:
    keep(folder, b"1", topic="hearsay")
    assert "no topic hearsay" in shell("journal", "send", str(folder), code=1)
    assert look_into(folder).records == 1


def test_a_bus_that_is_away_is_told_in_a_sentence_and_nothing_is_lost(
    shell: Shell, folder: Path, free_port: int
) -> None:
    keep(folder, b"1")
    shell.environment["FUNDWATCH_DATABASE_URL"] = f"postgresql://u:hidden-word@127.0.0.1:{free_port}/x"
    said = shell("journal", "send", str(folder), code=1)
    assert "no server answers" in said
    assert "hidden-word" not in said
    assert look_into(folder).records == 1


def test_a_folder_that_is_no_journal_is_refused_and_left_as_it_is(shell: Shell, tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        for command in ("status", "send"):
            assert f"no folder of a journal: {folder}" in shell("journal", command, str(folder), code=1)
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "lock").exists()


# --- the doctor


NOW = datetime(2026, 11, 30, tzinfo=UTC)


def state(seconds: float | None = None, damaged: int = 0, is_held: bool = True) -> JournalState:
    oldest = None if seconds is None else NOW - timedelta(seconds=seconds)
    return JournalState(0 if oldest is None else 3, 300, oldest, damaged, 0, is_held)


@pytest.mark.parametrize(
    ("found", "sign", "remedy"),
    [
        (state(), State.OK, ""),
        (state(is_held=False), State.OK, ""),
        (state(OLD - 1), State.OK, ""),
        (state(OLD + 1), State.FAULT, "journalold"),
        (state(1, is_held=False), State.WARNING, "fundwatch journal send /journals/gateway"),
        (state(damaged=1), State.FAULT, "journaldamaged"),
    ],
)
def test_the_doctor_says_what_is_amiss_with_a_journal(found: JournalState, sign: State, remedy: str) -> None:
    told = examine_journal(Path("/journals/gateway"), found, NOW)
    assert told.state is sign
    assert told.says.startswith("/journals/gateway: ")
    assert (remedy in told.remedy) if remedy else told.remedy == ""


def test_the_doctor_looks_at_each_journal_below_the_folder_and_changes_none(
    shell: Shell, folder: Path, tmp_path: Path
) -> None:
    keep(folder, b"1")
    keep(folder.with_name("other"))
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*"))
    found = shell.run("doctor", "--json").stdout.decode()
    assert str(folder) in found
    assert f"fundwatch journal send {folder}" in found
    assert str(folder.with_name("other")) in found
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*")) == before
    assert list(examine_journals(tmp_path / "none", NOW)) == []


def test_a_journal_that_cannot_be_read_is_a_sign_of_its_own(folder: Path) -> None:
    keep(folder, b"1")
    (folder / "sent").unlink()
    (folder / "sent").mkdir()
    (told,) = examine_journals(folder.parent, NOW)
    assert (told.state, "IsADirectoryError" in told.says) == (State.FAULT, True)
