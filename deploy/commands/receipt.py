"""The command on receipts: what is kept of a request by the code of its answer."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from api.hospital.receipts import find_kept, told_of
from deploy.commands.output import Failure, Json, Opened, print_json, print_table, run
from knowledge_base.events.prescriptions import Prescription
from streams.store.sessions import borrowed

_EVER = datetime(2000, 1, 1, tzinfo=UTC)


def register(app: typer.Typer) -> None:
    app.command()(receipt)


def receipt(
    code: Annotated[str, typer.Argument(help="凭据编号 / code of an answer to 3101 or 3102")], json: Json = False
) -> None:
    """按凭据编号查询问和当时的答复 / look up what was asked, and by which set it was judged, by the code of the answer.

    Example: fundwatch receipt K4GWTK7BUY3LTP2D
    """
    kept = run(_find(code))
    if not kept:
        raise Failure(f"没有这个凭据, 或尚未入库 / no such receipt, or it is not stored yet: {code}")
    told = told_of(kept)
    if json:
        print_json(told)
        return
    print_table(
        f"凭据 / receipt {code}",
        ("字段 field", "内容 value"),
        [
            (name, ", ".join(of["rule_id"] for of in value) if name == "not_evaluated" else str(value))
            for name, value in told.items()
            if name != "kept"
        ],
        right=2,
    )
    print_table(
        "医嘱 / orders",
        ("机构 institution", "就诊 encounter", "医嘱 order", "项目 item", "数量 quantity", "提示 warned by"),
        [
            (
                of.institution,
                of.encounter_id,
                order.order_id,
                order.item_code or "",
                str(order.quantity),
                " ".join(
                    warning.rule_id
                    for warning in (of.advice.warnings if of.advice else ())
                    if any(about.guilty and about.order_id == order.order_id for about in warning.orders)
                ),
            )
            for of in kept
            for order in of.orders
        ],
        right=6,
    )


async def _find(code: str) -> list[Prescription]:
    async with Opened() as service, borrowed(service.pool) as connection:
        return await find_kept(connection, code, _EVER)
