"""What doors of before took and today's refuses: a store that holds it is judged, explained and redigested like any.

Each case is a claim in a spelling of before and the same in today's. Texts beyond today's bounds, empty identifiers and
days outside 1900 to 2199 no door ever took.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.findings import Finding
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish_first
from streams.jobs.explaining import Reproduced, explain
from streams.messages.codec import Decoded, decode_event, encode_event
from streams.messages.faults import Undecodable
from streams.messages.versions import unpack_finding
from streams.pipeline import account
from streams.store.sessions import Connection, connect
from tests.reference.cases import HBA1C, NURSING, line, visit
from tests.reference.cases import PLAIN as OTHER
from tests.streams.bad_messages import OLD_SPELLINGS
from tests.streams.test_redigesting import take_bodies

from .test_identifiers import CAP, PERIOD, bring_up, judge_again

Message = dict[str, Any]
BLANK = "\u200b\u3000"
"""An identifier that shows nothing; as it comes, it is one like any other."""
SHOWN = "shown"
NUMBERS = ("quantity", "amount", "unit_price", "in_fund_scope", "own_pay", "pooled_fund", "own")


def _first(number: str = "12") -> Message:
    """A claim of three lines; all numbers of the first are the same."""
    nursing = line("1", NURSING, "03-01", unit_price="1", own_pay="0")
    lines = [nursing, line("2", HBA1C, "03-01"), line("3", OTHER, "03-01")]
    message: Message = json.loads(encode_event(visit("1", *lines)))
    message["paid"] = {"pooled_fund": number, "own": number}
    message["lines"][0] |= {name: number for name in NUMBERS if name in message["lines"][0]}
    return message


def _later(patient: str = "p1") -> bytes:
    """A new claim of the patient: more nursing on the day, and a test too early after the first."""
    lines = [line("1", NURSING, "03-01", quantity="3"), line("2", HBA1C, "03-08")]
    return encode_event(visit("2", *lines, patient=patient))


def _json(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def _twice(body: bytes, first: str) -> bytes:
    """The body with a name before that comes again later: the last counted."""
    return b"{" + first.encode() + b"," + body[1:]


def _named(path: Sequence[Any], name: str) -> Message:
    message = _first()
    *way, last = path
    part: Any = message
    for step in way:
        part = part[step]
    part[last] = name
    return message


PLAIN = _json(_first())
UNREAD = b', "remark": "\xb7\xce"}'
"""Bytes of another encoding in a field that no schema knows."""
ODD = _json(_first("1_2"))

NUMBERS_OF_BEFORE = {**OLD_SPELLINGS, "\t7\u3000": "7", "1.20e1": "12", "+1_0.5_0": "10.5"}
SPELLED = {ascii(odd): (_json(_first(odd)), _json(_first(meant))) for odd, meant in NUMBERS_OF_BEFORE.items()}

LONG = {
    "more digits than a double holds": (
        PLAIN.replace(b'"12"', b"12.50000000000000000001"),
        PLAIN.replace(b'"12"', b'"12.5"'),
    ),
}

IDENTIFIERS: dict[str, tuple[Any, ...]] = {
    name: (name,) for name in ("event_id", "claim_id", "encounter_id", "patient", "institution", "sender")
} | {"line_id": ("lines", 0, "line_id")}
UNSEEN_NAMES = {
    f"unseen {name}": (_json(_named(path, BLANK)), _json(_named(path, SHOWN))) for name, path in IDENTIFIERS.items()
}

PADDED = {
    f"padded {name}": (_json(_named(path, f" {SHOWN}\u3000")), _json(_named(path, SHOWN)))
    for name, path in IDENTIFIERS.items()
    if name != "patient"
} | {"padded patient": (_json(_named(("patient",), "p1 ")), PLAIN)}

TWICE = {
    "a name twice": (_twice(PLAIN, '"patient": "p9"'), PLAIN),
    "a name twice in a line": (PLAIN.replace(b'[{"line_id"', b'[{"quantity": "1", "line_id"'), PLAIN),
    "a name twice where nobody reads": (PLAIN[:-1] + b', "x": {"a": 1, "a": 2}}', PLAIN),
}

UNREADABLE = {
    "bytes of another encoding": (PLAIN[:-1] + UNREAD, PLAIN),
    "bytes of another encoding, and numbers": (ODD[:-1] + UNREAD, PLAIN),
    "an endless exponent": (PLAIN[:-1] + b', "remark": 1e99999999999999999999}', PLAIN),
    "an endless exponent, and numbers": (ODD[:-1] + b', "remark": 1e99999999999999999999}', PLAIN),
}

ONE_BY_TRIMMING = {
    f"{of} by trimming": (_json(_named(path, name + BLANK)), _json(_named(path, name + SHOWN)))
    for of, path, name in (
        ("lines that are one", ("lines", 1, "line_id"), "1"),
        ("a line that refunds itself", ("lines", 2, "refund_of"), "3"),
        ("a claim that corrects itself", ("corrects",), "1"),
    )
}
ONE_BY_TRIMMING["lines that are one, of a padded event"] = (
    _json(_named(("lines", 1, "line_id"), "1" + BLANK) | {"event_id": "s:1 "}),
    _json(_named(("lines", 1, "line_id"), "1" + SHOWN) | {"event_id": "s:1"}),
)

TOGETHER = {
    "all together": (
        _twice(
            _json(_first("1_2") | {"event_id": "s:1 ", "institution": " A", "sender": BLANK})[:-1] + UNREAD,
            '"sex": "2"',
        ),
        _json(_first() | {"event_id": "s:1", "sender": SHOWN}),
    ),
}

CASES = SPELLED | LONG | UNSEEN_NAMES | PADDED | TWICE | UNREADABLE | ONE_BY_TRIMMING | TOGETHER


def _read_before(body: bytes) -> Decoded:
    """A claim as doors of before read it, by another reader: the last of two values, numbers as ``Decimal`` reads them
    and without quotes as a double holds them, identifiers as they came."""
    data = json.loads(body.decode(errors="replace"))
    for part in (*data["lines"], data["paid"]):
        part |= {name: str(Decimal(str(part[name]))) for name in NUMBERS if part.get(name) is not None}
    return Decoded(msgspec.convert(data, Claim))


async def _take_before(
    connection: Connection, rule_set: RuleSet, bodies: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(account, "decode_message", _read_before)
        await take_bodies(connection, rule_set, bodies)
    await connection.execute("update events set generation = 1, details = null")


@pytest.fixture(scope="module")
def whole() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def stores(
    new_database: Callable[[], str], drop_database: Callable[[str], None], whole: RuleSet
) -> AsyncIterator[Sequence[Connection]]:
    """Two stores with the program's own rules."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            url = new_database()
            stack.callback(drop_database, url)
            opened.append(await connect(url))
            stack.push_async_callback(opened[-1].close)
            await publish_first(opened[-1], whole)
        yield opened


