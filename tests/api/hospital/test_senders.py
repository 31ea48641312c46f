"""What senders really do, seen in public clients: accepted where it is unambiguous, named where it is not."""

from datetime import datetime
from typing import Any

import pytest

from api.hospital.checking import OPEN_PLACE, TWICE, Checked
from api.hospital.scalars import CHINA, NO_INSTANT, NOT_LIKELY, REQUIRED

from .messages import NATIONAL_DIALECT, good_message
from .places import DIALECTS, MISSING, as_text, check_both_ways, value_at, with_value

Steps = tuple[str | int, ...]

DATA: Steps = ("input", "data")
PATIENT: Steps = (*DATA, "patient_dtos", 0)
ENCOUNTER: Steps = (*PATIENT, "fsi_encounter_dtos", 0)
DIAGNOSIS: Steps = (*ENCOUNTER, "fsi_diagnose_dtos", 0)
ORDER: Steps = (*ENCOUNTER, "fsi_order_dtos", 0)


def check(message: Any, dialect: str = "national") -> Checked:
    """A message of a dialect, checked."""
    return check_both_ways(message, DIALECTS[dialect])


def told(checked: Checked) -> list[tuple[str, str]]:
    """Where it breaks which rules."""
    return [(fault.path, fault.rule) for fault in checked.faults]


def read(steps: Steps, value: Any, infno: str = "3101") -> Any:
    """What is read at a place where a value stands; the message breaks no rule and is not odd."""
    checked = check(with_value(good_message(infno, orders=2), steps, value))
    assert (checked.faults, checked.notes) == ((), ())
    return value_at(checked.values, steps)


GOOD = good_message("3101", orders=2)
CHECKED = check(GOOD)
GOOD_VALUES = CHECKED.values


# --- envelope


def test_fields_of_several_provinces_and_unknown_ones_are_accepted() -> None:
    sent = {**GOOD, "fixmedins_soft_fcty": "测试厂商", "enc_type": "SM4", "anything": [{"a": 1}]}
    checked = check(sent)
    assert (checked.faults, checked.notes) == ((), ())
    assert "anything" not in checked.values


def test_a_short_envelope_is_accepted_and_what_it_lacks_is_noted() -> None:
    sent = {name: GOOD[name] for name in ("infno", "msgid", "input")}
    checked = check({**sent, "medins_code": "H42010000001", "insur_code": "420100"})
    assert checked.faults == ()
    assert checked.values["fixmedins_code"] == "H42010000001"
    assert {"opter", "opter_name", "infver", "inf_time"} <= {note.field for note in checked.notes}
    assert {note.rule for note in checked.notes} == {REQUIRED}


def test_an_institution_named_under_two_names_has_to_be_one() -> None:
    assert told(check({**GOOD, "medins_code": GOOD["fixmedins_code"]})) == []
    assert told(check({**GOOD, "medins_code": "H42010000002"})) == [("fixmedins_code", TWICE)]


@pytest.mark.parametrize("business", ["YBXT", "LXXT"])
def test_the_business_is_carried_along(business: str) -> None:
    assert read(("recer_sys_code",), business) == business


def test_codes_of_institutions_are_as_long_as_newer_editions_have_them() -> None:
    assert read(("fixmedins_code",), "H" * 30) == "H" * 30
    assert read(("fixmedins_name",), "院" * 200) == "院" * 200


@pytest.mark.parametrize(
    "msgid",
    [
        "H42010000001202603041005200001",
        "H42010000001202603041005201231",
        "H42010000001" + "20260304100520123" + "1",
        "H420100000012026030410052",
        "420100202603041005200001",
        "H99999999999202603041005200001",
        "0b6d9c62-4f0e-4d8e-9a55-3f5e8d1c2a77",
    ],
)
def test_a_message_may_be_called_anything(msgid: str) -> None:
    checked = check({**GOOD, "msgid": msgid})
    assert (checked.msgid, checked.faults) == (msgid, ())


def test_a_message_that_is_not_called_anything_is_named() -> None:
    checked = check({name: value for name, value in GOOD.items() if name != "msgid"})
    assert checked.msgid is None
    assert told(checked) == [("msgid", REQUIRED)]


# --- signing in and out


def test_signing_in_and_out_have_their_own_collections() -> None:
    assert check(good_message("9001")).values["input"]["signIn"]["opter_no"] == "T0"
    assert check(good_message("9002")).values["input"]["signOut"]["sign_no"] == "T0"


