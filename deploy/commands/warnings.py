"""The command on warnings: what hospitals were warned of, what doctors did, what was found after."""

from typing import Annotated

import typer
from msgspec.structs import replace

from api.frame.formats import instant, today_in_china
from casework.overrides import Overrides
from casework.sight import Sight
from deploy.commands.output import Json, Opened, note, print_json, print_table, run
from streams.store.events.overrides import find_figures
from streams.store.events.warned import WarningFilter, WarningRow, find_place, find_warnings
from streams.store.sessions import borrowed

_LATE, _REPEATED, _TOLD = "超时未告知 no, too late", "重复未告知 no, repeated", "是 yes"
_WAYS = {"continue": "继续 went on", "change": "修改 changed", None: ""}


def register(app: typer.Typer) -> None:
    app.command()(warnings)


def warnings(
    institution: Annotated[str | None, typer.Option(help="机构编码 / institution code")] = None,
    rule: Annotated[str | None, typer.Option(help="规则编码 / rule id")] = None,
    before: Annotated[str | None, typer.Option(help="在此编号之前的 / those before this one")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 20,
    json: Json = False,
) -> None:
    """列出对医嘱的提示, 最近的在前 / list warnings about orders, the latest first.

    Example: fundwatch warnings --institution H42028100001
    """
    rows, replies = run(_find(WarningFilter(institution=institution, rule=rule), before, most))
    if json:
        print_json(rows)
        return
    print_table(
        "对医嘱的提示 / warnings about orders",
        (
            "时间 time",
            "机构 institution",
            "科室 ward",
            "提示 warning",
            "已告知 told",
            "反馈 reply",
            "疑点 finding",
            "编号 id",
        ),
        [
            (
                instant(row.asked_at),
                row.institution,
                row.department or "",
                row.said,
                _LATE if row.late else _REPEATED if row.repeats else _TOLD,
                _WAYS[row.way],
                "有 open" if row.found else "",
                row.warning_id,
            )
            for row in rows
        ],
        right=8,
    )
    note(
        f"已告知 / told: {replies.told:,}, 继续 / went on: {replies.continued:,},"
        f" 修改 / changed: {replies.changed:,}, 未反馈 / no reply: {replies.unanswered:,}"
    )
    if len(rows) == most:
        note(f"更早的 / earlier ones: --before {rows[-1].warning_id}")


async def _find(chosen: WarningFilter, before: str | None, most: int) -> tuple[list[WarningRow], Overrides]:
    """Whoever runs a command sees everything. No warnings lie behind one that there is none of."""
    everything = Sight(today_in_china())
    async with Opened() as service, borrowed(service.pool) as connection:
        figures = await find_figures(connection, chosen, everything, most=0)
        place = None if before is None else await find_place(connection, before)
        if before is not None and place is None:
            return [], figures.total
        return await find_warnings(connection, replace(chosen, after=place), everything, most), figures.total
