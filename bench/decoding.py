"""Decoding: from received bytes to an event, checked for every fault, and on to its content hash and digest."""

import json
from dataclasses import field, make_dataclass
from typing import Any, get_args, get_origin

import msgspec
from pydantic import TypeAdapter

from bench.results import Reporter, Result, measure_interleaved, stopwatch
from bench.samples import LINES, claim_of_ten_lines
from knowledge_base.events.claims import Claim
from streams.messages.codec import decode_event
from streams.messages.faults import has_fields
from streams.messages.kinds import digest_of
from streams.messages.packing import decode_digest, encode_digest

_LOOPS = 2000


def run() -> list[Result]:
    """One claim of ten lines over and over, in microseconds a claim."""
    body = claim_of_ten_lines()
    event = decode_event(body)
    digest = digest_of(event)
    stored = encode_digest(digest)
    read_plain = msgspec.json.Decoder().decode
    read_pydantic = TypeAdapter(_dataclass_of(Claim)).validate_python
    work = {
        "decode_event": lambda: decode_event(body),
        "plain": lambda: read_plain(body),
        "pydantic": lambda: read_pydantic(json.loads(body)),
        "digest": lambda: encode_digest(digest_of(event)),
        "read_digest": lambda: decode_digest("claim", stored),
    }
    report = Reporter("decoding", measure_interleaved({name: stopwatch(job, 1, _LOOPS) for name, job in work.items()}))
    plain = ("plain", "msgspec.json.decode into plain dicts, nothing checked")
    return [
        report.result(
            f"decode_event: {LINES} lines, {len(body):,} bytes",
            "decode_event",
            "µs a claim",
            "less",
            floor=plain,
            peer=("pydantic", "json.loads and a pydantic TypeAdapter of a dataclass of the same fields"),
        ),
        report.result("digest_of and encode_digest", "digest", "µs a claim", "less", floor=plain),
        report.result(f"decode_digest: {len(stored):,} bytes", "read_digest", "µs a claim", "less", floor=plain),
    ]


def _dataclass_of(kind: Any) -> Any:
    """The same fields as a dataclass, for a peer that does not know the types of events; so in each of their parts."""
    if get_origin(kind) is tuple:
        return tuple[_dataclass_of(get_args(kind)[0]), ...]
    if type(None) in get_args(kind):
        return _dataclass_of(get_args(kind)[0]) | None
    if not has_fields(kind):
        return kind
    fields = [
        (of.name, _dataclass_of(of.type), field() if of.required else field(default=of.default))
        for of in msgspec.structs.fields(kind)
    ]
    return make_dataclass(kind.__name__, fields, frozen=True)
