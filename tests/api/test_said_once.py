"""No sentence is said twice in one view: a lead's page, the answers to its list, and the list as it is printed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.browser import Console, visit
from tests.api.lists import FIRST, answered, filled
from tests.api.story import ITEM_NAMES

LANGUAGES = ("zh", "en")


@pytest.fixture(params=LANGUAGES)
def page(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = visit(context, console).page
        page.goto(f"{console.url}/?lang={request.param}")
        yield page


def _sentences(page: Page, console: Console) -> Iterator[tuple[str, Counter[str]]]:
    """Each lead's address, and how many of the findings that the interface tells first say each sentence."""
    api = page.context.request
    for lead in api.get(f"{console.url}/api/leads?lane=all&state=all").json()["leads"]:
        told = api.get(f"{console.url}/api/leads/{lead['lead_id']}").json()["findings"]
        yield f"{console.url}/leads/{lead['lead_id']}", Counter(finding["sentence"] for finding in told)


def _text(page: Page) -> str:
    return page.locator("main").inner_text()


def _says_once(page: Page) -> None:
    """The finding that is looked at says its sentence beside its evidence, and no row of the list says it again."""
    rows, current = page.locator(".findings .list li"), page.locator(".findings .list [aria-current]")
    expect(current).to_have_count(1)
    expect(current.locator(".said")).to_be_hidden()
    expect(page.locator(".findings .list .said:visible")).to_have_count(rows.count() - 1)
    sentence = page.locator("#evidence > .said").inner_text()
    assert _text(page).count(sentence) == 1
    assert current.locator(".said").evaluate("said => said.textContent") in sentence


def test_a_lead_says_each_finding_once_also_after_another_one_was_opened(page: Page, console: Console) -> None:
    several = 0
    for address, _ in _sentences(page, console):
        page.goto(address)
        _says_once(page)
        others = page.locator(".findings .list a:not([aria-current])")
        if others.count():
            several += 1
            said = page.locator("#evidence > .said").inner_text()
            others.last.click()
            expect(page.locator("#evidence > .said")).not_to_have_text(said)
            _says_once(page)
    assert several


def test_of_findings_folded_by_item_the_group_alone_names_the_item(page: Page, console: Console) -> None:
    """Folded by patient each row names its own."""
    named = 0
    for address, _ in _sentences(page, console):
        page.goto(f"{address}?fold=item")
        sentence, rows = page.locator("#evidence > .said").inner_text(), page.locator(".findings .list .said")
        for item in filter(sentence.startswith, ITEM_NAMES.values()):
            named += 1
            assert not any(item in row for row in rows.all_text_contents())
            page.goto(f"{address}?fold=patient")
            assert any(item in row for row in rows.all_text_contents())
    assert named


def test_a_printed_list_says_each_finding_once(page: Page, console: Console) -> None:
    for address, sentences in _sentences(page, console):
        page.goto(f"{address}/list")
        text = _text(page)
        assert {sentence: text.count(sentence) for sentence in sentences} == dict(sentences)


def test_answers_are_shown_under_a_sentence_that_is_said_once(page: Page, console: Console, tmp_path: Path) -> None:
    for address, _ in _sentences(page, console):
        with page.expect_download() as fetched:
            page.goto(f"{address}/answers")
            page.locator("a[download]").click()
        cells = {FIRST: answered("同意")}
        (tmp_path / "filled.xlsx").write_bytes(filled(Path(fetched.value.path()).read_bytes(), cells))
        page.locator("#file").set_input_files(tmp_path / "filled.xlsx")
        page.locator("form.line-form button").click()
        page.wait_for_url("**/answers?file=*")
        sentence = page.locator("#answered h3").inner_text()
        assert sentence
        assert page.locator("main").evaluate("main => main.textContent").count(sentence) == 1, (
            "also for those who listen"
        )
        file = page.url.partition("file=")[2]
        expect(page.locator("#read [role=status]")).to_be_visible()
        expect(page.locator(f'main a[href$="file={file}#read"]')).to_have_count(0)
