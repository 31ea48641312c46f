"""Commands on what was received and what became of it: reconcile, lag."""

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, print_json, print_table, print_unknown, run, say
from streams.jobs.reconciling import reconcile as reconcile_all
from streams.store.intake.crossings import Crossings, Known
from streams.store.intake.reconciliation import Reconciliation
from streams.store.intake.unknown_fields import find_unknown_fields
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    app.command()(reconcile)
    app.command()(lag)


def reconcile(json: Json = False) -> None:
    """核对收到的与其结果, 不平则退出码 1 / account for what was received; exit code 1 where anything is missing.

    Example: fundwatch reconcile
    """
    run(_reconcile(json))


async def _reconcile(json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        account = await reconcile_all(connection, service.bus)
        unknown = await find_unknown_fields(connection)
    if json:
        print_json({"lost": account.lost, "money_differs": account.money_differs, "received": account.received,
                    "purged": account.purged, "sources": account.sources, "partitions": account.partitions,
                    "store": account.store, **msgspec.structs.asdict(account.crossings), "unknown_fields": unknown,
                    "troubles": account.troubles})  # fmt: skip
    else:
        _show_account(account)
        if unknown:
            print_unknown(unknown)
    if account.lost or account.money_differs:
        raise Failure(f"少了 {account.lost} 条, 金额差 {account.money_differs} / messages or money are missing")


def _show_account(account: Reconciliation) -> None:
    print_table(
        "按来源和日期 / by source and day",
        ("来源 source", "日期 day", "收到 received", "接收 accepted", "重复 duplicate", "冲突 conflict",
         "无法入库 dead", "接收金额 accepted yuan", "其余金额 other yuan", "金额不明 unknown",
         "未识别字段（抽查） unknown fields (spot checks)"),
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
    _show_crossings(account.crossings)
    say(
        f"收到 received {account.received}; 缺失 lost {account.lost}; 金额差 money {account.money_differs}; "
        f"清除的死信 dead letters purged {account.purged}; "
        f"等待其对象的冲正更正 reversals and corrections waiting for their target {account.crossings.waiting_links}; "
        f"在几个统筹区出现的事件号 event ids in several areas {account.crossings.shared_ids}"
    )


_KNOWN: dict[Known, str] = {
    "nowhere": "还没有 not yet",
    "another person": "另一人 another person",
    "another institution": "另一机构 another institution",
}


def _show_crossings(crossings: Crossings) -> None:
    """What waits, and what only several persons' or areas' events tell; people say what is right."""
    if crossings.links:
        print_table(
            f"等待其对象的冲正更正 {crossings.waiting_links} 条 / reversals and corrections that wait for their target",
            ("事件号 event_id", "机构 institution", "所指结算号 target", "所指在 target is known of"),
            [(row.event_id, row.institution, row.target, _KNOWN[row.known]) for row in crossings.links],
            right=4,
        )
    if crossings.unmerges:
        print_table(
            f"没有对应合并的拆分 {crossings.waiting_unmerges} 条 / unmerges of pseudonyms that no merge joined",
            ("事件号 event_id", "统筹区 area"),
            [(row.event_id, row.area) for row in crossings.unmerges],
            right=2,
        )
    if crossings.numbers:
        print_table(
            f"同一机构的号用在几个人身上 {crossings.shared_numbers} 个 / "
            "numbers of one institution that several persons have",
            ("机构 institution", "号 number", "种类 what", "人数 persons"),
            [(row.institution, row.number, row.what, row.persons) for row in crossings.numbers],
            right=3,
        )
    if crossings.institutions:
        print_table(
            f"编码不合格式的机构 {crossings.odd_institutions} 家 / institutions whose code has no official format",
            ("机构 institution", "事件 events"),
            [(row.institution, row.events) for row in crossings.institutions],
            right=1,
        )
    if crossings.shared:
        print_table(
            f"同一机构的同一事件号出现在几个统筹区 {crossings.shared_ids} 个，由人核实以哪个为准 / "
            "event ids of one institution in several areas: people say which stands",
            ("事件号 event_id", "机构 institution", "统筹区 areas"),
            [(row.event_id, row.institution, ", ".join(row.areas)) for row in crossings.shared],
            right=3,
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
