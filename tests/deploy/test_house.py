"""The house in order: what the documents say exists, and what exists is said in the documents."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from deploy.assets import ASSETS, VENDOR
from deploy.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"])
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PACKAGES = ("knowledge_base", "rules_lib", "detectors", "casework", "streams", "api", "deploy")
TOP_FOLDERS = (*PACKAGES, "tests", "bench", "docs")
FOLDERS = sorted(path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))
HALF_A_PAGE = 40
"""Lines that a decision record may have."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _said(path: Path) -> list[list[str]]:
    """What a text says in any language: headings' depths, names in code, where its links lead, its commands."""
    text = path.read_text(encoding="utf-8").replace(".zh-CN.md", ".md").replace("/tour/zh/", "/tour/en/")
    code = sorted(set(re.findall(r"`([^`\n]+)`", text)))
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")]
    return [re.findall(r"^#+", text, re.MULTILINE), code, links, re.findall(r"^    (make \w+)", text, re.MULTILINE)]


def test_the_chinese_readme_says_what_the_english_one_says() -> None:
    assert _said(ROOT / "README.zh-CN.md") == _said(README)


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def _folder_table() -> dict[str, str]:
    """Folder to the file to open first."""
    return dict(re.findall(r"^\| `([^`]+)/` \|[^|]+\| `([^`]+)` \|$", README.read_text(encoding="utf-8"), re.MULTILINE))


def _pins(text: str) -> list[str]:
    """Each requirement with all of its hashes, as one line."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


# --- documents


def test_both_commands_stand_before_line_25_of_the_readme() -> None:
    head = README.read_text(encoding="utf-8").splitlines()[:24]
    assert [line.split()[:2] for line in head if line.startswith("    make ")] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_make_target_named_in_a_document_exists(document: Path) -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= _targets()


def test_every_public_target_has_its_line_of_help() -> None:
    assert set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE)) >= {"help", "demo", "test", "check", "bench"}


def test_every_package_stands_in_the_folder_table() -> None:
    assert set(PACKAGES) <= set(_folder_table())


@pytest.mark.parametrize(("folder", "first"), _folder_table().items())
def test_folder_and_the_file_to_open_first_exist(folder: str, first: str) -> None:
    assert first.startswith(f"{folder}/")
    assert (ROOT / first).is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def _paths(document: str) -> list[str]:
    """What stands in backticks and begins like a file or folder of ours, up to a part that stands for any name."""
    words = [word for code in re.findall(r"`([^`]+)`", document) for word in code.split()]
    ours = [word for word in words if re.match(rf"(?:{'|'.join(TOP_FOLDERS)})/", word)]
    return [re.sub(r"/[^/]*(?:[<*]|NNNN).*", "", path) for path in ours]


def test_paths_are_recognized_among_other_words() -> None:
    text = "`streams/bus.py` `make test` `api` `python -m pytest tests/faults` `rules_lib/rules/<topic>/` `/api/leads`"
    assert _paths(text) == ["streams/bus.py", "tests/faults", "rules_lib/rules"]
    assert _paths("`streams/store/migrations/NNNN_words.sql` `requirements/*.in`") == ["streams/store/migrations"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    # What git ignores is made or fetched later.
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    named = set(_paths(document.read_text(encoding="utf-8"))) - ignored
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("record", DECISIONS, ids=_name)
def test_decision_record_is_half_a_page_with_its_four_headings_and_a_number(record: Path) -> None:
    assert re.match(r"\d{4}-[a-z0-9-]+\.md$", record.name)
    text = record.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= HALF_A_PAGE
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]


def test_decision_records_are_numbered_without_gaps() -> None:
    assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = re.findall(rf"^\| `({PREFIX}[A-Z_]+)` \|", text, re.MULTILINE)
    assert listed == [PREFIX + field.name.upper() for field in fields(Settings)]


def _commands(command: object, words: tuple[str, ...]) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(words)
        return
    for name, child in below.items():
        yield from _commands(child, (*words, name))


def test_every_command_is_documented() -> None:
    from deploy.commands import app

    commands = list(_commands(typer.main.get_command(app), ("fundwatch",)))
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert commands
    assert [command for command in commands if f"`{command}" not in text] == []


def test_commands_print_by_what_spells_out_what_comes_from_outside() -> None:
    """But for these: a table whose cells are spelled out, what one line says of an error, and bytes as they came."""
    printing = {"console.print", "notes.print", "print", "typer.echo", "sys.stdout.write", "sys.stdout.buffer.write"}
    found = {}
    for path in sorted((ROOT / "deploy" / "commands").rglob("*.py")):
        calls = [of for of in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(of, ast.Call)]
        if path.name != "output.py" and (said := [ast.unparse(of) for of in calls if ast.unparse(of.func) in printing]):
            found[path.name] = said
    line = "print('\\n'.join(map(neutral, f'fundwatch: {says}'.split('\\n'))), file=sys.stderr)"
    letter = "sys.stdout.buffer.write(body + b'\\n')"
    assert found == {"__init__.py": [line], "dead_letters.py": [letter], "doctor.py": ["console.print(table)"]}


# --- packaging


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=_name)
def test_every_requirement_is_pinned_with_hashes_and_without_an_address(requirements: Path) -> None:
    text = requirements.read_text(encoding="utf-8")
    pins = _pins(text)
    assert pins
    assert [pin for pin in pins if not re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin)] == []
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", text)


def test_what_the_package_needs_is_what_is_pinned_for_running() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8").splitlines()
    assert project["dependencies"] == [line.split()[0] for line in lines if not line.startswith("#")]


def test_versions_pinned_in_two_files_are_the_same() -> None:
    """One file may pin two versions, each for some versions of Python; another file then pins the same two."""
    pinned: dict[str, set[tuple[str, ...]]] = {}
    for requirements in REQUIREMENTS:
        of_file: dict[str, list[str]] = {}
        for pin in _pins(requirements.read_text(encoding="utf-8")):
            name, _, version = pin.partition("--hash")[0].partition("==")
            of_file.setdefault(name, []).append(version.strip())
        for name, versions in of_file.items():
            pinned.setdefault(name, set()).add(tuple(versions))
    assert {name: found for name, found in pinned.items() if len(found) > 1} == {}


def _words_of(folder: Path) -> str:
    return ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_folder_says_what_lives_there_what_it_imports_and_what_to_open_first(folder: Path) -> None:
    above = [parent for parent in folder.parents if parent in FOLDERS]
    assert any("mports" in _words_of(room) for room in (folder, *above)), "neither it nor a folder above says"
    first = re.search(r"\S.*\sOpen first: ([\w/]+\.\w+)", _words_of(folder), re.DOTALL)
    assert first, "what lives there, and Open first: with a file"
    assert (folder / first[1]).is_file()


def test_fetched_scripts_are_ignored_by_git_and_packed() -> None:
    folder = VENDOR.relative_to(ROOT).as_posix()
    assert f"{folder}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f'artifacts = ["{folder}/*"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(asset.integrity.startswith("sha384-") for asset in ASSETS)
