"""Good messages of hospitals, made from the field tables: every field filled, with invented people and things."""

import json
from typing import Any

from api.hospital.dialect import NATIONAL, Dialect, load_dialects
from api.hospital.tables import Field, Node

NATIONAL_DIALECT = load_dialects()[NATIONAL]
INFNOS = tuple(NATIONAL_DIALECT.messages)

ITEMS = (
    ("XA02BCA214A001010100001", "奥美拉唑肠溶胶囊", "101", "09", "20mg×14粒/盒", "盒", 18.5),
    ("ZA12AAF0123010200002", "复方丹参片", "101", "11", "0.32g×60片/瓶", "瓶", 12.0),
    ("002501010010000", "血常规", "201", "04", "次", "次", 20.0),
    ("002103000010000", "X线计算机体层平扫", "201", "03", "每个部位", "部位", 240.0),
)
"""Code, name, list type, charge, package, unit and price of what is ordered, one after the other."""

VALUES: dict[str, Any] = {
    "msgid": "H42010000001202603041005200001",
    "mdtrtarea_admvs": "420100",
    "insuplc_admdvs": "420100",
    "recer_sys_code": "YBXT",
    "infver": "V1.0",
    "opter": "0001",
    "opter_name": "测试员",
    "inf_time": "2026-03-04 10:05:20",
    "fixmedins_code": "H42010000001",
    "fixmedins_name": "测试医院",
    "ip": "192.0.2.7",
    "mac": "00-00-5E-00-53-01",
    "trig_scen": "5",
    "rule_ids": None,
    "patn_id": "P0000001",
    "patn_name": "测试甲",
    "gend": "2",
    "brdy": "1961-05-02",
    "curr_mdtrt_id": "MDT20260304001",
    "mdtrt_id": "MDT20260304001",
    "medins_id": "H42010000001",
    "medins_name": "测试医院",
    "medins_admdvs": "420100",
    "adm_date": "2026-03-03 08:30:00",
    "dscg_date": None,
    "dscg_dept_codg": None,
    "dscg_dept_name": None,
    "med_type": "21",
    "med_mdtrt_type": "2",
    "insutype": "390",
    "reim_flag": "1",
    "dscg_main_dise_codg": "I63.900",
    "dscg_main_dise_name": "脑梗死",
    "dise_codg": "I63.900",
    "dise_name": "脑梗死",
    "dias_srt_no": "1",
    "hilist_lv": "01",
    "cnt": 2,
    "drord_begn_date": "2026-03-04 10:00:00",
    "drord_stop_date": "",
    "drord_dr_name": "测试乙",
    "curr_drord_flag": "1",
    "dspo_way_rea": "病情需要",
    "session_key": None,
}
"""What a field holds by its name; all others by their kind."""


def good_message(infno: str, dialect: Dialect = NATIONAL_DIALECT, orders: int = 20) -> dict[str, Any]:
    """A request that breaks no rule of its dialect and is in no way odd: one patient, one encounter, some orders."""
    message = _object(dialect.messages[infno].request, orders, 0)
    return {**message, "infno": infno}


def body_of(message: Any) -> bytes:
    """A message as it is sent."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _object(node: Node, orders: int, index: int) -> dict[str, Any]:
    fields = {field.spelled[0]: _value(field, index) for field in node.fields}
    if node.name == "fsi_order_dtos":
        fields |= _ordered(index)
    return fields | {inside.spelled[0]: _collection(inside, orders) for inside in node.nodes if not inside.unread}


def _collection(node: Node, orders: int) -> Any:
    if not node.many:
        return _object(node, orders, 0)
    return [_object(node, orders, index) for index in range(orders if node.name == "fsi_order_dtos" else 1)]


def _ordered(index: int) -> dict[str, Any]:
    code, name, list_type, charge, spec, unit, price = ITEMS[index % len(ITEMS)]
    return {
        "rx_id": f"RX20260304{index:04}",
        "hilist_type": list_type,
        "chrg_type": charge,
        "hilist_code": code,
        "hilist_name": name,
        "hosplist_code": f"Y{index:05}",
        "hosplist_name": name,
        "spec": spec,
        "spec_unt": unit,
        "hilist_pric": price,
        "pric": price,
        "sumamt": 2 * price,
        "ownpay_amt": 0,
        "selfpay_amt": 0.1,
    }


def _value(field: Field, index: int) -> Any:
    if field.name in VALUES:
        return VALUES[field.name]
    if field.codes:
        return next(iter(field.codes))
    by_kind = {"number": 1, "date": "2026-03-04", "datetime": "2026-03-04 09:00:00"}
    return by_kind.get(field.kind) or f"T{index}"[: field.length]
