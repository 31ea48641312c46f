"""Dialects: what a province does otherwise than the national edition, read from ``dialects/*.yaml``.

A file says how requests are addressed and signed, how answers are typed, and what is otherwise in the field tables:
names, lengths, flags, dictionaries and further fields. What it changes has to be there, what it adds may not be.

Errors: ``knowledge_base.files.yaml_files.FileFaults`` lists every fault of a file with line and place.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field as Bounds
from pydantic import model_validator

from api.hospital.plain import PlainReader
from api.hospital.tables import (
    Code,
    Dictionary,
    FieldForm,
    Forms,
    Length,
    Message,
    Node,
    NodeForm,
    Required,
    Unknown,
    envelope_of,
    load_forms,
    messages_of,
    open_names,
)
from knowledge_base.cards import FilePart, Words
from knowledge_base.files.yaml_files import FileFaults, Where, YamlFile, load_yaml

DIALECTS = Path(__file__).parent / "dialects"
NATIONAL = "national"

Signing = Literal["none", "hmac-sm3-tif", "hmac-sha1-api", "bearer"]
"""How a request shows who sent it."""

HeaderRole = Literal["sender", "time", "nonce", "signature", "service", "version"]
"""What a header of a request is for; a bearer's token stands in ``Authorization`` and is named nowhere."""

SIGNED_WITH: Mapping[Signing, frozenset[HeaderRole]] = {
    "none": frozenset(),
    "hmac-sm3-tif": frozenset({"sender", "time", "nonce", "signature"}),
    "hmac-sha1-api": frozenset({"sender", "time", "signature", "service", "version"}),
    "bearer": frozenset(),
}
"""The headers that each way of signing needs."""

Binding = Literal["none", "sha256", "sm3"]
"""By which hash of the body a signature is bound to it, if it is."""

IN_PATH = "{infno}"
Collection = Literal["list", "object"]


class Addresses(FilePart):
    """Where requests are sent: one address a message, or one for all with the service's name in a header."""

    path: Annotated[str, Bounds(pattern=r"^/[a-z0-9_/-]*(\{infno\})?$")]
    """The path, with ``{infno}`` where each message has its own."""

    services: Mapping[str, str] = {}
    """The service's name by the number of a message; of others it is the number."""


class FieldChange(FilePart):
    """What is otherwise about a field of the tables."""

    named: str | None = None
    """The name that it has there; the national one is understood as well."""

    length: Length | tuple[Length, Length] | None = None
    """Its length there."""

    required: Required | None = None
    """Whether it has to be there."""

    dictionary: str | None = None
    """The dictionary whose values it takes there."""

    unknown: Unknown | None = None
    """What another value is there."""


class NodeChange(FilePart):
    """What is otherwise about a collection of the tables."""

    named: str | None = None
    """The name that it has there; the national one is understood as well."""

    required: Literal["always", "never"] | None = None
    """Whether it has to be there."""

    changes: Mapping[str, FieldChange] = {}
    """Its fields that are otherwise."""

    adds: Mapping[str, FieldForm] = {}
    """Fields that it has beside the national ones."""


class Answers(FilePart):
    """How answers are typed."""

    infcode: Literal["number", "text"] = "number"
    """What 0 and others are written as."""

    collections: Mapping[str, Collection] = {}
    """Collections of answers that clients read as one object, or as a list as all others are."""


class DialectForm(FilePart):
    """The file of a dialect."""

    name: Words
    """What it is called."""

    sources: Annotated[tuple[str, ...], Bounds(min_length=1)]
    """Where what it says was read."""

    addresses: Addresses
    """Where requests are sent."""

    signing: Signing
    """How they are signed."""

    binds: Binding = "none"
    """How the signature is bound to the body: by a hash of it that is signed along. Public schemes leave it open."""

    headers: Mapping[HeaderRole, str] = {}
    """The names of their headers, in small letters."""

    answers: Answers = Answers()
    """How answers are typed."""

    dictionaries: Mapping[str, Dictionary] = {}
    """Dictionaries that stand in the place of national ones, or beside them."""

    envelope: NodeChange = NodeChange()
    """What is otherwise in the envelope of requests."""

    requests: Mapping[str, Mapping[str, NodeChange]] = {}
    """What is otherwise in the requests, by the number that the table's file has, and the collection."""

    @model_validator(mode="after")
    def _headers_suffice(self) -> "DialectForm":
        missing = SIGNED_WITH[self.signing] - self.headers.keys()
        if IN_PATH not in self.addresses.path and "service" not in self.headers:
            missing |= {"service"}
        if missing:
            raise ValueError(f"headers needed: {', '.join(sorted(missing))}")
        if self.binds != "none" and "signature" not in SIGNED_WITH[self.signing]:
            raise ValueError("nothing is signed that could be bound to the body")
        return self


class Dialect(msgspec.Struct, frozen=True):
    """A province's edition of the interface. ``envelope`` is that of a request of which more is not known.

    ``plain`` are the readers of messages that are surely without fault.
    """

    name: str
    words: Words
    addresses: Addresses
    signing: Signing
    binds: Binding
    headers: Mapping[HeaderRole, str]
    answers: Answers
    envelope: Node
    messages: Mapping[str, Message]
    plain: Mapping[str, PlainReader]


