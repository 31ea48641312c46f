"""Identifiers padded with what nobody sees: trimmed at the door, and joined in stores that kept them as they came."""

import asyncio
import json
import stat
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api.leads.evidence import marked_claims, sources_of
from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.findings import Change
from knowledge_base.signs import UNSEEN
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets, publish_first, publish_own
from streams.jobs.explaining import Reproduced, explain
from streams.jobs.redigesting import Redigested, find_apart, redigest, trim
from streams.jobs.rejudging import rejudge
from streams.messages import codec
from streams.messages.codec import address_reader, decode_event, decode_stored, encode_event, same_content
from streams.messages.faults import Undecodable
from streams.store.events.evidence import find_person_events, load_claims
from streams.store.events.padded import Trimmed, load_report
from streams.store.judgements import published
from streams.store.judgements.findings import load_version
from streams.store.sessions import Connection, connect
from tests.reference.cases import HBA1C, NURSING, line, status, visit
from tests.shell import Shell
from tests.streams.disturbed import load_kept
from tests.streams.test_redigesting import take_bodies

PADS = (" ", "   ", "\t", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2060", "\x7f", "\u0085", "\ufe0f")
PERIOD, CAP = "FW10000003", "GZ10000102014000"
OF_CLAIM = ("event_id", "patient", "institution", "encounter_id", "practitioner", "claim_id")
OF_LINE = ("item_code", "line_id", "order_id", "practitioner", "sent_to", "refund_of")
"""What readings 5a names of a claim, beside ``reverses``, ``corrects``, ``same_as`` and trace codes."""


def _full(**fields: Any) -> dict[str, Any]:
    """A claim that tells every identifier, and a line that refunds one."""
    lines = [line("1", "c1", "03-01"), line("2", "c1", "03-01", refund_of="1", sent_to="H2", practitioner="d1")]
    message: dict[str, Any] = json.loads(encode_event(visit("S1", *lines, practitioner="d2", event_id="s:1")))
    message |= {"encounter_id": "E1", "operations": [{"code": "o1", "practitioner": "d3"}], **fields}
    message["lines"][1] |= {"order_id": "R1", "trace_codes": ["T1", "T2"]}
    return message


def _padded(message: Any, pad: str) -> list[tuple[str, Any]]:
    """The message with one identifier padded, once for each, by the place of it."""
    found = []
    places: list[tuple[Any, str]] = [(message, name) for name in (*OF_CLAIM, "reverses", "corrects") if name in message]
    places += [(message["lines"][1], name) for name in OF_LINE]
    places += [(message["operations"][0], "practitioner"), (message["lines"][1]["trace_codes"], 1)]  # type: ignore[list-item]
    for part, name in places:
        kept = part[name]
        if kept is not None:
            part[name] = f"{pad}{kept}{pad}"
            found.append((str(name), json.loads(json.dumps(message))))
            part[name] = kept
    return found


@pytest.mark.parametrize("pad", PADS, ids=ascii)
@pytest.mark.parametrize("taken_back", [{"reverses": "S0"}, {"corrects": "S0"}], ids=["reverses", "corrects"])
def test_no_identifier_of_a_claim_keeps_what_nobody_sees(pad: str, taken_back: dict[str, str]) -> None:
    message = _full(**taken_back)
    plain = decode_event(json.dumps(message).encode())
    padded = _padded(message, pad)
    assert len(padded) == len(OF_CLAIM) + len(OF_LINE) + 3
    for name, other in padded:
        for body in (json.dumps(other).encode(), json.dumps(other, ensure_ascii=False).encode()):
            assert decode_event(body) == decode_stored(body) == plain, name


def test_no_identifier_of_a_status_keeps_what_nobody_sees() -> None:
    merge = status("m", "05-01", "merge", same_as="p2")
    message = json.loads(encode_event(merge))
    for name in ("event_id", "patient", "same_as"):
        assert decode_event(json.dumps({**message, name: f"\u3000{message[name]} "}).encode()) == merge


def test_what_stands_inside_an_identifier_and_other_texts_are_kept() -> None:
    message = _full(patient="p\u200b 1", department={"code": " k ", "name": " ward "}, treated_in=" 420281")
    claim: Any = decode_event(json.dumps(message).encode())
    assert (claim.patient, claim.treated_in) == ("p\u200b 1", " 420281")
    assert (claim.department.code, claim.department.name) == (" k ", " ward ")


def test_messages_of_senders_with_chinese_names_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def long_way(body: bytes) -> None:
        raise AssertionError(body)

    monkeypatch.setattr(codec, "decode_slowly", long_way)
    assert decode_event(json.dumps(_full(sender="黄石市 医院", event_id="黄石市 医院:1")).encode())


@pytest.mark.parametrize("name", ["patient", "event_id", "institution", "encounter_id", "claim_id", "line_id"])
def test_an_identifier_that_shows_nothing_is_a_fault_of_its_field(name: str) -> None:
    message = _full()
    part = message["lines"][1] if name == "line_id" else message
    part[name] = " \u200b\u3000"
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(message).encode())
    assert raised.value.faults == [f"{'lines[1].' if name == 'line_id' else ''}{name}: expected a visible sign"]
    assert decode_stored(json.dumps(message).encode()), "what a door of before took is read"


