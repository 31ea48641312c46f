"""The field tables: held against field lists of public clients, against our own dictionaries, and read strictly.

The field lists are no part of the project (``tests.knowledge_base.sheets`` says where they are looked for).
"""

import csv
import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import pytest

from api.hospital.dialect import NATIONAL
from api.hospital.tables import INTERFACE, Field, Node, load_forms, messages_of
from knowledge_base.dictionaries import SEXES, VISIT_TYPES
from knowledge_base.files.yaml_files import FileFaults
from tests.knowledge_base.sheets import DATA

from .places import DIALECTS

LISTS = DATA / "interface"
MESSAGES = DIALECTS[NATIONAL].messages

needs_lists = pytest.mark.skipif(
    not LISTS.is_dir(), reason="the field lists are not beside the checkout (FUNDWATCH_SHARED)"
)

CLASSES = {
    "InCommon": "",
    "InputPost": "",
    "OutCommon": "answer",
    "OutputReturn": "answer",
    "In3101data": "data",
    "InputData": "data",
    "Patient_Dtos": "patient_dtos",
    "InputPD": "patient_dtos",
    "Fsi_Encounter_Dtos": "fsi_encounter_dtos",
    "InputFED": "fsi_encounter_dtos",
    "InputFDD": "fsi_diagnose_dtos",
    "Fsi_Order_Dtos": "fsi_order_dtos",
    "InputFOD": "fsi_order_dtos",
    "Fsi_Operation_Dtos": "fsi_operation_dtos",
    "InputFODSS": "fsi_operation_dtos",
    "Result": "result",
    "Outputrs": "result",
    "Judge_Result_Detail_Dtos": "judge_result_detail_dtos",
    "OutputJRDD": "judge_result_detail_dtos",
    "In9001": "signIn",
    "signIn": "signIn",
    "Out9001": "signinoutb",
    "signinoutb": "signinoutb",
    "Output9001": "signinoutb",
    "In9002": "signOut",
    "Out9002": "signoutoutb",
}
"""Which collection a class of a client is. Not named: 3101's Fsi_Diagnose_Dtos, which repeats the encounter's fields by
mistake, and what clients hold of their own (Receive)."""

OPTIONAL_HERE = {
    "dscg_date": "empty for people still in hospital",
    "dscg_dept_codg": "empty for people still in hospital",
    "dscg_dept_name": "empty for people still in hospital",
}
"""Fields that a list requires and the tables do not, with the reason."""


