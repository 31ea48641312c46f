"""The US set as events, held against the raw tables: by invented tables, and by the set itself where it is there.

What the two rules on institutions have to find, ``independent_pairs`` and ``independent_open_stays``, and all figures
are SQL over the raw CSV files and use no code of ours; the definitions are in docs/us-claims.md. See the figures with
``pytest -s``.
"""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date, day_of
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.findings import Finding, LineKey, billed_lines
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.hosts.garbage import collector_kept_off
from streams.importers import UnusableTable
from streams.importers.us_claims import find_us_tables, read_us_claims
from streams.jobs.reconciling import reconcile
from streams.store.operation import overview
from streams.store.sessions import connect
from tests.rules_lib.in_memory import judgements

from .replay import EVERYTHING, replay

ROOT = Path(__file__).parents[2]
ELSEWHERE, TWO_STAYS = "FW10000005", "FW10000006"


class Pair(NamedTuple):
    """What FW10000006 has to say of two stays: guilty lines are those of ``later``; ``in_question`` in dollars."""

    occurrence: tuple[str, ...]
    days: int
    later: str
    guilty: frozenset[LineKey]
    involved: frozenset[LineKey]
    in_question: Decimal


# --- The independent query ------------------------------------------------------------------------------------

_CLAIMS = """
    CREATE TABLE claims AS
    SELECT BeneID AS bene, ClaimID AS claim, Provider AS provider,
           ClaimStartDt::DATE AS first_day, ClaimEndDt::DATE AS last_day,
           nullif(AdmissionDt, 'NA')::DATE AS admitted, nullif(DischargeDt, 'NA')::DATE AS discharged,
           InscClaimAmtReimbursed::DECIMAL(18, 2) AS reimbursed,
           nullif(DeductibleAmtPaid, 'NA')::DECIMAL(18, 2) AS deductible,
           regexp_extract(filename, '(Train|Test)_(In|Out)patient') AS source
    FROM read_csv(?, all_varchar = true, union_by_name = true, filename = true)
"""
_PAID = "CREATE VIEW paid AS FROM claims WHERE reimbursed > 0"
_STAYS = "CREATE VIEW stays AS FROM paid WHERE admitted IS NOT NULL"

# Two reimbursed stays at different providers that share more than the day of a transfer; the later admission is the
# one in question, of equal ones the greater provider.
_TWO_STAYS = """
    CREATE VIEW two_stays AS
    WITH pairs AS (
        SELECT earlier, later, greatest(earlier.admitted, later.admitted) AS first,
               least(earlier.discharged, later.discharged) AS last
        FROM stays AS earlier JOIN stays AS later
        ON earlier.bene = later.bene AND earlier.provider <> later.provider
        AND (earlier.admitted, earlier.provider) < (later.admitted, later.provider)
    )
    FROM pairs WHERE first <= last
    AND NOT (first = last AND (earlier.discharged = later.admitted OR later.discharged = earlier.admitted))
"""

# The numbers of each claim's first and last line on the shared days, and what those of the later one come to in cents:
# a claim's cents are spread evenly over its days, and what is left over goes to the last of them.
_PAIRS = """
    WITH billed AS (
        SELECT *, ((later.reimbursed + coalesce(later.deductible, 0)) * 100)::BIGINT AS cents,
               later.last_day - later.first_day + 1 AS all_days,
               greatest(first, later.first_day) - later.first_day + 1 AS guilty_from,
               least(last, later.last_day) - later.first_day + 1 AS guilty_to,
               greatest(first, earlier.first_day) - earlier.first_day + 1 AS involved_from,
               least(last, earlier.last_day) - earlier.first_day + 1 AS involved_to
        FROM two_stays
    )
    SELECT later.bene, earlier.provider, earlier.claim, later.provider, later.claim, last - first + 1,
           guilty_from, guilty_to, involved_from, involved_to,
           CASE WHEN guilty_from > guilty_to THEN 0 ELSE
               cents // all_days * (guilty_to - guilty_from + 1)
               + CASE WHEN guilty_to = all_days THEN cents - cents // all_days * all_days ELSE 0 END
           END::BIGINT
    FROM billed
"""

