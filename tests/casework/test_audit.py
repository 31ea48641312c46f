"""The chain of the audit log: what was written holds, and whatever is done to it afterwards shows at its place."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from casework.audit import BEFORE_ALL, Act, Broken, Entry, entry_hash, verified

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, length + 1):
        before = entries[-1].hash if entries else BEFORE_ALL
        said = (seq, BEGAN + timedelta(microseconds=seq), f"by {seq}", Act.DECIDED.value, {"lead": str(seq), "a": "b"})
        entries.append(Entry(*said, before, entry_hash(*said, before)))
    return entries


def broken(entries: list[Entry]) -> tuple[int, str]:
    with pytest.raises(Broken) as found:
        verified(entries)
    return found.value.seq, found.value.why


def test_what_was_written_holds_in_one_look_or_in_several() -> None:
    entries = chain(9)
    assert verified(entries) == (9, entries[-1].hash)
    assert verified(entries[4:], *verified(entries[:4])) == (9, entries[-1].hash)
    assert verified([]) == (0, BEFORE_ALL)


@pytest.mark.parametrize(
    "change",
    [{"by": "another"}, {"act": "undid"}, {"about": {"lead": "5"}}, {"at": BEGAN}, {"hash": bytes(32)}],
    ids=str,
)
def test_an_altered_entry_is_named(change: dict[str, object]) -> None:
    entries = chain(9)
    entries[4] = replace(entries[4], **change)
    assert broken(entries) == (5, "altered")


def test_one_hashed_anew_shows_in_the_next() -> None:
    entries = chain(9)
    said = (5, entries[4].at, "another", entries[4].act, entries[4].about)
    entries[4] = Entry(*said, entries[4].before, entry_hash(*said, entries[4].before))
    assert broken(entries) == (6, "moved")


def test_one_that_is_left_out_is_named_also_where_the_rest_is_numbered_anew() -> None:
    entries = chain(9)
    assert broken(entries[:4] + entries[5:]) == (5, "missing")
    assert broken(entries[:4] + [replace(entry, seq=entry.seq - 1) for entry in entries[5:]]) == (5, "altered")
    assert broken(entries[1:]) == (1, "missing")
    assert verified(entries[:-1])[0] == 8, "a cut end shows to whoever noted the head alone"
