"""The codec: what means the same has one hash, what differs has another, and nothing is lost on the way."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import Struct
from msgspec.structs import fields, replace

from knowledge_base.days import FIRST_DAY, LAST_DAY, is_likely
from knowledge_base.events.claims import Claim, ClaimLine, Department, Diagnosis, Operation, Paid
from knowledge_base.events.head import Event
from knowledge_base.events.persons import InsuredPeriod, PatientStatus
from knowledge_base.signs import UNSEEN
from streams.messages.codec import (
    decode_event,
    decode_slowly,
    decode_stored,
    encode_event,
    readable_money,
    same_content,
    unknown_fields,
)
from streams.messages.faults import MOST_FAULTS, Undecodable
from streams.messages.kinds import KINDS, digest_of
from streams.messages.numbers import has_fields, is_number
from streams.messages.packing import decode_digest, encode_digest
from streams.messages.schemas import encode_schema, event_schemas
from streams.messages.unknown import likely_meant
from tests.reference.generators import mixed

from .bad_messages import OLD_SPELLINGS, SPELLINGS, all_bad, big_claim, claim, status
from .disturbed import written_otherwise

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
NOON = datetime(2026, 3, 3, 4, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))

FULL_LINE = ClaimLine(
    "1", "2", "10.5", NOON, "001103000010000", "item", "service", "5.25", "10", "0.5", True, True, "H2", True, 3,
    Department("A01", "ward"), "D1", "O1", ("T1", "T2"), "0",
)  # fmt: skip
FULL_CLAIM = Claim(
    "s:1", "420281", "claim", NOON, "s", "C1", "M1", "P1", "H1", "21", NOON, (FULL_LINE,), NOON, 1, "1",
    date(1950, 1, 1), "310", "item", "3", "hospital", "420281", Department("A01", "ward"), "D1", NOON, NOON, True, "1",
    "2", (Diagnosis("I10.x00", "name", True, NOON),), (Operation("06.4x00", "name", True, NOON, "1", "D1"),),
    Paid("5", "4", "3", "2", "1", "0.5"), None, "C0",
)  # fmt: skip
FULL_STATUS = PatientStatus(
    "s:2", "420281", "patient_status", NOON, "s", "P1", "death", NOON, 1, date(2026, 3, 3), "P2", "1",
    (InsuredPeriod(date(2020, 1, 1), date(2025, 12, 31)),),
)  # fmt: skip

#: Not content: when it came. One word is all that a kind and a version can be.
NO_CONTENT = {"received_at", "kind", "schema_version"}


def _changes(part: Any) -> Iterator[tuple[str, Any]]:
    """A part with one field changed, for each field at any depth, and where that is."""
    for field in fields(part):
        value = getattr(part, field.name)
        for where, changed in _other_values(value, field.type):
            yield f".{field.name}{where}", replace(part, **{field.name: changed})


def _other_values(value: Any, kind: Any) -> Iterator[tuple[str, Any]]:
    if type(None) in get_args(kind) and value is not None:
        yield " absent", None
    if value is None:
        yield " present", {str: "x"}[_plain(kind)]
    elif isinstance(value, Struct):
        yield from _changes(value)
    elif isinstance(value, tuple):
        yield " empty", ()
        yield " doubled", value * 2
        for index, item in enumerate(value):
            for where, changed in _other_values(item, get_args(_plain(kind))[0]):
                yield f"[{index}]{where}", (*value[:index], changed, *value[index + 1 :])
    else:
        yield "", _one_more(value) if is_number(_told(kind)) else _other(value, _plain(kind))


def _told(kind: Any) -> Any:
    """The type without "or nothing"."""
    return next(part for part in get_args(kind) if part is not type(None)) if type(None) in get_args(kind) else kind


def _plain(kind: Any) -> Any:
    """The type without "or nothing" and without annotations."""
    kind = _told(kind)
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _one_more(number: str) -> str:
    return str(Decimal(number) + Decimal("1e-6"))


def _other(value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return next((word for word in get_args(kind) if word != value), value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    return value + (timedelta(days=1) if isinstance(value, date) else 1)


@pytest.mark.parametrize("event", [FULL_CLAIM, FULL_STATUS], ids=["claim", "status"])
def test_every_single_field_is_content(event: Event) -> None:
    changes = dict(_changes(event))
    unnoticed = {where for where, changed in changes.items() if same_content(changed, event)}
    assert unnoticed == {where for where in changes if where.removesuffix(" absent")[1:] in NO_CONTENT}
    assert len(changes) > (100 if isinstance(event, Claim) else 15)


def test_a_reversal_is_no_correction() -> None:
    assert not same_content(replace(FULL_CLAIM, reverses=FULL_CLAIM.corrects, corrects=None), FULL_CLAIM)


def test_other_words_for_the_same_are_the_same_content() -> None:
    claim_of = replace(
        FULL_CLAIM,
        happened_at=NOON.astimezone(CHINA),
        received_at=None,
        lines=(replace(FULL_LINE, quantity="2.000", amount="10.50", at=NOON.astimezone(CHINA)),),
    )
    assert same_content(claim_of, FULL_CLAIM)
    zeros = [
        replace(FULL_CLAIM, lines=(replace(FULL_LINE, own_pay=zero),)) for zero in ("0", "0.00", "-0", "-0.000000")
    ]
    assert all(same_content(zero, zeros[0]) for zero in zeros)


@pytest.mark.parametrize("seed", range(20))
def test_other_bytes_of_one_content_are_the_same_content(seed: int) -> None:
    for event in mixed(seed):
        other = written_otherwise(event, Random(seed))
        assert other != encode_event(event)
        assert same_content(decode_event(other), event)


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
_AT = st.builds(
    lambda day, clock, zone: datetime.combine(day, clock, zone),
    st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    st.times(),
    st.sampled_from([UTC, CHINA]),
)
_DECIMAL = st.decimals(-(10**14) + 1, 10**14 - 1, places=6) | st.decimals(-1000, 1000, places=2)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT.map(lambda text: text.strip(UNSEEN) or "0"),
    datetime: _AT,
    date: st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    bool: st.booleans(),
    int: st.integers(0, 3660),
}


def _values_of(kind: Any) -> st.SearchStrategy[Any]:
    if type(None) in get_args(kind):
        return st.none() | _values_of(_told(kind))
    if is_number(kind):
        return _DECIMAL.map(str)
    kind = _plain(kind)
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        return st.lists(_values_of(get_args(kind)[0]), max_size=3).map(tuple)
    return _values_of_fields(kind) if has_fields(kind) else _SCALARS[kind]


def _values_of_fields(kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: _values_of(field.type) for field in fields(kind)})


def _lawful(event: Event) -> Event:
    """Without what a single field cannot say: ids that name one thing, at most one link, a merge that merges."""
    if isinstance(event, PatientStatus):
        return replace(event, same_as=event.patient + "2")
    lines = tuple(replace(line, line_id=f"{n}", refund_of=None) for n, line in enumerate(event.lines))
    return replace(event, lines=lines, reverses=None, corrects=None)


_EVENTS = st.one_of(_values_of_fields(Claim), _values_of_fields(PatientStatus)).map(_lawful)


@given(_EVENTS)
def test_encoding_and_decoding_give_the_event_back(event: Event) -> None:
    assert decode_event(encode_event(event)) == event
    assert unknown_fields(encode_event(event)) == []
    assert Draft202012Validator(event_schemas()[event.kind]).is_valid(json.loads(encode_event(event)))


@given(_EVENTS)
def test_a_digest_comes_back_as_it_was(event: Event) -> None:
    digest = digest_of(event)
    assert decode_digest(event.kind, encode_digest(digest)) == digest


def test_unknown_fields_are_counted_and_change_nothing() -> None:
    data = claim(1)
    known = json.dumps(data).encode()
    data["lines"][0] |= {"colour": 1, "own": 5}
    other = json.dumps({**data, "colour": ["\0"]}).encode()
    assert unknown_fields(known) == []
    assert sorted(unknown_fields(other)) == ["colour", "lines.colour", "lines.own"]
    assert decode_event(other) == decode_event(known)


@pytest.mark.parametrize(
    "name",
    ["420281199001011234", "p0000544", "张三", "a b", "a" * 41, "x\u200by", "lines[0]", "<b>", ""],
    ids=ascii,
)
def test_an_unknown_name_that_is_like_none_of_a_field_is_counted_and_not_told(name: str) -> None:
    assert unknown_fields(json.dumps({**claim(1), name: "somebody"}).encode()) == [""]


@pytest.mark.parametrize(
    ("kind", "field", "meant"),
    [
        ("claim", "totl_amount", "lines.amount"),
        ("claim", "lines.amout", "lines.amount"),
        ("claim", "setled_at", "settled_at"),
        ("claim", "Visit_Type", "visit_type"),
        ("claim", "lines.practitionr", "lines.practitioner"),
        ("claim", "operations.practitionr", "operations.practitioner"),
        ("claim", "item_code", "lines.item_code"),
        ("patient_status", "patiant", "patient"),
        ("claim", "colour", None),
    ],
)
def test_what_an_unknown_field_is_likely_to_mean(kind: str, field: str, meant: str | None) -> None:
    assert likely_meant(kind, field) == meant


@pytest.mark.parametrize("unreadable", [b'"\xff"', b"[" * 3000 + b"]" * 3000])
def test_an_unknown_field_that_cannot_be_read_refuses_no_message(unreadable: bytes) -> None:
    body = json.dumps(claim(1)).encode()[:-1] + b', "colour": ' + unreadable + b"}"
    assert unknown_fields(body) == []
    lines = json.dumps({**status(1), "lines": 5}).encode()
    assert (decode_event(lines).kind, unknown_fields(lines)) == ("patient_status", ["lines"])


@pytest.mark.parametrize("number", ["1E+9999999", "-1E+9999999", "9E+999999", "1E-9999999"])
def test_a_number_beyond_all_bounds_is_a_fault_of_its_field(number: str) -> None:
    data = claim(1)
    data["lines"][0]["amount"] = number
    with pytest.raises(Undecodable, match=r"lines\[0\].amount"):
        decode_event(json.dumps(data).encode())


@pytest.mark.parametrize(("written", "meant"), SPELLINGS.items())
def test_a_number_counts_however_the_schema_lets_it_be_written(written: object, meant: str) -> None:
    data, plain = claim(1), claim(1)
    data["lines"][0]["quantity"], plain["lines"][0]["quantity"] = written, meant
    assert same_content(decode_event(json.dumps(data).encode()), decode_event(json.dumps(plain).encode()))


@pytest.mark.parametrize(("written", "meant"), OLD_SPELLINGS.items())
def test_other_spellings_are_refused_and_read_where_they_were_taken_once(written: str, meant: str) -> None:
    data = claim(1)
    data["lines"][0]["quantity"] = written
    with pytest.raises(Undecodable, match=r"lines\[0\].quantity: expected a decimal such as 12.50") as raised:
        decode_event(json.dumps(data).encode())
    assert raised.value.money == Decimal("10.75")
    stored = decode_stored(json.dumps(data).encode())
    assert isinstance(stored, Claim)
    assert Decimal(stored.lines[0].quantity) == Decimal(meant)


@pytest.mark.parametrize("amount", ["1_000", "１０００", "٣", " 5", "1e3", "0.1234567", "NaN", 0.1234567, True, None])
def test_money_that_no_claim_may_name_so_is_not_known(amount: object) -> None:
    data = claim(1)
    data["lines"][0]["amount"] = amount
    with pytest.raises(Undecodable, match=r"lines\[0\].amount") as raised:
        decode_event(json.dumps(data).encode())
    assert raised.value.money is None


def test_the_short_way_and_the_long_way_agree() -> None:
    """What the codec takes at once the long way takes too, with the same event."""
    for seed in range(10):
        for event in mixed(seed):
            assert decode_slowly(encode_event(event)).event == decode_event(encode_event(event)) == event


@pytest.mark.parametrize("zone", ["+08:00", "Z", "-03:30"])
@pytest.mark.parametrize("digits", ["999999", "9999999", "9999995", "999999000", "123456789012345678", "5"])
@pytest.mark.parametrize("event", [FULL_CLAIM, FULL_STATUS])
def test_digits_beyond_microseconds_are_cut_and_never_rounded(event: Event, digits: str, zone: str) -> None:
    """The last moment of a day as other programs write it stays in that day, by each way that a message is read."""
    written = f"2026-03-01T23:59:59.{digits}{zone}"
    body = encode_event(event).replace(b"2026-03-03T04:00:00Z", written.encode())
    meant = datetime.fromisoformat(f"2026-03-01T23:59:59.{digits[:6]:0<6}{zone.replace('Z', '+00:00')}")
    assert body.count(written.encode()) > 1
    for read in (decode_event(body), decode_slowly(body).event, decode_stored(body)):
        assert read.happened_at == meant
        if isinstance(read, Claim):
            assert {read.settled_at, read.admitted_at, read.lines[0].at} == {meant}


def test_a_text_that_holds_long_fractions_stays_as_it_is() -> None:
    named = replace(FULL_CLAIM, lines=(replace(FULL_LINE, item_name="at 2026-03-01T23:59:59.9999999 0.12345678"),))
    assert decode_event(encode_event(named)) == named


def test_every_fault_is_told_at_once_with_the_money_that_can_be_read() -> None:
    data = claim(1) | {"patient": 7, "sex": 1, "settled_at": "2026-03-03"}
    del data["sender"]
    data["lines"][0] |= {"quantity": "many", "at": "2026-03-03T00:00:00"}
    data["diagnoses"] += [{"name": "second"}]
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(data).encode())
    fields = [fault.partition(":")[0] for fault in raised.value.faults]
    assert fields == [
        "sender", "patient", "settled_at", "lines[0].quantity", "lines[0].at", "sex", "diagnoses[1].code"
    ]  # fmt: skip
    assert raised.value.money == Decimal("10.75")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("totl_amount", ", perhaps called totl_amount"),
        ("Total_Amount", ", perhaps called Total_Amount"),
        ("remark", ""),
        ("amount 1", ""),
        ("amount123", ""),
        ("amount金额", ""),
    ],
)
def test_a_missing_field_is_told_with_what_it_is_perhaps_called(name: str, hint: str) -> None:
    data = claim(1)
    data["lines"][0][name] = data["lines"][0].pop("amount")
    assert _faults(data) == [f"lines[0].amount: missing{hint}"]
    data = claim(1) | {"patient_": "P-1"}
    del data["patient"]
    assert _faults(data) == ["patient: missing, perhaps called patient_"]


def test_what_a_missing_field_is_called_is_looked_for_in_few_faults_and_among_few_names() -> None:
    misspelt = [{"line_id": str(number), "quantity": 1, "at": "x", "amuont": 1} for number in range(MOST_FAULTS)]
    told = _faults(claim(1) | {"lines": misspelt})
    assert told[0] == "lines[0].amount: missing, perhaps called amuont"
    assert told[-1] == f"message: further faults: {MOST_FAULTS}"
    many = {f"x{number}": 1 for number in range(100_000)}
    (fault,) = _faults(_without_patient({"patient_": 1} | many))
    assert fault == "patient: missing, perhaps called patient_"
    (fault,) = _faults(_without_patient(many | {"patient_": 1}))
    assert fault == "patient: missing"


def _without_patient(more: dict[str, Any]) -> dict[str, Any]:
    data = claim(1)
    del data["patient"]
    return data | more


def _faults(data: dict[str, Any]) -> list[str]:
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(data).encode())
    return raised.value.faults


def test_faults_beyond_the_types_are_told_at_once() -> None:
    data = claim(1) | {"reverses": "C-a", "corrects": "C-b"}
    data["lines"][0] |= {"amount": "0.1234567", "days": -1}
    data["lines"][1] |= {"line_id": "1", "item_name": "\0"}
    with pytest.raises(Undecodable) as raised:
        decode_event(json.dumps(data).encode())
    fields = {fault.partition(":")[0] for fault in raised.value.faults}
    assert fields == {
        "reverses", "lines[0].amount", "lines[0].days", "lines[1].line_id", "lines[1].item_name"
    }  # fmt: skip


@pytest.mark.parametrize("born", ["0001-01-01", "1899-12-30", "1900-01-01", "2999-12-31", "9999-12-31"])
def test_a_birth_date_that_stands_for_not_known_is_no_fault(born: str) -> None:
    decoded: Any = decode_event(json.dumps(claim(1) | {"birth_date": born}).encode())
    assert (decoded.birth_date.isoformat(), KINDS["claim"].digest_of(decoded).birth) == (born, None)


FAR_AWAY = ["0001-01-01T00:00:00+14:00", "1899-12-31T00:00:00Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"]


@pytest.mark.parametrize("instant", FAR_AWAY)
@pytest.mark.parametrize("field", ["happened_at", "settled_at", "admitted_at", "discharged_at", "at"])
def test_instants_that_stand_for_nothing_are_taken_and_span_nothing(field: str, instant: str) -> None:
    data = claim(1) | {"diagnoses": [{"code": "I10", "at": instant}], "operations": [{"code": "06.4", "at": instant}]}
    (data["lines"][0] if field == "at" else data)[field] = instant
    decoded = decode_event(json.dumps(data).encode())
    digest = digest_of(decoded)
    assert decode_digest("claim", encode_digest(digest)) == digest
    assert all(is_likely(day) for day in digest.span)
    assert decode_event(encode_event(decoded)) == decoded


@pytest.mark.parametrize("instant", FAR_AWAY)
def test_a_claim_that_tells_nothing_but_a_far_settlement_lies_within_the_calendar(instant: str) -> None:
    told = claim(1) | {"settled_at": instant, "admitted_at": None, "discharged_at": None, "lines": []}
    first, last = digest_of(decode_event(json.dumps(told).encode())).span
    assert FIRST_DAY <= first == last <= LAST_DAY


def test_money_is_the_sum_of_lines() -> None:
    assert KINDS["claim"].money(decode_event(json.dumps(claim(1)).encode())) == Decimal("10.75")
    assert KINDS["patient_status"].money(FULL_STATUS) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_published_schemas_are_those_of_the_types(kind: str) -> None:
    """Written anew by ``python -m streams.messages.schemas``."""
    assert (SCHEMAS / f"{kind}.json").read_bytes() == encode_schema(event_schemas()[kind])
    others = {path.stem for path in SCHEMAS.glob("gateway.*.json")}
    assert {path.stem for path in SCHEMAS.iterdir()} - others == set(KINDS)


def test_schemas_accept_what_is_good() -> None:
    validators = {kind: Draft202012Validator(schema) for kind, schema in event_schemas().items()}
    for schema in event_schemas().values():
        Draft202012Validator.check_schema(schema)
    good = [json.loads(encode_event(event)) for seed in range(30) for event in (*mixed(seed), FULL_CLAIM, FULL_STATUS)]
    for data in [*good, claim(1), status(1), claim(1) | {"colour": 1}]:
        validators[data["kind"]].validate(data)


#: What a schema cannot say of a field, or says only to validators that look at formats; to it 1.0 is 1.
_BEYOND_SCHEMAS = ("schema_version", "_at", ".at", "birth_date", "died_on", "same_as", "reverses", "corrects",
                   "lines[1].line_id", "lines[0].refund_of")  # fmt: skip


def test_schemas_refuse_what_is_bad() -> None:
    validators = {kind: Draft202012Validator(schema) for kind, schema in event_schemas().items()}
    refused = 0
    for number, bad in enumerate(all_bad()):
        if bad.names.startswith("not JSON") or bad.names.endswith(_BEYOND_SCHEMAS):
            continue
        data = json.loads(bad.body(number) or b"")
        kind = "patient_status" if bad.kind.startswith("status") else "claim"
        has_too_many_digits = str(0.1 + 0.2) in str(data)
        if not has_too_many_digits and "\0" not in str(data) and "\\x00" not in str(data):
            assert not validators[kind].is_valid(data), bad.kind
            refused += 1
    assert refused > 150


def test_a_message_of_two_megabytes_is_one_claim() -> None:
    decoded = decode_event(json.dumps(big_claim(1)).encode())
    assert isinstance(decoded, Claim)
    assert len(decoded.lines) == 16_000


@pytest.mark.parametrize("number", ["1e99999999999999999999", "1e-99999999999999999999", "-1E+99999999999999999999"])
def test_a_number_that_nobody_can_reckon_with_is_a_fault(number: str) -> None:
    body = json.dumps(claim(1)).encode()[:-1] + f',"quantity":{number},"settled_at":7}}'.encode()
    with pytest.raises(Undecodable, match="exponent"):
        decode_event(body)
    assert readable_money(body) is None
