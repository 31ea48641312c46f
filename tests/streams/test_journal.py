"""The journal: what was confirmed is there, whatever happens to the process, the disk or the bytes."""

import asyncio
import errno
import itertools
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import IO

import pytest

from streams.bus import Message
from streams.hosts import metrics
from streams.hosts.metrics import REGISTRY
from streams.journal import JournalError, JournalFailed, JournalFull, JournalHeld
from streams.journal import folder as folders
from streams.journal import writer as writers
from streams.journal.folder import find_journals, is_held, look_into
from streams.journal.journal import CLOSED, DISK_FAILED, DISK_FULL, FULL, REASONS, Journal, Limits, Watch, open_journal
from streams.journal.records import FRAME_BYTES, LARGEST, Kept, encode_body
from tests.patience import PATIENCE

from .journal_process import LARGEST_FILE, message_of, number_of

TOPIC = "prescriptions"
SMALL = Limits(segment_bytes=4_000)


def messages(*numbers: int) -> list[Message]:
    return [Message(b"k%d" % number, b"v%d" % number * 20, "s") for number in numbers]


async def drain(journal: Journal) -> list[Kept]:
    """Everything that is not sent, marked as sent."""
    found = []
    while kept := await journal.unsent(7):
        found += kept
        await journal.sent_up_to(kept[-1].position)
    return found


async def left_in(folder: Path, limits: Limits = SMALL) -> list[Message]:
    """What the next process finds to be sent, and sends."""
    async with open_journal(folder, limits) as journal:
        return [kept.message for kept in await drain(journal)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.records"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# --- keeping and sending


async def test_what_is_kept_is_what_was_appended_in_order(folder: Path) -> None:
    odd = [
        Message(b"k", b"\x00\xff" * 10, "a file", 7),
        Message(None, None, "s"),
        Message(b"", b"", "来源"),
        Message(b"k", b"x" * 10_000, "s"),
    ]
    began = datetime.now(UTC)
    async with open_journal(folder, SMALL) as journal:
        await journal.append(TOPIC, odd[:2])
        await journal.append("replies", odd[2:])
        kept = await drain(journal)
    assert [of.position for of in kept] == [0, 1, 2, 3]
    assert [of.topic for of in kept] == [TOPIC, TOPIC, "replies", "replies"]
    assert [of.message for of in kept] == odd
    assert began <= kept[0].at <= kept[1].at <= datetime.now(UTC)


async def test_the_next_process_goes_on_where_the_mark_stands(folder: Path) -> None:
    async with open_journal(folder, SMALL) as journal:
        await journal.append(TOPIC, messages(*range(100)))
        kept = await journal.unsent(30)
        await journal.sent_up_to(kept[-1].position)
        assert [of.message for of in await journal.unsent(2)] == messages(30, 31)
    async with open_journal(folder, SMALL) as journal:
        assert (await journal.unsent(1))[0].position == 30
        await journal.append(TOPIC, messages(100))
        found = await drain(journal)
    assert [of.message for of in found] == messages(*range(30, 101))
    assert [of.position for of in found] == list(range(30, 101))
    assert await left_in(folder) == []


async def test_the_same_are_given_out_until_they_are_sent(folder: Path) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1, 2, 3))
        assert await journal.unsent(2) == await journal.unsent(2)
        await journal.sent_up_to(0)
        await journal.sent_up_to(0)
        assert [of.position for of in await journal.unsent()] == [1, 2]


async def test_what_was_not_given_out_cannot_be_marked_as_sent(folder: Path) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1, 2, 3))
        with pytest.raises(ValueError, match="position 0"):
            await journal.sent_up_to(0)
        await journal.unsent(2)
        with pytest.raises(ValueError, match="position 2"):
            await journal.sent_up_to(2)
    assert await left_in(folder) == messages(1, 2, 3)


async def test_segments_stay_small_and_are_removed_once_sent(folder: Path) -> None:
    async with open_journal(folder, SMALL) as journal:
        for number in range(200):
            await journal.append(TOPIC, messages(number))
        assert len(segments(folder)) > 4
        assert all(path.stat().st_size <= SMALL.segment_bytes for path in segments(folder))
        await drain(journal)
        assert len(segments(folder)) == 1
    assert segments(folder) == []


