"""The evidence of a finding: which claims stand, which lines bear which mark, and the drawing of the days around it."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import asyncpg
import pytest
import zstandard
from msgspec.structs import replace

from api.frame.texts import load_texts
from api.leads.evidence import line_keys, marked_claims, sources_of
from api.leads.timeline import LABELS, WIDTH, Timeline, timeline_of
from knowledge_base.events.claims import Claim
from knowledge_base.findings import Finding
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_set import RuleSet
from streams.messages.kinds import digest_of
from streams.store.events.evidence import decode_received, find_person_events, load_claims
from tests.api.story import AREA, COUNTY, NAMES, county, judged, reversal_of, save_claims
from tests.streams import bad_messages
from tests.streams.bad_messages import OLD_SPELLINGS, SPELLINGS


def _of(patient: str) -> list[Claim]:
    return [claim for claim in county() if claim.patient == patient]


def _history(claims: Sequence[Claim]) -> PatientHistory:
    return PatientHistory(Subject(PATIENT, claims[0].patient), map(digest_of, claims), ())


@pytest.fixture
def long_stay(rule_set: RuleSet) -> tuple[Finding, Claim]:
    """A stay of 5 days with 6 bed days and 4 lines of something else."""
    (claim,) = _of("demo-p-0002")[:1]
    (finding,) = judged([replace(claim)], rule_set)["demo-p-0002"].findings
    return finding, claim


def test_lines_bear_the_marks_of_the_finding(long_stay: tuple[Finding, Claim]) -> None:
    finding, claim = long_stay
    (marked,), missing = marked_claims(finding, _history([claim]), [claim])
    assert (len(marked.guilty.lines), len(marked.involved.lines), missing) == (1, len(finding.involved), 0)
    (guilty,) = marked.guilty.lines
    assert guilty.disputed is not None
    assert guilty.disputed.in_question == Decimal(30)
    assert len(marked.others.lines) == 4
    assert marked.others.amount == Decimal(72)
    assert [line.day for line in marked.involved.lines] == sorted(line.day for line in marked.involved.lines)


def test_of_two_claims_with_one_line_the_later_bears_the_mark(long_stay: tuple[Finding, Claim]) -> None:
    finding, claim = long_stay
    later = replace(claim, event_id="sim:later", claim_id="later", happened_at=claim.happened_at + timedelta(hours=1))
    first, second = marked_claims(finding, _history([later, claim]), [later, claim])[0]
    of_each = [len(one.guilty.lines) + len(one.involved.lines) for one in (first, second)]
    assert of_each == [len(line_keys(finding)), 0], "what is in dispute comes first"
    bearer = first
    assert bearer.claim.claim_id == "later"


def test_lines_that_no_claim_holds_are_counted(long_stay: tuple[Finding, Claim]) -> None:
    finding, claim = long_stay
    assert marked_claims(finding, _history([claim]), []) == ([], len(line_keys(finding)))


async def test_claims_are_read_as_received_and_fallen_ones_counted(
    connection: asyncpg.Connection, long_stay: tuple[Finding, Claim]
) -> None:
    finding, claim = long_stay
    mistaken = replace(claim, event_id="sim:m", claim_id="m", lines=claim.lines[:1])
    await save_claims(connection, [mistaken, reversal_of(mistaken), claim])
    events = await find_person_events(connection, AREA, claim.patient)
    sources = sources_of(finding, PatientHistory(Subject(PATIENT, claim.patient), events.values(), ()), events)
    assert sources.fallen == 2
    assert await load_claims(connection, AREA, sources.seqs) == [claim]


@pytest.mark.parametrize(("spelled", "meant"), (SPELLINGS | OLD_SPELLINGS).items())
def test_claims_are_read_in_every_spelling_that_a_door_ever_took(spelled: object, meant: str) -> None:
    body = bad_messages.claim(1)
    body["lines"][0]["quantity"] = spelled
    received = decode_received(zstandard.compress(json.dumps(body).encode()))
    assert Decimal(received.lines[0].quantity) == Decimal(meant)


async def test_events_of_every_pseudonym_of_a_person_are_found(connection: asyncpg.Connection) -> None:
    one, other = _of("demo-p-0002")[0], _of("demo-p-0003")[0]
    await save_claims(connection, [one, other])
    assert len(await find_person_events(connection, AREA, "demo-p-0002")) == 1
    await connection.executemany(
        "insert into persons (area, patient, person, seq) values ($1, $2, 'demo-p-0002', 1)",
        [(AREA, "demo-p-0002"), (AREA, "demo-p-0003")],
    )
    assert len(await find_person_events(connection, AREA, "demo-p-0003")) == 2


def _timeline(claims: Sequence[Claim], finding: Finding) -> Timeline:
    return timeline_of(finding, _history(claims), NAMES, load_texts("zh"))


def test_timeline_draws_stay_visit_and_dispute(rule_set: RuleSet) -> None:
    claims = _of("demo-p-0050")
    (finding,) = judged(claims, rule_set)["demo-p-0050"].findings
    drawing = _timeline(claims, finding)
    marks = {mark.kind: mark for mark in drawing.marks}
    assert set(marks) == {"stay", "visit", "guilty"}
    assert "2026-03-10 至 2026-03-16" in marks["stay"].words
    assert "2026-03-13" in marks["guilty"].words
    assert marks["stay"].x < marks["guilty"].x < marks["stay"].x + marks["stay"].width
    assert marks["stay"].y == marks["guilty"].y != marks["visit"].y
    assert {row.name for row in drawing.rows} == set(NAMES.values())


def test_timeline_stays_within_its_frame_and_counts_what_it_leaves_out(long_stay: tuple[Finding, Claim]) -> None:
    finding, claim = long_stay
    day = date(2024, 1, 1)
    early = replace(
        claim, event_id="sim:e", claim_id="e", encounter_id="e", admitted_at=None, visit_type="11", lines=()
    )
    early = replace(early, settled_at=early.settled_at.replace(year=day.year))
    drawing = _timeline([claim, early], finding)
    assert drawing.outside == 1
    assert all(mark.x >= LABELS and mark.x + mark.width <= WIDTH + 1 for mark in drawing.marks)
    assert all(LABELS <= tick.x <= WIDTH - 30 for tick in drawing.grid)
    assert all(one.x < other.x for one, other in pairwise(drawing.grid))
    assert {row.name for row in drawing.rows} == {NAMES[COUNTY]}