@pytest.mark.parametrize(("infno", "node"), [("9001", "signIn"), ("9002", "signOut")])
def test_signing_may_lie_flat_under_input(infno: str, node: str) -> None:
    good = good_message(infno)
    assert check({**good, "input": good["input"][node]}) == check(good)


# --- analysis


@pytest.mark.parametrize(
    ("sent", "scenes"),
    [
        ("1,2", ["1", "2"]),
        ("5", ["5"]),
        (5, ["5"]),
        (["1", "2"], ["1", "2"]),
        ([1, 2], ["1", "2"]),
        ("6, 10,", ["6", "10"]),
    ],
)
def test_several_scenes_may_be_told(sent: Any, scenes: list[str]) -> None:
    assert read((*DATA, "trig_scen"), sent) == scenes


@pytest.mark.parametrize("rule_ids", ["R01", "R01,R02", ["R01", "R02"]])
def test_rules_may_be_told_in_the_place_of_a_scene(rule_ids: Any) -> None:
    sent = with_value(with_value(GOOD, (*DATA, "trig_scen"), MISSING), (*DATA, "rule_ids"), rule_ids)
    checked = check(sent)
    assert told(checked) == []
    assert value_at(checked.values, DATA)["trig_scen"] == []
    assert value_at(checked.values, DATA)["rule_ids"] in (["R01"], ["R01", "R02"])


def test_neither_scene_nor_rules_is_a_fault() -> None:
    assert told(check(with_value(GOOD, (*DATA, "trig_scen"), ""))) == [("input.data.trig_scen", REQUIRED)]


def test_patient_and_encounters_are_each_a_list_or_an_object() -> None:
    one = value_at(GOOD, PATIENT)
    encounter = value_at(GOOD, ENCOUNTER)
    for patient in (one, [one]):
        for encounters in (encounter, [encounter], as_text([encounter])):
            one["fsi_encounter_dtos"] = encounters
            assert check(with_value(GOOD, (*DATA, "patient_dtos"), patient)) == CHECKED
    one["fsi_encounter_dtos"] = [encounter]


def test_input_and_data_may_be_texts_that_hold_json() -> None:
    assert check({**GOOD, "input": as_text({"data": as_text(GOOD["input"]["data"])})}) == CHECKED


def test_data_may_be_left_out_around_what_it_holds() -> None:
    assert check({**GOOD, "input": GOOD["input"]["data"]}) == CHECKED


def flat(as_object: bool, with_data: bool) -> dict[str, Any]:
    """A message whose collections lie beside one another under ``input``."""
    data = {name: value for name, value in GOOD["input"]["data"].items() if name != "patient_dtos"}
    patient = {name: value for name, value in value_at(GOOD, PATIENT).items() if name != "fsi_encounter_dtos"}
    encounter = value_at(GOOD, ENCOUNTER)
    inside = {name: encounter[name] for name in ("fsi_diagnose_dtos", "fsi_order_dtos", "fsi_operation_dtos")}
    rest = {name: value for name, value in encounter.items() if name not in inside}
    beside = {
        "patient_dtos": patient if as_object else [patient],
        "fsi_encounter_dtos": rest if as_object else [rest],
        **inside,
    }
    return {**GOOD, "input": {"data": data, **beside} if with_data else {**data, **beside}}


@pytest.mark.parametrize("with_data", [True, False])
@pytest.mark.parametrize("as_object", [True, False])
def test_collections_may_lie_flat_under_input(as_object: bool, with_data: bool) -> None:
    assert check(flat(as_object, with_data)) == CHECKED


def test_flat_orders_of_two_encounters_belong_to_neither() -> None:
    sent = flat(as_object=False, with_data=True)
    sent["input"]["fsi_encounter_dtos"] *= 2
    checked = check(sent)
    places = [f"input.fsi_{name}_dtos" for name in ("diagnose", "order", "operation")]
    assert told(checked) == [(place, OPEN_PLACE) for place in places]


def test_orders_that_stand_in_their_place_and_flat_are_a_fault() -> None:
    sent = {**GOOD, "input": {**GOOD["input"], "fsi_order_dtos": value_at(GOOD, ENCOUNTER)["fsi_order_dtos"]}}
    assert told(check(sent)) == [("input.fsi_order_dtos", OPEN_PLACE)]


