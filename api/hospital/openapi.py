"""The interface as OpenAPI 3.1, made from the field tables: one document a dialect, for whoever writes the other end.

It says the form in which messages are due: whatever it takes is taken in. The gateway takes more, as senders have it
(``checking.py``): one object for a list, either of them as the JSON of it in a text, texts and numbers for each other,
other spellings of names and dates, collections that lie flat. Of numbers without quotes it does not say how many digits
they may have behind the point; the gateway does, as ``streams.messages.schemas`` has it for events.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from api.hospital.dialect import IN_PATH, Dialect, load_dialects
from api.hospital.example import example_request
from api.hospital.requests import PHASES
from api.hospital.server import MOST_BODY
from api.hospital.tables import Field, Node
from knowledge_base.signs import UNSEEN_RANGES

Schema = dict[str, Any]

JSON = "application/json"

EXAMPLES_AT = datetime(2026, 3, 12, 2, tzinfo=UTC)
"""When the examples were sent."""

_TEXT = r"^[^\u0000]*$"
_VISIBLE = rf"[^\s{''.join(f'{chr(first)}-{chr(last)}' for first, last in UNSEEN_RANGES)}]"
"""A sign that somebody sees, whatever a reader of patterns takes for a blank."""
_SHOWN = rf"^[^\u0000]*{_VISIBLE}[^\u0000]*$"
_YEAR = "(?:19(?:0[1-9]|[1-9][0-9])|20[0-8][0-9])"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    "|(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:[02468][048]|[1357][26]))-02-29)"
)
"""A day of the calendar from 1901 to 2089: whoever is told of lives in them."""
_WRITTEN = {"date": _DAY, "datetime": f"{_DAY} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"}

_NOTED = "应填写, 缺失只作提示 / due; its absence is noted and refuses nothing"
_OTHER_CODES = "其他值只作提示 / other values are noted"
_IN_TIME = "报文最多 {most} MiB, 响应最长等待见 FUNDWATCH_GATEWAY_BUDGET_MS / a message has {most} MiB at most"
_STATUS = {
    "401": "缺少有效密钥 / no key that may be used",
    "429": "发送过快, 请稍后重发 / too many messages, send again later",
}


def interface_of(dialect: Dialect) -> Schema:
    """The OpenAPI document of a dialect."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{dialect.words.zh}医院接口 / hospital interface, {dialect.words.en}",
            "version": "1",
            "description": _IN_TIME.format(most=MOST_BODY // 2**20),
        },
        "paths": {**_paths(dialect), **_receipts(), **_HEALTH},
        "components": {
            "schemas": _schemas(dialect),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def encode_interface(document: Schema) -> bytes:
    """A document as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def file_of(dialect: Dialect) -> str:
    """The name of a dialect's file."""
    return f"gateway.{dialect.name}.json"


def save_interfaces(folder: Path) -> None:
    """Writes one file a dialect."""
    for dialect in load_dialects().values():
        (folder / file_of(dialect)).write_bytes(encode_interface(interface_of(dialect)))


# --- addresses


def _paths(dialect: Dialect) -> Schema:
    if IN_PATH not in dialect.addresses.path:
        return {dialect.addresses.path: {"post": _operation(dialect, *dialect.messages)}}
    return {
        dialect.addresses.path.replace(IN_PATH, infno): {"post": _operation(dialect, infno)}
        for infno in dialect.messages
    }


def _operation(dialect: Dialect, *infnos: str) -> Schema:
    """The operation of an address that takes these messages."""
    examples = {infno: {"value": example_request(infno, EXAMPLES_AT, dialect)} for infno in infnos}
    body = {"schema": _one_of([_ref(f"request-{infno}") for infno in infnos]), "examples": examples}
    taken = [_ref(f"taken-{infno}") for infno in infnos]
    answers = {"200": _answered(_one_of([*taken, _ref("refused")]), "回答 / the answer")}
    answers |= {status: _answered(_ref("refused"), says) for status, says in _STATUS.items()}
    return {
        "operationId": infnos[0] if len(infnos) == 1 else "all",
        "summary": "; ".join(f"{infno} {dialect.messages[infno].label}" for infno in infnos),
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": answers,
    }


def _answered(schema: Schema, says: str) -> Schema:
    return {"description": says, "content": {JSON: {"schema": schema}}}


_STATE = {"type": "object", "required": ["state"], "properties": {"state": {"type": "string"}}}
_HEALTH = {
    "/health/live": {
        "get": {"security": [], "responses": {"200": _answered(_STATE, "进程在应答 / the process answers")}}
    },
    "/health/ready": {
        "get": {
            "security": [],
            "responses": {
                "200": _answered(_STATE, "报文能保存 / what it is told can be kept"),
                "503": _answered(_STATE, "报文暂时不能保存 / it cannot be kept at this moment"),
            },
        }
    },
}

_STRING: Schema = {"type": "string"}
_RECEIPT: Schema = {
    "type": "object",
    "required": ["code", "msgid", "infno", "asked_at", "answered_at", "outcome", "rule_set", "as_of", "fingerprint"],
    "properties": {
        "code": _STRING,
        "msgid": _STRING,
        "infno": {"enum": ["3101", "3102"]},
        "asked_at": {**_STRING, "description": "yyyy-MM-dd HH:mm:ss"},
        "answered_at": {**_STRING, "description": "yyyy-MM-dd HH:mm:ss"},
        "outcome": {"enum": ["judged", "not judged"], "description": "是否在答复前判断 / judged before the answer"},
        "rule_set": {**_STRING, "description": "按哪一套规则 / by which set; empty where nothing was judged"},
        "as_of": {"type": "integer", "description": "看到第几号为止 / over all events up to this arrival number"},
        "not_evaluated": {"type": "array", "items": {"type": "object"}},
        "fingerprint": {**_STRING, "description": "原文的带密钥摘要 / keyed hash of the bytes that came, hex"},
        "kept": {"type": "array", "items": {"type": "object"}, "description": "docs/schemas/prescription.json"},
    },
}


def _receipts() -> Schema:
    """What is told of a request by the code of its answer."""
    refused = {404: "没有 / there is none for you", 503: "暂时无法查询 / cannot be looked up at this moment"}
    answers = {"200": _answered(_RECEIPT, "所保存的询问 / the request as it is kept")}
    answers |= {status: _answered(_ref("refused"), says) for status, says in _STATUS.items()}
    answers |= {str(status): _answered(_ref("refused"), says) for status, says in refused.items()}
    code = {"name": "code", "in": "path", "required": True, "schema": _STRING}
    return {"/receipts/{code}": {"get": {"operationId": "receipt", "parameters": [code], "responses": answers}}}


# --- messages


def _schemas(dialect: Dialect) -> Mapping[str, Schema]:
    known: list[tuple[Node, str]] = []
    schemas: dict[str, Schema] = {**_MOMENTS, "refused": _answer(dialect, {"output": _NOTHING}, is_taken=False)}
    for infno, message in dialect.messages.items():
        inside = {"input": message.request.node("input"), "output": message.answer.node("output")}
        shared: dict[str, Schema] = {}
        for name, node in inside.items():
            called = next((called for other, called in known if other == node), None)
            if called is None:
                called = f"{name}-{infno}"
                known.append((node, called))
                as_one = dialect.answers.collections if name == "output" else {}
                schemas[called] = _object(node, {}, {of for of, form in as_one.items() if form == "object"})
            shared[name] = _ref(called)
        request = _object(message.request, {"infno": {"const": infno}, "input": shared["input"]})
        schemas[f"request-{infno}"] = {**request, **_AREA} if infno in PHASES else request
        schemas[f"taken-{infno}"] = _answer(dialect, {"output": shared["output"]}, is_taken=True)
    return schemas


_AREA = {
    "anyOf": [
        {"required": [name], "properties": {name: {"type": "string", "pattern": _SHOWN}}}
        for name in ("insuplc_admdvs", "mdtrtarea_admvs")
    ]
}
"""Something has to tell which area insures a patient. The gateway takes each patient's own (poolarea) as well."""
_NOTHING = {"type": "object", "maxProperties": 0}
_MOMENTS = {
    f"{kind}{'' if is_due else '-if-told'}": {
        "type": "string" if is_due else ["string", "null"],
        "pattern": f"^{written}$" if is_due else f"^(?:{written})?$",
    }
    for kind, written in _WRITTEN.items()
    for is_due in (True, False)
}
"""Days and instants by the names of their schemas."""


def _answer(dialect: Dialect, output: Mapping[str, Schema], *, is_taken: bool) -> Schema:
    """What is answered to a message that was taken in, or to one that was refused."""
    node = next(iter(dialect.messages.values())).answer
    code = 0 if is_taken else -1
    says: Schema = {"const": ""} if is_taken else {"type": "string", "minLength": 1, "maxLength": 200}
    fixed = {"infcode": {"const": code if dialect.answers.infcode == "number" else str(code)}, "err_msg": says}
    shape = _object(node, {**fixed, **output})
    return {**shape, "required": [*shape["required"], "err_msg", "output"]}


def _object(node: Node, fixed: Mapping[str, Schema], as_one: Collection[str] = ()) -> Schema:
    """What an object of a collection holds. ``fixed`` says otherwise of some names, ``as_one`` are collections that
    stand as one object."""
    properties: Schema = {}
    for field in node.fields:
        properties[field.spelled[0]] = fixed.get(field.name) or _field(field)
    for inside in node.nodes:
        properties[inside.spelled[0]] = fixed.get(inside.name) or _collection(inside, as_one)
    due = [field.spelled[0] for field in node.fields if field.required == "always" and not field.unless]
    due += [inside.spelled[0] for inside in node.nodes if inside.is_required]
    either = [
        {"anyOf": [{"required": [field.name]}, {"required": [field.unless]}]}
        for field in node.fields
        if field.required == "always" and field.unless
    ]
    shape = {"type": "object", "title": node.label, "required": due, "properties": properties}
    return {**shape, "allOf": either} if either else shape


def _collection(node: Node, as_one: Collection[str]) -> Schema:
    if node.unread:
        return {"title": node.label}
    item = _object(node, {}, as_one)
    if not node.many or node.name in as_one:
        return item
    return {"type": "array", "items": item, **({"minItems": 1} if node.is_required else {})}


def _field(field: Field) -> Schema:
    said = {"title": field.label, **({"description": _NOTED} if field.required == "noted" else {})}
    is_due = field.required == "always" or field.several
    if field.several:
        part = rf"(?!,){_VISIBLE}[^,\u0000]{{0,{field.length - 1}}}"
        several = {"type": ["array", "string"], "minItems": 1, "pattern": f"^{part}(?:,{part})*$"}
        return {**said, **several, "items": _text(field, is_due)}
    if field.kind == "number":
        return {**said, **_number(field, is_due)}
    if field.kind == "text":
        return {**said, **_text(field, is_due)}
    return {**said, **_ref(field.kind if is_due else f"{field.kind}-if-told")}


def _text(field: Field, is_due: bool) -> Schema:
    if field.codes is not None and field.unknown == "refused":
        return {"enum": [*field.codes, *([] if is_due else ["", None])]}
    shape = {
        **_kinds(is_due, "string"),
        "maxLength": field.length,
        "pattern": _SHOWN if is_due else _TEXT,
    }
    if field.codes is not None:
        shape["description"] = f"{', '.join(field.codes)}; {_OTHER_CODES}"
    return shape


def _number(field: Field, is_due: bool) -> Schema:
    """A number, or a text that is one."""
    places = rf"(?:\.[0-9]{{1,{field.places}}})?" if field.places else ""
    written = rf"-?(?:0|[1-9][0-9]{{0,{field.length - 1}}}){places}"
    most = 10**field.length
    return {
        **_kinds(is_due, "number" if field.places else "integer", "string"),
        "exclusiveMinimum": -most,
        "exclusiveMaximum": most,
        "pattern": f"^{written}$" if is_due else f"^(?:{written})?$",
    }


def _kinds(is_due: bool, *kinds: str) -> Schema:
    """The types of a value, which may be ``null`` where it need not be told."""
    told = [*kinds, *([] if is_due else ["null"])]
    return {"type": told[0] if len(told) == 1 else told}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


if __name__ == "__main__":
    save_interfaces(Path("docs/schemas"))
