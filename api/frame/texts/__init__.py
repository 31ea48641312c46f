"""The texts of the console: one catalogue, Chinese first, English with the same keys.

Imports knowledge_base.files. Open first: zh.yaml.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from knowledge_base.files.yaml_files import load_yaml

LANGUAGES = {"zh": "zh-CN", "en": "en"}
"""Languages of the catalogue with the value of the page's lang attribute; the first is the default."""


class Texts:
    """The texts of one language, found by dotted keys (``queue.title``)."""

    def __init__(self, lang: str, texts: Mapping[str, str]):
        self.lang = lang
        self.texts = texts

    def __call__(self, key: str, **words: object) -> str:
        """A text with its words filled in. Raises ``KeyError`` for a key or word that is not there."""
        return self.texts[key].format(**words)

    def find(self, group: str, name: str, otherwise: str | None = None) -> str:
        """The text of a code that others sent, which may be unknown: then ``otherwise``, or the code itself."""
        return self.texts.get(f"{group}.{name}", name if otherwise is None else otherwise)


@cache
def load_texts(lang: str) -> Texts:
    """The catalogue of a language. Raises ``FileFaults`` where the file cannot be used."""
    path = Path(__file__).with_name(f"{lang}.yaml")
    return Texts(lang, dict(_flattened(load_yaml(path).data)))


def half_of(text: str, lang: str) -> str:
    """The half of a text like ``中文 / English`` that is in a language; all of one that has no halves."""
    zh, _, en = text.partition(" / ")
    return en if en and lang == "en" else zh


def _flattened(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        texts += _flattened(value, f"{name}.") if isinstance(value, Mapping) else [(name, str(value))]
    return texts
