"""The county's orders: who writes and asks, that bills come of what was ordered, what the hospitals' system sends."""

import asyncio
import os
import socketserver
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.hospital.checking import check_message
from deploy.county import CountyPlan, simulate, write_traffic
from deploy.county.acts.scoring import load_truth
from deploy.county.care.institutions import found_institutions
from deploy.county.hospital.diary import Asked, Billed, OrderKey, Replied, by_order, read_deeds
from deploy.county.hospital.line import Line, NoAnswer
from deploy.county.hospital.messages import Reply, feedback, request
from deploy.county.hospital.player import Player, Refused
from deploy.county.hospital.scoring import score_asking
from deploy.county.orders.habits import Asks, Temper, orderings, tempers
from deploy.county.orders.sending import MOST_TOGETHER
from deploy.county.orders.traffic import Asking, WrittenOrder, is_asking
from deploy.county.truth import Act, LineKey
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from streams.messages.codec import decode_event
from tests.api.hospital.messages import NATIONAL_DIALECT
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
PLAN = CountyPlan(scale=1 / 1000, seed=2, last=date(2025, 12, 31))
MIDDLE = date(2025, 12, 1)
TINY = CountyPlan(scale=1 / 4000, seed=7, last=date(2025, 12, 31))


@dataclass(frozen=True)
class Traffic:
    """A county whose hospitals ask from the first day on, as its files tell it."""

    rows: list[bytes]
    acts: list[Act]

    @cached_property
    def asking(self) -> list[Asking]:
        return [msgspec.json.decode(row, type=Asking) for row in self.rows if is_asking(row)]

    @cached_property
    def events(self) -> list[Event]:
        return [decode_event(row) for row in self.rows if not is_asking(row)]

    @cached_property
    def claims(self) -> list[Claim]:
        return [event for event in self.events if isinstance(event, Claim)]

    @cached_property
    def lines(self) -> dict[LineKey, tuple[Claim, ClaimLine]]:
        """By their name, as they were billed first."""
        found: dict[LineKey, tuple[Claim, ClaimLine]] = {}
        for claim in self.claims:
            for line in claim.lines:
                found.setdefault((claim.institution, claim.encounter_id, line.line_id), (claim, line))
        return found

    @cached_property
    def orders(self) -> dict[OrderKey, list[WrittenOrder]]:
        """Every order as often as it was asked about."""
        found: defaultdict[OrderKey, list[WrittenOrder]] = defaultdict(list)
        for asking in self.asking:
            for of in asking.encounters:
                for order in of.orders:
                    found[OrderKey(asking.institution, of.encounter, order.order_id, order.item_code)].append(order)
        return found

    def billed_by(self, key: OrderKey) -> list[ClaimLine]:
        plan = self.orders[key][0].plan
        return [self.lines[key.institution, key.encounter, line][1] for line in plan.lines]


def written(plan: CountyPlan, folder: Path, asked_from: date) -> tuple[bytes, bytes, bytes]:
    """Claims, truth and traffic of a county."""
    claims, truth, traffic = (folder / name for name in ("claims", "truth", "traffic"))
    write_traffic(plan, claims, truth, traffic, asked_from)
    return claims.read_bytes(), truth.read_bytes(), traffic.read_bytes()


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    folder = tmp_path_factory.mktemp("traffic")
    claims, _, rows = written(PLAN, folder, PLAN.first)
    assert claims == b""
    return Traffic(rows.splitlines(), load_truth(folder / "truth"))


# --- who writes and asks


def test_large_hospitals_ask_shops_never_and_village_rooms_rarely() -> None:
    plan = CountyPlan(scale=1)
    places = found_institutions(plan)
    found = orderings(plan, places)
    roles = {place.code: role for role, of_role in places.by_role.items() for place in of_role}
    writing = Counter(roles[code] for code in found)
    asking = Counter(roles[code] for code, ordering in found.items() if ordering.asks is not Asks.NEVER)
    assert writing["level_3"] == len(places.by_role["level_3"])
    assert 0 < writing["clinic"] < len(places.by_role["clinic"]) * 0.6
    assert "pharmacy" not in writing
    assert asking["level_2"] > len(places.by_role["level_2"]) / 2
    assert any(ordering.asks is Asks.NEVER for code, ordering in found.items() if roles[code] == "level_2")
    assert {ordering.share for code, ordering in found.items() if roles[code] == "village"} == {0.05}
    assert {ordering.asks for ordering in found.values()} == set(Asks)
    assert {ordering.by_prescription for ordering in found.values()} == {True, False}


