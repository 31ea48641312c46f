"""Findings and their versions as bytes."""

import msgspec

from knowledge_base.findings import Finding, FindingVersion

_encode = msgspec.msgpack.Encoder().encode


_decode_finding = msgspec.msgpack.Decoder(Finding).decode


def encode_finding(finding: Finding) -> bytes:
    """A finding as bytes that are equal for equal findings."""
    return _encode(finding)


def decode_finding(body: bytes) -> Finding:
    return _decode_finding(body)


decode_version = msgspec.json.Decoder(FindingVersion).decode
