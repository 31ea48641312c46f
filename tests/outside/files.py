"""Files of all kinds that somebody may take for a file of claims, and good ones as others write them. Made here."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import zstandard

from streams.messages.codec import encode_event
from tests.reference import cases

GOOD = [encode_event(cases.visit(str(n), cases.line("l", cases.NURSING, "03-01"))) for n in range(3)]
CHINESE = json.dumps({**json.loads(GOOD[0]), "lines": [{"item_name": "血常规五分类检测"}]}, ensure_ascii=False)
_ROWS = [["结算编号", "人员编号", "金额"], ["S-1", "P-1", "12.50"], ["S-2", "P-2", "8.00"]]
_TABLE = "".join(",".join(row) + "\n" for row in _ROWS)


def lines(*bodies: bytes) -> bytes:
    return b"".join(body + b"\n" for body in bodies)


def _zip(name: str, content: bytes, *others: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for other in others:
            archive.writestr(other, "<x/>")
        archive.writestr(name, content)
    return file.getvalue()


def _tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("claims.jsonl")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def _lz4(content: bytes) -> bytes:
    """A frame of lz4 with one block that is stored as it is."""
    return b"\x04\x22\x4d\x18\x60\x40\x82" + (len(content) | 2**31).to_bytes(4, "little") + content + bytes(4)


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims.db"
        connection = sqlite3.connect(path)
        connection.execute("create table claims (id text)")
        connection.commit()
        connection.close()
        return path.read_bytes()


_FHIR = {"resourceType": "Claim", "id": "c1", "status": "active", "item": [{"sequence": 1}]}
_ENVELOPE = {"infno": "2301", "msgid": "H0001", "input": {"feedetail": [{"feedetl_sn": "1", "cnt": 1}]}}
_X12 = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260301*1200*^*00501*1*0*P*:~GS*HC~"

FOREIGN: Mapping[str, tuple[str, bytes]] = {
    "xz": ("an xz file", lzma.compress(lines(*GOOD))),
    "lzma": ("an lzma file", lzma.compress(lines(*GOOD), lzma.FORMAT_ALONE)),
    "bzip2": ("a bzip2 file", bz2.compress(lines(*GOOD))),
    "lz4": ("an lz4 file", _lz4(lines(*GOOD))),
    "snappy": ("a snappy file", b"\xff\x06\x00\x00sNaPpY" + lines(*GOOD)),
    "compress": ("a compress file", b"\x1f\x9d\x90" + bytes(range(3, 200))),
    "zip": ("a zip archive", _zip("claims.jsonl", lines(*GOOD))),
    "zip, stored": ("a zip archive", _zip("claims.jsonl", lines(*GOOD), method=zipfile.ZIP_STORED)),
    "zip, empty": ("a zip archive", b"PK\x05\x06" + bytes(18)),
    "xlsx": ("an Excel workbook", _zip("xl/workbook.xml", b"<workbook/>", "[Content_Types].xml")),
    "xls": ("an Excel workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    "7z": ("a 7z archive", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(range(60))),
    "rar": ("a rar archive", b"Rar!\x1a\x07\x01\x00" + bytes(range(60))),
    "tar": ("a tar archive", _tar(lines(*GOOD))),
    "pdf": ("a PDF document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"),
    "parquet": ("a Parquet file", b"PAR1\x15\x04\x15\x10" + bytes(40) + b"PAR1"),
    "orc": ("an ORC file", b"ORC\x0a\x0b\x0a\x03" + bytes(40)),
    "avro": ("an Avro file", b"Obj\x01\x04\x14avro.codec\x08null" + bytes(40)),
    "sqlite": ("an SQLite database", _sqlite()),
    "pg_dump": ("a PostgreSQL dump", b"PGDMP\x01\x0e\x00\x04\x08" + bytes(60)),
    "png": ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(60)),
    "jpeg": ("a picture", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(60)),
    "gif": ("a picture", b"GIF89a" + bytes(60)),
    "program": ("a program", b"\x7fELF\x02\x01\x01" + bytes(60)),
    "program of Windows": ("a program", b"MZ\x90\x00\x03" + bytes(60)),
    "noise": ("a binary file", bytes(range(128, 256)) + b"\n" + bytes(range(1, 255))),
    "zeros": ("a binary file", b"\0\xff" + bytes(100) + b"\1\2\3" * 200),
    "UTF-16 with a mark": ("text in UTF-16LE", CHINESE.encode("utf-16")),
    "UTF-16 big, with a mark": ("text in UTF-16BE", b"\xfe\xff" + CHINESE.encode("utf-16-be")),
    "UTF-16 without a mark": ("text in UTF-16LE", CHINESE.encode("utf-16-le")),
    "UTF-16 big, without a mark": ("text in UTF-16BE", CHINESE.encode("utf-16-be")),
    "UTF-32": ("text in UTF-32LE", CHINESE.encode("utf-32")),
    "GBK": ("text in GBK", lines(CHINESE.encode("gbk"), CHINESE.encode("gbk"))),
    "GBK prose": ("text in GBK", "本目录存放一季度的结算数据\n".encode("gbk")),
    "table": ("a table (CSV)", _TABLE.encode()),
    "table of Excel": ("a table (CSV)", b"\xef\xbb\xbf" + _TABLE.replace("\n", "\r\n").encode()),
    "table in GBK": ("a table (CSV) in GBK", _TABLE.encode("gbk")),
    "table with tabs": ("a table (CSV)", _TABLE.replace(",", "\t").encode()),
    "table with semicolons": ("a table (CSV)", _TABLE.replace(",", ";").encode()),
    "JSON array": ("a JSON array", b"[" + b", ".join(GOOD) + b"]"),
    "JSON array, indented": ("a JSON array", json.dumps([json.loads(of) for of in GOOD], indent=2).encode()),
    "JSON array, a claim a line": ("a JSON array", b"[\n" + b",\n".join(b" " + of for of in GOOD) + b"\n]\n"),
    "JSON array from its first line": ("a JSON array", b"[" + b",\n".join(GOOD) + b"]\n"),
    "JSON array in GBK": ("a JSON array in GBK", b"[" + CHINESE.encode("gbk") + b", " + CHINESE.encode("gbk") + b"]"),
    "JSON array in GBK, a claim a line": ("a JSON array in GBK", b"[\n" + CHINESE.encode("gbk") + b"\n]\n"),
    "JSON object around an array": (
        "JSON over several lines",
        b'{"claims": [\n' + b",\n".join(GOOD) + b"\n]}\n",
    ),
    "JSON in GBK, indented": (
        "JSON over several lines in GBK",
        json.dumps(json.loads(CHINESE), ensure_ascii=False, indent=2).encode("gbk"),
    ),
    "JSON, indented": ("JSON over several lines", json.dumps(json.loads(GOOD[0]), indent=2).encode()),
    "other JSON": ("other JSON", b'{"name": "a", "value": 1}\n{"name": "b", "value": 2}\n'),
    "FHIR": ("FHIR resources", lines(*[json.dumps(_FHIR).encode()] * 2)),
    "FHIR, indented": ("FHIR resources", json.dumps(_FHIR, indent=2).encode()),
    "interface": ("a message of the national interface", json.dumps(_ENVELOPE).encode()),
    "interface, indented": ("a message of the national interface", json.dumps(_ENVELOPE, indent=2).encode()),
    "X12": ("an X12 interchange", _X12.encode()),
    "EDIFACT": ("an EDIFACT interchange", b"UNA:+.? 'UNB+UNOC:3+SENDER+RECEIVER+260301:1200+1'"),
    "HL7 v2": ("HL7 v2 messages", b"MSH|^~\\&|HIS|H1|FUND|A|20260301||DFT^P03|1|P|2.5\rFT1|1\r"),
    "XML": ("XML or a web page", b'<?xml version="1.0"?>\n<claims><claim id="1"/></claims>\n'),
    "web page": ("XML or a web page", b"<!DOCTYPE html>\n<html><body>404</body></html>\n"),
    "SQL in GBK": ("SQL in GBK", "insert into 结算 values ('S-1', 'P-1');\n".encode("gbk")),
    "SQL": ("SQL", b"insert into claims values ('S-1', 'P-1');\n"),
    "README": ("plain text", "# 数据\n\n本目录存放一季度的结算数据。\n- claims.jsonl: 结算\n".encode()),
    "log": ("plain text", b"2026-03-01 12:00:00 INFO started\n2026-03-01 12:00:01 INFO read 12 rows, 3 bad\n"),
}
"""By name: what it is said to be, and its bytes."""

PACKS: Mapping[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
}


def skippable(content: bytes) -> bytes:
    """A frame of zstd that says nothing (RFC 8878, 3.1.2), with some content."""
    return b"\x5a\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def wide(content: bytes, long: int) -> bytes:
    """A frame of zstd whose window is 2 to the power of ``long``, as ``zstd --long`` writes it to a pipe."""
    parameters = zstandard.ZstdCompressionParameters(window_log=long, enable_ldm=True, write_content_size=False)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packing.compress(content) + packing.flush()
