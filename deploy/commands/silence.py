"""The command on silence: who is unusually quiet, and what is usual of everybody who sends."""

from datetime import datetime
from typing import Annotated, NamedTuple

import typer

from api.frame.formats import instant
from casework.silence import STATES, State
from deploy.commands.output import Json, Opened, note, print_json, print_table, run, whole_sight
from streams.store.intake import senders
from streams.store.intake.senders import SenderFilter, SenderRow, StateCount
from streams.store.sessions import borrowed

_WORDS = {"quiet": "异常安静 quiet", "usual": "正常 usual", "learning": "学习中 learning", "muted": "已静音 muted"}


class _Found(NamedTuple):
    as_of: datetime | None
    counts: list[StateCount]
    rows: list[SenderRow]


def register(app: typer.Typer) -> None:
    app.command()(silence)


def silence(
    state: Annotated[State | None, typer.Option(help="状态 / state")] = None,
    kind: Annotated[str | None, typer.Option(help="消息种类 / kind: claim, 3101, 3102, 3103")] = None,
    institution: Annotated[str | None, typer.Option(help="机构编码 / institution code")] = None,
    page: Annotated[int, typer.Option(min=1, max=10**6, help="第几页 / page")] = 1,
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 50,
    json: Json = False,
) -> None:
    """谁异常安静, 各机构今天应有和收到多少 / who is unusually quiet, what was expected and came today.

    Example: fundwatch silence --state quiet
    """
    chosen = SenderFilter(state, kind, institution)
    found = run(_find(chosen, (page - 1) * most, most))
    if json:
        print_json({"as_of": found.as_of, "counts": found.counts, "senders": found.rows})
        return
    print_table(
        "报送 / who sends",
        ("机构 institution", "种类 kind", "状态 state", "应有 expected", "收到 received", "迟到 late", "拒收 refused",
         "最近 last"),
        [
            (
                row.name or row.sender.institution,
                row.sender.kind,
                _WORDS[row.state],
                "" if row.expected is None else f"{row.expected:,}",
                f"{row.received:,}",
                f"{row.late:,}",
                f"{row.refused:,}",
                "" if row.last_at is None else instant(row.last_at),
            )
            for row in found.rows
        ],
        right=3,
    )  # fmt: skip
    sums = {state: sum(of.senders for of in found.counts if of.state == state) for state in STATES}
    note(", ".join(f"{_WORDS[state]}: {count:,}" for state, count in sums.items()))
    if found.as_of is None:
        note("还没有判断过：worker 每分钟判断一次 / not judged yet: workers do it once a minute")
    else:
        note(f"判断到 / judged up to: {instant(found.as_of)}")
    if len(found.rows) == most:
        note(f"更多 / more: --page {page + 1}")


async def _find(chosen: SenderFilter, offset: int, most: int) -> _Found:
    sight = whole_sight()
    async with Opened() as service, borrowed(service.pool) as connection:
        return _Found(
            await senders.find_as_of(connection),
            await senders.count_states(connection, sight.today),
            await senders.find_senders(connection, chosen, sight, offset, most),
        )
