"""The US set as events, held against the raw tables: by invented tables, and by the set itself where it is there.

``independent_places`` and ``independent_figures`` are SQL over the raw CSV files and use no code of ours; the
definitions are in docs/us-claims.md. See the figures with ``pytest -s``.
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
from typing import Any

import duckdb
import pytest

from knowledge_base.days import as_date, day_of
from knowledge_base.events.claims import Claim, Diagnosis, Operation
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from streams.hosts.garbage import collector_kept_off
from streams.importers import UnusableTable
from streams.importers.us_claims import find_us_tables, read_us_claims
from streams.jobs.reconciling import reconcile
from streams.store.operation import overview
from streams.store.sessions import connect

from .replay import replay

ROOT = Path(__file__).parents[2]
ELSEWHERE = "FW10000004"

Place = tuple[str, str, str, date]
"""(BeneID, ClaimID of the stay, the other Provider, the day).

One occurrence of FW10000004, whose words are: person, institution of the stay, encounter, other institution, day.
"""


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
_PAID = "CREATE VIEW paid AS SELECT * FROM claims WHERE reimbursed > 0"

_PLACES = """
    SELECT DISTINCT stay.bene, stay.claim, other.provider, unnest(generate_series(
        greatest(stay.admitted + 1, other.first_day), least(stay.discharged - 1, other.last_day), INTERVAL 1 DAY
    ))::DATE
    FROM paid AS stay JOIN paid AS other ON other.bene = stay.bene AND other.provider <> stay.provider
    WHERE stay.admitted IS NOT NULL
"""

# For each pair of two providers of one beneficiary: did one bill on a day strictly inside the other's stay, or
# do they only share a day? An outpatient claim has no stay; greatest and least would pass over its NULLs.
_PAIRS = """
    WITH pairs AS (
        SELECT b.admitted IS NOT NULL AS both_stays, b.first_day < b.last_day AS spread,
               greatest(a.admitted + 1, b.first_day) <= least(a.discharged - 1, b.last_day)
               OR (b.admitted IS NOT NULL
                   AND greatest(b.admitted + 1, a.first_day) <= least(b.discharged - 1, a.last_day)) AS overlapping,
               greatest(a.admitted, coalesce(b.admitted, b.first_day))
               <= least(a.discharged, coalesce(b.discharged, b.last_day)) AS sharing,
               least(a.reimbursed, b.reimbursed) > 0 AS in_fund
        FROM claims AS a JOIN claims AS b ON a.bene = b.bene AND a.provider <> b.provider
        WHERE a.admitted IS NOT NULL AND (b.admitted IS NULL OR a.claim < b.claim)
    )
    SELECT count(*) FILTER (in_fund AND both_stays AND overlapping),
           count(*) FILTER (in_fund AND both_stays AND sharing AND NOT overlapping),
           count(*) FILTER (in_fund AND NOT both_stays AND overlapping),
           count(*) FILTER (in_fund AND NOT both_stays AND overlapping AND spread),
           count(*) FILTER (in_fund AND NOT both_stays AND sharing AND NOT overlapping),
           count(*) FILTER (NOT in_fund AND overlapping)
    FROM pairs
"""

# Outpatient claims have no days of service between their first and last; the reader's line a day assumes them.
_ASSUMED = f"""
    SELECT count(*) FROM ({_PLACES}) AS place(bene, claim, provider, day) WHERE NOT EXISTS (
        FROM paid WHERE paid.bene = place.bene AND paid.provider = place.provider
        AND (day IN (first_day, last_day) OR (admitted IS NOT NULL AND day BETWEEN first_day AND last_day))
    )
"""

_TOTALS = """
    SELECT source, count(*), sum(reimbursed), coalesce(sum(deductible), 0),
           sum(last_day - first_day + 1)::BIGINT
    FROM claims GROUP BY source
"""


@contextmanager
def _raw(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the table ``claims`` and the view ``paid`` over all raw claim files of a folder."""
    with TemporaryDirectory() as unpacked, duckdb.connect(config={"threads": 1}) as raw:
        for archive in folder.glob("T*data*.csv.zip"):
            zipfile.ZipFile(archive).extractall(unpacked)
        raw.execute(_CLAIMS, [[str(path) for path in sorted(Path(unpacked).glob("*patientdata*.csv"))]])
        raw.execute(_PAID)
        yield raw


def independent_places(folder: Path) -> set[Place]:
    """What FW10000004 has to find in the set, by SQL over the raw files alone."""
    with _raw(folder) as raw:
        return set(raw.execute(_PLACES).fetchall())


