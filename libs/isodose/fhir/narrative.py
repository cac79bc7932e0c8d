"""A narrative is shown to people in browsers, so nothing in it may run (the rule behind txt-1).

https://hl7.org/fhir/R4/narrative.html#rules
"""

from __future__ import annotations

import re

_ACTIVE = (
    "<script", "<iframe", "<object", "<embed", "<form", "<input", "<link", "<style", "<base", "<meta", "<svg",
    "javascript:", "vbscript:",
)  # fmt: skip
_HANDLER = re.compile(r"\son[a-z]+\s*=\s*[\"']")
_BEFORE_HANDLER = (" on", "\ton", "\non", "\ron")


def is_active(div: str) -> bool:
    """Whether the XHTML holds what a browser would run, load or submit."""
    text = div.lower()
    for mark in _ACTIVE:
        if mark in text:
            return True
    return any(start in text for start in _BEFORE_HANDLER) and _HANDLER.search(text) is not None
