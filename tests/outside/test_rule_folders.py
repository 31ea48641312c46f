"""Whatever lies in a folder of rules, catalogues or files to import is read, passed over by the list, or named."""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.commands import main
from knowledge_base.catalogues.files import load_catalogue, load_facts
from knowledge_base.files.folders import IGNORED, YAML, is_ignored, look_into
from knowledge_base.files.yaml_files import FileFaults
from rules_lib.rule_files import RULES, load_rule_set
from streams.importers import UnusableTable
from streams.importers.us_claims import find_us_tables

from .folders import CATALOGUE, LEFT_OVER, ODD, RULE, STRAY, TOPIC, mount

FACTS = load_facts()
POINTS = load_catalogue(CATALOGUE)
NAMES = [name for names in LEFT_OVER.values() for name in names]
OWN = {path.relative_to(RULES).as_posix(): path.read_bytes() for path in RULES.rglob("*.yaml")}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with one rule, in the folder of its topic."""
    folder = tmp_path / "rules" / "limits"
    folder.mkdir(parents=True)
    for path in (RULE, TOPIC):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder.parent


@pytest.fixture
def catalogues(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogues"
    folder.mkdir()
    (folder / CATALOGUE.name).write_bytes(CATALOGUE.read_bytes())
    return folder


def refused(load: Callable[[], object]) -> list[str]:
    """What is wrong, entry by entry."""
    with pytest.raises(FileFaults) as caught:
        load()
    assert "Errno" not in str(caught.value)
    return str(caught.value).split("\n")


def fill(path: Path) -> None:
    """Something that no reader would take, under a name; a folder where programs leave folders."""
    if path.name in ("..data", ".ipynb_checkpoints", ".git", "__MACOSX", "lost+found"):
        path.mkdir()
        path = path / "x-checkpoint.yaml"
    path.write_bytes(b"\0\5\x16\7 no rule\xff")


# --- what is passed over


def test_the_list_is_stated_once_in_the_documents_and_each_of_its_patterns_is_tried() -> None:
    root = Path(__file__).resolve().parents[2]
    (said,) = re.findall(
        r"- \*\*Passed over\*\*: (.*?)\n- ", (root / "docs" / "commands.md").read_text("utf-8"), re.DOTALL
    )
    assert {pattern.casefold() for pattern in IGNORED} == LEFT_OVER.keys()
    assert set(IGNORED) <= set(re.findall(r"`([^`]+)`", said))


@pytest.mark.parametrize("name", NAMES)
def test_what_programs_leave_behind_is_passed_over(rules: Path, catalogues: Path, name: str) -> None:
    fill(rules / "limits" / name)
    fill(rules / name)
    fill(catalogues / name)
    assert [rule.file for rule in load_rule_set(FACTS, rules).rules] == [RULE.name]
    assert load_facts(catalogues).points == POINTS


def test_a_lock_of_an_editor_is_a_link_to_nothing_and_passed_over(rules: Path) -> None:
    (rules / "limits" / f".#{RULE.name}").symlink_to("somebody@machine.1234:1")
    assert len(load_rule_set(FACTS, rules).rules) == 1


# --- what is read


@pytest.mark.parametrize("ending", [".yml", ".YAML", ".YML", ".Yaml"])
def test_every_ending_of_yaml_is_read(rules: Path, catalogues: Path, ending: str) -> None:
    expected = load_rule_set(FACTS, rules).hash
    for path in (*(rules / "limits").iterdir(), *catalogues.iterdir()):
        path.rename(path.with_suffix(ending))
    assert load_rule_set(FACTS, rules).hash == expected
    assert load_rule_set(FACTS, rules).topics.keys() == {"limits"}
    assert load_facts(catalogues).points == POINTS


def test_a_byte_order_mark_changes_nothing(rules: Path, catalogues: Path) -> None:
    for path in (*(rules / "limits").iterdir(), *catalogues.iterdir()):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(load_rule_set(FACTS, rules).rules) == 1
    assert load_facts(catalogues).points == POINTS


def test_a_mount_for_each_topic_gives_all_rules_and_the_next_version_of_it_too(tmp_path: Path) -> None:
    for topic in {name.split("/")[0] for name in OWN}:
        of_topic = {Path(name).name: body for name, body in OWN.items() if name.startswith(f"{topic}/")}
        mount(tmp_path / topic, of_topic)
    assert load_rule_set(FACTS, tmp_path).hash == load_rule_set(FACTS).hash
    old = OWN["limits/over_official_daily_cap.yaml"]
    of_limits = {path.name: path.read_bytes() for path in (RULES / "limits").iterdir()}
    changed = {
        **of_limits,
        RULE.name: old.replace(b"severity: 2", b"severity: 3").replace(b"severity: 1", b"severity: 3"),
    }
    mount(tmp_path / "limits", changed, "..2026_03_11_09_00_00.987654321")
    assert load_rule_set(FACTS, tmp_path).hash != load_rule_set(FACTS).hash


def test_one_mount_whose_keys_have_paths_gives_all_rules(tmp_path: Path) -> None:
    """The folders of the topics are links then."""
    mount(tmp_path / "rules", OWN)
    assert (tmp_path / "rules" / "limits").is_symlink()
    assert load_rule_set(FACTS, tmp_path / "rules").hash == load_rule_set(FACTS).hash
    mount(tmp_path / "catalogues", {CATALOGUE.name: CATALOGUE.read_bytes()})
    assert load_facts(tmp_path / "catalogues").points == POINTS


# --- what is an error


@pytest.mark.parametrize(("says", "make"), ODD.values(), ids=ODD)
def test_an_odd_entry_is_named_in_one_line(
    rules: Path, catalogues: Path, says: str, make: Callable[[Path], None]
) -> None:
    for path in (rules / "limits" / "odd.yaml", catalogues / "odd.yaml"):
        make(path)
    for folder, load in (
        (rules / "limits", lambda: load_rule_set(FACTS, rules)),
        (catalogues, lambda: load_facts(catalogues)),
    ):
        (line,) = refused(load)
        assert re.match(rf"{re.escape(str(folder / 'odd.yaml'))}:.*({says})", line)


@pytest.mark.parametrize("name", STRAY)
def test_a_stray_file_is_named(rules: Path, catalogues: Path, name: str) -> None:
    for folder in (rules, rules / "limits", catalogues):
        (folder / name).write_bytes(b"see the wiki")
    of_rules = refused(lambda: load_rule_set(FACTS, rules))
    assert [line.partition(": ")[0] for line in of_rules] == sorted([str(rules / name), str(rules / "limits" / name)])
    (line,) = refused(lambda: load_facts(catalogues))
    assert line.startswith(f"{catalogues / name}: 既不读取也不跳过 / neither read (.yaml .yml) nor passed over (")


@pytest.mark.parametrize("back", [".", "..", "../..", "/"])
def test_a_link_back_to_a_folder_above_is_named_and_not_followed(rules: Path, back: str) -> None:
    (rules / "limits" / "again").symlink_to(back)
    (line,) = refused(lambda: load_rule_set(FACTS, rules))
    assert line.startswith(f"{rules / 'limits' / 'again'}: ")
    assert line.endswith("a link back to a folder above it")


def test_everything_that_is_wrong_is_told_at_once(rules: Path) -> None:
    faulty = rules / "limits" / "a_faulty_rule.yaml"
    faulty.write_text("id: GZ00000000\n", encoding="utf-8")
    os.mkfifo(rules / "limits" / "pipe.yaml")
    (rules / "README").touch()
    told = {line.partition(":")[0] for line in refused(lambda: load_rule_set(FACTS, rules))}
    assert told == {str(faulty), str(rules / "limits" / "pipe.yaml"), str(rules / "README")}


def test_two_names_for_one_topic_are_an_error_and_the_same_name_twice_is_none(rules: Path) -> None:
    other = rules / "limits" / "TOPIC.yml"
    other.write_bytes(TOPIC.read_bytes())
    assert len(load_rule_set(FACTS, rules).rules) == 1
    other.write_text("zh: 别的\nen: other\n", encoding="utf-8")
    (line,) = refused(lambda: load_rule_set(FACTS, rules))
    assert "names the topic limits otherwise" in line


@contextmanager
def without_rights() -> Iterator[None]:
    """As nobody in particular, where the tests run as root, who may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("closed", ["", "limits", "limits/over_official_daily_cap.yaml"])
