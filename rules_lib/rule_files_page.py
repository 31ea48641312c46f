"""The page docs/rule-files.md, made from the types that rule files, cases and catalogues are read with.

What a field holds stands below it in its class; what a check measures is the first line of its docstring.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from knowledge_base.cards import Advice, Basis, Words
from knowledge_base.catalogues.files import Head
from knowledge_base.catalogues.rows import ROWS, AnyRow
from rules_lib import checks
from rules_lib.case_words import CaseWords, EventWords, LineWords, OperationWords
from rules_lib.questions import Check, catalogues_of, words_of
from rules_lib.rule import Exclusions, Reach, Rule
from rules_lib.traps import TRAPS
from rules_lib.wording import FINDING_WORDS

PAGE = Path(__file__).parents[1] / "docs" / "rule-files.md"

_FROM_THE_FOLDER = ("topic", "file", "file_hash")
"""Fields of a rule that its place says."""

_FORMS = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    Decimal: "number",
    date: "day `2026-03-01`",
    NoneType: "`null`",
    Words: "`{zh: ..., en: ...}`",
    dict[str, Any]: "[case](#cases-案例)",
}
_LINKED: Mapping[Any, str] = {
    Basis: "basis",
    Advice: "advice",
    Reach: "reach",
    Exclusions: "exclusions",
    EventWords: "events",
    LineWords: "lines",
    OperationWords: "operations",
}

HEAD = """\
# 规则文件的字段 / The fields of a rule file

Made by `make docs` from the types that read the files; a test says when it is older than they are. How a rule comes to
be: [CONTRIBUTING.md](../CONTRIBUTING.md), "A new rule". What the words mean: [concepts.md](concepts.md).

A rule is one YAML file in the folder of its topic, `rules_lib/rules/<topic>/what_is_wrong.yaml`, named in three words
or more after what is wrong; `topic.yaml` beside it says what the topic is called (`zh`, `en`). A good pattern:
`rules_lib/rules/limits/more_often_in_a_period_than_allowed.yaml`. A field that is not listed is a fault. A text with a
colon, a brace or a `#` in it stands in quotes, and so does a code of digits alone.
"""


def rule_files_page() -> str:
    """The page as Markdown."""
    parts = [
        HEAD,
        "## The rule 规则\n",
        _table(Rule, without=_FROM_THE_FOLDER),
        *_section("basis", Basis),
        *_section("advice", Advice),
        *_section("reach", Reach),
        *_section("exclusions", Exclusions),
        "## Cases 案例\n",
        "A case is a small history and what the rule must say of it. Everything that it does not say is ordinary: one\n"
        "person, one institution, paid by the fund, all in its scope. `fundwatch rules check` runs all cases.\n",
        _table(CaseWords),
        *_section("events", EventWords),
        *_section("lines", LineWords),
        *_section("operations", OperationWords),
        "## Traps 常见情形\n",
        "`fundwatch rules traps` does to the hits among a rule's cases what happens to bills in real life. A trap\n"
        "that comes out otherwise is mended, or excepted with its reason: `traps: {merge: {zh: ..., en: ...}}`.\n",
        _traps(),
        "## Checks 检查逻辑\n",
        "A message may name, in braces, what every finding has: "
        + _in_braces(FINDING_WORDS)
        + ";\nand of a check's findings the words of its evidence. A rule names the catalogues whose points\n"
        + "it asks for, of those that its check reads:\n",
        _checks(),
        "## Catalogues 知识点目录\n",
        "A catalogue is one YAML file in `knowledge_base/catalogues`: a head, then `points`, a list of rows. A new\n"
        "one has a row in `ROWS` (`knowledge_base/catalogues/rows.py`), which says of what type its rows are.\n",
        _table(Head),
        "Every row of every catalogue may say:\n",
        _table(AnyRow),
        *_catalogues(),
    ]
    return "\n".join(parts)


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{_first_sentence(model)}\n"
    yield _table(model)


def _table(model: type[BaseModel], without: Iterable[str] = ()) -> str:
    texts = field_texts(model)
    fields = {name: field for name, field in model.model_fields.items() if name not in without}
    rows = [(f"`{name}`", _form_of(of), _unless_told(of), texts.get(name, "")) for name, of in fields.items()]
    return _markdown(("field", "form", "unless told", "what it holds"), rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a last column in which nothing stands is left out."""
    rows = list(rows)
    width = len(head) if any(row[-1] for row in rows) else len(head) - 1
    lines = [f"| {' | '.join(cells[:width])} |".replace("|  |", "| |") for cells in (head, *rows)]
    return "\n".join((lines[0], "|" + "---|" * width, *lines[1:], ""))


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field in the classes that it comes from, in one line."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            (body,) = ast.parse(dedent(inspect.getsource(kind))).body
            assert isinstance(body, ast.ClassDef)
            for field, text in zip(body.body, body.body[1:], strict=False):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                        texts[name] = " ".join(said.split())
    return texts