def test_lines_that_differ_by_padding_alone_are_one_twice() -> None:
    message = _full()
    message["lines"][0]["line_id"] = "2 "
    with pytest.raises(Undecodable, match=r"lines\[1\]\.line_id: twice in one claim"):
        decode_event(json.dumps(message).encode())


def test_a_padded_patient_goes_where_the_patient_goes() -> None:
    address_of = address_reader("claims")
    plain, padded = (address_of(json.dumps(_full(patient=name)).encode()) for name in ("p1", "\ufeffp1 \t"))
    assert plain == padded == ("claims", b"420281/p1")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"kind":"claim","area":"a"}', b'{"kind":"claim","area":"a","patient":5}', b"["]
)
def test_a_message_that_names_no_patient_has_no_key(body: bytes) -> None:
    assert address_reader("claims")(body) == ("claims", None)


def test_what_is_trimmed_holds_all_white_space_and_controls() -> None:
    shown = {"\u0600", "\u06dd", "\u070f", "\u0890", "\u08e2", "\U000110bd", "\U00013430"}
    for sign in map(chr, range(0x110000)):
        if unicodedata.category(sign) in ("Cc", "Zs", "Zl", "Zp"):
            assert sign in UNSEEN
        if unicodedata.category(sign)[0] in "LNP" and sign not in "\u115f\u1160\u3164\uffa0":
            assert sign not in UNSEEN
    assert not shown & set(UNSEEN), "number signs and joiners of scripts are drawn"


# --- in the store


@pytest.fixture(scope="module")
def whole() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def stores(new_database: Callable[[], str], whole: RuleSet) -> AsyncIterator[Sequence[Connection]]:
    """Sessions of three databases, and one more of the first."""
    names = [new_database() for _ in range(2)]
    async with AsyncExitStack() as stack:
        opened = [await connect(dsn) for dsn in (*names, names[0])]
        for connection in opened:
            stack.push_async_callback(connection.close)
        for connection in opened[:2]:
            await publish_first(connection, whole)
        yield opened


def _bodies(*events: Any) -> list[bytes]:
    return [encode_event(event) for event in events]


async def _outcomes(connection: Connection) -> tuple[int, int, int]:
    row = await connection.fetchrow(
        "select sum(accepted)::int a, sum(duplicate)::int d, sum(conflict)::int c from ledger"
    )
    return row["a"], row["d"], row["c"]


async def test_what_came_padded_and_comes_again_is_the_same(stores: Sequence[Connection], whole: RuleSet) -> None:
    connection, *_ = stores
    one = _full()
    again = [{**one, "event_id": "s:1\u3000"}, {**one, "patient": "p1  "}, {**one, "event_id": " s:1", "sex": "2"}]
    await take_bodies(connection, whole, [json.dumps(of).encode() for of in (one, *again)])
    assert await _outcomes(connection) == (1, 2, 1)


async def _take_as_before(
    connection: Connection, whole: RuleSet, bodies: Sequence[bytes], monkeypatch: pytest.MonkeyPatch, most: int = 50
) -> None:
    """What a program of before did: every identifier kept as it came, digests of the second generation."""
    with monkeypatch.context() as before:
        before.setattr(codec, "with_trimmed", lambda event: event)
        before.setattr(codec, "unseen_faults", lambda event: iter(()))
        await take_bodies(connection, whole, bodies, most)
    await connection.execute("update events set generation = 2")