# Another provider's reimbursed claim on a day strictly inside a stay, unless the two are stays at once.
_INSIDE = """
    CREATE VIEW inside AS
    SELECT stay, other, greatest(stay.admitted + 1, other.first_day) AS first,
           least(stay.discharged - 1, other.last_day) AS last,
           EXISTS (FROM two_stays WHERE stay.claim IN (earlier.claim, later.claim)
                   AND other.claim IN (earlier.claim, later.claim)) AS at_once
    FROM stays AS stay JOIN paid AS other ON other.bene = stay.bene AND other.provider <> stay.provider
    WHERE first <= last
"""
_OPEN_STAYS = "SELECT DISTINCT stay.bene, stay.provider, stay.claim FROM inside WHERE NOT at_once"
_PLACES = """
    WITH days AS (
        SELECT stay, other, at_once, unnest(generate_series(first, last, INTERVAL 1 DAY)) AS day FROM inside
    )
    SELECT bool_or(at_once), bool_or(NOT at_once) FROM days GROUP BY stay.bene, stay.claim, other.provider, day
"""
_PAIRS_BEFORE = """
    SELECT count(DISTINCT (least(stay.claim, other.claim), greatest(stay.claim, other.claim)))
               FILTER (other.admitted IS NOT NULL),
           count(DISTINCT (least(stay.claim, other.claim), greatest(stay.claim, other.claim))) FILTER (at_once),
           count(*) FILTER (other.admitted IS NULL)
    FROM inside
"""

# Two stays at different providers, whoever was reimbursed: later admission before earlier discharge.
_STRICT = """
    SELECT count(*), count(*) FILTER (least(earlier.reimbursed, later.reimbursed) <= 0)
    FROM claims AS earlier JOIN claims AS later ON earlier.bene = later.bene AND earlier.provider <> later.provider
    AND (earlier.admitted, earlier.provider) < (later.admitted, later.provider)
    WHERE later.admitted < earlier.discharged
"""

_TOTALS = """
    SELECT source, count(*), sum(reimbursed), coalesce(sum(deductible), 0),
           sum(last_day - first_day + 1)::BIGINT
    FROM claims GROUP BY source
"""


