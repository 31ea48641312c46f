"""Examples: messages of an invented hospital. A rule has something to say of its 3101 and 3102.

In these an invented patient gets the same examination (HbA1c, once in 15 days) a week after it was ordered before.
"""

from datetime import datetime, timedelta
from typing import Any

from api.hospital.answering import written_instant
from api.hospital.dialect import NATIONAL, Dialect, load_dialects
from api.hospital.tables import Field, Node

INSTITUTION = "H42010000001"
HBA1C = {"hilist_type": "2", "hilist_code": "002503020030000", "hilist_name": "糖化血红蛋白测定", "hilist_lv": "01"}
WEEK = timedelta(days=7)


def example_request(infno: str, now: datetime, dialect: Dialect | None = None) -> dict[str, Any]:
    """A message as it would be sent now, spelled as a dialect has it, the national one by default.

    Raises ``KeyError`` where there is no such message.
    """
    dialect = dialect or load_dialects()[NATIONAL]
    stamp = written_instant(now)
    message = {
        "infno": infno,
        "msgid": INSTITUTION + "".join(sign for sign in stamp if sign.isdigit()) + "0001",
        "mdtrtarea_admvs": "420100",
        "insuplc_admdvs": "420100",
        "recer_sys_code": "YBXT",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "0001",
        "opter_name": "测试员",
        "inf_time": stamp,
        "fixmedins_code": INSTITUTION,
        "fixmedins_name": "测试医院",
        "input": _input(infno, now),
    }
    return _spelled(message, dialect.messages[infno].request)


def _input(infno: str, now: datetime) -> dict[str, Any]:
    if infno == "3103":
        warned = {"warn_rslt_id": "420100-EXAMPLE-1", "dspo_way": "1", "dspo_way_rea": "病情需要"}
        return {"data": {"warn_type": "1", "warns": [warned]}}
    if infno == "9001":
        return {"signIn": {"opter_no": "0001", "mac": "00-00-5E-00-53-01", "ip": "192.0.2.7"}}
    if infno == "9002":
        return {"signOut": {"sign_no": "1", "opter_no": "0001"}}
    encounter = {
        "mdtrt_id": "M1",
        "medins_id": INSTITUTION,
        "medins_name": "测试医院",
        "adm_date": written_instant(now - WEEK - timedelta(hours=1)),
        "med_type": "11",
        "reim_flag": "1",
        "fsi_diagnose_dtos": [{"dise_id": "1", "dise_codg": "E11.900", "dise_name": "2型糖尿病"}],
        "fsi_order_dtos": [_order("R1", now - WEEK, current=False), _order("R2", now, current=True)],
    }
    patient = {
        "patn_id": "T0000001",
        "patn_name": "测试甲",
        "gend": "1",
        "brdy": "1961-05-02",
        "poolarea": "420100",
        "curr_mdtrt_id": "M1",
        "fsi_encounter_dtos": [encounter],
    }
    return {"data": {"syscode": "HIS", "trig_scen": ["2"], "patient_dtos": [patient]}}


def _order(rx_id: str, begins: datetime, *, current: bool) -> dict[str, Any]:
    amounts = {"cnt": 1, "pric": 50, "sumamt": 50, "ownpay_amt": 0}
    flag = "1" if current else "0"
    told = {"rx_id": rx_id, "rxno": f"P{rx_id}", "drord_begn_date": written_instant(begins), "curr_drord_flag": flag}
    return {**told, **HBA1C, **amounts}


def _spelled(told: dict[str, Any], node: Node) -> dict[str, Any]:
    """An object in the names of a dialect, and with what has to be there in it alone."""
    spelled = {field.spelled[0]: told[field.name] for field in node.fields if field.name in told}
    spelled |= {field.spelled[0]: _filled(field) for field in node.fields if _is_due(field) and field.name not in told}
    for inside in node.nodes:
        value = told.get(inside.name)
        if value is not None:
            is_list = isinstance(value, list)
            spelled[inside.spelled[0]] = [_spelled(of, inside) for of in value] if is_list else _spelled(value, inside)
    return spelled


def _is_due(field: Field) -> bool:
    return field.required == "always" and not field.unless


def _filled(field: Field) -> str:
    return next(iter(field.codes)) if field.codes else "1"
