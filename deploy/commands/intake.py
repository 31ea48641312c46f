"""Commands on what was received: reconcile, dead-letters, lag."""

import sys
from typing import Annotated

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, console, notes, print_json, print_table, run
from streams.store.intake import dead_letters, reconciliation
from streams.store.intake.dead_letters import DeadLetter, LetterFilter, WrongKey
from streams.store.intake.reconciliation import Reconciliation
from streams.store.sessions import Connection, borrowed
from streams.topics import JUDGES

_SHELL = "fundwatch"

Name = Annotated[str, typer.Argument(help="主题/分区/位置 / topic/partition/offset, claims/0/12")]


def register(app: typer.Typer) -> None:
    app.command()(reconcile)
    app.command()(lag)
    letters = typer.Typer(no_args_is_help=True, help="死信 / dead letters")
    letters.command("list")(list_letters)
    letters.command()(show)
    letters.command()(replay)
    app.add_typer(letters, name="dead-letters")


def reconcile(json: Json = False) -> None:
    """核对收到的与其结果, 不平则退出码 1 / account for what was received; exit code 1 where anything is missing.

    Example: fundwatch reconcile
    """
    run(_reconcile(json))


async def _reconcile(json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        account = await reconciliation.reconcile(connection, JUDGES, service.bus)
    if json:
        print_json({"lost": account.lost, "money_differs": account.money_differs, "received": account.received,
                    "sources": account.sources, "partitions": account.partitions, "store": account.store,
                    "waiting_links": account.waiting_links, "troubles": account.troubles})  # fmt: skip
    else:
        _show_account(account)
    if account.lost or account.money_differs:
        raise Failure(f"少了 {account.lost} 条, 金额差 {account.money_differs} / messages or money are missing")


def _show_account(account: Reconciliation) -> None:
    print_table(
        "按来源和日期 / by source and day",
        ("来源 source", "日期 day", "收到 received", "接收 accepted", "重复 duplicate", "冲突 conflict",
         "无法入库 dead", "接收金额 accepted yuan", "其余金额 other yuan", "金额不明 unknown",
         "未识别字段（抽查 1/16） unknown fields (1 in 16)"),
        [
            (
                row.source,
                row.day,
                row.received,
                row.accepted,
                row.duplicate,
                row.conflict,
                row.dead,
                f"{row.accepted_money:,.2f}",
                f"{row.other_money:,.2f}",
                row.dead_money_unknown,
                row.unknown_fields,
            )
            for row in account.sources
        ],
        right=2,
    )  # fmt: skip
    print_table(
        "按分区 / by partition",
        ("主题 topic", "分区 partition", "读过 consumed", "有结果 outcomes", "等待 waiting"),
        [(row.topic, row.partition, row.consumed, row.outcomes, row.waiting) for row in account.partitions],
    )
    if account.troubles:
        print_table(
            "对不上的 / what does not add up",
            ("种类 kind", "在哪里 where", "应有 expected", "实有 found"),
            [(trouble.kind, trouble.where, trouble.expected, trouble.found) for trouble in account.troubles],
            right=2,
        )
    console.print(
        f"收到 received {account.received}; 缺失 lost {account.lost}; 金额差 money {account.money_differs}; "
        f"等待其对象的冲正更正 reversals and corrections waiting for their target {account.waiting_links}",
        highlight=False,
    )


def lag(json: Json = False) -> None:
    """各消费组落后多少 / how far groups are behind.

    Example: fundwatch lag
    """
    run(_lag(json))


async def _lag(json: bool) -> None:
    async with Opened() as service:
        lags = await service.bus.lags()
    if json:
        print_json([{**msgspec.structs.asdict(lag), "behind": lag.behind} for lag in lags])
        return
    print_table(
        "落后 / lag",
        ("组 group", "主题 topic", "处理者 owner", "分区 partition", "读到 next", "末尾 end", "落后 behind"),
        [(lag.group, lag.topic, lag.owner or "", lag.partition, lag.next, lag.end, lag.behind) for lag in lags],
        right=3,
    )


def list_letters(
    before: Annotated[int, typer.Option(help="此序号之前 / older than this number")] = dead_letters.NEWEST,
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 20,
    json: Json = False,
) -> None:
    """列出死信及原因 / list dead letters with their reasons.

    Example: fundwatch dead-letters list
    """
    run(_list_letters(before, most, json))


async def _list_letters(before: int, most: int, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        found = await dead_letters.find_dead_letters(connection, LetterFilter(), before, most)
    following = found[-1][0] if len(found) == most else None
    if json:
        letters = [{"seq": seq, "name": letter.name, "letter": letter} for seq, letter in found]
        print_json({"letters": letters, "next": following})
        return
    print_table(
        "死信 / dead letters",
        ("名称 name", "结果 outcome", "来源 source", "原因 reasons", "重放 replayed"),
        [
            (letter.name, letter.outcome, letter.source, "; ".join(letter.reasons), letter.replayed_at or "")
            for _, letter in found
        ],
        right=5,
    )
    if following is not None:
        console.print(f"下一页 / next page: --before {following}", highlight=False)


def show(name: Name, json: Json = False) -> None:
    """显示一条死信的原始字节, 查看会被记下 / print a dead letter's bytes as they came; that is noted.

    Example: fundwatch dead-letters show claims/0/12
    """
    run(_show(name, json))


async def _show(name: str, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        seq, letter = await _find(connection, name)
        try:
            body = await dead_letters.open_dead_letter(connection, service.vault, seq, _SHELL, "dead-letters show")
        except WrongKey:
            raise Failure(_WRONG_KEY) from None
    if json:
        print_json({"letter": letter, "body": body.decode("utf-8", "backslashreplace")})
        return
    notes.print("; ".join(letter.reasons), highlight=False, markup=False)
    sys.stdout.buffer.write(body + b"\n")


def replay(name: Name) -> None:
    """修复后重新发送一条死信, 不能撤销 / send a dead letter again after a fix; that cannot be undone.

    Example: fundwatch dead-letters replay claims/0/12
    """
    run(_replay(name))


async def _replay(name: str) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        seq, letter = await _find(connection, name)
        number = await dead_letters.begin_replay(connection, LetterFilter(seq=seq), _SHELL)
        if number is None:
            raise Failure(f"已经重放过 / was replayed before: {name} {letter.replayed_at:%Y-%m-%d %H:%M} UTC")
        try:
            await dead_letters.go_on_replaying(connection, service.bus, service.vault, number)
        except WrongKey:
            raise Failure(_WRONG_KEY) from None
    console.print(f"已重新发送 / sent again: {letter.name} (replay {number})", highlight=False)


_WRONG_KEY = "这条死信是用另一把密钥封存的 / this letter was sealed with another key"


async def _find(connection: Connection, name: str) -> tuple[int, DeadLetter]:
    topic, _, place = name.partition("/")
    partition, _, offset = place.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise Failure(f"要写成 claims/0/12 / expected a name like claims/0/12: {name}")
    found = None
    if int(partition) < 2**31 and int(offset) <= dead_letters.NEWEST:
        found = await dead_letters.find_dead_letter(connection, topic, int(partition), int(offset))
    if found is None:
        raise Failure(f"没有这条死信 / no such dead letter: {name}")
    return found
