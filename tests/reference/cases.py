"""Small words for cases written by hand: a dozen points, lines, visits and stays of the year 2026, China time."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from knowledge_base.catalogues.rows import (
    AnyRow,
    BedItem,
    Course,
    DailyCap,
    DialysisItem,
    HospitalOnly,
    PairOfADay,
    PairOfAVisit,
    PairOfHours,
    PairOfTheSameHour,
    Period,
    SexLimit,
)
from knowledge_base.events.claims import Claim, ClaimLine, Diagnosis, Operation, Paid
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.facts import Point
from knowledge_base.findings import Occurrence

from .judge import Expected, reference_findings
from .spelling import spelled

BED, INTENSIVE_BED = "001109000010000", "001109000030000"
NURSING, MONITORING = "001201000030000", "003107010220000"
WARD_WATCH, CONSULTATION = "001103000010000", "001102000030000"
WIDE_RESECTION, RESECTION = "003303000120000", "003303000080000"
DELIVERY, HEART_OF_THE_UNBORN = "003314000020000", "003112010260000"
COLD_PRESSOR, PRESSURE = "003102070040000", "003107010210000"
PREGNANCY_TEST, PROSTATE_DRUG = "002501020210000", "XG04CBA088A001010101467"
INFUSION, EMERGENCY_INFUSION = "XB05BAF145B002010100269", "XB05BAF145B002010100309"
HBA1C = "002503020030000"
OZAGREL, OZAGREL_OF_ANOTHER_MAKER = "XB01AXA223B002010100156", "XB01AXA223B002010101157"
PEPTIDE = "XC01EBC109B001010102049"
DIALYSIS = "003110000060000"
PLAIN = "002501010010000"

FIRST_DAY = date(2026, 1, 1)


def point(catalogue: str, row: AnyRow, valid_from: date = FIRST_DAY, valid_to: date | None = None) -> Point:
    last = valid_to.toordinal() if valid_to else None
    first = valid_from.toordinal()
    return Point(catalogue, row, row.codes, row.name, first, last, first, "made for the cases", True)


POINTS = (
    point("bed_items", BedItem(name="bed", codes=(BED,))),
    point("bed_items", BedItem(name="intensive bed", codes=(INTENSIVE_BED,))),
    point("daily_caps", DailyCap(name="nursing", codes=(NURSING,), limit=Decimal(1), unit="日")),
    point("daily_caps", DailyCap(name="monitoring", codes=(MONITORING,), limit=Decimal(24), unit="小时")),
    point(
        "pairs_of_a_day", PairOfADay(name="watch", codes=(WARD_WATCH,), included={CONSULTATION: "consultation"}, why="")
    ),
    point("pairs_of_a_visit", PairOfAVisit(name="wide", codes=(WIDE_RESECTION,), included={RESECTION: "part"}, why="")),
    point(
        "pairs_of_hours",
        PairOfHours(name="delivery", codes=(DELIVERY,), included={HEART_OF_THE_UNBORN: "heart"}, why="", hours=6),
    ),
    point(
        "pairs_of_the_same_hour",
        PairOfTheSameHour(name="cold pressor", codes=(COLD_PRESSOR,), included={PRESSURE: "pressure"}, why=""),
    ),
    point("sex_of_services", SexLimit(name="pregnancy test", codes=(PREGNANCY_TEST,), sex="2")),
    point("sex_of_drugs", SexLimit(name="prostate drug", codes=(PROSTATE_DRUG,), sex="1")),
    point("drugs_only_in_hospital", HospitalOnly(name="infusion", codes=(INFUSION,))),
    point("drugs_only_in_hospital", HospitalOnly(name="infusion", codes=(EMERGENCY_INFUSION,), emergency=True)),
    point("periods", Period(name="HbA1c", codes=(HBA1C,), count=Decimal(1), days=15)),
    point("courses", Course(name="ozagrel", codes=(OZAGREL, OZAGREL_OF_ANOTHER_MAKER), days=14)),
    point("courses", Course(name="peptide", codes=(PEPTIDE,), days=3, per_stay=True)),
    point("dialysis_items", DialysisItem(name="dialysis", codes=(DIALYSIS,))),
)


def at(day: str, clock: str = "12:00") -> datetime:
    """The instant of "MM-DD" 2026 (or "YYYY-MM-DD") at a China time, given in UTC."""
    full = day if len(day) == 10 else f"2026-{day}"
    return datetime.fromisoformat(f"{full}T{clock}+08:00").astimezone(UTC)


def line(line_id: str, code: str | None, day: str, quantity: str = "1", **fields: Any) -> ClaimLine:
    """A line of 100 yuan at noon, all of it in the fund's scope unless told."""
    clock = fields.pop("clock", "12:00")
    told = {"amount": Decimal(100), "in_fund_scope": Decimal(100), "item_kind": "service", **fields}
    return ClaimLine(line_id=line_id, quantity=Decimal(quantity), at=at(day, clock), item_code=code, **told)


def visit(name: str, *lines: ClaimLine, **fields: Any) -> Claim:
    """An outpatient claim of a man at institution A, paid by item, half of it by the fund.

    It is settled when it happened, on 06-30 unless told.
    """
    settled_at = fields.pop("settled_at", fields.get("happened_at", at("06-30")))
    told: dict[str, Any] = {
        "event_id": f"event-{name}",
        "encounter_id": f"visit-{name}",
        "institution": "A",
        "patient": "p1",
        "visit_type": "11",
        "happened_at": settled_at,
        "sex": "1",
        "payment_method": "item",
        "diagnoses": (),
        "operations": (),
        "paid": Paid(pooled_fund=Decimal(50) * max(1, len(lines))),
        **fields,
    }
    return spelled(
        Claim(area="420281", kind="claim", sender="s", claim_id=name, settled_at=settled_at, lines=tuple(lines), **told)
    )


def stay(name: str, first: str, last: str | None, *lines: ClaimLine, **fields: Any) -> Claim:
    """An inpatient claim from noon to noon; ``last`` may be absent."""
    left = at(last) if last else None
    return visit(name, *lines, **{"visit_type": "21", "admitted_at": at(first), "discharged_at": left, **fields})


def status(name: str, day: str, change: Any, **fields: Any) -> PatientStatus:
    told = {"patient": "p1", **fields}
    return PatientStatus(f"event-{name}", "420281", "patient_status", at(day), "s", change=change, **told)


def operation(day: str | None) -> Operation:
    return Operation("06.4x00", at=at(day) if day else None)


def diagnosis(code: str, name: str | None = None) -> tuple[Diagnosis, ...]:
    return (Diagnosis(code, name),)


def hits(rule_id: str, *events: Event, points: Iterable[Point] = POINTS) -> dict[Occurrence, Expected]:
    """The findings of one rule, by occurrence."""
    found = reference_findings(events, points)
    return {occurrence: expected for (rule, occurrence), expected in found.items() if rule == rule_id}


def only(rule_id: str, *events: Event, points: Iterable[Point] = POINTS) -> Expected:
    """The one finding of a rule."""
    (expected,) = hits(rule_id, *events, points=points).values()
    return expected


def ids(keys: Iterable[tuple[str, str, str]]) -> set[str]:
    """The line ids of line keys."""
    return {line_id for _, _, line_id in keys}
