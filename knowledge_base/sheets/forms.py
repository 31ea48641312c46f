"""What a row of each form says, as a row of a catalogue.

Where a column and its text disagree, the kinder one holds and the row notes both. A row that cannot be read is
``Unclear``: its reason is for people, who mend the sheet or leave the row out.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from knowledge_base.catalogues.rows import ROWS, AnyRow
from knowledge_base.codes import is_item_code
from knowledge_base.sheets.columns import DAILY_CAPS, LIMITED_SERVICES, PAIRS, PERIODS, REMARKED_SERVICES, Cells

NORMS = {"人社部发〔2016〕23号": date(2016, 3, 9)}
"""Norms that a sheet may name, with the day from which they hold; what names none holds from its publication."""

NOT_LOCALISED = frozenset({"courses_of_services", "daily_caps", "periods", "services_of_working_age"})
"""Catalogues whose points the provinces are to localise (第八批), so that they prove no breach by themselves."""

Known = TypeVar("Known")


class Unclear(ValueError):
    """A row of a sheet cannot be read; the text says why."""


class Terms(NamedTuple):
    """What a row says beside name and code: a catalogue, its values, and a note where the row needs one."""

    catalogue: str
    values: Mapping[str, Any]
    note: str | None = None


class Said(NamedTuple):
    """A point as a row of a sheet says it: of one code, or of one pair. ``row`` says nothing of its source."""

    catalogue: str
    row: AnyRow


def said(terms: Terms, code: str, name: str) -> Said:
    """What terms say of an item. Raises ``Unclear``."""
    _check_code(code)
    if not name:
        raise Unclear("没有名称 / no name")
    words = {"name": name, "codes": [code], **terms.values}
    if terms.note:
        words["note"] = terms.note
    try:
        return Said(terms.catalogue, ROWS[terms.catalogue].model_validate(words))
    except ValidationError as error:
        fault = error.errors()[0]
        raise Unclear(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _check_code(code: str) -> None:
    if not is_item_code(code):
        raise Unclear(f"不是项目或药品编码 / no code of an item: {code or '-'}")


def _pair(cells: Cells) -> Said:
    part, remark = cells["从项编码"], cells["备注"]
    catalogue = _one_of(_PAIRS, cells["频度"])
    _check_code(part)
    values: dict[str, Any] = {"included": {part: cells["从项名称"]}, "why": remark}
    if catalogue == "pairs_of_hours":
        values["hours"] = _number(cells["频度"])
    return said(Terms(catalogue, values), cells["主项编码"], cells["主项名称"])


_PAIRS = {
    "单日": "pairs_of_a_day",
    "单次就诊": "pairs_of_a_visit",
    "6小时": "pairs_of_hours",
    "同一小时": "pairs_of_the_same_hour",
}


def _daily_cap(cells: Cells) -> Said:
    values = {"limit": cells["限制数量"], "unit": cells["数量单位"]}
    return said(Terms("daily_caps", values), cells["编码"], cells["项目名称"])


def _period(cells: Cells) -> Said:
    values: dict[str, Any] = {"count": cells["频次上限"], "days": _number(cells["疗程周期"])}
    return said(Terms("periods", values | _of_norm(cells["备注"])), cells["编码"], cells["项目名称"])


def _of_norm(remark: str) -> dict[str, Any]:
    for norm, first_day in NORMS.items():
        if norm in remark:
            return {"valid_from": first_day, "note": norm}
    return {}


def _remarked(cells: Cells) -> Said:
    """A service whose limit stands in words alone: an age, or days of payment."""
    remark = cells["备注"]
    if "法定就业年龄" in remark:
        terms = Terms("services_of_working_age", {})
    elif "不超过" in remark:
        terms = Terms("courses_of_services", _course(remark))
    else:
        raise Unclear(f"备注说的不是年龄，也不是疗程 / the remark says neither an age nor a course: {remark or '-'}")
    return said(terms, cells["编码"], cells["项目名称"])


def _limited(cells: Cells) -> Said:
    limit = _one_of(_OF_SERVICES, cells["限定类型"])
    return said(limit(cells["限定"], cells.get("项目说明", "")), cells["编码"], cells["项目名称"])


FORMS: Mapping[frozenset[str], Callable[[Cells], Said]] = {
    PAIRS: _pair,
    DAILY_CAPS: _daily_cap,
    PERIODS: _period,
    REMARKED_SERVICES: _remarked,
    LIMITED_SERVICES: _limited,
}
"""What a row of a form says. Raises ``Unclear``. Drugs are told in two sheets: terms by generic name, and codes."""


def drug_terms(cells: Cells) -> Terms:
    """What a drug's terms say. Raises ``Unclear``."""
    return _one_of(_OF_DRUGS, cells["限定类型"])(cells["限定"], cells["药品说明"])


