"""Formats of the official codes (15 项医保信息业务编码). A code that fits none is odd, never refused."""

import re
from collections.abc import Iterable

#: What each kind of item code looks like, from the national coding rules and the published code tables.
ITEM_CODE_FORMATS = {
    "western drug": r"X[A-Z][0-9]{2}[A-Z]{2}[A-Z][0-9]{3}[A-Z][0-9]{3}[0-9]{4}[0-9]{5}",
    "Chinese patent drug": r"Z[A-Z][0-9]{2}[A-Z]{2}[A-Z][0-9]{4}[0-9]{4}[0-9]{5}",
    "herb piece": r"T[0-9]{9}",
    "consumable": r"C[0-9]{19}([0-9]{7})?",
    "service": r"00[1-4][0-9]{12}",
    "provincial service": r"[A-Z][0-9]{9}",
}

#: Diagnoses: ICD-10 医保版 (30,501 published codes), a category or subcategory of ICD-10 alone, the forms of tumours,
#: and the two editions of the diseases and syndromes of Chinese medicine.
DIAGNOSIS_CODE_FORMATS = {
    "ICD-10 of the insurance": r"[A-Z][0-9]{2}\.[0-9x][0-9]{2}(x[0-9]{3})?(\+[A-Z][0-9]{2}(\.[0-9])?\*)?",
    "ICD-10": r"[A-Z][0-9]{2}(\.[0-9])?[+*]?",
    "form of a tumour": r"M[0-9]{5}(x[0-9]{3})?/[0-9]",
    "Chinese medicine (GB/T 15657-2021)": r"[A-Z][0-9]{2}(\.[0-9]{2}){1,3}\.?",
    "Chinese medicine (GB/T 15657-1995)": r"[BZ][A-Z]{2}[0-9A-Z]{2,3}",
}

#: Operations: ICD-9-CM-3 医保版 (9,609 published codes), or ICD-9-CM-3 alone.
OPERATION_CODE_FORMATS = {
    "ICD-9-CM-3 of the insurance": r"[0-9]{2}\.([0-9]{3,5}|[0-9]x[0-9]{2}|[0-9]{3}[A-Z][0-9])(x[0-9]{3,4})?",
    "ICD-9-CM-3": r"[0-9]{2}\.[0-9]{1,2}",
}

#: Institutions: H (hospital) or P (pharmacy), the division of 6 digits, and 5 signs, 7 at most in some provinces.
INSTITUTION_CODE_FORMATS = {"institution": r"[HP][0-9]{6}[0-9A-Z]{5,7}"}


def _one_of(formats: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in formats))


_ITEM_CODE = _one_of(ITEM_CODE_FORMATS.values())
_DRUG_CODE = _one_of(ITEM_CODE_FORMATS[kind] for kind in ("western drug", "Chinese patent drug", "herb piece"))
_DIAGNOSIS_CODE = _one_of(DIAGNOSIS_CODE_FORMATS.values())
_OPERATION_CODE = _one_of(OPERATION_CODE_FORMATS.values())
_INSTITUTION_CODE = _one_of(INSTITUTION_CODE_FORMATS.values())


def is_item_code(code: str) -> bool:
    """Whether a code has one of the official formats of an item code."""
    return _ITEM_CODE.fullmatch(code) is not None


def is_drug_code(code: str) -> bool:
    """Whether a code has the official format of a western or Chinese patent drug, or of a herb piece."""
    return _DRUG_CODE.fullmatch(code) is not None


def is_pharmacy_code(code: str) -> bool:
    """Whether a code is a pharmacy's: in the official format of institution codes, and beginning with P."""
    return code.startswith("P") and is_institution_code(code)


def is_diagnosis_code(code: str) -> bool:
    """Whether a code has one of the formats of a diagnosis code."""
    return _DIAGNOSIS_CODE.fullmatch(code) is not None


def is_operation_code(code: str) -> bool:
    """Whether a code has one of the formats of an operation code."""
    return _OPERATION_CODE.fullmatch(code) is not None


def is_institution_code(code: str) -> bool:
    """Whether a code has the format of an institution code."""
    return _INSTITUTION_CODE.fullmatch(code) is not None