def test_an_empty_text_is_an_empty_collection() -> None:
    assert read((*ENCOUNTER, "fsi_operation_dtos"), "") == []


def test_somebody_who_registers_has_neither_orders_nor_diagnoses() -> None:
    assert read((*ENCOUNTER, "fsi_order_dtos"), []) == []
    assert read((*ENCOUNTER, "fsi_diagnose_dtos"), None) == []


def test_somebody_in_hospital_has_no_day_of_discharge() -> None:
    for value in (None, "", MISSING):
        checked = check(with_value(GOOD, (*ENCOUNTER, "dscg_date"), value))
        assert (checked.faults, checked.notes, checked.values) == ((), (), GOOD_VALUES)


def test_every_visit_of_a_patient_may_be_told() -> None:
    encounter = value_at(GOOD, ENCOUNTER)
    before = {**encounter, "mdtrt_id": "MDT20260101001", "dscg_date": "2026-01-05 09:00:00"}
    visits = read((*PATIENT, "fsi_encounter_dtos"), [encounter, before])
    assert [visit["mdtrt_id"] for visit in visits] == ["MDT20260304001", "MDT20260101001"]


def test_orders_that_run_already_are_marked() -> None:
    assert read((*ORDER, "curr_drord_flag"), "0") == "0"
    assert read((*ORDER, "curr_drord_flag"), 0) == "0"


@pytest.mark.parametrize("code", ["NZ-0012", "头痛01", "I63"])
def test_a_diagnosis_may_have_a_local_code(code: str) -> None:
    assert read((*DIAGNOSIS, "dise_codg"), code) == code


@pytest.mark.parametrize("number", ["0", "1", 0, 1])
def test_diagnoses_are_counted_from_0_or_from_1(number: Any) -> None:
    assert read((*DIAGNOSIS, "dias_srt_no"), number) == str(number)


def test_an_order_may_stand_there_twice() -> None:
    order = value_at(GOOD, ORDER)
    assert read((*ENCOUNTER, "fsi_order_dtos"), [order, order])[1]["rx_id"] == order["rx_id"]


def test_nothing_is_read_of_what_nobody_describes() -> None:
    for value in ({"a": [1]}, "text", [1, 2]):
        checked = check(with_value(GOOD, (*PATIENT, "fsi_his_data_dto"), value))
        assert (checked.faults, checked.values) == ((), GOOD_VALUES)


def test_hainan_names_collections_otherwise_and_needs_two_fields_more() -> None:
    hainan = good_message("3101", DIALECTS["hainan"], orders=2)
    encounter = hainan["input"]["data"]["patient_dtos"][0]["encounterDtos"][0]
    checked = check(hainan, "hainan")
    assert checked.faults == ()
    assert len(value_at(checked.values, ENCOUNTER)["fsi_order_dtos"]) == 2
    del encounter["cvlserv_flag"], encounter["diagnoseDtos"][0]["dise_cgy"]
    where = "input.data.patient_dtos[0].fsi_encounter_dtos[0]."
    missed = [(f"{where}cvlserv_flag", REQUIRED), (f"{where}fsi_diagnose_dtos[0].dise_cgy", REQUIRED)]
    assert told(check(hainan, "hainan")) == missed


def test_hainan_understands_the_national_names_as_well() -> None:
    encounter = {**value_at(GOOD, ENCOUNTER), "cvlserv_flag": "0", "fsi_diagnose_dtos": []}
    assert told(check(with_value(GOOD, ENCOUNTER, encounter), "hainan")) == []


# --- feedback


def test_a_reason_is_not_always_given() -> None:
    warns = read(("input", "data", "warns"), [{"warn_rslt_id": "JR1", "dspo_way": "1"}], "3103")
    assert warns == [{"warn_rslt_id": "JR1", "dspo_way": "1", "dspo_way_rea": None}]


# --- dictionaries


