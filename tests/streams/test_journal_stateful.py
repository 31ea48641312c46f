"""The journal against a plain list: whatever is appended, refused, sent, marked, killed and opened in any order."""

import asyncio
import errno
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from streams.bus import Message
from streams.journal import JournalError, writer
from streams.journal.folder import look_into
from streams.journal.journal import Journal, Limits, open_journal

LIMITS = Limits(segment_bytes=400)
TOPICS = ("prescriptions", "replies")


class FailingDisk:
    """The disk as the writer sees it; what it is told to fails once."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    def _fail(self, name: str) -> None:
        if name in self.failing:
            self.failing.discard(name)
            raise OSError(errno.EIO, name)

    def write(self, descriptor: int, data: bytes) -> int:
        if "write" in self.failing:
            os.write(descriptor, data[: len(data) // 2])
        self._fail("write")
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._fail("fsync")
        os.fsync(descriptor)

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._fail("ftruncate")
        os.ftruncate(descriptor, size)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


class JournalMachine(RuleBasedStateMachine):
    """``kept`` is every message that was confirmed, in order; ``left`` are the places of those not marked as sent."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.parent = Path(tempfile.mkdtemp(prefix="fundwatch-journal-"))
        self.lives = 0
        self.kept: list[tuple[str, Message]] = []
        self.left: list[int] = []
        self.disk = FailingDisk()
        writer.os = self.disk

    @initialize()
    def begin(self) -> None:
        self.open(self.parent / "0")

    def open(self, folder: Path) -> None:
        self.opened = open_journal(folder, LIMITS)
        self.journal: Journal = self.runner.run(self.opened.__aenter__())

    def shut(self) -> None:
        self.runner.run(self.opened.__aexit__(None, None, None))

    @rule(
        topic=st.sampled_from(TOPICS),
        values=st.lists(st.one_of(st.none(), st.binary(max_size=300)), max_size=4),
        failing=st.sampled_from([(), (), (), ("write",), ("fsync",), ("write", "ftruncate"), ("fsync", "ftruncate")]),
    )
    def append(self, topic: str, values: list[bytes | None], failing: tuple[str, ...]) -> None:
        messages = [Message(None, value, "s", len(self.kept)) for value in values]
        self.disk.failing = set(failing)
        try:
            self.runner.run(self.journal.append(topic, messages))
        except JournalError:
            assert failing
        else:
            assert not failing or not values
            self.left += range(len(self.kept), len(self.kept) + len(messages))
            self.kept += [(topic, message) for message in messages]
        self.disk.failing = set()

    @rule(most=st.integers(1, 6), marked=st.integers(0, 6), of_one_topic=st.booleans())
    def send(self, most: int, marked: int, of_one_topic: bool) -> None:
        found = self.runner.run(self.journal.unsent(most))
        places = self.left[: len(found)]
        assert [(of.topic, of.message) for of in found] == [self.kept[place] for place in places]
        assert bool(found) == bool(self.left)
        assert found or self.journal.state.records == 0
        if found and marked:
            count = min(marked, len(found))
            topic = found[0].topic if of_one_topic else None
            self.runner.run(self.journal.sent_up_to(found[count - 1].position, topic))
            sent = {place for place in places[:count] if topic in (None, self.kept[place][0])}
            self.left = [place for place in self.left if place not in sent]

    async def quiet(self) -> None:
        """Waits until the journal does nothing on the disk."""
        if self.journal._writing is not None:
            await self.journal._writing

    @rule()
    def open_again(self) -> None:
        folder = self.journal.folder
        self.shut()
        self.open(folder)

    @rule(torn=st.integers(0, 60), mark_is_lost=st.booleans())
    def kill(self, torn: int, mark_is_lost: bool) -> None:
        """Goes on with a copy of what lies there now, behind it the beginning of a record; the mark may be lost."""
        self.lives += 1
        folder = self.parent / str(self.lives)
        self.runner.run(self.quiet())
        shutil.copytree(self.journal.folder, folder)
        self.shut()
        segments = sorted(folder.glob("*.records"))
        if segments:
            mark = bytes.fromhex(segments[-1].stem[-16:])
            with segments[-1].open("ab") as file:
                file.write((mark + bytes(range(60)))[: min(torn, 31)])
        if mark_is_lost:
            (folder / "sent").unlink(missing_ok=True)
        self.open(folder)
        if mark_is_lost:
            self.sent_again()

    def sent_again(self) -> None:
        """Without the mark what lies there is sent again: a tail of all, and nothing that was not sent is missing."""
        records = self.journal.state.records
        assert not self.left or records >= len(self.kept) - self.left[0]
        self.left = list(range(len(self.kept) - records, len(self.kept)))

    @invariant()
    def state_is_that_of_the_list(self) -> None:
        state = self.journal.state
        assert len(self.left) <= state.records <= len(self.kept)
        assert (state.damaged, state.missing) == (0, 0)
        looked = look_into(self.journal.folder)
        assert (looked.oldest_at is None) == (state.oldest_at is None)
        assert looked.oldest_at is None or state.oldest_at <= looked.oldest_at
        assert replace(looked, oldest_at=state.oldest_at) == state

    def teardown(self) -> None:
        self.shut()
        self.runner.close()
        writer.os = os
        shutil.rmtree(self.parent)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
