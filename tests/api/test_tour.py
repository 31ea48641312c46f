"""docs/tour.md shows the desk as it is: a page that changed since its picture was taken fails, until ``make tour``.

Pictures are held to the words and marks of their pages and to the style sheet, since fonts differ by machine.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from rules_lib.rule_set import RuleSet
from tests.api.browser import in_store, served_console
from tests.api.seats import taken_seat
from tests.api.tour import Picture, save_tour_county, take_pictures

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
STYLE = ROOT / "api" / "frame" / "static" / "console.css"
TOURS = {"zh": DOCS / "tour.zh-CN.md", "en": DOCS / "tour.md"}
READMES = {"zh": ROOT / "README.zh-CN.md", "en": ROOT / "README.md"}
NAMES = ["sign-in", "queue", "lead", "ticked", "decided", "evidence", "patient", "institution", "list", "today"]
MOST = 120 * 1024
"""Bytes of a picture."""


@pytest.fixture(scope="module")
def county_of_the_tour(new_database: Callable[[], str], rule_set: RuleSet) -> str:
    url = new_database()
    in_store(url, lambda connection: save_tour_county(connection, rule_set))
    return url


@pytest.mark.parametrize("lang", TOURS)
def test_no_picture_is_older_than_its_page(
    browser: Browser,
    county_of_the_tour: str,
    copied_database: Callable[[str], str],
    rule_set: RuleSet,
    tmp_path: Path,
    lang: str,
) -> None:
    """Where ``make tour`` runs it, the pictures are taken anew."""
    database = copied_database(county_of_the_tour)
    with (
        served_console(database, rule_set, with_county=False) as console,
        taken_seat(browser, console, 1280, lang, "mouse") as seat,
    ):
        pictures = list(take_pictures(seat, tmp_path))
        assert (seat.visited.errors, seat.visited.strangers) == ([], [])
    assert [of.name for of in pictures] == NAMES
    digests = {of.name: of.digest for of in pictures}
    digests["style"] = hashlib.sha256(STYLE.read_bytes()).hexdigest()
    folder = DOCS / "tour" / lang
    if "TAKE_TOUR" in os.environ:
        _keep(folder, pictures, digests)
    kept = json.loads((folder / "pages.json").read_text(encoding="utf-8"))
    older = [name for name, digest in digests.items() if kept.get(name) != digest]
    assert not older, f"pictures are older than their pages ({', '.join(older)}): make tour"


def _keep(folder: Path, pictures: list[Picture], digests: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for of in pictures:
        (folder / f"{of.name}.webp").write_bytes(of.content)
    (folder / "pages.json").write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


@pytest.mark.parametrize("lang", TOURS)
def test_pictures_are_as_wide_as_a_screen_and_quick_to_load(lang: str) -> None:
    found = sorted((DOCS / "tour" / lang).glob("*.webp"))
    assert {path.stem for path in found} == set(NAMES)
    for path in found:
        assert path.stat().st_size < MOST, path.name
        with Image.open(path) as picture:
            assert picture.size == (1280, 800), path.name


@pytest.mark.parametrize("lang", TOURS)
def test_the_tour_shows_each_picture_with_a_sentence_and_the_readme_shows_one(lang: str) -> None:
    parts = re.split(r"!\[[^\]]+\]\(tour/(\w+)/([\w-]+)\.webp\)", TOURS[lang].read_text(encoding="utf-8"))
    assert list(zip(parts[1::3], parts[2::3], strict=True)) == [(lang, name) for name in NAMES]
    assert all(re.search(r"\w{2,}[^\n]*[.。]\n", words) for words in parts[0:-1:3])
    readme = READMES[lang].read_text(encoding="utf-8")
    assert len(re.findall(rf"!\[[^\]]+\]\(docs/tour/{lang}/[\w-]+\.webp\)", readme)) == 1
