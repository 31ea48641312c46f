"""Commands on the audit log: list, verify."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from api.frame.addresses import MOST_WHOLE
from api.frame.formats import instant
from api.frame.texts import load_texts
from casework.audit import Act, Broken
from deploy.commands.output import Failure, Json, Opened, print_json, print_table, run, say, whole_sight
from streams.store.people import audit
from streams.store.people.audit import EntryFilter
from streams.store.sessions import borrowed

_WHY = {
    "missing": "缺少 / is missing",
    "altered": "被改动 / was altered",
    "moved": "前一条不是原来那条 / follows another entry than it did",
}


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="审计日志 / the audit log")
    group.command("list")(list_entries)
    group.command()(verify)
    app.add_typer(group, name="audit")


def list_entries(
    who: Annotated[str | None, typer.Option(metavar="NAME", help="谁 / by whom: a log-in, a name, program")] = None,
    act: Annotated[Act | None, typer.Option(help="做了什么 / what was done")] = None,
    first: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="从哪天起 / from this day on")] = None,
    last: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="到哪天 / until this day")] = None,
    lead: Annotated[str | None, typer.Option(metavar="LEAD", help="关于哪条线索 / about which lead")] = None,
    before: Annotated[int, typer.Option(help="此序号之前 / before this number", show_default=False)] = MOST_WHOLE,
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 50,
    json: Json = False,
) -> None:
    """列出谁在什么时候对什么做了什么, 新的在前 / list who did what, to what, and when, the newest first.

    Example: fundwatch audit list --who wang.li --first 2026-03-01
    """
    days = (first.date() if first else None, last.date() if last else None)
    run(_list_entries(EntryFilter(who, act, *days, lead), before, most, json))


async def _list_entries(chosen: EntryFilter, before: int, most: int, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        found = await audit.find_entries(connection, chosen, whole_sight(), before, most)
    following = found[-1].seq if len(found) == most else None
    if json:
        entries = [{"seq": of.seq, "at": of.at, "by": of.by, "act": of.act, "about": of.about} for of in found]
        print_json({"entries": entries, "next": following})
        return
    acts = load_texts("zh")
    print_table(
        f"审计日志 / audit log: {len(found):,}",
        ("序号 number", "北京时间 at (China)", "谁 who", "做了什么 what", "对象 about"),
        [(of.seq, instant(of.at), of.by, f"{acts.find('acts', of.act)} {of.act}", _about(of.about)) for of in found],
        right=9,
    )
    if following is not None:
        say(f"下一页 / next page: --before {following}")


def _about(about: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {word}" for name, word in about.items() if word)


def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="以前记下的末条 / the last entry as it was told before"),
    ] = None,
    json: Json = False,
) -> None:
    """逐条核对审计日志的哈希链, 改动过的条目按序号指出 / verify the chain of the audit log, and name an altered entry.

    Note what it prints where nobody with access to the database can reach it: given as --head later, it also tells
    whether the end was cut off or written anew. Example: fundwatch audit verify --head 12:9f86d081884c7d65…
    """
    seq, last = run(_verify(head))
    if json:
        print_json({"entries": seq, "head": f"{seq}:{last}"})
    else:
        say(f"共 {seq:,} 条，链完整 / {seq:,} entries, the chain holds")
        say(f"末条 / head: {seq}:{last}")


async def _verify(head: str | None) -> tuple[int, str]:
    async with Opened() as service, borrowed(service.pool) as connection:
        try:
            seq, last = await audit.verify(connection)
        except Broken as broken:
            raise Failure(f"第 {broken.seq} 条{_WHY[broken.why].replace(' / ', f' / entry {broken.seq} ')}") from None
        if head is not None:
            number, _, told = head.partition(":")
            if not number.isdecimal():
                raise Failure("--head: 写作 序号:哈希 / is written SEQ:HASH")
            found = await audit.find_hash(connection, int(number))
            if found is None or found.hex() != told:
                raise Failure(f"第 {number} 条不是当时记下的那条 / entry {number} is not the one that was noted")
    return seq, last.hex()
