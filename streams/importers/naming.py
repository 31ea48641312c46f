"""Naming: whoever an input names by identity number is known from the door on by the pseudonym that the gateway makes.

So one person is one person through both doors. All else of a line stays as it is written, and a line that cannot be
read stays whole: what is wrong with it is said where it is decoded.
"""

from collections.abc import Iterable, Iterator

import msgspec

from streams.importers.jsonl import RawLine
from streams.messages.pseudonyms import Pseudonyms

_NUMBERS = ("patient", "same_as")

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def with_pseudonyms(lines: Iterable[RawLine], pseudonyms: Pseudonyms) -> Iterator[RawLine]:
    """Lines with pseudonyms in the place of identity numbers."""
    return (line if line.part else line._replace(raw=_renamed(line.raw, pseudonyms)) for line in lines)


def _renamed(raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    try:
        fields = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw
    told = {name: number for name in _NUMBERS if name in fields and (number := _number(fields[name])) is not None}
    if not told:
        return raw
    return _encode({**fields, **{name: pseudonyms.of(number) for name, number in told.items()}})


def _number(field: msgspec.Raw) -> str | None:
    """An identity number, ``None`` where something else stands there, or nothing that can be seen."""
    try:
        number = _decode_text(field)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return number if number.strip() else None
