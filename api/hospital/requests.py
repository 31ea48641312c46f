"""Requests: a checked 3101 or 3102 as events, without names and with pseudonyms for identity numbers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from api.hospital.faults import Fault
from knowledge_base.digests.prescriptions import PrescriptionDigest, prescription_digest
from knowledge_base.events.claims import Department, Diagnosis, Operation
from knowledge_base.events.prescriptions import Order, Prescription
from knowledge_base.events.replies import Reply
from knowledge_base.signs import UNSEEN
from streams.messages.identifiers import are_trimmed, with_trimmed
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.vault import Vault

PHASES: Mapping[str, Literal["before", "during"]] = {"3101": "before", "3102": "during"}
"""The phase in which each message is asked."""

WAYS: Mapping[str, Literal["continue", "change"]] = {"1": "continue", "2": "change"}
"""What is done about a warning, by dspo_way."""

ITEM_KINDS = {
    "1": "drug",
    "101": "drug",
    "102": "herb_piece",
    "106": "herb_piece",
    "2": "service",
    "3": "service",
    "201": "service",
    "501": "service",
    "4": "consumable",
    "301": "consumable",
}
"""Kinds of items by the list that they stand on (hilist_type)."""

OUTSIDE_THE_CATALOGUE = frozenset({"03", "3"})
NO_AREA = Fault("insuplc_admdvs", "insuplc_admdvs", "参保地医保区划", "必填 / required")
"""Where nothing tells in which area a patient is insured."""


class Request(msgspec.Struct, frozen=True):
    """What a message says of one encounter, its digest, and how the sender calls patient and encounter."""

    patn_id: str
    mdtrt_id: str
    prescription: Prescription
    digest: PrescriptionDigest


def requests_of(values: Mapping[str, Any], asked_at: datetime, pseudonyms: Pseudonyms) -> list[Request]:
    """The encounters of a message in their order; ``values`` are those of a message without a fault.

    Empty where nothing tells which area insures a patient (``NO_AREA``).
    """
    requests: list[Request] = []
    for patient in values["input"]["data"]["patient_dtos"]:
        area = values["insuplc_admdvs"] or patient["poolarea"] or values["mdtrtarea_admvs"]
        if area is None:
            return []
        for encounter in patient["fsi_encounter_dtos"]:
            event_id = f"{values['fixmedins_code']}:{values['msgid']}:{len(requests) + 1}"
            prescription = _prescription(values, patient, encounter, event_id, area, asked_at, pseudonyms)
            digest = prescription_digest(prescription)
            requests.append(Request(patient["patn_id"], encounter["mdtrt_id"], prescription, digest))
    return requests


def replies_of(values: Mapping[str, Any], told_at: datetime, vault: Vault) -> list[Reply]:
    """What a 3103 says was done about warnings. A warning of ours begins with its area; of others that is unknown, and
    whatever they begin with stands there."""
    told = values["input"]["data"]
    return [
        Reply(
            event_id=f"{values['fixmedins_code']}:{values['msgid']}:{number}",
            area=warn["warn_rslt_id"].partition("-")[0].strip(UNSEEN) or warn["warn_rslt_id"],
            kind="reply",
            happened_at=told_at,
            sender=values["fixmedins_code"],
            institution=values["fixmedins_code"],
            warning_id=warn["warn_rslt_id"],
            way=WAYS[warn["dspo_way"]],
            phase="before" if told["warn_type"] == "1" else "during",
            reason=None if warn["dspo_way_rea"] is None else vault.seal(warn["dspo_way_rea"].encode()).decode(),
        )
        for number, warn in enumerate(told["warns"], 1)
    ]


def _prescription(
    values: Mapping[str, Any],
    patient: Mapping[str, Any],
    encounter: Mapping[str, Any],
    event_id: str,
    area: str,
    asked_at: datetime,
    pseudonyms: Pseudonyms,
) -> Prescription:
    prescription = Prescription(
        event_id=event_id,
        area=area,
        kind="prescription",
        happened_at=asked_at,
        sender=values["fixmedins_code"],
        phase=PHASES[values["infno"]],
        encounter_id=encounter["mdtrt_id"],
        patient=pseudonyms.of(patient["patn_id"]),
        institution=values["fixmedins_code"],
        visit_type=encounter["med_type"],
        orders=tuple([_order(order) for order in encounter["fsi_order_dtos"]]),
        reimbursed=encounter["reim_flag"] != "0",
        sex=patient["gend"],
        birth_date=patient["brdy"].date(),
        insurance_type=encounter["insutype"],
        institution_level=encounter["medins_lv"],
        department=_department(encounter["adm_dept_codg"], encounter["adm_dept_name"]),
        practitioner=encounter["dr_codg"],
        admitted_at=_utc(encounter["adm_date"]),
        discharged_at=_utc(encounter["dscg_date"]),
        diagnoses=tuple(_diagnoses(encounter["fsi_diagnose_dtos"])) or None,
        operations=tuple(_operations(encounter["fsi_operation_dtos"])) or None,
    )
    return prescription if are_trimmed(_identifiers_of(prescription)) else with_trimmed(prescription)


def _identifiers_of(prescription: Prescription) -> list[str]:
    """The identifiers and references of a request, as ``streams.messages.identifiers`` finds them."""
    names: list[str | None] = [prescription.event_id, prescription.sender, prescription.encounter_id]
    names += (prescription.institution, prescription.practitioner)
    names += [operation.practitioner for operation in prescription.operations or ()]
    for order in prescription.orders:
        names += (order.order_id, order.item_code, order.prescription_id, order.practitioner)
    return list(filter(None, names))


def _order(order: Mapping[str, Any]) -> Order:
    return Order(
        order_id=order["rx_id"],
        quantity=order["cnt"],
        amount=order["sumamt"],
        at=order["drord_begn_date"].astimezone(UTC),
        item_code=order["hilist_code"],
        item_name=order["hilist_name"],
        item_kind=ITEM_KINDS.get(order["hilist_type"]),
        prescription_id=order["rxno"],
        unit_price=order["pric"],
        own_pay=order["ownpay_amt"],
        in_catalogue=order["hilist_lv"] not in OUTSIDE_THE_CATALOGUE,
        current=order["curr_drord_flag"] == "1",
        standing=order["long_drord_flag"] == "1",
        stops_at=_utc(order["drord_stop_date"]),
        discharge_drug=order["drord_bhvr"] == "1",
        department=_department(order["drord_dept_codg"], order["drord_dept_name"]),
        practitioner=order["drord_dr_codg"],
    )


def _diagnoses(diagnoses: Sequence[Mapping[str, Any]]) -> Iterator[Diagnosis]:
    for of in diagnoses:
        yield Diagnosis(of["dise_codg"], of["dise_name"], of["maindise_flag"] == "1", _utc(of["dise_date"]))


def _operations(operations: Sequence[Mapping[str, Any]]) -> Iterator[Operation]:
    for of in operations:
        if of["oprn_code"] is not None:
            main, at = of["main_oprn_flag"] == "1", _utc(of["oprn_date"])
            yield Operation(of["oprn_code"], of["oprn_name"], main, at, practitioner=of["oper_dr_code"])


def _department(code: str | None, name: str | None) -> Department | None:
    return None if code is None and name is None else Department(code, name)


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)