class Listed(NamedTuple):
    """A field as a list has it; what the list does not tell is empty."""

    infno: str
    of: str
    name: str
    label: str
    kind: str
    length: str
    required: str


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (LISTS / name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t")


def _split(text: str) -> tuple[str, str, str]:
    """Label, kind and length out of one text, as ``3 mdtrtarea_admvs 就医地医保区划 字符型 6 Y``."""
    found = re.match(r"(?:/*\d+ )?(?:[a-z_]+ ?)?(.*?)[\s]*(字符型|数值型|日期时间型|日期型|$)\s*(\d+(?:,\d+)?)?", text)
    assert found
    return found[1].strip(), found[2], found[3] or ""


def _listed() -> list[Listed]:
    found = []
    for row in _rows("shenzhen_syb_fields.tsv"):
        if row["infno"] in (*MESSAGES, "SYBCommon.cs"):
            told = [row[name] for name in ("infno", "node_class", "field", "label", "type", "len", "required")]
            found.append(Listed(*told))
    for row in _rows("newtouch_fields.tsv"):
        of = re.sub(r"310[12]$", "", row["node_class"])
        if row["infno"] in (*MESSAGES, "InputPost", "OutputReturn") and of in CLASSES:
            parts = [*row["label"].split("\t"), *(value or "" for value in (row["type"], row["len"]))]
            found.append(Listed(row["infno"], of, row["field"], *_split(" ".join(parts)), ""))
    return [of for of in found if of.of in CLASSES]


def _nodes(node: Node) -> Iterator[tuple[str, Node]]:
    yield node.name, node
    for inside in node.nodes:
        yield from _nodes(inside)


def _part(of: Listed) -> Field | Node | None:
    message = MESSAGES.get(of.infno) or MESSAGES["3101"]
    nodes = dict([*_nodes(message.request), *_nodes(message.answer)])
    nodes |= {"": message.request, "answer": message.answer}
    node = nodes[CLASSES[of.of]]
    return next((part for part in (*node.fields, *node.nodes) if part.name == of.name), None)


KINDS = {"字符型": {"text"}, "数值型": {"number"}, "日期型": {"date", "datetime"}, "日期时间型": {"datetime"}}


def _is_wide_enough(listed: Listed, field: Field) -> bool:
    if not listed.length or field.kind in ("date", "datetime"):
        return True
    most, _, places = listed.length.partition(",")
    behind = int(places or 0)
    return field.length >= int(most) - behind and field.places >= behind


@needs_lists
def test_every_field_of_the_lists_is_in_the_tables() -> None:
    listed = _listed()
    assert len(listed) > 500
    assert {of.of for of in listed} == set(CLASSES)
    assert [(of.of, of.name) for of in listed if _part(of) is None] == []


@needs_lists
def test_what_a_list_requires_is_required_or_noted() -> None:
    pairs = [(of, part) for of in _listed() if of.required == "Y" and isinstance(part := _part(of), Field)]
    assert len(pairs) > 80
    assert {of.name for of, field in pairs if field.required == "never"} == set(OPTIONAL_HERE)


@needs_lists
def test_kinds_and_lengths_are_those_of_the_lists_or_wider() -> None:
    pairs = [(of, part) for of in _listed() if isinstance(part := _part(of), Field)]
    assert sum(bool(of.length) for of, _ in pairs) > 300
    assert [of for of, field in pairs if of.kind and field.kind not in KINDS[of.kind]] == []
    assert [(of, field.length) for of, field in pairs if not _is_wide_enough(of, field)] == []


@needs_lists
def test_labels_are_those_of_the_lists() -> None:
    pairs = [("".join(of.label.split()), part.label) for of in _listed() if (part := _part(of)) is not None]
    assert {(listed, ours) for listed, ours in pairs if listed and not _is_alike(listed, ours)} == set()


def _is_alike(listed: str, ours: str) -> bool:
    return ours in listed or SequenceMatcher(None, listed, ours).ratio() >= 0.6


@needs_lists
def test_official_values_are_those_of_the_list() -> None:
    names = {"RULE_SEV_DEG": "sev_deg", "DR_PRO_TECH_DUTY": "drord_dr_profttl", "MEDINSLV": "medins_lv"}
    ours = load_forms().dictionaries
    listed = {
        (names.get(row["dict"], row["dict"].lower()), row["code"], row["name"]) for row in _rows("dict_key_values.tsv")
    }
    shared = {(name, code, says) for name, code, says in listed if name in ours}
    assert {name for name, _, _ in shared} >= {"trig_scen", "hilist_type", "hilist_lv", "chrg_type", "matn_stas"}
    assert [(name, code, says) for name, code, says in shared if ours[name].get(code) != says] == []


def test_dictionaries_are_those_that_claims_have() -> None:
    dictionaries = load_forms().dictionaries
    assert dictionaries["gend"] == SEXES
    assert dictionaries["med_type"] == VISIT_TYPES


def test_a_dictionary_means_only_values_that_it_has() -> None:
    for message in MESSAGES.values():
        for _, node in (*_nodes(message.request), *_nodes(message.answer)):
            for field in node.fields:
                assert set((field.codes or {}).values()) <= set(field.codes or {}), field.name


def test_before_and_during_have_one_table() -> None:
    assert MESSAGES["3101"] == MESSAGES["3102"]
    assert sorted(MESSAGES) == ["3101", "3102", "3103", "9001", "9002"]


def test_whatever_judging_needs_has_to_be_there() -> None:
    nodes = dict(_nodes(MESSAGES["3101"].request))
    needed = {
        "": {"infno", "msgid", "fixmedins_code"},
        "patient_dtos": {"patn_id", "gend", "brdy", "curr_mdtrt_id"},
        "fsi_encounter_dtos": {"mdtrt_id", "medins_id", "adm_date", "med_type"},
        "fsi_order_dtos": {
            "rx_id",
            "hilist_type",
            "hilist_code",
            "cnt",
            "sumamt",
            "drord_begn_date",
            "curr_drord_flag",
        },
    }
    required = {name: {of.name for of in nodes[name].fields if of.required == "always"} for name in needed}
    assert required == needed


# --- read strictly


@pytest.fixture
def spoilt(tmp_path: Path) -> Callable[[str, str, str], str]:
    """What is said of the tables where a text of one file is another."""

    def load(file: str, was: str, becomes: str) -> str:
        folder = tmp_path / "interface"
        copytree(INTERFACE, folder, dirs_exist_ok=True)
        text = (folder / file).read_text(encoding="utf-8")
        assert was in text
        (folder / file).write_text(text.replace(was, becomes, 1), encoding="utf-8")
        with pytest.raises(FileFaults) as raised:
            messages_of(load_forms(folder))
        return str(raised.value).removeprefix(f"{folder}/")

    return load


@pytest.mark.parametrize(
    ("file", "was", "becomes", "says"),
    [
        ("3103.yaml", "dictionary: warn_type", "dictionary: warn", "warn_type.dictionary: unknown dictionary"),
        ("3103.yaml", "required: always", "required: yes", "request.data.required: "),
        ("3103.yaml", "kind: text, length: 500", "kind: text", "dspo_way_rea: Value error, length does not fit a text"),
        ("3103.yaml", "kind: text, length: 500", "kind: date, length: 5", "length does not fit a date"),
        ("3103.yaml", "kind: text, length: 500", "kind: txt, length: 500", "dspo_way_rea.kind: "),
        ("3103.yaml", "length: 500", "lenght: 500", "dspo_way_rea.lenght: Extra inputs are not permitted"),
        ("3103.yaml", 'infnos: ["3103"]', 'infnos: ["3104"]', "infnos: the file is named after the first"),
        ("3101.yaml", "unless: rule_ids", "unless: rules", "trig_scen.unless: no field rules beside it"),
        ("envelope.yaml", "kind: datetime,", "kind: datetime, several: true,", "only a text has a dictionary"),
        ("envelope.yaml", "dictionary: opter_type", "dictionary: opter", "opter_type.dictionary: unknown dictionary"),
        ("dictionaries.yaml", "means: \"1\"}", "mean: \"1\"}", "med_mdtrt_type.10"),
    ],
)  # fmt: skip
def test_a_table_is_read_strictly(
    spoilt: Callable[[str, str, str], str], file: str, was: str, becomes: str, says: str
) -> None:
    said = spoilt(file, was, becomes)
    assert re.match(rf"{file}:\d+: ", said)
    assert says in said
