"""Lists in tests: fetched as an institution would, read with another library than ours, filled in, sent back."""

import io
from collections.abc import Mapping
from typing import Any

import httpx
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from tests.api.story import COUNTY

HEADINGS = [
    "序号", "问题", "就诊号", "结算单号", "明细号", "科室", "时间", "项目编码", "项目名称", "数量", "金额(元)",
    "涉疑金额(元)", "其中统筹内(元)", "基金损失(元)", "疑点", "依据", "同意/异议", "说明", "损失算法", "疑点编号",
    "版本", "第几条明细",
]  # fmt: skip
FIRST = 6
"""The row of a sheet in which the list begins."""


async def lead_of(client: httpx.AsyncClient, institution: str = COUNTY, topic: str = "stays") -> str:
    found = await client.get("/api/leads", params={"institution": institution, "topic": topic})
    name: str = found.json()["leads"][0]["lead_id"]
    return name


async def download(client: httpx.AsyncClient, lead_id: str) -> bytes:
    answer = await client.get(f"/leads/{lead_id}/list.xlsx")
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


def sheet_of(content: bytes) -> Worksheet:
    return load_workbook(io.BytesIO(content)).worksheets[0]


def rows_of(content: bytes) -> list[dict[str, Any]]:
    """The rows of a list by heading, up to the first that is empty."""
    rows = []
    for cells in sheet_of(content).iter_rows(min_row=FIRST, max_col=len(HEADINGS), values_only=True):
        if cells[0] is None:
            break
        rows.append(dict(zip(HEADINGS, cells, strict=True)))
    return rows


def filled(content: bytes, cells: Mapping[int, Mapping[str, Any]]) -> bytes:
    """A list with some cells written over, by row of the sheet and heading."""
    book = load_workbook(io.BytesIO(content))
    for row, changed in cells.items():
        for heading, value in changed.items():
            book.worksheets[0].cell(row, HEADINGS.index(heading) + 1).value = value
    changed_file = io.BytesIO()
    book.save(changed_file)
    return changed_file.getvalue()


def answered(position: str, remark: str | None = None) -> dict[str, str | None]:
    return {"同意/异议": position, "说明": remark}


async def send(client: httpx.AsyncClient, lead_id: str, content: bytes, csrf: str | None = None) -> httpx.Response:
    """A filled list, as the form of the page sends it."""
    data = {"csrf": client.headers["X-CSRF-Token"] if csrf is None else csrf}
    return await client.post(f"/leads/{lead_id}/answers", data=data, files={"file": ("list.xlsx", content)})