def test_the_first_hospital_of_each_level_asks_whatever_the_seed() -> None:
    for seed in range(20):
        plan = CountyPlan(seed=seed)
        places = found_institutions(plan)
        found = orderings(plan, places)
        first = [places.by_role[role][0].code for role in ("level_3", "level_2", "level_1")]
        assert all(code in found and found[code].asks is not Asks.NEVER for code in first)


def test_doctors_heed_argue_or_say_nothing() -> None:
    plan = CountyPlan(scale=1)
    found = Counter(tempers(plan, found_institutions(plan)).values())
    assert set(found) == set(Temper)
    assert all(0.15 < number / found.total() < 0.5 for number in found.values())


# --- what is written


def test_same_plan_gives_the_same_traffic_in_any_process(tmp_path: Path) -> None:
    def run(hash_seed: str) -> list[bytes]:
        folder = tmp_path / hash_seed
        folder.mkdir()
        program = (
            "import sys; from datetime import date; from pathlib import Path;"
            "from deploy.county import CountyPlan, write_traffic;"
            "plan = CountyPlan(scale=1/4000, seed=7, last=date(2025, 12, 31));"
            "write_traffic(plan, *map(Path, sys.argv[1:4]), date(2025, 12, 1))"
        )
        files = [str(folder / name) for name in ("claims", "truth", "traffic")]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, *files], check=True, env=environment, cwd=ROOT, timeout=PATIENCE)
        return [Path(file).read_bytes() for file in files]

    assert run("1") == run("2") == list(written(TINY, tmp_path, MIDDLE))


def test_claims_and_traffic_together_are_the_countys_events(tmp_path: Path) -> None:
    claims, _, traffic = written(TINY, tmp_path, MIDDLE)
    rows = [*claims.splitlines(), *(row for row in traffic.splitlines() if not is_asking(row))]
    assert rows == [msgspec.json.encode(event) for event in simulate(TINY)]
    assert any(is_asking(row) for row in traffic.splitlines())
    assert claims
    last = decode_event(claims.splitlines()[-1]).received_at
    assert last is not None
    assert last.isoformat() < "2025-11-30T16:00:00+00:00"


def test_rows_are_in_the_order_in_which_they_are_sent(traffic: Traffic) -> None:
    sent = [
        msgspec.json.decode(row, type=Asking).sent_at if is_asking(row) else decode_event(row).received_at
        for row in traffic.rows
    ]
    assert None not in sent
    assert sent == sorted(sent)  # type: ignore[type-var]
    assert len({row.msgid for row in traffic.asking}) == len(traffic.asking)
    assert {len(row.msgid) for row in traffic.asking} == {30}


def test_people_are_called_as_the_door_calls_them_and_asked_about_by_their_number(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("claims", "truth", "traffic")]
    write_traffic(TINY, *files, MIDDLE, lambda number: f"N-{number}")
    claims, truth, rows = (file.read_bytes().splitlines() for file in files)
    events = [decode_event(row) for row in (*claims, *rows) if not is_asking(row)]
    assert all(event.patient.startswith("N-p") for event in events)
    assert all(person.startswith("N-p") for row in truth for person in msgspec.json.decode(row, type=Act).persons)
    for asking in (msgspec.json.decode(row, type=Asking) for row in rows if is_asking(row)):
        assert all(of.patient == f"N-{of.number}" for of in asking.encounters)


def test_most_lines_come_from_an_order_and_every_order_is_named_by_its_own_lines_alone(traffic: Traffic) -> None:
    asking = {row.institution for row in traffic.asking}
    of_askers = [line for claim in traffic.claims if claim.institution in asking for line in claim.lines]
    named = [line for line in of_askers if line.order_id is not None]
    assert 0.8 < len(named) / len(of_askers) < 0.95
    numbers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for claim in traffic.claims:
        for line in claim.lines:
            if line.order_id is not None:
                numbers[claim.institution, line.order_id].add(claim.encounter_id)
    assert all(len(encounters) == 1 for encounters in numbers.values())
    for key, sent in traffic.orders.items():
        for line in traffic.billed_by(key):
            assert line.order_id in (None, key.order_id, sent[0].prescription)


