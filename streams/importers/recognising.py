"""Recognising: what a source is that does not hold events as JSON Lines, told by its first bytes.

One line that is meant as an event is enough to read a source; its other lines then have an outcome each. Else nothing
of it is sent, and whoever brought it is told what it is and what to do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from streams.importers import Foreign
from streams.importers.unfolding import WINDOW_LIMIT, Packing

SAMPLE = 64 * 2**10
"""How many bytes are looked at."""

_MARK = b"\xef\xbb\xbf"
_OURS = re.compile(
    rb'^[^\S\n]*(?:\xef\xbb\xbf)*[^\S\n]*\{.*"(?:event_id|claim_id|encounter_id|kind)"\s*:.*', re.MULTILINE
)
"""A line that is meant as an event, however damaged."""
_LINES = 20


def _turned(command: str) -> str:
    """The line that imports what a command makes of FILE."""
    return f"{command} | fundwatch import claims - --source NAME"


def _packed(zh: str, en: str, command: str) -> Foreign:
    return Foreign(zh, en, "先解开", "unpack it first", _turned(command))


def _other(zh: str, en: str) -> Foreign:
    return Foreign(
        zh,
        en,
        "请导出为 UTF-8 的 JSON Lines: 每行一个对象, 字段见 docs/schemas",
        "export JSON Lines in UTF-8: one object a line, with the fields of docs/schemas",
    )


def _encoded(zh: str, en: str, name: str) -> Foreign:
    return Foreign(zh, en, "先转成 UTF-8", "turn it into UTF-8 first", _turned(f"iconv -f {name} -t UTF-8 FILE"))


def wide_zstd(long: int) -> Foreign:
    """A file of zstd that asks for more memory than is given to one; ``long`` is the option that unpacks it."""
    zh, en = f"窗口为 2^{long} 字节的 zstd 文件", f"a zstd file with a window of 2^{long} bytes"
    return _packed(zh, en, f"zstd -dc --long={long} FILE")


def inside(packing: Packing, foreign: Foreign) -> Foreign:
    """What was found in a file that is packed: it is unpacked into a file first, since some programs read no pipe."""
    command = _after(f"{_UNPACKING[packing]} FILE", "FILE.unpacked", foreign.command)
    zh, en = f"{foreign.zh} (在 {packing} 文件之内)", f"{foreign.en} inside {packing}"
    return foreign._replace(zh=zh, en=en, command=command)


def _in_gbk(foreign: Foreign) -> Foreign:
    """What was found in a file whose text is GBK."""
    command = _after("iconv -f GB18030 -t UTF-8 FILE", "FILE.utf8", foreign.command)
    return foreign._replace(zh=f"GBK 编码的{foreign.zh}", en=f"{foreign.en} in GBK", command=command)


def _after(step: str, made: str, command: str | None) -> str | None:
    """A command that reads what a step made of FILE."""
    return command and f"{step} > {made} && {command.replace('FILE', made)}"


_UNPACKING: Mapping[Packing, str] = {"gzip": "gzip -dc", "zstd": f"zstd -dc --long={WINDOW_LIMIT.bit_length() - 1}"}
_EXCEL = _other("Excel 工作簿", "an Excel workbook")
_ARRAY = Foreign(
    "JSON 数组",
    "a JSON array",
    "先拆成每行一个",
    "make it one object a line first",
    _turned("jq -c '.[]' FILE"),
)
_INDENTED = Foreign(
    "跨多行的 JSON",
    "JSON over several lines",
    "先合成每个对象一行",
    "make it one object a line first",
    _turned("jq -c . FILE"),
)
_MAGIC: Sequence[tuple[bytes, Foreign]] = (
    (b"\xfd7zXZ\0", _packed("xz 压缩文件", "an xz file", "xz -dc FILE")),
    (b"\x04\x22\x4d\x18", _packed("lz4 压缩文件", "an lz4 file", "lz4 -dc FILE")),
    (b"BZh", _packed("bzip2 压缩文件", "a bzip2 file", "bzip2 -dc FILE")),
    (b"7z\xbc\xaf\x27\x1c", _packed("7z 压缩包", "a 7z archive", "7z x -so FILE")),
    (b"Rar!\x1a\x07", _packed("rar 压缩包", "a rar archive", "unrar p -inul FILE")),
    (b"\x5d\x00\x00", _packed("lzma 压缩文件", "an lzma file", "xz --format=lzma -dc FILE")),
    (b"\xff\x06\x00\x00sNaPpY", _packed("snappy 压缩文件", "a snappy file", "snzip -dc FILE")),
    (b"\x1f\x9d", _packed("compress 压缩文件 (.Z)", "a compress file (.Z)", "gzip -dc FILE")),
    (b"\x1f\x8b", _packed("gzip 压缩文件", "a gzip file", "gzip -dc FILE")),
    (b"\x28\xb5\x2f\xfd", _packed("zstd 压缩文件", "a zstd file", "zstd -dc FILE")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _EXCEL),
    (b"%PDF", _other("PDF 文档", "a PDF document")),
    (b"PAR1", _other("Parquet 文件", "a Parquet file")),
    (b"ORC", _other("ORC 文件", "an ORC file")),
    (b"Obj\x01", _other("Avro 文件", "an Avro file")),
    (b"SQLite format 3\0", _other("SQLite 数据库", "an SQLite database")),
    (b"PGDMP", _other("PostgreSQL 备份", "a PostgreSQL dump")),
    (b"\x89PNG", _other("图片", "a picture")),
    (b"\xff\xd8\xff", _other("图片", "a picture")),
    (b"GIF8", _other("图片", "a picture")),
    (b"\x7fELF", _other("程序", "a program")),
    (b"MZ\x90", _other("程序", "a program")),
)
_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32LE"),
    (b"\x00\x00\xfe\xff", "UTF-32BE"),
    (b"\xff\xfe", "UTF-16LE"),
    (b"\xfe\xff", "UTF-16BE"),
)
_TEXTS: Sequence[tuple[re.Pattern[str], Foreign]] = (
    (re.compile(r"ISA[^\w\s]"), _other("X12 文件", "an X12 interchange")),
    (re.compile(r"UN[AB][^\w\s]"), _other("EDIFACT 文件", "an EDIFACT interchange")),
    (re.compile(r"(?:MSH|FHS|BHS)\|"), _other("HL7 v2 消息", "HL7 v2 messages")),
    (re.compile(r"<\?xml|<[A-Za-z!/][^>]*>", re.DOTALL), _other("XML 或网页", "XML or a web page")),
    (re.compile(r"\[\s*(?:\{|\]|$)"), _ARRAY),
    (re.compile(r"\{\s*\n"), _INDENTED),
    (re.compile(r"(?:--|/\*|(?:create|insert|copy|select|set|begin)\s)", re.IGNORECASE), _other("SQL", "SQL")),
)  # fmt: skip
_FHIR = _other("FHIR 资源", "FHIR resources")
_ENVELOPE = _other("医保接口报文", "a message of the national interface")
_JSON = _other("别的 JSON", "other JSON")
_TABLE = _other("表格 (CSV)", "a table (CSV)")
_TEXT = _other("文字", "plain text")
_GBK = _encoded("GBK 编码的文字", "text in GBK", "GB18030")
_BINARY = _other("二进制文件", "a binary file")
_SEPARATORS = ",\t;|"


def recognise(sample: bytes) -> Foreign | None:
    """What a source is whose first ``SAMPLE`` bytes are these; ``None`` where it is to be read, or empty."""
    foreign = _by_magic(sample)
    if foreign is not None:
        return foreign
    lines = list(_lines(sample))
    if not lines:
        return None
    around = _around(lines[0].strip())
    if around is not None:
        return _in_gbk(around) if _encoding_of(sample) == "gb18030" else around
    if not all(map(_is_of_others, _OURS.findall(sample))):
        return _by_encoding(lines)
    return _by_text(sample, [line for line in lines if line.lstrip().startswith(b"{")])


def _by_magic(sample: bytes) -> Foreign | None:
    if sample.startswith(b"PK\x03\x04") or sample.startswith(b"PK\x05\x06"):
        return _EXCEL if b"[Content_Types].xml" in sample or b"xl/" in sample else _packed(
            "zip 压缩包", "a zip archive", "unzip -p FILE"
        )  # fmt: skip
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return _encoded(f"{name} 编码的文字", f"text in {name}", name)
    if sample[257:262] == b"ustar":
        return _packed("tar 包", "a tar archive", "tar -xOf FILE")
    return next((foreign for magic, foreign in _MAGIC if sample.startswith(magic)), None)


def _around(first: bytes) -> Foreign | None:
    """What a first line opens around the lines that follow it, which may look like events then."""
    if first.startswith(b"[") and first[1:].lstrip()[:1] in (b"{", b"") and not first.endswith(b"]"):
        return _ARRAY
    if re.fullmatch(rb"\{.+[\[{]", first) and not _OURS.match(first):
        return _INDENTED
    return None


def _lines(sample: bytes) -> Iterator[bytes]:
    """The first lines that hold something, without marks; the last one may be cut."""
    held = (piece.removeprefix(_MARK) for piece in sample.split(b"\n"))
    yield from islice((piece for piece in held if piece.strip()), _LINES)


def _is_of_others(line: bytes) -> bool:
    return b'"resourceType"' in line or b'"infno"' in line


def _by_encoding(lines: Sequence[bytes]) -> Foreign | None:
    """Events in another encoding than UTF-8: where most lines are no UTF-8 and all would be GB 18030."""
    wrong = [line for line in lines if not _is_text(line, "utf-8")]
    if 2 * len(wrong) <= len(lines) or not all(_is_text(line, "gb18030") for line in wrong):
        return None
    return _GBK


def _encoding_of(text: bytes) -> str | None:
    return next((name for name in ("utf-8", "gb18030") if _is_text(text, name)), None)


def _is_text(line: bytes, encoding: str) -> bool:
    """Whether bytes are text in an encoding, but for a last sign that was cut."""
    try:
        line.decode(encoding)
    except UnicodeDecodeError as error:
        return error.reason.startswith(("unexpected end", "incomplete"))
    return True


def _by_text(sample: bytes, objects: Sequence[bytes]) -> Foreign:
    body = sample.removeprefix(_MARK).lstrip()
    if b"\0" in body:
        every_other = body[1::2].count(0), body[::2].count(0)
        if max(every_other) * 4 > len(body):
            name = "UTF-16LE" if every_other[0] > every_other[1] else "UTF-16BE"
            return _encoded(f"{name} 编码的文字", f"text in {name}", name)
        return _BINARY
    encoding = _encoding_of(body)
    if encoding is None:
        return _BINARY
    kind = _kind_of(body, body.decode(encoding, errors="ignore"), objects)
    if encoding == "utf-8":
        return kind or _TEXT
    return _in_gbk(kind) if kind else _GBK


def _kind_of(body: bytes, text: str, objects: Sequence[bytes]) -> Foreign | None:
    """What a text is; ``None`` where it is just that."""
    if text.startswith(("{", "[")) and _is_of_others(body):
        return _FHIR if b'"resourceType"' in body else _ENVELOPE
    told = next((foreign for shape, foreign in _TEXTS if shape.match(text)), None)
    if told is not None:
        return told
    if objects:
        return _JSON
    return _TABLE if _is_table(text) else None


def _is_table(text: str) -> bool:
    """Whether the first lines have the same number of one separator each, and any at all."""
    lines = [line for line in text.split("\n")[:_LINES] if line.strip()][:5]
    counts = [{line.count(sign) for line in lines} for sign in _SEPARATORS]
    return any(len(of) == 1 and of != {0} for of in counts)
