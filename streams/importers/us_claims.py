"""The US provider-fraud set (Kaggle) as events: every inpatient and outpatient claim, every death.

docs/us-claims.md holds the mapping field by field, and what it cannot say. What a table leaves out is ``None``
(rules that need it answer "not evaluated"), each amount arrives to the cent, and the one assumption is the lines:
the set has none, so each day of a claim gets one.
"""

import csv
import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache, partial
from operator import itemgetter
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.files.folders import is_ignored
from knowledge_base.files.yaml_files import unreadable
from knowledge_base.numbers import written
from streams.importers import UnreadableInput, UnusableTable

AREA = "us"
SETS = ("Train", "Test")
TABLES = ("Beneficiary", "Inpatient", "Outpatient")

_log = logging.getLogger(__name__)

_MISSING = frozenset({"", "NA"})
_PERSON = ("BeneID", "DOB", "DOD", "Gender")
_CLAIM = (
    *("BeneID", "ClaimID", "ClaimStartDt", "ClaimEndDt", "Provider"),
    *("InscClaimAmtReimbursed", "DeductibleAmtPaid", "AttendingPhysician"),
)
_STAY = ("AdmissionDt", "DischargeDt")

_ONE = "1"
_CHINA = timedelta(hours=8)

Row = Sequence[str]
Made = TypeVar("Made")


class _Person(NamedTuple):
    sex: str | None = None
    birth_date: date | None = None


_UNKNOWN_PERSON = _Person()