def _first_sentence(of: Any) -> str:
    return " ".join((inspect.getdoc(of) or "").partition("\n\n")[0].split()).replace("``", "`")


def _unless_told(field: FieldInfo) -> str:
    if field.is_required():
        return "has to be told"
    default = field.default
    if default is None or default in ((), {}, "") or isinstance(default, BaseModel):
        return ""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def _form_of(field: FieldInfo) -> str:
    patterns = [pattern for of in field.metadata if (pattern := getattr(of, "pattern", None))]
    form = _form(field.annotation)
    return f"{form} `{patterns[0]}`".replace("|", "\\|") if patterns else form


def _form(kind: Any) -> str:
    if kind in _FORMS:
        return _FORMS[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _form(inside[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(_form(part) for part in inside if part is not NoneType)
    if origin is tuple:
        return f"list of {_form(inside[0])}"
    if origin is not None:
        return f"{_form(inside[0])} to {_form(inside[1])}"
    if kind in _LINKED:
        return f"[{_LINKED[kind]}](#{_LINKED[kind]})"
    assert issubclass(kind, Enum), kind
    return ", ".join(f"`{member.value}`" for member in kind)


def _checks() -> str:
    rows = [
        (
            f"`{name}`",
            _first_sentence(check),
            ", ".join(f"`{of}`" for of in catalogues_of(check)),
            _in_braces(words_of(check)),
        )
        for name, check in find_checks().items()
    ]
    return _markdown(("check", "what it measures", "catalogues it reads", "words"), rows)


def _traps() -> str:
    rows = [(f"`{name}`", trap.happens.en, trap.happens.zh, f"is {trap.becomes}") for name, trap in TRAPS.items()]
    return _markdown(("trap", "what happens", "情形", "the finding in general"), rows)


def _in_braces(words: Iterable[str]) -> str:
    return ", ".join(f"`{{{word}}}`" for word in sorted(words))


def find_checks() -> dict[str, Check]:
    """Every check by the name that rules call it: the public functions of the modules of ``rules_lib.checks``."""
    found: dict[str, Check] = {}
    for module in iter_modules(checks.__path__):
        code = import_module(f"{checks.__name__}.{module.name}")
        for name, function in vars(code).items():
            if inspect.isfunction(function) and function.__module__ == code.__name__ and not name.startswith("_"):
                found[f"{module.name}.{name}"] = function
    return found


def _catalogues() -> Iterator[str]:
    common = AnyRow.model_fields
    for row in dict.fromkeys(ROWS.values()):
        yield f"### {', '.join(name for name, of in ROWS.items() if of is row)}\n"
        yield f"{_first_sentence(row)}\n"
        own = [name for name in row.model_fields if name not in common]
        if own:
            yield _table(row, without=common)


def save_page(path: Path = PAGE) -> None:
    """Writes the page."""
    path.write_text(rule_files_page(), encoding="utf-8")


if __name__ == "__main__":
    save_page()