@contextmanager
def _raw(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the table ``claims`` and the views on it, over all raw claim files of a folder."""
    with TemporaryDirectory() as unpacked, duckdb.connect(config={"threads": 1}) as raw:
        for archive in folder.glob("T*data*.csv.zip"):
            zipfile.ZipFile(archive).extractall(unpacked)
        raw.execute(_CLAIMS, [[str(path) for path in sorted(Path(unpacked).glob("*patientdata*.csv"))]])
        for view in (_PAID, _STAYS, _TWO_STAYS, _INSIDE):
            raw.execute(view)
        yield raw


def independent_pairs(folder: Path) -> dict[tuple[str, ...], Pair]:
    """What FW10000006 has to find in the set, by SQL over the raw files alone."""
    with _raw(folder) as raw:
        pairs = [_pair(*row) for row in raw.execute(_PAIRS).fetchall()]
    return {pair.occurrence: pair for pair in pairs}


def _pair(bene: str, provider: str, claim: str, later: str, of_later: str, days: int, *rest: int) -> Pair:
    guilty_from, guilty_to, involved_from, involved_to, cents = rest
    encounters = sorted([(provider, claim), (later, of_later)])
    return Pair(
        (bene, *encounters[0], *encounters[1]),
        days,
        later,
        frozenset((later, of_later, str(number)) for number in range(guilty_from, guilty_to + 1)),
        frozenset((provider, claim, str(number)) for number in range(involved_from, involved_to + 1)),
        Decimal(cents) / 100,
    )


def independent_open_stays(folder: Path) -> set[tuple[str, ...]]:
    """The stays on which FW10000005 cannot decide, since the tables tell no kinds of items."""
    with _raw(folder) as raw:
        return set(raw.execute(_OPEN_STAYS).fetchall())


def independent_figures(folder: Path) -> dict[str, int]:
    """What the two rules find and leave open, what the rule before them found, and what became of that."""
    pairs = independent_pairs(folder).values()
    with _raw(folder) as raw:
        strict, not_reimbursed = raw.execute(_STRICT).fetchall()[0]
        places = raw.execute(_PLACES).fetchall()
        stays_before, found_of_them, visits_before = raw.execute(_PAIRS_BEFORE).fetchall()[0]
        unknown = raw.execute("SELECT count(*) FROM claims WHERE deductible IS NULL").fetchall()[0][0]
    return {
        "pairs of stays at once (findings expected of FW10000006)": len(pairs),
        "their shared days": sum(pair.days for pair in pairs),
        "their lines in dispute": sum(len(pair.guilty) for pair in pairs),
        "beneficiaries of these": len({pair.occurrence[0] for pair in pairs}),
        "stays not evaluated by FW10000005": len(independent_open_stays(folder)),
        "before: places (findings of FW10000004)": len(places),
        "of these, in two stays that FW10000006 finds": places.count((True, False)),
        "of these, in a stay that FW10000005 does not evaluate": places.count((False, True)),
        "of these, both": places.count((True, True)),
        "before: pairs of two stays": stays_before,
        "of these, found by FW10000006": found_of_them,
        "before: pairs of a stay and an outpatient claim": visits_before,
        "two stays, the later admission before the earlier discharge, whoever was reimbursed": strict,
        "of these, one of the two was not reimbursed": not_reimbursed,
        "claims whose deductible is not known": unknown,
    }


# --- The reader on invented tables ----------------------------------------------------------------------------

_DIAGNOSES = [f"ClmDiagnosisCode_{number}" for number in range(1, 11)]
_PROCEDURES = [f"ClmProcedureCode_{number}" for number in range(1, 7)]
_OUTPATIENT = [
    *("BeneID", "ClaimID", "ClaimStartDt", "ClaimEndDt", "Provider", "InscClaimAmtReimbursed", "AttendingPhysician"),
    *(*_DIAGNOSES, *_PROCEDURES, "DeductibleAmtPaid"),
]
_HEADS = {
    "Beneficiary": ["BeneID", "DOB", "DOD", "Gender"],
    "Inpatient": [*_OUTPATIENT, "AdmissionDt", "DischargeDt"],
    "Outpatient": _OUTPATIENT,
}


def _save_table(folder: Path, of: str, table: str, rows: list[dict[str, str]], head: list[str] | None = None) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, head or _HEADS[table], restval="NA", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    path = folder / f"{of}_{table}data-1.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem, text.getvalue())
    return path


def _visit(claim: str, first: str, last: str, provider: str, reimbursed: str = "100", **more: str) -> dict[str, str]:
    return {
        "BeneID": "B1",
        "ClaimID": claim,
        "ClaimStartDt": first,
        "ClaimEndDt": last,
        "Provider": provider,
        "InscClaimAmtReimbursed": reimbursed,
        "DeductibleAmtPaid": "0",
        **more,
    }


def _stay(claim: str, first: str, last: str, provider: str, reimbursed: str = "100", **more: str) -> dict[str, str]:
    return _visit(claim, first, last, provider, reimbursed, AdmissionDt=first, DischargeDt=last, **more)


def _only_claim(folder: Path) -> Claim:
    (event,) = read_us_claims(folder)
    assert isinstance(event, Claim)
    return event


def _noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00+08:00").astimezone(UTC)


def test_an_inpatient_claim_field_by_field(tmp_path: Path) -> None:
    _save_table(tmp_path, "Train", "Beneficiary", [{"BeneID": "B1", "DOB": "1940-02-01", "Gender": "2"}])
    more = {"AttendingPhysician": "D1", "ClmDiagnosisCode_1": "0389", "ClmDiagnosisCode_3": "V420"}
    row = _stay("C1", "2009-02-27", "2009-03-01", "P1", "100.01", DeductibleAmtPaid="1068", **more)
    _save_table(tmp_path, "Train", "Inpatient", [row | {"ClmProcedureCode_2": "66"}])
    claim = _only_claim(tmp_path)
    assert (claim.event_id, claim.sender, claim.area) == ("us:train:C1", "us:train", "us")
    assert (claim.claim_id, claim.encounter_id, claim.patient, claim.institution) == ("C1", "C1", "B1", "P1")
    assert (claim.visit_type, claim.payment_method, claim.practitioner) == ("21", "drg", "D1")
    assert (claim.sex, claim.birth_date) == ("2", date(1940, 2, 1))
    assert claim.admitted_at == datetime(2009, 2, 26, 16, tzinfo=UTC)
    assert claim.discharged_at == datetime(2009, 2, 28, 16, tzinfo=UTC)
    assert claim.settled_at == claim.happened_at == _noon("2009-03-01")
    assert (claim.diagnoses, claim.operations) == (None, None), (
        "codes of another system would read as what they are not"
    )
    assert claim.paid is not None
    assert (claim.paid.pooled_fund, claim.paid.own) == ("100.01", "1068.00")
    assert [line.line_id for line in claim.lines] == ["1", "2", "3"]
    assert [line.at for line in claim.lines] == [_noon("2009-02-27"), _noon("2009-02-28"), _noon("2009-03-01")]
    assert [line.amount for line in claim.lines] == ["389.33", "389.33", "389.35"]
    assert all(line.in_fund_scope == line.amount and line.item_code is None for line in claim.lines)


def test_an_outpatient_claim_leaves_unknown_what_its_table_does_not_say(tmp_path: Path) -> None:
    row = _visit("C1", "2009-05-05", "2009-05-05", "P1", "0", DeductibleAmtPaid="NA")
    _save_table(tmp_path, "Test", "Outpatient", [row])
    claim = _only_claim(tmp_path)
    assert (claim.event_id, claim.visit_type, claim.payment_method) == ("us:test:C1", "11", "item")
    unknown = (claim.sex, claim.birth_date, claim.admitted_at, claim.discharged_at, claim.practitioner)
    assert unknown == (None,) * 5
    assert [(line.line_id, line.amount, line.quantity) for line in claim.lines] == [("1", "0.00", "1")]


def test_a_death_is_an_event_of_its_own(tmp_path: Path) -> None:
    people = [{"BeneID": "B1", "DOB": "1940-02-01", "DOD": "2009-07-01", "Gender": "1"}, {"BeneID": "B2"}]
    _save_table(tmp_path, "Test", "Beneficiary", people)
    (death,) = read_us_claims(tmp_path)
    assert isinstance(death, PatientStatus)
    assert (death.event_id, death.change, death.patient) == ("us:test:death:B1", "death", "B1")
    assert death.died_on == as_date(day_of(death.happened_at)) == date(2009, 7, 1)


def test_absent_tables_are_skipped_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = _save_table(tmp_path, "Train", "Outpatient", [_visit("C1", "2009-05-05", "2009-05-05", "P1")])
    assert {name: found for name, found in find_us_tables(tmp_path).items() if found} == {"Train_Outpatient": path}
    assert len(list(read_us_claims(tmp_path))) == 1
    named = {record.getMessage().split()[2] for record in caplog.records}
    assert named == set(find_us_tables(tmp_path)) - {"Train_Outpatient"}


def test_a_table_may_lie_there_unpacked_but_not_twice(tmp_path: Path) -> None:
    path = _save_table(tmp_path, "Train", "Outpatient", [_visit("C1", "2009-05-05", "2009-05-05", "P1")])
    zipped = list(read_us_claims(tmp_path))
    zipfile.ZipFile(path).extractall(tmp_path)
    with pytest.raises(UnusableTable, match="a second file for table Train_Outpatient"):
        next(read_us_claims(tmp_path))
    path.unlink()
    assert list(read_us_claims(tmp_path)) == zipped


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"BeneID": "NA"}, "BeneID is missing"),
        ({"Provider": ""}, "Provider is missing"),
        ({"ClaimStartDt": "NA"}, "a date is not of the form"),
        ({"ClaimStartDt": "2009-05-06"}, "ClaimEndDt is before ClaimStartDt"),
        ({"InscClaimAmtReimbursed": "NA"}, "an amount is no number"),
        ({"InscClaimAmtReimbursed": "NaN"}, "an amount is no number"),
        ({"DeductibleAmtPaid": "1.005"}, "an amount has a fraction of a cent"),
    ],
)
def test_a_record_that_cannot_be_mapped_is_named_and_not_quoted(
    tmp_path: Path, wrong: dict[str, str], why: str
) -> None:
    good = _visit("C1", "2009-05-05", "2009-05-05", "P1")
    path = _save_table(tmp_path, "Train", "Outpatient", [good, good | {"ClaimID": "C2"} | wrong])
    events = read_us_claims(tmp_path)
    next(events)
    with pytest.raises(UnusableTable, match=why) as raised:
        next(events)
    assert (raised.value.path, raised.value.record) == (path, 2)
    assert "B1" not in str(raised.value)


def test_a_record_of_the_wrong_length_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Train_Beneficiarydata.csv"
    path.write_text("BeneID,DOB,DOD,Gender\nB1,NA,NA,1\nB2,NA,NA,1,2\n", encoding="utf-8")
    with pytest.raises(UnusableTable, match="record 2: 5 fields, the header has 4"):
        next(read_us_claims(tmp_path))


def test_tables_that_are_none_are_named(tmp_path: Path) -> None:
    path = _save_table(tmp_path, "Train", "Outpatient", [], head=["BeneID", "ClaimID"])
    with pytest.raises(UnusableTable, match="columns missing: ClaimStartDt, ClaimEndDt, Provider"):
        next(read_us_claims(tmp_path))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnusableTable, match="no readable table: BadZipFile"):
        next(read_us_claims(tmp_path))


# --- The two rules, on invented tables and on the set ----------------------------------------------------------


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


def _pair_of(finding: Finding) -> Pair:
    """A finding in the words of the independent query."""
    guilty = frozenset(billed_lines(part.part for part in finding.guilty))
    involved = frozenset(billed_lines(finding.involved))
    in_question = finding.amounts.in_question
    return Pair(finding.occurrence, int(finding.value), finding.institution, guilty, involved, in_question)


def _stays_and_visits(folder: Path) -> None:
    """Stays and visits of one person, at the edges of what the two rules read."""
    stays = [
        _stay("S1", "2009-03-01", "2009-03-10", "P1"),
        _stay("S2", "2009-03-09", "2009-03-12", "P2", "100.03"),  # shares the 9th and 10th with S1
        _stay("S3", "2009-03-12", "2009-03-15", "P3"),  # a transfer from S2
        _stay("S4", "2009-03-13", "2009-03-14", "P1", "0"),  # not reimbursed
        _stay("S5", "2009-03-15", "2009-03-15", "P1"),  # begins and ends on the day on which S3 ends
        _stay("S6", "2009-03-14", "2009-03-14", "P4", "100", DeductibleAmtPaid="NA"),  # a day inside S3
        _stay("S7", "2009-04-01", "2009-04-02", "P5"),
        _stay("S8", "2009-04-01", "2009-04-02", "P4"),  # the same two days: S7's provider is the greater
        _stay("S9", "2009-05-01", "2009-05-04", "P1"),
        _stay("S10", "2009-05-02", "2009-05-06", "P2") | {"ClaimEndDt": "2009-05-03"},  # bills less than it lasts
        _stay("S11", "2009-06-01", "2009-06-05", "P1"),
        _stay("S12", "2009-06-05", "2009-06-08", "P2") | {"ClaimStartDt": "2009-06-03"},  # a transfer that bills before
    ]
    visits = [
        _visit("V1", "2009-03-01", "2009-03-01", "P2"),  # the day of admission
        _visit("V2", "2009-03-10", "2009-03-10", "P3"),  # the day of S1's discharge, inside S2
        _visit("V3", "2009-03-13", "2009-03-13", "P3"),  # the same house
        _visit("V4", "2009-03-05", "2009-03-05", "P4", "0"),  # not reimbursed
        _visit("V5", "2009-03-14", "2009-03-20", "P5"),  # on the 14th inside S3
    ]
    _save_table(folder, "Train", "Inpatient", stays)
    _save_table(folder, "Test", "Outpatient", visits)


def test_the_engine_finds_in_invented_tables_what_the_independent_query_finds(
    tmp_path: Path, rule_set: RuleSet
) -> None:
    _stays_and_visits(tmp_path)
    pairs, open_stays = independent_pairs(tmp_path), independent_open_stays(tmp_path)
    assert {(occurrence[2], occurrence[4]): pair.later for occurrence, pair in pairs.items()} == {
        ("S1", "S2"): "P2",
        ("S3", "S6"): "P4",
        ("S8", "S7"): "P5",
        ("S9", "S10"): "P2",
    }
    assert [pairs["B1", "P1", "S1", "P2", "S2"].in_question, pairs["B1", "P1", "S9", "P2", "S10"].in_question] == [
        50,
        100,
    ]
    assert {claim for _, _, claim in open_stays} == {"S2", "S3", "S11"}
    assert list(independent_figures(tmp_path).values()) == [4, 8, 7, 1, 3, 11, 7, 4, 0, 4, 3, 2, 5, 1, 1]
    (judged,) = judgements(read_us_claims(tmp_path), rule_set).values()
    found = [finding for finding in judged.findings if finding.maker_id == TWO_STAYS]
    assert {finding.occurrence: _pair_of(finding) for finding in found} == pairs
    assert ELSEWHERE not in {finding.maker_id for finding in judged.findings}
    assert {gap.occurrence for gap in judged.not_evaluated if ELSEWHERE in gap.rules} == open_stays


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "provider-fraud"


@pytest.fixture(scope="module")
def events(folder: Path) -> list[Event]:
    """All of the set's events; a collector that walks them again and again takes two fifths of the time."""
    with collector_kept_off():
        return list(read_us_claims(folder))


def test_claims_and_money_in_equal_claims_and_money_in_the_events(folder: Path, events: list[Event]) -> None:
    totals: dict[str, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0), 0])
    for event in events:
        if isinstance(event, Claim) and event.paid is not None:
            fund, own = Decimal(event.paid.pooled_fund), Decimal(event.paid.own)
            assert sum(Decimal(line.amount) for line in event.lines) == fund + own
            kind = "In" if event.visit_type == "21" else "Out"
            total = totals[f"{event.sender.removeprefix('us:').title()}_{kind}patient"]
            for place, value in enumerate((1, fund, own, len(event.lines))):
                total[place] += value
    with _raw(folder) as raw:
        expected = {source: list(sums) for source, *sums in raw.execute(_TOTALS).fetchall()}
    assert dict(totals) == expected
    for source, (claims, reimbursed, deductible, lines) in sorted(expected.items()):
        _assert_documented(f"| {source} | {claims:,} | {reimbursed:,} | {deductible:,} | {lines:,} |")


