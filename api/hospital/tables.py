"""The field tables of the interface: which fields a message has, read from ``interface/*.yaml``.

A file holds a message's request and answer as nodes with fields; the envelope around them has a file of its own.
``request`` and ``answer`` of a ``Message`` are the whole of it, the envelope with ``input`` or ``output`` inside.

Errors: ``knowledge_base.files.yaml_files.FileFaults`` lists every fault of a file with line and place.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from pydantic import Field as Bounds
from pydantic import model_validator

from knowledge_base.cards import FilePart
from knowledge_base.files.yaml_files import FileFaults, Where, YamlFile, load_yaml

INTERFACE = Path(__file__).parent / "interface"
DICTIONARIES, ENVELOPE = "dictionaries", "envelope"
"""Names of the files that are no message's."""

Kind = Literal["text", "number", "date", "datetime"]

Required = Literal["always", "noted", "never"]
"""Whether a field has to be there: refused without it, told and accepted without it, or optional."""

Unknown = Literal["refused", "noted"]
"""What a value is that its dictionary does not hold."""

Length = Annotated[int, Bounds(ge=0)]


class Code(FilePart):
    """A value of a dictionary that is another spelling of one, or another province's."""

    name: str
    """What it stands for, in Chinese."""

    means: str
    """The national value that it means."""


Dictionary = Mapping[str, str | Code]
"""A dictionary as files hold it: value to its Chinese name, or to the value that it means."""


class FieldForm(FilePart):
    """A field as files hold it."""

    label: str
    """What the interface calls it, in Chinese."""

    kind: Kind
    """What it holds. Codes of dictionaries are texts."""

    length: Length | tuple[Length, Length] | None = None
    """Signs that a text has at most; digits that a number has at most before the point and behind it."""

    required: Required = "never"
    """Whether it has to be there."""

    dictionary: str | None = None
    """The dictionary whose values it takes."""

    unknown: Unknown = "refused"
    """What another value is."""

    several: bool = False
    """Whether it may hold several texts, as a list or parted by commas."""

    unless: str | None = None
    """The field beside it in whose presence it need not be there."""

    named: str | None = None
    """The name that it has in a dialect."""

    also: tuple[str, ...] = ()
    """Other names that senders give it."""

    @model_validator(mode="after")
    def _length_fits(self) -> "FieldForm":
        fits = {"text": isinstance(self.length, int), "number": isinstance(self.length, tuple)}
        if not fits.get(self.kind, self.length is None):
            raise ValueError(f"length does not fit a {self.kind}")
        if self.kind != "text" and (self.dictionary or self.several):
            raise ValueError("only a text has a dictionary or several values")
        return self


class NodeForm(FilePart):
    """A collection of a message as files hold it, with what it holds; it comes as a list or as one object."""

    label: str
    """What the interface calls it, in Chinese."""

    required: Literal["always", "never"] = "never"
    """Whether it has to be there with something in it."""

    many: bool = True
    """Whether it may hold more than one object."""

    unread: bool = False
    """Whether it may hold anything, of which nothing is read."""

    named: str | None = None
    """The name that it has in a dialect."""

    also: tuple[str, ...] = ()
    """Other names that senders give it."""

    fields: Mapping[str, FieldForm] = {}
    """Its fields by name."""

    nodes: Mapping[str, "NodeForm"] = {}
    """The collections in it by name."""


class MessageForm(FilePart):
    """A file of one message, without the envelope."""

    infnos: Annotated[tuple[str, ...], Bounds(min_length=1)]
    """The numbers of the messages that have this shape; the file is named after the first."""

    label: str
    """What the interface calls it, in Chinese."""

    request: Mapping[str, NodeForm]
    """What stands in ``input``."""

    answer: Mapping[str, NodeForm]
    """What stands in ``output``."""


class EnvelopeForm(FilePart):
    """The file of the envelope."""

    request: NodeForm
    """What stands around ``input``."""

    answer: NodeForm
    """What stands around ``output``."""


class DictionariesForm(FilePart):
    """The file of the dictionaries."""

    dictionaries: Mapping[str, Dictionary]


class Forms(NamedTuple):
    """All files of the interface: what a dialect changes, and what tables are made from."""

    dictionaries: Mapping[str, Dictionary]
    envelope: EnvelopeForm
    messages: Mapping[str, MessageForm]
    """By the number that a file is named after."""


class Field(msgspec.Struct, frozen=True):
    """A field as it is checked. ``codes`` is every value that its dictionary takes to the national one that it means.

    ``spelled`` are the names under which it may come, that of the dialect first. ``length`` counts the signs of a text
    or the digits of a number before the point, ``places`` those behind it; a date has neither.
    """

    name: str
    label: str
    kind: Kind
    required: Required
    length: int
    places: int
    codes: Mapping[str, str] | None
    unknown: Unknown
    several: bool
    unless: str | None
    spelled: tuple[str, ...]


