"""The ten pictures of docs/tour.md: from signing in to what was done today, over a county as the demo simulates one.

County, day and acts are the same each time. Instants of the wall clock are shown as one of that day.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
from PIL import Image
from playwright.sync_api import expect

from deploy.county import CountyPlan
from deploy.county.care.register import register
from deploy.county.simulation import simulate
from knowledge_base.events.claims import Claim
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish_first
from streams.store.judgements.findings import save_versions
from streams.store.operation.overview import save_institutions
from tests.api.lists import FIRST, answered, filled
from tests.api.seats import Seat
from tests.api.story import AREA, TODAY, judged, save_claims, save_gaps, version_of
from tests.streams.leads import apply_findings

PLAN = CountyPlan(scale=1 / 1000, first=date(2025, 4, 20), last=TODAY - timedelta(days=1))
NOW = f"{TODAY} 09:30"
REASONS = {"zh": "与住院病历、护理记录核对不符", "en": "Neither the ward's records nor the nursing notes bear it out"}

SETTLE = """(now) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    text.data = text.data.replace(/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d/g, (said) => (said > now ? now : said));
  }
}"""
"""Instants after the county's own day become ``now``."""

PAGE = """() => {
  const body = document.body.cloneNode(true);
  for (const unseen of body.querySelectorAll("input[type=hidden], dialog:not([open])")) unseen.remove();
  return body.outerHTML;
}"""


class Picture(NamedTuple):
    """A picture (webp) of a page, with the digest of the page's words and marks."""

    name: str
    content: bytes
    digest: str


async def save_tour_county(connection: asyncpg.Connection, rule_set: RuleSet) -> None:
    """Stores those people of the simulated county on whom the rules found something, with all of their claims."""
    claims = [event for event in simulate(PLAN) if isinstance(event, Claim)]
    judgements = {person: said for person, said in judged(claims, rule_set).items() if said.findings}
    versions = [version_of(of, rule_set=rule_set.hash) for said in judgements.values() for of in said.findings]
    async with connection.transaction():
        await publish_first(connection, rule_set)
        await save_institutions(connection, register(PLAN))
        await save_claims(connection, [claim for claim in claims if claim.patient in judgements])
        await save_gaps(connection, judgements)
        await save_versions(connection, AREA, versions)
        await apply_findings(connection, versions, rule_set)
        await connection.execute(
            "insert into ledger (topic, partition, source, day, accepted) values ('claims', 0, 'county', $1, $2)",
            PLAN.last,
            len(claims),
        )


def take_pictures(seat: Seat, folder: Path) -> Iterator[Picture]:
    """Goes through the desk as an inspector does; files that are fetched and sent back rest in ``folder``."""
    seat.go("/sign-in")
    yield _picture(seat, "sign-in")
    seat.go("/")
    yield _picture(seat, "queue")
    seat.go("/?sort=people")
    seat.page.locator("td.lead a").first.click()
    seat.page.wait_for_url("**/leads/**")
    lead = seat.page.url.partition("?")[0].removeprefix(seat.console.url)
    yield _picture(seat, "lead")
    for box in seat.page.locator("[data-finding]").all()[:2]:
        box.check()
    seat.page.locator("#said").select_option("confirmed.records")
    seat.page.locator("#reason").fill(REASONS[seat.texts.lang])
    yield _picture(seat, "ticked")
    seat.decide("confirmed.records", REASONS[seat.texts.lang])
    seat.page.locator("#decision summary").first.click()
    yield _picture(seat, "decided")
    yield from _beside_the_decision(seat)
    seat.go(f"{lead}/answers")
    _answer(seat, folder)
    yield _picture(seat, "list")
    seat.go("/account/today")
    yield _picture(seat, "today")


def _beside_the_decision(seat: Seat) -> Iterator[Picture]:
    """The evidence of another finding, the year of its patient, and its institution."""
    told = seat.page.locator("#evidence > .said").inner_text()
    seat.page.locator(".list [data-item]").nth(1).click()
    expect(seat.page.locator("#evidence > .said")).not_to_have_text(told)
    seat.page.locator("#evidence .folded").first.locator("summary").click()
    seat.page.locator("#evidence").evaluate("(evidence) => evidence.scrollIntoView()")
    yield _picture(seat, "evidence")
    code = re.findall(r"[HP]\d{11}", seat.page.locator("main > .facts").inner_text())[0]
    seat.page.locator("#evidence a[href^='/patients/']").click()
    seat.page.wait_for_url("**/patients/**")
    yield _picture(seat, "patient")
    seat.go(f"/institutions/{code}")
    yield _picture(seat, "institution")


def _answer(seat: Seat, folder: Path) -> None:
    """The institution agrees to one line of its list and disputes another."""
    with seat.page.expect_download() as fetched:
        seat.page.locator("a[download]").click()
    content = Path(fetched.value.path()).read_bytes()
    remark = {"zh": "已核对病历，见附件", "en": "Checked against the records"}[seat.texts.lang]
    cells = {FIRST: answered("同意"), FIRST + 1: answered("异议", remark)}
    (folder / "filled.xlsx").write_bytes(filled(content, cells))
    seat.page.locator("#file").set_input_files(folder / "filled.xlsx")
    seat.page.locator("form.line-form button").click()
    seat.page.wait_for_url("**/answers?file=*")


def _picture(seat: Seat, name: str) -> Picture:
    seat.page.evaluate(SETTLE, NOW)
    if name != "evidence":
        seat.page.evaluate("window.scrollTo(0, 0)")
    digest = hashlib.sha256(seat.page.evaluate(PAGE).encode()).hexdigest()
    taken = io.BytesIO()
    Image.open(io.BytesIO(seat.page.screenshot())).save(taken, "webp", quality=80, method=6)
    return Picture(name, taken.getvalue(), digest)