def test_what_the_system_does_not_let_us_read_is_named(rules: Path, closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        moved = rules.rename(Path(folder) / "rules")
        path = moved / closed
        path.chmod(0)
        try:
            with without_rights():
                (line,) = refused(lambda: load_rule_set(FACTS, moved))
        finally:
            path.chmod(0o755)
    assert line == f"{path}: 无法读取 / cannot be read: Permission denied"


@pytest.mark.parametrize("name", ["nowhere", "a file", "nothing", "a loop"])
def test_what_is_no_folder_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "a loop").symlink_to("a loop")
    for load in (lambda path: load_rule_set(FACTS, path), load_facts):
        (line,) = refused(lambda load=load: load(tmp_path / name))
        assert re.fullmatch(rf"{tmp_path / name}: .*(does not exist|no folder|a link to nothing|back to itself)", line)


# --- any mixture

_LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
_ANY_NAME = st.text(_LETTERS, min_size=1, max_size=12).filter(lambda name: name not in (".", "..", "odd"))
_ENDINGS = st.sampled_from(["", ".yaml", ".yml", ".YAML", ".txt", "~", ".swp", ".yaml.bak"])
_MADE = st.sampled_from(["a file", *(name for name, (_, make) in ODD.items() if make.__name__ != "<lambda>")])