async def test_a_mark_that_is_lost_or_damaged_means_repeats_and_no_loss(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for spoil in (Path.unlink, lambda mark: mark.write_bytes(b"x" * 12), lambda mark: mark.write_bytes(b"")):
        async with open_journal(folder) as journal:
            await journal.append(TOPIC, messages(1, 2, 3))
            await journal.sent_up_to((await journal.unsent(2))[-1].position)
        spoil(folder / "sent")
        assert (await left_in(folder))[:3] == messages(1, 2, 3)
    assert caplog.text.count("sent is damaged") == 2


async def test_an_append_that_is_too_large_is_refused_and_costs_nothing(folder: Path) -> None:
    async with open_journal(folder) as journal:
        with pytest.raises(ValueError, match="too large"):
            await journal.append(TOPIC, [Message(b"k", b"x" * LARGEST, "s")])
        await journal.append(TOPIC, [])
        assert journal.state.records == 0
        await journal.append(TOPIC, messages(1))
    assert await left_in(folder) == messages(1)


async def test_state_tells_what_waits_and_since_when(folder: Path) -> None:
    async with open_journal(folder, SMALL) as journal:
        assert (journal.state.records, journal.state.size, journal.state.oldest_at) == (0, 0, None)
        await journal.append(TOPIC, messages(1))
        (first,) = await journal.unsent()
        await journal.append(TOPIC, messages(2))
        size = sum(FRAME_BYTES + len(encode_body(TOPIC, of)) for of in messages(1, 2))
        state = journal.state
        assert (state.records, state.size, state.oldest_at) == (2, size, first.at)
        assert (state.damaged, state.missing, state.is_held) == (0, 0, True)
        assert look_into(folder) == state
        await journal.sent_up_to(0)
        (second,) = await journal.unsent()
        assert journal.state.oldest_at in (first.at, second.at)
        await drain(journal)
        assert (journal.state.records, journal.state.size, journal.state.oldest_at) == (0, 0, None)
        await journal.append(TOPIC, messages(3))
        third = journal.state.oldest_at
        assert third is not None
        assert third > second.at
    left = look_into(folder)
    assert (left.records, left.oldest_at, left.is_held) == (1, third, False)


# --- one process


async def test_a_second_opener_is_told_which_folder_is_taken(folder: Path) -> None:
    async with open_journal(folder) as journal:
        assert is_held(folder)
        with pytest.raises(JournalHeld, match=str(folder)):
            async with open_journal(folder):
                pass
        await journal.append(TOPIC, messages(1))
    assert not is_held(folder)
    assert await left_in(folder) == messages(1)


async def test_whoever_looks_for_a_moment_keeps_no_process_from_opening(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_journal(folder):
        pass
    looking = os.open(folder / "lock", os.O_RDONLY)
    folders.fcntl.flock(looking, folders.fcntl.LOCK_SH)
    monkeypatch.setattr(folders.time, "sleep", lambda _seconds: os.close(looking))
    async with open_journal(folder):
        assert is_held(folder)


async def test_folders_of_journals_are_found_and_others_are_none(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "file").touch()
    assert find_journals(tmp_path / "none") == []
    for name in ("b", "a"):
        async with open_journal(tmp_path / name):
            pass
    assert find_journals(tmp_path) == [tmp_path / "a", tmp_path / "b"]


async def test_nobody_else_may_read_it(folder: Path) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1))
        await journal.unsent()
        await journal.sent_up_to(0)
        assert folder.stat().st_mode & 0o077 == 0
        assert [path for path in folder.iterdir() if path.stat().st_mode & 0o077] == []
        assert len(list(folder.iterdir())) == 3


# --- killed


def lines_of(pipe: IO[bytes], confirmations: int) -> Iterator[str]:
    """What the process says, up to so many confirmations."""
    while confirmations:
        line = pipe.readline().decode()
        assert line, "the process ended"
        confirmations -= line.startswith("c")
        yield line


