"""Dialects: what shipped ones say, what a file may say, and that what it says of nothing in the tables is an error."""

import re
from pathlib import Path

import pytest

from api.hospital.checking import check_message
from api.hospital.dialect import DIALECTS as FOLDER
from api.hospital.dialect import SIGNED_WITH, Dialect, load_dialect
from api.hospital.scalars import REQUIRED, too_long, unknown_code
from knowledge_base.files.yaml_files import FileFaults

from .messages import body_of, good_message
from .places import DIALECTS

HEAD = """
name: {zh: 某省, en: Some}
sources: [测试]
addresses: {path: "/{infno}"}
signing: none
"""


def dialect(folder: Path, text: str, head: str = HEAD) -> Dialect:
    """The dialect of a file with this text."""
    path = folder / "some.yaml"
    path.write_text(head + text, encoding="utf-8")
    return load_dialect(path)


def faults_of(message: object, of: Dialect) -> list[tuple[str, str]]:
    return [(fault.path, fault.rule) for fault in check_message(body_of(message), of).faults]


# --- shipped


def test_every_shipped_dialect_says_where_it_is_from() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(DIALECTS)
    assert all(of.words.zh and of.words.en for of in DIALECTS.values())
    assert all(set(SIGNED_WITH[of.signing]) <= set(of.headers) for of in DIALECTS.values())


def test_institutions_of_hubei_have_codes_of_14_signs() -> None:
    hubei = DIALECTS["hubei"]
    good = good_message("9001", hubei)
    assert faults_of({**good, "fixmedins_code": "H" * 14}, hubei) == []
    assert faults_of({**good, "fixmedins_code": "H" * 15}, hubei) == [("fixmedins_code", too_long(14))]


def test_hunan_has_one_address_and_says_in_a_header_what_is_asked() -> None:
    hunan = DIALECTS["hunan"]
    assert (hunan.addresses.path, hunan.headers["service"], hunan.signing) == ("/", "_api_name", "hmac-sha1-api")


def test_infcode_and_collections_of_answers_are_typed_by_the_dialect(tmp_path: Path) -> None:
    of = dialect(tmp_path, "answers: {infcode: text, collections: {result: object}}")
    assert (of.answers.infcode, of.answers.collections) == ("text", {"result": "object"})
    assert DIALECTS["national"].answers.infcode == "number"


# --- what a file may say


def test_a_dictionary_of_a_province_takes_the_place_of_the_national_one(tmp_path: Path) -> None:
    codes = '{"0": {name: 其他, means: "0"}, "1": {name: 妊娠期, means: "3"}, "2": {name: 哺乳期, means: "4"}}'
    of = dialect(tmp_path, f"dictionaries: {{matn_stas: {codes}}}")
    good = good_message("3101", of, orders=1)
    encounter = good["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]
    encounter["matn_stas"] = "1"
    checked = check_message(body_of(good), of)
    assert checked.values["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]["matn_stas"] == "3"
    encounter["matn_stas"] = "4"
    due = ("matn_stas", unknown_code("4", ("0", "1", "2")))
    assert [(note.field, note.rule) for note in check_message(body_of(good), of).notes] == [due]


def test_a_field_may_be_named_longer_and_due(tmp_path: Path) -> None:
    changes = "changes: {dspo_way_rea: {named: reason, length: 4, required: always}}"
    of = dialect(tmp_path, f'requests: {{"3103": {{warns: {{named: feedback, {changes}}}}}}}')
    good = good_message("3103", of)
    (warn,) = good["input"]["data"]["feedback"]
    where = "input.data.warns[0].dspo_way_rea"
    assert faults_of(good, of) == []
    assert faults_of({**good, "input": {"data": {"warn_type": "1", "warns": [warn]}}}, of) == []
    warn["reason"] = "病情需要了"
    assert faults_of(good, of) == [(where, too_long(4))]
    del warn["reason"]
    assert faults_of(good, of) == [(where, REQUIRED)]


def test_a_collection_may_be_due(tmp_path: Path) -> None:
    of = dialect(tmp_path, 'requests: {"3101": {fsi_order_dtos: {required: always}}}')
    where = "input.data.patient_dtos[0].fsi_encounter_dtos[0].fsi_order_dtos"
    assert faults_of(good_message("3101", of, orders=0), of) == [(where, REQUIRED)]


# --- what it may not


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour: red", "colour: Extra inputs are not permitted"),
        ("answers: {infcode: float}", "answers.infcode: "),
        ("answers: {collections: {results: list}}", "answers.collections.results: no such collection in any answer"),
        ("headers: {sender: a, colour: b}", "headers.colour"),
        ("envelope: {changes: {fixmedins: {length: 14}}}", "envelope.changes.fixmedins: no such field"),
        ("envelope: {changes: {msgid: {lenght: 14}}}", "envelope.changes.msgid.lenght: Extra inputs"),
        ("envelope: {changes: {msgid: {length: [1, 2]}}}", "envelope.changes.msgid.length: length does not fit a text"),
        ("envelope: {adds: {msgid: {label: a, kind: text, length: 1}}}", "envelope.adds.msgid: there is such a name"),
        ("envelope: {adds: {more: {label: a, kind: text}}}", "envelope.adds.more: Value error, length does not fit"),
        (
            "envelope: {adds: {more: {label: a, kind: text, length: 1, dictionary: b}}}",
            "envelope.adds.more.dictionary: unknown dictionary b",
        ),
        ("envelope: {changes: {msgid: {named: opter}}}", "envelope.changes.msgid.named: there is such a name already"),
        (
            'dictionaries: {matn_stas: {"1": {name: 妊娠期, means: "7"}}}',
            "dictionaries.matn_stas.1.means: no value 7 in the national dictionary",
        ),
        ('requests: {"3102": {}}', "requests.3102: no such table"),
        ('requests: {"3101": {orders: {}}}', "requests.3101.orders: no such collection"),
        ('requests: {"3101": {fsi_order_dtos: {changes: {count: {}}}}}', "fsi_order_dtos.changes.count: no such field"),
        (
            'requests: {"3101": {data: {changes: {trig_scen: {dictionary: scenes}}}}}',
            "requests.3101.data.changes.trig_scen.dictionary: unknown dictionary scenes",
        ),
    ],
)
def test_what_a_dialect_says_of_nothing_is_an_error_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(FileFaults) as raised:
        dialect(tmp_path, text)
    assert re.match(rf"{tmp_path}/some.yaml:6: ", str(raised.value))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("signing: none", "signing: md5", "signing: Input should be"),
        ("signing: none", "signing: hmac-sm3-tif", "headers needed: nonce, sender, signature, time"),
        ("signing: none", "signing: hmac-sha1-api", "headers needed: sender, service, signature, time, version"),
        ('"/{infno}"', '"/all"', "headers needed: service"),
        ('"/{infno}"', "all", "addresses.path: String should match"),
        ('path: "/{infno}"', 'path: "/{infno}", services: {"1": a}', "addresses.services.1: no such message"),
        ("sources: [测试]", "sources: []", "sources: "),
    ],
)
def test_a_dialect_says_how_it_is_addressed_and_signed(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    assert was in HEAD
    with pytest.raises(FileFaults, match=re.escape(says)):
        dialect(tmp_path, "", HEAD.replace(was, becomes))
