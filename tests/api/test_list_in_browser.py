"""List and answers in Chromium: fetched, filled in and sent back with mouse and keys, and printed sheet by sheet."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from rules_lib.rule_set import RuleSet
from tests.api.browser import SCREENSHOTS, Console, served_console, visit
from tests.api.lists import FIRST, answered, filled, rows_of
from tests.api.story import COUNTY, NAMES

SIZES = {1280: 800, 390: 844}
SAYS = {
    "zh": ("同意 2 条，异议 1 条", "未接收 1 行", "没有任何改动", "机构（盖章）"),
    "en": ("agreed 2, disputed 1", "rows refused 1", "Nothing was changed", "Institution (stamp)"),
}


@pytest.fixture
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), rule_set) as served:
        yield served


def _open_lead(page: Page, console: Console, lang: str) -> str:
    page.goto(f"{console.url}/?topic=stays&institution={COUNTY}&lang={lang}")
    page.locator("td.lead a").first.click()
    page.wait_for_url("**/leads/**")
    return page.url.partition("?")[0]


def _look(page: Page, name: str) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name


def _fill(content: bytes) -> bytes:
    cells = {FIRST: "同意", FIRST + 1: "异议", FIRST + 2: "同意", FIRST + 3: "好的"}
    return filled(content, {row: answered(word, "已核对病历") for row, word in cells.items()})


@pytest.mark.parametrize("lang", SAYS)
@pytest.mark.parametrize("width", SIZES)
def test_a_list_is_fetched_filled_in_and_sent_back(
    browser: Browser, console: Console, tmp_path: Path, width: int, lang: str
) -> None:
    counts, refused, again, stamp = SAYS[lang]
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        visited = visit(context, console)
        page = visited.page
        lead = _open_lead(page, console, lang)
        page.locator(f'a[href$="{lead.removeprefix(console.url)}/answers"]').click()
        _look(page, f"answers-none-{lang}")
        with page.expect_download() as fetched:
            page.locator("a[download]").click()
        assert fetched.value.suggested_filename == f"疑点清单 住院与床位 2026 {NAMES[COUNTY]}.xlsx"
        content = Path(fetched.value.path()).read_bytes()
        assert len(rows_of(content)) == 34
        (tmp_path / "filled.xlsx").write_bytes(_fill(content))
        page.locator("#file").set_input_files(tmp_path / "filled.xlsx")
        page.locator("form.line-form button").click()
        page.wait_for_url("**/answers?file=*")
        expect(page.locator("h1")).to_contain_text(counts)
        expect(page.get_by_role("status")).to_contain_text(refused)
        expect(page.locator("#read tbody tr")).to_have_count(1)
        _look(page, f"answers-{lang}")
        page.locator("#file").set_input_files(tmp_path / "filled.xlsx")
        page.locator("form.line-form button").click()
        expect(page.get_by_role("status")).to_contain_text(again)
        page.goto(f"{lead}/list")
        expect(page.locator(".signed")).to_contain_text(stamp)
        _look(page, f"list-{lang}")
        assert (visited.errors, visited.strangers) == ([], [])


def test_keys_alone_fetch_the_list_and_send_it_back(browser: Browser, console: Console, tmp_path: Path) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = visit(context, console).page
        page.on("filechooser", lambda choosing: choosing.set_files(tmp_path / "filled.xlsx"))
        page.goto(f"{_open_lead(page, console, 'zh')}/answers")
        page.locator("main .back a").focus()
        page.keyboard.press("Tab")
        with page.expect_download() as fetched:
            page.keyboard.press("Enter")
        (tmp_path / "filled.xlsx").write_bytes(_fill(Path(fetched.value.path()).read_bytes()))
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("[document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]") == [
            "file", "solid",
        ]  # fmt: skip
        page.keyboard.press("Enter")
        expect(page.locator("#file")).to_have_value(re.compile("filled"))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/answers?file=*")
        expect(page.locator("h1")).to_contain_text("同意 2 条，异议 1 条")
        page.keyboard.press("j")
        assert "#evidence" in page.evaluate("document.activeElement.getAttribute('href')")


def test_it_works_without_script(browser: Browser, console: Console, tmp_path: Path) -> None:
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        page = visit(context, console).page
        lead = _open_lead(page, console, "zh")
        page.goto(f"{lead}/answers")
        (tmp_path / "no-list.xlsx").write_bytes(b"no workbook")
        page.locator("#file").set_input_files(tmp_path / "no-list.xlsx")
        page.locator("form.line-form button").click()
        expect(page.get_by_role("alert")).to_contain_text("不是能读的 xlsx")
        with page.expect_download() as fetched:
            page.locator("a[download]").click()
        (tmp_path / "filled.xlsx").write_bytes(_fill(Path(fetched.value.path()).read_bytes()))
        page.locator("#file").set_input_files(tmp_path / "filled.xlsx")
        page.locator("form.line-form button").click()
        expect(page.locator("h1")).to_contain_text("同意 2 条，异议 1 条")


def _sheets(page: Page, path: Path) -> list[str]:
    """The text of each printed sheet, without blanks: a reader of PDF puts some where none are."""
    page.pdf(path=path, prefer_css_page_size=True)
    return ["".join(sheet.extract_text().split()) for sheet in PdfReader(path).pages]


@pytest.mark.parametrize("lang", SAYS)
def test_lead_and_list_print_with_institution_days_and_page_on_each_sheet(
    browser: Browser, console: Console, tmp_path: Path, lang: str
) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = visit(context, console).page
        lead = _open_lead(page, console, lang)
        of_lead = _sheets(page, tmp_path / "lead.pdf")
        page.goto(f"{lead}/list")
        of_list = _sheets(page, tmp_path / "list.pdf")
    for sheets, days in ((of_lead, "2026"), (of_list, "2026-03-19")):
        assert len(sheets) > 2
        for number, sheet in enumerate(sheets, 1):
            assert f"{number}/{len(sheets)}" in sheet
            assert NAMES[COUNTY] in sheet[:200]
            assert days in sheet[:200]
    sizes = {tuple(map(round, sheet.mediabox[2:])) for sheet in PdfReader(tmp_path / "list.pdf").pages}
    assert sizes == {(842, 595)}, "A4 across"
    assert "inspector" not in of_list[0]