def test_fates_of_orders_are_as_they_are_called(traffic: Traffic) -> None:
    fates = Counter(sent[0].plan.fate for sent in traffic.orders.values())
    assert set(fates) == {"billed", "changed", "late", "otherwise", "cancelled", "heeded"}
    for key, sent in traffic.orders.items():
        plan, lines = sent[0].plan, traffic.billed_by(key)
        assert {order.plan for order in sent} == {plan}
        items = {line.item_code for line in lines}
        if plan.fate in ("cancelled", "heeded"):
            assert not lines
        elif plan.fate == "otherwise":
            assert key.item_code not in items
        else:
            assert items == {key.item_code}
        if plan.fate == "late":
            assert all((line.at - sent[0].begins).days == 1 for line in lines)
    changed = [sent for sent in traffic.orders.values() if sent[0].plan.fate == "changed" and len(sent) > 1]
    assert changed
    assert all(int(sent[0].quantity) > int(sent[1].quantity) for sent in changed)


def test_standing_orders_cover_days_and_are_told_beside_new_ones(traffic: Traffic) -> None:
    standing = {key: sent for key, sent in traffic.orders.items() if sent[0].standing}
    assert all(len(traffic.billed_by(key)) > 1 for key in standing)
    assert any(order.stops is None for sent in standing.values() for order in sent)
    told = [sent for sent in standing.values() if any(not order.current for order in sent)]
    assert told
    assert all(sent[0].current for sent in told)
    for key, sent in standing.items():
        if sent[0].stops is not None:
            assert int(sent[0].quantity) == sum(int(line.quantity) for line in traffic.billed_by(key))


def test_nothing_is_billed_before_it_was_asked_about(traffic: Traffic) -> None:
    """But for what a 3102 looks at once more, of which a stay in the middle of which was settled billed some."""
    billed: set[LineKey] = set()
    seen = 0
    for row in traffic.rows:
        if is_asking(row):
            asking = msgspec.json.decode(row, type=Asking)
            of_orders = {
                (asking.institution, of.encounter, line)
                for of in asking.encounters
                for order in of.orders
                for line in order.plan.lines
                if asking.infno == "3101" and order.current
            }
            assert not of_orders & billed
            seen += len(of_orders)
        elif isinstance(event := decode_event(row), Claim):
            billed |= {(event.institution, event.encounter_id, line.line_id) for line in event.lines}
    assert seen > 1_000


def test_wards_that_collect_orders_send_them_together(traffic: Traffic) -> None:
    together = [row for row in traffic.asking if len(row.encounters) > 1]
    assert together
    assert all(len(row.encounters) <= MOST_TOGETHER for row in traffic.asking)
    assert {(row.sent_at.hour + 8) % 24 for row in together} == {7}
    assert all(len({of.encounter for of in row.encounters}) == len(row.encounters) for row in together)


def test_who_heeds_orders_no_act_that_was_billed_and_who_does_not_does(traffic: Traffic) -> None:
    habits = tempers(PLAN, found_institutions(PLAN))
    writing = orderings(PLAN, found_institutions(PLAN))
    guilty = {line for act in traffic.acts if act.guilty for line in act.lines}
    named: defaultdict[Temper, list[bool]] = defaultdict(list)
    for key in guilty:
        claim, line = traffic.lines[key]
        if claim.institution in writing and line.practitioner is not None:
            named[habits[line.practitioner]].append(line.order_id is not None)
    assert named[Temper.HEEDS]
    assert not any(named[Temper.HEEDS])
    others = [*named[Temper.ARGUES], *named[Temper.SILENT]]
    assert sum(others) > 0.8 * len(others) > 0


def test_acts_that_are_heeded_are_of_doctors_who_heed_and_replies_are_in_their_temper(traffic: Traffic) -> None:
    habits = tempers(PLAN, found_institutions(PLAN))
    heeded = 0
    for sent in traffic.orders.values():
        plan, temper = sent[0].plan, habits[sent[0].doctor]
        if plan.fate == "heeded":
            heeded += 1
            assert (temper, plan.way) == (Temper.HEEDS, "change")
            assert plan.act is not None
        elif plan.fate != "cancelled":
            assert plan.way == (None if temper is Temper.SILENT else "continue")
            assert (plan.reason is None) == (temper is Temper.SILENT)
    assert heeded > 5


