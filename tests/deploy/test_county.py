"""The simulated county: the same for the same seed, of the right size, consistent, and with its truth beside it."""

import ast
import csv
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import msgspec
import pytest

from deploy.county import CountyPlan, simulate, write_county
from deploy.county.acts import padding
from deploy.county.acts.scoring import FoundLines, load_truth, score, wilson, write_table
from deploy.county.care import prices
from deploy.county.care.institutions import Habit, found_institutions
from deploy.county.care.prices import Item
from deploy.county.truth import Act, Kind, LineKey, plant
from knowledge_base.codes import is_item_code
from knowledge_base.days import as_date, day_of
from knowledge_base.dictionaries import INPATIENT_VISITS, VISIT_TYPES
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from streams.messages.numbers import with_decimals
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FUNDWATCH_SHARED", ROOT.parent / "shared"))
SMALL = CountyPlan(scale=1 / 500)
TINY = CountyPlan(scale=1 / 4000, seed=7)


@dataclass(frozen=True)
class Written:
    """A county as its files tell it."""

    rows: list[bytes]
    acts: list[Act]

    @cached_property
    def events(self) -> list[Event]:
        return [decode(row) for row in self.rows]

    @cached_property
    def claims(self) -> list[Claim]:
        return [event for event in self.events if isinstance(event, Claim)]

    @cached_property
    def lines(self) -> dict[LineKey, ClaimLine]:
        return {key_of(claim, line): line for claim in self.claims for line in claim.lines}

    def acts_of(self, kind: Kind) -> list[Act]:
        return [act for act in self.acts if act.kind is kind]


def decode(row: bytes) -> Event:
    kind = msgspec.json.decode(row)["kind"]
    return msgspec.json.decode(row, type={"claim": Claim, "patient_status": PatientStatus}[kind])


def key_of(claim: Claim, line: ClaimLine) -> LineKey:
    return claim.institution, claim.encounter_id, line.line_id


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("county")
    claims, truth = folder / "claims.jsonl", folder / "truth.jsonl"
    written = write_county(SMALL, claims, truth)
    rows = claims.read_bytes().splitlines()
    assert written == len(rows)
    return Written(rows, load_truth(truth))


