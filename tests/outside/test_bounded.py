"""What one message can cause is bounded: the memory that it takes to refuse, and what is told of it."""

import json
import tracemalloc
from collections.abc import Callable

import pytest

from knowledge_base.events.claims import Claim
from streams.messages.codec import decode_event, encode_event
from streams.messages.faults import MOST_FAULTS, MOST_PARTS, Undecodable
from tests.reference.cases import line, visit

MOST_TIMES = 100
"""Bytes of memory that one byte of a message may take; two bytes are a list, which two readers hold at once."""
MOST_MEMORY = 256 * 2**20
CLAIM = encode_event(visit("S1", line("1", "c1", "03-01"), event_id="e", encounter_id="v"))


def _with_lines(part: bytes, size: int, colon: bytes = b":") -> bytes:
    head, _, _ = CLAIM.partition(b',"lines":[')
    return head + b',"lines"' + colon + b"[" + b",".join([part] * (size // (len(part) + 1))) + b"]}"


def _with_more(part: bytes, size: int, begins: bytes = b"[", ends: bytes = b"]") -> bytes:
    return CLAIM[:-1] + b',"more" :' + begins + b",".join([part] * (size // (len(part) + 1))) + ends + b"}"


SHAPES: dict[str, Callable[[int], bytes]] = {
    "empty lines": lambda size: _with_lines(b"{}", size),
    "empty lines behind a blank": lambda size: _with_lines(b"{}", size, b" :"),
    "lists for lines behind a blank": lambda size: _with_lines(b"[]", size, b" :"),
    "lines with a name twice": lambda size: _with_lines(b'{"at":1,"at":1}', size),
    "one name given very often": lambda size: _with_more(b'"a":1', size, b"{", b"}"),
    "one deep list": lambda size: _with_more(b"", 0, b"[" * (size // 2), b"]" * (size // 2)),
    "many deep lists": lambda size: _with_more(b"[" * 300 + b"]" * 300, size),
    "many deep objects": lambda size: _with_more(b'{"a":' * 300 + b"1" + b"}" * 300, size),
}


@pytest.mark.parametrize("size", [300_000, 2_000_000, 16_000_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_message_takes_to_be_looked_at_is_in_proportion(shape: str, size: int) -> None:
    body = SHAPES[shape](size)
    told: list[str] = []
    tracemalloc.start()
    try:
        decode_event(body)
    except Undecodable as error:
        told = error.faults
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < min(MOST_TIMES * len(body), MOST_MEMORY)
    assert len(told) <= MOST_FAULTS + 1
    assert sum(map(len, told)) < 10_000


def test_as_many_parts_as_a_message_may_hold_are_read_and_no_more() -> None:
    free = MOST_PARTS - CLAIM.count(b"{") - CLAIM.count(b"[") - 1
    body = CLAIM[:-1] + b',"more":[' + b",".join([b"{}"] * free) + b"]}"
    assert isinstance(decode_event(body), Claim)
    with pytest.raises(Undecodable) as raised:
        decode_event(body.replace(b'"more":[', b'"more":[{},'))
    assert raised.value.faults == ["message: more than 400,000 objects and lists"]


def test_the_longest_claim_that_a_message_can_be_is_read() -> None:
    lines = [line(str(number), "c1", "03-01") for number in range(90_000)]
    body = json.dumps(json.loads(encode_event(visit("S1", *lines, event_id="e", encounter_id="v")))).encode()
    assert len(body) > 16_000_000
    assert isinstance(decode_event(body), Claim)