@cache
def load_dialects(folder: Path = DIALECTS) -> Mapping[str, Dialect]:
    """All dialects by the names of their files. Raises ``FileFaults``."""
    return {path.stem: load_dialect(path) for path in sorted(folder.glob("*.yaml"))}


def load_dialect(path: Path) -> Dialect:
    """The dialect of a file. Raises ``FileFaults``."""
    national = load_forms()
    raw = load_yaml(path)
    form = raw.model((), DialectForm, raw.data)
    faults = [raw.fault(where, says) for where, says in _misfits(raw, form, national)]
    if faults:
        raise FileFaults(path, faults)
    forms = _changed(national, form)
    messages = messages_of(forms)
    return Dialect(
        name=path.stem,
        words=form.name,
        addresses=form.addresses,
        signing=form.signing,
        binds=form.binds,
        headers=form.headers,
        answers=form.answers,
        envelope=envelope_of(forms),
        messages=messages,
        plain={infno: PlainReader(infno, message.request) for infno, message in messages.items()},
    )


def _misfits(raw: YamlFile, form: DialectForm, national: Forms) -> Iterator[tuple[Where, str]]:
    """What a dialect says of parts of the tables that are not there, or adds although they are."""
    dictionaries = {**national.dictionaries, **form.dictionaries}
    yield from _open_meanings(form, national)
    infnos = {infno for message in national.messages.values() for infno in message.infnos}
    for infno in form.addresses.services.keys() - infnos:
        yield ("addresses", "services", infno), "no such message"
    answered = {name for message in national.messages.values() for name, _ in _nodes_of(message.answer)}
    for name in form.answers.collections.keys() - answered:
        yield ("answers", "collections", name), "no such collection in any answer"
    yield from _misfits_of(("envelope",), form.envelope, national.envelope.request, dictionaries)
    for message, changes in form.requests.items():
        if message not in national.messages:
            yield ("requests", message), "no such table"
            continue
        nodes = dict(_nodes_of(national.messages[message].request))
        for name, change in changes.items():
            if name not in nodes:
                yield ("requests", message, name), "no such collection"
            else:
                yield from _misfits_of(("requests", message, name), change, nodes[name], dictionaries)


def _open_meanings(form: DialectForm, national: Forms) -> Iterator[tuple[Where, str]]:
    """Values of a dictionary that mean none of the national one, nor one of their own."""
    for name, dictionary in form.dictionaries.items():
        known = national.dictionaries.get(name, {}).keys() | dictionary.keys()
        for value, code in dictionary.items():
            if isinstance(code, Code) and code.means not in known:
                yield ("dictionaries", name, value, "means"), f"no value {code.means} in the national dictionary"


def _misfits_of(
    where: Where, change: NodeChange, node: NodeForm, dictionaries: Mapping[str, Dictionary]
) -> Iterator[tuple[Where, str]]:
    for name in change.changes.keys() - node.fields.keys():
        yield (*where, "changes", name), "no such field"
    taken = node.fields.keys() | node.nodes.keys()
    for name in change.adds.keys() & taken:
        yield (*where, "adds", name), "there is such a name already"
    for name, of in change.changes.items():
        if of.named in taken | change.adds.keys():
            yield (*where, "changes", name, "named"), "there is such a name already"
        if of.dictionary is not None and of.dictionary not in dictionaries:
            yield (*where, "changes", name, "dictionary"), f"unknown dictionary {of.dictionary}"
        if of.length is not None and name in node.fields and type(of.length) is not type(node.fields[name].length):
            yield (*where, "changes", name, "length"), f"length does not fit a {node.fields[name].kind}"
    added = node.model_copy(update={"fields": change.adds, "nodes": {}})
    for place, says in open_names({"": added}, (), dictionaries):
        yield (*where, "adds", *place[2:]), says


def _nodes_of(nodes: Mapping[str, NodeForm]) -> Iterator[tuple[str, NodeForm]]:
    """Nodes and all those in them, by name."""
    for name, node in nodes.items():
        yield name, node
        yield from _nodes_of(node.nodes)


def _changed(national: Forms, form: DialectForm) -> Forms:
    envelope = national.envelope.model_copy(update={"request": _with(national.envelope.request, form.envelope)})
    messages = {
        name: message.model_copy(update={"request": _all_with(message.request, form.requests.get(name, {}))})
        for name, message in national.messages.items()
    }
    return Forms({**national.dictionaries, **form.dictionaries}, envelope, messages)


def _all_with(nodes: Mapping[str, NodeForm], changes: Mapping[str, NodeChange]) -> dict[str, NodeForm]:
    """Nodes and all those in them as a dialect changes them."""
    return {
        name: _with(node.model_copy(update={"nodes": _all_with(node.nodes, changes)}), changes.get(name, NodeChange()))
        for name, node in nodes.items()
    }


def _with(node: NodeForm, change: NodeChange) -> NodeForm:
    fields = {name: _field_with(of, change.changes.get(name, FieldChange())) for name, of in node.fields.items()}
    return node.model_copy(update={**_told(change, "named", "required"), "fields": {**fields, **change.adds}})


def _field_with(field: FieldForm, change: FieldChange) -> FieldForm:
    return field.model_copy(update=_told(change, *FieldChange.model_fields))


def _told(change: FieldChange | NodeChange, *names: str) -> dict[str, Any]:
    """What of a change is told."""
    told = {name: getattr(change, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}
