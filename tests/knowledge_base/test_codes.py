"""Formats of codes: every published code has one, and what is written instead of codes has none."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge_base.codes import is_diagnosis_code, is_institution_code, is_operation_code, is_pharmacy_code

DIAGNOSES = ["I10", "I63.9", "E11.900", "I10.x00x002", "A17.008+G07*", "M80000/0", "A07.06.18", "BNX060"]
OPERATIONS = ["36.07", "00.0102", "36.0700x004", "86.700x0013"]
INSTITUTIONS = ["H42028100001", "P42028100003", "H4202810000101"]


@pytest.mark.parametrize(
    ("table", "has_format"),
    [("icd10_yb_from_chsdrg", is_diagnosis_code), ("icd9cm3_yb_from_chsdrg", is_operation_code)],
)
def test_every_published_code_has_a_format(shared_data: Path, table: str, has_format: Callable[[str], bool]) -> None:
    with (shared_data / "codes" / f"{table}.csv").open(encoding="utf-8-sig") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    assert len(codes) > 9_000
    assert [code for code in codes if not has_format(code)] == []


def test_codes_beside_the_published_ones_have_formats() -> None:
    assert all(map(is_diagnosis_code, DIAGNOSES))
    assert all(map(is_operation_code, OPERATIONS))
    assert all(map(is_institution_code, INSTITUTIONS))


def test_names_cut_codes_and_codes_of_other_kinds_have_none() -> None:
    assert not any(map(is_diagnosis_code, ["", "4019", "I1", "i10.x00", "I10.x00x", "I10 ", "高血压"]))
    assert not any(map(is_operation_code, ["", "3607", "36.", "36.0700x", "无"]))
    assert not any(
        map(is_institution_code, ["", "H1", "H4202810000", "A42028100001", "42028100001", "H420281000011111"])
    )


def test_pharmacies_have_institution_codes_of_their_own() -> None:
    assert [code for code in (*INSTITUTIONS, "P1", "PHARMACY") if is_pharmacy_code(code)] == ["P42028100003"]
