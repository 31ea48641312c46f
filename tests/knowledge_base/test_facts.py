"""Dated look-up, and how a faulty catalogue file is reported."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.catalogues.files import CatalogueError, load_catalogue, load_facts
from knowledge_base.facts import Facts, Point

HBA1C = "002503020030000"
FRUCTOSAMINE = "002503020020000"

HEAD = """\
catalogue: periods
title: 周期
batch: "8-4"
source: 明细
recorded_on: 2025-12-31
valid_from: 2025-12-31
localised: false
"""

SUPERSEDED = f"""\
points:
  - {{codes: ["{HBA1C}"], name: 糖化血红蛋白测定, count: "1", days: 15}}
  - codes: ["{HBA1C}"]
    name: 糖化血红蛋白测定
    count: "1"
    days: 30
    valid_from: 2026-03-01
    valid_to: 2026-06-30
    recorded_on: 2026-02-10
    source: 更新
"""


def saved(folder: Path, text: str, name: str = "periods.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path) -> list[str]:
    """The faults of a file as ``line: where: message``, each checked to begin with the file's path."""
    with pytest.raises(CatalogueError) as raised:
        load_catalogue(path)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    saved(tmp_path, HEAD + SUPERSEDED)
    return load_facts(tmp_path)


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (date(2025, 12, 30), None),
        (date(2025, 12, 31), 15),
        (date(2026, 2, 28), 15),
        (date(2026, 3, 1), 30),
        (date(2026, 3, 2), 30),
        (date(2026, 6, 30), 30),
        (date(2026, 7, 1), 15),
    ],
)
def test_the_point_that_began_last_holds_until_its_last_day(facts: Facts, day: date, days: int | None) -> None:
    point = facts.in_force("periods", HBA1C, day.toordinal())
    assert (point and point.row.days) == days


def test_nothing_holds_for_another_code_or_catalogue(facts: Facts) -> None:
    day = date(2026, 1, 1).toordinal()
    assert facts.in_force("periods", FRUCTOSAMINE, day) is None
    assert facts.in_force("daily_caps", HBA1C, day) is None


def test_what_was_not_yet_known_does_not_hold(facts: Facts) -> None:
    day = date(2026, 3, 1).toordinal()
    later = facts.known_by(date(2026, 2, 10).toordinal()).in_force("periods", HBA1C, day)
    earlier = facts.known_by(date(2026, 2, 9).toordinal()).in_force("periods", HBA1C, day)
    assert later is not None
    assert later.row.days == 30
    assert earlier is not None
    assert earlier.row.days == 15


def test_codes_lists_the_points_of_a_code_with_the_latest_first(facts: Facts) -> None:
    assert [point.row.days for point in facts.codes("periods")[HBA1C]] == [30, 15]
    assert facts.codes("daily_caps") == {}


def test_a_point_takes_what_it_does_not_say_from_the_head(tmp_path: Path) -> None:
    first, second = load_catalogue(saved(tmp_path, HEAD + "note: 备注\n" + SUPERSEDED))
    assert (first.source, first.note, first.valid_to) == ("明细", "备注", None)
    assert (second.source, second.note) == ("更新", None), "the note of a file speaks of its day"
    assert first.recorded_on == date(2025, 12, 31).toordinal()
    assert second.point_id == f"periods/{HBA1C}/2026-03-01"
    assert not first.localised


def test_every_fault_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        HEAD.replace("localised: false", "localised: perhaps\nlocalized: true")
        + f"""\
points:
  - {{codes: ["{HBA1C}"], name: 糖化血红蛋白测定, count: "0", days: 15}}
  - codes: [{HBA1C}, "{FRUCTOSAMINE}"]
    name: 血清果糖胺测定
    count: "1"
    days: seven
    limit: "1"
  - name: 康复评定
    count: "1"
    days: 14
""",
    )
    assert faults(path) == [
        "7: localised: Input should be a valid boolean",
        "8: localized: Extra inputs are not permitted",
        "10: points.0.count: Input should be greater than 0",
        "11: points.1.codes.0: Input should be a valid string",
        "14: points.1.days: Input should be a valid integer",
        "15: points.1.limit: Extra inputs are not permitted",
        "16: points.2.codes: Field required",
    ]


