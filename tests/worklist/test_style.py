"""The style sheet holds WCAG 2.2 AA contrast in both themes and in print, and fetches nothing from elsewhere.

https://www.w3.org/TR/WCAG22/#contrast-minimum
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = files("worklist.assets").joinpath("worklist.css").read_text(encoding="utf-8")
TEXTS = ("text", "quiet", "link", "high", "moderate", "low", "good", "today", "aim")
DRAWN = ("lesion", "aim", "course", "effect", "drug", "tail", "steroid", "scan", "window", "today")


def _themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    read = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block)) for block in blocks]
    light, dark, printed = read
    return {"light": light, "dark": light | dark, "print": light | printed}


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_has_a_contrast_of_4_5_and_drawn_things_of_3(theme: str) -> None:
    colours = _themes()[theme]
    for ground in ("ground", "card"):
        for text in TEXTS:
            assert contrast(colours[text], colours[ground]) >= 4.5, (theme, text, ground)
    for text in ("high", "moderate", "low", "good"):
        assert contrast(colours[text], colours[f"{text}-ground"]) >= 4.5, (theme, text)
    for drawn in DRAWN:
        assert contrast(colours[drawn], colours["ground"]) >= 3, (theme, drawn)
    assert contrast(colours["given"], colours["drug"]) >= 2


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert "@import" not in CSS
    assert re.findall(r"url\(([^)]*)\)", CSS) == ["#hatch"]


def test_the_pages_follow_the_theme_the_reader_chose_and_print() -> None:
    assert "prefers-color-scheme: dark" in CSS
    assert "@media print" in CSS