@pytest.mark.parametrize(
    ("steps", "sent", "means"),
    [
        *[((*ORDER, "drord_dr_profttl"), code, code) for code in ("231", "232", "234", "1", "9")],
        *[((*ORDER, "drord_bhvr"), code, code) for code in ("3", "-", "0", "1")],
        *[((*ORDER, "hilist_lv"), code, meant) for code, meant in (("1", "01"), ("2", "02"), ("--", "--"))],
        *[((*ORDER, "chrg_type"), code, meant) for code, meant in (("1", "01"), ("14", "14"))],
        *[((*ORDER, "hilist_type"), code, code) for code in ("1", "101", "102", "106", "201", "301", "501")],
        *[((*ENCOUNTER, "medins_lv"), code, code) for code in ("01", "02", "05", "3")],
        *[((*ENCOUNTER, "med_mdtrt_type"), f"{code}0", code) for code in "1234"],
    ],
)
def test_values_that_are_sent_beside_the_official_ones_are_understood(steps: Steps, sent: str, means: str) -> None:
    assert read(steps, sent) == means


# --- numbers


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (12, "12"),
        ("12", "12"),
        (12.5, "12.5"),
        ("12.50", "12.50"),
        ("012.5", "12.5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        (" 3 ", "3"),
        (-2, "-2"),
        ("-0.00", "0.00"),
        (-0.0, "0.0"),
        ("00", "0"),
        ("12.5000000000", "12.5000000000"),
        (0.1 + 0.2, None),
    ],
)
def test_a_number_is_read_digit_by_digit(sent: Any, number: str | None) -> None:
    checked = check(with_value(GOOD, (*ORDER, "cnt"), sent))
    assert value_at(checked.values, (*ORDER, "cnt")) == number


# --- times

MOMENT = datetime(2026, 3, 4, 10, 5, 20, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        ("2026-03-04 10:05:20", MOMENT),
        ("2026-03-04T10:05:20", MOMENT),
        ("2026-03-04T10:05:20+08:00", MOMENT),
        ("2026-03-04T02:05:20Z", MOMENT),
        ("2026-03-04T02:05:20.000+0000", MOMENT),
        ("2026-03-04 10:05:20.1234567", MOMENT.replace(microsecond=123456)),
        ("2026-03-04 10:05", MOMENT.replace(second=0)),
        ("2026-03-04", MOMENT.replace(hour=0, minute=0, second=0)),
        (1772589920000, MOMENT),
        ("1772589920000", MOMENT),
    ],
)
def test_an_instant_may_be_written_in_several_ways(sent: Any, moment: datetime) -> None:
    value = read((*ORDER, "drord_begn_date"), sent)
    assert (value, value.utcoffset()) == (moment, moment.utcoffset())


def test_a_day_is_a_day_however_it_is_written() -> None:
    born = datetime(1961, 5, 2, tzinfo=CHINA)
    for sent in ("1961-05-02", "1961-05-02 00:00:00", "1961-05-02T23:14:15", "1961-05-01T16:00:00Z", -273571200000):
        assert read((*PATIENT, "brdy"), sent) == born


def test_a_midnight_of_a_summer_with_another_hour_is_of_its_own_day() -> None:
    born = datetime(1988, 7, 2, tzinfo=CHINA)
    for sent in (583772400000, "1988-07-02T00:00:00+09:00", "1988-07-01T15:00:00Z"):
        assert read((*PATIENT, "brdy"), sent) == born


@pytest.mark.parametrize(
    "sent", ["2026-45-03 10:05:20", "2026-00-03", "1772589920", 1772589920, 20260304, 202603041005]
)
def test_what_only_looks_like_an_instant_names_the_field(sent: Any) -> None:
    where = "input.data.patient_dtos[0].fsi_encounter_dtos[0].fsi_order_dtos[0].drord_begn_date"
    assert told(check(with_value(GOOD, (*ORDER, "drord_begn_date"), sent))) == [(where, NO_INSTANT)]


@pytest.mark.parametrize("sent", ["0001-01-01 00:00:00", "1900-01-01", "9999-12-31 23:59:59"])
def test_dates_that_stand_for_nothing_are_empty_and_no_required_date(sent: str) -> None:
    optional = check(with_value(GOOD, (*ENCOUNTER, "dscg_date"), sent))
    assert (optional.faults, optional.values) == ((), GOOD_VALUES)
    where = "input.data.patient_dtos[0].fsi_encounter_dtos[0].adm_date"
    assert told(check(with_value(GOOD, (*ENCOUNTER, "adm_date"), sent))) == [(where, NOT_LIKELY)]


def test_dialects_are_those_that_the_documents_name() -> None:
    assert sorted(DIALECTS) == ["hainan", "hubei", "hunan", "national"]
    assert NATIONAL_DIALECT is DIALECTS["national"]
