"""YAML files read against a pydantic model, with every fault at once and the line it stands on."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.reader import ReaderError

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: where, on which line (from 1; 0 is the file itself), and what is wrong."""

    path: Path
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        if not self.line:
            return f"{self.path}: {self.message}"
        return f"{self.path}:{self.line}: {self.where or 'file'}: {self.message}"


class FileFaults(ValueError):
    """A file of ours that cannot be used; ``faults`` holds all of them, the text has one a line."""

    def __init__(self, path: Path, faults: Sequence[Fault]):
        super().__init__("\n".join(map(str, faults)))
        self.path = path
        self.faults = tuple(faults)

    @classmethod
    def joined(cls, errors: Iterable["FileFaults"]) -> "FileFaults":
        errors = list(errors)
        return cls(errors[0].path, [fault for error in errors for fault in error.faults])


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file that still knows the line of every key and item; ``content`` is what was parsed."""

    path: Path
    content: bytes
    data: Any
    node: yaml.Node

    def fault(self, where: Where, message: str) -> Fault:
        return Fault(self.path, _line_of(self.node, where), ".".join(map(str, where)), message)

    def model(self, where: Where, model: type[Model], data: Any) -> Model:
        """The part at ``where`` as a model. Raises ``FileFaults`` with every fault."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            faults = [self.fault((*where, *fault["loc"]), fault["msg"]) for fault in error.errors()]
            raise FileFaults(self.path, faults) from None

    def models(self, where: Where, model: type[Model]) -> list[Model]:
        """The list at ``where``, each item as a model. Raises ``FileFaults`` with the faults of all items."""
        data = self.data
        for step in where:
            data = data.get(step)
        if not isinstance(data, list):
            raise FileFaults(self.path, [self.fault(where, "Field required, a list")])
        item: Any = model
        try:
            return TypeAdapter(list[item]).validate_python(data)
        except ValidationError as error:
            faults = [self.fault((*where, *fault["loc"]), fault["msg"]) for fault in error.errors()]
            raise FileFaults(self.path, faults) from None


@contextmanager
def collected(errors: list[FileFaults]) -> Iterator[None]:
    """Goes on after the faults of one part, kept in ``errors``, so that the next part is read as well."""
    try:
        yield
    except FileFaults as error:
        errors.append(error)


def load_yaml(path: Path) -> YamlFile:
    """One YAML document with the lines of its parts.

    Raises ``FileFaults`` where it cannot be read, is not UTF-8, no YAML or no mapping, and for every key that stands
    twice: what such a file means is open, so nothing else of it is looked at.
    """
    content = _load_content(path)
    node, data = _parsed(path, _text(path, content))
    if node is not None and (twice := list(_keys_twice(path, node, ()))):
        raise FileFaults(path, twice)
    if node is None or not isinstance(data, dict):
        raise FileFaults(path, [Fault(path, 1, "", "expected a mapping")])
    return YamlFile(path, content, data, node)


class _WithPlaces(SafeConstructor):
    """Says where a value stands that looks like a date or number and is none (2026-13-01)."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ConstructorError(None, None, str(error), node.start_mark) from None


class _Loader(_WithPlaces, yaml.SafeLoader):
    """Tells faults best."""


class _FastLoader(_WithPlaces, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Reads a full knowledge base in seconds, where the other one takes a minute."""


def unreadable(error: OSError) -> str:
    """What a person is told of a file or folder that the system does not let us read."""
    return f"无法读取 / cannot be read: {error.strerror or type(error).__name__}"


def _load_content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFaults(path, [Fault(path, 0, "", unreadable(error))]) from None


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FileFaults(path, [Fault(path, line, "", "not UTF-8")]) from None


def _parsed(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    try:
        return _read(_FastLoader(text))  # type: ignore[call-arg]
    except yaml.YAMLError:
        return _parsed_or_told(path, text)


def _read(loader: Any) -> tuple[yaml.Node | None, Any]:
    node = loader.get_single_node()
    return node, loader.construct_document(node) if node is not None else None


def _parsed_or_told(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    try:
        return _read(_Loader(text))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileFaults(path, [Fault(path, line, "", f"not YAML: {error.reason}")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileFaults(path, [Fault(path, line, "", f"not YAML: {error.problem}")]) from None


def _keys_twice(path: Path, node: yaml.Node, where: Where) -> Iterator[Fault]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield Fault(path, key.start_mark.line + 1, ".".join(map(str, (*where, key.value))), "twice")
            seen.add(key.value)
            if not isinstance(value, yaml.ScalarNode):
                yield from _keys_twice(path, value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            if not isinstance(item, yaml.ScalarNode):
                yield from _keys_twice(path, item, (*where, index))


def _line_of(node: yaml.Node, where: Where) -> int:
    """The line of the part at ``where``, or of the smallest part around it that is there."""
    line: int = node.start_mark.line + 1
    for step in where:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode) and (found := [p for p in node.value if p[0].value == step]):
            key, node = found[-1]
            line = key.start_mark.line + 1
        else:
            break
    return line
