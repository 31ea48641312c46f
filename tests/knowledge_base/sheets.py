"""What the published sheets (两库知识点明细) say, read on their own: official values by item code and first day.

The sheets are no part of the project. They are looked for in ``../shared/data`` beside the checkout, or below the
folder that FUNDWATCH_SHARED names.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from openpyxl import load_workbook  # type: ignore[import-untyped]

SHARED = Path(os.environ.get("FUNDWATCH_SHARED", Path(__file__).parents[2].parent / "shared"))
DATA = SHARED / "data"

PUBLISHED = date(2025, 12, 31)
REVISED = date(2026, 1, 28)
NORM_OF_2016 = date(2016, 3, 9)
REGULATION = date(2021, 5, 1)

Row = Mapping[str, str]
#: (item code, first day), for pairs (main, included, first day), to the name and the values that a point states.
Official = dict[tuple[str | date, ...], tuple[object, ...]]


@cache
def rows(pattern: str, sheet: int = 0) -> tuple[Row, ...]:
    """The rows of one sheet by the words of its head, cells as text, without totals and remarks."""
    (path,) = (DATA / "two-libraries").glob(pattern)
    head, *body = load_workbook(path).worksheets[sheet].iter_rows(values_only=True)
    named = (dict(zip(map(str, head), (str(cell or "") for cell in row), strict=True)) for row in body)
    return tuple(row for row in named if _code(row) or "药品说明" in row)


@cache
def revision(rule: str) -> tuple[tuple[str, str, str], ...]:
    """Code, name and text of the drug points published on 2026-01-28 (only in the second look, without columns)."""
    points = json.loads((DATA / "two-libraries" / "knowledge_points.json").read_text(encoding="utf-8"))
    revised = (p for p in points if p["rule_class"] == rule and p["published_at"] == REVISED.isoformat())
    return tuple((code, p["item_name"], p["constraint"]) for p in revised for code in p["med_codes"])


@cache
def services() -> Mapping[str, str]:
    """The names of the service items by code."""
    with (DATA / "codes" / "service_item_code_name.csv").open(encoding="utf-8", newline="") as lines:
        return {row["code"]: row["name"] for row in csv.DictReader(lines)}


def _code(row: Row) -> str:
    return next(
        (cell for title, cell in row.items() if title in ("国标代码", "药品代码", "项目代码", "项目编码", "主项编码")),
        "",
    )


def _bed_items() -> Official:
    not_of_a_stay = ("001109000010600", "001109000050000")  # the newborn's cot, the emergency observation bed
    beds = {code: name for code, name in services().items() if code.startswith("001109") and "床位费" in name}
    return {(code, REGULATION): (name,) for code, name in beds.items() if code not in not_of_a_stay}


def _dialysis_items() -> Official:
    named = {code: name for code, name in services().items() if re.search("透析|血液灌流", name)}
    return {(code, REGULATION): (name,) for code, name in named.items()}


def _daily_caps() -> Official:
    return {
        (row["项目编码"], PUBLISHED): (row["项目名称"], Decimal(row["限制数量"]), row["数量单位"])
        for row in rows("*第八批-1*")
    }


def _periods() -> Official:
    return {
        (row["项目代码"], NORM_OF_2016 if "人社部发〔2016〕23号" in row["备注"] else PUBLISHED): (
            row["项目名称"],
            Decimal(row["频次上限"]),
            int(row["疗程周期"]),
        )
        for row in rows("*第八批-4*")
    }


def _pairs(frequency: str, *values: object) -> Official:
    return {
        (row["主项编码"], row["从项编码"], PUBLISHED): (row["主项名称"], row["从项名称"], *values)
        for row in rows("*第七批*")
        if row["频度"] == frequency
    }


def _sex(row: Row) -> str:
    return {"男": "1", "女": "2"}[row.get("限定对象") or row["限定性别"]]


def _sex_of_services() -> Official:
    sheet = rows("*第一批*项目规则库*性别*")
    return {(row["国标代码"], PUBLISHED): (row["项目名称"], _sex(row)) for row in sheet}


def _drugs(pattern: str, values: Callable[[Row], tuple[object, ...]]) -> Official:
    """The first sheet has a drug's terms by its generic name, the second one its codes."""
    terms = {row["药品通用名"]: values(row) for row in rows(pattern)}
    names = {_code(row): row["药品通用名"] for row in rows(pattern, 1)}
    return {(code, PUBLISHED): (name, *terms[name]) for code, name in names.items() if name in terms}


