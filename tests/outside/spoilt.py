"""Hostile requests to every route of the desk, made by a seed: the same seed makes the same requests.

Each begins as a good one, of somebody signed in or of a stranger, and is then spoilt once to four times: its method,
path, query, headers, cookie, body, or the bytes on the wire.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from api.app import create_app
from api.operation.metrics import metrics_router
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set

from .desk import TOKEN

LONGEST_HEAD = 60_000  # bytes

ODD = [
    "", "0", "-1", "1e9", "NaN", "9" * 30, "9" * 5000, "٣", "null", "true", "[]", "a" * 9000, "\x00", "a\x00b",
    "\x7f\x1b[31m",
    "\ufeff", "\u202e", "\u3164", "𠮷" * 100, "e\u0301", "../../../../etc/passwd", "..\\..\\win.ini", "....//", "%",
    "%%", "{}",
    "{{7*7}}", "${7*7}", "' or 1=1 --", "\"><script>alert(1)</script>", "\r\nX-Injected: 1", "//evil.example",
    "http://evil.example/",
    "2026-02-30", "2026-13-01", "0000-00-00", "99999-01-01",
]  # fmt: skip
RAW = ["%00", "%ff%fe", "%c0%ae%c0%ae/", "%2e%2e%2f" * 8, "%zz", ";jsessionid=1", "%0d%0aX: y", "%F0%9F%92", "*"]
METHODS = [
    "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "HEAD", "BREW", "PROPFIND", "get", "POST", "GET",
    "A" * 300,
]  # fmt: skip
CONTENT_TYPES = [
    "", "application/json", "application/json; charset=utf-7", "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=", "multipart/form-data; boundary=x", f"multipart/form-data; boundary={'b' * 5000}",
    "text/plain", "application/vnd.api+json", "application/xml", "/", "json", "a" * 3000, "application/json\x80",
]  # fmt: skip
FILE_FORM = (
    '--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'
    '--x\r\nContent-Disposition: form-data; name="file"; filename="list.xlsx"\r\n\r\nno list\r\n--x--\r\n'
)
LATIN = "ä".encode().decode("latin-1")
HEADERS: list[tuple[str, Sequence[str]]] = [
    ("Host", ["", "[", "[::1", "evil.example", "a" * 1000, "desk:99999", "desk:x", "desk@evil", "a b", LATIN]),
    ("Origin", ["null", "http://", "http://evil.example", "http://[", "x" * 2000]),
    ("Sec-Fetch-Site", ["cross-site", "same-origin", "none", "", "x" * 2000]),
    ("X-CSRF-Token", ["", "x", LATIN, "x" * 9000]),
    ("Authorization", ["Bearer", "Bearer \x80", f"Bearer {TOKEN}", "Basic Og==", "Negotiate x", "x" * 9000]),
    ("X-Forwarded-For", ["", "unknown", "::1, 127.0.0.1", "999.1.1.1", ", ".join(["192.0.2.1"] * 500)]),
    ("X-Forwarded-Proto", ["https", "wss", "javascript", ""]),
    ("X-Forwarded-Host", ["evil.example"]),
    ("Forwarded", ["for=_hidden;proto=https;host=evil.example"]),
    ("HX-Request", ["true", "\x80"]),
    ("Accept", ["", "application/json", "*/*;q=x", "x/" * 1000]),
    ("Accept-Language", ["xx", "x" * 9000]),
    ("Accept-Encoding", ["gzip, br, zstd, x", ""]),
    ("Content-Encoding", ["gzip", "zstd"]),
    ("Range", ["bytes=0-0,5-1,-1", "bytes=999999999999-", "bytes=-", "lines=1", f"bytes={','.join(['0-1'] * 900)}"]),
    ("If-Range", ["x"]),
    ("If-None-Match", ["*", '"', "x" * 5000]),
    ("If-Modified-Since", ["yesterday", "Thu, 99 Foo 9999 99:99:99 GMT"]),
    ("Expect", ["100-continue", "200-ok"]),
    ("Upgrade", ["websocket", "h2c"]),
    ("Connection", ["upgrade", "close, x", "keep-alive"]),
    ("X-HTTP-Method-Override", ["DELETE"]),
    ("X-Original-URL", ["/status"]),
]  # fmt: skip


class Known(NamedTuple):
    """What somebody at the desk knows: the cookie and token of a session, and names of things that are there."""

    cookie: str
    csrf: str
    leads: Sequence[str]
    findings: Sequence[str]


class Target(NamedTuple):
    """A route: one method and path of the application."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Spoilt:
    """A request on its way to be hostile. ``is_cut`` says that its sender stops where it ends, whatever it promised."""

    target: Target
    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    tail: str = ""
    is_cut: bool = False
    length: int | None = None
    chunked: bool = False

    def bytes(self) -> bytes:
        """As it goes over the wire."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        lines = [f"{self.method} {self.path}{query}{self.tail} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers)]
        body = self.body
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _parts(body)) + b"0\r\n\r\n"
        elif self.body or self.length is not None:
            lines.append(f"Content-Length: {len(self.body) if self.length is None else self.length}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


class Request(NamedTuple):
    """A hostile request: to which route it began, its bytes, from which address, and whether it stops short."""

    target: Target
    raw: bytes
    source: str
    is_cut: bool

    @property
    def may_go_unanswered(self) -> bool:
        """Whether its bytes may be no request, or more than a server reads before it answers."""
        return self.is_cut or len(self.raw) > LONGEST_HEAD


@cache
def targets() -> Sequence[Target]:
    """Every route of the desk, and its metrics."""
    nothing = cast(Any, None)
    app = create_app(nothing, load_rule_set(load_facts()), nothing, nothing)
    app.include_router(metrics_router(TOKEN))
    found = []
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, Mount):
            found.append(Target("GET", f"{context.path}/console.css"))
        else:
            path = str(context.path).replace(":name}", "}")
            found += [Target(method, path) for method in sorted((context.methods or set()) - {"HEAD"})]
    return found


def requests(known: Callable[[], Known], seed: int, each: int) -> Iterator[Request]:
    """So many hostile requests to each route, in turn; ``known`` tells what is known at that moment."""
    every = targets()
    chances = {target: Random(f"{seed} {target}") for target in every}
    for number in range(each):
        for target in every:
            yield _request(target, chances[target], known(), number)


def _request(target: Target, chance: Random, known: Known, number: int) -> Request:
    spoilt = _good(target, chance, known, number)
    for spoil in chance.choices(list(SPOILS), SPOILS.values(), k=chance.randint(1, 4)):
        spoil(spoilt, chance, known)
    # Another address each time: whoever sends many wrong passwords from one is slowed.
    source = f"127.{chance.randint(1, 254)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}"
    return Request(target, spoilt.bytes(), source, spoilt.is_cut)


def _good(target: Target, chance: Random, known: Known, number: int) -> Spoilt:
    """A request that the route would take, of somebody signed in or of a stranger."""
    parts = {
        "lead_id": chance.choice(known.leads),
        "finding_id": chance.choice(known.findings),
        "decision_id": str(chance.randint(1, 9)),
        "comment_id": str(chance.randint(1, 9)),
        "number": "1",
        "filter_id": str(chance.randint(1, 9)),
        "warning_id": chance.choice(["420281-W0-1", "nobody"]),
        "topic": "claims",
        "login": chance.choice(["inspector", "nobody"]),
        "area": "420281",
        "event_id": chance.choice(["sim:S0", "sim:none"]),
        "patient": chance.choice(["demo-p-0001", "nobody"]),
        "code": chance.choice(["H42028100001", "H0"]),
        "partition": "0",
        "offset": str(chance.randint(1, 3)),
    }
    spoilt = Spoilt(target, target.method, target.path.format_map(parts), headers=[("Host", "desk")])
    is_known = chance.random() < 0.6
    csrf = known.csrf if is_known else ""
    if is_known:
        spoilt.headers.append(("Cookie", known.cookie))
    if target.method != "POST":
        return spoilt
    words: dict[str, Any] = {"version": chance.randint(1, 3), "decision": "dismissed", "reason": "与护理记录不符"}
    if target.path.startswith("/api/"):
        spoilt.headers += [("Content-Type", "application/json"), ("X-CSRF-Token", csrf)]
        spoilt.body = json.dumps(words if "undo" not in target.path else {"reason": "误判"}).encode()
        return spoilt
    if target.path.endswith("/answers"):
        spoilt.headers.append(("Content-Type", "multipart/form-data; boundary=x"))
        spoilt.body = FILE_FORM.format(csrf=csrf).encode()
        return spoilt
    spoilt.headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    words |= {"said": "dismissed.excused", "everything": "true"}
    words |= {"wish": chance.choice(["give", "share", "snooze"]), "to": "inspector", "until": "2026-05-04"}
    words |= {"csrf": csrf, "decision_id": 1, "purpose": "核对", "login": f"nobody-{number}", "password": "wrong"}
    spoilt.body = urlencode(words).encode()
    return spoilt


# --- how requests are spoilt


def _method(spoilt: Spoilt, chance: Random, known: Known) -> None:
    spoilt.method = chance.choice(METHODS)


def _part(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """One part of the path says something else."""
    parts = spoilt.path.split("/")
    parts[chance.randrange(len(parts))] = chance.choice([quote(chance.choice(ODD), safe=""), chance.choice(RAW)])
    spoilt.path = "/".join(parts)


def _path(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """The path as a whole is spelled oddly."""
    path = spoilt.path
    spoilt.path = chance.choice(
        [
            f"{path}/", f"{path}//", f"//{path}", f"/.{path}", f"/x/..{path}", f"{path}/..;/", f"{path}%2f",
            f"http://evil.example{path}",
            path.upper(), f"{path}{'/a' * 3000}", f"/static/..%2f..{path}", "/static/%2e%2e/%2e%2e/app.py", "*",
        ]
    )  # fmt: skip


def _query(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """A parameter that some route knows says something odd, once or again."""
    name = chance.choice(PARAMETERS)
    spoilt.query += [(name, chance.choice([*ODD, *CURSORS])) for _ in range(chance.choice([1, 1, 1, 2, 40]))]


def _tail(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """The query is no query."""
    sign = "&" if spoilt.query else "?"
    spoilt.tail = sign + chance.choice(
        ["&&&===", *RAW, "a=1&" * 3000, "=" * 9000, "lang=en&lang=zh", "state[]=open", "?", "#x"]
    )


def _header(spoilt: Spoilt, chance: Random, known: Known) -> None:
    name, values = chance.choice(HEADERS)
    if name == "Host" and chance.random() < 0.7:
        spoilt.headers = [(n, v) for n, v in spoilt.headers if n != "Host"]
    spoilt.headers.append((name, chance.choice(values)))


def _many_headers(spoilt: Spoilt, chance: Random, known: Known) -> None:
    spoilt.headers += [(f"X-Many-{number}", "x" * chance.choice([1, 500])) for number in range(90)]


def _cookie(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """The cookie is broken, doubled, or a neighbour's."""
    name = known.cookie.partition("=")[0]
    odd = [
        f"{name}=",
        f"{name}=\x80",
        f"{name}={'x' * 9000}",
        f"{name}=a; {name}=b",
        f";;=;{name}",
        f'{name}="\\000"',
        "a=1; " * 900,
    ]
    spoilt.headers = [(n, v) for n, v in spoilt.headers if n != "Cookie"]
    spoilt.headers.append(
        ("Cookie", chance.choice([*odd, f"session=theirs; {known.cookie}", f"{known.cookie}; lang=xx"]))
    )