async def bring_up(connection: Connection, whole: RuleSet, most: int = 200) -> Redigested:
    sets, done = RuleSets(whole), Redigested()
    for pieces in (trim(connection, sets, most), redigest(connection, sets, most)):
        async for piece in pieces:
            done.add(piece)
    async for _ in find_apart(connection, most):
        pass
    return done


async def judge_again(connection: Connection, whole: RuleSet) -> int:
    return sum([report.findings.total() async for _, report in rejudge(connection, RuleSets(whole))])


def _padded_county(seed: int, share: float = 0.3) -> list[bytes]:
    """A county of which some messages pad some of their identifiers, as one system of two may."""
    random = Random(seed)
    bodies = []
    for event in simulate(CountyPlan(scale=1 / 4000, seed=seed)):
        message = json.loads(encode_event(event))
        if random.random() < share:
            parts = [message, *message.get("lines", ())]
            names = (*OF_CLAIM, *OF_LINE, "reverses", "corrects", "same_as")
            told = [(of, name) for of in parts for name in names if of.get(name)]
            for part, name in random.sample(told, k=min(3, len(told))):
                part[name] = random.choice(("", random.choice(PADS))) + part[name] + random.choice(PADS)
        bodies.append(json.dumps(message, ensure_ascii=random.random() < 0.5).encode())
    return bodies


