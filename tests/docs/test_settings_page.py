"""docs/settings.md says what the code reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from isodose.settings import Settings, as_markdown

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_what_the_settings_say_of_themselves() -> None:
    written = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "run: python -m isodose.settings > docs/settings.md"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert Settings.model_fields[name].description
