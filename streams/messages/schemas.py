"""JSON Schemas of the events, generated from their types, for whoever writes the other end.

They say what a single field may hold. The codec alone (``streams.messages.codec``) says what fields may hold together
(a claim reverses or corrects, not both; line ids are unique in a claim), how many digits a number without quotes may
have behind the point, that identifiers show something, that no object gives a name twice, and how many objects and
lists a message may hold (``MOST_PARTS``). It also accepts unknown fields, and names some of them
(``streams.messages.unknown``).

How days and instants are written their patterns say; that there is such a day (no 30 February) their ``format`` says.
Validators that hold ``format`` against RFC 3339 refuse a blank for T and an offset without its colon, which we take.
"""

from pathlib import Path
from typing import Any

import msgspec

from streams.messages.kinds import KINDS
from streams.messages.numbers import DECIMAL, DIGITS

_DAY = "-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = (
    r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
)
_WRITTEN = {"date": _DAY, "date-time": _DAY + _TIME}
_YEAR = "(?!0000)[0-9]{4}"

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of each kind of event, by kind."""
    return {name: {"$schema": DIALECT, **_as_written(msgspec.json.schema(kind.event))} for name, kind in KINDS.items()}


def encode_schema(schema: dict[str, Any]) -> bytes:
    """A schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def save_schemas(folder: Path) -> None:
    """Writes one file a kind."""
    for kind, schema in event_schemas().items():
        (folder / f"{kind}.json").write_bytes(encode_schema(schema))


def _as_written(part: Any) -> Any:
    """The schema with the way in which decimals, days and instants are written, which the types do not say."""
    if isinstance(part, list):
        return [_as_written(item) for item in part]
    if not isinstance(part, dict):
        return part
    whole = {name: _as_written(value) for name, value in part.items()}
    form = part.get("format")
    if form == "decimal":
        bounds = {"exclusiveMinimum": -(10**DIGITS), "exclusiveMaximum": 10**DIGITS}
        return {**whole, "type": ["string", "number"], "pattern": f"^{DECIMAL}$", **bounds}
    return {**whole, "pattern": f"^{_YEAR}{_WRITTEN[form]}$"} if form in _WRITTEN else whole


if __name__ == "__main__":
    save_schemas(Path("docs/schemas"))
