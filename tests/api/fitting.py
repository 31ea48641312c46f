"""Whether a page fits its window: no sideways scrolling, and no text that leaves its box or is cut off by it."""

from playwright.sync_api import Page

LEAVING = """() => {
  const range = document.createRange();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.data.trim() === "" || !text.parentElement.checkVisibility()) continue;
    if (text.parentElement.closest(".hidden, .skip, svg, option")) continue;
    let box = text.parentElement;
    while (["inline", "contents"].includes(getComputedStyle(box).display)) box = box.parentElement;
    const edge = box.getBoundingClientRect();
    const cuts = ["hidden", "clip"].includes(getComputedStyle(box).overflowY);
    range.selectNodeContents(text);
    for (const part of range.getClientRects()) {
      if (part.left < edge.left - 1 || part.right > edge.right + 1 || (cuts && part.bottom > edge.bottom + 1)) {
        found.push(text.data.trim());
        break;
      }
    }
  }
  return found;
}"""
"""Texts of which a part lies outside of the box that holds them; those of drawings are placed, not laid out."""

CUT = """() => [...document.querySelectorAll("input[placeholder]")].filter((field) => {
  const typed = field.value;
  field.value = field.placeholder;
  const isCut = field.scrollWidth > field.clientWidth;
  field.value = typed;
  return isCut;
}).map((field) => field.placeholder)"""
"""What is suggested in a field that is too narrow for it."""


def misfits(page: Page) -> list[str]:
    """What does not fit, in words."""
    found = [f"leaves its box: {text}" for text in page.evaluate(LEAVING)]
    found += [f"is cut off: {text}" for text in page.evaluate(CUT)]
    width, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return found + ([f"scrolls sideways: {width} px in {room}"] if width > room else [])
