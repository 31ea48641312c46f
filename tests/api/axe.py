"""axe-core over a page in Chromium: what somebody without mouse, with weak eyes or with a screen reader stumbles over.

The script is fetched from npm, pinned by the digest of its content, and evaluated through the debugger, to which the
page's policy against strange scripts does not speak.
"""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from deploy.assets import Asset, fetch_assets

CACHE = Path(__file__).resolve().parents[2] / "var" / "axe"
AXE = Asset(
    package="axe-core",
    version="4.14.1",
    path="axe.min.js",
    name="axe.min.js",
    integrity="sha384-xt1SFg49QaDwsyt0Xfs2XAyBtYPClXl3X2q5OOLeGAUmq9jZTYIMdztpF99WdhiH",
)
CONTRAST = "color-contrast"
"""The one rule whose answer depends on light or dark."""


def load_axe() -> str:
    """The script, fetched where it is absent. Raises ``AssetError``."""
    (path,) = fetch_assets(CACHE, [AXE])
    return path.read_text(encoding="utf-8")


def serious_faults(page: Page, axe: str, *rules: str) -> list[str]:
    """What is serious or critical by these rules, or by all: the rule, the element, and what is to be mended."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = page.evaluate("(options) => axe.run(document, options).then((said) => said.violations)", options)
    return [
        f"{of['id']}: {node['target'][0]}: {node['failureSummary']}"
        for of in found
        for node in of["nodes"]
        if node["impact"] in ("serious", "critical")
    ]
