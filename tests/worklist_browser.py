"""What a browser knows of a page: whether it can be used by everyone, and how many sheets it prints on."""

from __future__ import annotations

import re
from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OpenPage = Callable[..., Page]
"""`open_page(path, theme="light", width=1280)`"""
_GRAVE = ("serious", "critical")
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_SHEET = re.compile(rb"/Type\s*/Page\b")


def barriers(page: Page) -> list[str]:
    """What keeps somebody from using the page, a line each: serious violations that axe-core finds, and a
    page wider than its window.
    """
    found = Axe().run(page, options=_RULES).response["violations"]
    listed = [
        f"{one['id']}: {one['help']}: {', '.join(str(node['target']) for node in one['nodes'][:5])}"
        for one in found
        if one["impact"] in _GRAVE
    ]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*listed, *([f"the page is {wider} px wider than its window"] if wider > 0 else [])]


def sheets(page: Page) -> int:
    """How many sheets the page is printed on, with the paper that its style asks for."""
    return len(_SHEET.findall(page.pdf(prefer_css_page_size=True)))