Limit = Callable[[str, str], Terms]
"""Terms of a column and its text."""


def _sex(catalogue: str) -> Limit:
    def limit(column: str, text: str) -> Terms:
        sex = _one_of({"男": "1", "女": "2"}, column)
        other = "女性" if column == "男" else "男性"
        if other in text and f"{column}性" not in text:
            raise Unclear(f"限定与说明的性别相反 / the column says {column}, the text {other}")
        return Terms(catalogue, {"sex": sex})

    return limit


def _age(catalogue: str) -> Limit:
    def limit(column: str, text: str) -> Terms:
        return Terms(catalogue, {"age": _one_of({"儿童": "child", "新生儿": "newborn", "婴幼儿": "infant"}, column)})

    return limit


def _later_operation(column: str, text: str) -> Terms:
    if not column:
        raise Unclear("没有手术组 / no group of operations")
    return Terms("later_operations", {"groups": [column]})


def _insurance(column: str, text: str) -> Terms:
    return Terms("insurance_of_drugs", {"insurance": _one_of({"工伤": "injury", "生育": "maternity"}, column)})


def _level(column: str, text: str) -> Terms:
    level = _one_of({"二级": "2", "三级": "3"}, column)
    if level == "3" and "二级及以上" in text:
        return Terms("level_of_drugs", {"level": "2"}, "明细限定三级，说明又准二级及以上专科，按二级")
    return Terms("level_of_drugs", {"level": level})


def _drug_course(column: str, text: str) -> Terms:
    days = _number(column)
    values = _course(text) if _days(text) else {"days": days}
    if values["days"] == days:
        return Terms("courses", values)
    kinder = max(days, values["days"])
    return Terms("courses", {**values, "days": kinder}, f"明细限定 {column}，说明 {values['days']} 天，按 {kinder} 天")


def _course(text: str) -> dict[str, Any]:
    """The days of payment that a text allows, and whether each stay or illness counts apart. Raises ``Unclear``."""
    days = _days(text)
    if not days:
        raise Unclear(f"没有天数 / no number of days: {text}")
    values: dict[str, Any] = {"days": max(days)}
    if "单次" in text:
        values["per_stay"] = True
    if "一个疾病过程" in text:
        values["per_illness"] = True
    return values


def _days(text: str) -> list[int]:
    return [int(days or 365) for days in re.findall(r"(\d+)天|一年", text)]


def _place(column: str, text: str) -> Terms:
    _one_of({"住院": ""}, column)
    if "急诊" not in text:
        return Terms("drugs_only_in_hospital", {})
    return Terms("drugs_only_in_hospital", {"emergency": True}, "明细限定住院，说明又准急诊，按急诊或住院")


_OF_SERVICES: Mapping[str, Limit] = {
    "限定年龄对象": _age("age_of_services"),
    "限定性别对象": _sex("sex_of_services"),
    "限定主次操作": _later_operation,
}

_OF_DRUGS: Mapping[str, Limit] = {
    "限定年龄对象": _age("age_of_drugs"),
    "限定性别对象": _sex("sex_of_drugs"),
    "限定保险类型": _insurance,
    "限定机构等级": _level,
    "限定支付疗程": _drug_course,
    "限定就医方式": _place,
}


def _one_of(known: Mapping[str, Known], word: str) -> Known:
    if word not in known:
        raise Unclear(f"应为其中之一 / expected one of {', '.join(known)}: {word or '-'}")
    return known[word]


def _number(text: str) -> int:
    found = re.match(r"\d+", text)
    if found is None:
        raise Unclear(f"不是数字 / no number: {text or '-'}")
    return int(found[0])
