"""Bad messages made from the published schemas: each field with each value that its type does not hold; bytes that are
no text; text that is no JSON. And good ones that look bad. What must become of each is known before it is sent."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from .bad_messages import Bad, Data, claim, put, status

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"

_NAME = "王某某"

#: Values that no field of a type may hold, by the type or format that the schema gives.
_NOT: dict[str, tuple[Any, ...]] = {
    "string": (7, 2.5, True, [_NAME], {"name": _NAME}),
    "date-time": (7, True, [_NAME], {"name": _NAME}, _NAME, "2026-13-01T00:00:00Z", "2026-03-03T02:00:00+99:00"),
    "date": (7, True, [_NAME], {"name": _NAME}, _NAME, "2026-02-29", "03/03/2026"),
    "decimal": (True, [_NAME], {"name": _NAME}, "十二", "--1", "1.2.3", "∞", "9" * 40, "-", "1e999", "1/3"),
    "boolean": (7, "true", [], {}),
    "integer": ("3", 2.5, [], {}),
    "array": (_NAME, 7, True, {"0": _NAME}),
    "object": (_NAME, 7, True, [_NAME]),
    "enum": (_NAME, [], {"name": _NAME}),
}

_TEXTS_OF_A_CLAIM = ("claim_id", "patient", "lines.0.item_name", "diagnoses.0.name")

_NO_TEXT = (b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe8\x82", b"\xf8\x88\x80\x80\x80")
"""Bytes that UTF-8 does not have: stray, overlong, half a pair, beyond the last character, cut off."""

_DEPTHS = (3_000, 20_000, 300_000)


def more_bad() -> list[Bad]:
    """Some 800 messages that are no events, each for one reason."""
    return [*_by_schema(), *_no_text(), *_no_json(), *_of_two_megabytes()]


def full_claim(number: int) -> Data:
    """A good claim with a part of every kind, so that each field of the schema has its place."""
    data = claim(number)
    data["department"] = {"code": "03", "name": "内科"}
    data["lines"][0]["department"] = {"code": "03"}
    return data


def full_status(number: int) -> Data:
    """A good change with a part of every kind."""
    return {**status(number), "insured": [{"first": "2026-01-01"}]}


# --- by the schema


def _by_schema() -> Iterator[Bad]:
    for name, make in (("claim", full_claim), ("patient_status", full_status)):
        schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
        root = schema["$ref"].rsplit("/", 1)[1]
        for path, kinds in _fields(schema["$defs"], root, ""):
            for fault, value in _faults(kinds):
                yield _bad(f"{name} {path}: {fault}", path, make, value)


def _fields(parts: dict[str, Any], part: str, where: str) -> Iterator[tuple[str, list[Data]]]:
    """Every field below a part: its path as reasons write it, and what it may be."""
    for name, field in parts[part]["properties"].items():
        kinds = field.get("anyOf", [field])
        yield where + name, kinds
        for kind in kinds:
            if "$ref" in kind:
                yield from _fields(parts, kind["$ref"].rsplit("/", 1)[1], f"{where}{name}.")
            elif "$ref" in kind.get("items", {}):
                yield from _fields(parts, kind["items"]["$ref"].rsplit("/", 1)[1], f"{where}{name}[0].")


def _faults(kinds: list[Data]) -> Iterator[tuple[str, Any]]:
    """Values that a field may not hold, each with a word for its fault."""
    (kind,) = (kind for kind in kinds if kind.get("type") != "null")
    of_text = kind.get("type") == "string" and "format" not in kind
    for number, value in enumerate(_NOT[_word_for(kind)]):
        yield f"wrong type {number}", value
    if len(kinds) == 1:
        yield "null", None
    if of_text:
        yield "NUL", "a\0b"
        yield "too long", "长" * (kind["maxLength"] + 1)
    if kind.get("minLength"):
        yield "empty", ""


def _word_for(kind: Data) -> str:
    if "$ref" in kind:
        return "object"
    if "enum" in kind:
        return "enum"
    return str(kind.get("format", kind["type"]))


def _bad(kind: str, path: str, make: Any, value: Any) -> Bad:
    write = put(path.replace("[", ".").replace("]", ""), value)
    return Bad(kind, path, lambda data: write(make(int(data["claim_id"][1:]) if "claim_id" in data else 0)))


# --- not even JSON


def _no_text() -> Iterator[Bad]:
    for path in _TEXTS_OF_A_CLAIM:
        for number, raw in enumerate(_NO_TEXT):
            yield Bad(f"no UTF-8 in {path} {number}", "not JSON", _with_raw(path, raw))
        for code in (0, 1, 8, 10, 13, 31):
            yield Bad(f"control character {code} in {path}", "not JSON", _with_raw(path, bytes([code])))


def _with_raw(path: str, raw: bytes) -> Any:
    return lambda data: _bytes(put(path, "PLACE")(data)).replace(b"PLACE", b"a" + raw + b"b")


def _bytes(body: bytes | None) -> bytes:
    assert body is not None
    return body


def _no_json() -> Iterator[Bad]:
    chance = Random(5)
    whole = json.dumps(claim(0), ensure_ascii=False).encode()
    for number, end in enumerate(sorted(chance.sample(range(1, len(whole) - 1), 60))):
        yield Bad(f"cut off {number}", "not JSON", lambda data, end=end: whole[:end])  # type: ignore[misc]
    for depth in _DEPTHS:
        for opening, closing in (("[", "]"), ('{"x":', "}")):
            nested = opening * depth + "1" + closing * depth
            yield Bad(
                f"{opening} {depth} deep",
                "not JSON",
                lambda data, nested=nested: f'{{"x":{nested},{json.dumps(data)[1:]}'.encode(),  # type: ignore[misc]
            )
    for number, text in enumerate(("nan", "Infinity", "undefined", "0x10", "01", "+1", "1.", ".5", "'1'", "1e")):
        yield Bad(f"no JSON number {number}", "not JSON", _with_bare("lines.0.amount", text))


def _with_bare(path: str, text: str) -> Any:
    return lambda data: _bytes(put(path, "PLACE")(data)).replace(b'"PLACE"', text.encode())


def _of_two_megabytes() -> Iterator[Bad]:
    """16,000 lines, one of them at fault; the last, so that all are read."""
    for field, value in (("amount", "十二"), ("quantity", True), ("at", _NAME), ("line_id", "0")):
        yield Bad(
            f"2 MB, the last line's {field}",
            f"lines[15999].{field}",
            lambda data, field=field, value=value: json.dumps(_of_lines(data, {field: value})).encode(),  # type: ignore[misc]
        )


def _of_lines(data: Data, last: Data) -> Data:
    first = {**data["lines"][0], "amount": "0.01"}
    lines = [{**first, "line_id": str(number)} for number in range(16_000)]
    return {**data, "lines": [*lines[:-1], {**lines[-1], **last}]}


# --- looks bad and is good


def more_odd() -> Iterable[Data]:
    """Reversals of nothing, and rings of corrections in which no claim is the last: accepted, as spending is."""
    for number in range(30):
        yield {**claim(40_000 + number), "reverses" if number % 2 else "corrects": f"C-of-nobody-{number}"}
    for length in range(2, 8):
        ids = [41_000 + 10 * length + step for step in range(length)]
        for number, target in zip(ids, [*ids[1:], ids[0]], strict=True):
            link = "reverses" if length % 2 else "corrects"
            yield {**claim(number), "patient": f"pseudonym-ring-{length}", link: f"C{target}"}