def test_deaths_are_those_of_the_beneficiary_tables(folder: Path, events: list[Event]) -> None:
    deaths = [event for event in events if isinstance(event, PatientStatus)]
    with TemporaryDirectory() as unpacked, duckdb.connect() as raw:
        for archive in folder.glob("*Beneficiarydata*.zip"):
            zipfile.ZipFile(archive).extractall(unpacked)
        query = "SELECT BeneID, DOD::DATE FROM read_csv(?, all_varchar = true) WHERE DOD <> 'NA'"
        expected = raw.execute(query, [f"{unpacked}/*.csv"]).fetchall()
    assert sorted((death.patient, death.died_on) for death in deaths) == sorted(expected)
    assert len({event.event_id for event in events}) == len(events)


def test_no_paid_line_is_too_small_to_be_counted(events: list[Event]) -> None:
    """A claim of fewer cents than days would have days without money, which the independent query would count."""
    paid = [
        event for event in events if isinstance(event, Claim) and event.paid and Decimal(event.paid.pooled_fund) > 0
    ]
    assert paid
    assert all(Decimal(line.amount) > 0 for claim in paid for line in claim.lines)


def test_nobody_in_the_set_was_just_born(events: list[Event]) -> None:
    """The independent query knows nothing of newborns under their mother's number."""
    born = [
        day_of(claim.admitted_at) - claim.birth_date.toordinal()
        for claim in events
        if isinstance(claim, Claim) and claim.admitted_at and claim.birth_date
    ]
    assert min(born) > 28


