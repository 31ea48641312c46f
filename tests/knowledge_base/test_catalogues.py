"""The starter catalogues: they load, they hang together, and each point says what its official sheet says."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from itertools import combinations
from typing import Any

import pytest

from knowledge_base.catalogues.files import CATALOGUES, load_catalogue, load_facts
from knowledge_base.catalogues.rows import ROWS
from knowledge_base.codes import is_item_code
from knowledge_base.days import as_date
from knowledge_base.facts import Facts, Point
from tests.knowledge_base import sheets
from tests.knowledge_base.sheets import NORM_OF_2016, PUBLISHED, REGULATION, REVISED, official

FACTS = load_facts()

needs_sheets = pytest.mark.skipif(
    not (sheets.DATA / "two-libraries").is_dir(),
    reason=f"the official sheets are not at {sheets.DATA}; FUNDWATCH_SHARED names another folder",
)

#: What a point of each catalogue states beside code, name and first day.
VALUES: dict[str, tuple[str, ...]] = {
    "bed_items": (),
    "courses": ("days", "per_stay"),
    "daily_caps": ("limit", "unit"),
    "dialysis_items": (),
    "drugs_only_in_hospital": ("emergency",),
    "periods": ("count", "days"),
    "sex_of_drugs": ("sex",),
    "sex_of_services": ("sex",),
}


def points_of(catalogue: str) -> list[Point]:
    return [point for point in FACTS.points if point.catalogue == catalogue]


def stated(point: Point) -> sheets.Official:
    """What a point states, in the form of ``sheets.official``."""
    day = as_date(point.valid_from)
    if point.catalogue.startswith("pairs"):
        return {(point.codes[0], code, day): (point.name, name) for code, name in point.row.included.items()}
    values = tuple(getattr(point.row, name) for name in VALUES[point.catalogue])
    return {(code, day): (point.name, *values) for code in point.codes}


def unlike_source(points: Iterable[Point]) -> dict[Any, Any]:
    """Everything stated that the sheets do not say, with what they say instead."""
    return {
        (point.point_id, key): (value, official(point.catalogue).get(key))
        for point in points
        for key, value in stated(point).items()
        if official(point.catalogue).get(key) != value
    }


def clashes(points: Iterable[Point]) -> list[tuple[Point, Point]]:
    """Pairs of points in force for one code on one day of which none supersedes the other."""
    return [
        (earlier, later)
        for earlier, later in combinations(sorted(points, key=lambda p: p.valid_from), 2)
        if earlier.catalogue == later.catalogue
        and set(earlier.codes) & set(later.codes)
        and (earlier.valid_to is None or earlier.valid_to >= later.valid_from)
        and not (earlier.valid_from < later.valid_from and earlier.recorded_on < later.recorded_on)
    ]


def with_changed_digit(code: str) -> str:
    return f"{code[:-3]}{(int(code[-3]) + 5) % 10}{code[-2:]}"


@pytest.mark.parametrize("catalogue", ROWS)
def test_each_catalogue_is_one_file_of_its_name(catalogue: str) -> None:
    points = load_catalogue(CATALOGUES / f"{catalogue}.yaml")
    assert {point.catalogue for point in points} == {catalogue}
    assert all(isinstance(point.row, ROWS[catalogue]) for point in points)


def test_there_are_points_enough_to_start() -> None:
    assert len(FACTS.points) >= 150
    assert {path.stem for path in CATALOGUES.glob("*.yaml")} == set(ROWS)


def test_every_code_has_an_official_format() -> None:
    codes = {code for point in FACTS.points for code in (*point.codes, *getattr(point.row, "included", ()))}
    assert [code for code in sorted(codes) if not is_item_code(code)] == []


def test_each_point_is_known_by_its_own_id() -> None:
    ids = [point.point_id for point in FACTS.points]
    assert len(ids) == len(set(ids))


def test_points_stand_in_the_order_of_their_codes() -> None:
    for catalogue in ROWS:
        codes = [point.codes[0] for point in points_of(catalogue)]
        assert codes == sorted(codes), catalogue
    assert all(list(point.codes) == sorted(set(point.codes)) for point in FACTS.points)


def test_no_item_includes_itself() -> None:
    pairs = [point for point in FACTS.points if point.catalogue.startswith("pairs")]
    assert [point.point_id for point in pairs if point.codes[0] in point.row.included] == []


def test_no_two_points_hold_for_a_code_unless_the_later_supersedes() -> None:
    assert clashes(FACTS.points) == []


@pytest.mark.parametrize("days_later", [0, 1])
def test_a_second_point_that_does_not_supersede_is_noticed(days_later: int) -> None:
    point = points_of("periods")[0]
    second = replace(point, valid_from=point.valid_from + days_later)
    assert clashes([point, second]) == [(point, second)]
    assert clashes([replace(point, valid_to=second.valid_from - 1), second]) == []


def test_points_are_dated_from_their_norm_and_recorded_when_published() -> None:
    first_days = {as_date(point.valid_from) for point in FACTS.points}
    assert first_days == {NORM_OF_2016, REGULATION, PUBLISHED, REVISED}
    assert all(as_date(point.recorded_on) == max(as_date(point.valid_from), PUBLISHED) for point in FACTS.points)


def test_only_sheets_that_need_no_provincial_list_count_as_localised() -> None:
    assert {point.catalogue for point in FACTS.points if not point.localised} == {"daily_caps", "periods"}


@pytest.mark.parametrize(
    ("catalogue", "code", "day", "first_day"),
    [
        ("courses", "XC01EBC109B001010102049", date(2025, 12, 30), None),
        ("courses", "XC01EBC109B001010102049", date(2025, 12, 31), PUBLISHED),
        ("courses", "XC01EBC109B001010102049", date(2026, 1, 27), PUBLISHED),
        ("courses", "XC01EBC109B001010102049", date(2026, 1, 28), REVISED),
        ("courses", "XC01EBC109B001010106553", date(2026, 1, 27), None),
        ("courses", "XC01EBC109B001010106553", date(2026, 1, 28), REVISED),
        ("drugs_only_in_hospital", "ZA12HAY0759010106725", date(2026, 1, 27), None),
        ("drugs_only_in_hospital", "ZA12HAY0759010106725", date(2026, 1, 28), REVISED),
        ("periods", "003402000390000", date(2016, 3, 8), None),
        ("periods", "003402000390000", date(2016, 3, 9), NORM_OF_2016),
        ("bed_items", "001109000010000", date(2021, 4, 30), None),
        ("bed_items", "001109000010000", date(2021, 5, 1), REGULATION),
    ],
)
def test_the_point_in_force_on_a_service_day(catalogue: str, code: str, day: date, first_day: date | None) -> None:
    point = FACTS.in_force(catalogue, code, day.toordinal())
    assert (point and as_date(point.valid_from)) == first_day


def test_a_revision_is_unknown_before_its_own_day() -> None:
    before = FACTS.known_by(REVISED.toordinal() - 1)
    assert {as_date(point.valid_from) for point in before.points} == {NORM_OF_2016, REGULATION, PUBLISHED}
    assert FACTS.known_by(REVISED.toordinal()) == FACTS
    assert FACTS.known_by(PUBLISHED.toordinal() - 1) == Facts(())


@needs_sheets
@pytest.mark.parametrize("catalogue", ROWS)
def test_each_point_says_what_its_sheet_says(catalogue: str) -> None:
    assert unlike_source(points_of(catalogue)) == {}


@needs_sheets
@pytest.mark.parametrize("catalogue", ["bed_items", "periods", "dialysis_items"])
def test_short_lists_are_whole(catalogue: str) -> None:
    assert {key for point in points_of(catalogue) for key in stated(point)} == set(official(catalogue))


@needs_sheets
@pytest.mark.parametrize("catalogue", ROWS)
def test_a_changed_digit_of_a_code_is_noticed(catalogue: str) -> None:
    point = points_of(catalogue)[0]
    assert unlike_source([replace(point, codes=(with_changed_digit(point.codes[0]), *point.codes[1:]))])


@needs_sheets
@pytest.mark.parametrize("catalogue", ["pairs_of_a_day", "pairs_of_a_visit"])
def test_a_changed_digit_of_an_included_code_is_noticed(catalogue: str) -> None:
    point = points_of(catalogue)[0]
    (code, name), *others = point.row.included.items()
    row = point.row.model_copy(update={"included": {with_changed_digit(code): name, **dict(others)}})
    assert len(unlike_source([replace(point, row=row)])) == 1


@needs_sheets
@pytest.mark.parametrize(
    ("catalogue", "value", "wrong"),
    [
        ("courses", "days", 16),
        ("courses", "per_stay", None),
        ("daily_caps", "limit", 2),
        ("daily_caps", "unit", "次"),
        ("drugs_only_in_hospital", "emergency", None),
        ("periods", "count", 2),
        ("periods", "days", 8),
        ("sex_of_drugs", "sex", "0"),
        ("sex_of_services", "sex", "0"),
    ],
)
def test_a_changed_value_is_noticed_on_every_point(catalogue: str, value: str, wrong: object) -> None:
    for point in points_of(catalogue):
        row = point.row.model_copy(update={value: wrong})
        assert len(unlike_source([replace(point, row=row)])) == len(stated(point)), point.point_id


@needs_sheets
def test_a_changed_first_day_is_noticed() -> None:
    assert all(unlike_source([replace(point, valid_from=point.valid_from - 1)]) for point in FACTS.points)
