"""An inspector's day by mouse and keys, counted: what is clicked, typed and read from signing in to the list in hand.

How long it takes is reckoned by the keystroke-level model (Card, Moran and Newell, Communications of the ACM 23(7),
1980) and by how fast Chinese is read in silence (260 words, some 390 characters a minute: Brysbaert, Journal of Memory
and Language 109, 2019), so that no machine's haste or weariness is in it. A number, day or code is read as one word.
"""

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

KEY = 0.28
"""Seconds for a key, of somebody who types neither fast nor slowly."""
CLICK = 1.1 + 0.2 + 0.4
"""Seconds for finding something with the mouse, clicking it, and laying the hand there."""
THOUGHT = 1.35
"""Seconds of thinking before each step."""
CHARACTER, WORD = 60 / 390, 60 / 260
"""Seconds for a Chinese character that is read, and for a number or a word in letters."""


@dataclass
class Step:
    """What one step of the day takes."""

    name: str
    clicks: int = 0
    keys: int = 0
    characters: int = 0
    words: int = 0

    @property
    def seconds(self) -> int:
        """To the next whole second."""
        reading = self.characters * CHARACTER + self.words * WORD
        taken = THOUGHT + self.clicks * CLICK + self.keys * KEY + reading
        return -int(-taken // 1)

    @property
    def row(self) -> str:
        """As docs/day.md has it."""
        return f"| {self.name} | {self.clicks} | {self.keys} | {self.characters} | {self.words} | {self.seconds} |"


class Hands:
    """Does what is asked of a page, and counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps: list[Step] = []

    def begin(self, name: str) -> None:
        self.steps.append(Step(name))

    def click(self, on: Locator) -> None:
        on.click()
        self.steps[-1].clicks += 1

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.steps[-1].keys += sum(key.count("+") + 1 for key in keys)

    def type(self, words: str) -> None:
        """In Chinese: two keys a character, and one to take it."""
        self.page.keyboard.type(words)
        self.steps[-1].keys += sum(1 if sign.isascii() else 3 for sign in words)

    def read(self, *what: Locator) -> None:
        for said in (of.inner_text() for of in what):
            self.steps[-1].characters += len(re.findall(r"[\u4e00-\u9fff]", said))
            self.steps[-1].words += len(re.findall(r"[A-Za-z0-9][\w.,:-]*", said, re.ASCII))
