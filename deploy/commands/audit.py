"""Commands on the audit log: verify."""

from typing import Annotated

import typer

from casework.audit import Broken
from deploy.commands.output import Failure, Json, Opened, print_json, run, say
from streams.store.people import audit
from streams.store.sessions import borrowed

_WHY = {
    "missing": "缺少 / is missing",
    "altered": "被改动 / was altered",
    "moved": "前一条不是原来那条 / follows another entry than it did",
}


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="审计日志 / the audit log")
    group.command()(verify)
    app.add_typer(group, name="audit")


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