def test_same_plan_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    def run(hash_seed: str, seed: int) -> tuple[bytes, bytes]:
        claims, truth = tmp_path / f"{hash_seed}-{seed}.jsonl", tmp_path / f"{hash_seed}-{seed}-truth.jsonl"
        program = (
            "import sys; from pathlib import Path; from deploy.county import CountyPlan, write_county;"
            "write_county(CountyPlan(scale=1/4000, seed=int(sys.argv[3])), Path(sys.argv[1]), Path(sys.argv[2]))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program, str(claims), str(truth), str(seed)]
        subprocess.run(command, check=True, env=environment, cwd=ROOT, timeout=PATIENCE)
        return claims.read_bytes(), truth.read_bytes()

    assert run("1", 7) == run("2", 7)
    assert run("1", 7) != run("1", 8)


def test_packed_files_hold_the_same_events(tmp_path: Path) -> None:
    plain, packed = tmp_path / "claims.jsonl", tmp_path / "truth.jsonl.zst"
    write_county(TINY, plain, packed)
    assert [decode(row) for row in plain.read_bytes().splitlines()] == list(simulate(TINY))
    assert load_truth(packed)


def test_dropping_one_habit_changes_only_bills_padded_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {event.event_id: event for event in simulate(TINY)}
    monkeypatch.delitem(padding.HABITS, Habit.LEAVING_DAY_BED)
    after = {event.event_id: event for event in simulate(TINY)}
    changed = [event for name, event in before.items() if after.get(name) != event]
    places = {place.code for place in found_institutions(TINY).with_habit(Habit.LEAVING_DAY_BED)}
    assert changed
    assert all(isinstance(event, Claim) and event.visit_type in INPATIENT_VISITS for event in changed)
    assert {event.sender for event in changed} <= places


def test_default_county_is_a_fiftieth_of_daye() -> None:
    plan = CountyPlan()
    assert (plan.insured, len(found_institutions(plan)), plan.days) == (16_700, 13, 365)


@pytest.mark.parametrize("fault", [{"scale": 0.0}, {"scale": -1.0}, {"last": date(2025, 10, 31)}])
def test_impossible_plans_are_refused(fault: dict[str, float | date]) -> None:
    with pytest.raises(ValueError, match=r"scale|last day"):
        CountyPlan(**fault)  # type: ignore[arg-type]


def test_sizes_are_near_the_plan(county: Written) -> None:
    wanted = 4_700_000 * SMALL.scale
    lines = sum(len(claim.lines) for claim in county.claims)
    assert 0.85 * wanted < len(county.claims) < 1.15 * wanted
    assert 11.5 < lines / len(county.claims) < 15
    assert len({claim.patient for claim in county.claims}) > 0.8 * SMALL.insured


def test_events_survive_encoding(county: Written) -> None:
    assert [msgspec.json.encode(event) for event in county.events] == county.rows


def test_ids_are_unique(county: Written) -> None:
    assert len({event.event_id for event in county.events}) == len(county.events)
    assert len({claim.claim_id for claim in county.claims}) == len(county.claims)
    assert all(len({line.line_id for line in claim.lines}) == len(claim.lines) for claim in county.claims)


def test_money_adds_up(county: Written) -> None:
    for claim in map(with_decimals, county.claims):
        paid = claim.paid
        assert paid is not None
        fund = paid.pooled_fund + paid.serious_illness + paid.aid
        in_scope = sum((line.in_fund_scope or Decimal(0) for line in claim.lines), Decimal(0))
        everything = fund + paid.personal_account + paid.shared_family_account + paid.own
        assert everything == sum(line.amount for line in claim.lines), claim.claim_id
        assert abs(fund) <= abs(in_scope), claim.claim_id
        for line in claim.lines:
            assert line.in_fund_scope is not None
            assert line.own_pay is not None
            assert line.unit_price is not None
            assert abs(line.in_fund_scope) <= abs(line.amount)
            assert line.in_fund_scope + line.own_pay == line.amount
            assert line.unit_price * line.quantity == line.amount


def test_events_are_sent_in_order_of_receipt(county: Written) -> None:
    received = [event.received_at for event in county.events]
    assert None not in received
    assert received == sorted(received)  # type: ignore[type-var]
    for claim in county.claims:
        assert claim.received_at is not None
        assert claim.received_at > claim.settled_at
        assert all(line.at <= claim.settled_at for line in claim.lines)


def test_stays_and_visits_carry_their_fields(county: Written) -> None:
    for claim in county.claims:
        assert claim.visit_type in VISIT_TYPES
        if claim.visit_type not in INPATIENT_VISITS:
            assert claim.admitted_at is None
            continue
        assert claim.admitted_at is not None
        assert (claim.discharged_at is None) == claim.mid_stay
        if not any(line.refund_of for line in claim.lines):
            assert all(line.at >= claim.admitted_at for line in claim.lines)
    assert {claim.payment_method for claim in county.claims} >= {"drg", "dip", "item", "capitation"}
    assert any(claim.operations is None for claim in county.claims if claim.admitted_at)
    assert any(claim.operations for claim in county.claims)
    assert {claim.diagnoses is None for claim in county.claims} == {True, False}


def test_dirt_of_real_settlements_is_there(county: Written) -> None:
    lines = list(county.lines.values())
    assert any(Decimal(line.in_fund_scope) == 0 for line in lines)
    assert any(line.discharge_drug and line.days for line in lines)
    assert any(line.sent_out and line.sent_to for line in lines)
    paid = [claim.paid for claim in map(with_decimals, county.claims) if claim.paid]
    assert any(part.shared_family_account > 0 for part in paid)
    assert any(part.personal_account > 0 and part.pooled_fund == 0 for part in paid)
    changes = {event.change for event in county.events if isinstance(event, PatientStatus)}
    assert changes == {"death", "merge", "sex"}


def test_links_lead_to_earlier_claims(county: Written) -> None:
    seen: dict[str, Claim] = {}
    links: Counter[str] = Counter()
    for claim in county.claims:
        for name in ("reverses", "corrects"):
            if target := getattr(claim, name):
                assert seen[target].encounter_id == claim.encounter_id
                links[name] += 1
        for line in claim.lines:
            if line.refund_of is not None:
                assert (claim.institution, claim.encounter_id, line.refund_of) in county.lines
                links["refund_of"] += 1
        seen[claim.claim_id] = claim
    assert set(links) == {"reverses", "corrects", "refund_of"}


def test_nobody_is_treated_after_death(county: Written) -> None:
    deaths = {
        event.patient: event.died_on
        for event in county.events
        if isinstance(event, PatientStatus) and event.died_on is not None
    }
    of_the_dead = [claim for claim in county.claims if claim.patient in deaths]
    assert of_the_dead
    for claim in of_the_dead:
        assert all(as_date(day_of(line.at)) < deaths[claim.patient] for line in claim.lines if not line.refund_of)


def test_lines_lie_in_all_hours_of_the_night(county: Written) -> None:
    hours = Counter((line.at.hour + 8) % 24 for line in county.lines.values())
    assert all(hours[hour] for hour in range(24))
    assert sum(hours[hour] for hour in range(8)) > 0.05 * hours.total()


def test_honest_wards_bill_as_many_beds_as_nights(county: Written) -> None:
    padded = {line[1] for act in county.acts_of(Kind.LEAVING_DAY_BED) for line in act.lines}
    beds: defaultdict[str, Decimal] = defaultdict(Decimal)
    nights: dict[str, int] = {}
    untouched = {
        encounter for encounter, number in Counter(c.encounter_id for c in county.claims).items() if number == 1
    }
    for claim in county.claims:
        if claim.admitted_at and claim.discharged_at and claim.encounter_id in untouched:
            nights[claim.encounter_id] = day_of(claim.discharged_at) - day_of(claim.admitted_at)
            beds[claim.encounter_id] = sum(
                (
                    Decimal(line.quantity)
                    for line in claim.lines
                    if line.item_code in (prices.BED.code, prices.BED_OF_THREE.code)
                ),
                Decimal(0),
            )
    assert len(nights) > 100
    assert all(beds[name] == nights[name] + (name in padded) for name in nights)


def test_every_kind_is_planted(county: Written) -> None:
    assert {act.kind for act in county.acts} == set(Kind)
    assert len({act.act_id for act in county.acts}) == len(county.acts)
    for act in county.acts:
        assert (act.guilty, act.seen_by_rules) == (act.kind.is_guilty, act.kind.is_seen_by_rules)


def test_truth_points_at_lines_and_persons_of_the_county(county: Written) -> None:
    patients = {(claim.institution, claim.encounter_id): claim.patient for claim in county.claims}
    for act in county.acts:
        assert act.lines
        assert all(line in county.lines for line in act.lines)
        assert {patients[place, encounter] for place, encounter, _ in act.lines} == set(act.persons)
        assert act.day == min(as_date(day_of(county.lines[line].at)).isoformat() for line in act.lines)


def test_guilty_money_is_a_few_percent(county: Written) -> None:
    guilty = {line for act in county.acts if act.guilty for line in act.lines}
    amounts = {key: Decimal(line.amount) for key, line in county.lines.items()}
    share = sum(amounts[line] for line in guilty) / sum(amounts.values())
    assert Decimal("0.01") < share < Decimal("0.06")


def test_innocents_look_guilty(county: Written) -> None:
    institutions = {act.act_id: {line[0] for line in act.lines} for act in county.acts}
    assert all(len(institutions[act.act_id]) == 2 for act in county.acts_of(Kind.TRANSFER))
    assert all(
        any(county.lines[line].item_code == prices.DIALYSIS.code for line in act.lines)
        for act in county.acts_of(Kind.DIALYSED_ELSEWHERE)
    )
    settled = {(claim.institution, claim.encounter_id): claim.settled_at for claim in county.claims}
    for act in county.acts_of(Kind.SETTLED_LATE):
        assert all((settled[line[:2]] - county.lines[line].at).days >= 40 for line in act.lines)


def test_paper_patients_are_seen_elsewhere_meanwhile(county: Written) -> None:
    """Their honest visits are no part of the act: it is the ward's alone."""
    seen = 0
    for act in county.acts_of(Kind.PAPER_STAY):
        (stay,) = {line[:2] for line in act.lines}
        days = {county.lines[line].at.date() for line in act.lines}
        seen += any(
            claim.patient in act.persons and claim.institution != stay[0] and line.at.date() in days
            for claim in county.claims
            for line in claim.lines
        )
    assert seen == len(county.acts_of(Kind.PAPER_STAY)) > 0


def test_who_lies_in_two_beds_lies_in_the_honest_one_first(county: Written) -> None:
    for act in county.acts_of(Kind.TWO_BEDS):
        (paper,) = {line[:2] for line in act.lines}
        stays = [claim for claim in county.claims if claim.patient in act.persons and claim.admitted_at is not None]
        (later,) = [claim for claim in stays if (claim.institution, claim.encounter_id) == paper]
        assert any(
            other.admitted_at < later.admitted_at < other.discharged_at
            for other in stays
            if other.institution != later.institution and other.discharged_at is not None
        )


def imported_modules() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "deploy" / "county").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path.name, node.module or ""