@pytest.mark.parametrize("kept_by", ["today", "before"])
async def test_two_spellings_of_a_patient_are_one_person(
    stores: Sequence[Connection], whole: RuleSet, kept_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tests within 15 days are one too many, and each patient by itself has one."""
    connection, *_ = stores
    visits = [visit(str(n), line(str(n), HBA1C, f"03-0{n}"), patient=name) for n, name in ((1, "p1"), (2, "p1   "))]
    if kept_by == "today":
        await take_bodies(connection, whole, _bodies(*visits))
    else:
        await _take_as_before(connection, whole, _bodies(*visits), monkeypatch)
        assert await connection.fetchval("select count(*) from findings where rule_id = $1", PERIOD) == 0
        await bring_up(connection, whole)
        await judge_again(connection, whole)
    (row,) = await connection.fetch("select is_open, person from findings where rule_id = $1", PERIOD)
    assert (row["is_open"], row["person"]) == (True, "p1")


async def test_claims_of_one_encounter_are_linked_once_it_is_known_to_be_one(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    told = ((1, "E", "01-10"), (2, "E ", "06-20"), (3, "F", "03-01"))
    visits = [visit(str(n), line(str(n), HBA1C, day), encounter_id=name) for n, name, day in told]
    await _take_as_before(connection, whole, _bodies(*visits), monkeypatch)
    assert not await connection.fetchval("select bool_or(linked) from events")
    await bring_up(connection, whole)
    rows = await connection.fetch("select encounter_id, linked from events order by seq")
    assert [tuple(row) for row in rows] == [("E", True), ("E", True), ("F", False)]


@pytest.mark.parametrize("seed", [3, 11])
async def test_a_store_of_before_becomes_what_today_makes_of_the_same_messages(
    stores: Sequence[Connection], whole: RuleSet, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, afresh, beside = stores
    bodies = _padded_county(seed)
    before, after = bodies[: len(bodies) * 2 // 3], bodies[len(bodies) * 2 // 3 :]
    await take_bodies(afresh, whole, bodies)
    await _take_as_before(connection, whole, before, monkeypatch)
    apart = await load_kept(connection)
    await asyncio.gather(bring_up(connection, whole, 7), take_bodies(beside, whole, after))
    await bring_up(connection, whole)
    await judge_again(connection, whole)
    as_today, expected = await load_kept(connection), await load_kept(afresh)
    assert expected.findings
    assert apart.findings != expected.findings, "padding had cost something"
    assert as_today.findings == expected.findings
    for table in ("events", "event_ids"):
        ids = f"select event_id from {table} order by 1"
        assert await connection.fetch(ids) == await afresh.fetch(ids)
    outcomes = {row.outcome for row in await load_report(connection)}
    assert outcomes == {"joined", "renamed"}
    assert {row.what for row in await load_report(connection)} == {
        "patient", "event", "claim", "institution", "encounter",
    }  # fmt: skip
    assert (await bring_up(connection, whole)).events == 0
    assert not await published.find_outstanding(connection), "nothing is left to be done, or done again"
    await _every_version_is_explained(connection)


async def _every_version_is_explained(connection: Connection) -> None:
    """Also those that were found when the store kept identifiers as they came."""
    rows = await connection.fetch("select area, finding_id, version, change from finding_versions")
    assert any(row["change"] == "withdrawn" for row in rows)
    for row in [row for row in rows if row["change"] == "withdrawn"][:40] + rows[::8]:
        answer = await explain(connection, row["area"], row["finding_id"], row["version"])
        assert answer is not None
        assert answer.verdict is Reproduced.SAME, (row["finding_id"], row["version"], row["change"])


async def test_what_is_resent_before_the_store_is_brought_up_is_a_duplicate(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    body = json.dumps(_full(event_id="s:1 ")).encode()
    await _take_as_before(connection, whole, [body], monkeypatch)
    await take_bodies(connection, whole, [body, json.dumps(_full(event_id="s:1 ", sex="2")).encode()])
    assert await _outcomes(connection) == (1, 1, 1)
    await bring_up(connection, whole)
    await take_bodies(connection, whole, [body, json.dumps(_full(event_id="s:1")).encode()])
    assert await _outcomes(connection) == (1, 3, 1)


async def test_an_event_known_in_both_forms_stays_and_is_named(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    bodies = [json.dumps(_full(event_id=name)).encode() for name in ("s:1", " s:1", "s:1 ", "s:2  ", "s:2 ")]
    await _take_as_before(connection, whole, bodies, monkeypatch, most=1)
    for _ in range(2):
        await bring_up(connection, whole)
        told = {(row.was, row.outcome) for row in await load_report(connection) if row.what == "event"}
        assert told == {
            (" s:1", "known twice"), ("s:1 ", "known twice"), ("s:2  ", "renamed"), ("s:2 ", "known twice"),
        }  # fmt: skip
        ids = {row["event_id"] for row in await connection.fetch("select event_id from event_ids")}
        assert ids == {row["event_id"] for row in await connection.fetch("select event_id from events")}
        assert ids == {"s:1", " s:1", "s:1 ", "s:2", "s:2 "}
        await judge_again(connection, whole)
    assert await bring_up(connection, whole) == Redigested()


async def test_persons_that_a_merge_named_padded_are_joined(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    merge = status("m", "05-01", "merge", same_as="p2 ")
    visits = [visit(str(n), line(str(n), NURSING, "03-01"), patient=f"p{n}") for n in (1, 2)]
    await _take_as_before(connection, whole, _bodies(merge, *visits), monkeypatch)
    await bring_up(connection, whole)
    rows = await connection.fetch("select patient, person from persons order by 1")
    assert [(row["patient"], row["person"]) for row in rows] == [("p1", "p1"), ("p2", "p1"), ("p2 ", "p1")]
    assert await load_report(connection) == [Trimmed("420281", "patient", "p2 ", "p2", "joined")]


async def test_a_person_who_went_by_a_padded_name_goes_by_the_trimmed_one(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks in front come before all letters, so a merge of before named the person so."""
    connection, *_ = stores
    merge = status("m", "05-01", "merge", same_as="p1", patient=" p1")
    visits = [visit(str(n), line(str(n), HBA1C, f"03-0{n}"), patient=name) for n, name in ((1, " p1"), (2, "p1"))]
    await _take_as_before(connection, whole, _bodies(merge, *visits), monkeypatch)
    await connection.execute("update persons set person = ' p1'")
    await bring_up(connection, whole)
    assert {row["person"] for row in await connection.fetch("select person from persons")} == {"p1"}
    await judge_again(connection, whole)
    rows = await connection.fetch("select person from findings where is_open")
    assert {row["person"] for row in rows} == {"p1"}


async def test_a_finding_goes_on_in_the_one_by_trimmed_names_and_its_lines_are_shown(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    told = visit("1", line("1 ", NURSING, "03-01", quantity="2"), encounter_id="E ", institution="A\u3000")
    await _take_as_before(connection, whole, _bodies(told), monkeypatch)
    (before,) = await connection.fetch("select area, finding_id from findings where rule_id = $1", CAP)
    await bring_up(connection, whole)
    await judge_again(connection, whole)
    (after,) = await connection.fetch("select finding_id from findings where rule_id = $1 and is_open", CAP)
    last = await load_version(connection, before["area"], before["finding_id"])
    assert last is not None
    assert (last.change, last.continued_by) == (Change.WITHDRAWN, after["finding_id"])
    for name in (before["finding_id"], after["finding_id"]):
        version = await load_version(connection, before["area"], name)
        assert version is not None
        events = await find_person_events(connection, version.area, version.subject.name)
        history = PatientHistory(version.subject, events.values(), ())
        sources = sources_of(version.finding, history, events)
        received = await load_claims(connection, version.area, sources.seqs)
        claims, missing = marked_claims(version.finding, history, received)
        assert ([len(claim.guilty.lines) + len(claim.involved.lines) for claim in claims], missing) == ([1], 0)


async def test_rules_that_need_details_are_asked_where_only_these_were_padded(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    needing = whole.rules[0].model_copy(update={"needs": ("lines.practitioner",)})
    del needing.__dict__["generation"]  # reckoned from what it needed before
    asking = replace(whole, rules=(needing,))
    told = visit("1", line("1", HBA1C, "03-01", practitioner="d1 "))
    await _take_as_before(connection, whole, _bodies(told), monkeypatch)
    await publish_own(connection, asking)
    await judge_again(connection, asking)
    await bring_up(connection, asking)
    (left,) = await published.find_outstanding(connection)
    assert left.rules == [needing.id]


async def test_what_has_no_bytes_keeps_its_names_and_is_joined_all_the_same(
    stores: Sequence[Connection], whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, *_ = stores
    bodies = [json.dumps(_full(event_id=f"s:{n} ", patient=name)).encode() for n, name in ((1, "p1"), (2, "p1 "))]
    await _take_as_before(connection, whole, bodies, monkeypatch)
    await connection.execute("delete from received")
    done = await bring_up(connection, whole)
    assert (done.anew, sorted(done.without_bytes)) == (0, ["s:1 ", "s:2 "])
    assert [row.outcome for row in await load_report(connection)] == ["joined"]
    assert await connection.fetchval("select count(distinct person) from persons") == 1


@pytest.mark.parametrize("pad", PADS, ids=ascii)
def test_an_area_loses_what_nobody_sees_at_its_ends(pad: str) -> None:
    for message in (_full(), json.loads(encode_event(status("s", "03-01", "death")))):
        padded = json.dumps(message | {"area": f"{pad}{message['area']}{pad}"}).encode()
        assert decode_event(padded).area == message["area"]
        assert decode_stored(padded).area == f"{pad}{message['area']}{pad}", "what is stored stays in its area"


@pytest.mark.parametrize("area", ["", " ", "\u200b\u3000"], ids=ascii)
def test_an_area_that_shows_nothing_is_a_fault(area: str) -> None:
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(_full(area=area)).encode())
    assert raised.value.faults == ["area: expected a visible sign"]


def test_a_message_padded_everywhere_is_one_that_is_not() -> None:
    body = json.dumps(_full()).encode()
    wild = body.replace(b'"p1"', b'"\\u00a0p1\\t"').replace(b'"H2"', b'"H2 "')
    assert same_content(decode_event(wild), decode_event(body))


async def test_redigest_tells_what_became_of_padded_identifiers(
    postgres_url: str, tmp_path: Path, whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect(postgres_url)
    try:
        await publish_first(connection, whole)
        bodies = [json.dumps(_full(event_id=f"s:{n} ", patient=name)).encode() for n, name in ((1, "p1"), (2, "p1 "))]
        await _take_as_before(connection, whole, bodies, monkeypatch)
    finally:
        await connection.close()
    shell, report = Shell(tmp_path, postgres_url), tmp_path / "report.jsonl"
    assert (await asyncio.to_thread(shell.json, "migrate"))["old_digests"] == 2
    said = await asyncio.to_thread(shell, "redigest", "--report", str(report))
    assert (await asyncio.to_thread(shell.json, "migrate"))["old_digests"] == 0
    assert "患者 patient, 已合并 joined: 1" in said
    assert "事件 event, 已改名 renamed: 2" in said
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert {(row["what"], row["was"], row["now"]) for row in rows} == {
        ("patient", "p1 ", "p1"), ("event", "s:1 ", "s:1"), ("event", "s:2 ", "s:2"),
    }  # fmt: skip
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    refused = await asyncio.to_thread(shell, "redigest", "--report", str(report), code=1)
    assert "File exists" in refused
    again = await asyncio.to_thread(shell.json, "redigest")
    assert again["padded"] == {"event": {"renamed": 2}, "patient": {"joined": 1}}
    assert (again["anew"], again["finished"]) == (0, True)
