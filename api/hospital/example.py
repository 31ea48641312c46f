"""An example: a request of an invented hospital about an invented patient, of which a rule has something to say.

The same examination (HbA1c, once in 15 days) a week after it was ordered before.
"""

from datetime import datetime, timedelta
from typing import Any

from api.hospital.answering import written_instant

INSTITUTION = "H42010000001"
HBA1C = {"hilist_type": "2", "hilist_code": "002503020030000", "hilist_name": "糖化血红蛋白测定", "hilist_lv": "01"}
WEEK = timedelta(days=7)


def example_request(infno: str, now: datetime) -> dict[str, Any]:
    """A 3101 or 3102 as it would be sent now."""
    stamp = written_instant(now)
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
    return {
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
        "input": {"data": {"syscode": "HIS", "trig_scen": "2", "patient_dtos": [patient]}},
    }


def _order(rx_id: str, begins: datetime, *, current: bool) -> dict[str, Any]:
    amounts = {"cnt": 1, "pric": 50, "sumamt": 50, "ownpay_amt": 0}
    flag = "1" if current else "0"
    told = {"rx_id": rx_id, "rxno": f"P{rx_id}", "drord_begn_date": written_instant(begins), "curr_drord_flag": flag}
    return {**told, **HBA1C, **amounts}