def find_us_tables(folder: Path) -> dict[str, Path | None]:
    """The six tables ("Train_Beneficiary" ... "Test_Outpatient") with their files, ``None`` where one is absent.

    A file is NAMEdata*.csv, or a zip of it, in small or capital letters. Raises ``UnusableTable`` where two files
    claim one table, or one that is neither, and ``UnreadableInput``.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if not is_ignored(path.name)) if folder.is_dir() else []
    except OSError as error:
        raise UnreadableInput(str(folder), error) from error
    return {f"{of}_{table}": _find_table(inside, f"{of}_{table}") for of in SETS for table in TABLES}


def read_us_claims(folder: Path) -> Iterator[Event]:
    """The events of a folder, set by set: deaths, inpatient claims, outpatient claims, in the files' order.

    Absent tables are skipped and logged by name; without a beneficiary table sex and birth date are unknown.
    Raises ``UnusableTable`` at the first row that cannot be mapped, naming file and record.
    """
    tables = find_us_tables(folder)
    for name, path in tables.items():
        if path is None:
            _log.warning("no table %s in %s: skipped", name, folder)
    for of in SETS:
        people: dict[str, _Person] = {}
        sender = f"{AREA}:{of.lower()}"
        claim = partial(_claim, sender, people)
        if path := tables[f"{of}_Beneficiary"]:
            yield from filter(None, _map_rows(path, [_PERSON], partial(_status, sender, people)))
        if path := tables[f"{of}_Inpatient"]:
            yield from _map_rows(path, [_CLAIM, _STAY], claim)
        if path := tables[f"{of}_Outpatient"]:
            yield from _map_rows(path, [_CLAIM], claim)


def _find_table(inside: Sequence[Path], name: str) -> Path | None:
    files = [path for path in inside if path.name.casefold().startswith(f"{name}data".casefold())]
    for path in files:
        if not path.is_file() or not path.name.casefold().endswith((".csv", ".csv.zip")):
            raise UnusableTable(path, 0, f"不是 .csv 或 .csv.zip 文件 / no .csv or .csv.zip file, as {name} has to be")
    if len(files) > 1:
        raise UnusableTable(files[1], 0, f"a second file for table {name}, beside {files[0].name}")
    return files[0] if files else None


def _map_rows(path: Path, groups: Sequence[tuple[str, ...]], make: Callable[..., Made]) -> Iterator[Made]:
    """What ``make`` makes of each record; it gets one tuple of values for each group of column names."""
    with _opened(path) as text:
        rows = csv.reader(text, strict=True)
        head = next(rows, [])
        pick = [_columns(path, head, names) for names in groups]
        for number, row in enumerate(rows, 1):
            if not row:  # an empty line
                continue
            if len(row) != len(head):
                raise UnusableTable(path, number, f"{len(row)} fields, the header has {len(head)}")
            try:
                made = make(*(columns(row) for columns in pick))
            except ValueError as error:
                raise UnusableTable(path, number, str(error)) from None
            yield made


def _is_left_over(member: str) -> bool:
    return any(map(is_ignored, member.split("/")))


def _status(sender: str, people: dict[str, _Person], row: Row) -> PatientStatus | None:
    """Notes the person by pseudonym; the death where there is one."""
    patient, born, died, sex = row
    _require(BeneID=patient)
    people[patient] = _Person(_known(sex), _date(born) if _known(born) else None)
    return _death(sender, patient, died) if _known(died) else None


def _death(sender: str, patient: str, died: str) -> PatientStatus:
    return PatientStatus(
        event_id=f"{sender}:death:{patient}",
        area=AREA,
        kind="patient_status",
        happened_at=_midnight(died),
        sender=sender,
        patient=patient,
        change="death",
        died_on=_date(died),
    )


def _claim(sender: str, people: dict[str, _Person], claim: Row, stay: Row | None = None) -> Claim:
    patient, claim_id, start, end, provider, reimbursed, deductible, physician = claim
    fund, own = _cents(reimbursed), _cents(deductible) if _known(deductible) else 0
    _require(BeneID=patient, ClaimID=claim_id, Provider=provider)
    person = people.get(patient, _UNKNOWN_PERSON)
    settled_at = _noon(end)
    return Claim(
        event_id=f"{sender}:{claim_id}",
        area=AREA,
        kind="claim",
        happened_at=settled_at,
        sender=sender,
        claim_id=claim_id,
        encounter_id=claim_id,
        patient=patient,
        institution=provider,
        visit_type="21" if stay else "11",
        settled_at=settled_at,
        lines=_lines(start, end, fund + own),
        sex=person.sex,
        birth_date=person.birth_date,
        payment_method="drg" if stay else "item",
        practitioner=_known(physician),
        admitted_at=_midnight(stay[0]) if stay and _known(stay[0]) else None,
        discharged_at=_midnight(stay[1]) if stay and _known(stay[1]) else None,
        paid=Paid(pooled_fund=_yuan(fund), own=_yuan(own)),
    )


def _lines(start: str, end: str, cents: int) -> tuple[ClaimLine, ...]:
    """One line a day, both ends counted; cents that do not divide evenly go to the last day."""
    noons = _noons(start, end)
    even = cents // len(noons)
    amounts = [even] * (len(noons) - 1) + [cents - even * (len(noons) - 1)]
    return tuple(
        ClaimLine(line_id=str(number), quantity=_ONE, amount=_yuan(amount), at=at, in_fund_scope=_yuan(amount))
        for number, (at, amount) in enumerate(zip(noons, amounts, strict=True), 1)
    )


def _require(**identifiers: str) -> None:
    """Strangers who are all called "NA" would be one person, so an identifier must be there."""
    for column, text in identifiers.items():
        if text in _MISSING:
            raise ValueError(f"{column} is missing")


def _known(text: str) -> str | None:
    return None if text in _MISSING else text


@cache
def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date is not of the form 2009-12-31") from None


@cache
def _midnight(text: str) -> datetime:
    """The UTC instant of 00:00 in China on a day."""
    day = _date(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - _CHINA


def _noon(text: str) -> datetime:
    return _midnight(text) + timedelta(hours=12)


@lru_cache(maxsize=2**16)
def _noons(start: str, end: str) -> tuple[datetime, ...]:
    days = (_date(end) - _date(start)).days + 1
    if days < 1:
        raise ValueError("ClaimEndDt is before ClaimStartDt")
    first = _noon(start)
    return tuple(first + timedelta(days=number) for number in range(days))


@lru_cache(maxsize=2**16)
def _cents(text: str) -> int:
    try:
        cents = Decimal(text).scaleb(2)
        whole = int(cents)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError("an amount is no number") from None
    if whole != cents:
        raise ValueError("an amount has a fraction of a cent")
    return whole


@lru_cache(maxsize=2**16)
def _yuan(cents: int) -> str:
    return written(Decimal(cents).scaleb(-2))


def _columns(path: Path, head: Row, names: tuple[str, ...]) -> Callable[[Row], Row]:
    absent = [name for name in names if name not in head]
    if absent:
        raise UnusableTable(path, 0, f"columns missing: {', '.join(absent)}")
    return itemgetter(*(head.index(name) for name in names))


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The text of a table, with a byte order mark or without; what is wrong with the file is ``UnusableTable``."""
    try:
        with ExitStack() as stack:
            raw = stack.enter_context(_zipped(path) if path.suffix.casefold() == ".zip" else path.open("rb"))
            yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
    except OSError as error:
        raise UnusableTable(path, 0, unreadable(error)) from None
    except UnicodeDecodeError:
        raise UnusableTable(path, 0, "不是 UTF-8，先用 iconv 转换 / not UTF-8, convert it by iconv first") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, csv.Error) as error:
        raise UnusableTable(path, 0, f"no readable table: {type(error).__name__}") from None


@contextmanager
def _zipped(path: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        tables = [name for name in archive.namelist() if name.casefold().endswith(".csv") and not _is_left_over(name)]
        if len(tables) != 1:
            raise UnusableTable(path, 0, f"{len(tables)} tables in one archive, expected 1")
        with archive.open(tables[0]) as raw:
            yield raw