def test_a_point_that_ends_before_it_begins_is_a_fault(tmp_path: Path) -> None:
    path = saved(tmp_path, HEAD + SUPERSEDED.replace("2026-06-30", "2026-02-28"))
    assert faults(path) == ["15: points.1.valid_to: ends before it begins on 2026-03-01"]


def test_a_pair_has_one_main_item(tmp_path: Path) -> None:
    point = f'  - {{codes: ["{HBA1C}", "{FRUCTOSAMINE}"], name: 甲, why: 乙, included: {{"{HBA1C}": 丙}}}}\n'
    path = saved(tmp_path, HEAD.replace("periods", "pairs_of_a_day") + "points:\n" + point)
    assert faults(path) == ["9: points.0.codes: Tuple should have at most 1 item after validation, not 2"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEAD, "1: points: Field required, a list"),
        (HEAD + "points:\n  a: 1\n", "8: points: Field required, a list"),
        (HEAD + 'points: []\nbatch: "9"\n', "9: batch: twice"),
        (HEAD + "? [a, b]\n: 1\n", "8: file: not YAML: found unhashable key"),
        (HEAD + "points: [1,\n", "9: file: not YAML: expected the node content, but found '<stream end>'"),
        (HEAD + "note: \x07\n", "8: file: not YAML: special characters are not allowed"),
        (HEAD + "note: !secret x\n", "8: file: not YAML: could not determine a constructor for the tag '!secret'"),
        (HEAD + "points:\n  - valid_to: 2026-13-01\n", "9: file: not YAML: month must be in 1..12"),
        ("- 1\n", "1: file: expected a mapping"),
        ("", "1: file: expected a mapping"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(saved(tmp_path, text)) == [fault]


def test_a_file_in_another_encoding_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "periods.yaml"
    path.write_bytes(HEAD.encode("gb18030"))
    assert faults(path) == ["2: file: not UTF-8"]


def test_an_unknown_catalogue_is_named_with_those_known(tmp_path: Path) -> None:
    (fault,) = faults(saved(tmp_path, HEAD.replace("periods", "period") + SUPERSEDED))
    assert fault.startswith("1: catalogue: Value error, unknown catalogue, expected one of ['age_of_drugs', ")


def test_the_faults_of_all_files_of_a_folder_are_told(tmp_path: Path) -> None:
    one = saved(tmp_path, HEAD, "one.yaml")
    two = saved(tmp_path, HEAD + "points: 1\n", "two.yaml")
    saved(tmp_path, HEAD + SUPERSEDED, "well.yaml")
    with pytest.raises(CatalogueError) as raised:
        load_facts(tmp_path)
    assert [(fault.path, fault.line) for fault in raised.value.faults] == [(one, 1), (two, 8)]


@st.composite
def dated_points(draw: st.DrawFn) -> Point:
    first = draw(st.integers(1, 12))
    return Point(
        catalogue="periods",
        row=None,
        codes=tuple(draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2))),
        name="",
        valid_from=first,
        valid_to=draw(st.none() | st.integers(first, 14)),
        recorded_on=draw(st.integers(1, 14)),
        source="",
        localised=True,
    )


@given(st.lists(dated_points(), max_size=6), st.sampled_from("ab"), st.integers(0, 15))
def test_the_index_finds_what_a_look_through_all_points_finds(points: list[Point], code: str, day: int) -> None:
    holding = [point for point in points if code in point.codes and point.holds_on(day)]
    found = Facts(points).in_force("periods", code, day)
    began = max(((point.valid_from, point.recorded_on) for point in holding), default=None)
    assert (found and (found.valid_from, found.recorded_on)) == began
    assert found is None or found in holding
