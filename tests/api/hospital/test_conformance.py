"""Conformance to the field tables: each field and collection broken in every way, one by one, in every dialect.

Each test walks all places of one message and lists those that were judged otherwise than the table says.
"""

from typing import Any

import pytest

from api.hospital.checking import NO_COLLECTION, NO_OBJECT, ONLY_ONE, Checked, error_words
from api.hospital.scalars import (
    NO_DATE,
    NO_INSTANT,
    NO_NUMBER,
    NO_TEXT,
    REQUIRED,
    too_long,
    too_many_digits,
    unknown_code,
)

from .places import EVERY_MESSAGE, MISSING, Place, Tried, as_text, fields_of, national_steps, nodes_of, tried, value_at

every_message = pytest.mark.parametrize(("name", "infno"), EVERY_MESSAGE)

EMPTY = (MISSING, None, "", "  ")
NO_TEXTS = (True, 1.5, 1e30, {"a": 1})
NO_NUMBERS = (
    "abc", "1e3", 1e30, "NaN", "Infinity", "１２", "1,000", "1_000", "0x1f", "--1", "+1", "1.", ".", "-", "1 2", True,
    [1], {"a": 1},
)  # fmt: skip
NO_DATES = (
    "2026-45-03", "20260304", "2026-02-30", 20260304, "10:00", "2026-3-4", "04/03/2026", "2026-03-04 25:00:00",
    "2026-03-04 10", "２０２６-03-04", True, ["2026-03-04"], {"a": 1}, 1.5, 10**20,
)  # fmt: skip


def told(checked: Checked) -> tuple[set[tuple[str, str, str, str]], set[tuple[str, str, str, str]]]:
    """Faults and notes."""
    faults = {(fault.path, fault.field, fault.label, fault.rule) for fault in checked.faults}
    return faults, {(note.path, note.field, note.label, note.rule) for note in checked.notes}


def refuses(of: Tried, place: Place, value: Any, rule: str) -> bool:
    """Whether a value breaks one rule at its place alone, leaves nothing there, and all else is read as before."""
    checked = of.check(place, value)
    only = {(place.path, place.part.name, place.part.label, rule)}
    there = value_at(checked.values, national_steps(place.path))
    return told(checked) == (only, set()) and not there and of.reads_alike(checked, place)


def accepts(of: Tried, place: Place, value: Any, read: Any) -> bool:
    """Whether a value is read as this one, and all else as before, with neither fault nor note."""
    checked = of.check(place, value)
    there = value_at(checked.values, national_steps(place.path))
    return told(checked) == (set(), set()) and there == read and of.reads_alike(checked, place)


@every_message
def test_a_good_message_has_neither_fault_nor_note(name: str, infno: str) -> None:
    good = tried(name, infno).good
    assert (good.faults, good.notes, good.infno) == ((), (), infno)
    assert good.msgid == good.values["msgid"]


