"""Messages that are no events, by kind: what is wrong with each, and the field that its reasons must name.

Each is one fault in an otherwise good message. Values are marked, so that one that leaks can be recognised.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]
Fault = Callable[[Data], bytes | None]

SECRETS = ("pseudonym", "王某某", "13800138000", "420281199001011234", "肺恶性肿瘤")
"""What stands in these messages and must stand in no reason and in no log."""

_GONE = object()


@dataclass(frozen=True)
class Bad:
    """One way to be no event; ``names`` begins a reason."""

    kind: str
    names: str
    write: Fault

    def body(self, number: int) -> bytes | None:
        data = status(number) if self.kind.startswith("status") else claim(number)
        return self.write(data)


def claim(number: int) -> Data:
    """A good claim of a patient of its own."""
    line = {"at": "2026-03-03T01:00:00Z", "quantity": "1", "amount": "10.50", "item_name": "13800138000"}
    return {
        "event_id": f"sender:{number}",
        "area": "420281",
        "kind": "claim",
        "happened_at": "2026-03-03T02:00:00Z",
        "sender": "sender",
        "claim_id": f"C{number}",
        "encounter_id": f"M{number}",
        "patient": f"pseudonym-{number}",
        "institution": "H1",
        "visit_type": "11",
        "settled_at": "2026-03-03T02:00:00Z",
        "lines": [{"line_id": "1", **line}, {"line_id": "2", **line, "amount": "0.25"}],
        "paid": {"pooled_fund": "5"},
        "diagnoses": [{"code": "C34.900", "name": "肺恶性肿瘤"}],
        "operations": [{"code": "06.4x00"}],
    }


def status(number: int) -> Data:
    """A good change of a patient's status."""
    return {
        "event_id": f"sender:{number}",
        "area": "420281",
        "kind": "patient_status",
        "happened_at": "2026-03-03T02:00:00Z",
        "sender": "sender",
        "patient": f"pseudonym-{number}",
        "change": "sex",
        "sex": "1",
    }


def put(path: str, value: Any) -> Fault:
    """Writes a value, or takes a field away: ``lines.0.amount``."""

    def write(data: Data) -> bytes:
        changed = copy.deepcopy(data)
        *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        part: Any = changed
        for step in way:
            part = part[step]
        if value is _GONE:
            del part[last]
        else:
            part[last] = value
        return json.dumps(changed, ensure_ascii=False).encode()

    return write


def _text(data: Data) -> str:
    return json.dumps(data, ensure_ascii=False)


