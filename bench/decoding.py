"""Decoding: from received bytes to an event, checked for every fault, and on to its content hash and digest."""

import json

import msgspec
from pydantic import TypeAdapter

from bench.results import Reporter, Result, measure_interleaved, stopwatch
from bench.samples import LINES, claim_of_ten_lines
from knowledge_base.events.claims import Claim
from streams.messages.codec import decode_event
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
    read_pydantic = TypeAdapter(Claim).validate_python
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
            peer=("pydantic", "json.loads and a pydantic TypeAdapter of the same dataclass"),
        ),
        report.result("digest_of and encode_digest", "digest", "µs a claim", "less", floor=plain),
        report.result(f"decode_digest: {len(stored):,} bytes", "read_digest", "µs a claim", "less", floor=plain),
    ]
