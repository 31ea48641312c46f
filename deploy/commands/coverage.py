"""What the rules know of what was published: by catalogue, and by the money billed. ``knowledge coverage`` and demo."""

from decimal import Decimal

import msgspec

from deploy.commands.output import Json, Opened, counted, print_json, print_table, run, say, whole_sight
from knowledge_base.catalogues.files import load_heads
from rules_lib.coverage import Cover, covers, money_under
from streams.hosts.service import Service
from streams.store.events.billed import load_billed
from streams.store.sessions import borrowed


class CatalogueCover(msgspec.Struct, frozen=True):
    """A catalogue's cover, and what share of the money billed is for items that it speaks of."""

    cover: Cover
    money: Decimal | None


class Coverage(msgspec.Struct, frozen=True):
    """What ``knowledge coverage --json`` prints.

    ``money`` is the share under any point, ``money_read`` under one that a rule reads, both from 0 to 1 of what
    ``claims`` claims billed; ``None`` where nothing was billed.
    """

    rule_set: str
    catalogues: tuple[CatalogueCover, ...]
    money: Decimal | None
    money_read: Decimal | None
    claims: int
    is_sample: bool


def coverage(json: Json = False) -> None:
    """已有多少公布的知识点, 多少金额受其约束 / how much of the published knowledge is held, and money under it.

    Example: fundwatch knowledge coverage
    """
    found = run(_coverage())
    if json:
        print_json(found)
    else:
        show_coverage(found)


async def _coverage() -> Coverage:
    async with Opened() as service:
        return await find_coverage(service)


async def find_coverage(service: Service) -> Coverage:
    """The cover of the set in force over what is in the store."""
    async with borrowed(service.pool) as connection:
        rule_set = await service.rule_sets.in_force(connection)
        billed = await load_billed(connection, whole_sight())

    def share_of(of: tuple[Cover, ...]) -> Decimal | None:
        under = money_under(rule_set.facts, [cover.catalogue for cover in of], billed.by_item)
        return (under / billed.total).quantize(Decimal("0.0001")) if billed.total > 0 else None

    of_all = covers(rule_set, load_heads())
    return Coverage(
        rule_set.hash,
        tuple(CatalogueCover(cover, share_of((cover,))) for cover in of_all),
        share_of(of_all),
        share_of(tuple(cover for cover in of_all if cover.rules)),
        billed.claims,
        billed.is_sample,
    )


def show_coverage(found: Coverage) -> None:
    """A row a catalogue, what no rule reads among them with the reason, and the money."""
    print_table(
        "知识点的覆盖 / coverage of the published knowledge",
        ("目录 catalogue", "内容 title", "规则 rules", "公布 published", "已有 held", "自 since", "金额 money"),
        [_row(entry.cover, entry.money) for entry in found.catalogues],
        right=3,
    )
    sample = "抽样 a sample, " if found.is_sample else ""
    say(
        f"金额中有知识点的 money under a point: {_percent(found.money)}, "
        f"有规则判断的 under one that a rule reads: {_percent(found.money_read)} "
        f"({sample}{counted(found.claims, 'claim', 'claims')})"
    )
    say(
        "知识点按编码计数，一个编码在明细和 2026-01-28 的更新中只计一次，所以与明细的行数不同 / "
        "points are counted by code, once over sheets and the revision of 2026-01-28, so not as sheets have rows"
    )


def _row(cover: Cover, money: Decimal | None) -> tuple[str, ...]:
    return (
        cover.catalogue,
        cover.title,
        " ".join(cover.rules) or ": ".join(filter(None, ("无 none", cover.unread))),
        "" if cover.published is None else f"{cover.published:,}",
        f"{cover.held:,}",
        "" if cover.since is None else cover.since.isoformat(),
        _percent(money),
    )


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share:.2%}"
