"""Somebody else at the desk: acts through the forms of its pages, without a browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from tests.api.browser import Console
from tests.api.story import COUNTY


class Colleague(NamedTuple):
    """A signed-in client and the token of its session."""

    client: httpx.Client
    csrf: str

    def post(self, path: str, **words: str | list[str]) -> str:
        """Sends a form and answers the address to which it leads."""
        answer = self.client.post(path, data={"csrf": self.csrf, **words})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def lead(self, topic: str = "stays", institution: str = COUNTY) -> str:
        """The id of a lead."""
        found = self.client.get("/api/leads", params={"institution": institution, "topic": topic, "state": "all"})
        name: str = found.json()["leads"][0]["lead_id"]
        return name

    def findings(self, lead: str) -> list[str]:
        """Undecided findings of a lead, as its page lists them."""
        return re.findall(r'name="finding" value="(\w+)"', self.client.get(f"/leads/{lead}").text)

    def decide(self, lead: str, *findings: str, said: str = "confirmed.records", reason: str = "") -> str:
        """Decides on some findings, or on all that are open where none is named."""
        version = re.findall(r'name="version" value="(\d+)"', self.client.get(f"/leads/{lead}").text)[0]
        chosen: dict[str, str | list[str]] = {"finding": list(findings)} if findings else {"everything": "true"}
        return self.post(f"/leads/{lead}/decisions", version=version, said=said, reason=reason, **chosen)

    def undo(self, lead: str) -> None:
        """Takes the last decision on a lead back."""
        number = re.findall(r'name="decision_id" value="(\d+)"', self.client.get(f"/leads/{lead}").text)[-1]
        self.post(f"/leads/{lead}/undo", decision_id=number, reason="再看一次")


@contextmanager
def colleague(console: Console, login: str = "inspector", password: str = "") -> Iterator[Colleague]:
    """Signs in beside whoever else is at the desk."""
    with httpx.Client(base_url=console.url, timeout=None) as client:
        client.post("/sign-in", data={"login": login, "password": password or console.password})
        yield Colleague(client, client.get("/api/session").json()["csrf"])