@given(entries=st.dictionaries(st.builds(str.__add__, _ANY_NAME, _ENDINGS), _MADE, max_size=8), deep=st.booleans())
def test_of_any_names_and_kinds_each_is_read_or_passed_over_or_named(entries: dict[str, str], deep: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {}
        for entry, kind in entries.items():
            path = folder / entry
            if len(os.fsencode(entry)) < 200 and not os.path.lexists(path):
                ODD[kind][1](path) if kind in ODD else path.touch()
                made[path] = kind
        files, errors = look_into(folder, YAML, deep=deep)
    named = [error.path for error in errors]
    assert len({*named, *files}) == len(named) + len(files)
    for path, kind in made.items():
        regular = kind in ("a file", "nothing in it")
        looked_into = deep and kind == "a folder" and path.suffix.casefold() not in YAML
        if is_ignored(path.name):
            assert path not in {*named, *files}
        elif looked_into:
            assert path / "inside.yaml" in files
        else:
            assert (path in files) == (regular and path.suffix.casefold() in YAML)
            assert (path in named) == (path not in files)


# --- other folders, and what a person reads


def run(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that a command says when it ends with 1."""
    monkeypatch.setattr(sys, "argv", ["fundwatch", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("command", ["check", "publish"])
def test_the_command_names_the_entry_and_publishes_nothing(
    rules: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (rules / "limits" / "old.yaml").mkdir()
    (said,) = run(["rules", command, str(rules)], monkeypatch, capsys)
    path = rules / "limits" / "old.yaml"
    assert said == f"fundwatch: {path}: 这是目录，名称却以 .yaml 结尾 / a folder that is named like a file"


def test_signs_that_no_eye_can_see_reach_no_terminal(
    rules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (rules / "limits" / "a\x1b[2J\rb\udcff.txt").touch()
    (said,) = run(["rules", "check", str(rules)], monkeypatch, capsys)
    assert "a\\x1b[2J\\x0db\\xff.txt: " in said


@pytest.mark.parametrize(
    ("says", "make"), [ODD[name] for name in ("a folder", "a link to nothing", "a pipe", "a loop of links", "a socket")]
)
def test_of_a_folder_to_import_nothing_is_left_out_unsaid(
    tmp_path: Path,
    says: str,
    make: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.jsonl").touch()
    make(tmp_path / "b.jsonl")
    (said,) = run(["import", "claims", str(tmp_path)], monkeypatch, capsys)
    assert re.match(rf"fundwatch: {tmp_path / 'b.jsonl'}: .*({says})", said)


def test_of_a_folder_to_import_what_programs_leave_behind_is_passed_over(tmp_path: Path) -> None:
    for name in NAMES:
        fill(tmp_path / name)
    (tmp_path / "a.jsonl").touch()
    assert look_into(tmp_path).sound() == [tmp_path / "a.jsonl"]


def test_a_table_of_the_us_set_is_read_or_named(tmp_path: Path) -> None:
    table = tmp_path / "train_beneficiarydata-1.CSV"
    table.touch()
    for name in ("._Train_Beneficiarydata-1.csv", "Train_Beneficiarydata-1.csv~", "README.txt"):
        (tmp_path / name).touch()
    assert find_us_tables(tmp_path)["Train_Beneficiary"] == table
    odd = tmp_path / "Test_Inpatientdata-1.csv.gz"
    odd.touch()
    with pytest.raises(UnusableTable, match=re.escape(f"{odd}: ")):
        find_us_tables(tmp_path)
    odd.unlink()
    (tmp_path / "Test_Inpatientdata-1.csv").mkdir()
    with pytest.raises(UnusableTable, match=r"no \.csv or \.csv\.zip file, as Test_Inpatient has to be"):
        find_us_tables(tmp_path)
    assert not any(find_us_tables(tmp_path / "nowhere").values())