def independent_figures(folder: Path) -> dict[str, int]:
    """The pairs of claims behind the places, each kind apart, and what the places add up to."""
    with _raw(folder) as raw:
        pairs = raw.execute(_PAIRS).fetchall()[0]
        places = raw.execute(_PLACES).fetchall()
        assumed = raw.execute(_ASSUMED).fetchall()[0][0]
        unknown = raw.execute("SELECT count(*) FROM claims WHERE deductible IS NULL").fetchall()[0][0]
    return {
        "inpatient with inpatient, overlapping": pairs[0],
        "inpatient with inpatient, touching": pairs[1],
        "inpatient with outpatient, overlapping": pairs[2],
        "of these, the outpatient claim runs over several days": pairs[3],
        "inpatient with outpatient, touching": pairs[4],
        "overlapping, but one of the two was not reimbursed": pairs[5],
        "places (findings expected of FW10000004)": len(places),
        "of these, only inside an outpatient claim of several days": assumed,
        "stays with a place": len({claim for _, claim, _, _ in places}),
        "beneficiaries with a place": len({bene for bene, _, _, _ in places}),
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
    assert claim.diagnoses == (Diagnosis("0389", main=True), Diagnosis("V420"))
    assert claim.operations == (Operation("66"),)
    assert claim.paid is not None
    assert (claim.paid.pooled_fund, claim.paid.own) == ("100.01", "1068.00")
    assert [line.line_id for line in claim.lines] == ["1", "2", "3"]
    assert [line.at for line in claim.lines] == [_noon("2009-02-27"), _noon("2009-02-28"), _noon("2009-03-01")]
    assert [line.amount for line in claim.lines] == ["389.33", "389.33", "389.35"]
    assert all(line.in_fund_scope == line.amount and line.item_code is None for line in claim.lines)


def test_an_outpatient_claim_leaves_unknown_what_its_table_does_not_say(tmp_path: Path) -> None:
    row = _visit("C1", "2009-05-05", "2009-05-05", "P1", "0", DeductibleAmtPaid="NA", ClmDiagnosisCode_1="")
    _save_table(tmp_path, "Test", "Outpatient", [row])
    claim = _only_claim(tmp_path)
    assert (claim.event_id, claim.visit_type, claim.payment_method) == ("us:test:C1", "11", "item")
    unknown = (claim.sex, claim.birth_date, claim.admitted_at, claim.discharged_at, claim.practitioner)
    assert unknown == (None,) * 5
    assert claim.diagnoses is None
    assert claim.operations is None
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


# --- Places, on invented tables and on the set ----------------------------------------------------------------


def _places_in(events: Iterator[Event]) -> set[Place]:
    """Rule 7 of docs/what-counts.md in plain loops over the events of this set (no merges, flags or item codes)."""
    claims: dict[str, list[Claim]] = defaultdict(list)
    for event in events:
        if isinstance(event, Claim) and event.paid is not None and Decimal(event.paid.pooled_fund) > 0:
            claims[event.patient].append(event)
    found: set[Place] = set()
    for same_patient in claims.values():
        for stay in same_patient:
            if stay.visit_type != "21" or stay.admitted_at is None or stay.discharged_at is None:
                continue
            inside = range(day_of(stay.admitted_at) + 1, day_of(stay.discharged_at))
            for other in same_patient:
                if other.institution != stay.institution:
                    found |= {
                        (stay.patient, stay.encounter_id, other.institution, as_date(day))
                        for day in (day_of(line.at) for line in other.lines if Decimal(line.in_fund_scope or 0))
                        if day in inside
                    }
    return found


def test_places_lie_strictly_inside_a_stay(tmp_path: Path) -> None:
    stays = [
        _stay("S1", "2009-03-01", "2009-03-10", "P1"),
        _stay("S2", "2009-03-09", "2009-03-12", "P2"),  # overlaps S1 on the 9th and, seen from S2, on the 10th
        _stay("S3", "2009-03-12", "2009-03-15", "P3"),  # a transfer: touches S2
        _stay("S4", "2009-03-13", "2009-03-14", "P1", "0"),  # not reimbursed
    ]
    visits = [
        _visit("V1", "2009-03-01", "2009-03-02", "P2"),  # the day of admission, and the next
        _visit("V2", "2009-03-10", "2009-03-10", "P2"),  # the day of discharge: touches S1; its own house in S2
        _visit("V3", "2009-03-05", "2009-03-05", "P1"),  # the same house
        _visit("V4", "2009-03-05", "2009-03-05", "P4", "0"),  # not reimbursed
        _visit("V5", "2009-03-03", "2009-03-05", "P5"),  # three days, of which the 4th is assumed
    ]
    _save_table(tmp_path, "Train", "Inpatient", stays)
    _save_table(tmp_path, "Test", "Outpatient", visits)
    places = independent_places(tmp_path)
    assert {(claim, provider, day.day) for _, claim, provider, day in places} == {
        ("S1", "P2", 2),
        ("S1", "P5", 3),
        ("S1", "P5", 4),
        ("S1", "P5", 5),
        ("S1", "P2", 9),
        ("S2", "P1", 10),
    }
    assert _places_in(read_us_claims(tmp_path)) == places
    figures = list(independent_figures(tmp_path).values())
    assert figures == [1, 1, 2, 2, 1, 2, 6, 1, 2, 1, 0]


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


def test_the_events_lead_to_the_places_of_the_independent_query(folder: Path, events: list[Event]) -> None:
    places = independent_places(folder)
    assert places
    assert _places_in(iter(events)) == places


def test_the_documented_figures_are_those_of_the_set(folder: Path) -> None:
    for name, value in independent_figures(folder).items():
        _assert_documented(f"| {name} | {value:,} |")


async def test_stored_findings_are_the_places_of_the_independent_query(
    postgres_url: str, folder: Path, events: list[Event]
) -> None:
    """Through bus, worker and store."""
    await replay(postgres_url, events)
    connection = await connect(postgres_url)
    try:
        rows = await overview.find_findings(connection, None, None, "", 1_000_000, withdrawn=False)
        account = await reconcile(connection)
        blind = await connection.fetchval(
            "select count(*) from not_evaluated where reason = 'lines.item_code missing' and 'FW10000001' = any(rules)"
        )
    finally:
        await connection.close()

    found = {(o[0], o[2], o[3], date.fromisoformat(o[4])) for row in rows for o in [row.finding.occurrence]}
    assert {row.finding.maker_id for row in rows} == {ELSEWHERE}
    assert len(found) == len(rows)
    assert found == independent_places(folder)
    assert account.lost == 0
    assert account.money_differs == 0
    assert blind > 0
    print(f"\n{len(found)} places, {account.received} messages, {blind} encounters without item codes")


def _assert_documented(row: str) -> None:
    print(row)
    assert row in (ROOT / "docs" / "us-claims.md").read_text(encoding="utf-8")
