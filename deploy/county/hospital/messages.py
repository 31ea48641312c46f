"""Messages: 3101, 3102 and 3103 as a hospital's system writes them, in the national edition of the interface.

Written from the public interface alone (定点医药机构接口规范: envelope, 明细审核事前/事中分析, 事前事中反馈). Names are
invented ones, as nobody reads them; numbers go as numbers, instants in China's time.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from deploy.county.orders.traffic import AskedEncounter, Asking, WrittenOrder
from deploy.county.plan import AREA

_CHINA = timedelta(hours=8)
_LIST_TYPES = {"drug": "101", "herb_piece": "102", "service": "201", "consumable": "301"}
_CHARGE_TYPES = {"drug": "09", "herb_piece": "10", "service": "05", "consumable": "08"}
_WAYS = {"continue": "1", "change": "2"}
_STAYS = frozenset({"21", "24", "52"})
_EMPTY = ""


class Reply(Struct, frozen=True):
    """What is answered to one warning; ``way`` is ``continue`` or ``change``."""

    jr_id: str
    way: str
    reason: str | None = None


def request(asking: Asking) -> bytes:
    """A 3101 or 3102."""
    data = {
        "syscode": "HIS",
        "task_id": asking.msgid,
        "trig_scen": _trigger(asking),
        "rule_ids": [],
        "patient_dtos": [_patient(asking, encounter) for encounter in asking.encounters],
    }
    return _message(asking, asking.infno, asking.msgid, asking.sent_at, data)


def feedback(asking: Asking, replies: Sequence[Reply], sent_at: datetime, msgid: str) -> bytes:
    """A 3103 about warnings of a request."""
    warns = [
        {"warn_rslt_id": reply.jr_id, "dspo_way": _WAYS[reply.way], "dspo_way_rea": reply.reason or _EMPTY}
        for reply in replies
    ]
    data = {"warn_type": "1" if asking.infno == "3101" else "2", "warns": warns}
    return _message(asking, "3103", msgid, sent_at, data)


def _message(asking: Asking, infno: str, msgid: str, sent_at: datetime, data: dict[str, Any]) -> bytes:
    envelope = {
        "infno": infno,
        "msgid": msgid,
        "mdtrtarea_admvs": AREA,
        "insuplc_admdvs": AREA,
        "recer_sys_code": "YBXT",
        "dev_no": _EMPTY,
        "dev_safe_info": _EMPTY,
        "cainfo": _EMPTY,
        "signtype": _EMPTY,
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "0001",
        "opter_name": "模拟经办",
        "inf_time": _written(sent_at),
        "fixmedins_code": asking.institution,
        "fixmedins_name": "模拟医疗机构",
        "sign_no": _EMPTY,
        "input": {"data": data},
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


def _trigger(asking: Asking) -> str:
    """trig_scen: charged at a consulting room, orders carried out on a ward; settled beforehand in either."""
    on_ward = asking.encounters[0].visit_type in _STAYS
    if asking.infno == "3101":
        return "5" if on_ward else "2"
    return "9" if on_ward else "7"


def _patient(asking: Asking, of: AskedEncounter) -> dict[str, Any]:
    return {
        "patn_id": of.number,
        "patn_name": "模拟",
        "gend": of.sex,
        "brdy": f"{of.born:%Y-%m-%d}",
        "poolarea": AREA,
        "curr_mdtrt_id": of.encounter,
        "fsi_encounter_dtos": [_encounter(asking, of)],
    }


def _encounter(asking: Asking, of: AskedEncounter) -> dict[str, Any]:
    code, name = of.diagnosis or (_EMPTY, _EMPTY)
    ended = _EMPTY if of.ended is None else _written(of.ended)
    total, own = _sum(of, "amount"), _sum(of, "own_pay")
    return {
        "mdtrt_id": of.encounter,
        "medins_id": asking.institution,
        "medins_name": "模拟医疗机构",
        "medins_admdvs": AREA,
        "medins_type": "A1" if asking.level else "D1",
        "medins_lv": str(asking.level or 9),
        "adm_date": _written(of.begins),
        "dscg_date": ended,
        "dscg_main_dise_codg": code,
        "dscg_main_dise_name": name,
        "fsi_diagnose_dtos": [_diagnosis(of)] if of.diagnosis else [],
        "dr_codg": of.doctor,
        "adm_dept_codg": of.department,
        "adm_dept_name": of.department,
        "dscg_dept_codg": of.department,
        "dscg_dept_name": of.department,
        "med_mdtrt_type": "2" if of.visit_type in _STAYS else "1",
        "med_type": of.visit_type,
        "fsi_order_dtos": [_order(of, order) for order in of.orders],
        "matn_stas": "0",
        "medfee_sumamt": total,
        "ownpay_amt": own,
        "selfpay_amt": 0,
        "setl_totlnum": 1,
        "insutype": of.insurance_type,
        "reim_flag": "1",
        "out_setl_flag": "2",
        "fsi_operation_dtos": [_operation(of)] if of.operation else [],
    }


def _diagnosis(of: AskedEncounter) -> dict[str, Any]:
    assert of.diagnosis is not None
    code, name = of.diagnosis
    return {
        "dise_id": f"{of.encounter}-1",
        "inout_dise_type": "1",
        "maindise_flag": "1",
        "dias_srt_no": "1",
        "dise_codg": code,
        "dise_name": name,
        "dise_date": _written(of.begins),
    }


def _operation(of: AskedEncounter) -> dict[str, Any]:
    assert of.operation is not None
    code, name, at = of.operation
    told = {"oprn_code": code, "oprn_name": name, "oprn_date": _written(at), "oper_dr_code": of.doctor}
    return {"setl_list_oprn_id": f"{of.encounter}-1", "main_oprn_flag": "1", **told}


def _order(of: AskedEncounter, order: WrittenOrder) -> dict[str, Any]:
    price = float(order.unit_price)
    return {
        "rx_id": order.order_id,
        "rxno": order.prescription,
        "grpno": _EMPTY,
        "long_drord_flag": _flag(order.standing),
        "hilist_type": _LIST_TYPES[order.item_kind],
        "chrg_type": _CHARGE_TYPES[order.item_kind],
        "drord_bhvr": _flag(order.discharge_drug),
        "hilist_code": order.item_code,
        "hilist_name": order.item_name,
        "hilist_lv": "01" if order.scope == 100 else "02",
        "hilist_pric": price,
        "hosplist_code": order.item_code,
        "hosplist_name": order.item_name,
        "cnt": int(order.quantity),
        "pric": price,
        "sumamt": float(order.amount),
        "ownpay_amt": float(order.own_pay),
        "selfpay_amt": 0,
        "spec": "-",
        "spec_unt": "次" if order.item_kind == "service" else "盒",
        "drord_begn_date": _written(order.begins),
        "drord_stop_date": _EMPTY if order.stops is None else _written(order.stops),
        "drord_dept_codg": of.department,
        "drord_dept_name": of.department,
        "drord_dr_codg": order.doctor,
        "drord_dr_name": "模拟医师",
        "drord_dr_profttl": "3",
        "curr_drord_flag": _flag(order.current),
    }


def _sum(of: AskedEncounter, name: str) -> float:
    return round(sum(float(getattr(order, name)) for order in of.orders), 2)


def _flag(is_so: bool) -> str:
    return "1" if is_so else "0"


def _written(when: datetime) -> str:
    return f"{when + _CHINA:%Y-%m-%d %H:%M:%S}"