# --- what is sent


def test_the_door_finds_neither_fault_nor_omission_in_what_is_sent(traffic: Traffic) -> None:
    asking = traffic.asking
    bodies = [request(row) for row in asking]
    replies = [Reply("420281-X-1", "change"), Reply("420281-X-2", "continue", "病情需要")]
    bodies += [feedback(row, replies, row.sent_at, f"{row.msgid}R") for row in asking[:10]]
    for body in bodies:
        checked = check_message(body, NATIONAL_DIALECT)
        assert (checked.faults, checked.notes) == ((), ())


class FakeGateway:
    """Answers every request with one warning about its last order; keeps what it was sent."""

    def __init__(self, infcode: int = 0):
        self.sent: list[dict[str, Any]] = []
        self.infcode = infcode

    def send(self, infno: str, body: bytes) -> dict[str, Any]:
        message = msgspec.json.decode(body)
        assert message["infno"] == infno
        self.sent.append(message)
        if infno == "3103" or self.infcode:
            return {"infcode": self.infcode, "err_msg": "x" * self.infcode, "output": {}}
        encounter = message["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]
        told = {"mdtrt_id": encounter["mdtrt_id"], "rx_id": encounter["fsi_order_dtos"][-1]["rx_id"]}
        details = [{**told, "vola_item_type": "1"}, {**told, "rx_id": "another", "vola_item_type": "2"}]
        result = {"jr_id": f"W{len(self.sent)}", "rule_id": "R", "judge_result_detail_dtos": details}
        receipt = {"code": f"C{len(self.sent)}", "not_evaluated": []}
        return {"infcode": 0, "err_msg": "", "output": {"result": [result], "receipt": receipt}}


def played(rows: Sequence[bytes], gateway: FakeGateway, log: list[str] | None = None) -> bytes:
    """Plays rows and gives the diary; ``log`` takes which patients were asked about, and whose events were sent."""
    diary = BytesIO()

    async def send_events(events: Sequence[bytes]) -> None:
        if log is not None:
            log.extend(f"sent {decode_event(event).event_id}" for event in events)

    async def play() -> None:
        async for number in Player(gateway, send_events, diary).play(rows):
            if log is not None and is_asking(rows[number - 1]):
                log.append(f"asked {number - 1}")

    asyncio.run(play())
    return diary.getvalue()


def test_a_request_is_sent_after_every_event_of_its_patients_and_every_event_is_sent_once(traffic: Traffic) -> None:
    rows, log = traffic.rows[:3_000], list[str]()
    played(rows, FakeGateway(), log)
    events = [decode_event(row) for row in rows if not is_asking(row)]
    assert sorted(line for line in log if line.startswith("sent")) == sorted(f"sent {of.event_id}" for of in events)
    before: defaultdict[str, list[str]] = defaultdict(list)
    at = {line: place for place, line in enumerate(log)}
    for number, row in enumerate(rows):
        if is_asking(row):
            for of in msgspec.json.decode(row, type=Asking).encounters:
                assert all(at[f"sent {name}"] < at[f"asked {number}"] for name in before[of.patient])
        else:
            event = decode_event(row)
            before[event.patient].append(event.event_id)


def test_the_diary_tells_what_was_asked_warned_replied_and_billed(traffic: Traffic, tmp_path: Path) -> None:
    gateway, rows = FakeGateway(), traffic.rows[:3_000]
    (tmp_path / "diary").write_bytes(played(rows, gateway))
    deeds = list(read_deeds(tmp_path / "diary"))
    asked = [deed for deed in deeds if isinstance(deed, Asked)]
    replied = {deed.jr_id: deed for deed in deeds if isinstance(deed, Replied)}
    sent = [message for message in gateway.sent if message["infno"] != "3103"]
    assert [deed.msgid for deed in asked] == [message["msgid"] for message in sent]
    replies = [message for message in gateway.sent if message["infno"] == "3103"]
    ways = {"1": "continue", "2": "change"}
    assert {
        warn["warn_rslt_id"]: ways[warn["dspo_way"]] for of in replies for warn in of["input"]["data"]["warns"]
    } == {jr_id: deed.way for jr_id, deed in replied.items()}
    done = by_order(deeds)
    for deed, message in zip(asked, sent, strict=True):
        encounter = message["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]
        last = encounter["fsi_order_dtos"][-1]
        key = OrderKey(deed.institution, encounter["mdtrt_id"], last["rx_id"], last["hilist_code"])
        (warning,) = deed.warnings
        assert warning.jr_id in done[key].warned
        plan = traffic.orders[key][0].plan
        assert (warning.jr_id in replied) == (plan.way is not None)
        if plan.way is not None:
            assert (warning.jr_id, plan.way) in done[key].replied
            assert replied[warning.jr_id].reasoned == (plan.reason is not None)
    billed = {(deed.institution, deed.claim_id) for deed in deeds if isinstance(deed, Billed)}
    for key, of in done.items():
        sent_lines = {line for claim_id, line in of.billed if (key.institution, claim_id) in billed}
        assert sent_lines == {line for _, line in of.billed}
        assert sent_lines <= set(traffic.orders[key][0].plan.lines)
    assert any(deed.takes_back for deed in deeds if isinstance(deed, Billed))


def test_what_was_to_be_heeded_is_scored_by_whether_it_was_warned_of(traffic: Traffic, tmp_path: Path) -> None:
    (tmp_path / "diary").write_bytes(played(traffic.rows, FakeGateway()))
    deeds = list(read_deeds(tmp_path / "diary"))
    result = score_asking(traffic.rows, deeds)
    heeded = {key for key, sent in traffic.orders.items() if sent[0].plan.fate == "heeded"}
    done = by_order(deeds)
    assert result.warned.of == len(heeded) == sum(of.warned.of for of in result.kinds)
    assert result.warned.hits == sum(bool(done[key].warned) for key in heeded) > 0
    assert result.warnings.of == len(traffic.asking)
    silent = score_asking(traffic.rows, [])
    assert (silent.warned.hits, silent.warned.of, silent.warnings.of) == (0, len(heeded), 0)


def test_a_message_that_is_refused_ends_the_play(traffic: Traffic) -> None:
    with pytest.raises(Refused, match=r"3101: x"):
        played(traffic.rows, FakeGateway(infcode=1))


# --- the line


class _Handler(BaseHTTPRequestHandler):
    """Answers with each status of its server in turn; ``0`` closes the connection without a word."""

    protocol_version = "HTTP/1.1"
    told: list[tuple[str, str | None, bytes]]
    statuses: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append((self.path, self.headers["Authorization"], body))
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said of it."""


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    """A server that answers with some statuses and then with 200: its address, and what it is told."""
    told: list[tuple[str, str | None, bytes]] = []
    handler = type("Handler", (_Handler,), {"told": told, "statuses": list(statuses)})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", told
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("statuses", [(), (429,), (401, 503), (0,)], ids=str)
def test_who_is_told_to_wait_waits_and_sends_the_same_again(statuses: tuple[int, ...]) -> None:
    pauses: list[float] = []
    with answering(*statuses) as (address, told):
        line = Line(address, "secret", pauses.append)
        assert line.send("3101", b"body") == {}
        line.close()
    assert told == [("/3101", "Bearer secret", b"body")] * (len(statuses) + 1)
    assert len(pauses) == len(statuses)


def test_nobody_waits_for_ever(free_port: int) -> None:
    pauses: list[float] = []
    with pytest.raises(NoAnswer, match="3101"):
        Line(f"http://127.0.0.1:{free_port}", None, pauses.append).send("3101", b"")
    assert len(pauses) > 10


def test_a_line_that_is_closed_is_waited_for_by_nobody(free_port: int) -> None:
    line = Line(f"http://127.0.0.1:{free_port}")
    outcomes: list[str] = []

    def send() -> None:
        with pytest.raises(NoAnswer):
            line.send("3101", b"")
        outcomes.append("ended")

    thread = threading.Thread(target=send)
    thread.start()
    line.close()
    thread.join(PATIENCE)
    assert outcomes == ["ended"]
