"""Names given twice: a fault of the message, wherever and however it is written; nothing else is taken for one."""

import json
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from deploy.county import CountyPlan, simulate
from knowledge_base.events.claims import Claim
from streams.messages import codec
from streams.messages.codec import decode_event, decode_stored, encode_event, readable_money
from streams.messages.faults import Undecodable
from streams.messages.names import fields_stand_once, stand_once
from tests.reference.cases import line, visit

Pairs = list[tuple[str, Any]]
"""An object as it is written; a dictionary could not hold a name twice."""


def _pairs(part: Any) -> Any:
    if isinstance(part, list):
        return [_pairs(item) for item in part]
    return [(name, _pairs(value)) for name, value in part.items()] if isinstance(part, dict) else part


def _is_object(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(item, tuple) for item in part)


def _written(part: Any, blanks: tuple[str, str, str]) -> str:
    """JSON of pairs, with blanks before colons, behind them and behind commas."""
    before, behind, comma = blanks
    if isinstance(part, list) and part and _is_object(part):
        said = [f"{json.dumps(name)}{before}:{behind}{_written(value, blanks)}" for name, value in part]
        return "{" + f",{comma}".join(said) + "}"
    if isinstance(part, list):
        return "[" + f",{comma}".join(_written(item, blanks) for item in part) + "]"
    return json.dumps(part, ensure_ascii=False)


def _objects(part: Any, inside: str = "") -> list[tuple[str, Pairs]]:
    """Every object of a message, with where it stands."""
    if not isinstance(part, list) or not part:
        return []
    if _is_object(part):
        deeper = [_objects(value, f"{inside}.{name}" if inside else name) for name, value in part]
        return [(inside, part), *(found for of in deeper for found in of)]
    return [found for index, item in enumerate(part) for found in _objects(item, f"{inside}[{index}]")]


def _full() -> dict[str, Any]:
    """A claim with an object of every kind, and what no schema knows."""
    lines = [line("1", "c1", "03-01"), line("2", "c1", "03-02", refund_of="1", practitioner="d1")]
    message: dict[str, Any] = json.loads(encode_event(visit("S1", *lines)))
    message |= {"department": {"code": "k"}, "diagnoses": [{"code": "i", "name": '":"'}], "operations": [{"code": "o"}]}
    message |= {"their": {"of": [{"theirs": 1, "other": {}}]}}
    message["lines"][0]["department"] = {"code": "k", "name": "ward"}
    return message


BLANKS = [("", "", ""), ("", " ", " "), (" ", "", ""), ("\n", "\t", "\r\n")]
SPELLINGS = [(":00Z", ":00.5Z"), ("Z", "+00:00"), (":00Z", ":00+0800"), ("service", "s\\u0022:"), ("11", '\\":')]


@pytest.mark.parametrize("blanks", BLANKS, ids=["packed", "as Python writes", "before colons", "in lines"])
def test_every_name_of_every_object_may_stand_once(blanks: tuple[str, str, str]) -> None:
    message = _pairs(_full())
    decode_event(_written(message, blanks).encode())
    objects = _objects(message)
    assert {where.partition("[")[0] for where, _ in objects} >= {
        "",
        "lines",
        "paid",
        "diagnoses",
        "operations",
        "their.of",
    }
    for where, pairs in objects:
        for name, value in list(pairs):
            for other in (value, None):
                pairs.append((name, other))
                with pytest.raises(Undecodable) as raised:
                    decode_event(_written(message, blanks).encode())
                pairs.pop()
                path = f"{where}.{name}" if where else name
                told = "message: an unknown name" if f"{path}.".startswith("their.") else path
                assert f"{told}: twice" in raised.value.faults


def test_a_name_twice_is_found_in_any_message_and_nothing_else_is_taken_for_one() -> None:
    random = Random(12)
    events = list(simulate(CountyPlan(scale=1 / 3000, seed=4)))
    for event in random.sample(events, 300):
        data = json.loads(encode_event(event))
        if random.random() < 0.5:
            data = {name: value for name, value in data.items() if value not in (None, [], False)}
        if random.random() < 0.3:
            data["remark"] = random.choice(('"x":', "a: b", '": "', "\\", '{"area":1,"area":2}', "张三"))
        message, blanks = _pairs(data), random.choice(BLANKS)
        assert decode_event(_written(message, blanks).encode())
        _, pairs = random.choice(_objects(message))
        name, value = random.choice(pairs)
        pairs.insert(random.randrange(len(pairs) + 1), (name, random.choice((value, None, "x", 0, False))))
        with pytest.raises(Undecodable, match="twice"):
            decode_event(_written(message, blanks).encode())


