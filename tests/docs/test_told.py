"""What the integration guide says that callers are told is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
TOLD = re.compile(r'^\| (?:[0-9]{3}|`[^`]+`:) "([^"]+)"', re.MULTILINE)


def source() -> str:
    """All code, with strings that are written over several lines put together."""
    files = [file for folder in ("libs", "services") for file in sorted((ROOT / folder).rglob("*.py"))]
    whole = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r'"\s*\n\s*f?"', "", whole)


def test_every_message_that_is_explained_is_told() -> None:
    code, messages = source(), TOLD.findall(PAGE)
    parts = [part.strip() for message in messages for part in message.split("...") if part.strip()]
    assert len(messages) > 25
    assert [part for part in parts if part not in code] == []
