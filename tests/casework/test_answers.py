"""A list that came back, row by row: what is taken, what says nothing, and why a row is refused."""

import pytest

from casework.answers import LONGEST_REMARK, Answer, FilledRow, ListedFinding, Misfit, Position, Refusal, read_in

OPEN = ListedFinding(3, True, ("line one", "line two"), ("L1", "L2"))
FINDINGS = {
    "open": OPEN,
    "gone": ListedFinding(3, False, ("line one",), ("L1",)),
    "bare": ListedFinding(1, True, (), ()),
}
FITTING = FilledRow(7, "open", "3", "2", "L2", "异议", "当日有医嘱")


def _with(**changed: str) -> FilledRow:
    return FilledRow(**({name: getattr(FITTING, name) for name in FITTING.__struct_fields__} | changed))  # type: ignore[arg-type]


def test_a_row_that_fits_is_an_answer() -> None:
    read = read_in([FITTING], FINDINGS)
    assert read.answers == (Answer("open", 3, "line two", Position.DISPUTED, "当日有医嘱"),)
    assert (read.blank, read.refusals) == (0, ())
    assert (read.count(Position.DISPUTED), read.count(Position.AGREED)) == (1, 0)


def test_a_finding_without_lines_is_answered_as_a_whole() -> None:
    row = _with(finding_id="bare", version="1", ordinal="0", line_id="", position="同意", remark="")
    assert read_in([row], FINDINGS).answers == (Answer("bare", 1, "", Position.AGREED, ""),)


@pytest.mark.parametrize(
    ("said", "position"),
    [
        ("同意", Position.AGREED),
        (" 异议\u3000", Position.DISPUTED),
        ("Agree", Position.AGREED),
        ("DISPUTE", Position.DISPUTED),
    ],
)
def test_words_are_read_as_people_write_them(said: str, position: Position) -> None:
    assert [answer.position for answer in read_in([_with(position=said)], FINDINGS).answers] == [position]


def test_a_blank_row_says_nothing_and_is_counted() -> None:
    read = read_in([_with(position=" ", remark="\u200b")], FINDINGS)
    assert (read.answers, read.blank, read.refusals) == ((), 1, ())


@pytest.mark.parametrize(
    ("changed", "misfit"),
    [
        ({"finding_id": "another"}, Misfit.UNKNOWN),
        ({"finding_id": ""}, Misfit.UNKNOWN),
        ({"finding_id": "gone", "ordinal": "1", "line_id": "L1"}, Misfit.WITHDRAWN),
        ({"version": "2"}, Misfit.REVISED),
        ({"version": "4"}, Misfit.NO_VERSION),
        ({"version": "0"}, Misfit.NO_VERSION),
        ({"version": "-3"}, Misfit.NO_VERSION),
        ({"version": "٣"}, Misfit.NO_VERSION),
        ({"version": "9" * 5000}, Misfit.NO_VERSION),
        ({"ordinal": "3"}, Misfit.NO_LINE),
        ({"ordinal": "0"}, Misfit.NO_LINE),
        ({"ordinal": ""}, Misfit.NO_LINE),
        ({"line_id": "L1"}, Misfit.NO_LINE),
        ({"finding_id": "bare", "version": "1", "ordinal": "1"}, Misfit.NO_LINE),
        ({"position": "好的"}, Misfit.NO_WORD),
        ({"position": "同意异议"}, Misfit.NO_WORD),
        ({"position": ""}, Misfit.REMARK_ALONE),
        ({"remark": "长" * (LONGEST_REMARK + 1)}, Misfit.REMARK_LONG),
    ],
    ids=str,
)
def test_a_row_that_does_not_fit_is_refused_and_others_are_kept(changed: dict[str, str], misfit: Misfit) -> None:
    other = FilledRow(8, "open", "3", "1", "L1", "同意", "长" * LONGEST_REMARK)
    read = read_in([_with(**changed), other], FINDINGS)
    assert read.refusals == (Refusal(7, misfit),)
    assert [answer.line for answer in read.answers] == ["line one"]


def test_of_two_rows_about_one_line_the_second_is_refused() -> None:
    read = read_in([FITTING, FilledRow(9, "open", "3", "2", "L2", "同意", "")], FINDINGS)
    assert [answer.position for answer in read.answers] == [Position.DISPUTED]
    assert read.refusals == (Refusal(9, Misfit.TWICE),)