def _type(spoilt: Spoilt, chance: Random, known: Known) -> None:
    spoilt.headers = [(n, v) for n, v in spoilt.headers if n != "Content-Type"]
    spoilt.headers.append(("Content-Type", chance.choice(CONTENT_TYPES)))


def _json(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """A body of JSON that means nothing here, or is too much."""
    deep = chance.choice([9, 500, 20_000])
    spoilt.body = chance.choice(
        [
            b"null", b"[]", b"0", b'"words"', b"{", b"{}", b"[" * deep, b"[" * deep + b"]" * deep,
            b'{"a":' * deep + b"1" + b"}" * deep,
            b'{"version": ' + b"9" * 6000 + b"}", b'{"version": NaN}', b'{"version": 1e400}',
            b'{"reason": "\\ud800"}', b'{"reason": "\\u0000"}',
            b'{"version": 1, "version": 2}', b'{"reason": ["a"], "version": {}, "decision": null}',
            b"\xef\xbb\xbf{}", "{}".encode("utf-16"),
            b'{"reason": "\xff"}', b'{"version": true, "decision": "confirmed", "reason": 5}',
            b" " * chance.choice([100, 70_000]),
            json.dumps({"version": 1, "decision": "undone", "reason": chance.choice(ODD)}).encode(),
            json.dumps({"version": 1, "decision": "confirmed", "reason": "长" * chance.choice([2000, 9000])}).encode(),
        ]
    )  # fmt: skip


def _form(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """A form with odd words, too many of them, or none."""
    token = ("csrf", known.csrf)
    odd = [(chance.choice(FIELDS), chance.choice(ODD)) for _ in range(chance.choice([1, 3, 60]))]
    spoilt.body = chance.choice(
        [
            b"", b"&&&", b"=", b"%", b"csrf=%ff&reason=%fe", b"a;b;c", b"reason=" + b"%F0%9F%92" * 900,
            b"reason=" + b"a" * 70_000,
            urlencode([token, *odd]).encode(), urlencode([token, token, *odd, *odd]).encode(), urlencode(odd).encode(),
            b"a=1&" * 2000, b"\x00" * 100, chance.randbytes(500),
        ]
    )  # fmt: skip


def _multipart(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """A form in parts, with a file, without an end, or without names."""
    spoilt.headers = [(n, v) for n, v in spoilt.headers if n != "Content-Type"]
    spoilt.headers.append(("Content-Type", "multipart/form-data; boundary=x"))
    head = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + known.csrf.encode() + b"\r\n"
    spoilt.body = chance.choice(
        [
            head + b"--x--\r\n", head, b"--x", b"--x\r\n\r\n\r\n--x--", b"--y\r\n" * 50, head * 200,
            head + b'--x\r\nContent-Disposition: form-data; name="reason"; filename="a"\r\n\r\nwords\r\n--x--\r\n',
            head + b'--x\r\nContent-Disposition: form-data; name="reason"\r\nContent-Type: a\r\n\r\n\xff\r\n--x--',
            b"--x\r\n" + b"A: b\r\n" * 3000, b"--x\r\nContent-Disposition\r\n\r\n", chance.randbytes(300),
        ]
    )  # fmt: skip


def _wire(spoilt: Spoilt, chance: Random, known: Known) -> None:
    """The bytes on the wire do not keep to the protocol, or end early."""
    spoilt.is_cut = True
    kind = chance.randrange(5)
    if kind == 0:
        spoilt.length = len(spoilt.body) + chance.choice([1, 10**12])
    elif kind == 1:
        spoilt.headers.append(("Content-Length", chance.choice(["-1", "x", "1, 2", "9" * 30])))
    elif kind == 2:
        spoilt.headers.append(("Transfer-Encoding", chance.choice(["chunked", "gzip, chunked", "identity", "x"])))
    elif kind == 3:
        spoilt.headers.append((chance.choice(["", "X Y", "X\x00Y", "ä"]), "x"))
    else:
        spoilt.path = chance.choice(["", "no-slash", "/a b", "/\x01", "/ä", "/" + "a" * 70_000])


def _chunked(spoilt: Spoilt, chance: Random, known: Known) -> None:
    spoilt.chunked = spoilt.length is None


def _parts(body: bytes) -> list[bytes]:
    return [body[at : at + 1000] for at in range(0, len(body), 1000)]


SPOILS = {
    _method: 8, _part: 14, _path: 5, _query: 16, _tail: 6, _header: 14, _many_headers: 2, _cookie: 8, _type: 6,
    _json: 10, _form: 12, _multipart: 5, _wire: 4, _chunked: 4,
}  # fmt: skip
"""Ways to spoil a request, and how often each is taken."""

FIELDS = [
    "version",
    "decision",
    "decision_id",
    "said",
    "everything",
    "group",
    "finding",
    "left_out",
    "show",
    "fold",
    "least",
    "reason",
    "name",
    "to",
    "until",
    "role_inspector",
    "areas",
    "purpose",
    "login",
    "password",
    "csrf",
    "next",
    "\x00",
    "ä",
]
PARAMETERS = [
    "area", "institution", "topic", "year", "severity", "state", "sort", "after", "page", "finding", "kept", "next",
    "lang", "outcome", "maker", "item", "new", "least", "newest_from", "newest_to", "q", "show", "fold", "group",
    "groups", "done", "file", "refused", "again", "did", "list", "at",
    "reason", "source", "day", "seq", "before", "first", "last", "full", "who", "act", "lead",
    "statee", "", "a" * 500, "\x00",
]  # fmt: skip
CURSORS = [
    base64.urlsafe_b64encode(text.encode()).decode()
    for text in (
        "[]",
        "{}",
        '["1","1","a","b"]',
        '["NaN","1","a","b"]',
        '["1e999999999","1","a","b"]',
        "[" * 5000,
        '["1","1","\\u0000","b"]',
    )
]