@pytest.mark.parametrize("case", CASES)
async def test_what_was_taken_once_is_judged_explained_and_redigested(
    stores: Sequence[Connection], whole: RuleSet, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, today = stores
    body, plain = CASES[case]
    patient = json.loads(plain)["patient"]
    await take_bodies(today, whole, [plain, _later(patient)])
    expected = await _found(today)
    assert {rule for rule, *_ in expected} >= {CAP, PERIOD}
    if patient == SHOWN:
        await _take_before(connection, whole, [body, _later(BLANK)], monkeypatch)
        taken = 2
    else:
        await _take_before(connection, whole, [body], monkeypatch)
        await take_bodies(connection, whole, [_later()])
        taken = 1
    assert await connection.fetchval("select sum(accepted)::int from ledger") == 2
    await _is_explained(connection)
    done = await bring_up(connection, whole)
    assert (done.anew, done.without_bytes, done.unreadable) == (taken, [], [])
    await judge_again(connection, whole)
    assert await _found(connection) == expected
    assert await _ids(connection) == await _ids(today)
    await _is_explained(connection)
    assert (await bring_up(connection, whole)).events == 0


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_today_or_padded(case: str) -> None:
    body, plain = CASES[case]
    assert decode_event(plain)
    if case.startswith("padded"):
        assert decode_event(body)
        return
    with pytest.raises(Undecodable):
        decode_event(body)


async def _found(connection: Connection) -> dict[tuple[str, ...], Finding]:
    """The open findings by rule and occurrence; what shows nothing stands as it would if it did."""
    rows = await connection.fetch("select body from findings where is_open")
    found = [_shown(unpack_finding(row["body"])) for row in rows]
    return {(finding.maker_id, *finding.occurrence): finding for finding in found}


def _shown(finding: Finding) -> Finding:
    written = msgspec.json.encode(finding).replace(BLANK.encode(), SHOWN.encode())
    return msgspec.json.decode(written, type=Finding)


async def _ids(connection: Connection) -> set[tuple[str, ...]]:
    rows = await connection.fetch("select e.event_id, i.event_id from events e join event_ids i using (area, seq)")
    return {tuple([name.replace(BLANK, SHOWN) for name in row]) for row in rows}


async def _is_explained(connection: Connection) -> None:
    rows = await connection.fetch("select area, finding_id, version from finding_versions")
    assert rows
    for row in rows:
        answer = await explain(connection, row["area"], row["finding_id"], row["version"])
        assert answer is not None
        assert answer.verdict is Reproduced.SAME
