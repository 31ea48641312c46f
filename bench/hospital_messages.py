"""Messages of hospitals for measuring: 3101 with every field of the tables, about people of a simulated county."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import cycle, islice
from typing import Any

from api.hospital.answering import written_instant
from api.hospital.dialect import Dialect
from api.hospital.tables import Field, Node
from knowledge_base.events.claims import Claim, ClaimLine

ORDERS = 20
_KINDS = {"drug": "101", "service": "201", "consumable": "301", "herb_piece": "102"}


def messages_of(dialect: Dialect, claims: list[Claim], now: datetime) -> Iterator[bytes]:
    """Requests without end about one person, each of an encounter of its own with twenty orders of now.

    The orders are of items that the person was billed before; each message has a number of its own.
    """
    lines = [line for claim in reversed(claims) for line in claim.lines if not line.quantity.startswith("-")]
    request = dialect.messages["3101"].request
    number = 0
    while True:
        number += 1
        told = _told(claims[-1], now, number)
        message = _object(request, told)
        encounter = message["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]
        order_node = (
            request.node("input").node("data").node("patient_dtos").node("fsi_encounter_dtos").node("fsi_order_dtos")
        )
        encounter["fsi_order_dtos"] = [
            _object(order_node, {**told, **_ordered(line, f"{number}-{index}", now)})
            for index, line in enumerate(islice(cycle(lines), ORDERS))
        ]
        yield json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _told(claim: Claim, now: datetime, number: int) -> Mapping[str, Any]:
    stamp = written_instant(now)
    return {
        "infno": "3101",
        "msgid": f"{claim.institution}{number:018}{claim.patient[-6:]}",
        "insuplc_admdvs": claim.area,
        "mdtrtarea_admvs": claim.area,
        "fixmedins_code": claim.institution,
        "inf_time": stamp,
        "patn_id": claim.patient,
        "gend": claim.sex or "1",
        "brdy": (claim.birth_date or now.date()).isoformat(),
        "mdtrt_id": f"asked-{number}",
        "med_type": claim.visit_type,
        "adm_date": stamp,
        "dscg_date": None,
        "reim_flag": "1",
        "trig_scen": "5",
        "rule_ids": None,
        "dise_codg": "I10.x00",
    }


def _ordered(line: ClaimLine, name: str, now: datetime) -> Mapping[str, Any]:
    return {
        "rx_id": name,
        "hilist_code": line.item_code,
        "hilist_name": line.item_name,
        "hilist_type": _KINDS.get(line.item_kind or "", "201"),
        "hilist_lv": "01",
        "cnt": line.quantity,
        "sumamt": line.amount,
        "ownpay_amt": "0",
        "drord_begn_date": written_instant(now),
        "drord_stop_date": None,
        "curr_drord_flag": "1",
    }


def _object(node: Node, told: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field.spelled[0]: told[field.name] if field.name in told else _default(field) for field in node.fields}
    inside = {
        of.spelled[0]: [_object(of, told)] if of.many else _object(of, told) for of in node.nodes if not of.unread
    }
    return fields | inside


def _default(field: Field) -> Any:
    if field.codes:
        return next(iter(field.codes))
    by_kind = {"number": "1", "date": "2026-06-01", "datetime": "2026-06-01 09:00:00"}
    return by_kind.get(field.kind) or "某项说明"[: field.length]
