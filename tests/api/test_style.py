"""The colours of the console: contrast AA on every ground, in both schemes."""

import re
from itertools import product
from pathlib import Path

import pytest

import api

CSS = (Path(api.__file__).parent / "frame" / "static" / "console.css").read_text(encoding="utf-8")
SCHEMES = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in CSS.split(":root {")[1:3]]
PAIRS = [
    *product(("ink", "soft", "accent", "dispute"), ("ground", "raised", "dispute-ground")),
    ("on-accent", "accent"),
    ("ink", "notice-ground"),
]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable(colours: dict[str, str], text: str, ground: str) -> None:
    assert _contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", SCHEMES, ids=["light", "dark"])
def test_edges_of_fields_are_visible(colours: dict[str, str]) -> None:
    assert _contrast(colours["field-rule"], colours["ground"]) >= 3
