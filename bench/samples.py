"""Samples: the claims that benchmarks work on, seeded, so that every run sees the same ones."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle, islice

from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.days import day_of
from knowledge_base.events.claims import Claim, ClaimLine

LINES = 10
_PERSON = "bench-patient"
_COUNTY = CountyPlan(scale=1 / 500)


def claim_of_ten_lines() -> bytes:
    """A stay with ten lines as a hospital sends it, without fields that say nothing: 2.6 KB of JSON."""
    line = {
        "item_name": "血常规五分类检测",
        "item_kind": "service",
        "quantity": "2.5",
        "unit_price": "38.50",
        "amount": "96.25",
        "in_fund_scope": "96.25",
        "at": "2026-03-01T08:15:00+08:00",
    }
    claim = {
        "event_id": "H42028100001:202603050001",
        "area": "420281",
        "kind": "claim",
        "happened_at": "2026-03-05T10:00:00+08:00",
        "sender": "H42028100001",
        "claim_id": "202603050001",
        "encounter_id": "V202603010007",
        "patient": _PERSON,
        "institution": "H42028100001",
        "visit_type": "21",
        "settled_at": "2026-03-05T10:00:00+08:00",
        "admitted_at": "2026-03-01T08:00:00+08:00",
        "discharged_at": "2026-03-05T09:30:00+08:00",
        "sex": "1",
        "birth_date": "1960-01-01",
        "payment_method": "item",
        "diagnoses": [{"code": "I10.x00", "name": "原发性高血压", "main": True}],
        "operations": [],
        "paid": {"pooled_fund": "700.00", "own": "262.50"},
        "lines": [
            {"line_id": f"L{number:04}", "item_code": f"0025020{number:02}010000", **line} for number in range(LINES)
        ],
    }
    return json.dumps(claim, ensure_ascii=False, separators=(",", ":")).encode()


def people_with_history(people: int, earlier: int, near: int | None = None) -> list[list[Claim]]:
    """People with ``earlier`` claims on as many days before a newest one, last in the list, each of ten lines.

    The lines are those of a simulated county, with its items and habits: as many settlements of one kind of visit as
    it takes become one claim of ten lines, stays are cut to theirs. Each list is given to one person and moved by whole
    days to lie a day apart; all but the newest and ``near`` others two years earlier. Where the county ends it begins
    again.
    """
    claims = cycle(_claims_of_ten_lines())
    return [
        _of_one_person(f"{_PERSON}-{number}", list(islice(claims, earlier + 1)), earlier if near is None else near)
        for number in range(people)
    ]


def _claims_of_ten_lines() -> Iterator[Claim]:
    """Claims of ten lines; the lines of earlier settlements move to the first moment of the last one."""
    gathered: dict[str, list[ClaimLine]] = defaultdict(list)
    for event in simulate(_COUNTY):
        if not isinstance(event, Claim) or event.reverses or event.corrects:
            continue
        lines = gathered[event.visit_type]
        lines += event.lines
        if len(lines) >= LINES:
            start = min(line.at for line in event.lines)
            numbered = enumerate(lines[:LINES])
            yield replace(
                event, lines=tuple(replace(line, line_id=f"L{n}", at=max(line.at, start)) for n, line in numbered)
            )
            lines.clear()


def _of_one_person(person: str, claims: list[Claim], near: int) -> list[Claim]:
    newest_day = max(day_of(claim.settled_at) for claim in claims)
    days = [newest_day - ago - (0 if ago <= near else timedelta(days=730).days) for ago in reversed(range(len(claims)))]
    return [
        moved(claim, timedelta(days=day - day_of(claim.settled_at)), person, f"{person}-{day}")
        for claim, day in zip(claims, days, strict=True)
    ]


def moved(claim: Claim, days: timedelta, person: str, name: str) -> Claim:
    """A claim so many days later, as a settlement of its own of the one person."""
    return replace(
        claim,
        event_id=name,
        claim_id=name,
        encounter_id=name,
        patient=person,
        happened_at=claim.happened_at + days,
        settled_at=claim.settled_at + days,
        admitted_at=claim.admitted_at and claim.admitted_at + days,
        discharged_at=claim.discharged_at and claim.discharged_at + days,
        lines=tuple(replace(line, at=line.at + days) for line in claim.lines),
    )
