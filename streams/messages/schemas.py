"""JSON Schemas of the events, generated from their types, for whoever writes the other end.

They say what a single field may hold. The codec alone (``streams.messages.codec``) says what fields may hold together
(a claim reverses or corrects, not both; line ids are unique in a claim; days lie in 1900 to 2199), how many digits a
number without quotes may have behind the point, that identifiers show something, and that no object gives a name
twice. It also accepts unknown fields.
"""

from pathlib import Path
from typing import Any

import msgspec

from streams.messages.kinds import KINDS
from streams.messages.numbers import DECIMAL, DIGITS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of each kind of event, by kind."""
    return {
        name: {"$schema": DIALECT, **_with_decimals(msgspec.json.schema(kind.event))} for name, kind in KINDS.items()
    }


def encode_schema(schema: dict[str, Any]) -> bytes:
    """A schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def save_schemas(folder: Path) -> None:
    """Writes one file a kind."""
    for kind, schema in event_schemas().items():
        (folder / f"{kind}.json").write_bytes(encode_schema(schema))


def _with_decimals(part: Any) -> Any:
    """The schema with the way in which decimals are written, which the types do not say."""
    if isinstance(part, list):
        return [_with_decimals(item) for item in part]
    if not isinstance(part, dict):
        return part
    whole = {name: _with_decimals(value) for name, value in part.items()}
    bounds = {"exclusiveMinimum": -(10**DIGITS), "exclusiveMaximum": 10**DIGITS}
    written = {"type": ["string", "number"], "pattern": f"^{DECIMAL}$", **bounds}
    return {**whole, **written} if part.get("format") == "decimal" else whole


if __name__ == "__main__":
    save_schemas(Path("docs/schemas"))