def test_county_knows_only_events_numbers_and_days() -> None:
    nouns = ("knowledge_base.events", "knowledge_base.numbers", "knowledge_base.days")
    allowed = ("deploy.county", *nouns, "msgspec", "zstandard")
    imports = set(imported_modules())
    strangers = [
        (file, module)
        for file, module in imports
        if not module.startswith(allowed) and module.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert ("scoring.py", "deploy.county.truth") in imports
    assert not strangers


def items() -> list[Item]:
    values = vars(prices).values()
    single = [value for value in values if isinstance(value, Item)]
    return single + [item for value in values if isinstance(value, tuple) for item in value if isinstance(item, Item)]


def test_item_codes_have_official_formats() -> None:
    codes = [item.code for item in items() if item.code is not None]
    assert len(codes) == len(set(codes)) > 100
    assert all(map(is_item_code, codes))


def test_item_codes_carry_their_official_names() -> None:
    folder = SHARED / "data" / "codes"
    if not folder.is_dir():
        pytest.skip("the official code tables are not beside the checkout (FUNDWATCH_SHARED)")
    official: dict[str, str] = {}
    for name in ("drug_code_name", "service_item_code_name", "tcm_slice_code_name"):
        with (folder / f"{name}.csv").open(encoding="utf-8") as file:
            official |= {row["code"]: row["name"] for row in csv.DictReader(file)}
    known = [item for item in items() if item.code in official]
    assert {item.name: official[item.code or ""] for item in known if item.name != official[item.code or ""]} == {}
    assert all(item.code in official for item in items() if item.kind in ("drug", "herb_piece"))


def planted(kind: Kind, word: str, *lines: LineKey) -> Act:
    act = plant(kind, word)
    for line in lines:
        act.add("p0000001", line, "2026-01-01")
    return act


def test_scoring_counts_acts_and_findings(tmp_path: Path) -> None:
    bed, again, row = ("H1", "E1", "1"), ("H1", "E2", "1"), ("P1", "E3", "1")
    transfer, honest = ("H2", "E4", "1"), ("H2", "E5", "1")
    acts = [
        planted(Kind.LEAVING_DAY_BED, "a", bed),
        planted(Kind.LEAVING_DAY_BED, "b", again),
        planted(Kind.CARDS_IN_A_ROW, "c", row),
        planted(Kind.TRANSFER, "d", transfer),
    ]
    truth = tmp_path / "truth.jsonl"
    truth.write_bytes(b"".join(msgspec.json.encode(act) + b"\n" for act in acts))
    result = score(
        truth,
        [
            FoundLines("beds", "1", [bed, honest]),
            FoundLines("beds", "2", [honest]),
            FoundLines("caps", "3", [transfer]),
        ],
    )
    found = {kind.kind: (kind.found.hits, kind.found.of) for kind in result.kinds}
    assert found[Kind.LEAVING_DAY_BED] == (1, 2)
    assert found[Kind.CARDS_IN_A_ROW] == (0, 1)
    assert found[Kind.TRANSFER] == (1, 1)
    assert found[Kind.PAPER_STAY] == (0, 0)
    assert (result.recall.hits, result.recall.of) == (1, 3)
    assert {rule: (part.hits, part.of) for rule, part in result.precision_by_rule.items()} == {
        "beds": (1, 2),
        "caps": (0, 1),
    }
    assert (result.precision.hits, result.precision.of) == (1, 3)
    assert msgspec.json.decode(msgspec.json.encode(result))["recall"]["hits"] == 1
    table = write_table(result)
    assert all(name in table for name in ("出院当天多计床位", "cards swiped in a row", "beds", "33.3%"))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)]
)
def test_intervals_are_wilsons(hits: int, of: int, low: float, high: float) -> None:
    share = wilson(hits, of)
    assert (share.low, share.high) == (low, high)


def test_a_share_of_nothing_has_no_value() -> None:
    assert wilson(0, 0).value is None