@every_message
def test_a_required_field_is_missed_and_an_optional_one_is_not(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, field in fields_of(of.dialect, infno):
        for value in EMPTY:
            faults, notes = told(of.check(place, value))
            due = {(place.path, field.name, field.label, REQUIRED)}
            expected = {"always": (due, set()), "noted": (set(), due), "never": (set(), set())}[field.required]
            if (faults, notes) != expected:
                wrong.append((place.path, value, faults, notes))
    assert wrong == []


@every_message
def test_what_is_no_text_is_refused(name: str, infno: str) -> None:
    of = tried(name, infno)
    fields = fields_of(of.dialect, infno, "text")
    assert [
        (place.path, value)
        for place, field in fields
        for value in (*NO_TEXTS, *(() if field.several else ([], ["T"])))
        if not refuses(of, place, value, NO_TEXT)
    ] == []


@every_message
def test_what_is_no_number_is_refused(name: str, infno: str) -> None:
    of = tried(name, infno)
    fields = fields_of(of.dialect, infno, "number")
    assert [(p.path, v) for p, _ in fields for v in NO_NUMBERS if not refuses(of, p, v, NO_NUMBER)] == []


@every_message
def test_what_is_no_date_is_refused(name: str, infno: str) -> None:
    of = tried(name, infno)
    for kind, rule in (("date", NO_DATE), ("datetime", NO_INSTANT)):
        fields = fields_of(of.dialect, infno, kind)
        assert [(p.path, v) for p, _ in fields for v in NO_DATES if not refuses(of, p, v, rule)] == []


@every_message
def test_a_text_may_be_as_long_as_the_table_says_and_no_longer(name: str, infno: str) -> None:
    of = tried(name, infno)
    wrong = []
    for place, field in fields_of(of.dialect, infno, "text"):
        longest = "某" * field.length
        is_met = field.codes is not None or accepts(of, place, longest, [longest] if field.several else longest)
        if not is_met or not refuses(of, place, longest + "某", too_long(field.length)):
            wrong.append(place.path)
    assert wrong == []


@every_message
def test_a_number_may_have_as_many_digits_as_the_table_says_and_no_more(name: str, infno: str) -> None:
    of = tried(name, infno)
    wrong = []
    for place, field in fields_of(of.dialect, infno, "number"):
        rule = too_many_digits(field.length, field.places)
        whole, behind = "9" * field.length, "9" * field.places
        most = f"-{whole}.{behind}" if behind else f"-{whole}"
        is_met = accepts(of, place, most, most)
        if not is_met or not all(refuses(of, place, v, rule) for v in (f"9{whole}", int(f"9{whole}"), f"0.{behind}9")):
            wrong.append(place.path)
    assert wrong == []


@every_message
def test_every_value_of_a_dictionary_is_read_as_the_one_that_it_means(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, field in fields_of(of.dialect, infno):
        for code, means in (field.codes or {}).items():
            read = [means] if field.several else means
            numbers = (int(code),) if code.isdecimal() and str(int(code)) == code else ()
            wrong += [(place.path, v) for v in (code, f" {code} ", *numbers) if not accepts(of, place, v, read)]
    assert wrong == []


@every_message
def test_an_unknown_value_of_a_dictionary_is_refused_or_noted_as_the_table_says(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, field in fields_of(of.dialect, infno):
        if field.codes is not None:
            due = {(place.path, field.name, field.label, unknown_code("Z9", field.codes))}
            checked = of.check(place, "Z9")
            if told(checked) != ((due, set()) if field.unknown == "refused" else (set(), due)):
                wrong.append(place.path)
    assert wrong == []


@every_message
def test_an_error_names_an_unknown_code_and_those_that_are_known_as_far_as_there_is_room(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, field in fields_of(of.dialect, infno):
        if field.codes is not None:
            value = "9" * min(field.length, 5) + "Z" * (field.length > 5)
            checked = of.check(place, value)
            said = error_words((*checked.faults, *checked.notes))
            label, _, rule = said.partition(": ")
            value_named, _, listed = rule.partition(" 不在字典中 / not in the dictionary: ")
            codes, _, more = listed.partition(" …, ")
            is_whole = not more and codes.split(", ") == list(field.codes)
            is_begun = "docs/schemas" in more and codes.split(", ") == list(field.codes)[:8] and len(field.codes) > 8
            if value_named != value or field.label not in label or not (is_whole or is_begun) or len(said) > 200:
                wrong.append((place.path, said))
    assert wrong == []


@pytest.mark.parametrize("value", ["张三", "male", "Li", "1234567", "1 2", "９"])
def test_what_does_not_look_like_a_code_is_not_named_as_it_may_be_a_name(value: str) -> None:
    assert unknown_code(value, ("1", "2")) == "不在字典中 / not in the dictionary: 1, 2"


@every_message
def test_a_collection_that_is_required_is_missed_and_any_other_is_empty(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, node in nodes_of(of.dialect, infno):
        for value in (*EMPTY, [], "[]", "null", *(({}, "{}") if node.many else ())):
            is_right = refuses(of, place, value, REQUIRED) if node.is_required else accepts(of, place, value, [])
            if not is_right:
                wrong.append((place.path, value))
    assert wrong == []


@every_message
def test_a_collection_comes_as_list_as_object_and_as_text(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, node in nodes_of(of.dialect, infno):
        here = value_at(of.message, place.steps)
        one = here[0] if node.many else here
        read = value_at(of.good.values, national_steps(place.path))
        first = read[:1] if node.many else read
        for value in (one, [one], as_text(one), as_text([one])):
            if not accepts(of, place, value, first):
                wrong.append((place.path, "one", type(value)))
        if node.many:
            wrong += [(place.path, "all") for value in (here, as_text(here)) if not accepts(of, place, value, read)]
        elif not ({(place.path, node.name, node.label, ONLY_ONE)} <= told(of.check(place, [one, one]))[0]):
            wrong.append((place.path, "two", list))
    assert wrong == []


@every_message
def test_what_is_no_collection_is_refused(name: str, infno: str) -> None:
    of, wrong = tried(name, infno), []
    for place, node in nodes_of(of.dialect, infno):
        wrong += [(place.path, v) for v in (1, True, "T", "[1", "1") if not refuses(of, place, v, NO_COLLECTION)]
        item = f"{place.path}[0]" if node.many else place.path
        for value in (["T"], [1], [None], [[]], '["T"]'):
            if told(of.check(place, value)) != ({(item, node.name, node.label, NO_OBJECT)}, set()):
                wrong.append((place.path, value))
    assert wrong == []
