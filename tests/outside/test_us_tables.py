"""Tables of the US set as other programs write them: marks, empty lines, line ends, encodings; known by content."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.importers import UnusableTable
from streams.importers.us_claims import read_us_claims
from tests.outside.test_environment import fundwatch

_HEAD = (
    "BeneID,ClaimID,ClaimStartDt,ClaimEndDt,Provider,InscClaimAmtReimbursed,DeductibleAmtPaid,AttendingPhysician,"
    + ",".join([*(f"ClmDiagnosisCode_{n}" for n in range(1, 11)), *(f"ClmProcedureCode_{n}" for n in range(1, 7))])
)
_ROWS = [f"B{n},C{n},2009-03-0{n},2009-03-0{n},P1,100,0,D1," + ",".join(["NA"] * 16) for n in (1, 2, 3)]

WRITINGS: dict[str, Callable[[list[str]], bytes]] = {
    "plain": lambda lines: "\n".join(lines).encode() + b"\n",
    "with a byte order mark": lambda lines: b"\xef\xbb\xbf" + "\n".join(lines).encode() + b"\n",
    "with Windows' line ends": lambda lines: "\r\n".join(lines).encode() + b"\r\n",
    "without a last line end": lambda lines: "\n".join(lines).encode(),
    "with an empty last line": lambda lines: "\n".join(lines).encode() + b"\n\n",
    "with empty lines between": lambda lines: "\n\n".join(lines).encode() + b"\n",
    "with quotes": lambda lines: b"\n".join(
        ",".join(f'"{word}"' for word in line.split(",")).encode() for line in lines
    ),
    "with mark, quotes and Windows' line ends": lambda lines: (
        b"\xef\xbb\xbf"
        + b"\r\n".join(",".join(f'"{word}"' for word in line.split(",")).encode() for line in lines)
        + b"\r\n\r\n"
    ),
}


def _table(folder: Path, content: bytes) -> Path:
    path = folder / "Train_Outpatientdata-1.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, writing: str) -> None:
    _table(tmp_path, WRITINGS[writing]([_HEAD, *_ROWS]))
    assert [event.event_id for event in read_us_claims(tmp_path)] == [f"us:train:C{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "gb18030", "latin-1"])
def test_a_table_in_another_encoding_is_told_from_a_damaged_one(tmp_path: Path, encoding: str) -> None:
    letters = "É" if encoding == "latin-1" else "医保"
    path = _table(tmp_path, "\n".join([_HEAD, *_ROWS, _ROWS[0].replace("D1", letters)]).encode(encoding))
    with pytest.raises(UnusableTable, match=r"not UTF-8|columns missing") as raised:
        list(read_us_claims(tmp_path))
    assert raised.value.path == path


def test_a_table_that_the_system_refuses_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Train_Outpatientdata-1.csv"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(UnusableTable, match=f"{path}: 无法读取 / cannot be read: Input/output error"):
        list(read_us_claims(tmp_path))


def test_what_comes_before_an_unusable_record_is_imported_and_said(tmp_path: Path) -> None:
    _table(tmp_path, WRITINGS["plain"]([_HEAD, *_ROWS[:2], _ROWS[2].replace("2009-03-03", "3 March")]))
    done = fundwatch(tmp_path / "home", "import", "us-claims", str(tmp_path), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["accepted"]) == (1, 2)
    assert "record 3: a date is not of the form" in report["broken"]
    assert "what came before is imported: " in done.stderr.decode()


def test_a_set_of_equal_size_with_other_content_is_another_set(tmp_path: Path) -> None:
    home, one, other = tmp_path / "home", tmp_path / "one", tmp_path / "other"
    for folder, person in ((one, "B1"), (other, "B9")):
        folder.mkdir()
        _table(folder, WRITINGS["plain"]([_HEAD, _ROWS[0].replace("B1", person).replace("C1", person)]))
    accepted = []
    for folder in (one, other, one):
        done = fundwatch(home, "import", "us-claims", str(folder), "--json")
        assert done.returncode == 0, done.stderr.decode()
        accepted.append(json.loads(done.stdout)["accepted"])
    assert accepted == [1, 1, 0]
