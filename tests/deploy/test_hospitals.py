"""A week of a county's hospitals, played to a real gateway: they ask (3101, 3102), reply (3103), and bill.

Afterwards nothing is lost, every warning is what the reference judge says of everything that was sent before, and each
reply stands with its warning.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import msgspec
import pytest

from api.leads.evidence import line_keys
from casework.asked import Beside, BilledLine, Stance, stance_of
from deploy.commands.playing import play_traffic
from deploy.county import CountyPlan, write_traffic
from deploy.county.hospital.diary import Asked, Billed, Deed, OrderKey, Replied, by_order, read_deeds
from deploy.county.orders.traffic import AskedEncounter, Asking, WrittenOrder
from deploy.county.plan import AREA
from deploy.settings import Settings
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date, day_of
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription, Warning
from knowledge_base.findings import LineKey
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.hosts.service import Service, open_service
from streams.importers.jsonl import read_messages
from streams.importers.sending import send_messages
from streams.jobs.keeping_orders import keep_all_touched
from streams.jobs.reconciling import reconcile
from streams.journal.folder import look_into
from streams.messages.codec import decode_event, decode_stored
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.versions import unpack_finding
from streams.store.events import stored
from streams.store.events.asked import find_arrivals, find_asked
from streams.store.events.warned import WarningFilter, WarningRow, find_warnings
from streams.store.intake.reconciliation import Reconciliation
from streams.store.sessions import Connection, borrowed
from tests.conftest import find_free_port
from tests.patience import PATIENCE
from tests.reference import answers
from tests.reference import order_ledger as reference
from tests.reference.knowledge import Knowledge
from tests.reference.persons import person_names
from tests.streams.replay import EVERYTHING, VAULT, until_done

PLAN = CountyPlan(scale=1 / 1000, seed=25, first=date(2026, 3, 9), last=date(2026, 3, 29))
ASKED_FROM = date(2026, 3, 23)
DOOR = "a key of the tests, no secret at all"
MANY = 10_000


@dataclass(frozen=True)
class Ledger:
    """The ledger of orders as stored: in requests' names, and lines by claims' encounters."""

    orders: dict[OrderKey, tuple[set[str], str, set[str]]]
    lines: dict[LineKey, tuple[OrderKey, str]]
    days: dict[tuple[str, str, date], tuple[int, int]]


@dataclass(frozen=True)
class Disputed:
    """A line in dispute in a finding that is open, and what its rule said of it before."""

    rule_id: str
    line: LineKey
    stance: Stance


@dataclass(frozen=True)
class Week:
    """What was to be played, what the hospitals did, and what the store holds after it."""

    history: list[Event]
    traffic: list[Event | Asking]
    deeds: list[Deed]
    requests: dict[str, Prescription]
    warnings: list[WarningRow]
    findings: set[tuple[str, str]]
    account: Reconciliation
    ledger: Ledger
    disputed: list[Disputed]

    @property
    def asked(self) -> list[Asked]:
        return [deed for deed in self.deeds if isinstance(deed, Asked)]

    @property
    def replied(self) -> list[Replied]:
        return [deed for deed in self.deeds if isinstance(deed, Replied)]

    @cached_property
    def asking(self) -> dict[str, Asking]:
        return {row.msgid: row for row in self.traffic if isinstance(row, Asking)}

    def requests_of(self, asking: Asking) -> list[Prescription]:
        """What the store holds of one message, encounter by encounter."""
        names = [f"{asking.institution}:{asking.msgid}:{place}" for place in range(1, len(asking.encounters) + 1)]
        return [self.requests[name] for name in names]

    def planned(self) -> Iterator[tuple[OrderKey, WrittenOrder]]:
        """Every order of every request, as often as it was sent."""
        for asking in self.asking.values():
            for encounter in asking.encounters:
                for order in encounter.orders:
                    yield OrderKey(asking.institution, encounter.encounter, order.order_id, order.item_code), order


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="module")
def week(
    new_database: Callable[[], str],
    drop_database: Callable[[str], None],
    rule_set: RuleSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Week]:
    url = new_database()
    yield asyncio.run(_played(url, rule_set, tmp_path_factory.mktemp("week")))
    drop_database(url)


async def _played(url: str, rule_set: RuleSet, folder: Path) -> Week:
    claims, truth, traffic, diary = (folder / name for name in ("claims", "truth", "traffic", "diary"))
    write_traffic(PLAN, claims, truth, traffic, ASKED_FROM, Pseudonyms(DOOR.encode()).of)
    async with open_service(url, rule_set, VAULT) as service:
        await service.start()
        with read_messages(claims) as reader:
            async for _ in send_messages(
                service.pool, service.bus, "county", "history", (message.raw for message in reader)
            ):
                pass
        await until_done(service)
        async with _gateway(url, folder) as (address, journal):
            await play_traffic(service, address, None, traffic, diary)
            while (await asyncio.to_thread(look_into, journal)).records:
                await asyncio.sleep(0.05)
        await until_done(service)
        await keep_all_touched(service.pool)
        return await _week(service, claims, traffic, list(read_deeds(diary)), rule_set)


@asynccontextmanager
async def _gateway(url: str, home: Path) -> AsyncIterator[tuple[str, Path]]:
    """A gateway in a process of its own, in the time of the messages: its address, and where its journal is."""
    port = find_free_port()
    told = {
        "HOME": str(home),
        "DATABASE_URL": url,
        "GATEWAY_PORT": str(port),
        "GATEWAY_KEYS": "none",
        "GATEWAY_BUDGET_MS": "10000",
        "GATEWAY_RATE": "100000",
        "PSEUDONYM_KEY": DOOR,
    }
    environment = {**os.environ, **{f"FUNDWATCH_{name}": value for name, value in told.items()}}
    process = subprocess.Popen([sys.executable, "-m", "deploy.commands", "county-gateway"], env=environment)
    try:
        yield f"http://127.0.0.1:{port}", Settings(home=home).journals / f"gateway-{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


async def _week(service: Service, claims: Path, traffic: Path, deeds: list[Deed], rule_set: RuleSet) -> Week:
    rows = [_row(row) for row in traffic.read_bytes().splitlines()]
    async with borrowed(service.pool) as connection:
        names = await connection.fetch("select event_id from prescriptions where area = $1", AREA)
        bodies = await stored.load_bodies(connection, AREA, [row["event_id"] for row in names])
        requests = {
            name: event for name, body in bodies.items() if isinstance(event := decode_stored(body), Prescription)
        }
        assert len(requests) == len(names)
        warnings = await find_warnings(connection, WarningFilter(), EVERYTHING, MANY)
        found = await connection.fetch("select rule_id, finding_id from findings where is_open")
        account = await reconcile(connection, service.bus)
        ledger = await _ledger(connection)
        disputed = [of async for of in _disputed(connection, rule_set)]
    findings = {(row["rule_id"], row["finding_id"]) for row in found}
    history = [decode_event(row) for row in claims.read_bytes().splitlines()]
    return Week(history, rows, deeds, requests, warnings, findings, account, ledger, disputed)


async def _ledger(connection: Connection) -> Ledger:
    names = dict(await connection.fetch("select seq, event_id from prescriptions"))
    orders = await connection.fetch("select * from order_entries")
    lines = await connection.fetch("select * from order_lines")
    days = await connection.fetch("select * from order_days")
    return Ledger(
        {
            OrderKey(of["institution"], of["encounter_id"], of["order_id"], of["item_code"]): (
                {names[seq] for seq in of["asked_by"]}, of["answered"], set(of["warnings"])
            )
            for of in orders
        },
        {
            (of["institution"], of["encounter_id"], of["line_id"]): (
                OrderKey(of["institution"], of["order_encounter"], of["order_id"], of["item_code"]), of["how"]
            )
            for of in lines
        },
        {(of["patient"], of["institution"], of["day"]): (of["lines"], of["asked"]) for of in days},
    )  # fmt: skip


async def _disputed(connection: Connection, rule_set: RuleSet) -> AsyncIterator[Disputed]:
    """The lines in dispute of open findings, as the desk tells them."""
    rows = await connection.fetch("select rule_id, body from findings where is_open")
    billing: dict[LineKey, Claim] = {}
    bodies = await connection.fetch("select event_id from events where kind = 'claim'")
    for body in (await stored.load_bodies(connection, AREA, [row["event_id"] for row in bodies])).values():
        claim = decode_stored(body)
        assert isinstance(claim, Claim)
        billing |= {(claim.institution, claim.encounter_id, line.line_id): claim for line in claim.lines}
    for row in rows:
        finding, rule = unpack_finding(row["body"]), rule_set.by_id[row["rule_id"]]
        keys = [key for key in line_keys(finding) if key in billing]
        lines = [BilledLine(key, key, billing[key].event_id, billing[key].settled_at) for key in keys]
        asked = await find_asked(connection, AREA, lines)
        arrivals = await find_arrivals(connection, AREA, {line.event_id for line in lines})
        beside = {
            line.key: Beside(arrivals[line.event_id], min((of.at for of in asked.get(line.key, ())), default=None))
            for line in lines
        }
        for key in {of.part for of in finding.guilty} & set(keys):
            others = [of for other, of in beside.items() if other != key]
            yield Disputed(rule.id, key, stance_of(asked.get(key, ()), rule.id, rule.phases, None, others))


def _row(row: bytes) -> Event | Asking:
    if msgspec.json.decode(row)["kind"] == "asking":
        return msgspec.json.decode(row, type=Asking)
    return decode_event(row)


# --- nothing is lost


def test_the_week_has_everything_that_is_looked_for(week: Week) -> None:
    """Else what follows would compare nothing with nothing."""
    fates = {order.plan.fate for _, order in week.planned()}
    assert fates == {"billed", "changed", "late", "otherwise", "cancelled", "heeded"}
    asking = week.asking.values()
    assert {row.infno for row in asking} == {"3101", "3102"}
    assert any(len(row.encounters) > 1 for row in asking)
    assert len({row.institution for row in asking}) > 2
    assert any(order.standing and not order.current for _, order in week.planned())
    claims = [row for row in week.traffic if isinstance(row, Claim)]
    assert any(claim.reverses for claim in claims)
    assert any(claim.corrects for claim in claims)
    of_askers = [
        line for claim in claims if claim.institution in {row.institution for row in asking} for line in claim.lines
    ]
    named = sum(line.order_id is not None for line in of_askers)
    assert len(of_askers) / 2 < named < len(of_askers)
    several = Counter((claim.institution, line.order_id) for claim in claims for line in claim.lines if line.order_id)
    assert max(several.values()) > 5
    assert {reply.way for reply in week.replied} == {"continue", "change"}
    assert {deed.infno for deed in week.asked if deed.warnings} == {"3101", "3102"}


def test_every_request_that_was_answered_is_stored_once_as_it_was_meant(week: Week) -> None:
    assert [deed.msgid for deed in week.asked] == list(week.asking)
    assert len({deed.receipt for deed in week.asked}) == len(week.asked)
    told = {}
    for deed in week.asked:
        asking = week.asking[deed.msgid]
        for encounter, request in zip(asking.encounters, week.requests_of(asking), strict=True):
            assert request.advice is not None
            assert request.advice.code.startswith(deed.receipt)
            assert _said_of(request) == _written_of(asking, encounter)
            told[request.event_id] = request
    assert told == week.requests


def _said_of(request: Prescription) -> list[object]:
    head = request.happened_at, request.phase, request.institution, request.encounter_id, request.patient
    return [
        (*head, request.visit_type, request.sex, request.birth_date, request.admitted_at, request.discharged_at),
        *(
            (of.order_id, of.prescription_id, of.item_code, of.item_kind, Decimal(of.quantity), Decimal(of.amount),
             Decimal(of.own_pay or "0"), of.at, of.stops_at, of.standing, of.current, of.discharge_drug,
             of.practitioner)
            for of in request.orders
        ),
    ]  # fmt: skip


def _written_of(asking: Asking, of: AskedEncounter) -> list[object]:
    phase = {"3101": "before", "3102": "during"}[asking.infno]
    head = asking.sent_at, phase, asking.institution, of.encounter, of.patient
    return [
        (*head, of.visit_type, of.sex, of.born, of.begins, of.ended),
        *(
            (order.order_id, order.prescription, order.item_code, order.item_kind, Decimal(order.quantity),
             Decimal(order.amount), Decimal(order.own_pay), order.begins, order.stops, order.standing, order.current,
             order.discharge_drug, order.doctor)
            for order in of.orders
        ),
    ]  # fmt: skip


def test_what_was_sent_is_what_became_of_it(week: Week) -> None:
    events = [row for row in week.traffic if not isinstance(row, Asking)]
    sent = len(week.history) + len(events) + len(week.requests) + len(week.replied)
    account = week.account
    assert (account.received, account.lost) == (sent, 0)
    assert sum(source.accepted for source in account.sources) == sent
    assert not any(source.dead or source.conflict or source.duplicate for source in account.sources)


def test_one_person_is_one_person_through_both_doors(week: Week) -> None:
    of_claims = {(row.institution, row.encounter_id): row.patient for row in week.traffic if isinstance(row, Claim)}
    met = [of for of in week.requests.values() if (of.institution, of.encounter_id) in of_claims]
    assert len(met) > len(week.requests) / 2
    assert all(of.patient == of_claims[of.institution, of.encounter_id] for of in met)


# --- what was said


def test_every_warning_is_what_the_reference_says_of_all_that_was_sent_before(week: Week, rule_set: RuleSet) -> None:
    knowledge = Knowledge(rule_set.facts.points)
    names = person_names([*week.history, *(row for row in week.traffic if not isinstance(row, Asking))])
    known: defaultdict[str, list[Event]] = defaultdict(list)
    for event in week.history:
        known[names.get(event.patient, event.patient)].append(event)
    differs, warned = [], 0
    for row in week.traffic:
        if not isinstance(row, Asking):
            known[names.get(row.patient, row.patient)].append(row)
            continue
        for name, asked in _by_person(week.requests_of(row), names).items():
            known[name] += asked
            (expected,) = [
                ordered.answer(asked)
                for ordered in answers.ordered(known[name], knowledge).values()
                if any(held.request in asked for held in ordered.held)
            ]
            said = {_as_warned(of, warning) for of in asked for warning in (of.advice.warnings if of.advice else ())}
            warned += len(expected)
            if said != expected:
                differs.append((row.msgid, said, expected))
    assert differs == []
    assert warned > 5
    assert warned == len(week.warnings)


def _by_person(requests: Iterable[Prescription], names: dict[str, str]) -> dict[str, list[Prescription]]:
    found: defaultdict[str, list[Prescription]] = defaultdict(list)
    for request in requests:
        found[names.get(request.patient, request.patient)].append(request)
    return found


def _as_warned(request: Prescription, warning: Warning) -> answers.Warned:
    number = request.institution, request.encounter_id
    guilty = frozenset((*number, of.order_id, of.item_code) for of in warning.orders if of.guilty)
    return answers.Warned(warning.rule_id, warning.occurrence, guilty, Decimal(warning.value), Decimal(warning.limit))


def test_hospitals_were_told_every_warning_once(week: Week) -> None:
    told = [warning.jr_id for deed in week.asked for warning in deed.warnings]
    assert sorted(told) == sorted(row.warning_id for row in week.warnings if row.repeats is None)
    assert not any(row.late for row in week.warnings)
    assert not any(deed.not_evaluated for deed in week.asked)


def test_acts_that_were_to_be_heeded_were_warned_of(week: Week) -> None:
    """The truth of what is asked: each of these is an act that nobody billed."""
    done = by_order(week.deeds)
    heeded = {key: order.plan.act for key, order in week.planned() if order.plan.fate == "heeded"}
    assert heeded
    assert {act for key, act in heeded.items() if not done[key].warned} == set()
    assert all(("change" in {way for _, way in done[key].replied}) and not done[key].billed for key in heeded)


# --- what was done about it


def test_each_reply_stands_with_its_warning(week: Week) -> None:
    ways = {reply.jr_id: reply.way for reply in week.replied}
    assert len(ways) == len(week.replied)
    assert {row.warning_id: row.way for row in week.warnings if row.way is not None} == ways


def test_some_went_on_and_what_they_billed_was_found(week: Week) -> None:
    went_on = [row for row in week.warnings if row.way == "continue"]
    assert any(row.found for row in went_on)
    changed = {row.warning_id for row in week.warnings if row.way == "change"}
    assert not any(row.found for row in week.warnings if row.warning_id in changed)


def test_the_diary_tells_order_by_order_what_the_store_tells(week: Week) -> None:
    """Orders, who named them, and which lines billed them: the lines that name one, and those that nobody named."""
    done = by_order(week.deeds)
    sent_lines = {
        (claim.institution, claim.claim_id, line.line_id): line
        for claim in week.traffic
        if isinstance(claim, Claim)
        for line in claim.lines
    }
    numbers = {key: order.prescription for key, order in week.planned()}
    named_by: defaultdict[OrderKey, list[str]] = defaultdict(list)
    for request in week.requests.values():
        for order in request.orders:
            key = OrderKey(request.institution, request.encounter_id, order.order_id, order.item_code or "")
            named_by[key].append(request.event_id.split(":")[1])
    assert done.keys() == named_by.keys()
    billed = named = 0
    for key, of in done.items():
        assert sorted(naming.msgid for naming in of.named) == sorted(named_by[key])
        for claim_id, line_id in of.billed:
            line = sent_lines[key.institution, claim_id, line_id]
            billed += 1
            named += line.order_id is not None
            assert line.order_id in (None, key.order_id, numbers[key])
    assert billed / 2 < named < billed
    assert any(isinstance(deed, Billed) and deed.takes_back for deed in week.deeds)


# --- the ledger of orders


def test_the_ledger_has_the_orders_that_hospitals_asked_about_and_were_warned_of(week: Week) -> None:
    done, told = by_order(week.deeds), {warning.jr_id for deed in week.asked for warning in deed.warnings}
    assert week.ledger.orders.keys() == done.keys()
    for key, (asked_by, answered, warnings) in week.ledger.orders.items():
        asked = {naming.msgid for naming in done[key].named if naming.current}
        assert {name.split(":")[1] for name in asked_by} == asked
        assert answered == ("in time" if asked else "told only")
        assert set(done[key].warned) <= warnings <= told, "what was said again is of the first that said it"


def test_the_ledger_has_the_lines_that_were_billed_of_orders(week: Week) -> None:
    """Those that name their order are of it, and of those that name none nearly all are of what they came from."""
    billed = agreeing = 0
    for deed in week.deeds:
        if not isinstance(deed, Billed) or deed.takes_back:
            continue
        for line_id, named, _, came_from in deed.lines:
            found = week.ledger.lines.get((deed.institution, deed.encounter, line_id))
            known = {key.order_id for key in week.ledger.orders if key[:2] == (deed.institution, deed.encounter)}
            if named is not None and came_from in known:
                assert found is not None
                assert found[0].order_id == came_from or found[1] == "prescription"
            elif came_from in known:
                billed += 1
                agreeing += found is not None and found[0].order_id == came_from
    assert billed > 20
    assert agreeing > billed * 0.9, f"{agreeing} of {billed}"


def test_the_ledger_is_what_the_reference_says_of_everything(week: Week) -> None:
    events = [*week.history, *(row for row in week.traffic if not isinstance(row, Asking)), *week.requests.values()]
    first: dict[str, date] = {}
    for request in week.requests.values():
        day = as_date(day_of(request.happened_at))
        first[request.institution] = min(day, first.get(request.institution, day))
    expected = reference.ledgers(events, first, {})
    orders = {key: of for ledger in expected.values() for key, of in ledger.orders.items()}
    assert week.ledger.orders == {
        OrderKey(*(word or "" for word in key)): (set(of.asked_by), of.answered, set(of.warned))
        for key, of in orders.items()
    }
    assert week.ledger.lines == {
        key: (OrderKey(*(word or "" for word in order)), how)
        for ledger in expected.values()
        for key, (order, how) in ledger.lines.items()
    }
    assert week.ledger.days == {
        key: (of.lines, of.asked_about) for ledger in expected.values() for key, of in ledger.shares.items()
    }


def test_every_finding_that_orders_could_have_shown_had_its_warning_or_the_ledger_says_why_not(
    week: Week, rule_set: RuleSet
) -> None:
    """A line was warned of if the hospital was told so of the order that it is billed as, and only then."""
    warned_of = {row.warning_id: row.rule_id for row in week.warnings}
    kinds: Counter[str] = Counter()
    for of in week.disputed:
        order = week.ledger.lines.get(of.line)
        asked_by, _, warnings = week.ledger.orders[order[0]] if order is not None else (set(), "", set())
        kinds[of.stance.kind] += 1
        was_warned = of.rule_id in {warned_of[name] for name in warnings}
        assert (of.stance.kind == "warned") == was_warned
        assert (of.stance.kind == "not_asked") == (not asked_by)
    print(kinds)
    assert kinds["warned"] > 0
    assert kinds["not_asked"] > 0
    assert kinds.keys() <= {"warned", "not_asked", "other_phase", "not_known", "billed_otherwise"}