async def test_every_confirmed_record_is_read_once_after_twenty_kills(folder: Path) -> None:
    random = Random(15)
    appended, confirmed, sent = set[int](), set[int](), list[int]()
    torn = 0
    for turn in range(20):
        command = [sys.executable, "-m", "tests.streams.journal_process", folder, "--first", str(len(appended))]
        if turn % 2:
            command += ["--strike", str(random.randrange(1, 300))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            lines = [] if turn % 2 else list(lines_of(process.stdout, random.randrange(1, 150)))
            if not turn % 2:
                process.kill()
            lines += process.stdout.read().decode().splitlines()
        said = [line.split() for line in lines if len(line.split()) == 2]
        appended |= {int(number) for word, number in said if word == "a"}
        confirmed |= {int(number) for word, number in said if word == "c"}
        assert all(word in "ac" for word, _ in said)
        size = segments(folder)[-1].stat().st_size
        async with open_journal(folder, SMALL) as journal:
            torn += not segments(folder) or segments(folder)[-1].stat().st_size < size
            while kept := await journal.unsent(random.randrange(1, 40)):
                assert [of.message for of in kept] == [message_of(number_of(of.message)) for of in kept]
                if random.random() < 0.1:
                    break
                sent += [number_of(of.message) for of in kept]
                await journal.sent_up_to(kept[-1].position)
            assert journal.state.damaged == 0
    async with open_journal(folder, SMALL) as journal:
        sent += [number_of(of.message) for of in await drain(journal)]
    assert len(sent) == len(set(sent))
    assert confirmed <= set(sent) <= appended
    assert len(confirmed) > 500
    assert torn > 0


async def test_an_end_torn_at_any_byte_is_cut_and_the_rest_is_there(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1, 2))
        whole = segments(folder)[0].stat().st_size
        await journal.append(TOPIC, messages(3))
    (path,) = segments(folder)
    data = path.read_bytes()
    for cut in range(whole, len(data)):
        caplog.clear()
        torn = tmp_path / f"torn-{cut}"
        shutil.copytree(folder, torn)
        (torn / path.name).write_bytes(data[:cut])
        async with open_journal(torn) as journal:
            assert (torn / path.name).stat().st_size == whole
            assert journal.state.damaged == 0
            await journal.append(TOPIC, messages(4))
        said = [record.getMessage() for record in caplog.records]
        assert [f"{cut - whole} bytes" in line for line in said] == ([True] if cut > whole else [])
        assert await left_in(torn) == messages(1, 2, 4)
        shutil.rmtree(torn)


async def test_zeros_that_a_power_cut_left_at_the_end_are_cut(folder: Path) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1))
    with segments(folder)[0].open("ab") as file:
        file.write(bytes(5_000))
    async with open_journal(folder) as journal:
        assert journal.state.damaged == 0
    assert await left_in(folder) == messages(1)


# --- damaged


