"""Published sheets become points: known by their heads, read row by row, and compared with what is known."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.catalogues.rows import AnyRow
from knowledge_base.catalogues.writing import save_catalogue
from knowledge_base.days import as_date
from knowledge_base.facts import Facts, Point
from knowledge_base.files.yaml_files import FileFaults
from knowledge_base.sheets.comparing import Comparison, compared
from knowledge_base.sheets.forms import NOT_LOCALISED
from knowledge_base.sheets.reading import Reading, load_sheets
from tests.knowledge_base import sheets
from tests.knowledge_base.sheets import NORM_OF_2016, PUBLISHED, REVISED, official
from tests.knowledge_base.test_catalogues import needs_sheets, stated
from tests.knowledge_base.workbooks import (
    DAILY_CAPS,
    DRUG_CODES,
    DRUG_TERMS,
    OPERATIONS,
    PAIRS,
    PERIODS,
    REMARKED,
    SERVICES,
    Rows,
    save_drugs,
    save_workbook,
)

CARE, BED, CHECK = "001201000040000", "001109000010000", "001102000050000"
HBA1C, TRAINING = "002503020030000", "003402000320000"
PILL, OTHER_PILL = "XG01AFJ070A009010100150", "XG01AFJ070A009010100236"
TODAY = date(2026, 11, 29)


def read(folder: Path, *rows: Sequence[object]) -> Reading:
    return load_sheets(save_workbook(folder / "明细.xlsx", {"Sheet1": rows}))


def beside(facts: Facts, *readings: Reading, published: date = PUBLISHED, **farthest: int) -> Comparison:
    return compared(facts, [sheet for reading in readings for sheet in reading.sheets], published, farthest)


def kept(folder: Path, comparison: Comparison) -> Facts:
    """The new rows as the program finds them again in their files."""
    folder.mkdir()
    for catalogue, rows in comparison.new.items():
        path = folder / f"{catalogue}.yaml"
        localised = catalogue not in NOT_LOCALISED
        save_catalogue(path, catalogue, rows, title="", source="", recorded_on=TODAY, localised=localised)
    return load_facts(folder)


def counts(comparison: Comparison) -> tuple[int, int, int, int]:
    """Added, superseded, unchanged, refused, of all sheets together."""
    of = comparison.outcomes
    return (
        sum(o.added for o in of),
        sum(o.superseded for o in of),
        sum(o.unchanged for o in of),
        sum(len(o.refused) for o in of),
    )


def refusals(comparison: Comparison) -> list[tuple[int, str]]:
    return [(row, reason) for outcome in comparison.outcomes for row, reason in outcome.refused]


SAYS: list[tuple[str, Rows, dict[str, Any]]] = [
    ("daily_caps", [DAILY_CAPS, (1, "Ⅱ级护理", 1, "日", CARE)], {"limit": 1, "unit": "日"}),
    ("periods", [PERIODS, (1, "糖化血红蛋白", 1, 15, "诊疗规范", HBA1C)], {"count": 1, "days": 15}),
    ("services_of_working_age", [REMARKED, (1, "训练", "参保人年龄超出法定就业年龄限制", TRAINING)], {}),
    ("courses_of_services", [REMARKED, (1, "训练", "支付不超过30天。", TRAINING)], {"days": 30, "per_illness": False}),
    ("courses_of_services", [REMARKED, (1, "训练", "支付不超过一年，每周最多一次。", TRAINING)], {"days": 365}),
    (
        "courses_of_services",
        [REMARKED, (1, "训练", "一个疾病过程支付不超过90天。", TRAINING)],
        {"days": 90, "per_illness": True},
    ),
    ("sex_of_services", [SERVICES, ("造影", "男性相关检查", CARE, "限定性别对象", "男")], {"sex": "1"}),
    ("age_of_services", [(*SERVICES[:1], *SERVICES[2:]), ("护理", CARE, "限定年龄对象", "新生儿")], {"age": "newborn"}),
    ("later_operations", [OPERATIONS, ("成形术", "", CARE, "限定主次操作", "胃肠手术组")], {"groups": ("胃肠手术组",)}),
    (
        "pairs_of_a_day",
        [PAIRS, (1, "单日", "护理", CARE, "床位", BED, "含床位")],
        {"included": {BED: "床位"}, "why": "含床位"},
    ),
    ("pairs_of_a_visit", [PAIRS, (1, "单次就诊", "护理", CARE, "床位", BED, "含")], {"included": {BED: "床位"}}),
    ("pairs_of_hours", [PAIRS, (1, "6小时", "护理", CARE, "床位", BED, "含")], {"hours": 6, "included": {BED: "床位"}}),
    ("pairs_of_the_same_hour", [PAIRS, (1, "同一小时", "护理", CARE, "床位", BED, "")], {"included": {BED: "床位"}}),
]


@pytest.mark.parametrize(("catalogue", "rows", "values"), SAYS)
def test_a_row_says_what_its_columns_say(tmp_path: Path, catalogue: str, rows: Rows, values: Mapping[str, Any]) -> None:
    (point,) = kept(tmp_path / "kept", beside(Facts(()), read(tmp_path, *rows))).points
    code = CARE if CARE in rows[1] else HBA1C if HBA1C in rows[1] else TRAINING
    assert (point.catalogue, point.codes, as_date(point.valid_from)) == (catalogue, (code,), PUBLISHED)
    assert {name: getattr(point.row, name) for name in values} == values
    assert (point.source, point.row.rows) == ("明细.xlsx · Sheet1", "1")


@pytest.mark.parametrize(
    ("kind", "limit", "text", "catalogue", "values"),
    [
        ("限定性别对象", "女", "用于妇科炎症。", "sex_of_drugs", {"sex": "2"}),
        ("限定年龄对象", "儿童", "用于小儿。", "age_of_drugs", {"age": "child"}),
        ("限定保险类型", "工伤", "工伤保险目录用药", "insurance_of_drugs", {"insurance": "injury"}),
        ("限定机构等级", "二级", "限二级及以上医疗机构。", "level_of_drugs", {"level": "2", "note": None}),
        ("限定支付疗程", "14天", "支付不超过14天。", "courses", {"days": 14, "per_stay": False, "note": None}),
        ("限定支付疗程", "3天", "单次住院支付不超过3天。", "courses", {"days": 3, "per_stay": True}),
        ("限定支付疗程", "365天", "支付不超过12个月", "courses", {"days": 365}),
        ("限定就医方式", "住院", "限住院患者。", "drugs_only_in_hospital", {"emergency": False, "note": None}),
    ],
)
def test_a_drug_is_told_by_its_terms_and_its_codes(
    tmp_path: Path, kind: str, limit: str, text: str, catalogue: str, values: Mapping[str, Any]
) -> None:
    path = save_drugs(tmp_path / "药品.xlsx", kind, limit, text, {"甲片": [PILL, OTHER_PILL]})
    (point,) = kept(tmp_path / "kept", beside(Facts(()), load_sheets(path))).points
    assert (point.catalogue, point.name, point.codes) == (catalogue, "甲片", (PILL, OTHER_PILL))
    assert {name: getattr(point.row, name) for name in values} == values
    assert (point.source, point.row.rows) == ("药品.xlsx · Sheet2", "1-2")


@pytest.mark.parametrize(
    ("kind", "limit", "text", "values", "both"),
    [
        ("限定支付疗程", "15天", "单次住院最多支付14天。", {"days": 15, "per_stay": True}, ("15天", "14 天")),
        ("限定支付疗程", "10天", "支付不超过14天。", {"days": 14}, ("10天", "14 天")),
        ("限定就医方式", "住院", "限急诊或住院患者。", {"emergency": True}, ("住院", "急诊")),
        ("限定机构等级", "三级", "需三级综合医院或二级及以上眼科专科医院医师处方", {"level": "2"}, ("三级", "二级")),
    ],
)
def test_where_column_and_text_disagree_the_kinder_one_holds_and_both_are_noted(
    tmp_path: Path, kind: str, limit: str, text: str, values: Mapping[str, Any], both: Sequence[str]
) -> None:
    path = save_drugs(tmp_path / "药品.xlsx", kind, limit, text, {"甲片": [PILL]})
    (point,) = kept(tmp_path / "kept", beside(Facts(()), load_sheets(path))).points
    assert {name: getattr(point.row, name) for name in values} == values
    assert all(words in (point.note or "") for words in both)


def test_a_point_holds_from_the_norm_that_its_row_names_otherwise_from_its_publication(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        PERIODS,
        (1, "平衡试验", 1, 14, "间隔不短于14天。（人社部发〔2016〕23号）", CARE),
        (2, "糖化血红蛋白", 1, 15, "诊疗规范", HBA1C),
    )
    assert {key: as_date(point.valid_from) for point in _points(tmp_path / "a", reading) for key in point.codes} == {
        CARE: NORM_OF_2016,
        HBA1C: PUBLISHED,
    }
    later = {p.codes[0]: as_date(p.valid_from) for p in _points(tmp_path / "b", reading, published=REVISED)}
    assert later == {CARE: NORM_OF_2016, HBA1C: REVISED}


def _points(folder: Path, reading: Reading, published: date = PUBLISHED) -> Sequence[Point]:
    return kept(folder, beside(Facts(()), reading, published=published)).points


def test_only_what_the_provinces_are_to_localise_is_not_localised(tmp_path: Path) -> None:
    caps = read(tmp_path, DAILY_CAPS, (1, "护理", 1, "日", CARE))
    sexes = read(tmp_path, SERVICES, ("造影", "", CARE, "限定性别对象", "男"))
    assert [p.localised for p in _points(tmp_path / "a", caps)] == [False]
    assert [p.localised for p in _points(tmp_path / "b", sexes)] == [True]


def test_whole_numbers_are_read_as_they_are_shown(tmp_path: Path) -> None:
    (point,) = _points(tmp_path / "a", read(tmp_path, DAILY_CAPS, (1, "护理", 1.0, "日", CARE)))
    assert str(point.row.limit) == "1"


def test_titles_above_the_head_totals_and_remarks_are_no_rows(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        ("知识点明细",),
        DAILY_CAPS,
        (1, "护理", 1, "日", CARE),
        (),
        ("合计", 1),
        ("备注：各省应当细化。",),
    )
    (sheet,) = reading.sheets
    assert (len(sheet.said), sheet.refused, reading.unknown) == (1, [], [])


def test_sheets_of_no_known_form_are_named_and_empty_ones_are_not(tmp_path: Path) -> None:
    path = save_workbook(tmp_path / "乱.xlsx", {"说明": [("读我",)], "空": [], "表": [DAILY_CAPS]})
    reading = load_sheets(path)
    assert reading.unknown == ["乱.xlsx · 说明"]
    assert [sheet.title for sheet in reading.sheets] == ["表"]


@pytest.mark.parametrize(
    "content", [b"", b"no workbook", b"PK\x03\x04 broken"], ids=["empty", "text", "a damaged archive"]
)
def test_a_file_that_is_no_workbook_is_a_fault_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "坏.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileFaults, match=r"坏\.xlsx: 不是能读的工作簿"):
        load_sheets(path)


REFUSED: list[tuple[Rows, str]] = [
    ([DAILY_CAPS, (1, "护理", 1, "日", "1201000040000")], "编码"),
    ([DAILY_CAPS, (1, "护理", 1, "日", None)], "编码 / no code of an item: -"),
    ([DAILY_CAPS, (1, None, 1, "日", CARE)], "没有名称"),
    ([DAILY_CAPS, (1, "护理", 0, "日", CARE)], "limit"),
    ([DAILY_CAPS, (1, "护理", "每日一次", "日", CARE)], "limit"),
    ([PERIODS, (1, "护理", 1, "每周", "", CARE)], "不是数字"),
    ([PAIRS, (1, "每周", "护理", CARE, "床位", BED, "")], "单日, 单次就诊, 6小时, 同一小时"),
    ([PAIRS, (1, "单日", "护理", CARE, "床位", "没有", "")], "编码"),
    ([REMARKED, (1, "训练", "每周一次", TRAINING)], "既|不是年龄"),
    ([SERVICES, ("造影", "", CARE, "限定性别对象", "不详")], "男, 女"),
    ([SERVICES, ("造影", "女性相关检查", CARE, "限定性别对象", "男")], "相反"),
    ([SERVICES, ("造影", "", CARE, "限定新类型", "男")], "限定年龄对象"),
    ([OPERATIONS, ("成形术", "", CARE, "限定主次操作", None)], "手术组"),
]


@pytest.mark.parametrize(("rows", "reason"), REFUSED)
def test_a_row_that_cannot_be_read_is_refused_and_stops_no_other(tmp_path: Path, rows: Rows, reason: str) -> None:
    head, bad = rows
    (good,) = (rows[1] for catalogue, rows, _ in SAYS[:1])
    caps = save_workbook(tmp_path / "好.xlsx", {"Sheet1": [DAILY_CAPS, good]})
    comparison = beside(Facts(()), read(tmp_path, head, (), bad), load_sheets(caps))
    assert counts(comparison) == (1, 0, 0, 1)
    ((row, said),) = refusals(comparison)
    assert row == 3, "as the spreadsheet numbers it, its head included"
    assert any(word in said for word in reason.split("|"))


def test_codes_of_a_drug_without_usable_terms_are_refused(tmp_path: Path) -> None:
    sheets_of = {
        "Sheet1": [
            DRUG_TERMS,
            ("甲片", "", "限定性别对象", "女"),
            ("甲片", "", "限定性别对象", "男"),
            ("乙片", "", "限定就医方式", "住院"),
        ],
        "Sheet2": [
            DRUG_CODES,
            ("甲片", 1, PILL, "限定性别对象"),
            ("乙片", 1, PILL, "限定性别对象"),
            ("乙片", 1, OTHER_PILL, "限定就医方式"),
        ],
    }
    comparison = beside(Facts(()), load_sheets(save_workbook(tmp_path / "药品.xlsx", sheets_of)))
    assert counts(comparison) == (1, 0, 0, 3)
    assert [row for row, _ in refusals(comparison)] == [3, 2, 3]


def test_rows_are_added_supersede_or_are_known(tmp_path: Path) -> None:
    first = read(tmp_path, DAILY_CAPS, (1, "护理", 1, "日", CARE), (2, "床位", 1, "日", BED))
    known = kept(tmp_path / "known", beside(Facts(()), first))
    second = read(
        tmp_path, DAILY_CAPS, (1, "护理", 2, "日", CARE), (2, "床位", 1, "日", BED), (3, "诊查", 1, "日", CHECK)
    )
    comparison = beside(known, second)
    assert counts(comparison) == (1, 1, 1, 0)
    new = kept(tmp_path / "new", comparison)
    assert sorted(code for point in new.points for code in point.codes) == [CHECK, CARE]
    both = Facts((*new.points, *known.points))
    point = both.in_force("daily_caps", CARE, PUBLISHED.toordinal())
    assert point is not None
    assert point.row.limit == 2


def test_what_an_earlier_point_says_already_is_no_point_again(tmp_path: Path) -> None:
    reading = read(tmp_path, DAILY_CAPS, (1, "护理", 1, "日", CARE))
    known = kept(tmp_path / "known", beside(Facts(()), reading))
    assert counts(beside(known, reading, published=REVISED)) == (0, 0, 1, 0)
    assert counts(beside(known, reading, published=NORM_OF_2016)) == (1, 0, 0, 0)


def test_sheets_add_to_the_parts_of_a_pair_and_take_none_away(tmp_path: Path) -> None:
    known = kept(
        tmp_path / "known",
        beside(Facts(()), read(tmp_path, PAIRS, (1, "单日", "护理", CARE, "床位", BED, "我们的话"))),
    )
    again = read(
        tmp_path, PAIRS, (1, "单日", "护理", CARE, "床位", BED, "含"), (2, "单日", "护理", CARE, "诊查", CHECK, "含")
    )
    comparison = beside(known, again)
    assert counts(comparison) == (1, 0, 1, 0)
    (point,) = kept(tmp_path / "new", comparison).points
    assert (point.row.included, point.row.why, point.row.rows) == ({BED: "床位", CHECK: "诊查"}, "我们的话", "2")


def test_an_operation_may_stand_in_several_groups(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        OPERATIONS,
        ("松解术", "", CARE, "限定主次操作", "胃肠手术组"),
        ("松解术", "", CARE, "限定主次操作", "女性生殖系统手术组"),
    )
    comparison = beside(Facts(()), reading)
    assert counts(comparison) == (2, 0, 0, 0)
    (point,) = kept(tmp_path / "new", comparison).points
    assert point.row.groups == ("胃肠手术组", "女性生殖系统手术组")


def test_a_row_that_contradicts_one_before_it_is_refused(tmp_path: Path) -> None:
    reading = read(
        tmp_path, DAILY_CAPS, (1, "护理", 1, "日", CARE), (2, "护理", 1, "日", CARE), (3, "护理", 2, "日", CARE)
    )
    comparison = beside(Facts(()), reading)
    assert counts(comparison) == (1, 0, 1, 1)
    assert refusals(comparison)[0][0] == 4


def test_a_row_that_needs_more_days_than_its_rule_looks_back_is_refused(tmp_path: Path) -> None:
    reading = read(tmp_path, PERIODS, (1, "护理", 1, 15, "", CARE), (2, "糖化血红蛋白", 1, 16, "", HBA1C))
    assert counts(beside(Facts(()), reading, periods=14)) == (1, 0, 0, 1)
    assert counts(beside(Facts(()), reading)) == (2, 0, 0, 0)


def test_items_of_which_the_same_is_said_stand_in_one_row(tmp_path: Path) -> None:
    names = {"甲片": [PILL, OTHER_PILL], "乙片": ["XG01AFJ070A009010100324"]}
    path = save_drugs(tmp_path / "药品.xlsx", "限定性别对象", "女", "", names)
    rows: Sequence[AnyRow] = beside(Facts(()), load_sheets(path)).new["sex_of_drugs"]
    assert [(row.name, len(row.codes), row.rows) for row in rows] == [("甲片", 2, "1-2"), ("乙片", 1, "3")]


@needs_sheets
def test_the_fourteen_official_sheets_are_read_as_they_are_read_independently(tmp_path: Path) -> None:
    paths = sorted((sheets.DATA / "two-libraries").glob("*.xlsx"))
    readings = [load_sheets(path) for path in paths]
    assert len(paths) == 14
    assert [reading.unknown for reading in readings] == [[]] * 14
    comparison = beside(Facts(()), *readings, periods=14)
    assert [outcome.refused for outcome in comparison.outcomes if outcome.refused] == []
    facts = kept(tmp_path / "kept", comparison)
    catalogues = {point.catalogue for point in facts.points}
    assert len(catalogues) == 17
    for catalogue in catalogues:
        found = {key: value for p in facts.points if p.catalogue == catalogue for key, value in stated(p).items()}
        expected = {key: value for key, value in official(catalogue).items() if REVISED not in key}
        assert found == expected, catalogue


@needs_sheets
def test_the_official_sheets_beside_the_programs_own_contradict_nothing() -> None:
    paths = sorted((sheets.DATA / "two-libraries").glob("*.xlsx"))
    comparison = beside(load_facts(), *map(load_sheets, paths), periods=14)
    added, superseded, unchanged, refused = counts(comparison)
    assert (superseded, refused) == (0, 0)
    assert added + unchanged == 15_618