def test_one_name_spelled_in_two_ways_is_given_twice() -> None:
    body = json.dumps(_full()).encode().replace(b'"sex":', b'"s\\u0065x":"2","sex":')
    with pytest.raises(Undecodable, match="sex: twice"):
        decode_event(body)


def test_of_names_that_no_schema_knows_nothing_is_told() -> None:
    body = json.dumps(_full(), ensure_ascii=False).encode()[:-1] + ',"张三":1,"张三":2}'.encode()
    with pytest.raises(Undecodable) as raised:
        decode_event(body)
    assert raised.value.faults == ["message: an unknown name: twice"]


def test_a_status_and_a_faulty_message_are_looked_at_too() -> None:
    status = b'{"event_id":"e","area":"a","kind":"patient_status","happened_at":"2026-01-01T00:00:00Z","sender":"s",'
    with pytest.raises(Undecodable) as raised:
        decode_event(status + b'"patient":"p","patient":"q","change":"death","died_on":"2025-12-31"}')
    assert raised.value.faults == ["patient: twice"]
    with pytest.raises(Undecodable) as raised:
        decode_event(status + b'"patient":"p","patient":"q","change":"dead"}')
    assert raised.value.faults == ["patient: twice", "change: Invalid enum value"]


def test_what_was_accepted_with_a_name_twice_is_read_as_it_was() -> None:
    body = json.dumps(_full()).encode().replace(b'"sex":', b'"sex":"2","sex":')
    claim: Any = decode_stored(body)
    assert claim.sex == "1", "the last one counted"


def test_usual_spellings_cost_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def long_way(body: bytes) -> None:
        raise AssertionError(body)

    packed = encode_event(visit("S1", line("1", "c1", "03-01"), event_id="e", encounter_id="v"))
    monkeypatch.setattr(codec, "decode_slowly", long_way)
    for body in (packed, packed + b"\r\n", json.dumps(json.loads(packed), indent=2).encode()):
        assert decode_event(body)
    monkeypatch.setattr(codec, "stand_once", long_way)
    for body in (packed, json.dumps(dict(reversed(json.loads(packed).items())), separators=(",", ":")).encode()):
        assert decode_event(body)


def _packed(claim: dict[str, Any]) -> bytes:
    return json.dumps(claim, ensure_ascii=False, separators=(",", ":")).encode()


def _sparse(**fields: Any) -> dict[str, Any]:
    """A claim of many lines that tells nothing that it may leave out."""
    lines = [line(str(number), "c1", "03-01") for number in range(12)]
    message: dict[str, Any] = json.loads(encode_event(visit("S1", *lines, event_id="e", encounter_id="v")))
    return message | fields


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r"], ids=ascii)
def test_a_name_parted_from_its_colon_does_not_make_up_for_one_given_twice(blank: str) -> None:
    body = _packed(_sparse()).replace(b'"sex":', f'"sex"{blank}:'.encode()).replace(b'"area":', b'"area":"a","area":')
    with pytest.raises(Undecodable) as raised:
        decode_event(body)
    assert raised.value.faults == ["area: twice"]


@pytest.mark.parametrize("spelled", [b"\\u0022:", b'\\"\\u003a', b'\\"\\u003A', b"\\u0022\\u003a"], ids=ascii)
def test_the_end_of_a_name_in_a_text_does_not_make_up_for_one_given_twice(spelled: bytes) -> None:
    claim = _sparse()
    claim["lines"][0]["item_name"] = "NAME"
    body = _packed(claim).replace(b"NAME", spelled).replace(b'"area":', b'"area":"a","area":')
    with pytest.raises(Undecodable) as raised:
        decode_event(body)
    assert raised.value.faults == ["area: twice"]


