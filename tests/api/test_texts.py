"""The catalogue: both languages say the same things, and every text that a page asks for is there."""

import re
import string
from pathlib import Path

import pytest

import api
from api.frame.texts import LANGUAGES, load_texts
from casework.decisions import Verdict
from rules_lib.rule_set import RuleSet
from streams.store.casework.queue import SORTS

HERE = Path(api.__file__).parent
TEMPLATES = sorted(HERE.rglob("*.html"))
CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
COUNTED = re.compile(r"\{\w+\} (?:more |other |further |dead |of )*[a-z]{3,}s\b")
ASKED = re.compile(r"""\bt(?:exts)?\(\s*"([\w.]+)"(\s*~)?""")


def _words(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_languages_have_the_same_keys_with_the_same_words() -> None:
    zh, en = (load_texts(lang).texts for lang in LANGUAGES)
    assert zh.keys() == en.keys()
    assert len(zh) > 150
    assert [key for key in zh if _words(zh[key]) != _words(en[key])] == []
    assert [key for key, text in {**zh, **en}.items() if not text.strip()] == []


def test_chinese_is_chinese_and_english_is_not() -> None:
    zh, en = (load_texts(lang).texts for lang in LANGUAGES)
    assert [key for key, text in en.items() if CJK.search(text)] == ["site.other_language"]
    chinese = [key for key, text in zh.items() if CJK.search(text)]
    assert len(chinese) > 0.95 * len(zh)


def test_english_holds_whether_it_counts_one_or_many() -> None:
    """A number stands behind what it counts ("Leads: 1"), but for limits, which are never 1."""
    en = load_texts("en").texts
    counting = {key for key, text in en.items() if COUNTED.search(text)}
    assert counting == {"account.new", "faults.longest", "faults.too_long", "letters.bytes_cut", "list.bounded"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_holds_no_text_of_its_own(path: Path) -> None:
    assert CJK.findall(path.read_text(encoding="utf-8")) == []


def test_every_text_that_is_asked_for_is_there() -> None:
    sources = [*TEMPLATES, *HERE.rglob("*.py")]
    asked = {(name, bool(joined)) for path in sources for name, joined in ASKED.findall(path.read_text("utf-8"))}
    assert len(asked) > 80
    known = load_texts("zh").texts
    missing = [
        name for name, joined in asked if not (any(k.startswith(name) for k in known) if joined else name in known)
    ]
    assert missing == []


def test_codes_that_pages_look_up_have_texts(rule_set: RuleSet) -> None:
    texts = load_texts("zh").texts
    asked = {f"verdicts.{verdict.value}" for verdict in Verdict}
    asked |= {f"{group}.{sort}" for sort in SORTS for group in ("sorts", "sort_names")}
    asked |= {f"severities.{rule.severity.value}" for rule in rule_set.rules}
    assert asked - texts.keys() == set()


@pytest.mark.parametrize("word", ["违规", "违法", "案件"])
def test_pages_accuse_nobody(word: str) -> None:
    """Only the official grade and the sentence that disclaims it may hold such words."""
    allowed = {"severities.1", "decision.hint"}
    found = {key for key, text in load_texts("zh").texts.items() if word in text}
    assert found <= allowed