def _sex_of_drugs() -> Official:
    return _drugs("*第一批*药品规则库*性别*", lambda row: (_sex(row),)) | _revised(
        "药品区分性别使用", {row["药品通用名"]: _sex(row) for row in rows("*第一批*药品规则库*性别*")}.get
    )


def _revised(rule: str, value: Callable[[str], object]) -> Official:
    """The codes of a revision, whose value the sheet of before says by generic name."""
    return {(code, REVISED): (name, value(name)) for code, name, _ in revision(rule)}


_AGES = {"儿童": "child", "新生儿": "newborn", "婴幼儿": "infant"}


def _age_of_drugs() -> Official:
    sheet = _drugs("*第一批*药品规则库*年龄*", lambda row: (_AGES[row["限定对象"]],))
    revised = ("药品儿童专用", "药品限儿童使用")
    return sheet | {key: value for rule in revised for key, value in _revised(rule, lambda _: "child").items()}


def _age_of_services() -> Official:
    sheet = rows("*第一批*项目规则库*年龄*")
    return {(row["国标代码"], PUBLISHED): (row["项目名称"], _AGES[row["限定对象"]]) for row in sheet}


def _services_of_working_age() -> Official:
    return {(row["项目代码"], PUBLISHED): (row["项目名称"],) for row in rows("*第八批-2*")}


def _insurance_of_drugs() -> Official:
    names = {"工伤": "injury", "生育": "maternity"}
    later = {"药品限工伤保险": "injury", "药品限生育保险": "maternity"}
    sheet = _drugs("*第三批*", lambda row: (names[row["限定对象"]],))
    return sheet | {k: v for rule, value in later.items() for k, v in _revised(rule, lambda _, v=value: v).items()}


def _level_of_drugs() -> Official:
    """Where the text also allows hospitals of level 2, it is kinder than a column that says 3."""
    return _drugs("*第五批*", lambda row: ("2" if "二级" in row["限定值域"] + row["药品说明"] else "3",)) | {
        (code, REVISED): (name, "2" if "二级" in text else "3") for code, name, text in revision("药品限医疗机构级别")
    }


def _later_operations() -> Official:
    return {(row["国标代码"], row["限定值域"], PUBLISHED): (row["项目名称"],) for row in rows("*第二批*")}


def _drugs_only_in_hospital() -> Official:
    later: Official = {
        (code, REVISED): (name, "急诊" in text) for code, name, text in revision("药品限就医方式") if "住院" in text
    }
    return _drugs("*第四批*", lambda row: ("急诊" in row["药品说明"],)) | later


def _course(text: str, column: str = "0天") -> tuple[int, bool, bool]:
    """The kinder of what the text and the column say, and whether each stay or illness counts apart."""
    return max(map(int, re.findall(r"(\d+)天", f"{text} {column}"))), "单次" in text, "疾病过程" in text


def _courses() -> Official:
    later = {(code, REVISED): (name, *_course(text)) for code, name, text in revision("药品限支付疗程")}
    return _drugs("*第六批*", lambda row: _course(row["药品说明"], row["限定值域"])) | later


def _courses_of_services() -> Official:
    """What is said of intervals (评定间隔, 每周) stands among the periods."""
    texts = {row["项目代码"]: (row["项目名称"], row["备注"].replace("一年", "365天")) for row in rows("*第八批-3*")}
    return {(code, PUBLISHED): (name, *_course(text.partition("间隔")[0])) for code, (name, text) in texts.items()}


_SOURCES: Mapping[str, Callable[[], Official]] = {
    "age_of_drugs": _age_of_drugs,
    "age_of_services": _age_of_services,
    "bed_items": _bed_items,
    "courses": _courses,
    "courses_of_services": _courses_of_services,
    "daily_caps": _daily_caps,
    "dialysis_items": _dialysis_items,
    "drugs_only_in_hospital": _drugs_only_in_hospital,
    "insurance_of_drugs": _insurance_of_drugs,
    "later_operations": _later_operations,
    "level_of_drugs": _level_of_drugs,
    "pairs_of_a_day": lambda: _pairs("单日"),
    "pairs_of_a_visit": lambda: _pairs("单次就诊"),
    "pairs_of_hours": lambda: _pairs("6小时", 6),
    "pairs_of_the_same_hour": lambda: _pairs("同一小时"),
    "periods": _periods,
    "services_of_working_age": _services_of_working_age,
    "sex_of_drugs": _sex_of_drugs,
    "sex_of_services": _sex_of_services,
}


@cache
def official(catalogue: str) -> Official:
    """All that the sheets say for a catalogue, whether or not the starter has it."""
    return _SOURCES[catalogue]()
