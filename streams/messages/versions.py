"""Findings and their versions as bytes: MessagePack in the store, JSON on the bus.

Versions are written so that the release before reads them too: beside ``subject`` and ``maker`` stand the words that
said it then (``person``, ``rule_set``, ``rule_hash``, ``check_hash``). What was written then is read for good.
"""

import msgspec

from knowledge_base.findings import Change, Finding, FindingVersion, Maker
from knowledge_base.subjects import PATIENT, Subject, patient

_pack = msgspec.msgpack.Encoder().encode
_encode = msgspec.json.Encoder().encode
_unpack_finding = msgspec.msgpack.Decoder(Finding).decode


class _Written(msgspec.Struct, frozen=True):
    """A version as it is written."""

    area: str
    finding_id: str
    version: int
    change: Change
    finding: Finding
    cause: str
    as_of: int
    subject: Subject | None = None
    maker: Maker | None = None
    topic: str = ""
    person: str = ""
    rule_set: str = ""
    rule_hash: str = ""
    check_hash: str = ""
    continued_by: str | None = None


_unpack = msgspec.msgpack.Decoder(_Written).decode
_decode = msgspec.json.Decoder(_Written).decode


def pack_finding(finding: Finding) -> bytes:
    return _pack(finding)


def unpack_finding(body: bytes) -> Finding:
    return _unpack_finding(body)


def pack_version(version: FindingVersion) -> bytes:
    """A version as the store keeps it."""
    return _pack(_written(version))


def unpack_version(body: bytes) -> FindingVersion:
    return _read(_unpack(body))


def encode_version(version: FindingVersion) -> bytes:
    """A version as it is sent on."""
    return _encode(_written(version))


def decode_version(body: bytes) -> FindingVersion:
    """A version that was sent on. Raises ``msgspec.DecodeError``."""
    return _read(_decode(body))


def _written(version: FindingVersion) -> _Written:
    maker, subject = version.maker, version.subject
    return _Written(
        area=version.area,
        finding_id=version.finding_id,
        version=version.version,
        change=version.change,
        finding=version.finding,
        cause=version.cause,
        as_of=version.as_of,
        subject=subject,
        maker=maker,
        topic=version.topic,
        person=subject.name if subject.kind == PATIENT else "/".join(subject),
        rule_set=maker.set,
        rule_hash=maker.file,
        check_hash=maker.source,
        continued_by=version.continued_by,
    )


def _read(written: _Written) -> FindingVersion:
    old_maker = Maker(
        "rule", written.finding.maker_id, written.rule_set, written.rule_hash, written.check_hash
    )  # of versions of before, which rules alone made
    return FindingVersion(
        area=written.area,
        finding_id=written.finding_id,
        version=written.version,
        change=written.change,
        subject=written.subject or patient(written.person),
        maker=written.maker or old_maker,
        topic=written.topic,
        finding=written.finding,
        cause=written.cause,
        as_of=written.as_of,
        continued_by=written.continued_by,
    )