def test_neither_quick_look_passes_a_name_twice() -> None:
    """Held against a reader that keeps every name: messages of all lengths and spellings."""
    random = Random(33)
    events = [event for event in simulate(CountyPlan(scale=1 / 3000, seed=5)) if isinstance(event, Claim)]
    seen: Counter[tuple[str, bool, bool]] = Counter()
    for event in random.sample(events, 400):
        pairs = _pairs(json.loads(encode_event(event)))
        for _, of in random.sample(_objects(pairs), 2):
            if random.random() < 0.4:
                of.append((random.choice(of)[0], random.choice((None, 0, "", False))))
            if random.random() < 0.5:
                del of[random.randrange(len(of))]
            random.shuffle(of)
        text = _written(pairs, random.choice((*BLANKS[:1] * 3, *BLANKS)))
        for spelling in SPELLINGS:
            text = text.replace(*spelling) if random.random() < 0.2 else text
        twice = any(len(dict(of)) < len(of) for _, of in _objects(json.loads(text, object_pairs_hook=list)))
        seen["counted", stand_once(text.encode(), json.loads(text)), twice] += 1
        with suppress(msgspec.ValidationError):
            msgspec.json.decode(text, type=Claim)
            seen["measured", fields_stand_once(text.encode(), Claim), twice] += 1
    for look in ("counted", "measured"):
        assert not seen[look, True, True]
        assert min(seen[look, True, False], seen[look, False, False], seen[look, False, True]) > 20, seen


def test_an_object_of_many_names_and_one_of_many_levels_are_looked_at() -> None:
    many = ",".join(f'"x{number}":1' for number in range(50_000))
    for more in (f'{{{many},"x7":2}}', '{"lines":' * 300 + "[0,0]" + "}" * 300 + ',"y":1,"y":2'):
        with pytest.raises(Undecodable) as raised:
            decode_event(json.dumps(_full()).encode()[:-1] + f',"more":{more}}}'.encode())
        assert "message: an unknown name: twice" in raised.value.faults


@pytest.mark.parametrize("number", ["1e99999999999999999999", "1e-99999999999999999999", "-1E+99999999999999999999"])
@pytest.mark.parametrize("name", ["more", "quantity"])
def test_a_number_that_nobody_can_reckon_with_is_a_fault(name: str, number: str) -> None:
    body = json.dumps(_full()).encode()[:-1] + f',"{name}":{number}}}'.encode()
    with pytest.raises(Undecodable, match="exponent"):
        decode_event(body)
    assert readable_money(body) is None


def test_a_message_nested_too_deep_is_refused_and_no_more() -> None:
    deep = b"[" * 700 + b'{"a":1,"a":2}' + b"]" * 700
    for depth in (deep, b"[" * 5_000 + b"]" * 5_000):
        body = json.dumps(_full()).encode()[:-1] + b',"x":' + depth + b"}"
        with pytest.raises(Undecodable):
            decode_event(body)


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"y":', b"}"), (b'[{"y":', b"}]")])
@pytest.mark.parametrize("within", [b"1", b'{"a":1,"a":2}'], ids=["nothing twice", "a name twice"])
def test_no_depth_is_more_than_a_fault(opened: bytes, closed: bytes, within: bytes) -> None:
    """Around the depths at which each reader of a message gives up, where it was read as a claim just before."""
    start = json.dumps(_full()).encode()[:-1] + b',"x":'

    def message(depth: int) -> bytes:
        return start + opened * depth + within + closed * depth + b"}"

    def reads(read: Callable[[bytes], object], depth: int) -> bool:
        try:
            return bool(read(message(depth)))
        except RecursionError:
            return False

    for read in (msgspec.json.Decoder(Claim).decode, msgspec.json.decode, json.loads):
        deepest = bisect(range(2_000), False, key=lambda depth: not reads(read, depth)) - 1
        for depth in range(max(0, deepest - 12), deepest + 12):
            with suppress(Undecodable):
                decode_event(message(depth))


def test_what_a_line_gives_twice_is_told_by_line_and_name() -> None:
    body = _packed(_sparse()).replace(b'"quantity":', b'"quantity":"3","quantity":', 1)
    with pytest.raises(Undecodable) as raised:
        decode_event(body.replace(b'"amount":', b'"amount":"120.00","amount":', 1))
    assert raised.value.faults == ["lines[0].quantity: twice", "lines[0].amount: twice"]