async def test_whatever_byte_is_flipped_the_others_are_found_and_the_damage_is_told(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ends = [0]
    async with open_journal(folder) as journal:
        for number in range(3):
            await journal.append(TOPIC, messages(number))
            ends.append(segments(folder)[0].stat().st_size)
    (path,) = segments(folder)
    data = path.read_bytes()
    for at in range(len(data)):
        number = sum(end <= at for end in ends[1:])
        caplog.clear()
        spoilt = tmp_path / f"spoilt-{at}"
        shutil.copytree(folder, spoilt)
        (spoilt / path.name).write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        size = ends[number + 1] - ends[number]
        # Twice, since the damage is to be known the next time too.
        for _ in range(2):
            async with open_journal(spoilt) as journal:
                assert (journal.state.damaged, journal.state.missing, journal.state.records) == (1, 1, 2)
        assert f"{size} bytes from {ends[number]} on" in caplog.text
        assert await left_in(spoilt) == messages(*({0, 1, 2} - {number}))
        assert [aside.name for aside in (spoilt / "damaged").iterdir()] == [path.name]
        assert look_into(spoilt).damaged == 1
        shutil.rmtree(spoilt)


async def test_bytes_that_are_gone_from_the_middle_cost_their_records_alone(folder: Path) -> None:
    async with open_journal(folder) as journal:
        for number in range(5):
            await journal.append(TOPIC, messages(number))
    (path,) = segments(folder)
    data = path.read_bytes()
    size = len(data) // 5
    path.write_bytes(data[: size + 10] + data[3 * size - 20 :])
    async with open_journal(folder) as journal:
        assert (journal.state.damaged, journal.state.missing) == (1, 2)
        assert [of.message for of in await drain(journal)] == messages(0, 3, 4)


async def test_a_segment_that_ends_too_soon_is_told_though_no_byte_of_it_is_wrong(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(folder, SMALL) as journal:
        await journal.append(TOPIC, messages(*range(10)))
    async with open_journal(folder, SMALL) as journal:
        await journal.append(TOPIC, messages(10))
    os.truncate(segments(folder)[0], 0)
    async with open_journal(folder, SMALL) as journal:
        assert (journal.state.damaged, journal.state.missing) == (1, 10)
        assert "10 records are missing" in caplog.text
        assert [of.message for of in await drain(journal)] == messages(10)


async def test_damage_that_comes_while_the_process_lives_is_told_and_the_rest_is_sent(folder: Path) -> None:
    async with open_journal(folder) as journal:
        for number in range(3):
            await journal.append(TOPIC, messages(number))
        data = bytearray(segments(folder)[0].read_bytes())
        data[len(data) // 2] ^= 1
        segments(folder)[0].write_bytes(data)
        assert [of.message for of in await drain(journal)] == messages(0, 2)
        state = journal.state
        assert (state.records, state.size, state.damaged, state.missing) == (0, 0, 1, 1)
    assert look_into(folder).damaged == 1
    assert await left_in(folder) == []


async def test_a_message_that_holds_a_record_of_another_segment_is_no_record_behind_damage(
    folder: Path, tmp_path: Path
) -> None:
    async with open_journal(tmp_path / "other") as other:
        await other.append(TOPIC, messages(*range(9)))
    inside = segments(tmp_path / "other")[0].read_bytes()
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(0))
        start = segments(folder)[0].stat().st_size
        await journal.append(TOPIC, [Message(b"k", inside, "s"), *messages(2)])
    (path,) = segments(folder)
    data = bytearray(path.read_bytes())
    data[start + 12] ^= 1
    path.write_bytes(data)
    assert await left_in(folder) == messages(0, 2)


# --- what was kept last


async def test_what_was_kept_last_is_told_whether_it_is_sent_or_not(folder: Path) -> None:
    begun = datetime.now(UTC)
    async with open_journal(folder, Limits(segment_bytes=100)) as journal:
        for number in range(4):
            await journal.append(TOPIC, messages(number))
        await drain(journal)
        between = datetime.now(UTC)
        for number in range(4, 6):
            await journal.append(TOPIC, messages(number))
        assert [of.message for of in await journal.kept_since(between)] == messages(4, 5)
    async with open_journal(folder) as journal:
        assert [of.message for of in await journal.kept_since(between)] == messages(4, 5)
        assert {of.topic for of in await journal.kept_since(begun)} == {TOPIC}
        assert await journal.kept_since(datetime.now(UTC)) == []


# --- full and failing disks


async def test_a_full_journal_refuses_at_once_and_takes_more_once_it_was_sent(folder: Path) -> None:
    reasons = list[str]()
    size = FRAME_BYTES + len(encode_body(TOPIC, messages(1)[0]))
    async with open_journal(folder, Limits(3 * size), Watch(on_failure=reasons.append)) as journal:
        outcomes = await asyncio.gather(
            *(journal.append(TOPIC, messages(number)) for number in range(5)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [type(None)] * 3 + [JournalFull] * 2
        assert str(folder) in str(outcomes[-1])
        await journal.sent_up_to((await journal.unsent(1))[0].position)
        await journal.append(TOPIC, messages(7))
        with pytest.raises(JournalFull):
            await journal.append(TOPIC, messages(8))
    assert reasons == [FULL] * 3
    assert await left_in(folder) == messages(1, 2, 7)


async def test_on_a_full_disk_appends_are_refused_whole_and_go_on_once_there_is_room(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.streams.journal_process", folder, "--full"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    said = [line.split() for line in done.stdout.decode().splitlines()]
    confirmed = [int(line[1]) for line in said if line[0] == "c"]
    refused = {int(line[1]): " ".join(line[2:]) for line in said if line[0] == "r"}
    assert sorted([*confirmed, *refused]) == list(range(60))
    # Files of 50 kB take some and then one more segment is begun; those of 1 kB take only the smallest.
    assert sum(len(message_of(number).value or b"") for number in range(20)) > LARGEST_FILE / 2
    assert len([number for number in refused if 20 <= number < 40]) > 10
    assert {number for number in refused if number >= 40} == set()
    assert set(refused.values()) == {DISK_FULL}
    assert [number_of(message) for message in await left_in(folder)] == confirmed
    assert look_into(folder).damaged == 0


class Breaking:
    """The disk as the writer sees it, which fails when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = list[str]()
        self._broken = dict[str, int]()
        for name in ("write", "fsync", "ftruncate", "open"):
            self._wrap(monkeypatch, name, getattr(os, name))
        monkeypatch.setattr(writers, "os", self)

    def break_once(self, *names: str, number: int = errno.EIO) -> None:
        for name in names:
            self._broken[name] = number

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str, real: Callable[..., int]) -> None:
        def call(*words: object) -> int:
            self.calls.append(name)
            if number := self._broken.pop(name, 0):
                if name == "write":
                    real(words[0], bytes(words[1])[:30])
                raise OSError(number, os.strerror(number))
            return real(*words)

        setattr(self, name, call)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Breaking:
    return Breaking(monkeypatch)


@pytest.mark.parametrize("before", [0, 1], ids=["first of its segment", "behind another"])
@pytest.mark.parametrize(
    "broken", [("fsync",), ("write",), ("fsync", "ftruncate"), ("write", "ftruncate")], ids="+".join
)
async def test_what_could_not_be_written_is_refused_and_never_read(
    folder: Path, disk: Breaking, broken: tuple[str, ...], before: int
) -> None:
    reasons = list[str]()
    async with open_journal(folder, SMALL, Watch(on_failure=reasons.append)) as journal:
        await journal.append(TOPIC, messages(*range(before)))
        disk.break_once(*broken)
        failed = await asyncio.gather(
            journal.append(TOPIC, messages(1, 2)), journal.append(TOPIC, messages(3)), return_exceptions=True
        )
        # The second one came while the first was being written.
        assert [type(outcome) for outcome in failed] in ([JournalFailed, type(None)], [JournalFailed] * 2)
        assert str(folder) in str(failed[0])
        good = messages(3) if failed[1] is None else []
        shutil.copytree(folder, folder.with_name("killed"))
        await journal.append(TOPIC, messages(4))
        assert [of.message for of in await journal.unsent()][:before] == messages(*range(before))
        assert journal.state.records == before + len(good) + 1
        assert journal.state.damaged == 0
    assert reasons == [DISK_FAILED] * (2 - len(good))
    assert await left_in(folder) == [*messages(*range(before)), *good, *messages(4)]
    assert await left_in(folder.with_name("killed")) == [*messages(*range(before)), *good]
    assert look_into(folder).damaged == 0


async def test_after_a_failed_fsync_the_same_file_is_not_written_to_again(folder: Path, disk: Breaking) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1))
        before = segments(folder)[0].read_bytes()
        disk.break_once("fsync")
        with pytest.raises(JournalFailed):
            await journal.append(TOPIC, messages(2))
        await journal.append(TOPIC, messages(3))
        assert len(segments(folder)) == 2
        assert segments(folder)[0].read_bytes() == before


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, JournalFull), (errno.EDQUOT, JournalFull), (errno.EIO, JournalFailed)]
)
async def test_a_segment_that_cannot_be_begun_is_refused_and_tried_again(
    folder: Path, disk: Breaking, number: int, kind: type[Exception]
) -> None:
    async with open_journal(folder) as journal:
        disk.break_once("open", number=number)
        with pytest.raises(kind):
            await journal.append(TOPIC, messages(1))
        await journal.append(TOPIC, messages(2))
    assert await left_in(folder) == messages(2)


async def test_a_segment_whose_name_does_not_last_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail = [True]

    def sync_folder(path: Path) -> None:
        if fail.pop():
            raise OSError(errno.EIO, "x")

    async with open_journal(folder) as journal:
        with monkeypatch.context() as patched:
            patched.setattr(writers, "sync_folder", sync_folder)
            with pytest.raises(JournalFailed):
                await journal.append(TOPIC, messages(1))
        assert segments(folder) == []
        await journal.append(TOPIC, messages(2))
    assert await left_in(folder) == messages(2)


async def test_room_is_made_on_a_full_disk_though_nothing_new_comes(folder: Path, disk: Breaking) -> None:
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, messages(1))
        await drain(journal)
        assert len(segments(folder)) == 1
        disk.break_once("write", number=errno.ENOSPC)
        with pytest.raises(JournalFull):
            await journal.append(TOPIC, messages(2))
        assert journal._writing is not None
        await journal._writing
        assert segments(folder) == []


async def test_a_full_journal_says_that_it_keeps_nothing_until_there_is_room_for_what_it_refused(folder: Path) -> None:
    size = FRAME_BYTES + len(encode_body(TOPIC, messages(1)[0]))
    async with open_journal(folder, Limits(2 * size)) as journal:
        await journal.append(TOPIC, messages(1))
        await journal.append(TOPIC, messages(2))
        assert journal.is_keeping, "nobody was refused"
        with pytest.raises(JournalFull):
            await journal.append(TOPIC, messages(3, 4))
        assert not journal.is_keeping
        await journal.sent_up_to((await journal.unsent(1))[0].position)
        assert not journal.is_keeping, "room for one of two"
        await drain(journal)
        assert journal.is_keeping


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_failed_is_tried_until_it_takes_something(folder: Path, disk: Breaking, number: int) -> None:
    async with open_journal(folder) as journal:
        assert journal.is_keeping
        disk.break_once("write", number=number)
        with pytest.raises(JournalError):
            await journal.append(TOPIC, messages(1))
        assert not journal.is_keeping
        (folder / "trial").mkdir()  # in the way of the trial
        await journal.try_disk()
        assert not journal.is_keeping
        (folder / "trial").rmdir()
        await journal.try_disk()
        assert journal.is_keeping
        assert not (folder / "trial").exists()
        disk.break_once("fsync", number=number)
        with pytest.raises(JournalError):
            await journal.append(TOPIC, messages(2))
        assert not journal.is_keeping
        await journal.append(TOPIC, messages(3))
        assert journal.is_keeping, "the append is as good as a trial"


async def test_a_closed_journal_takes_nothing_more(folder: Path) -> None:
    async with open_journal(folder) as journal:
        pass
    with pytest.raises(JournalFailed) as failed:
        await journal.append(TOPIC, messages(1))
    assert failed.value.reason == CLOSED


# --- one fsync for many


class SlowDisk:
    """Holds every fsync of the writer until it is let go, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.reached, self.go = threading.Event(), threading.Event()
        monkeypatch.setattr(writers, "os", self)

    def fsync(self, descriptor: int) -> None:
        self.syncs += 1
        self.reached.set()
        assert self.go.wait(PATIENCE)
        os.fsync(descriptor)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


async def test_sixty_four_appends_at_once_take_two_fsyncs_and_the_loop_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, seconds = SlowDisk(monkeypatch), list[float]()
    async with open_journal(folder, watch=Watch(on_sync=seconds.append)) as journal:
        first = asyncio.create_task(journal.append(TOPIC, messages(0)))
        await asyncio.to_thread(disk.reached.wait, PATIENCE)
        # The loop turns although the disk holds the first one.
        others = [asyncio.create_task(journal.append(TOPIC, messages(number))) for number in range(1, 64)]
        await asyncio.sleep(0)
        assert not first.done()
        assert journal.state.records == 0
        assert await journal.unsent() == []
        disk.go.set()
        await asyncio.gather(first, *others)
        assert disk.syncs == len(seconds) == 2
        assert all(took >= 0 for took in seconds)
    assert await left_in(folder) == messages(*range(64))


async def test_nothing_is_confirmed_before_file_and_name_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = list[str]()
    disk = SlowDisk(monkeypatch)
    disk.go.set()
    sync_folder, fsync = writers.sync_folder, disk.fsync
    monkeypatch.setattr(writers, "sync_folder", lambda path: (steps.append("name"), sync_folder(path)))
    monkeypatch.setattr(disk, "fsync", lambda descriptor: (steps.append("file"), fsync(descriptor)))
    async with open_journal(folder, SMALL) as journal:
        for number in itertools.count():
            await journal.append(TOPIC, messages(number))
            steps.append("confirmed")
            if len(segments(folder)) == 2:
                break
    assert steps[:3] == ["name", "file", "confirmed"]
    assert steps[3:-3] == ["file", "confirmed"] * ((len(steps) - 6) // 2)
    assert steps[-3:] == ["name", "file", "confirmed"]


async def test_an_append_that_was_given_up_before_its_turn_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    async with open_journal(folder, Limits(most_bytes=1_000)) as journal:
        first = asyncio.create_task(journal.append(TOPIC, messages(0)))
        await asyncio.to_thread(disk.reached.wait, PATIENCE)
        given_up = asyncio.create_task(journal.append(TOPIC, messages(1)))
        await asyncio.sleep(0)
        given_up.cancel()
        third = asyncio.create_task(journal.append(TOPIC, messages(2)))
        await asyncio.sleep(0)
        disk.go.set()
        await asyncio.gather(first, third)
        # It takes no room either.
        rest = 1_000 - journal.state.size - FRAME_BYTES - len(encode_body(TOPIC, Message(None, b"", "s"))) - 10
        await journal.append(TOPIC, [Message(None, b"x" * rest, "s")])
    assert (await left_in(folder))[:2] == messages(0, 2)


async def test_a_group_is_no_larger_than_a_segment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk(monkeypatch)
    async with open_journal(folder, SMALL) as journal:
        appends = [asyncio.create_task(journal.append(TOPIC, messages(0)))]
        await asyncio.to_thread(disk.reached.wait, PATIENCE)
        appends += [asyncio.create_task(journal.append(TOPIC, messages(number))) for number in range(1, 100)]
        await asyncio.sleep(0)
        disk.go.set()
        await asyncio.gather(*appends)
        assert all(path.stat().st_size <= SMALL.segment_bytes for path in segments(folder))
    assert await left_in(folder) == messages(*range(100))


async def test_an_error_that_is_none_of_the_disk_reaches_whoever_appended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_journal(folder) as journal:
        with monkeypatch.context() as patched:
            patched.setattr(writers, "encode_frame", lambda *_words: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await journal.append(TOPIC, messages(1))
        await journal.append(TOPIC, messages(2))
    assert await left_in(folder) == messages(2)


async def test_no_log_line_and_no_error_says_what_a_message_holds(
    folder: Path, disk: Breaking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = Message(b"SECRET", b"SECRET" * 50, "SECRET")
    async with open_journal(folder) as journal:
        await journal.append(TOPIC, [secret])
        disk.break_once("fsync")
        with pytest.raises(JournalFailed) as failed:
            await journal.append(TOPIC, [secret])
    data = bytearray(segments(folder)[0].read_bytes())
    data[60] ^= 1
    segments(folder)[0].write_bytes(data)
    assert await left_in(folder) == []
    assert "damaged" in caplog.text
    assert "SECRET" not in caplog.text + str(failed.value) + repr(failed.value)


# --- metrics


def served() -> dict[str, float]:
    """The journal's metrics as a reader takes them, by name, and by label where there is one."""
    return {
        "/".join([sample.name.removeprefix("fundwatch_journal_"), *sample.labels.values()]): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("fundwatch_journal_")
    }


async def test_metrics_tell_what_waits_what_failed_and_how_long_the_disk_took(folder: Path, disk: Breaking) -> None:
    watch = metrics.journal_watch()
    before = served()
    assert {f"failures_total/{reason}" for reason in REASONS} <= before.keys()
    limits = Limits(most_bytes=500)
    async with open_journal(folder, limits, watch) as journal:
        metrics.show_journal(journal)
        await journal.append(TOPIC, messages(1))
        await journal.append(TOPIC, messages(2))
        with pytest.raises(JournalFull):
            await journal.append(TOPIC, messages(*range(9)))
        disk.break_once("fsync")
        with pytest.raises(JournalFailed):
            await journal.append(TOPIC, messages(3))
        now = served()
        assert (now["records"], now["bytes"], now["most_bytes"]) == (2, journal.state.size, 500)
        assert now["damaged_segments"] == 0
        assert journal.state.oldest_at is not None
        assert 0 < now["oldest_seconds"] <= (datetime.now(UTC) - journal.state.oldest_at).total_seconds()
        assert now["fsync_seconds_count"] - before["fsync_seconds_count"] == 2
        counted = {reason: now[f"failures_total/{reason}"] - before[f"failures_total/{reason}"] for reason in REASONS}
        assert counted == {FULL: 1, DISK_FULL: 0, DISK_FAILED: 1, CLOSED: 0}
        await drain(journal)
        assert (served()["records"], served()["oldest_seconds"]) == (0, 0)
