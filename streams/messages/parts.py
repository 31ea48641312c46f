"""Parts of lines that are longer than a message may be: each tells which it is by its key, since it names no person."""

import re

LINE_LIMIT = 16 * 2**20
"""Bytes that one message holds at most; a CR before the line's end counts."""

_KEY = re.compile(rb"part [0-9]{1,19} of line [0-9]{1,19}")


def part_key(part: int, line: int) -> bytes:
    """The key of a part, both counted from 1."""
    return b"part %d of line %d" % (part, line)


def part_fault(key: bytes | None) -> str | None:
    """What is wrong with a message that is a part of a line; ``None`` where its key tells of none."""
    if key is None or _KEY.fullmatch(key) is None:
        return None
    return f"message: longer than {LINE_LIMIT:,} bytes, {key.decode()}"
