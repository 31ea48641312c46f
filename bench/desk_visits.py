"""Inspectors at work: each walks through the desk by its links, page after page, and notes how long each took.

They are threads of one process beside the desk; a browser's own work is not measured.
"""

import html
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, RemoteDisconnected
from random import Random
from typing import NamedTuple
from urllib.parse import quote, urlencode

from bench.desk_store import PASSWORD

KINDS = ("queue", "lead", "long lead", "claim", "patient", "institution", "search")
FLOOR = "account"
"""The page of one's own account: what every page of the desk costs at least."""

_PATIENCE = 120.0
_LEAD = re.compile(r'href="(/leads/[0-9a-f]{32}\?[^"]*)" data-item')
_NEXT = re.compile(r'href="(/\?[^"]*)" rel="next"')
_GROUP = re.compile(r'href="([^"#]*[?&;]group=[0-9a-f]{32})#findings" data-item')
_FINDING = re.compile(r'href="([^"#]*[?&;]finding=[0-9a-f]{32})#evidence" data-item')
_CLAIM = re.compile(r'href="(/claims/[^"#]*)"')
_PATIENT = re.compile(r'href="(/patients/[^"#]*)"')
_HOUSE = re.compile(r'href="(/institutions/[^"#]*)"')
_FILTERS = (
    {"topic": "stays"},
    {"topic": "limits", "year": "2026"},
    {"severity": "1"},
    {"maker": "FW10000003"},
    {"least": "500", "sort": "in_question"},
    {"newest_from": "2026-06-01", "newest_to": "2026-09-30"},
    {"who": "me"},
    {"who": "nobody", "sort": "newest"},
    {"state": "all", "lane": "all"},
    {"state": "confirmed"},
    {"state": "snoozed"},
    {"lane": "data_quality"},
    {"institution": "H42000000003"},
    {"area": "420222", "sort": "people"},
)
_SORTS = ("in_fund", "in_question", "loss", "people", "newest")
_WORDS = ("床位", "xgd", "超", "drug", "D000123", "护理", "虚构第1")


class Visit(NamedTuple):
    """A page that was asked for: of which kind, how many seconds it took, how many bytes it had."""

    kind: str
    seconds: float
    size: int


class Inspector:
    """Somebody at the desk who reads each page for ``pause`` seconds on average; ``long_leads`` are those in sight.

    Errors: ``RuntimeError`` for a page that was not shown.
    """

    def __init__(self, port: int, login: str, long_leads: Sequence[str]):
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        self._cookie = self._sign_in(login)
        self._chance = Random(login)
        self.long_leads = long_leads
        self.pause = 0.0
        self.rounds = 0
        self.visits: list[Visit] = []

    def __enter__(self) -> "Inspector":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def work(self, rounds: int) -> list[Visit]:
        """Goes through the desk so many times, each time beginning at the queue; gives what was visited."""
        self.visits = []
        for number in range(self.rounds, self.rounds + rounds):
            self._look_for_leads()
            if self.long_leads:
                self._open(f"/leads/{self.long_leads[number % len(self.long_leads)]}", "long lead")
            self.see("/account", FLOOR)
        self.rounds += rounds
        return self.visits

    def fetch(self, address: str) -> tuple[int, bytes]:
        """The status and body of an address, as browsers ask: again where the connection was closed for idling."""
        try:
            return self._ask(address)
        except RemoteDisconnected:
            self._connection.close()
            return self._ask(address)

    def _ask(self, address: str) -> tuple[int, bytes]:
        self._connection.request("GET", address, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def see(self, address: str, kind: str) -> str:
        """A page, after the one before was read. One that is out of sight is no visit: evidence shows claims of other
        institutions, whose own pages it does not."""
        time.sleep(self._chance.uniform(0.5, 1.5) * self.pause)
        began = time.perf_counter()
        status, body = self.fetch(address)
        seconds = time.perf_counter() - began
        if status not in (HTTPStatus.OK, HTTPStatus.SEE_OTHER, HTTPStatus.NOT_FOUND):
            raise RuntimeError(f"{address}: {status}")
        if status != HTTPStatus.NOT_FOUND:
            self.visits.append(Visit(kind, seconds, len(body)))
        return body.decode()

    def _look_for_leads(self) -> None:
        first = self.see("/", "queue")
        self._follow(_NEXT, first, "queue")
        chosen = self.see("/?" + urlencode(self._chance.choice(_FILTERS)), "queue")
        ordered = self.see("/?" + urlencode({"sort": self._chance.choice(_SORTS)}), "queue")
        for page in (first, chosen, ordered):
            if lead := self._chosen(_LEAD, page):
                self._look_into(lead)

    def _open(self, lead: str, kind: str) -> str:
        """A lead, another group and finding of it; gives the page with the evidence of one."""
        page = self.see(lead, kind)
        self._follow(_GROUP, page, kind)
        return self._follow(_FINDING, page, kind) or page

    def _look_into(self, lead: str) -> None:
        """A lead, and what its evidence leads to."""
        evidence = self._open(lead, "lead")
        claim = self._follow(_CLAIM, evidence, "claim")
        patient = self._follow(_PATIENT, claim or evidence, "patient")
        self._follow(_HOUSE, claim or evidence, "institution")
        for word in self._chance.sample(list(_names_in(lead, evidence, patient)), 2):
            self.see(f"/search?q={quote(word)}", "search")

    def _follow(self, link: re.Pattern[str], page: str, kind: str) -> str | None:
        address = self._chosen(link, page)
        return None if address is None else self.see(address, kind)

    def _chosen(self, link: re.Pattern[str], page: str) -> str | None:
        found = link.findall(page)
        return html.unescape(self._chance.choice(found)) if found else None

    def _sign_in(self, login: str) -> str:
        form = urlencode({"login": login, "password": PASSWORD})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/sign-in", form, headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != HTTPStatus.SEE_OTHER:
            raise RuntimeError(f"{login}: {answer.status}")
        return answer.headers["Set-Cookie"].partition(";")[0]


def _names_in(lead: str, *pages: str | None) -> Iterator[str]:
    """What somebody may type who has seen some pages: names of each kind that is found."""
    yield lead.removeprefix("/leads/")[:8]
    yield from _WORDS
    for page in pages:
        for pattern in (r"finding=([0-9a-f]{32})", r":(S\d{9})", r"(E\d{9})", r"(b\d{7})", r"(H42\d{9})"):
            if found := re.search(pattern, page or ""):
                yield found[1]


def work_together(inspectors: Sequence[Inspector], rounds: int, pause: float) -> list[Visit]:
    """What all visited while all worked at once."""
    for inspector in inspectors:
        inspector.pause = pause
    with ThreadPoolExecutor(len(inspectors)) as threads:
        working = [threads.submit(inspector.work, rounds) for inspector in inspectors]
        return [visit for done in working for visit in done.result()]
