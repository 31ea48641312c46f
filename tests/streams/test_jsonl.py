"""Reading JSON Lines: what is a message, what is one broken off, and that no byte is lost."""

import gzip
import os
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from streams.importers import BrokenInput, UnreadableInput, jsonl, unfolding
from streams.importers.jsonl import RawLine, read_messages, source_id
from streams.messages.parts import LINE_LIMIT
from tests.patience import PATIENCE

Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(jsonl, "LINE_LIMIT", 8)
    return 8


def _saved(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    return path


def _messages(path: Path) -> list[RawLine]:
    with read_messages(path) as reader:
        return list(reader)


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_lines_keep_their_numbers_and_bytes(tmp_path: Path, pack: Pack) -> None:
    content = b'{"a":1}\n\n{"b":"\xe7\x96\x91"}\r\n\r\n not json \n{"last":true}'
    assert _messages(_saved(tmp_path, pack(content))) == [
        (1, b'{"a":1}', 0),
        (3, b'{"b":"\xe7\x96\x91"}', 0),
        (5, b" not json ", 0),
        (6, b'{"last":true}', 0),
    ]


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_nothing_but_line_ends_is_no_message(tmp_path: Path, pack: Pack, content: bytes) -> None:
    assert _messages(_saved(tmp_path, pack(content))) == []


def test_a_byte_order_mark_is_dropped_before_any_line(tmp_path: Path) -> None:
    """Files that were joined have one within."""
    content = b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n{\xef\xbb\xbf}\n"
    assert _messages(_saved(tmp_path, content)) == [(1, b"{}", 0), (2, b"{}", 0), (3, b"{\xef\xbb\xbf}", 0)]


_LINES = st.lists(st.one_of(st.binary(max_size=30), st.just(b"x" * 70_000)), max_size=12)


@given(lines=_LINES, end=st.sampled_from([b"\n", b"\r\n"]), pack=st.sampled_from(sorted(PACKS)), last=st.booleans())
@example(lines=[b"x" * 65_535, b"y"], end=b"\r\n", pack="plain", last=True)
def test_reading_is_splitting(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes, pack: str, last: bool
) -> None:
    lines = [line.translate(None, b"\n\r\x1f\x28\xef") for line in lines]
    content = end.join(lines) + (end if last else b"")
    path = _saved(tmp_path_factory.mktemp("split"), PACKS[pack](content))
    assert _messages(path) == [(number, line, 0) for number, line in enumerate(lines, 1) if line]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_members_one_after_another_are_one_input(tmp_path: Path, pack: Pack) -> None:
    content = pack(b"1\n2") + pack(b"3\n") + b"\0" * 5000 + pack(b"4\n")
    assert _messages(_saved(tmp_path, content)) == [(1, b"1", 0), (2, b"23", 0), (3, b"4", 0)]


@given(line=st.binary(min_size=9, max_size=60))
def test_parts_of_a_long_line_give_it_back(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    line = line.replace(b"\n", b"_").replace(b"\r", b"_")
    path = _saved(tmp_path_factory.mktemp("long"), b"{}\n" + line + b"\n{}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "LINE_LIMIT", 8)
        first, *parts, last = _messages(path)
    assert (first, last) == ((1, b"{}", 0), (3, b"{}", 0))
    assert [(part.line_no, part.part) for part in parts] == [(2, number) for number in range(1, len(parts) + 1)]
    assert b"".join(part.raw for part in parts) == line
    assert max(len(part.raw) for part in parts) == 8


def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path, small_limit: int) -> None:
    line = b"x" * small_limit
    assert _messages(_saved(tmp_path, line + b"\n" + line)) == [(1, line, 0), (2, line, 0)]
    assert _messages(_saved(tmp_path, line + b"x")) == [(1, line, 1), (1, b"x", 2)]
    mark = b"\xef\xbb\xbf"
    assert _messages(_saved(tmp_path, line + mark)) == [(1, line, 1), (1, mark, 2)]


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_memory_stays_bounded_on_one_endless_line(tmp_path: Path, pack: Pack) -> None:
    size = 8 * LINE_LIMIT
    path = _saved(tmp_path, pack(b"x" * size))
    tracemalloc.start()
    try:
        total = sum(len(message.raw) for message in read_messages(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 6 * LINE_LIMIT


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("missing", [1, 4, 200])
def test_input_that_ends_too_early_names_the_last_good_line(tmp_path: Path, pack: Pack, missing: int) -> None:
    lines = [os.urandom(30).hex().encode() for _ in range(200)]
    path = _saved(tmp_path, pack(b"\n".join(lines) + b"\n")[:-missing])
    read: list[RawLine] = []
    with pytest.raises(BrokenInput) as raised:
        read.extend(read_messages(path))
    assert [message.raw for message in read] == lines[: len(read)]
    assert raised.value.last_good_line == len(read)
    assert str(raised.value).startswith(f"{path}: ")
    assert "ends too early" in str(raised.value)


_LINES_OF_A_FILE = [os.urandom(30).hex().encode() for _ in range(2000)]
_GZIPPED, _ZSTD = (pack(b"\n".join(_LINES_OF_A_FILE)) for pack in (gzip.compress, zstandard.compress))


@pytest.mark.parametrize(
    "content",
    [_GZIPPED + b"garbage", _ZSTD + b"garbage", _GZIPPED[:-8] + bytes(8)],
    ids=["gzip and garbage", "zstd and garbage", "gzip with a wrong checksum"],
)
def test_damaged_input_names_the_last_good_line(tmp_path: Path, content: bytes) -> None:
    read: list[RawLine] = []
    with pytest.raises(BrokenInput) as raised:
        read.extend(read_messages(_saved(tmp_path, content)))
    assert [message.raw for message in read] == _LINES_OF_A_FILE[: len(read)]
    assert 1900 < len(read) == raised.value.last_good_line < 2000


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_position_reaches_the_size_of_the_file_as_it_lies_there(tmp_path: Path, pack: Pack) -> None:
    path = _saved(tmp_path, pack(b"".join(os.urandom(50).hex().encode() + b"\n" for _ in range(5000))))
    with read_messages(path) as reader:
        seen = [reader.position for _ in reader]
        assert reader.position == reader.size == path.stat().st_size
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_stdin_is_read_like_a_file_of_unknown_size(pack: Pack) -> None:
    program = """if True:
        from streams.importers.jsonl import read_messages
        reader = read_messages(None)
        print(reader.size, reader.name, [tuple(message) for message in reader])
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pack(b"1\n\n2"),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.decode().strip() == "None stdin [(1, b'1', 0), (3, b'2', 0)]"


def test_what_comes_before_an_error_of_the_system_is_read() -> None:
    """Stdin is a connection that is reset by its other side."""
    program = """if True:
        from streams.importers.jsonl import read_messages
        for message in read_messages(None):
            print(message.raw.decode(), flush=True)
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        theirs.close()
        ours.sendall(b"the first line\nand the second\n")
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"the first line\n", b"and the second\n"]
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.close()
        _, said = process.communicate(timeout=PATIENCE)
    assert "cannot be read: Connection reset by peer; last good line: 2" in said.decode()


def test_what_the_system_refuses_is_told_by_its_name(tmp_path: Path) -> None:
    for refused in (lambda: read_messages(tmp_path), lambda: source_id(tmp_path)):
        with pytest.raises(UnreadableInput, match=f"{tmp_path}: 无法读取 / cannot be read: Is a directory"):
            refused()


def test_source_id_is_of_the_content(tmp_path: Path) -> None:
    content = bytes(3 * 2**20)
    ids = {
        source_id(_saved(tmp_path, changed))
        for changed in (b"", b"1", content, b"1" + content[1:], content[1:] + b"1", content + b"\0")
    }
    assert len(ids) == 6
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(content + b"\0")
    assert source_id(copy) in ids


def test_a_wrong_header_of_a_member_is_no_plain_text(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="last good line: 0"):
        _messages(_saved(tmp_path, b"\x1f\x8b\x08nothing of the kind\n"))


def test_one_block_of_zstd_unfolds_to_8_mib_at_most() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(2**28))
    decoder = zstandard.ZstdDecompressor().decompressobj()
    steps = range(0, len(bomb), unfolding._PACKED_BLOCK)
    assert max(len(decoder.decompress(bomb[at : at + unfolding._PACKED_BLOCK])) for at in steps) <= 8 * 2**20