class Node(msgspec.Struct, frozen=True):
    """A collection as it is checked, with what it holds. ``spelled`` as that of a ``Field``."""

    name: str
    label: str
    is_required: bool
    many: bool
    unread: bool
    spelled: tuple[str, ...]
    fields: tuple[Field, ...]
    nodes: tuple["Node", ...]

    def node(self, name: str) -> "Node":
        """The collection in it that has this name. Raises ``KeyError``."""
        return {node.name: node for node in self.nodes}[name]


class Message(msgspec.Struct, frozen=True):
    """A message as it is checked, with its envelope."""

    label: str
    request: Node
    answer: Node


def load_forms(folder: Path = INTERFACE) -> Forms:
    """The files of the interface. Raises ``FileFaults``."""
    raw = load_yaml(folder / f"{DICTIONARIES}.yaml")
    dictionaries = raw.model((), DictionariesForm, {"dictionaries": raw.data}).dictionaries
    raw = load_yaml(folder / f"{ENVELOPE}.yaml")
    envelope = raw.model((), EnvelopeForm, raw.data)
    _hold_up(raw, {"request": envelope.request, "answer": envelope.answer}, (), dictionaries)
    messages = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.stem not in (DICTIONARIES, ENVELOPE):
            messages[path.stem] = _load_message(path, dictionaries)
    return Forms(dictionaries, envelope, messages)


def _load_message(path: Path, dictionaries: Mapping[str, Dictionary]) -> MessageForm:
    raw = load_yaml(path)
    message = raw.model((), MessageForm, raw.data)
    if message.infnos[0] != path.stem:
        raise FileFaults(path, [raw.fault(("infnos",), "the file is named after the first")])
    _hold_up(raw, message.request, ("request",), dictionaries)
    _hold_up(raw, message.answer, ("answer",), dictionaries)
    return message


def _hold_up(
    raw: YamlFile, nodes: Mapping[str, NodeForm], where: Where, dictionaries: Mapping[str, Dictionary]
) -> None:
    """Raises ``FileFaults`` where a field names a dictionary or a field beside it that is not there."""
    faults = [raw.fault(place, says) for place, says in open_names(nodes, where, dictionaries)]
    if faults:
        raise FileFaults(raw.path, faults)


def open_names(
    nodes: Mapping[str, NodeForm], where: Where, dictionaries: Mapping[str, Dictionary]
) -> Iterator[tuple[Where, str]]:
    """What fields of nodes name that is not there, with its place."""
    for name, node in nodes.items():
        for field, form in node.fields.items():
            place = (*where, name, "fields", field)
            if form.dictionary is not None and form.dictionary not in dictionaries:
                yield (*place, "dictionary"), f"unknown dictionary {form.dictionary}"
            if form.unless is not None and form.unless not in node.fields:
                yield (*place, "unless"), f"no field {form.unless} beside it"
        yield from open_names(node.nodes, (*where, name, "nodes"), dictionaries)


def messages_of(forms: Forms) -> dict[str, Message]:
    """The messages by every number that they have."""
    return {infno: _message(forms, form) for form in forms.messages.values() for infno in form.infnos}


def envelope_of(forms: Forms) -> Node:
    """The envelope of a request of which more is not known."""
    return _node("", forms.envelope.request, forms.dictionaries)


def _message(forms: Forms, form: MessageForm) -> Message:
    around = forms.envelope
    request = NodeForm(label="交易输入", required="always", many=False, nodes=form.request)
    answer = NodeForm(label="交易输出", many=False, nodes=form.answer)
    return Message(
        label=form.label,
        request=_node("", around.request.model_copy(update={"nodes": {"input": request}}), forms.dictionaries),
        answer=_node("", around.answer.model_copy(update={"nodes": {"output": answer}}), forms.dictionaries),
    )


def _node(name: str, form: NodeForm, dictionaries: Mapping[str, Dictionary]) -> Node:
    return Node(
        name=name,
        label=form.label,
        is_required=form.required == "always",
        many=form.many,
        unread=form.unread,
        spelled=_spelled(name, form),
        fields=tuple(_field(field, of, dictionaries) for field, of in form.fields.items()),
        nodes=tuple(_node(inside, of, dictionaries) for inside, of in form.nodes.items()),
    )


def _field(name: str, form: FieldForm, dictionaries: Mapping[str, Dictionary]) -> Field:
    length, places = form.length if isinstance(form.length, tuple) else (form.length or 0, 0)
    return Field(
        name=name,
        label=form.label,
        kind=form.kind,
        required=form.required,
        length=length,
        places=places,
        codes=None if form.dictionary is None else _codes(dictionaries[form.dictionary]),
        unknown=form.unknown,
        several=form.several,
        unless=form.unless,
        spelled=_spelled(name, form),
    )


def _spelled(name: str, form: FieldForm | NodeForm) -> tuple[str, ...]:
    return (name, *form.also) if form.named is None else (form.named, name, *form.also)


def _codes(dictionary: Dictionary) -> dict[str, str]:
    return {code: of.means if isinstance(of, Code) else code for code, of in dictionary.items()}
