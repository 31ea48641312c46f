"""A file that holds no events is told by what it is, and nothing of it is sent; a good one is read in any packing."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streams.importers import BrokenInput, ForeignInput, MostlyDead
from streams.importers.jsonl import read_messages
from streams.importers.recognising import recognise
from streams.importers.sampling import LOOKED, looked_at
from tests.patience import PATIENCE
from tests.streams.bad_messages import Bad, all_bad

from .files import CHINESE, FOREIGN, GOOD, PACKS, lines, skippable, wide

Pack = Callable[[bytes], bytes]


def messages(folder: Path, content: bytes, most_dead: float = 0.5) -> Iterator[bytes]:
    path = folder / "claims"
    path.write_bytes(content)
    with read_messages(path) as reader:
        yield from (line.raw for line in looked_at("claims", reader, most_dead))


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize(("says", "content"), FOREIGN.values(), ids=FOREIGN)
def test_what_holds_no_events_is_named_and_nothing_of_it_is_read(
    tmp_path: Path, says: str, content: bytes, pack: Pack
) -> None:
    with pytest.raises(ForeignInput) as refused:
        next(messages(tmp_path, pack(content)))
    assert refused.value.foreign.en.startswith(says)
    assert "\n" not in str(refused.value)
    assert refused.value.foreign.remedy_en.startswith(("unpack", "turn", "make", "export"))


REMEDIED = {
    "xz": GOOD, "lzma": GOOD, "bzip2": GOOD, "lz4": GOOD, "zip": GOOD, "zip, stored": GOOD, "tar": GOOD,
    "UTF-16 with a mark": [CHINESE], "UTF-16 big, with a mark": [CHINESE], "UTF-16 without a mark": [CHINESE],
    "UTF-16 big, without a mark": [CHINESE], "UTF-32": [CHINESE], "GBK": [CHINESE] * 2,
    "JSON array": GOOD, "JSON array, indented": GOOD, "JSON array, a claim a line": GOOD, "JSON, indented": GOOD[:1],
    "JSON array in GBK": [CHINESE] * 2, "JSON array in GBK, a claim a line": [CHINESE],
    "JSON in GBK, indented": [CHINESE],
    "gzip": GOOD, "zstd": GOOD,
}  # fmt: skip
"""The messages that files hold whose remedy is a command."""
INNER = {kind: content for kind, (_, content) in FOREIGN.items()} | {
    "gzip": gzip.compress(lines(*GOOD)),
    "zstd": zstandard.compress(lines(*GOOD)),
}


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_the_command_that_is_told_makes_messages_of_it(tmp_path: Path, pack: Pack) -> None:
    """Each as it is printed, where its programs are here: tar, gzip and iconv are everywhere."""
    tried = set()
    for kind, held in REMEDIED.items():
        content = pack(INNER[kind])
        if pack is bytes and kind in PACKS:
            continue
        with pytest.raises(ForeignInput) as refused:
            next(messages(tmp_path, content))
        command = refused.value.foreign.command
        assert command is not None
        assert f"{refused.value.foreign.remedy_en}: {command}" in str(refused.value)
        steps, _, rest = command.rpartition(" | ")
        assert rest == "fundwatch import claims - --source NAME", kind
        if not all(shutil.which(step.split()[0]) for step in re.split(r" (?:&&|\|) ", steps)):
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", steps.replace("FILE", str(tmp_path / "claims"))],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{kind}: {done.stderr.decode()}"
        made = [json.loads(line) for line in done.stdout.decode("utf-8-sig").splitlines()]
        assert made == [json.loads(body) for body in held], kind
        tried.add(kind)
    assert tried >= {"tar", "GBK"}


@pytest.mark.parametrize("content", [content for _, content in FOREIGN.values()], ids=FOREIGN)
def test_what_is_cut_is_refused_too(tmp_path: Path, content: bytes) -> None:
    for cut in (len(content) // 2, len(content) - 1):
        with pytest.raises(ForeignInput):
            next(messages(tmp_path, content[:cut]))


@pytest.mark.parametrize("content", [content for _, content in FOREIGN.values()], ids=FOREIGN)
def test_behind_good_messages_it_is_read_line_by_line(tmp_path: Path, content: bytes) -> None:
    """Each line then has an outcome of its own: nothing is kept from the ledger."""
    read = list(messages(tmp_path, lines(*GOOD) + content))
    assert read[: len(GOOD)] == GOOD
    assert b"".join(read[len(GOOD) :]).translate(None, b"\r\n\xef\xbb\xbf") == content.translate(
        None, b"\r\n\xef\xbb\xbf"
    )


OF_LINES = {
    "noise", "zeros", "UTF-16 without a mark", "UTF-16 big, without a mark", "GBK", "GBK prose", "table",
    "table of Excel", "table in GBK", "table with tabs", "table with semicolons", "JSON array", "JSON array in GBK",
    "JSON, indented", "JSON in GBK, indented", "other JSON", "FHIR", "FHIR, indented", "interface",
    "interface, indented", "X12", "EDIFACT", "HL7 v2", "XML", "web page", "SQL", "SQL in GBK", "README", "log",
}  # fmt: skip
"""Kinds that no first bytes and no open bracket tell for sure: one good message behind them counts for more."""


@pytest.mark.parametrize("kind", [kind for kind in FOREIGN if kind not in OF_LINES])
def test_what_its_first_bytes_tell_is_refused_with_all_that_was_joined_to_it(tmp_path: Path, kind: str) -> None:
    says, content = FOREIGN[kind]
    with pytest.raises(ForeignInput) as refused:
        next(messages(tmp_path, content + b"\n" + lines(*GOOD)))
    assert refused.value.foreign.en.startswith(says)


@pytest.mark.parametrize("kind", sorted(OF_LINES))
def test_before_good_messages_it_is_read_line_by_line(tmp_path: Path, kind: str) -> None:
    both = FOREIGN[kind][1] + b"\n" + lines(*GOOD)
    read = list(messages(tmp_path, both))
    assert read[-len(GOOD) :] == GOOD
    assert b"".join(read).translate(None, b"\r\n\xef\xbb\xbf") == both.translate(None, b"\r\n\xef\xbb\xbf")


@pytest.mark.parametrize("bad", all_bad(), ids=lambda bad: f"{bad.kind} {bad.names}")
def test_one_good_message_has_a_file_read_whatever_else_is_wrong(bad: Bad) -> None:
    body = bad.body(1) or b""
    assert recognise(lines(GOOD[0], body)) is None
    if body.lstrip().startswith(b"{"):
        assert recognise(lines(body, GOOD[0])) is None


@given(others=st.lists(st.binary(max_size=40), max_size=8), at=st.integers(0, 8))
def test_a_message_among_any_other_lines_has_a_file_read(others: list[bytes], at: int) -> None:
    clean = [b"." + other.replace(b"\n", b"") for other in others]
    clean.insert(at, GOOD[0])
    found = recognise(lines(*clean))
    assert found is None or found.en == "text in GBK"


GOOD_FILES = {
    "a skippable frame first": skippable(b"index") + zstandard.compress(lines(*GOOD)),
    "skippable frames between and behind": b"".join(
        skippable(bytes(n)) + zstandard.compress(lines(of)) for n, of in enumerate(GOOD)
    )
    + skippable(b""),
    "a long skippable frame": skippable(bytes(200_000)) + zstandard.compress(lines(*GOOD)),
    "several frames": b"".join(zstandard.compress(lines(of)) for of in GOOD),
    "a frame and a member": zstandard.compress(lines(GOOD[0])) + gzip.compress(lines(*GOOD[1:])),
    "several members": b"".join(gzip.compress(lines(of)) for of in GOOD),
    "padding between members": gzip.compress(lines(GOOD[0])) + bytes(900) + gzip.compress(lines(*GOOD[1:])),
    "a wide window": wide(lines(*GOOD), 28),
    "marks within": b"".join(b"\xef\xbb\xbf" + lines(of) for of in GOOD),
    "lines that end with CRLF": b"\r\n".join(GOOD),
    "empty lines before": b"\n\r\n\n" + lines(*GOOD),
}


@pytest.mark.parametrize("content", GOOD_FILES.values(), ids=GOOD_FILES)
def test_good_files_are_read_however_others_write_them(tmp_path: Path, content: bytes) -> None:
    assert list(messages(tmp_path, content)) == GOOD


def test_a_window_that_is_too_wide_is_told_with_what_unpacks_it(tmp_path: Path) -> None:
    with pytest.raises(ForeignInput, match=r"zstd -dc --long=31 FILE \| fundwatch import claims -"):
        next(messages(tmp_path, wide(lines(*GOOD), 31)))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("end", [b"garbage", skippable(bytes(90))[:50]], ids=["garbage", "a frame that is cut"])
def test_what_comes_before_damage_is_read(tmp_path: Path, pack: Pack, end: bytes) -> None:
    read: list[bytes] = []
    with pytest.raises(BrokenInput, match=f"last good line: {len(GOOD)}"):
        read.extend(messages(tmp_path, pack(lines(*GOOD)) + end))
    assert read == GOOD


def test_what_a_missing_field_is_perhaps_called_is_told_before_anything_is_read(tmp_path: Path) -> None:
    misspelt = GOOD[0].replace(b'"amount"', b'"totl_amount"')
    with pytest.raises(MostlyDead, match=r"lines\[0\].amount: missing, perhaps called totl_amount"):
        next(messages(tmp_path, lines(*[misspelt] * LOOKED)))


def test_of_a_long_file_that_is_mostly_dead_nothing_is_read(tmp_path: Path) -> None:
    dead = b'{"event_id": 5, "kind": "claim"}'
    half = [GOOD[0], dead] * (LOOKED // 2)
    assert len(list(messages(tmp_path, lines(*half, dead)))) == LOOKED + 1
    with pytest.raises(MostlyDead, match=f"of the first {LOOKED:,} messages 501 could not be stored"):
        next(messages(tmp_path, lines(dead, dead, *half[1:])))
    assert len(list(messages(tmp_path, lines(*[dead] * (LOOKED - 1))))) == LOOKED - 1
    assert len(list(messages(tmp_path, lines(*[dead] * 1500), most_dead=1))) == 1500