def test_the_documented_figures_are_those_of_the_set(folder: Path) -> None:
    for name, value in independent_figures(folder).items():
        _assert_documented(f"| {name} | {value:,} |")


async def test_stored_findings_are_those_of_the_independent_query(
    postgres_url: str, folder: Path, events: list[Event]
) -> None:
    """Through bus, worker and store."""
    await replay(postgres_url, events)
    connection = await connect(postgres_url)
    try:
        rows = await overview.find_findings(connection, None, None, "", 1_000_000, withdrawn=False, sight=EVERYTHING)
        account = await reconcile(connection)
        gaps = await connection.fetch("select occurrence, reason from not_evaluated where $1 = any(rules)", ELSEWHERE)
        blind = await connection.fetchval(
            "select count(*) from not_evaluated where reason = 'lines.item_code missing' and 'FW10000001' = any(rules)"
        )
    finally:
        await connection.close()

    assert {row.finding.maker_id for row in rows} == {TWO_STAYS}
    pairs = {row.finding.occurrence: _pair_of(row.finding) for row in rows}
    assert pairs == independent_pairs(folder)
    assert {gap["reason"] for gap in gaps} == {"item_kind missing"}
    assert {tuple(gap["occurrence"]) for gap in gaps} == independent_open_stays(folder)
    assert account.lost == 0
    assert account.money_differs == 0
    assert blind > 0
    in_question = sum(pair.in_question for pair in pairs.values())
    _assert_documented(f"| money in dispute by FW10000006 | {in_question:,.2f} |")
    print(f"\n{len(pairs)} pairs, {account.received} messages, {blind} encounters without item codes")


def _assert_documented(row: str) -> None:
    print(row)
    assert row in (ROOT / "docs" / "us-claims.md").read_text(encoding="utf-8")