def _nested(depth: int) -> Fault:
    return lambda data: (_text(data)[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}").encode()


def _with(**fields: Any) -> Fault:
    return lambda data: _text({**data, **fields}).encode()


def _self_linked(link: str) -> Fault:
    return lambda data: _text({**data, link: data["claim_id"]}).encode()


_NO_JSON: dict[str, Fault] = {
    "empty value": lambda data: b"",
    "null value": lambda data: None,
    "a sentence": lambda data: "王某某 未上传".encode(),
    "half a number": lambda data: _text(data).replace('"10.50"', "10.").encode(),
    "bare NaN": lambda data: _text(data).replace('"10.50"', "NaN").encode(),
    "truncated": lambda data: _text(data).encode()[:-20],
    "truncated in a letter": lambda data: _text(data).encode().partition("肺".encode())[0] + b"\xe8\x82",
    "two objects": lambda data: _text(data).encode() * 2,
    "single quotes": lambda data: _text(data).replace('"', "'").encode(),
    "invalid UTF-8": lambda data: _text(data).encode().replace("肺恶性肿瘤".encode(), b"\xb7\xce\xff"),
    "GB 18030": lambda data: _text(data).encode("gb18030"),
    "UTF-16": lambda data: _text(data).encode("utf-16"),
    "half a surrogate pair": lambda data: _text(data).replace("肺", "\\ud800").encode(),
    "a raw NUL": lambda data: _text(data).replace("肺", "\0").encode(),
    "nested 5,000 deep": _nested(5000),
    "nested 100,000 deep": _nested(100_000),
}

_NO_OBJECT: dict[str, Fault] = {
    "JSON null": lambda data: b"null",
    "JSON text": lambda data: b'"pseudonym"',
    "JSON array": lambda data: f"[{_text(data)}]".encode(),
}

_DECIMALS: tuple[Any, ...] = (
    True, "NaN", "sNaN", "-Infinity", "1E+14", "1" * 15, 1e14, "0.1234567", 0.1 + 0.2, "", "1,5", "12元", "0x1F", [],
    {"value": "1"},
)  # fmt: skip

SPELLINGS = {12: "12", 12.5: "12.5", 0: "0", -1: "-1", 1e-6: "0.000001", "007.50": "7.5", "-0": "0"}
"""Numbers that the published schema takes, and what they mean."""

OLD_SPELLINGS = {
    "1E+3": "1000",
    "1_000": "1000",
    "１２": "12",
    "٣": "3",
    " 1": "1",
    "1 ": "1",
    "+1": "1",
    "1.": "1",
    ".5": "0.5",
}
"""Numbers that doors of before took beside them."""

_INSTANTS: tuple[Any, ...] = (
    "2026-03-03T02:00:00", "2026-03-03", "20260303020000", 1772503200, "2026-02-30T00:00:00Z", "",
    "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
    "2026-03-03T25:00:00Z", "王某某",
)  # fmt: skip

#: (field, faulty values); the reason must name the field.
_VALUES: list[tuple[str, tuple[Any, ...]]] = [
    ("kind", (_GONE, None, 1, [], "stock_movement", "王某某", "claim\0")),
    ("schema_version", (0, 2, "1", 1.0, True, None)),
    ("event_id", (_GONE, None, "", 420281199001011234, "e" * 101)),
    ("area", (_GONE, 420281, "4" * 61)),
    ("patient", (_GONE, None, "", 13800138000, ["pseudonym"], {"name": "王某某"}, "pseudonym\0", "p" * 101)),
    ("claim_id", (_GONE, 7)),
    ("encounter_id", (_GONE, "")),
    ("institution", (_GONE, False)),
    ("visit_type", (_GONE, 11)),
    ("sex", (1, ["1"])),
    ("mid_stay", ("true", 1, None)),
    ("department", ("内科", ["王某某"])),
    ("diagnoses", ("肺恶性肿瘤", {"code": "C34.900"})),
    ("diagnoses[0]", ("肺恶性肿瘤", None)),
    ("diagnoses[0].code", (_GONE, None, 34)),
    ("diagnoses[0].at", _INSTANTS),
    ("operations[0].at", _INSTANTS),
    ("diagnoses[0].name", ("肺恶性肿瘤\0", "王某某" * 200)),
    ("happened_at", (_GONE, None, *_INSTANTS)),
    ("settled_at", (_GONE, *_INSTANTS)),
    ("admitted_at", _INSTANTS),
    ("birth_date", ("0000-00-00", "1899-02-29", "1990-01-01T00:00:00Z", "19900101", 19900101)),
    ("lines", (_GONE, None, "13800138000", {}, 3)),
    ("lines[1]", (None, "13800138000", [])),
    ("lines[0].line_id", (_GONE, 1, "")),
    ("lines[0].at", (_GONE, *_INSTANTS)),
    ("lines[0].quantity", (_GONE, None, *_DECIMALS)),
    ("lines[1].amount", (_GONE, None, *_DECIMALS)),
    ("lines[0].unit_price", _DECIMALS),
    ("lines[0].in_fund_scope", _DECIMALS),
    ("lines[0].item_name", ("王\0某某", 1, ["王某某"])),
    ("lines[0].days", ("3", 2.5, -1, 3661, 10**18)),
    ("lines[0].trace_codes", ("13800138000", None)),
    ("lines[0].refund_of", ("1",)),
    ("lines[1].line_id", ("1",)),
    ("paid", ([], "5", 5)),
    ("paid.pooled_fund", (_GONE, None, *_DECIMALS)),
    ("paid.own", _DECIMALS),
]

_STATUS_VALUES: list[tuple[str, tuple[Any, ...]]] = [
    ("change", (_GONE, None, "merged", "王某某", 1)),
    ("died_on", ("0000-01-01", "2026-03-03T00:00:00Z", 20260303)),
    ("insured", ("2026", [{"last": "2026-01-01"}], [{"first": "2026"}])),
]

_TOGETHER = [
    Bad("a claim that reverses itself", "corrects", _self_linked("reverses")),
    Bad("a claim that corrects itself", "corrects", _self_linked("corrects")),
    Bad("reverses and corrects", "reverses", _with(reverses="C-a", corrects="C-b")),
    Bad("status: a merge without same_as", "same_as", _with(change="merge")),
    Bad("status: a merge with null", "same_as", _with(change="merge", same_as=None)),
    Bad("status: a merge with a NUL", "same_as", _with(change="merge", same_as="pseudonym\0")),
    Bad("status: a merge with oneself", "same_as", lambda d: put("same_as", d["patient"])({**d, "change": "merge"})),
    Bad("2 MB of faulty lines", "lines[0].amount", lambda d: _text({**d, "lines": _lines("10元", 16_000)}).encode()),
]  # fmt: skip


def _lines(amount: Any, count: int) -> list[Data]:
    first = claim(0)["lines"][0]
    return [{**first, "line_id": str(number), "amount": amount} for number in range(count)]


def _path(field: str) -> str:
    return field.replace("[", ".").replace("]", "")


def all_bad() -> list[Bad]:
    """Every kind that there is."""
    unreadable = [Bad(kind, "not JSON", write) for kind, write in _NO_JSON.items()]
    unreadable += [Bad(kind, "not a JSON object", write) for kind, write in _NO_OBJECT.items()]
    single = [
        Bad(f"{prefix}{field} {number}", field, put(_path(field), value))
        for prefix, fields in (("", _VALUES), ("status: ", _STATUS_VALUES))
        for field, values in fields
        for number, value in enumerate(values)
    ]
    return [*unreadable, *single, *_TOGETHER]


def big_claim(number: int) -> Data:
    """A good claim of some 2 MB."""
    return {**claim(number), "lines": _lines("0.01", 16_000)}
