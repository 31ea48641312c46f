"""JSON as hospitals send it: read into objects, lists, texts and numbers as they were written, or refused in one rule.

Errors: ``Refused`` (``api.hospital.scalars``), also where it is no JSON, no UTF-8, or nested deeper than any message.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from api.hospital.scalars import Number, Refused

NOT_UTF8 = "应为UTF-8编码 / UTF-8 is due"
NOT_JSON = "应为JSON / JSON is due"
TOO_DEEP = "嵌套过深 / nested too deep"

DEEPEST = 24
"""Objects and lists inside one another that a message may have; the deepest that is known has nine."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What is not closed ends with the message, so that nothing is looked at twice.
_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_QUOTE, _ESCAPE = b'"', b"\\"
_PAIR = re.compile(rb"\[\]|\{\}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Object(dict[str, Any]):
    """An object of JSON; ``twice`` are the names that it gives more than once, of which the last counts."""

    __slots__ = ("twice",)

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: frozenset[str] = frozenset()
        if len(self) < len(pairs):
            self.twice = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


def read_json(body: bytes) -> Any:
    """What a JSON text holds; numbers are ``Number``, objects ``Object``. Raises ``Refused``."""
    if is_too_deep(body):
        raise Refused(TOO_DEEP)
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(NOT_UTF8) from None
    try:
        return _decode(text)
    except ValueError:
        raise Refused(NOT_JSON) from None


def is_too_deep(body: bytes) -> bool:
    """Whether a text nests deeper than ``DEEPEST``, told without reading it; brackets in its texts do not count.

    Every innermost pair of brackets is taken away at once, again and again. Single ones that are left are no JSON.
    """
    outside = _TEXTS.sub(b"", body) if _ESCAPE in body else b"".join(body.split(_QUOTE)[::2])
    brackets = outside.translate(None, _NO_BRACKETS)
    for _ in range(DEEPEST):
        if not brackets:
            return False
        brackets = _PAIR.sub(b"", brackets)
    return len(brackets) > DEEPEST or _PAIR.search(brackets) is not None


def _refuse(constant: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


_decode = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_refuse
).decode
